use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use nettop_common::{Protocol, packet::Flags};
use nettop_model::snapshot::{Prefix, PrefixRow};

use super::*;

/// Sources remembered: far fewer than the floods have.
const MOST: usize = 1000;

fn aggregates() -> Aggregates {
    let geo = Arc::new(Geo::bundled().unwrap());
    Aggregates::new(Moment::default(), MOST, Regions::new(Some(geo)), HashKey([1, 2]))
}

fn counters(packets: u64) -> SourceCounters {
    let mut counters = SourceCounters::default();
    (0..packets).for_each(|_| counters.count(Protocol::Other, Flags::default(), false, 60, 1));
    counters
}

fn v4(bits: u32) -> Address {
    Ipv4Addr::from_bits(bits).into()
}

/// Enters a tenth of a second: its sources, as they come.
fn enter(aggregates: &mut Aggregates, reading: u64, sources: Vec<(Address, SourceCounters)>) {
    let at = Moment { monotonic_ns: reading * 100_000_000, ..Moment::default() };
    let mut reading = Reading { sources, ..Reading::new(at) };
    for (_, counted) in &reading.sources {
        let PacketsBytes { packets, bytes } = counted.tally();
        let counted = &mut reading.totals.seen;
        counted.add(PacketsBytes { packets, bytes });
    }
    aggregates.enter(&reading, &mut SecondStats::new(None), |_| {});
    aggregates.close();
}

/// Adds to what came from one.
fn add<K: Eq + Hash>(sums: &mut HashMap<K, PacketsBytes>, key: K, tally: PacketsBytes) {
    sums.entry(key).or_default().add(tally);
}

/// The prefix of an address that has this length.
fn prefix(ip: IpAddr, length: u8) -> Prefix {
    let ip = match ip {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() >> (32 - length) << (32 - length)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> (128 - length) << (128 - length)).into()),
    };
    Prefix { ip, length }
}

#[test]
fn in_a_flood_countries_networks_and_prefixes_are_exact_or_say_so() {
    type Draw = fn(&mut fastrand::Rng) -> Address;
    let floods: [(&str, Draw, [bool; 4]); 4] = [
        // Whether /24, /16, /48 and /32 are complete.
        ("all of IPv4", |random| v4(random.u32(..)), [false, true, true, true]),
        ("2^24 of IPv4, in the order of nothing", |random| v4(0x0100_0000 | random.u32(..) >> 8), [true; 4]),
        (
            "all of IPv6",
            |random| Ipv6Addr::from_bits(1 << 125 | random.u128(..) >> 3).into(),
            [true, true, false, false],
        ),
        (
            "few parts of both",
            |random| match random.bool() {
                true => v4(0x0a00_0000 | random.u32(0..5000)),
                false => Ipv6Addr::from_bits(0x2a00 << 112 | random.u128(..) >> 32).into(),
            },
            [true; 4],
        ),
    ];
    for (name, draw, complete) in floods {
        let (mut aggregates, mut random) = (aggregates(), fastrand::Rng::with_seed(1));
        let geo = Geo::bundled().unwrap();
        let (mut countries, mut networks) = (HashMap::new(), HashMap::new());
        let mut prefixes = [24, 16, 48, 32].map(|length| (length, HashMap::<Prefix, PacketsBytes>::new()));
        for reading in 1..=12 {
            let mut sources: Vec<_> = (0..30_000).map(|_| (draw(&mut random), counters(random.u64(1..3)))).collect();
            if !name.contains("nothing") {
                sources.sort_unstable_by_key(|(source, _)| source.0.map(u64::from_be));
            }
            for (source, counted) in &sources {
                let (ip, tally) = (source.to_ip(), counted.tally());
                let location = geo.look_up(ip);
                add(&mut countries, location.country_code, tally);
                add(&mut networks, location.asn, tally);
                let lengths = if ip.is_ipv4() { 0..2 } else { 2..4 };
                prefixes[lengths].iter_mut().for_each(|(length, sums)| add(sums, prefix(ip, *length), tally));
            }
            enter(&mut aggregates, reading, sources);
        }
        aggregates.settle();
        assert!(aggregates.sources.count() <= MOST && aggregates.sources.unadmitted().packets > 100_000, "{name}");

        let buckets = &aggregates.buckets;
        let (rows, _) = aggregates.regions.country_rows(0, buckets, 1.0);
        let sums = |packets, bytes| PacketsBytes { packets, bytes };
        let listed: HashMap<_, _> =
            rows.iter().map(|row| (row.country_code, sums(row.sums.packets, row.sums.bytes))).collect();
        assert!(listed == countries, "{name}: countries");
        let (rows, _) = aggregates.regions.network_rows(0, buckets, 1.0);
        let listed: HashMap<_, _> = rows.iter().map(|row| (row.asn, sums(row.sums.packets, row.sums.bytes))).collect();
        assert!(listed == networks, "{name}: networks");

        let (lengths, rest) = aggregates.prefixes.rows(0, buckets, 1.0);
        for (at, (length, expected)) in prefixes.iter().enumerate() {
            let name = format!("{name}, /{length}");
            let rows: &[PrefixRow] = &lengths[at].1;
            assert_eq!((lengths[at].0, rest[at].0), (*length, *length));
            let mut all = sums(rest[at].1.evicted.packets, rest[at].1.evicted.bytes);
            assert_eq!(all.packets == 0, complete[at], "{name}: {all:?} evicted");
            for row in rows {
                let (exact, listed) = (expected[&row.prefix], sums(row.sums.packets, row.sums.bytes));
                all.add(listed);
                assert!(
                    listed == exact || row.at_least && listed.packets < exact.packets,
                    "{name}: {row:?}, not {exact:?}"
                );
            }
            let mut entered = PacketsBytes::default();
            expected.values().for_each(|tally| entered.add(*tally));
            assert_eq!(all, entered, "{name}");
        }
    }
}

#[test]
fn what_was_taken_for_a_flood_is_given_back_when_it_is_over() {
    let (mut aggregates, mut random) = (aggregates(), fastrand::Rng::with_seed(1));
    let mut reading = 0;
    let mut play = |aggregates: &mut Aggregates, readings: u64, sources: u32| {
        for _ in 0..readings {
            reading += 1;
            enter(aggregates, reading, (0..sources).map(|_| (v4(random.u32(..)), counters(1))).collect());
        }
    };
    play(&mut aggregates, 20, 2000);
    assert!(!aggregates.is_quiet());
    // So few get accounts at once.
    play(&mut aggregates, 80, 1);
    assert!(!aggregates.is_quiet(), "it may go on");
    play(&mut aggregates, 40, 1);
    assert!(aggregates.is_quiet());
    play(&mut aggregates, 20, 2000);
    assert!(!aggregates.is_quiet());
}
