//! What entering sources costs, by part and by kind of flood: a measurement, not a test.
//!
//! `cargo test --release -p nettop-engine --lib -- --ignored --nocapture cost::`

use std::{
    mem,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use fastrand::Rng;
use nettop_collect::reading::Reading;
use nettop_common::{
    Address, Protocol, SourceCounters,
    packet::Flags,
    unique::{Distinct, HashKey},
};
use nettop_geo::Geo;
use nettop_model::{clock::Moment, order};

use crate::{
    aggregates::Aggregates, detect::SecondStats, ledger::Ledger, prefixes::PrefixSums, rates::TimeBuckets,
    regions::Regions,
};

/// Packets of a reading.
const PACKETS: usize = 200_000;
/// Between readings.
const INTERVAL_NS: u64 = 50_000_000;
/// Readings before it is measured, in which every table fills, and measured ones.
const BEFORE: usize = 30;
const MEASURED: usize = 30;
/// As by default.
const MOST_SOURCES: usize = 131_072;

/// Draws the address of a packet.
type Draw = fn(&mut Rng) -> Address;

const FLOODS: [(&str, Draw); 6] = [
    ("1,000 sources", |random| v4(0x0800_0000 + random.u32(0..1000) * 4_000_037)),
    ("50,000 sources", |random| v4(0x0800_0000 + random.u32(0..50_000) * 70_001)),
    ("2^24 from 1.0.0.0", |random| v4(0x0100_0000 | random.u32(0..1 << 24))),
    ("2^24 all over IPv4", |random| v4(random.u32(0..1 << 24).wrapping_mul(0x9e37_79b1))),
    ("2^32", |random| v4(random.u32(..))),
    ("2^20 /48 of IPv6", |random| {
        let network = 0x2a00 << 112 | u128::from(random.u32(0..1 << 20)) << 80;
        Ipv6Addr::from_bits(network | u128::from(random.u64(..))).into()
    }),
];

/// Those of which the name is in the variable FLOOD; all of them without it.
fn floods() -> impl Iterator<Item = (&'static str, Draw)> {
    let only = std::env::var("FLOOD").unwrap_or_default();
    FLOODS.into_iter().filter(move |(name, _)| name.contains(&only))
}

fn v4(bits: u32) -> Address {
    Ipv4Addr::from_bits(bits).into()
}

/// Each source once, by address, as the log of the kernel program brings them.
fn entries(draw: Draw, random: &mut Rng) -> Vec<(Address, SourceCounters)> {
    let mut drawn: Vec<_> = (0..PACKETS).map(|_| draw(random).0.map(u64::from_be)).collect();
    drawn.sort_unstable();
    let entry = |same: &[[u64; 2]]| {
        let mut counters = SourceCounters::default();
        same.iter().for_each(|_| counters.count(Protocol::Other, Flags::default(), false, 60, 1));
        (Address(same[0].map(u64::to_be)), counters)
    };
    drawn.chunk_by(|one, other| one == other).map(entry).collect()
}

/// What this thread has had of a CPU: others may run beside it.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it fills in the structure that is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The process's resident memory, MiB: the entries of two readings and places included.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Nanoseconds per entry of a part that is given the sources of one reading after the other: the median, and what a tenth of the
/// readings took less and more than.
fn measure(draw: Draw, mut part: impl FnMut(&mut Vec<(Address, SourceCounters)>, &TimeBuckets)) -> String {
    let (mut random, mut buckets) = (Rng::with_seed(1), TimeBuckets::new(0));
    let mut took = Vec::new();
    for reading in 1..=BEFORE + MEASURED {
        let mut entries = entries(draw, &mut random);
        let count = entries.len() as f64;
        buckets.reach(reading as u64 * INTERVAL_NS);
        let start = cpu_time();
        part(&mut entries, &buckets);
        took.push((cpu_time() - start).as_nanos() as f64 / count);
        buckets.close_if_due();
    }
    let measured = &mut took[BEFORE..];
    order::sort_by(measured, f64::total_cmp);
    format!("{:5.1} ({:5.1}-{:5.1})", measured[MEASURED / 2], measured[MEASURED / 10], measured[MEASURED * 9 / 10])
}

#[test]
#[ignore = "a measurement"]
fn of_each_part() {
    let geo = Arc::new(Geo::bundled().unwrap());
    for (name, draw) in floods() {
        let mut aggregates =
            Aggregates::new(Moment::default(), MOST_SOURCES, Regions::new(Some(Arc::clone(&geo))), HashKey([1, 2]));
        let mut notes = SecondStats::new(Some(10_000));
        let mut reading = Reading::new(Moment::default());
        let all = measure(draw, |entries, buckets| {
            reading.at.monotonic_ns = buckets.now_ns();
            mem::swap(&mut reading.sources, entries);
            aggregates.enter(&reading, &mut notes, |_| {});
            if aggregates.close().is_some() {
                notes.next_second(true);
            }
        });
        println!("{name:>20}: all {all}; {:.0} MiB resident", resident());
        drop(aggregates);
        let mut ledger = Ledger::new(MOST_SOURCES);
        let ledger = measure(draw, |entries, buckets| ledger.enter(entries, buckets));
        let mut prefixes = PrefixSums::new();
        let prefixes = measure(draw, |entries, buckets| prefixes.enter(entries, buckets));
        let mut regions = Regions::new(Some(Arc::clone(&geo)));
        let regions = measure(draw, |entries, _| {
            regions.next_reading();
            entries.iter().for_each(|(source, counted)| regions.enter_unadmitted(source, counted.tally()));
        });
        let mut distinct: Box<Distinct> = bytemuck::zeroed_box();
        let distinct = measure(draw, |entries, _| entries.iter().for_each(|(source, _)| distinct.insert(*source)));
        println!("{:>20}  ledger {ledger}, prefixes {prefixes}, regions {regions}, distinct {distinct}", "");
    }
}
