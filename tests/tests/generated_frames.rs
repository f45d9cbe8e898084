//! The kernel program and user space read frames alike that nobody thought of: generated ones, whole and damaged, with and
//! without a filter. What fails is shrunk to the smallest frame that does.

use std::{cell::RefCell, net::IpAddr};

use nettop_common::{Frame, LinkLayer, Outcome, config::MAX_PREFIXES, event::NO_TCP_FLAGS, packet};
use nettop_model::filter::FilterText;
use nettop_tests::{
    both::Both,
    frames::{self, EXTENSIONS, IP, Spec, TAGS, Transport},
    naive, skip,
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// The one extension header that IPv4 has, too.
const AUTHENTICATION: u8 = 51;

fn transports() -> impl Strategy<Value = Transport> {
    prop_oneof![
        any::<(u16, u16, u8)>().prop_map(|(source, destination, flags)| Transport::Tcp(source, destination, flags)),
        any::<(u16, u16)>().prop_map(|(source, destination)| Transport::Udp(source, destination)),
        any::<(u16, u16)>().prop_map(|(source, destination)| Transport::Sctp(source, destination)),
        Just(Transport::Icmp),
        Just(Transport::Icmpv6),
        (100u8..130).prop_map(Transport::Other),
    ]
}

fn specs() -> impl Strategy<Value = Spec> {
    let tag = (select(TAGS.to_vec()), any::<u16>());
    let addresses = prop_oneof![
        any::<([u8; 4], [u8; 4])>().prop_map(|(source, destination)| (source.into(), destination.into())),
        any::<([u8; 16], [u8; 16])>().prop_map(|(source, destination)| (source.into(), destination.into())),
    ];
    let macs = (any::<[u8; 6]>(), any::<[u8; 6]>());
    (addresses, macs, vec(tag, 0..5), transports(), 0..400usize).prop_map(
        |((source, destination), (source_mac, destination_mac), tags, transport, payload)| Spec {
            source,
            destination,
            source_mac,
            destination_mac,
            tags,
            transport,
            payload,
        },
    )
}

/// A change of a frame, at random but where it matters.
#[derive(Clone, Debug)]
enum Mutation {
    /// Another byte, most likely in the headers.
    Byte(usize, u8),
    /// Cut there.
    Cut(usize),
    /// More bytes at the end.
    Grow(Vec<u8>),
    /// Bytes put in there.
    Insert(usize, Vec<u8>),
}

impl Mutation {
    fn apply(&self, frame: &mut Vec<u8>) {
        match self {
            Self::Byte(at, value) => {
                if let Some(byte) = frame.get_mut(*at) {
                    *byte = *value;
                }
            }
            Self::Cut(length) => frame.truncate((*length).max(14)),
            Self::Grow(bytes) => frame.extend(bytes),
            Self::Insert(at, bytes) => {
                let at = (*at).min(frame.len());
                frame.splice(at..at, bytes.iter().copied());
            }
        }
    }
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let interesting = prop_oneof![
        Just(0u8),
        Just(1),
        Just(6),
        Just(17),
        Just(0x08),
        Just(0x45),
        Just(0x60),
        Just(0x81),
        Just(0x86),
        Just(0xdd),
        select(EXTENSIONS.to_vec()),
        any::<u8>(),
    ];
    let one = prop_oneof![
        6 => (0..80usize, interesting).prop_map(|(at, value)| Mutation::Byte(at, value)),
        2 => (14..120usize).prop_map(Mutation::Cut),
        1 => vec(any::<u8>(), 0..80).prop_map(Mutation::Grow),
        1 => (12..70usize, vec(any::<u8>(), 1..24)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
    ];
    vec(one, 1..6)
}

/// The same cases in every run.
fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

#[test]
fn valid_frames_are_read_as_they_were_meant() {
    if !skip::privileged() {
        return;
    }
    let both = RefCell::new(Both::load());
    let meant = |spec: Spec| {
        let (outcome, event) = both.borrow_mut().count(&spec, &spec.frame(), LinkLayer::Ethernet);
        prop_assert_eq!(outcome, Outcome::Counted);
        let event = event.expect("a counted packet is an event");
        prop_assert_eq!((event.source.to_ip(), event.destination.to_ip()), (spec.source, spec.destination));
        prop_assert_eq!((event.macs.source(), event.macs.destination()), (spec.source_mac, spec.destination_mac));
        prop_assert_eq!(event.protocol, spec.transport.number());
        prop_assert_eq!((event.source_port, event.destination_port), spec.transport.ports());
        prop_assert_eq!(event.tcp_flags, spec.transport.flags().map_or(NO_TCP_FLAGS, u16::from));
        Ok(())
    };
    runner(1000).run(&specs(), meant).expect("read as meant");
    both.borrow_mut().expect_equal_tables();
}

#[test]
fn damaged_frames_are_read_alike() {
    if !skip::privileged() {
        return;
    }
    let both = RefCell::new(Both::load());
    let chains =
        (vec(select(EXTENSIONS.to_vec()), 1..10), 0..4u8, transports()).prop_map(|(kinds, units, transport)| {
            let packet = Spec::v6(transport).frame().split_off(IP + 40);
            let rest = frames::extensions(&kinds, units, transport.number(), &packet);
            frames::ipv6(kinds[0], &rest)
        });
    let authenticated = (1..4usize, 0..5u8, transports()).prop_map(|(count, units, transport)| {
        let packet = Spec::v4(transport).frame().split_off(IP + 20);
        let rest = frames::extensions(&[AUTHENTICATION].repeat(count), units, transport.number(), &packet);
        frames::ipv4(AUTHENTICATION, &rest, |_| {})
    });
    let starts = prop_oneof![
        3 => specs().prop_map(|spec| spec.frame()),
        2 => chains,
        1 => authenticated,
        1 => vec(any::<u8>(), 14..200),
    ];
    let alike = |(mut frame, mutations, raw): (Vec<u8>, Vec<Mutation>, bool)| {
        mutations.iter().for_each(|mutation| mutation.apply(&mut frame));
        let (frame, link) = match raw && frame.len() >= IP + 14 {
            true => (&frame[IP..], LinkLayer::RawIp),
            false => (&frame[..], LinkLayer::Ethernet),
        };
        both.borrow_mut().count(&mutations, frame, link);
        Ok(())
    };
    runner(4000).run(&(starts, mutations(), proptest::bool::weighted(0.2)), alike).expect("read alike");
    both.borrow_mut().expect_equal_tables();
}

/// Addresses of which many are alike, so that filters hit.
fn neighbours() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    let v4 =
        || (select(vec![10u8, 192, 198]), 0..2u8, 0..2u8, any::<u8>()).prop_map(|(a, b, c, d)| [a, b, c, d].into());
    let v6 = || {
        let start = select(vec![0x2001u16, 0xfe80, 0]);
        (start, 0..2u16, any::<u16>()).prop_map(|(a, b, last)| [a, 0xdb8, b, 0, 0, 0, 0, last].into())
    };
    prop_oneof![(v4(), v4()), (v6(), v6())]
}

/// One part of a filter: items, some of them negated.
fn part(item: impl Strategy<Value = String>, most: usize) -> impl Strategy<Value = String> {
    let item =
        (proptest::bool::weighted(0.3), item).prop_map(|(not, item)| if not { format!("!{item}") } else { item });
    vec(item, 0..=most).prop_map(|items| items.join(","))
}

fn prefixes() -> impl Strategy<Value = String> {
    let one = (neighbours(), 0..=128u8, any::<bool>()).prop_map(|((address, _), length, bare)| match address {
        address if bare => address.to_string(),
        IpAddr::V4(v4) => format!("{v4}/{}", length % 33),
        // Mapped addresses are IPv4's.
        IpAddr::V6(v6) => format!("{v6}/{length}"),
    });
    part(one, MAX_PREFIXES)
}

fn filters() -> impl Strategy<Value = FilterText> {
    let port = || prop_oneof![Just(0u16), Just(53), Just(443), 60..70u16, any::<u16>()];
    let ports = prop_oneof![
        port().prop_map(|port| port.to_string()),
        (port(), port()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
    ];
    let names = ["tcp", "UDP", "icmp", "icmpv6", "sctp", "other", "gre"].map(String::from);
    let protocols = prop_oneof![select(names.to_vec()), any::<u8>().prop_map(|number| number.to_string())];
    let some = |part: BoxedStrategy<String>| prop_oneof![1 => Just(String::new()), 2 => part];
    let parts = (
        some(prefixes().boxed()),
        some(prefixes().boxed()),
        some(part(ports, 6).boxed()),
        some(part(protocols, 4).boxed()),
    );
    parts.prop_map(|(dst, src, port, proto)| FilterText { dst, src, port, proto })
}

#[test]
fn filters_reject_the_same_frames_as_they_say() {
    if !skip::privileged() {
        return;
    }
    let both = RefCell::new(Both::load());
    let known = [53u16, 60, 65, 443];
    let near = (specs(), neighbours(), any::<bool>(), select(known.to_vec())).prop_map(
        |(spec, (source, destination), near, port)| match spec.transport {
            _ if !near => spec,
            Transport::Tcp(from, _, flags) => {
                Spec { source, destination, transport: Transport::Tcp(from, port, flags), ..spec }
            }
            Transport::Udp(from, _) => Spec { source, destination, transport: Transport::Udp(from, port), ..spec },
            _ => Spec { source, destination, ..spec },
        },
    );
    let agree = |(text, frames): (FilterText, Vec<(Spec, Vec<Mutation>)>)| {
        let mut both = both.borrow_mut();
        let filter = text.parse().expect("a filter").filter;
        both.set_filter(filter);
        for (spec, mutations) in frames {
            let mut frame = spec.frame();
            mutations.iter().for_each(|mutation| mutation.apply(&mut frame));
            let (outcome, _) = both.count(&(&text, &spec, &mutations), &frame, LinkLayer::Ethernet);
            if let Ok(packet) = packet::parse(Frame::from(&frame[..]), LinkLayer::Ethernet) {
                let meant = if naive::passes(&text, &packet) { Outcome::Counted } else { Outcome::Filtered };
                prop_assert_eq!(outcome, meant, "{:?}", packet);
            }
        }
        Ok(())
    };
    let mutated = prop_oneof![2 => Just(Vec::new()), 1 => mutations()];
    runner(400).run(&(filters(), vec((near, mutated), 1..8)), agree).expect("as they say");
    both.borrow_mut().expect_equal_tables();
}
