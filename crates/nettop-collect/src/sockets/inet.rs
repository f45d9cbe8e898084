//! Messages of inet_diag, which lists the sockets of TCP, UDP, UDP-Lite, SCTP and raw sockets alike.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::reading::{SocketProtocol, SocketRow, TcpFacts};
use crate::netlink::attributes::{attributes, number_at};

/// Bytes of `struct inet_diag_msg`, which precedes the attributes.
const MESSAGE: usize = 72;

/// Attributes (linux/inet_diag.h).
const INFO: u16 = 2;
const SKMEMINFO: u16 = 7;
const SKV6ONLY: u16 = 11;
const PEERS: u16 = 15;
/// Those that come only when they are asked for: a bit each.
pub const EXTENSIONS: u8 = 1 << (INFO - 1) | 1 << (SKMEMINFO - 1);
/// The place of `SK_MEMINFO_DROPS` in [`SKMEMINFO`].
const DROPS: usize = 8;

/// `struct inet_diag_req_v2` of all sockets of a family and a protocol in these states.
pub fn question(family: u8, protocol: u8, extensions: u8, states: u32) -> Vec<u8> {
    let mut question = vec![0; 56];
    question[..3].copy_from_slice(&[family, protocol, extensions]);
    question[4..8].copy_from_slice(&states.to_ne_bytes());
    question
}

/// `struct inet_diag_req` of all sockets of TCP in these states, of any family.
pub fn older_question(extensions: u8, states: u32) -> Vec<u8> {
    let mut question = vec![0; 60];
    question[3] = extensions;
    question[52..56].copy_from_slice(&states.to_ne_bytes());
    question
}

/// Address and port of this host that a message is about.
pub fn local(body: &[u8]) -> Option<(IpAddr, u16)> {
    let (head, _) = body.split_at_checked(MESSAGE)?;
    Some((address(head[0], &head[8..24])?, u16::from_be_bytes([head[4], head[5]])))
}

/// The socket that a message is about, or the association of one of SCTP; `None`: it is too short, or of a family that was not asked for.
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
    let mut has_peers = false;
    for (kind, value) in attributes(rest) {
        match kind {
            PEERS => has_peers = true,
            INFO if protocol == SocketProtocol::Tcp => row.tcp = tcp(value),
            SKMEMINFO => row.drops = number_at(value, DROPS * 4).unwrap_or_default(),
            SKV6ONLY => row.v6_only = value.first().is_some_and(|only| *only != 0),
            _ => {}
        }
    }
    // A socket of SCTP that was accepted has a row of its own beside its association's, which names the same other end.
    if protocol == SocketProtocol::Sctp && !has_peers {
        (row.remote, row.remote_port) = (unspecified(row.remote), 0);
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

fn unspecified(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
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

    #[test]
    fn of_sctp_an_association_has_another_end_and_its_socket_has_none() {
        for (name, attributes, remote, remote_port) in [
            ("an association", &[(PEERS, 128)][..], [198, 51, 100, 7], 50_000),
            ("with two addresses", &[(INFO, 280), (PEERS, 256)], [198, 51, 100, 7], 50_000),
            ("the socket that it is of", &[(INFO, 280)], [0; 4], 0),
        ] {
            let mut message = v4();
            attributes.iter().for_each(|(kind, length)| attribute(&mut message, *kind, &info(*length)));
            let row = row(&message, SocketProtocol::Sctp).expect("a row");
            assert_eq!((row.remote, row.remote_port, row.local_port), (remote.into(), remote_port, 443), "{name}");
            assert_eq!(row.tcp, TcpFacts::default(), "{name}");
        }
        // Of the others nothing says so.
        assert_eq!(row(&v4(), SocketProtocol::Raw).expect("a row").remote_port, 50_000);
    }
}
