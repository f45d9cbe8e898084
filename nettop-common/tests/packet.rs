//! The parser on the host: against frames built and read by etherparse, which shares no code with it.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{
    IpAuthHeader, IpHeaders, Ipv4Extensions, Ipv4Header, NetSlice, PacketBuilder, SingleVlanHeader, SlicedPacket,
    TransportSlice, VlanId, ip_number,
};
use nettop_common::{Address, Frame, LinkLayer, NotCounted, Packet, packet};
use proptest::prelude::*;

const SOURCE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const DESTINATION_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const V4: ([u8; 4], [u8; 4]) = ([198, 51, 100, 7], [192, 0, 2, 1]);
const V6: (Ipv6Addr, Ipv6Addr) =
    (Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

fn parse(frame: &[u8]) -> Result<Packet, NotCounted> {
    packet::parse(Frame::from(frame), LinkLayer::Ethernet)
}

fn udp_v4() -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2(SOURCE_MAC, DESTINATION_MAC).ipv4(V4.0, V4.1, 64).udp(1234, 53);
    builder.write(&mut frame, b"0123456789").unwrap();
    frame
}

fn tcp_v6() -> Vec<u8> {
    let mut frame = Vec::new();
    let ip = PacketBuilder::ethernet2(SOURCE_MAC, DESTINATION_MAC).ipv6(V6.0.octets(), V6.1.octets(), 64);
    ip.tcp(40_000, 443, 1, 1000).syn().write(&mut frame, &[]).unwrap();
    frame
}

fn vlan_tcp_v4() -> Vec<u8> {
    let mut frame = Vec::new();
    let tagged = PacketBuilder::ethernet2(SOURCE_MAC, DESTINATION_MAC)
        .double_vlan(VlanId::try_new(100).unwrap(), VlanId::try_new(200).unwrap());
    tagged.ipv4(V4.0, V4.1, 64).tcp(40_000, 443, 1, 1000).ack(1).psh().write(&mut frame, b"GET /").unwrap();
    frame
}

/// With an authentication header of IPv4, by etherparse.
fn authenticated_v4() -> Vec<u8> {
    let header = IpAuthHeader::new(ip_number::UDP, 7, 9, &[0xaa; 12]).unwrap();
    let mut frame = Vec::new();
    let ip = PacketBuilder::ethernet2(SOURCE_MAC, DESTINATION_MAC)
        .ip(IpHeaders::Ipv4(
            Ipv4Header::new(0, 64, ip_number::UDP, V4.0, V4.1).unwrap(),
            Ipv4Extensions { auth: Some(header) },
        ))
        .udp(1234, 53);
    ip.write(&mut frame, b"0123456789").unwrap();
    frame
}

#[test]
fn udp_over_ipv4() {
    let packet = parse(&udp_v4()).unwrap();
    assert_eq!(packet.source, Address::from(Ipv4Addr::from(V4.0)));
    assert_eq!(packet.destination, Address::from(Ipv4Addr::from(V4.1)));
    assert_eq!(packet.macs.source(), SOURCE_MAC);
    assert_eq!(packet.macs.destination(), DESTINATION_MAC);
    assert_eq!((packet.protocol, packet.source_port, packet.destination_port), (17, 1234, 53));
    assert_eq!((packet.tcp_flags.get(), packet.fragment), (None, false));
}

#[test]
fn tcp_over_ipv6() {
    let packet = parse(&tcp_v6()).unwrap();
    assert_eq!((packet.source, packet.destination), (Address::from(V6.0), Address::from(V6.1)));
    assert_eq!((packet.protocol, packet.source_port, packet.destination_port), (6, 40_000, 443));
    assert_eq!(packet.tcp_flags.get(), Some(0x02));
    assert!(packet.tcp_flags.is_syn());
}

#[test]
fn two_vlan_tags_are_looked_through() {
    let packet = parse(&vlan_tcp_v4()).unwrap();
    assert_eq!((packet.protocol, packet.destination_port, packet.tcp_flags.get()), (6, 443, Some(0x18)));
}

#[test]
fn ports_are_not_read_from_padding() {
    let mut frame = udp_v4();
    // The IP header claims two bytes of payload; the rest of the frame is padding.
    frame[16..18].copy_from_slice(&22u16.to_be_bytes());
    let packet = parse(&frame).unwrap();
    assert_eq!((packet.protocol, packet.source_port, packet.destination_port), (17, 0, 0));
}

#[test]
fn later_fragments_have_no_ports() {
    let mut frame = udp_v4();
    for (flags_and_offset, port, fragment) in
        [(0x0000u16, 53, false), (0x4000, 53, false), (0x2000, 53, true), (0x2001, 0, true), (0x1fff, 0, true)]
    {
        frame[20..22].copy_from_slice(&flags_and_offset.to_be_bytes());
        let packet = parse(&frame).unwrap();
        assert_eq!((packet.destination_port, packet.fragment), (port, fragment), "{flags_and_offset:#06x}");
    }
}

#[test]
fn raw_ip_is_told_by_its_version() {
    for frame in [udp_v4(), tcp_v6()] {
        let raw = packet::parse(Frame::from(&frame[14..]), LinkLayer::RawIp).unwrap();
        let ethernet = parse(&frame).unwrap();
        assert_eq!(Packet { macs: ethernet.macs, ..raw }, ethernet);
    }
    assert_eq!(packet::parse(Frame::from(&[0x15u8, 0][..]), LinkLayer::RawIp), Err(NotCounted::OtherProtocol));
    assert_eq!(packet::parse(Frame::from(&[][..]), LinkLayer::RawIp), Err(NotCounted::OtherProtocol));
}

