//! Frames for the tests. Whole ones are written by etherparse, which knows nothing of our parser; malformed ones by hand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, IpHeaders, IpNumber, PacketBuilder, PacketBuilderStep, TcpHeader,
};

/// The MAC of `out0`.
pub const SENDER_MAC: [u8; 6] = [2, 0, 0, 0, 1, 0];
/// The MAC of `in0`.
pub const RECEIVER_MAC: [u8; 6] = [2, 0, 0, 0, 2, 0];
/// The source of the frames that do not say otherwise.
pub const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Their destination.
pub const DESTINATION_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// Their source, IPv6.
pub const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// Their destination, IPv6.
pub const DESTINATION_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

/// Where the IP header begins in a frame without VLAN tags.
pub const IP: usize = 14;

/// EtherTypes of VLAN tags: 802.1Q, 802.1ad, and 802.1ad before there was a standard.
pub const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// IPv6 extension headers that have a length, and so can be looked through: hop-by-hop options, routing, fragment,
/// authentication, destination options, mobility, HIP, shim6.
pub const EXTENSIONS: [u8; 8] = [0, 43, 44, 51, 60, 135, 139, 140];

/// What an IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP: ports and flag byte.
    Tcp(u16, u16, u8),
    /// UDP: ports.
    Udp(u16, u16),
    /// SCTP: ports.
    Sctp(u16, u16),
    /// An ICMP echo request.
    Icmp,
    /// An ICMPv6 echo request.
    Icmpv6,
    /// Another IP protocol.
    Other(u8),
}

impl Transport {
    /// The IP protocol number.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp(..) => 6,
            Self::Udp(..) => 17,
            Self::Sctp(..) => 132,
            Self::Icmp => 1,
            Self::Icmpv6 => 58,
            Self::Other(number) => number,
        }
    }

    /// Source and destination port; 0 where there is none.
    pub fn ports(self) -> (u16, u16) {
        match self {
            Self::Tcp(source, destination, _) | Self::Udp(source, destination) | Self::Sctp(source, destination) => {
                (source, destination)
            }
            Self::Icmp | Self::Icmpv6 | Self::Other(_) => (0, 0),
        }
    }

    /// The TCP flag byte.
    pub fn flags(self) -> Option<u8> {
        match self {
            Self::Tcp(.., flags) => Some(flags),
            _ => None,
        }
    }
}

/// A packet as it is meant, before it is bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// Source MAC.
    pub source_mac: [u8; 6],
    /// Destination MAC.
    pub destination_mac: [u8; 6],
    /// VLAN tags, outermost first: EtherType and tag control information.
    pub tags: Vec<(u16, u16)>,
    /// What it carries.
    pub transport: Transport,
    /// Bytes behind the transport header.
    pub payload: usize,
}

impl Spec {
    /// An IPv4 packet between the usual addresses.
    pub fn v4(transport: Transport) -> Self {
        Self::between(SOURCE_V4.into(), DESTINATION_V4.into(), transport)
    }

    /// An IPv6 packet between the usual addresses.
    pub fn v6(transport: Transport) -> Self {
        Self::between(SOURCE_V6.into(), DESTINATION_V6.into(), transport)
    }

    /// A packet from `source` to `destination`.
    pub fn between(source: IpAddr, destination: IpAddr, transport: Transport) -> Self {
        let (source_mac, destination_mac) = (SENDER_MAC, RECEIVER_MAC);
        Self { source, destination, source_mac, destination_mac, tags: Vec::new(), transport, payload: 0 }
    }

    /// With so many bytes of payload.
    pub fn payload(mut self, payload: usize) -> Self {
        self.payload = payload;
        self
    }

    /// With these VLAN tags.
    pub fn tags(mut self, tags: &[(u16, u16)]) -> Self {
        self.tags = tags.to_vec();
        self
    }

    /// The frame.
    pub fn frame(&self) -> Vec<u8> {
        let link = PacketBuilder::ethernet2(self.source_mac, self.destination_mac);
        let ip = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => link.ipv4(source.octets(), destination.octets(), 64),
            (IpAddr::V6(source), IpAddr::V6(destination)) => link.ipv6(source.octets(), destination.octets(), 64),
            (source, destination) => panic!("{source} and {destination} are of different families"),
        };
        let mut frame = write(ip, self.source.is_ipv4(), self.transport, &vec![0x5a; self.payload]);
        tag(&mut frame, &self.tags);
        frame
    }

    /// The packet alone, as it stands on a link without Ethernet.
    pub fn raw_ip(&self) -> Vec<u8> {
        Self { tags: Vec::new(), ..self.clone() }.frame().split_off(IP)
    }
}

