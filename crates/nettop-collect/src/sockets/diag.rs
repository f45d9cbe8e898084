//! Sockets as sock_diag(7) lists them: every user's, without any privilege. Each message is read where it lies.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use super::reading::{SocketProtocol, SocketRow, TcpFacts};
use crate::netlink::{
    attributes::{attributes, number_at},
    kept::Kept,
};

/// linux/sock_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// linux/inet_diag.h: the older question, about TCP alone.
const TCPDIAG_GETSOCK: u16 = 18;
/// Bytes of `struct inet_diag_msg`, which precedes the attributes.
const MESSAGE: usize = 72;

/// Attributes (linux/inet_diag.h).
const INFO: u16 = 2;
const SKMEMINFO: u16 = 7;
const SKV6ONLY: u16 = 11;
/// Those that come only when they are asked for: a bit each.
const EXTENSIONS: u8 = 1 << (INFO - 1) | 1 << (SKMEMINFO - 1);
/// The place of `SK_MEMINFO_DROPS` in [`SKMEMINFO`].
const DROPS: usize = 8;

/// All states but TIME_WAIT and SYN_RECV. A SYN flood makes thousands of the latter, of which nothing is to be known.
const STATES: u32 = 0xFB7;
/// TCP_SYN_RECV and TCP_NEW_SYN_RECV.
const HALF_OPEN: u32 = 1 << 3 | 1 << 12;

/// Addresses and ports at which half-open connections are told apart: more have no listener of their own.
const MOST_LOCAL: usize = 1024;

/// What is listed, and what that is called: the kind of the question, and the question about sockets in some states.
struct List {
    protocol: SocketProtocol,
    name: &'static str,
    kind: u16,
    question: fn(u8, u32) -> Vec<u8>,
    /// What it is about may not be there: then there are no sockets of it.
    optional: bool,
}

const fn list(
    protocol: SocketProtocol,
    name: &'static str,
    kind: u16,
    question: fn(u8, u32) -> Vec<u8>,
    optional: bool,
) -> List {
    List { protocol, name, kind, question, optional }
}

const TCP: u8 = libc::IPPROTO_TCP as u8;
const UDP: u8 = libc::IPPROTO_UDP as u8;
const V4: u8 = libc::AF_INET as u8;
const V6: u8 = libc::AF_INET6 as u8;

/// TCP of both families at once, which takes one pass over the kernel's table of connections: a quarter of a million buckets, which
/// take longer than the connections of most hosts. The newer question has no such form.
const TCP_AT_ONCE: &[List] = &[list(SocketProtocol::Tcp, "TCP", TCPDIAG_GETSOCK, older_question, false)];
/// The same where the kernel does not know that question any more.
const TCP_BY_FAMILY: &[List] = &[
    list(
        SocketProtocol::Tcp,
        "TCP over IPv4",
        SOCK_DIAG_BY_FAMILY,
        |ext, states| question(V4, TCP, ext, states),
        false,
    ),
    list(SocketProtocol::Tcp, "TCP over IPv6", SOCK_DIAG_BY_FAMILY, |ext, states| question(V6, TCP, ext, states), true),
];
const OTHERS: &[List] = &[
    list(
        SocketProtocol::Udp,
        "UDP over IPv4",
        SOCK_DIAG_BY_FAMILY,
        |ext, states| question(V4, UDP, ext, states),
        false,
    ),
    list(SocketProtocol::Udp, "UDP over IPv6", SOCK_DIAG_BY_FAMILY, |ext, states| question(V6, UDP, ext, states), true),
];

/// A socket to ask over, which lists those of the network namespace that it was opened in.
pub struct Diag {
    kept: Kept,
    tcp: &'static [List],
}

