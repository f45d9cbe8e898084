//! Link types (tcpdump.org/linktypes.html): the header before the IP packet, without which all go through the one parser.

use nettop_common::{
    Frame, Link, MacPair, NotIp, Packet,
    packet::{self, ether_type},
};

/// Finds the packet in a frame.
pub type Parse = fn(&[u8]) -> Result<Packet, NotIp>;

/// A link type.
pub struct LinkType {
    /// Its number.
    pub number: u32,
    /// Its name there, without the prefix.
    pub name: &'static str,
    /// How the packet is found; `None`: this is not known here.
    pub parse: Option<Parse>,
}

/// Those that are looked into, and others that are met often, to call them by name.
pub const LINK_TYPES: &[LinkType] = &[
    supported(0, "NULL", null),
    supported(1, "ETHERNET", ethernet),
    supported(9, "PPP", ppp),
    supported(12, "RAW", raw_ip),
    supported(14, "RAW", raw_ip),
    supported(50, "PPP_HDLC", ppp),
    supported(101, "RAW", raw_ip),
    supported(104, "C_HDLC", cisco_hdlc),
    supported(108, "LOOP", null),
    supported(113, "LINUX_SLL", cooked),
    supported(228, "IPV4", |frame| network(frame, 0, ether_type::IPV4, MacPair::default())),
    supported(229, "IPV6", |frame| network(frame, 0, ether_type::IPV6, MacPair::default())),
    supported(276, "LINUX_SLL2", cooked_2),
    named(6, "IEEE802_5"),
    named(8, "SLIP"),
    named(10, "FDDI"),
    named(51, "PPP_ETHER"),
    named(100, "ATM_RFC1483"),
    named(105, "IEEE802_11"),
    named(107, "FRELAY"),
    named(117, "PFLOG"),
    named(119, "IEEE802_11_PRISM"),
    named(127, "IEEE802_11_RADIOTAP"),
    named(147, "USER0"),
    named(187, "BLUETOOTH_HCI_H4"),
    named(189, "USB_LINUX"),
    named(192, "PPI"),
    named(195, "IEEE802_15_4_WITHFCS"),
    named(201, "BLUETOOTH_HCI_H4_WITH_PHDR"),
    named(220, "USB_LINUX_MMAPPED"),
    named(227, "CAN_SOCKETCAN"),
    named(230, "IEEE802_15_4_NOFCS"),
    named(239, "NFLOG"),
    named(249, "USBPCAP"),
    named(251, "BLUETOOTH_LE_LL"),
    named(252, "WIRESHARK_UPPER_PDU"),
    named(253, "NETLINK"),
];

const fn supported(number: u32, name: &'static str, parse: Parse) -> LinkType {
    LinkType { number, name, parse: Some(parse) }
}

const fn named(number: u32, name: &'static str) -> LinkType {
    LinkType { number, name, parse: None }
}

/// The link type of this number, if it is known.
pub fn link_type(number: u32) -> Option<&'static LinkType> {
    LINK_TYPES.iter().find(|link| link.number == number)
}

fn ethernet(frame: &[u8]) -> Result<Packet, NotIp> {
    packet::parse(Frame::from(frame), Link::Ethernet)
}

fn raw_ip(frame: &[u8]) -> Result<Packet, NotIp> {
    packet::parse(Frame::from(frame), Link::RawIp)
}

/// What follows a header of `header` bytes.
fn network(frame: &[u8], header: usize, ether_type: u16, macs: MacPair) -> Result<Packet, NotIp> {
    let rest = frame.get(header..).ok_or(NotIp::OtherProtocol)?;
    packet::parse_network(Frame::from(rest), ether_type, macs)
}

/// BSD loopback: the address family as four bytes, in the byte order of the host that captured (always big-endian with
/// LOOP).
fn null(frame: &[u8]) -> Result<Packet, NotIp> {
    let family = u32::from_le_bytes(*frame.first_chunk().ok_or(NotIp::OtherProtocol)?);
    let ether_type = match if family > 0xffff { family.swap_bytes() } else { family } {
        2 => ether_type::IPV4,
        // Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS: AF_INET6 is not the same anywhere.
        10 | 23 | 24 | 28 | 30 => ether_type::IPV6,
        _ => return Err(NotIp::OtherProtocol),
    };
    network(frame, 4, ether_type, MacPair::default())
}

/// PPP (RFC 1661, RFC 1662; MPLS: RFC 3032): address and control where they were not compressed away, then the protocol.
fn ppp(frame: &[u8]) -> Result<Packet, NotIp> {
    let header = if frame.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
    let ether_type = match frame.get(header..).unwrap_or_default() {
        [0x00, 0x21, ..] => ether_type::IPV4,
        [0x00, 0x57, ..] => ether_type::IPV6,
        [0x02, 0x81, ..] => ether_type::MPLS,
        _ => return Err(NotIp::OtherProtocol),
    };
    network(frame, header + 2, ether_type, MacPair::default())
}

/// Cisco HDLC: address, control, EtherType.
fn cisco_hdlc(frame: &[u8]) -> Result<Packet, NotIp> {
    let [_, _, high, low] = *frame.first_chunk().ok_or(NotIp::OtherProtocol)?;
    network(frame, 4, u16::from_be_bytes([high, low]), MacPair::default())
}

/// Linux cooked: packet type, ARPHRD type, length of the sender's address, its address, EtherType.
fn cooked(frame: &[u8]) -> Result<Packet, NotIp> {
    let header: &[u8; 16] = frame.first_chunk().ok_or(NotIp::OtherProtocol)?;
    let [_, _, type_high, type_low, _, length, a, b, c, d, e, f, _, _, high, low] = *header;
    let macs = sender(u16::from_be_bytes([type_high, type_low]), length, [a, b, c, d, e, f])?;
    network(frame, header.len(), u16::from_be_bytes([high, low]), macs)
}

/// Its second version: EtherType, reserved, interface, ARPHRD type, packet type, length of the sender's address, its
/// address.
fn cooked_2(frame: &[u8]) -> Result<Packet, NotIp> {
    let header: &[u8; 20] = frame.first_chunk().ok_or(NotIp::OtherProtocol)?;
    let [high, low, _, _, _, _, _, _, type_high, type_low, _, length, a, b, c, d, e, f, _, _] = *header;
    let macs = sender(u16::from_be_bytes([type_high, type_low]), length, [a, b, c, d, e, f])?;
    network(frame, header.len(), u16::from_be_bytes([high, low]), macs)
}

/// The sender's address where it is a MAC; there is none of the receiver.
fn sender(hardware: u16, length: u8, address: [u8; 6]) -> Result<MacPair, NotIp> {
    // ARPHRD_NETLINK, and IEEE 802.11 with and without its headers: what follows is not told by an EtherType.
    if matches!(hardware, 824 | 801..=803) {
        return Err(NotIp::OtherProtocol);
    }
    Ok(match length {
        6 => MacPair::new([0; 6], address),
        _ => MacPair::default(),
    })
}
