//! Link types (tcpdump.org/linktypes.html): the header before the IP packet, without which all go through the one parser.

mod cooked;
mod nflog;
mod ppp;

use nettop_common::{
    Frame, LinkLayer, MacPair, NotCounted, Packet,
    packet::{self, ether_type},
};

use self::{
    cooked::{cooked, cooked_2},
    nflog::nflog,
    ppp::{cisco_hdlc, ppp, pppd},
};
use super::record::Order;

/// Finds the packet in a frame of a file whose numbers are in this order.
pub type Parse = fn(&[u8], Order) -> Result<Packet, NotCounted>;

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
    supported(0, "NULL", |frame, _| null(frame)),
    supported(1, "ETHERNET", |frame, _| ethernet(frame)),
    supported(9, "PPP", |frame, _| ppp(frame)),
    supported(12, "RAW", |frame, _| raw_ip(frame)),
    supported(14, "RAW", |frame, _| raw_ip(frame)),
    supported(50, "PPP_HDLC", |frame, _| ppp(frame)),
    supported(51, "PPP_ETHER", |frame, _| network(frame, 0, ether_type::PPPOE, MacPair::default())),
    supported(100, "ATM_RFC1483", |frame, _| network(frame, 0, IEEE_802_2, MacPair::default())),
    supported(101, "RAW", |frame, _| raw_ip(frame)),
    supported(104, "C_HDLC", |frame, _| cisco_hdlc(frame)),
    supported(108, "LOOP", |frame, _| null(frame)),
    supported(113, "LINUX_SLL", |frame, _| cooked(frame)),
    supported(166, "PPP_PPPD", |frame, _| pppd(frame)),
    supported(204, "PPP_WITH_DIR", |frame, _| ppp(behind(frame, DIRECTION)?)),
    supported(205, "C_HDLC_WITH_DIR", |frame, _| cisco_hdlc(behind(frame, DIRECTION)?)),
    supported(219, "MPLS", |frame, _| network(frame, 0, ether_type::MPLS, MacPair::default())),
    supported(228, "IPV4", |frame, _| network(frame, 0, ether_type::IPV4, MacPair::default())),
    supported(229, "IPV6", |frame, _| network(frame, 0, ether_type::IPV6, MacPair::default())),
    supported(239, "NFLOG", nflog),
    supported(276, "LINUX_SLL2", |frame, _| cooked_2(frame)),
    supported(281, "DSA_TAG_BRCM", |frame, _| tagged_by_switch(frame, SWITCH_TAG)),
    supported(282, "DSA_TAG_BRCM_PREPEND", |frame, _| ethernet(behind(frame, SWITCH_TAG)?)),
    supported(284, "DSA_TAG_DSA", |frame, _| tagged_by_switch(frame, SWITCH_TAG)),
    supported(285, "DSA_TAG_EDSA", |frame, _| tagged_by_switch(frame, 2 * SWITCH_TAG)),
    named(6, "IEEE802_5"),
    named(8, "SLIP"),
    named(10, "FDDI"),
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
    named(242, "IPOIB"),
    named(247, "INFINIBAND"),
    named(249, "USBPCAP"),
    named(251, "BLUETOOTH_LE_LL"),
    named(252, "WIRESHARK_UPPER_PDU"),
    named(253, "NETLINK"),
    named(258, "PKTAP"),
    named(274, "ETHERNET_MPACKET"),
];

/// What Linux calls an EtherType of frames that begin with an IEEE 802.2 header (`ETH_P_802_2`); to the parser, the length of
/// one.
const IEEE_802_2: u16 = 4;
/// Bytes of the pseudo-header that tells whether a frame was sent or received.
const DIRECTION: usize = 1;
/// Bytes of a tag by which a switch chip tells its host of the port; twice as many with an EtherType before it.
const SWITCH_TAG: usize = 4;

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

fn ethernet(frame: &[u8]) -> Result<Packet, NotCounted> {
    packet::parse(Frame::from(frame), LinkLayer::Ethernet)
}

fn raw_ip(frame: &[u8]) -> Result<Packet, NotCounted> {
    packet::parse(Frame::from(frame), LinkLayer::RawIp)
}

/// What follows a header of `header` bytes.
fn behind(frame: &[u8], header: usize) -> Result<&[u8], NotCounted> {
    frame.get(header..).ok_or(NotCounted::OtherProtocol)
}

/// What follows a header of `header` bytes, which says its EtherType.
fn network(frame: &[u8], header: usize, ether_type: u16, macs: MacPair) -> Result<Packet, NotCounted> {
    packet::parse_network(Frame::from(behind(frame, header)?), ether_type, macs)
}

/// Ethernet with the tag of a switch chip between the addresses and the EtherType (Linux DSA).
fn tagged_by_switch(frame: &[u8], tag: usize) -> Result<Packet, NotCounted> {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *frame.first_chunk().ok_or(NotCounted::OtherProtocol)?;
    let macs = MacPair::new([a, b, c, d, e, f], [g, h, i, j, k, l]);
    let header = 12 + tag;
    let ether_type = behind(frame, header)?.first_chunk().ok_or(NotCounted::OtherProtocol)?;
    network(frame, header + ether_type.len(), u16::from_be_bytes(*ether_type), macs)
}

/// BSD loopback: the address family as four bytes, in the byte order of the host that captured (always big-endian with
/// LOOP).
fn null(frame: &[u8]) -> Result<Packet, NotCounted> {
    let family = u32::from_le_bytes(*frame.first_chunk().ok_or(NotCounted::OtherProtocol)?);
    let ether_type = match if family > 0xffff { family.swap_bytes() } else { family } {
        2 => ether_type::IPV4,
        // Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS: AF_INET6 is not the same anywhere.
        10 | 23 | 24 | 28 | 30 => ether_type::IPV6,
        _ => return Err(NotCounted::OtherProtocol),
    };
    network(frame, 4, ether_type, MacPair::default())
}