impl Diag {
    /// Opens it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        let mut diag = Self { kept: Kept::open(NETLINK_SOCK_DIAG)?, tcp: TCP_AT_ONCE };
        // No socket is in no state.
        if diag.dump(&TCP_AT_ONCE[0], 0, 0, &mut |_| {}).is_err() {
            diag.tcp = TCP_BY_FAMILY;
        }
        Ok(diag)
    }

    /// Hands over every socket; returns what could not be listed, and why, in words.
    pub fn list(&mut self, each: &mut dyn FnMut(SocketRow)) -> Vec<String> {
        let mut problems = Vec::new();
        for list in self.tcp.iter().chain(OTHERS) {
            let listed = self.dump(list, EXTENSIONS, STATES, &mut |body| _ = row(body, list.protocol).map(&mut *each));
            if let Err(error) = listed {
                problems.push(format!("the sockets of {}: {error}", list.name));
            }
        }
        problems
    }

    /// How many connections were asked for and not confirmed yet, and at which addresses and ports of this host; `None`: the kernel does not
    /// tell.
    pub fn half_open(&mut self) -> Option<HalfOpen> {
        let mut found = HalfOpen::default();
        for list in self.tcp {
            self.dump(list, 0, HALF_OPEN, &mut |body| found.add(local(body))).ok()?;
        }
        Some(found)
    }

    fn dump(&mut self, list: &List, extensions: u8, states: u32, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        match self.kept.dump(list.kind, &(list.question)(extensions, states), each) {
            Err(error) if list.optional && error.kind() == io::ErrorKind::NotFound => Ok(()),
            dumped => dumped,
        }
    }
}

/// Connections that were asked for and not confirmed yet.
#[derive(Clone, Debug, Default)]
pub struct HalfOpen {
    /// How many.
    pub count: u64,
    by_local: HashMap<(IpAddr, u16), u64>,
}

impl HalfOpen {
    pub(super) fn add(&mut self, local: Option<(IpAddr, u16)>) {
        self.count += 1;
        let Some(local) = local else { return };
        let room = self.by_local.len() < MOST_LOCAL;
        match self.by_local.get_mut(&local) {
            Some(count) => *count += 1,
            None if room => _ = self.by_local.insert(local, 1),
            None => {}
        }
    }

    /// Address and port of this host, and how many are there; in no order.
    pub fn by_local(&self) -> impl Iterator<Item = (IpAddr, u16, u64)> {
        self.by_local.iter().map(|((ip, port), count)| (*ip, *port, *count))
    }
}

/// `struct inet_diag_req_v2` of all sockets of a family and a protocol in these states.
fn question(family: u8, protocol: u8, extensions: u8, states: u32) -> Vec<u8> {
    let mut question = vec![0; 56];
    question[..3].copy_from_slice(&[family, protocol, extensions]);
    question[4..8].copy_from_slice(&states.to_ne_bytes());
    question
}

/// `struct inet_diag_req` of all sockets in these states, of any family.
fn older_question(extensions: u8, states: u32) -> Vec<u8> {
    let mut question = vec![0; 60];
    question[3] = extensions;
    question[52..56].copy_from_slice(&states.to_ne_bytes());
    question
}

/// Address and port of this host that a message is about.
fn local(body: &[u8]) -> Option<(IpAddr, u16)> {
    let (head, _) = body.split_at_checked(MESSAGE)?;
    Some((address(head[0], &head[8..24])?, u16::from_be_bytes([head[4], head[5]])))
}

/// The socket that a message is about; `None`: it is too short, or of a family that was not asked for.
pub fn row(body: &[u8], protocol: SocketProtocol) -> Option<SocketRow> {
    let (head, rest) = body.split_at_checked(MESSAGE)?;
    let word = |at: usize| number_at(head, at).unwrap_or_default();
    let port = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let mut row = SocketRow {
        // Two words, the lower one first.
        cookie: u64::from(word(44)) | u64::from(word(48)) << 32,
        protocol,
        state: head[1],
        local: address(head[0], &head[8..24])?,
        local_port: port(4),
        remote: address(head[0], &head[24..40])?,
        remote_port: port(6),
        interface: word(40),
        receive_queue: word(56),
        send_queue: word(60),
        uid: word(64),
        inode: word(68),
        ..SocketRow::default()
    };
    for (kind, value) in attributes(rest) {
        match kind {
            INFO if protocol == SocketProtocol::Tcp => row.tcp = tcp(value),
            SKMEMINFO => row.drops = number_at(value, DROPS * 4).unwrap_or_default(),
            SKV6ONLY => row.v6_only = value.first().is_some_and(|only| *only != 0),
            _ => {}
        }
    }
    Some(row)
}

/// An address of 16 bytes, of which IPv4 has the first four.
fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    match i32::from(family) {
        libc::AF_INET => Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()),
        libc::AF_INET6 => Some(IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()),
        _ => None,
    }
}

