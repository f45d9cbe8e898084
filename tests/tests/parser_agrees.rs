//! The kernel program and user space read every frame alike, and as the standards say: the same bytes go through
//! `BPF_PROG_TEST_RUN` and through the counter for the host.

use std::{fs, path::Path};

use nettop_common::{LinkLayer, Outcome, event::NO_TCP_FLAGS};
use nettop_model::filter::FilterText;
use nettop_tests::{
    both::Both,
    frames::{self, DESTINATION_V4, DESTINATION_V6, EXTENSIONS, IP, SOURCE_V4, SOURCE_V6, Spec, TAGS, Transport},
    skip,
};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const ESP: u8 = 50;
const NO_NEXT_HEADER: u8 = 59;
const DESTINATION_OPTIONS: u8 = 60;

const VLAN: u16 = TAGS[0];
const SERVICE_VLAN: u16 = TAGS[1];
const OLD_SERVICE_VLAN: u16 = TAGS[2];

/// What a frame should be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    NotIp,
    Malformed,
    Martian,
    /// IPv4 or IPv6 between the usual addresses: protocol number, ports, TCP flags.
    V4(u8, u16, u16, Option<u8>),
    V6(u8, u16, u16, Option<u8>),
}

use Expected::{Malformed, Martian, NotIp, V4, V6};

