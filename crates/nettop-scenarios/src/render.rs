//! From packets to frames. One frame of each kind is written by etherparse; every further one is that frame with other addresses,
//! ports and lengths in it. Checksums are left as they were: nothing that counts looks at them.

use std::{collections::HashMap, net::IpAddr};

use etherparse::{ArpHardwareId, ArpOperation, ArpPacket, EtherType, IpNumber, PacketBuilder, TcpHeader};

use crate::packet::{Packet, What, trait_of};

const IP: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
/// The shortest frame on Ethernet, without its checksum.
const SHORTEST: usize = 60;
/// MAC addresses: of the host, and of the router before it.
const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// Bytes of each kind's first frame behind its headers: none needed, a few to be like real captures.
const KEPT_PAYLOAD: usize = 8;

/// Makes frames.
#[derive(Default)]
pub struct Renderer {
    /// By kind, and whether it is IPv6.
    templates: HashMap<(What, bool), Vec<u8>>,
    frame: Vec<u8>,
}

impl Renderer {
    /// The beginning of a packet's frame, with all its headers, and the length of the whole frame on the wire.
    pub fn render(&mut self, packet: &Packet) -> (&[u8], u64) {
        let ipv6 = packet.source.is_ipv6();
        // Flags are put in like ports are.
        let kind = if let What::Tcp(_) = packet.what { What::Tcp(0) } else { packet.what };
        let template = self.templates.entry((kind, ipv6)).or_insert_with(|| template(kind, ipv6));
        self.frame.clone_from(template);
        if packet.what == What::Arp {
            arp(&mut self.frame, packet);
        } else {
            ip(&mut self.frame, packet);
        }
        macs(&mut self.frame, packet);
        let headers = template.len() - KEPT_PAYLOAD;
        let length = (headers + usize::from(packet.payload)).max(SHORTEST);
        self.frame.truncate(length.min(headers + usize::from(packet.payload).min(KEPT_PAYLOAD)));
        (&self.frame, length as u64)
    }
}

fn template(kind: What, ipv6: bool) -> Vec<u8> {
    let link = PacketBuilder::ethernet2(ROUTER_MAC, HOST_MAC);
    let payload = [0x5a; KEPT_PAYLOAD];
    let mut frame = Vec::new();
    if kind == What::Arp {
        let request = ArpPacket::new(
            ArpHardwareId::ETHERNET,
            EtherType::IPV4,
            ArpOperation::REQUEST,
            &[0; 6],
            &[0; 4],
            &[0; 6],
            &[0; 4],
        );
        let written = link.arp(request.expect("lengths that fit")).write(&mut frame);
        written.expect("memory takes what is written");
        frame.extend(payload);
        return frame;
    }
    let ip = if ipv6 { link.ipv6([0; 16], [0; 16], 64) } else { link.ipv4([0; 4], [0; 4], 64) };
    // Eight bytes of an ICMP header, or of an IPv6 fragment header (RFC 8200 §4.5) whose offset is 1480.
    let eight = |first: [u8; 4]| [&first[..], &[0; 4], &payload].concat();
    let written = match kind {
        What::Tcp(_) => ip.tcp_header(TcpHeader::default()).write(&mut frame, &payload),
        What::Udp => ip.udp(0, 0).write(&mut frame, &payload),
        What::Icmp(kind, code) => ip.write(&mut frame, IpNumber(if ipv6 { 58 } else { 1 }), &eight([kind, code, 0, 0])),
        What::Protocol(number) => ip.write(&mut frame, IpNumber(number), &payload),
        What::Fragment if ipv6 => ip.write(&mut frame, IpNumber(44), &eight([17, 0, 0x05, 0xc9])),
        What::Fragment | What::Arp => ip.write(&mut frame, IpNumber(17), &payload),
    };
    written.expect("memory takes what is written");
    if kind == What::Fragment && !ipv6 {
        // More fragments, and an offset of 1480 bytes.
        frame[IP + 6..IP + 8].copy_from_slice(&(0x2000u16 | 185).to_be_bytes());
    }
    frame
}

fn ip(frame: &mut [u8], packet: &Packet) {
    let headers = frame.len() - KEPT_PAYLOAD;
    let (payload, ttl) = (packet.payload, ttl(packet));
    let put = |frame: &mut [u8], at: usize, number: u16| frame[at..at + 2].copy_from_slice(&number.to_be_bytes());
    let transport = match (packet.source, packet.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            put(frame, IP + 2, (headers - IP) as u16 + payload);
            frame[IP + 8] = ttl;
            frame[IP + 12..IP + 16].copy_from_slice(&source.octets());
            frame[IP + 16..IP + 20].copy_from_slice(&destination.octets());
            IP + IPV4
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            put(frame, IP + 4, (headers - IP - IPV6) as u16 + payload);
            frame[IP + 7] = ttl;
            frame[IP + 8..IP + 24].copy_from_slice(&source.octets());
            frame[IP + 24..IP + 40].copy_from_slice(&destination.octets());
            IP + IPV6
        }
        (source, destination) => unreachable!("{source} and {destination} are of different families"),
    };
    if let What::Tcp(_) | What::Udp = packet.what {
        put(frame, transport, packet.source_port);
        put(frame, transport + 2, packet.destination_port);
    }
    match packet.what {
        What::Tcp(flags) => frame[transport + 13] = flags,
        What::Udp => put(frame, transport + 4, 8 + payload),
        _ => {}
    }
}

fn arp(frame: &mut [u8], packet: &Packet) {
    let mac = local_mac(packet.source);
    if let (IpAddr::V4(source), IpAddr::V4(destination)) = (packet.source, packet.destination) {
        frame[IP + 8..IP + 14].copy_from_slice(&mac);
        frame[IP + 14..IP + 18].copy_from_slice(&source.octets());
        frame[IP + 24..IP + 28].copy_from_slice(&destination.octets());
    }
}

fn macs(frame: &mut [u8], packet: &Packet) {
    let far = |address| if packet.is_local { local_mac(address) } else { ROUTER_MAC };
    let (mut destination, source) =
        if packet.is_out { (far(packet.destination), HOST_MAC) } else { (HOST_MAC, far(packet.source)) };
    match packet.destination {
        _ if packet.what == What::Arp => destination = [0xff; 6],
        // RFC 1112 §6.4, RFC 2464 §7.
        IpAddr::V4(group) if group.is_multicast() => {
            let [_, b, c, d] = group.octets();
            destination = [1, 0, 0x5e, b & 0x7f, c, d];
        }
        IpAddr::V6(group) if group.is_multicast() => {
            let octets = group.octets();
            destination = [0x33, 0x33, octets[12], octets[13], octets[14], octets[15]];
        }
        _ => {}
    }
    frame[..6].copy_from_slice(&destination);
    frame[6..12].copy_from_slice(&source);
}

fn local_mac(address: IpAddr) -> [u8; 6] {
    let [a, b, c, d, e, ..] = trait_of(address).to_le_bytes();
    [2, a, b, c, d, e]
}

/// What is left of 64 or 128 after 5 to 24 routers.
fn ttl(packet: &Packet) -> u8 {
    if packet.is_out || packet.is_local {
        return 64;
    }
    let number = trait_of(packet.source);
    let first = if number & 1 == 0 { 64 } else { 128 };
    first - 5 - (number >> 8) as u8 % 20
}