/// As much of `struct tcp_info` as this kernel has.
fn tcp(info: &[u8]) -> TcpFacts {
    let word = |at| number_at(info, at);
    let long = |at: usize| Some(u64::from_ne_bytes(info.get(at..at + 8)?.try_into().ok()?));
    TcpFacts {
        rtt_us: word(68),
        rttvar_us: word(72),
        cwnd: word(80),
        reordering: word(88),
        retransmits: word(100),
        bytes_acked: long(120),
        bytes_received: long(128),
        segs_out: word(136),
        segs_in: word(140),
        min_rtt_us: word(148),
        data_segs_in: word(152),
        data_segs_out: word(156),
        delivery_rate: long(160),
        bytes_sent: long(200),
        bytes_retrans: long(208),
        out_of_order: word(224),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::attributes::attribute;

    /// A message about an established connection from 192.0.2.1:443 to 198.51.100.7:50000.
    fn message(family: i32, local: &[u8], remote: &[u8]) -> Vec<u8> {
        let mut message = vec![0; MESSAGE];
        (message[0], message[1]) = (family as u8, 1);
        message[4..6].copy_from_slice(&443u16.to_be_bytes());
        message[6..8].copy_from_slice(&50_000u16.to_be_bytes());
        message[8..8 + local.len()].copy_from_slice(local);
        message[24..24 + remote.len()].copy_from_slice(remote);
        for (at, word) in [(40, 3u32), (44, 0x1122), (48, 1), (56, 10), (60, 20), (64, 1000), (68, 77_000)] {
            message[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        }
        message
    }

    fn v4() -> Vec<u8> {
        message(libc::AF_INET, &[192, 0, 2, 1], &[198, 51, 100, 7])
    }

    /// `length` bytes of which each tells its place.
    fn info(length: usize) -> Vec<u8> {
        (0..length).map(|at| at as u8).collect()
    }

    #[test]
    fn both_questions_find_the_same_connections() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listening socket");
        let port = listener.local_addr().expect("an address").port();
        let held = std::net::TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        let mut diag = Diag::open().expect("a socket");
        let found = [TCP_AT_ONCE, TCP_BY_FAMILY].map(|tcp| {
            diag.tcp = tcp;
            let mut cookies = Vec::new();
            let problems = diag.list(&mut |row| {
                let ends = (row.local_port, row.remote_port);
                cookies.extend((ends.0 == port || ends.1 == port).then_some((row.cookie, row.state, row.tcp.segs_out)));
            });
            assert_eq!(problems, Vec::<String>::new());
            assert!(diag.half_open().is_some());
            cookies.sort_unstable();
            cookies
        });
        assert_eq!((&found[0], found[0].len()), (&found[1], 3));
        drop(held);
    }

    #[test]
    fn what_precedes_the_attributes_is_read() {
        let row = row(&v4(), SocketProtocol::Tcp).expect("a socket");
        assert_eq!((row.local, row.local_port), ([192, 0, 2, 1].into(), 443));
        assert_eq!((row.remote, row.remote_port), ([198, 51, 100, 7].into(), 50_000));
        assert_eq!((row.cookie, row.state, row.interface), (0x1_0000_1122, 1, 3));
        assert_eq!((row.receive_queue, row.send_queue, row.uid, row.inode), (10, 20, 1000, 77_000));
        assert_eq!((row.tcp, row.drops, row.v6_only, row.owner), (TcpFacts::default(), 0, false, None));
    }

    #[test]
    fn half_open_connections_are_told_apart_as_far_as_there_is_room() {
        let mut found = HalfOpen::default();
        let other: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let mapped = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped();
        for body in
            [v4(), v4(), message(libc::AF_INET6, &mapped.octets(), &[]), message(libc::AF_INET6, &other.octets(), &[])]
        {
            found.add(local(&body));
        }
        found.add(local(&v4()[..MESSAGE - 1]));
        let mut told: Vec<_> = found.by_local().collect();
        told.sort_unstable();
        assert_eq!((found.count, told), (5, vec![([192, 0, 2, 1].into(), 443, 3), (other.into(), 443, 1)]));
        (0..3000).for_each(|port| found.add(Some((other.into(), port))));
        assert_eq!((found.count, found.by_local().count()), (3005, MOST_LOCAL));
        assert!(
            found.by_local().any(|(ip, port, count)| (ip, port, count) == (other.into(), 443, 2)),
            "those there go on"
        );
    }

    #[test]
    fn an_ipv4_mapped_address_is_ipv4() {
        let mapped = |last: u8| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last];
        let plain: Ipv6Addr = "2001:db8::1".parse().unwrap();
        for (name, local, remote, expected) in [
            ("mapped", mapped(1), mapped(2), ["192.0.2.1", "192.0.2.2"]),
            ("plain", plain.octets(), plain.octets(), ["2001:db8::1", "2001:db8::1"]),
            ("unspecified", [0; 16], [0; 16], ["::", "::"]),
        ] {
            let row = row(&message(libc::AF_INET6, &local, &remote), SocketProtocol::Tcp).expect("a socket");
            assert_eq!([row.local.to_string(), row.remote.to_string()], expected, "{name}");
        }
    }

    #[test]
    fn tcp_info_is_read_as_far_as_it_goes() {
        let word = |at: u8| u32::from_ne_bytes([at, at + 1, at + 2, at + 3]);
        let long = |at: u8| u64::from_ne_bytes(std::array::from_fn(|byte| at + byte as u8));
        for (name, length, rtt, retransmits, received, sent, out_of_order) in [
            ("none", 0, None, None, None, None, None),
            ("cut within a number", 70, None, None, None, None, None),
            ("Linux 2.6", 104, Some(word(68)), Some(word(100)), None, None, None),
            ("Linux 4.1", 136, Some(word(68)), Some(word(100)), Some(long(128)), None, None),
            ("cut within a long number", 207, Some(word(68)), Some(word(100)), Some(long(128)), None, None),
            ("Linux 4.19", 224, Some(word(68)), Some(word(100)), Some(long(128)), Some(long(200)), None),
            (
                "of a later kernel",
                4096,
                Some(word(68)),
                Some(word(100)),
                Some(long(128)),
                Some(long(200)),
                Some(word(224)),
            ),
        ] {
            let mut message = v4();
            attribute(&mut message, INFO, &info(length));
            let found = row(&message, SocketProtocol::Tcp).expect("a socket").tcp;
            let TcpFacts { rtt_us, retransmits: again, bytes_received, bytes_sent, out_of_order: late, .. } = found;
            let found = (rtt_us, again, bytes_received, bytes_sent, late);
            assert_eq!(found, (rtt, retransmits, received, sent, out_of_order), "{name}");
        }
    }

    #[test]
    fn attributes_that_are_not_as_they_should_be_hide_nothing_else() {
        let drops = |words: usize| (0..words as u32).flat_map(u32::to_ne_bytes).collect::<Vec<_>>();
        for (name, kind, value, expected) in [
            ("drops", SKMEMINFO, drops(9), (8, false)),
            ("memory without drops", SKMEMINFO, drops(8), (0, false)),
            ("no memory", SKMEMINFO, Vec::new(), (0, false)),
            ("IPv6 only", SKV6ONLY, vec![1], (0, true)),
            ("not IPv6 only", SKV6ONLY, vec![0], (0, false)),
            ("empty", SKV6ONLY, Vec::new(), (0, false)),
            ("unknown", 99, vec![7; 30], (0, false)),
        ] {
            let mut message = v4();
            attribute(&mut message, kind, &value);
            let row = row(&message, SocketProtocol::Udp).expect("a socket");
            assert_eq!((row.drops, row.v6_only, row.local_port), (expected.0, expected.1, 443), "{name}");
        }
        // Of UDP there is no such thing, whatever is said.
        let mut message = v4();
        attribute(&mut message, INFO, &info(280));
        assert_eq!(row(&message, SocketProtocol::Udp).expect("a socket").tcp, TcpFacts::default());
    }

    #[test]
    fn a_message_cut_anywhere_is_no_socket_or_less_of_one() {
        let mut message = v4();
        attribute(&mut message, INFO, &info(280));
        attribute(&mut message, SKMEMINFO, &[1; 36]);
        for length in 0..message.len() {
            let found = row(&message[..length], SocketProtocol::Tcp);
            assert_eq!(found.is_some(), length >= MESSAGE, "{length} bytes");
        }
        assert_eq!(row(&self::message(libc::AF_UNIX, &[], &[]), SocketProtocol::Tcp), None);
    }
}
