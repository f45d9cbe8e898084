//! Frames of every link type, damaged and whole.

use std::{cell::RefCell, net::IpAddr};

use arbitrary::{Result, Unstructured};
use nettop_collect::{
    counter::FrameCounter,
    pcap::{link::LINK_TYPES, record::Order},
    reading::Reading,
};
use nettop_common::{Frame, LinkLayer, Outcome, Packet, event::NO_TCP_FLAGS, packet as parser};
use nettop_model::clock::Moment;

use crate::frames::{IP, Spec, TAGS, Transport, tag};

thread_local! {
    static COUNTER: RefCell<FrameCounter> = RefCell::new(FrameCounter::default());
}

/// Reads `data` as a frame: of a link type by its first byte, or as it was meant and then changed.
pub fn packet(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind {
        0 => frame(rest),
        1 => count(rest, LinkLayer::RawIp),
        2..128 => {
            let link = &LINK_TYPES[usize::from(*kind) % LINK_TYPES.len()];
            if let Some(parse) = link.parse {
                // What it says is looked at where captures are read; here it only has to end.
                for big_endian in [false, true] {
                    let _ = parse(rest, Order { big_endian });
                }
            }
        }
        // Too few bytes say nothing.
        _ => drop(meant(&mut Unstructured::new(rest))),
    }
}

/// A frame that is written as it is meant has to be read so; and then anything may happen to it.
fn meant(bytes: &mut Unstructured) -> Result<()> {
    let spec = spec(bytes)?;
    let mut whole = spec.frame();
    let packet = parser::parse(Frame::from(&whole[..]), LinkLayer::Ethernet).expect("a whole packet");
    assert_eq!((packet.source.to_ip(), packet.destination.to_ip()), (spec.source, spec.destination), "{spec:?}");
    assert_eq!((packet.macs.source(), packet.macs.destination()), (spec.source_mac, spec.destination_mac), "{spec:?}");
    assert_eq!((packet.source_port, packet.destination_port), spec.transport.ports(), "{spec:?}");
    assert_eq!(
        (packet.protocol, packet.tcp_flags.get()),
        (spec.transport.number(), spec.transport.flags()),
        "{spec:?}"
    );
    let raw = spec.raw_ip();
    let raw = parser::parse(Frame::from(&raw[..]), LinkLayer::RawIp).expect("the same without its link");
    assert_eq!(Packet { macs: packet.macs, encapsulation: packet.encapsulation, ..raw }, packet, "{spec:?}");
    while !bytes.is_empty() {
        let at = bytes.int_in_range(0..=whole.len().saturating_sub(1))?;
        match bytes.arbitrary::<u8>()? % 4 {
            0 | 1 => whole.iter_mut().skip(at).take(1).for_each(|byte| *byte = bytes.arbitrary().unwrap_or(0)),
            2 => whole.truncate(at),
            _ => drop(whole.splice(at..at, bytes.arbitrary::<[u8; 4]>()?)),
        }
        frame(&whole);
    }
    count(whole.get(IP..).unwrap_or_default(), LinkLayer::RawIp);
    Ok(())
}

fn spec(bytes: &mut Unstructured) -> Result<Spec> {
    let (source, destination): (IpAddr, IpAddr) = match bytes.arbitrary()? {
        false => (bytes.arbitrary::<[u8; 4]>()?.into(), bytes.arbitrary::<[u8; 4]>()?.into()),
        true => (bytes.arbitrary::<[u8; 16]>()?.into(), bytes.arbitrary::<[u8; 16]>()?.into()),
    };
    let transport = match bytes.arbitrary::<u8>()? % 6 {
        0 => Transport::Tcp(bytes.arbitrary()?, bytes.arbitrary()?, bytes.arbitrary()?),
        1 => Transport::Udp(bytes.arbitrary()?, bytes.arbitrary()?),
        2 => Transport::Sctp(bytes.arbitrary()?, bytes.arbitrary()?),
        3 => Transport::Icmp,
        4 => Transport::Icmpv6,
        // None of those that have ports, or that lead to another.
        _ => Transport::Other(bytes.int_in_range(62..=131)?),
    };
    let tags = (0..bytes.arbitrary::<u8>()? % 5).map(|_| Ok((*bytes.choose(&TAGS)?, bytes.arbitrary()?)));
    let tags = tags.collect::<Result<_>>()?;
    // An IPv4-mapped address is IPv4, however it was written.
    let (source, destination) = match (source.to_canonical(), destination.to_canonical()) {
        (a, b) if a.is_ipv4() == source.is_ipv4() && b.is_ipv4() == source.is_ipv4() => (a, b),
        _ => return Err(arbitrary::Error::IncorrectFormat),
    };
    let (source_mac, destination_mac) = (bytes.arbitrary()?, bytes.arbitrary()?);
    let payload = bytes.int_in_range(0..=100)?;
    Ok(Spec { source, destination, source_mac, destination_mac, tags, transport, payload })
}

/// An Ethernet frame, and what must be true of any.
fn frame(bytes: &[u8]) {
    count(bytes, LinkLayer::Ethernet);
    let parse = |bytes: &[u8]| parser::parse(Frame::from(bytes), LinkLayer::Ethernet);
    let Ok(packet) = parse(bytes) else { return };
    // What is cut off can make it unreadable, or take its ports, but not make it come from somebody else.
    for length in [bytes.len() / 2, bytes.len() - 1] {
        if let Ok(cut) = parse(&bytes[..length]) {
            let who = |packet: &Packet| (packet.source, packet.destination, packet.macs);
            assert_eq!(who(&cut), who(&packet), "cut after {length}: {bytes:02x?}");
        }
    }
    // A tag tells of the network, not of the packet.
    let ether_type = u16::from_be_bytes([bytes[12], bytes[13]]);
    if !TAGS.contains(&ether_type) {
        let mut tagged = bytes.to_vec();
        tag(&mut tagged, &[(TAGS[0], 5)]);
        let alike = |found: Packet| Packet { encapsulation: packet.encapsulation, ..found };
        assert_eq!(parse(&tagged).map(alike), Ok(packet), "tagged: {bytes:02x?}");
    }
}

/// Counts it, and expects the aggregates to balance.
fn count(bytes: &[u8], link: LinkLayer) {
    COUNTER.with_borrow_mut(|counter| {
        counter.set_sampling(1);
        counter.count(bytes, link, bytes.len() as u64, 1);
        let mut reading = Reading::new(Moment::default());
        let mut events = Vec::new();
        counter.drain_events(&mut |event| events.push(*event));
        counter.read(Moment::default(), &mut reading);
        let totals = reading.totals;
        let outcomes: u64 = Outcome::ALL.iter().map(|outcome| totals.outcome(*outcome).packets).sum();
        let counted = totals.outcome(Outcome::Counted);
        assert_eq!((totals.seen.packets, totals.seen.bytes, outcomes), (1, bytes.len() as u64, 1));
        let keys = [reading.sources.len(), reading.destinations.len(), reading.macs.len(), events.len()];
        assert_eq!(keys, [counted.packets as usize; 4]);
        for event in events {
            let has_flags = event.tcp_flags != NO_TCP_FLAGS;
            assert!(!has_flags || event.protocol == 6, "TCP flags of protocol {}", event.protocol);
            let has_ports = event.source_port != 0 || event.destination_port != 0;
            assert!(!has_ports || matches!(event.protocol, 6 | 17 | 132), "ports of protocol {}", event.protocol);
        }
    });
}
