//! Serial lines: PPP (RFC 1661) with and without HDLC framing (RFC 1662), and Cisco HDLC (RFC 1547, section 4.3.1).

use nettop_common::{MacPair, NotCounted, Packet, packet::ether_type};

use super::{behind, network};

/// PPP, or Cisco HDLC on the same line: the first byte tells, since neither address of the latter is a protocol of the former.
pub fn ppp(frame: &[u8]) -> Result<Packet, NotCounted> {
    match frame {
        // Address and control, where these are not compressed away (RFC 1661, section 6.6).
        [0xff, 0x03, ..] => protocol(behind(frame, 2)?),
        // Unicast and broadcast.
        [0x0f | 0x8f, ..] => cisco_hdlc(frame),
        _ => protocol(frame),
    }
}

/// As pppd writes it: the address is whether it was sent (1) or received (0).
pub fn pppd(frame: &[u8]) -> Result<Packet, NotCounted> {
    match frame {
        [0 | 1, 0x03, ..] => protocol(behind(frame, 2)?),
        _ => ppp(frame),
    }
}

/// Cisco HDLC: address, control, EtherType.
pub fn cisco_hdlc(frame: &[u8]) -> Result<Packet, NotCounted> {
    let [_, _, high, low] = *frame.first_chunk().ok_or(NotCounted::OtherProtocol)?;
    network(frame, 4, u16::from_be_bytes([high, low]), MacPair::default())
}

/// The protocol, and what follows. Its first byte may be compressed away where that is zero; the second, and only that, is odd
/// (RFC 1661, section 6.5).
fn protocol(frame: &[u8]) -> Result<Packet, NotCounted> {
    let (protocol, header) = match *frame {
        [low, ..] if low & 1 == 1 => (low.into(), 1),
        [high, low, ..] => (u16::from_be_bytes([high, low]), 2),
        _ => return Err(NotCounted::OtherProtocol),
    };
    let ether_type = match protocol {
        0x0021 => ether_type::IPV4,
        0x0057 => ether_type::IPV6,
        // RFC 3032: unicast and multicast.
        0x0281 | 0x0283 => ether_type::MPLS,
        _ => return Err(NotCounted::OtherProtocol),
    };
    network(frame, header, ether_type, MacPair::default())
}