/// What a frame cut at each length is: nothing without an EtherType, malformed within the IP header, then a packet that
/// knows ever more.
#[test]
fn nothing_is_left_of_the_packet_before() {
    let frames = [udp_v4(), tcp_v6(), vlan_tcp_v4(), authenticated_v4()];
    let kinds = [LinkLayer::Ethernet, LinkLayer::RawIp];
    let of = |frame: &[u8], link| if link == LinkLayer::RawIp { frame[14..].to_vec() } else { frame.to_vec() };
    let all: Vec<_> = frames.iter().flat_map(|frame| kinds.map(|link| (link, of(frame, link)))).collect();
    for (link, frame) in &all {
        for (link_before, before) in &all {
            let mut packet = Packet::default();
            let _ = packet::parse_into(Frame::from(&before[..]), *link_before, &mut packet);
            if packet::parse_into(Frame::from(&frame[..]), *link, &mut packet).is_ok() {
                assert_eq!(
                    Ok(packet),
                    packet::parse(Frame::from(&frame[..]), *link),
                    "{before:02x?}, then {frame:02x?}"
                );
            }
        }
    }
}

#[test]
fn every_truncation_has_its_outcome() {
    for (name, frame, ether_type, ip) in
        [("udp", udp_v4(), 14, 34), ("tcp6", tcp_v6(), 14, 54), ("vlan", vlan_tcp_v4(), 22, 42)]
    {
        for length in 0..=frame.len() {
            let result = parse(&frame[..length]);
            match length {
                _ if length < ether_type => assert_eq!(result, Err(NotCounted::OtherProtocol), "{name} {length}"),
                _ if length < ip => assert_eq!(result, Err(NotCounted::Malformed), "{name} {length}"),
                _ => {
                    let packet = result.unwrap();
                    assert_eq!(packet.source_port != 0, length >= ip + 4, "{name} {length}");
                    if packet.protocol == 6 {
                        assert_eq!(packet.tcp_flags.get().is_some(), length >= ip + 14, "{name} {length}");
                    }
                }
            }
        }
    }
}

/// Compares with etherparse, where that takes the frame without complaint.
fn agrees_with_etherparse(frame: &[u8]) {
    let Ok(sliced) = SlicedPacket::from_ethernet(frame) else { return };
    if sliced.vlan_ids().len() > packet::MAX_TAGS {
        return;
    }
    let (source, destination, protocol) = match &sliced.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header();
            // etherparse looks into the authentication headers of later fragments, which begin with something else, and of
            // several only into the first.
            if ip.extensions().auth.is_some()
                && (header.fragments_offset().value() != 0 || ip.payload().ip_number.0 == 51)
            {
                return;
            }
            (Address::from(header.source_addr()), Address::from(header.destination_addr()), ip.payload().ip_number)
        }
        Some(NetSlice::Ipv6(ip)) => {
            let header = ip.header();
            (Address::from(header.source_addr()), Address::from(header.destination_addr()), ip.payload().ip_number)
        }
        _ => return,
    };
    // Mobility, HIP and Shim6 are extension headers to us; etherparse stops there.
    if [135, 139, 140].contains(&protocol.0) {
        return;
    }
    let packet = parse(frame).unwrap_or_else(|error| panic!("{error:?} where etherparse reads {sliced:?}"));
    assert_eq!((packet.source, packet.destination), (source, destination));
    assert_eq!(packet.protocol, protocol.0, "{sliced:?}");
    match &sliced.transport {
        Some(TransportSlice::Udp(udp)) => {
            assert_eq!((packet.source_port, packet.destination_port), (udp.source_port(), udp.destination_port()));
        }
        Some(TransportSlice::Tcp(tcp)) => {
            assert_eq!((packet.source_port, packet.destination_port), (tcp.source_port(), tcp.destination_port()));
            let flags = packet.tcp_flags.get().expect("a whole TCP header has flags");
            assert_eq!((flags & 2 != 0, flags & 16 != 0), (tcp.syn(), tcp.ack()));
        }
        _ => {}
    }
}

#[test]
fn whole_frames_agree_with_etherparse() {
    [udp_v4(), tcp_v6(), vlan_tcp_v4(), authenticated_v4()].iter().for_each(|frame| agrees_with_etherparse(frame));
    let packet = parse(&authenticated_v4()).unwrap();
    assert_eq!((packet.protocol, packet.source_port, packet.destination_port), (17, 1234, 53));
    let single = SingleVlanHeader { vlan_id: VlanId::try_new(7).unwrap(), ..SingleVlanHeader::default() };
    let mut frame = Vec::new();
    let tagged = PacketBuilder::ethernet2(SOURCE_MAC, DESTINATION_MAC).vlan(etherparse::VlanHeader::Single(single));
    tagged.ipv4(V4.0, V4.1, 9).icmpv4_echo_request(1, 2).write(&mut frame, b"ping").unwrap();
    agrees_with_etherparse(&frame);
    assert_eq!(parse(&frame).unwrap().protocol, ip_number::ICMP.0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_parsed_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let _ = packet::parse(Frame::from(bytes.as_slice()), LinkLayer::RawIp);
    }

    #[test]
    fn damaged_frames_agree_with_etherparse(
        which in 0..4usize,
        damage in proptest::collection::vec((12..80usize, any::<u8>()), 0..4),
        length in 14..120usize,
    ) {
        let mut frame = [udp_v4(), tcp_v6(), vlan_tcp_v4(), authenticated_v4()][which].clone();
        frame.resize(length.max(14), 0);
        for (at, value) in damage {
            if let Some(byte) = frame.get_mut(at) {
                *byte = value;
            }
        }
        agrees_with_etherparse(&frame);
    }
}
