//! Sockets as sock_diag(7) lists them: every user's, without any privilege. Each message is read where it lies.

use std::{
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

/// What is listed: a family and a protocol of the kernel's, and what they are called.
const LISTS: [(u8, u8, SocketProtocol, &str); 4] = [
    (libc::AF_INET as u8, libc::IPPROTO_TCP as u8, SocketProtocol::Tcp, "TCP over IPv4"),
    (libc::AF_INET6 as u8, libc::IPPROTO_TCP as u8, SocketProtocol::Tcp, "TCP over IPv6"),
    (libc::AF_INET as u8, libc::IPPROTO_UDP as u8, SocketProtocol::Udp, "UDP over IPv4"),
    (libc::AF_INET6 as u8, libc::IPPROTO_UDP as u8, SocketProtocol::Udp, "UDP over IPv6"),
];

/// A socket to ask over, which lists those of the network namespace that it was opened in.
pub struct Diag(Kept);

impl Diag {
    /// Opens it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        Kept::open(NETLINK_SOCK_DIAG).map(Self)
    }

    /// Hands over every socket; returns what could not be listed, and why, in words.
    pub fn list(&mut self, each: &mut dyn FnMut(SocketRow)) -> Vec<String> {
        let mut problems = Vec::new();
        for (family, number, protocol, name) in LISTS {
            let question = request(family, number, EXTENSIONS, STATES);
            let listed =
                self.0.dump(SOCK_DIAG_BY_FAMILY, &question, &mut |body| _ = row(body, protocol).map(&mut *each));
            match listed {
                // What is not there has no sockets: IPv6 that is off, or a kernel without it.
                Err(error) if error.kind() == io::ErrorKind::NotFound && family == libc::AF_INET6 as u8 => {}
                Err(error) => problems.push(format!("the sockets of {name}: {error}")),
                Ok(()) => {}
            }
        }
        problems
    }

    /// How many connections were asked for and not confirmed yet; `None`: the kernel does not tell.
    pub fn half_open(&mut self) -> Option<u64> {
        let mut count = None;
        for (family, number, ..) in LISTS.iter().filter(|(.., protocol, _)| *protocol == SocketProtocol::Tcp) {
            let mut of_family = 0;
            let question = request(*family, *number, 0, HALF_OPEN);
            if self.0.dump(SOCK_DIAG_BY_FAMILY, &question, &mut |_| of_family += 1).is_ok() {
                count = Some(count.unwrap_or(0) + of_family);
            }
        }
        count
    }
}

/// `struct inet_diag_req_v2` of all sockets in these states.
fn request(family: u8, protocol: u8, extensions: u8, states: u32) -> Vec<u8> {
    let mut request = vec![0; 56];
    request[..3].copy_from_slice(&[family, protocol, extensions]);
    request[4..8].copy_from_slice(&states.to_ne_bytes());
    request
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
    fn what_precedes_the_attributes_is_read() {
        let row = row(&v4(), SocketProtocol::Tcp).expect("a socket");
        assert_eq!((row.local, row.local_port), ([192, 0, 2, 1].into(), 443));
        assert_eq!((row.remote, row.remote_port), ([198, 51, 100, 7].into(), 50_000));
        assert_eq!((row.cookie, row.state, row.interface), (0x1_0000_1122, 1, 3));
        assert_eq!((row.receive_queue, row.send_queue, row.uid, row.inode), (10, 20, 1000, 77_000));
        assert_eq!((row.tcp, row.drops, row.v6_only, row.owner), (TcpFacts::default(), 0, false, None));
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
