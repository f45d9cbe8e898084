//! Messages of packet_diag, which lists packet sockets: those of whoever takes frames as they come, such as tcpdump(8).

use super::reading::{SocketProtocol, SocketRow};
use crate::netlink::attributes::{attributes, number, number_at};

/// Bytes of `struct packet_diag_msg`, which precedes the attributes.
const MESSAGE: usize = 16;
/// What is asked for beside it (linux/packet_diag.h): the interface and the user; memory.
const SHOW: u32 = 0x01 | 0x10;
/// Attributes.
const INFO: u16 = 0;
const UID: u16 = 5;
const MEMINFO: u16 = 6;
/// Places in the latter: `SK_MEMINFO_RMEM_ALLOC` and `SK_MEMINFO_DROPS`.
const RECEIVE_QUEUE: usize = 0;
const DROPS: usize = 8;
/// The state of a socket without another end.
const CLOSED: u8 = 7;

/// `struct packet_diag_req` of all of them.
pub fn question() -> Vec<u8> {
    let mut question = vec![0; 20];
    question[0] = libc::AF_PACKET as u8;
    question[8..12].copy_from_slice(&SHOW.to_ne_bytes());
    question
}

/// The socket that a message is about, its EtherType as the port; `None`: it is too short.
pub fn row(body: &[u8]) -> Option<SocketRow> {
    let (head, rest) = body.split_at_checked(MESSAGE)?;
    let word = |at: usize| number_at(head, at).unwrap_or_default();
    let mut row = SocketRow {
        cookie: u64::from(word(8)) | u64::from(word(12)) << 32,
        protocol: match i32::from(head[1]) {
            libc::SOCK_DGRAM => SocketProtocol::PacketDatagram,
            _ => SocketProtocol::PacketRaw,
        },
        state: CLOSED,
        local_port: u16::from_ne_bytes([head[2], head[3]]),
        inode: word(4),
        ..SocketRow::default()
    };
    for (kind, value) in attributes(rest) {
        match kind {
            INFO => row.interface = number_at(value, 0).unwrap_or_default(),
            UID => row.uid = number(value).unwrap_or_default(),
            MEMINFO => {
                row.receive_queue = number_at(value, RECEIVE_QUEUE * 4).unwrap_or_default();
                row.drops = number_at(value, DROPS * 4).unwrap_or_default();
            }
            _ => {}
        }
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::attributes::attribute;

    /// Of a socket of this type, which takes frames of an EtherType.
    fn message(kind: i32, ether_type: u16) -> Vec<u8> {
        let mut message = vec![0; MESSAGE];
        (message[0], message[1]) = (libc::AF_PACKET as u8, kind as u8);
        message[2..4].copy_from_slice(&ether_type.to_ne_bytes());
        for (at, word) in [(4, 77_000u32), (8, 0x1122), (12, 1)] {
            message[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        }
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>();
        attribute(&mut message, INFO, &words(&[3, 2, 0, 0, 0, 0]));
        attribute(&mut message, UID, &words(&[1000]));
        attribute(&mut message, MEMINFO, &words(&[4096, 0, 0, 0, 0, 0, 0, 0, 17]));
        message
    }

    #[test]
    fn sockets_are_told_apart_by_their_type() {
        use SocketProtocol::{PacketDatagram, PacketRaw};
        for (name, kind, ether_type, expected) in [
            ("raw, everything", libc::SOCK_RAW, 3, PacketRaw),
            ("without the link's header", libc::SOCK_DGRAM, 0x88cc, PacketDatagram),
            ("obsolete: SOCK_PACKET", 10, 3, PacketRaw),
        ] {
            let row = row(&message(kind, ether_type)).expect("a socket");
            assert_eq!((row.protocol, row.local_port, row.state), (expected, ether_type, CLOSED), "{name}");
            assert_eq!((row.cookie, row.inode, row.uid, row.interface), (0x1_0000_1122, 77_000, 1000, 3), "{name}");
            assert_eq!((row.receive_queue, row.drops), (4096, 17), "{name}");
        }
    }

    #[test]
    fn a_message_cut_anywhere_is_no_socket_or_less_of_one() {
        let message = message(libc::SOCK_RAW, 3);
        for length in 0..message.len() {
            let found = row(&message[..length]);
            assert_eq!(found.is_some(), length >= MESSAGE, "{length} bytes");
            assert!(found.is_none_or(|row| row.inode == 77_000 && row.local_port == 3), "{length} bytes");
        }
    }
}
