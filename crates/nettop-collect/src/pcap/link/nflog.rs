//! Packets that a firewall rule logged: messages of Linux' nfnetlink_log, as tcpdump captures them from `nflog:GROUP`.

use nettop_common::{MacPair, NotCounted, Packet, packet::ether_type};

use super::{super::record::Order, behind, network};

/// Address family, version, and the number of the group.
const HEADER: usize = 4;
/// Length and type of an attribute, in the byte order of the host that captured.
const ATTRIBUTE: usize = 4;

/// `NFULA_…` (linux/netfilter/nfnetlink_log.h).
mod attribute {
    /// EtherType, hook.
    pub const PACKET_HEADER: u16 = 1;
    /// The length of the sender's address, and the address.
    pub const SENDER: u16 = 8;
    /// The packet, without the header of its link.
    pub const PAYLOAD: u16 = 9;
    /// That header, whatever link it is.
    pub const LINK_HEADER: u16 = 16;
}

/// `AF_INET` and `AF_INET6` of Linux. Of bridges and devices the family says nothing of the packet.
const INET: u8 = 2;
const INET6: u8 = 10;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// Attributes, of which one is the packet.
pub fn nflog(frame: &[u8], order: Order) -> Result<Packet, NotCounted> {
    let family = *frame.first().ok_or(NotCounted::OtherProtocol)?;
    let mut found = Found::default();
    let mut rest = behind(frame, HEADER)?;
    while rest.len() >= ATTRIBUTE {
        let (length, kind) = (usize::from(order.u16(rest, 0)), order.u16(rest, 2));
        // The last one may be cut short where not all was captured.
        let value = rest.get(ATTRIBUTE..length.min(rest.len())).ok_or(NotCounted::OtherProtocol)?;
        found.note(kind, value);
        // The length does not count the padding, and is ATTRIBUTE at least: `get` says so above.
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    let ether_type = match family {
        INET => ether_type::IPV4,
        INET6 => ether_type::IPV6,
        _ => found.ether_type.ok_or(NotCounted::OtherProtocol)?,
    };
    network(found.payload.ok_or(NotCounted::OtherProtocol)?, 0, ether_type, found.macs)
}

/// What the attributes tell.
#[derive(Default)]
struct Found<'a> {
    ether_type: Option<u16>,
    macs: MacPair,
    payload: Option<&'a [u8]>,
}

impl<'a> Found<'a> {
    fn note(&mut self, kind: u16, value: &'a [u8]) {
        match (kind & TYPE, value) {
            (attribute::PACKET_HEADER, [high, low, ..]) => self.ether_type = Some(u16::from_be_bytes([*high, *low])),
            // Of the receiver nothing is known, unless there is the header.
            (attribute::SENDER, [0, 6, _, _, a, b, c, d, e, f, ..]) if self.macs == MacPair::default() => {
                self.macs = MacPair::new([0; 6], [*a, *b, *c, *d, *e, *f]);
            }
            (attribute::LINK_HEADER, [a, b, c, d, e, f, g, h, i, j, k, l, ..]) if value.len() == ETHERNET => {
                self.macs = MacPair::new([*a, *b, *c, *d, *e, *f], [*g, *h, *i, *j, *k, *l]);
            }
            (attribute::PAYLOAD, payload) => self.payload = Some(payload),
            _ => {}
        }
    }
}

/// Without the flags of netlink (`NLA_TYPE_MASK`).
const TYPE: u16 = 0x3fff;

#[cfg(test)]
mod tests {
    use nettop_common::Address;

    use super::*;

    const SOURCE: [u8; 4] = [192, 0, 2, 1];

    /// An IPv4 packet with UDP, between documentation addresses.
    fn v4() -> Vec<u8> {
        let header = [0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0];
        [&header[..], &SOURCE, &[198, 51, 100, 2], &[0, 7, 0, 53, 0, 8, 0, 0]].concat()
    }

