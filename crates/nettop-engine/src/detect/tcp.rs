//! What the flags of a TCP segment tell of its connection (RFC 9293).

use nettop_common::packet::tcp_flag::{ACK, SYN};

const FIN: u8 = 0x01;
const RST: u8 = 0x04;

/// Whether it asks for a connection: SYN without ACK, RST, FIN.
pub fn opens(flags: u8) -> bool {
    flags & (SYN | ACK | RST | FIN) == SYN
}

/// Whether whoever sends it has got an answer: ACK, but not with SYN, which is an answer itself.
pub fn goes_on(flags: u8) -> bool {
    flags & (SYN | ACK) == ACK
}

/// Whether it may be there to find out if a port is open: neither part of a connection nor the end of one.
pub fn probes(flags: u8) -> bool {
    flags & (ACK | RST) == 0
}