fn write(ip: PacketBuilderStep<IpHeaders>, is_v4: bool, transport: Transport, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let written = match transport {
        Transport::Tcp(source, destination, flags) => {
            let header = tcp_header(source, destination, flags);
            ip.tcp_header(header).write(&mut frame, payload)
        }
        Transport::Udp(source, destination) => ip.udp(source, destination).write(&mut frame, payload),
        Transport::Icmp => ip.icmpv4_echo_request(7, 1).write(&mut frame, payload),
        // Its checksum covers IPv6 addresses, so etherparse refuses; a parser has to bear it all the same.
        Transport::Icmpv6 if is_v4 => {
            ip.write(&mut frame, IpNumber(58), &[&[128, 0, 0, 0, 0, 7, 0, 1], payload].concat())
        }
        Transport::Icmpv6 => ip.icmpv6_echo_request(7, 1).write(&mut frame, payload),
        Transport::Sctp(source, destination) => {
            // RFC 9260: ports, verification tag, checksum.
            let mut header = [source.to_be_bytes(), destination.to_be_bytes()].concat();
            header.extend([0; 8]);
            ip.write(&mut frame, IpNumber(132), &[&header, payload].concat())
        }
        Transport::Other(number) => ip.write(&mut frame, IpNumber(number), payload),
    };
    written.expect("etherparse writes the frame");
    frame
}

fn tcp_header(source_port: u16, destination_port: u16, flags: u8) -> TcpHeader {
    let bit = |bit: u8| flags >> bit & 1 != 0;
    TcpHeader {
        source_port,
        destination_port,
        fin: bit(0),
        syn: bit(1),
        rst: bit(2),
        psh: bit(3),
        ack: bit(4),
        urg: bit(5),
        ece: bit(6),
        cwr: bit(7),
        ..TcpHeader::default()
    }
}

/// Puts VLAN tags into a frame, outermost first.
pub fn tag(frame: &mut Vec<u8>, tags: &[(u16, u16)]) {
    // Each tag stands before the EtherType it pushes back.
    let bytes =
        tags.iter().flat_map(|(ether_type, control)| [ether_type.to_be_bytes(), control.to_be_bytes()].concat());
    frame.splice(12..12, bytes);
}

/// An Ethernet frame of any kind.
pub fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&RECEIVER_MAC[..], &SENDER_MAC, &ether_type.to_be_bytes(), payload].concat()
}

/// An ARP request.
pub fn arp() -> Vec<u8> {
    let (source, destination) = (SOURCE_V4.octets(), DESTINATION_V4.octets());
    let request = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        ArpOperation::REQUEST,
        &SENDER_MAC,
        &source,
        &[0; 6],
        &destination,
    );
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(SENDER_MAC, [0xff; 6])
        .arp(request.expect("a valid request"))
        .write(&mut frame)
        .expect("etherparse writes the frame");
    frame
}

/// An IPv4 frame written by hand: `header` begins with the usual 20 bytes and may be changed by `change`.
pub fn ipv4(protocol: u8, payload: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let total = (20 + payload.len()) as u16;
    let mut packet = vec![0x45, 0, (total >> 8) as u8, total as u8, 0, 1, 0, 0, 64, protocol, 0, 0];
    packet.extend(SOURCE_V4.octets());
    packet.extend(DESTINATION_V4.octets());
    packet.extend(payload);
    change(&mut packet);
    ethernet(0x0800, &packet)
}

/// An IPv6 frame written by hand, from its first next-header number and everything behind the fixed header.
pub fn ipv6(next_header: u8, rest: &[u8]) -> Vec<u8> {
    let length = rest.len() as u16;
    let mut packet = vec![0x60, 0, 0, 0, (length >> 8) as u8, length as u8, next_header, 64];
    packet.extend(SOURCE_V6.octets());
    packet.extend(DESTINATION_V6.octets());
    packet.extend(rest);
    ethernet(0x86dd, &packet)
}

/// IPv6 extension headers of these kinds with `units` beyond their shortest form, then `last` with its bytes: everything
/// behind the fixed header. The number of the first header goes into the fixed one.
pub fn extensions(kinds: &[u8], units: u8, last: u8, payload: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    for (index, kind) in kinds.iter().enumerate() {
        let next = kinds.get(index + 1).copied().unwrap_or(last);
        // RFC 8200 §4.5: the fragment header has no length; RFC 4302: that of AH counts words of 4 bytes, less 2.
        let (length, size) = match kind {
            44 => (0, 8),
            51 => (units + 1, 8 + 4 * (usize::from(units) + 1)),
            _ => (units, 8 + 8 * usize::from(units)),
        };
        let start = rest.len();
        rest.extend([next, length]);
        rest.resize(start + size, 0);
    }
    rest.extend(payload);
    rest
}

/// The 8 bytes of an UDP header.
pub fn udp_header(source: u16, destination: u16, length: u16) -> Vec<u8> {
    [source.to_be_bytes(), destination.to_be_bytes(), length.to_be_bytes(), [0, 0]].concat()
}
