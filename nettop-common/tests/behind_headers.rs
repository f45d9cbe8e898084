//! What is found behind other headers, byte by byte: tags, SNAP, PPPoE, MPLS, IPv4 options, extension headers, fragments.

use nettop_common::{
    Frame, LinkLayer, MacPair, NotCounted, Packet,
    packet::{parse, parse_network},
};

/// An Ethernet frame of this type.
fn ethernet(ether_type: u16, behind: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &ether_type.to_be_bytes(), behind].concat()
}

/// An IPv4 header of so many words, with this protocol and these flags and offset, before a payload.
fn ipv4(words: u8, protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let header = usize::from(words) * 4;
    let mut packet = vec![0; header];
    packet[0] = 0x40 | words;
    packet[2..4].copy_from_slice(&((header + payload.len()) as u16).to_be_bytes());
    packet[6..8].copy_from_slice(&fragment.to_be_bytes());
    packet[9] = protocol;
    packet[12..20].copy_from_slice(&[192, 0, 2, 1, 198, 51, 100, 2]);
    [packet, payload.to_vec()].concat()
}

/// An IPv6 header before what it leads to.
fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 40];
    packet[0] = 0x60;
    packet[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    packet[6] = next;
    packet[8..10].copy_from_slice(&[0x20, 1]);
    packet[24..26].copy_from_slice(&[0x20, 2]);
    [packet, payload.to_vec()].concat()
}

/// A UDP header from port 1000 to port 2000.
fn udp() -> Vec<u8> {
    [1000u16, 2000, 8, 0].map(u16::to_be_bytes).concat()
}

fn found(frame: &[u8]) -> Result<(u8, u16, u16, bool), NotCounted> {
    let Packet { protocol, source_port, destination_port, fragment, .. } =
        parse(Frame::from(frame), LinkLayer::Ethernet)?;
    Ok((protocol, source_port, destination_port, fragment))
}

#[test]
fn ip_is_found_behind_other_headers() {
    let (four, six) = (ipv4(5, 17, 0, &udp()), ipv6(17, &udp()));
    let behind = |header: &[u8], packet: &[u8]| [header, packet].concat();
    let other = Err(NotCounted::OtherProtocol);
    let good = Ok((17, 1000, 2000, false));
    for (name, ether_type, payload, expected) in [
        ("IPv4", 0x0800, four.clone(), good),
        ("IPv6", 0x86dd, six.clone(), good),
        ("IPv4 said to be IPv6", 0x86dd, four.clone(), Err(NotCounted::Malformed)),
        ("ARP", 0x0806, four.clone(), other),
        ("VLAN", 0x8100, behind(&[0, 7, 8, 0], &four), good),
        ("four tags", 0x88a8, behind(&[0, 1, 0x81, 0, 0, 2, 0x91, 0, 0, 3, 0x81, 0, 0, 4, 0x86, 0xdd], &six), good),
        ("five tags", 0x8100, behind(&[[0, 1, 0x81, 0]; 4].concat(), &behind(&[0, 5, 8, 0], &four)), other),
        ("SNAP", 0x0040, behind(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &four), good),
        ("SNAP of another organisation", 0x0040, behind(&[0xaa, 0xaa, 3, 0, 0, 9, 8, 0], &four), other),
        ("SNAP of an organisation far away", 0x0040, behind(&[0xaa, 0xaa, 3, 9, 0, 0, 8, 0], &four), other),
        ("LLC of something else", 0x0040, behind(&[0x42, 0x42, 3, 0, 0, 0, 8, 0], &four), other),
        ("PPPoE", 0x8864, behind(&[0x11, 0, 0, 1, 0, 0, 0, 0x21], &four), good),
        ("PPPoE of IPv6", 0x8864, behind(&[0x11, 0, 0, 1, 0, 0, 0, 0x57], &six), good),
        ("PPPoE, compressed", 0x8864, behind(&[0x11, 0, 0, 1, 0, 0, 0x21], &four), good),
        ("PPPoE of IPv6, compressed", 0x8864, behind(&[0x11, 0, 0, 1, 0, 0, 0x57], &six), good),
        ("PPPoE of LCP", 0x8864, behind(&[0x11, 0, 0, 1, 0, 0, 0xc0, 0x21], &four), other),
        ("PPPoE discovery", 0x8864, behind(&[0x11, 9, 0, 1, 0, 0, 0, 0x21], &four), other),
        ("MPLS", 0x8847, behind(&[0, 1, 0x01, 64], &four), good),
        ("MPLS multicast, two labels", 0x8848, behind(&[0, 1, 0xfe, 64, 0, 2, 0x0f, 64], &six), good),
        ("MPLS without a last label", 0x8847, behind(&[0, 1, 0xfe, 64].repeat(6), &four), other),
        ("MPLS of something else", 0x8847, behind(&[0, 1, 1, 64, 0x10], &four), other),
    ] {
        assert_eq!(found(&ethernet(ether_type, &payload)), expected, "{name}");
    }
    let macs = MacPair([1, 2]);
    let packet = parse_network(Frame::from(&four[..]), 0x0800, macs).expect("IPv4");
    assert_eq!((packet.macs, packet.protocol, packet.destination_port), (macs, 17, 2000));
}