    fn v6() -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 8, 17, 64];
        packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1].repeat(2));
        packet.extend([0, 7, 0, 53, 0, 8, 0, 0]);
        packet
    }

    /// A message, with its attributes in order.
    fn message(order: Order, family: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let short = |number: u16| if order.big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
        let mut message = vec![family, 0, 0, 5];
        for (kind, value) in attributes {
            message.extend([short((ATTRIBUTE + value.len()) as u16), short(*kind)].concat());
            message.extend(*value);
            message.resize(message.len().next_multiple_of(4), 0);
        }
        message
    }

    #[test]
    fn logged_packets_are_found_in_either_byte_order() {
        let (v4, v6) = (v4(), v6());
        let (ipv4, ipv6, arp): (&[u8], &[u8], &[u8]) = (&[8, 0, 1, 0], &[0x86, 0xdd, 1, 0], &[8, 6, 1, 0]);
        let sender: &[u8] = &[0, 6, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0];
        let header: &[u8] = &[2, 0, 0, 0, 2, 0, 2, 0, 0, 0, 1, 0, 8, 0];
        let (no_macs, sent) = (MacPair::default(), MacPair::new([0; 6], [2, 0, 0, 0, 1, 0]));
        let both = MacPair::new([2, 0, 0, 0, 2, 0], [2, 0, 0, 0, 1, 0]);
        for big_endian in [false, true] {
            let order = Order { big_endian };
            for (name, family, attributes, expected) in [
                ("IPv4", 2, &[(1, ipv4), (10, b"in: \0"), (9, &v4)][..], Ok((true, no_macs))),
                ("IPv6", 10, &[(1, ipv6), (9, &v6)], Ok((false, no_macs))),
                ("the packet first", 2, &[(9, &v4), (8, sender)], Ok((true, sent))),
                ("the sender's MAC", 2, &[(8, sender), (9, &v4)], Ok((true, sent))),
                ("both MACs", 2, &[(16, header), (8, sender), (9, &v4)], Ok((true, both))),
                ("both, after the sender's", 2, &[(8, sender), (16, header), (9, &v4)], Ok((true, both))),
                ("of a bridge, IPv4", 7, &[(1, ipv4), (9, &v4)], Ok((true, no_macs))),
                ("of a device, IPv6", 5, &[(1, ipv6), (9, &v6)], Ok((false, no_macs))),
                ("of a bridge, ARP", 7, &[(1, arp), (9, &v4)], Err(NotCounted::OtherProtocol)),
                ("of a bridge, nothing told", 7, &[(9, &v4)], Err(NotCounted::OtherProtocol)),
                ("flags on the type", 2, &[(0x8009, &v4)], Ok((true, no_macs))),
                ("no packet", 2, &[(1, ipv4)], Err(NotCounted::OtherProtocol)),
                ("nothing", 2, &[], Err(NotCounted::OtherProtocol)),
                ("an empty packet", 2, &[(9, &[])], Err(NotCounted::Malformed)),
                ("the wrong family", 10, &[(9, &v4)], Err(NotCounted::Malformed)),
            ] {
                let found = nflog(&message(order, family, attributes), order).map(|packet| {
                    assert_eq!((packet.source_port, packet.destination_port), (7, 53), "{name}");
                    (packet.source == Address::from(std::net::Ipv4Addr::from(SOURCE)), packet.macs)
                });
                assert_eq!(found, expected, "{name}, {order:?}");
            }
            let whole = message(order, 2, &[(1, ipv4), (9, &v4)]);
            for length in 0..whole.len() {
                let found = nflog(&whole[..length], order);
                assert_eq!(found.is_ok(), length >= whole.len() - 8, "cut after {length}");
            }
            let mut damaged = whole.clone();
            for length in [0, 3, 0xffff] {
                damaged[HEADER..HEADER + 2].copy_from_slice(&if big_endian {
                    u16::to_be_bytes(length)
                } else {
                    u16::to_le_bytes(length)
                });
                assert_eq!(
                    nflog(&damaged, order),
                    Err(NotCounted::OtherProtocol),
                    "a first attribute of {length} bytes"
                );
            }
        }
    }
}