/// Counts a frame on both sides, and expects it to be read so.
fn expect(both: &mut Both, name: &str, frame: &[u8], link: LinkLayer, expected: Expected) {
    let (outcome, event) = both.count(&name, frame, link);
    let read = match (outcome, event) {
        (Outcome::NotIp, None) => NotIp,
        (Outcome::Malformed, None) => Malformed,
        (Outcome::Martian, None) => Martian,
        (Outcome::Counted, Some(event)) => {
            let (source, destination) = (event.source.to_ip(), event.destination.to_ip());
            if link == LinkLayer::Ethernet {
                assert_eq!(event.macs.destination()[..], frame[..6], "{name}");
                assert_eq!(event.macs.source()[..], frame[6..12], "{name}");
            }
            assert_eq!((event.length, event.weight), (frame.len() as u32, 1), "{name}");
            let flags = (event.tcp_flags != NO_TCP_FLAGS).then_some(event.tcp_flags as u8);
            let (protocol, ports) = (event.protocol, (event.source_port, event.destination_port));
            if source.is_ipv4() {
                assert_eq!((source, destination), (SOURCE_V4.into(), DESTINATION_V4.into()), "{name}");
                V4(protocol, ports.0, ports.1, flags)
            } else {
                assert_eq!((source, destination), (SOURCE_V6.into(), DESTINATION_V6.into()), "{name}");
                V6(protocol, ports.0, ports.1, flags)
            }
        }
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(read, expected, "{name}: frame {frame:02x?}");
}

#[test]
fn every_transport_is_read_from_ethernet_and_from_raw_ip() {
    if !skip::privileged() {
        return;
    }
    let mut both = Both::load();
    let mut cases = vec![
        (Spec::v4(Transport::Udp(5353, 53)), V4(17, 5353, 53, None)),
        (Spec::v6(Transport::Udp(5353, 53)).payload(20), V6(17, 5353, 53, None)),
        (Spec::v4(Transport::Sctp(2905, 2906)).payload(20), V4(132, 2905, 2906, None)),
        (Spec::v6(Transport::Sctp(2905, 2906)), V6(132, 2905, 2906, None)),
        (Spec::v4(Transport::Icmp).payload(56), V4(1, 0, 0, None)),
        (Spec::v6(Transport::Icmpv6).payload(56), V6(58, 0, 0, None)),
        (Spec::v4(Transport::Icmpv6), V4(58, 0, 0, None)),
        (Spec::v6(Transport::Icmp), V6(1, 0, 0, None)),
        (Spec::v4(Transport::Other(47)).payload(40), V4(47, 0, 0, None)),
        (Spec::v4(Transport::Other(0)), V4(0, 0, 0, None)),
        (Spec::v6(Transport::Other(NO_NEXT_HEADER)), V6(59, 0, 0, None)),
        (Spec::v6(Transport::Other(ESP)).payload(40), V6(50, 0, 0, None)),
        (Spec::v4(Transport::Udp(0, 65_535)).payload(8958), V4(17, 0, 65_535, None)),
        (Spec::v6(Transport::Tcp(65_535, 1, 0x12)).payload(8900), V6(6, 65_535, 1, Some(0x12))),
    ];
    for flags in 0..=255 {
        cases.push((Spec::v4(Transport::Tcp(40_000, 443, flags)), V4(6, 40_000, 443, Some(flags))));
        cases.push((Spec::v6(Transport::Tcp(40_000, 443, flags)), V6(6, 40_000, 443, Some(flags))));
    }
    for (spec, expected) in cases {
        expect(&mut both, &format!("{spec:?}"), &spec.frame(), LinkLayer::Ethernet, expected);
        let raw = spec.raw_ip();
        expect(&mut both, &format!("raw {spec:?}"), &raw, LinkLayer::RawIp, expected);
    }
    expect(&mut both, "raw, version 5", &[0x55; 40], LinkLayer::RawIp, NotIp);
    expect(&mut both, "raw, version 0", &[0; 40], LinkLayer::RawIp, NotIp);
    expect(&mut both, "raw, IPv6 cut short", &[0x60; 39], LinkLayer::RawIp, Malformed);
    both.expect_equal_tables();
}

/// Their addresses would be taken for those of IPv4 hosts.
#[test]
fn ipv6_from_or_to_a_mapped_address_is_a_martian() {
    if !skip::privileged() {
        return;
    }
    let mut both = Both::load();
    let [proper_source, proper_destination] = [SOURCE_V6.to_string(), DESTINATION_V6.to_string()];
    let (proper_source, proper_destination) = (&*proper_source, &*proper_destination);
    let read = V6(17, 5353, 53, None);
    for (name, source, destination, expected) in [
        ("neither", proper_source, proper_destination, read),
        ("source", "::ffff:8.8.8.8", proper_destination, Martian),
        ("destination", proper_source, "::ffff:192.0.2.1", Martian),
        ("both", "::ffff:192.0.2.1", "::ffff:192.0.2.2", Martian),
        ("mapped zero", "::ffff:0.0.0.0", proper_destination, Martian),
        ("mapped broadcast", "::ffff:255.255.255.255", proper_destination, Martian),
        ("mapped loopback", "::ffff:127.0.0.1", "::1", Martian),
    ] {
        let mut spec = Spec::v6(Transport::Udp(5353, 53));
        spec.source = source.parse().expect("an address");
        spec.destination = destination.parse().expect("an address");
        expect(&mut both, name, &spec.frame(), LinkLayer::Ethernet, expected);
        expect(&mut both, &format!("raw, {name}"), &spec.raw_ip(), LinkLayer::RawIp, expected);
    }
    both.expect_equal_tables();
}

#[test]
fn vlan_tags_are_looked_through_up_to_four() {
    if !skip::privileged() {
        return;
    }
    let mut both = Both::load();
    let tcp = Spec::v4(Transport::Tcp(1, 2, 0x10));
    let udp = Spec::v6(Transport::Udp(1, 2));
    for (name, tags, found) in [
        ("one", &[(VLAN, 5)][..], true),
        ("priority bits", &[(VLAN, 0xffff)], true),
        ("802.1ad alone", &[(SERVICE_VLAN, 5)], true),
        ("Q-in-Q", &[(SERVICE_VLAN, 5), (VLAN, 6)], true),
        ("old Q-in-Q", &[(OLD_SERVICE_VLAN, 5), (VLAN, 6)], true),
        ("three", &[(SERVICE_VLAN, 1), (VLAN, 2), (VLAN, 3)], true),
        ("four", &[(VLAN, 1), (VLAN, 2), (VLAN, 3), (VLAN, 4)], true),
        ("five", &[(VLAN, 1), (VLAN, 2), (VLAN, 3), (VLAN, 4), (VLAN, 5)], false),
    ] {
        let (v4, v6) = if found { (V4(6, 1, 2, Some(0x10)), V6(17, 1, 2, None)) } else { (NotIp, NotIp) };
        expect(&mut both, name, &tcp.clone().tags(tags).frame(), LinkLayer::Ethernet, v4);
        expect(&mut both, name, &udp.clone().tags(tags).frame(), LinkLayer::Ethernet, v6);
    }
    let mut arp = frames::arp();
    frames::tag(&mut arp, &[(VLAN, 5)]);
    expect(&mut both, "tagged ARP", &arp, LinkLayer::Ethernet, NotIp);
    let tagged = tcp.tags(&[(VLAN, 1), (VLAN, 2)]).frame();
    for length in 14..22 {
        expect(&mut both, "cut within the tags", &tagged[..length], LinkLayer::Ethernet, NotIp);
    }
    for length in 22..42 {
        expect(&mut both, "cut behind the tags", &tagged[..length], LinkLayer::Ethernet, Malformed);
    }
    both.expect_equal_tables();
}

#[test]
fn ip_is_found_behind_snap_pppoe_and_mpls() {
    if !skip::privileged() {
        return;
    }
    let mut both = Both::load();
    let (v4, v6) = (Spec::v4(Transport::Tcp(1, 2, 0x10)), Spec::v6(Transport::Udp(1, 2)));
    let (read_v4, read_v6) = (V4(6, 1, 2, Some(0x10)), V6(17, 1, 2, None));
    let label = |last: u8| [0, 0x12, 0x30 | last, 64];
    let labels = |count: usize| [label(0).repeat(count - 1), label(1).to_vec()].concat();
    let snap = |ether_type: [u8; 2]| [&[0xaa, 0xaa, 3, 0, 0, 0][..], &ether_type].concat();
    let pppoe = |code: u8, protocol: [u8; 2]| [&[0x11, code, 0, 7, 0, 60][..], &protocol].concat();
    for (name, ether_type, header, spec, expected) in [
        ("SNAP, IPv4", 60, snap([8, 0]), &v4, read_v4),
        ("SNAP, IPv6", 1500, snap([0x86, 0xdd]), &v6, read_v6),
        ("SNAP, ARP", 60, snap([8, 6]), &v4, NotIp),
        ("LLC that is no SNAP", 60, vec![0x42, 0x42, 3, 0, 0, 0, 8, 0], &v4, NotIp),
        ("SNAP of another organisation", 60, vec![0xaa, 0xaa, 3, 0, 0, 0xc, 8, 0], &v4, NotIp),
        ("PPPoE, IPv4", 0x8864, pppoe(0, [0, 0x21]), &v4, read_v4),
        ("PPPoE, IPv6", 0x8864, pppoe(0, [0, 0x57]), &v6, read_v6),
        ("PPPoE, compressed protocol, IPv4", 0x8864, [0x11, 0, 0, 7, 0, 60, 0x21].to_vec(), &v4, read_v4),
        ("PPPoE, compressed protocol, IPv6", 0x8864, [0x11, 0, 0, 7, 0, 60, 0x57].to_vec(), &v6, read_v6),
        ("PPPoE, another compressed protocol", 0x8864, [0x11, 0, 0, 7, 0, 60, 0x2d].to_vec(), &v4, NotIp),
        ("PPPoE, LCP", 0x8864, pppoe(0, [0xc0, 0x21]), &v4, NotIp),
        ("PPPoE, another code", 0x8864, pppoe(9, [0, 0x21]), &v4, NotIp),
        ("PPPoE discovery", 0x8863, pppoe(9, [0, 0x21]), &v4, NotIp),
        ("MPLS, one label", 0x8847, labels(1), &v4, read_v4),
        ("MPLS, IPv6", 0x8847, labels(2), &v6, read_v6),
        ("MPLS, six labels", 0x8847, labels(6), &v4, read_v4),
        ("MPLS, seven labels", 0x8847, labels(7), &v4, NotIp),
        ("MPLS, something else inside", 0x8847, [labels(1), vec![0; 4]].concat(), &v4, NotIp),
        ("MPLS multicast, one label", 0x8848, labels(1), &v4, read_v4),
        ("MPLS multicast, IPv6", 0x8848, labels(2), &v6, read_v6),
        ("MPLS multicast, six labels", 0x8848, labels(6), &v6, read_v6),
        ("MPLS multicast, seven labels", 0x8848, labels(7), &v4, NotIp),
        ("MPLS multicast, something else inside", 0x8848, [labels(1), vec![0; 4]].concat(), &v4, NotIp),
    ] {
        let mut frame = spec.frame();
        frame.splice(12..14, [&u16::to_be_bytes(ether_type)[..], &header].concat());
        expect(&mut both, name, &frame, LinkLayer::Ethernet, expected);
        frames::tag(&mut frame, &[(VLAN, 5)]);
        expect(&mut both, &format!("{name}, tagged"), &frame, LinkLayer::Ethernet, expected);
        if expected != NotIp {
            for length in 18..18 + header.len() {
                expect(&mut both, &format!("{name}, cut to {length}"), &frame[..length], LinkLayer::Ethernet, NotIp);
            }
        }
    }
    both.expect_equal_tables();
}

#[test]
fn ipv4_headers_are_read_as_rfc_791_says() {
    if !skip::privileged() {
        return;
    }
    let mut both = Both::load();
    let udp = frames::udp_header(7, 9, 8);
    let mut tcp = vec![0, 7, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x02, 0, 0, 0, 0, 0, 0];
    let read = V4(17, 7, 9, None);
    let portless = V4(17, 0, 0, None);

    let mut cases: Vec<(String, Vec<u8>, Expected)> = Vec::new();
    let mut case = |name: &str, frame: Vec<u8>, expected| cases.push((name.into(), frame, expected));
    for words in 0..=10u8 {
        // Options push the transport header back.
        let frame = frames::ipv4(17, &udp, |packet| {
            packet.splice(20..20, vec![1; usize::from(words) * 4]);
            packet[0] = 0x45 + words;
            packet[3] = packet.len() as u8;
        });
        case(&format!("{words} words of options"), frame, read);
    }
    for length in 0..5 {
        case(
            &format!("a header of {length} words"),
            frames::ipv4(17, &udp, |packet| packet[0] = 0x40 | length),
            Malformed,
        );
    }
    for version in (0..16).filter(|version| *version != 4) {
        case(&format!("version {version}"), frames::ipv4(17, &udp, |packet| packet[0] = version << 4 | 5), Malformed);
    }
    let long_header = |total: u8| frames::ipv4(17, &udp, |packet| (packet[0], packet[3]) = (0x4f, total));
    case("a header longer than the frame", long_header(60), portless);
    case("a header longer than the frame and than the packet", long_header(59), Malformed);
    for total in 1..24u8 {
        // The length counts the header.
        let expected = if total < 20 { Malformed } else { portless };
        let frame = frames::ipv4(17, &udp, |packet| packet[3] = total);
        case(&format!("a total length of {total}: no ports within it"), frame, expected);
        let frame = frames::ipv4(17, &udp, |packet| (packet[3], packet[6], packet[7]) = (total, 0, 185));
        case(&format!("a total length of {total}, of a later fragment"), frame, expected);
    }
    for total in [20, 27, 28, 31, 32] {
        let frame = frames::ipv4(17, &udp, |packet| {
            packet.splice(20..20, [1; 8]);
            (packet[0], packet[3]) = (0x47, total);
        });
        let expected = match total {
            ..28 => Malformed,
            28..32 => portless,
            _ => read,
        };
        case(&format!("a total length of {total}, of which 28 are the header"), frame, expected);
    }
    case("a total length of 24: just the ports", frames::ipv4(17, &udp, |packet| packet[3] = 24), read);
    case("a total length of 0: segmentation offload", frames::ipv4(17, &udp, |packet| packet[3] = 0), read);
    case("a total length beyond the frame", frames::ipv4(17, &udp, |packet| packet[2] = 0xff), read);
    let padded = frames::ipv4(17, &[], |packet| packet.extend([0xee; 26]));
    case("padding is not read as ports", padded, portless);

    for (name, offset, expected) in [
        ("do not fragment", 0x4000u16, read),
        ("the reserved bit", 0x8000, read),
        ("the first fragment", 0x2000, read),
        ("a middle fragment", 0x2000 | 185, portless),
        ("the last fragment", 370, portless),
        ("the smallest offset", 1, portless),
        ("the largest offset", 0x1fff, portless),
    ] {
        let bytes = offset.to_be_bytes();
        case(name, frames::ipv4(17, &udp, |packet| packet[6..8].copy_from_slice(&bytes)), expected);
    }
    for total in [33u8, 34] {
        let flags = (total == 34).then_some(0x02);
        let frame = frames::ipv4(6, &tcp, |packet| packet[3] = total);
        case(&format!("TCP flags within {total} bytes"), frame, V4(6, 7, 9, flags));
    }
    tcp.truncate(13);
    case("TCP cut before its flags", frames::ipv4(6, &tcp, |packet| packet[3] = 40), V4(6, 7, 9, None));
    for (name, frame, expected) in cases {
        expect(&mut both, &name, &frame, LinkLayer::Ethernet, expected);
        expect(
            &mut both,
            &name,
            &frame[IP..],
            LinkLayer::RawIp,
            if name.starts_with("version") { raw(&frame) } else { expected },
        );
    }
    both.expect_equal_tables();
}

/// What a packet of another version than its EtherType says is without an Ethernet header: IPv6 too short, or no IP.
fn raw(frame: &[u8]) -> Expected {
    if frame[IP] >> 4 == 6 { Malformed } else { NotIp }
}

/// RFC 4302.
#[test]
fn authentication_headers_are_looked_through_alike_in_both_families() {
    if !skip::privileged() {
        return;
    }
    const AH: u8 = 51;
    let mut both = Both::load();
    let udp = frames::udp_header(7, 9, 8);
    let tcp = [0, 7, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x12, 0, 0, 0, 0, 0, 0];
    let ports = |protocol: u8| match protocol {
        17 => (17, 7, 9, None),
        6 => (6, 7, 9, Some(0x12)),
        _ => (protocol, 0, 0, None),
    };
    for (count, units) in [(1, 0), (1, 3), (1, 4), (1, 253), (2, 1), (3, 2)] {
        for (inner, transport) in [(17, &udp[..]), (6, &tcp), (1, &udp), (4, &udp), (ESP, &udp)] {
            let rest = frames::extensions(&[AH].repeat(count), units, inner, transport);
            let (protocol, from, to, flags) = ports(inner);
            let name = format!("{count} headers of {units} before {inner}");
            for (frame, expected) in [
                (frames::ipv4(AH, &rest, |_| {}), V4(protocol, from, to, flags)),
                (frames::ipv6(AH, &rest), V6(protocol, from, to, flags)),
            ] {
                expect(&mut both, &name, &frame, LinkLayer::Ethernet, expected);
                expect(&mut both, &format!("raw {name}"), &frame[IP..], LinkLayer::RawIp, expected);
            }
        }
    }
    let rest = frames::extensions(&[AH; 4], 0, 17, &udp);
    expect(
        &mut both,
        "more than are looked through",
        &frames::ipv4(AH, &rest, |_| {}),
        LinkLayer::Ethernet,
        V4(AH, 0, 0, None),
    );

    let rest = frames::extensions(&[AH], 3, 17, &udp);
    let whole = frames::ipv4(AH, &rest, |_| {});
    let behind = IP + 20 + rest.len() - udp.len();
    for length in IP + 20..=whole.len() {
        let expected = match length {
            _ if length < IP + 24 => V4(AH, 0, 0, None),
            _ if length < behind + 4 => V4(17, 0, 0, None),
            _ => V4(17, 7, 9, None),
        };
        expect(&mut both, &format!("cut after {length}"), &whole[..length], LinkLayer::Ethernet, expected);
    }
    for (name, change, expected) in [
        ("a first fragment", (6, 0x20), V4(17, 7, 9, None)),
        ("a later fragment", (7, 185), V4(AH, 0, 0, None)),
        ("a total length that ends before it", (3, 20), V4(AH, 0, 0, None)),
        ("a total length that ends within it", (3, 30), V4(17, 0, 0, None)),
        ("a total length that ends before the ports", (3, (rest.len() + 20 - udp.len() + 3) as u8), V4(17, 0, 0, None)),
        ("a total length that ends behind them", (3, (rest.len() + 20 - udp.len() + 4) as u8), V4(17, 7, 9, None)),
        ("a total length below the header", (3, 19), Malformed),
    ] {
        let frame = frames::ipv4(AH, &rest, |packet| packet[change.0] = change.1);
        expect(&mut both, name, &frame, LinkLayer::Ethernet, expected);
    }
    // Other extension headers of IPv6 are none in IPv4.
    for kind in EXTENSIONS.into_iter().filter(|kind| *kind != AH) {
        let rest = frames::extensions(&[kind], 0, 17, &udp);
        let frame = frames::ipv4(kind, &rest, |_| {});
        expect(&mut both, &format!("protocol {kind}"), &frame, LinkLayer::Ethernet, V4(kind, 0, 0, None));
    }
    both.expect_equal_tables();
}

#[test]
fn ipv6_headers_are_read_as_rfc_8200_says() {
    if !skip::privileged() {
        return;
    }
    let mut both = Both::load();
    let udp = frames::udp_header(7, 9, 8);
    let read = V6(17, 7, 9, None);
    let chain = |kinds: &[u8], units| {
        let rest = frames::extensions(kinds, units, 17, &udp);
        frames::ipv6(kinds.first().copied().unwrap_or(17), &rest)
    };
    for kind in EXTENSIONS {
        for units in [0, 1, 7] {
            expect(
                &mut both,
                &format!("extension {kind} of {units}"),
                &chain(&[kind], units),
                LinkLayer::Ethernet,
                read,
            );
        }
        for other in EXTENSIONS {
            expect(
                &mut both,
                &format!("extensions {kind}, {other}"),
                &chain(&[kind, other], 1),
                LinkLayer::Ethernet,
                read,
            );
        }
    }
    for count in 0..=8 {
        expect(&mut both, &format!("{count} extensions"), &chain(&EXTENSIONS[..count], 0), LinkLayer::Ethernet, read);
        expect(&mut both, &format!("{count} options"), &chain(&[60].repeat(count), 2), LinkLayer::Ethernet, read);
    }
    for count in 9..12 {
        // The ninth is where the chain is given up: what it leads to is unknown.
        let expected = V6(DESTINATION_OPTIONS, 0, 0, None);
        expect(&mut both, &format!("{count} options"), &chain(&[60].repeat(count), 0), LinkLayer::Ethernet, expected);
    }
    expect(&mut both, "the largest option", &chain(&[DESTINATION_OPTIONS], 255), LinkLayer::Ethernet, read);

    for (name, offset, expected) in [
        ("an atomic fragment", 0u16, read),
        ("the first fragment", 1, read),
        ("a middle fragment", 185 << 3 | 1, V6(17, 0, 0, None)),
        ("the last fragment", 370 << 3, V6(17, 0, 0, None)),
        ("the smallest offset", 1 << 3, V6(17, 0, 0, None)),
    ] {
        let mut frame = chain(&[FRAGMENT], 0);
        frame[IP + 40 + 2..IP + 40 + 4].copy_from_slice(&offset.to_be_bytes());
        expect(&mut both, name, &frame, LinkLayer::Ethernet, expected);
        // Behind a later fragment there is no further chain.
        let mut frame = chain(&[FRAGMENT, DESTINATION_OPTIONS], 0);
        frame[IP + 40 + 2..IP + 40 + 4].copy_from_slice(&offset.to_be_bytes());
        let expected = if expected == read { read } else { V6(DESTINATION_OPTIONS, 0, 0, None) };
        expect(&mut both, name, &frame, LinkLayer::Ethernet, expected);
    }

    let mut frame = chain(&[HOP_BY_HOP], 0);
    for (name, payload, expected) in [
        ("a payload length of 0: a jumbogram", 0u8, read),
        ("a payload that ends before the ports", 11, V6(17, 0, 0, None)),
        ("a payload that ends behind the ports", 12, read),
        ("a payload that ends within the extension", 3, V6(17, 0, 0, None)),
        ("a payload beyond the frame", 200, read),
    ] {
        frame[IP + 5] = payload;
        expect(&mut both, name, &frame, LinkLayer::Ethernet, expected);
    }
    for version in (0..16).filter(|version| *version != 6) {
        let mut frame = chain(&[], 0);
        frame[IP] = version << 4;
        expect(&mut both, &format!("version {version}"), &frame, LinkLayer::Ethernet, Malformed);
    }
    let whole = chain(&[HOP_BY_HOP, ROUTING], 0);
    for (length, expected) in [
        (IP + 39, Malformed),
        (IP + 40, V6(HOP_BY_HOP, 0, 0, None)),
        (IP + 43, V6(HOP_BY_HOP, 0, 0, None)),
        (IP + 44, V6(ROUTING, 0, 0, None)),
        (IP + 51, V6(ROUTING, 0, 0, None)),
        (IP + 52, V6(17, 0, 0, None)),
        (IP + 59, V6(17, 0, 0, None)),
        (IP + 60, read),
    ] {
        expect(&mut both, &format!("cut after {length}"), &whole[..length], LinkLayer::Ethernet, expected);
    }
    both.expect_equal_tables();
}

#[test]
fn what_is_not_ip_or_too_short_is_said_to_be() {
    if !skip::privileged() {
        return;
    }
    let mut both = Both::load();
    expect(&mut both, "ARP", &frames::arp(), LinkLayer::Ethernet, NotIp);
    for (name, ether_type) in [("802.3 length", 0x0040), ("LLDP", 0x88cc), ("PPPoE", 0x8864), ("MACsec", 0x88e5)] {
        expect(&mut both, name, &frames::ethernet(ether_type, &[0x45; 46]), LinkLayer::Ethernet, NotIp);
    }
    for length in 14..=60 {
        expect(&mut both, "a runt of zeros", &vec![0; length], LinkLayer::Ethernet, NotIp);
        expect(&mut both, "a runt of ones", &vec![0xff; length], LinkLayer::Ethernet, NotIp);
    }
    // A whole frame, cut at every offset: in the IP header it is malformed, then the ports are missing, then the flags.
    let tcp = Spec::v4(Transport::Tcp(40_000, 443, 0x18)).frame();
    for length in 14..=tcp.len() {
        let expected = match length - IP {
            ..20 => Malformed,
            20..24 => V4(6, 0, 0, None),
            24..34 => V4(6, 40_000, 443, None),
            _ => V4(6, 40_000, 443, Some(0x18)),
        };
        expect(&mut both, &format!("TCP cut after {length}"), &tcp[..length], LinkLayer::Ethernet, expected);
    }
    let udp = Spec::v6(Transport::Udp(40_000, 443)).frame();
    for length in 14..=udp.len() {
        let expected = match length - IP {
            ..40 => Malformed,
            40..44 => V6(17, 0, 0, None),
            _ => V6(17, 40_000, 443, None),
        };
        expect(&mut both, &format!("UDP cut after {length}"), &udp[..length], LinkLayer::Ethernet, expected);
    }
    both.expect_equal_tables();
}

#[test]
fn the_filter_and_pause_reject_the_same_packets() {
    if !skip::privileged() {
        return;
    }
    let mut both = Both::load();
    let specs = [
        Spec::v4(Transport::Udp(1, 53)),
        Spec::v4(Transport::Tcp(1, 443, 2)),
        Spec::v4(Transport::Icmp),
        Spec::v6(Transport::Udp(1, 53)),
        Spec::v6(Transport::Tcp(1, 8080, 2)),
        Spec::v6(Transport::Other(47)),
        Spec::between([10, 1, 2, 3].into(), [10, 1, 2, 4].into(), Transport::Udp(53, 65_535)),
    ];
    let text = |dst: &str, src: &str, port: &str, proto: &str| FilterText {
        dst: dst.into(),
        src: src.into(),
        port: port.into(),
        proto: proto.into(),
    };
    // By hand, in the order of `specs`: which ones pass.
    for (text, passing) in [
        (text("", "", "", ""), [true; 7]),
        (text("198.51.100.2", "", "", ""), [true, true, true, false, false, false, false]),
        (text("198.51.100.0/24,2001:db8::/32", "", "", ""), [true, true, true, true, true, true, false]),
        (text("", "192.0.2.1", "", ""), [true, true, true, false, false, false, false]),
        (text("", "!192.0.2.0/24", "", ""), [false, false, false, true, true, true, true]),
        (text("", "0.0.0.0/0,!10.1.0.0/16", "", ""), [true, true, true, false, false, false, false]),
        (text("", "::/0", "", ""), [false, false, false, true, true, true, false]),
        (text("", "!::/0", "", ""), [true, true, true, false, false, false, true]),
        (text("::/0,10.0.0.0/8", "", "", ""), [false, false, false, true, true, true, true]),
        (text("::/1,!::ffff:10.0.0.0/104", "", "", ""), [false, false, false, true, true, true, false]),
        (text("", "", "53", ""), [true, false, false, true, false, false, false]),
        (text("", "", "440-450,8080,65535", ""), [false, true, false, false, true, false, true]),
        (text("", "", "!53", ""), [false, true, true, false, true, true, true]),
        (text("", "", "0-1", ""), [false, false, true, false, false, true, false]),
        (text("", "", "", "udp"), [true, false, false, true, false, false, true]),
        (text("", "", "", "tcp,icmp,47"), [false, true, true, false, true, true, false]),
        (text("", "", "", "!udp"), [false, true, true, false, true, true, false]),
        (text("2001:db8::2", "", "53,8080", "udp"), [false, false, false, true, false, false, false]),
    ] {
        let parsed = text.parse().expect("a valid filter");
        both.set_filter(parsed.filter);
        for (spec, passes) in specs.iter().zip(passing) {
            let (outcome, _) = both.count(&(&text, spec), &spec.frame(), LinkLayer::Ethernet);
            let expected = if passes { Outcome::Counted } else { Outcome::Filtered };
            assert_eq!(outcome, expected, "{text:?} {spec:?}");
        }
        let (outcome, _) = both.count(&"not IP", &frames::arp(), LinkLayer::Ethernet);
        assert_eq!(outcome, Outcome::NotIp, "what is not IP is not filtered");
    }
    both.set_filter(None);
    both.set_paused(true);
    for spec in &specs {
        let (outcome, event) = both.count(&"paused", &spec.frame(), LinkLayer::Ethernet);
        assert_eq!((outcome, event), (Outcome::Filtered, None));
    }
    both.expect_equal_tables();
}

/// Frames as they are, those of captures behind the headers of file and packet.
#[test]
fn what_fuzzing_found_is_read_alike() {
    if !skip::privileged() {
        return;
    }
    let seeds = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds"));
    let mut both = Both::load();
    let mut count = 0;
    for (folder, skipped) in [("packet", 1), ("capture", 24 + 16), ("capture", 0)] {
        for seed in fs::read_dir(seeds.join(folder)).expect("seeds") {
            let path = seed.expect("a file").path();
            let bytes = fs::read(&path).expect("a readable file");
            for link in [LinkLayer::Ethernet, LinkLayer::RawIp] {
                // What the kernel runs a program over is no shorter than an Ethernet header, and no longer than a page.
                if let Some(frame) = bytes.get(skipped..bytes.len().min(3000)).filter(|frame| frame.len() >= 14) {
                    both.count(&path, frame, link);
                    count += 1;
                }
            }
        }
    }
    assert!(count > 50, "{count} frames");
    both.expect_equal_tables();
}