#[test]
fn ports_are_found_behind_options_extension_headers_and_only_in_first_fragments() {
    let four = |words, protocol, fragment, payload: &[u8]| ethernet(0x0800, &ipv4(words, protocol, fragment, payload));
    let six = |next, payload: &[u8]| ethernet(0x86dd, &ipv6(next, payload));
    let behind = |header: &[u8]| [header, &udp()].concat();
    let mut short = ipv4(5, 17, 0, &udp());
    short[3] = 24;
    let mut shorter = short.clone();
    shorter[3] = 19;
    let good = Ok((17, 1000, 2000, false));
    for (name, frame, expected) in [
        ("no options", four(5, 17, 0, &udp()), good),
        ("the longest options", four(15, 17, 0, &udp()), good),
        (
            "a header that is too short",
            four(5, 17, 0, &udp())
                .into_iter()
                .enumerate()
                .map(|(at, byte)| if at == 14 { 0x44 } else { byte })
                .collect(),
            Err(NotCounted::Malformed),
        ),
        ("don't fragment", four(5, 17, 0x4000, &udp()), good),
        ("the first fragment", four(5, 17, 0x2000, &udp()), Ok((17, 1000, 2000, true))),
        ("a later fragment", four(5, 17, 0x2001, &udp()), Ok((17, 0, 0, true))),
        ("the last fragment", four(5, 17, 0x1000, &udp()), Ok((17, 0, 0, true))),
        ("a length that ends within the ports' header", ethernet(0x0800, &short), Ok((17, 1000, 2000, false))),
        ("a length that ends within the header", ethernet(0x0800, &shorter), Err(NotCounted::Malformed)),
        ("AH", four(5, 51, 0, &behind(&[17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])), good),
        (
            "two AH",
            four(5, 51, 0, &[&[51, 0, 0, 0, 0, 0, 0, 0][..], &behind(&[17, 0, 0, 0, 0, 0, 0, 0])].concat()),
            good,
        ),
        ("hop by hop", six(0, &behind(&[17, 0, 0, 0, 0, 0, 0, 0])), good),
        (
            "a routing header of two units",
            six(43, &behind(&[17, 1].into_iter().chain([0; 14]).collect::<Vec<_>>())),
            good,
        ),
        ("AH of IPv6", six(51, &behind(&[17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])), good),
        ("the first fragment of IPv6", six(44, &behind(&[17, 0, 0, 1, 0, 0, 0, 0])), Ok((17, 1000, 2000, true))),
        (
            "a fragment header's length means nothing",
            six(44, &behind(&[17, 9, 0, 0, 0, 0, 0, 0])),
            Ok((17, 1000, 2000, true)),
        ),
        ("a later fragment of IPv6", six(44, &behind(&[17, 0, 0, 8, 0, 0, 0, 0])), Ok((17, 0, 0, true))),
        ("an extension header behind a payload that ends before", six(60, &[17, 0]), Ok((60, 0, 0, false))),
        (
            "an extension that is longer than the packet",
            six(60, &behind(&[17, 200, 0, 0, 0, 0, 0, 0])),
            Ok((17, 0, 0, false)),
        ),
    ] {
        assert_eq!(found(&frame), expected, "{name}");
    }
}
