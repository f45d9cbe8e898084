//! Linux "cooked": what is captured on all interfaces at once.

use nettop_common::{MacPair, NotCounted, Packet};

use super::network;

/// Linux cooked: packet type, ARPHRD type, length of the sender's address, its address, EtherType.
pub fn cooked(frame: &[u8]) -> Result<Packet, NotCounted> {
    let header: &[u8; 16] = frame.first_chunk().ok_or(NotCounted::OtherProtocol)?;
    let [_, _, type_high, type_low, _, length, a, b, c, d, e, f, _, _, high, low] = *header;
    let macs = sender(u16::from_be_bytes([type_high, type_low]), length, [a, b, c, d, e, f])?;
    network(frame, header.len(), u16::from_be_bytes([high, low]), macs)
}

/// Its second version: EtherType, reserved, interface, ARPHRD type, packet type, length of the sender's address, its
/// address.
pub fn cooked_2(frame: &[u8]) -> Result<Packet, NotCounted> {
    let header: &[u8; 20] = frame.first_chunk().ok_or(NotCounted::OtherProtocol)?;
    let [high, low, _, _, _, _, _, _, type_high, type_low, _, length, a, b, c, d, e, f, _, _] = *header;
    let macs = sender(u16::from_be_bytes([type_high, type_low]), length, [a, b, c, d, e, f])?;
    network(frame, header.len(), u16::from_be_bytes([high, low]), macs)
}

/// The sender's address where it is a MAC; there is none of the receiver.
fn sender(hardware: u16, length: u8, address: [u8; 6]) -> Result<MacPair, NotCounted> {
    // ARPHRD_NETLINK, Frame Relay, and IEEE 802.11 with and without its headers: what follows is not told by an EtherType.
    if matches!(hardware, 824 | 770 | 801..=803) {
        return Err(NotCounted::OtherProtocol);
    }
    Ok(match length {
        6 => MacPair::new([0; 6], address),
        _ => MacPair::default(),
    })
}
