//! What is left out is not counted, costs no other part anything, and is no reason for a verifier to refuse the rest.

use std::net::Ipv4Addr;

use nettop_collect::kernel::capacity::Capacity;
use nettop_common::{
    LinkLayer, Outcome, Protocol,
    counters::{Part, Table},
};
use nettop_engine::hyperloglog;
use nettop_tests::{
    frames::{Spec, Transport},
    kernel::Kernel,
    skip,
};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Different sources, more than there are slots in a few buckets of a few CPUs.
const SOURCES: u32 = 250;

#[test]
fn each_part_is_counted_or_left_out_by_itself() {
    if !skip::privileged() {
        return;
    }
    let one_missing = Part::ALL.iter().map(|part| Part::EVERY & !part.bit());
    let one_alone = Part::ALL.iter().map(|part| part.bit());
    for parts in one_missing.chain(one_alone).chain([0]) {
        for (form, mut kernel) in [("slots", Kernel::load_parts(parts)), ("hash maps", Kernel::load_hash(parts, 2))] {
            let frame = Spec::v4(Transport::Tcp(40_000, 443, 0x02)).frame();
            kernel.count(&frame, LinkLayer::Ethernet);
            kernel.count(&frame[14..], LinkLayer::RawIp);
            let (reading, tables) = (kernel.read(), kernel.read_tables());
            let totals = reading.totals;
            assert!(tables.unique.0.iter().all(|value| *value == 0), "{parts:#b}: whoever has a slot is known by it");
            assert_eq!((totals.seen.packets, totals.outcome(Outcome::Counted).packets), (2, 2), "{parts:#b}");
            for part in Part::ALL {
                let counted = match part {
                    Part::Sources => reading.sources.iter().map(|(_, counters)| counters.packets).sum(),
                    Part::Unique => continue,
                    Part::Destinations => reading.destinations.iter().map(|(_, of_class)| of_class.tally.packets).sum(),
                    Part::Macs => reading.macs.iter().map(|(_, tally)| tally.packets).sum(),
                    Part::Protocols => totals.protocol(Protocol::Tcp).packets,
                    Part::Ports => tables.dst_ports[443],
                    Part::Flags => tables.tcp_flags[0x02],
                    Part::Events => totals.events,
                };
                let wanted = parts & part.bit() != 0;
                assert_eq!(counted, u64::from(wanted) * 2, "{} of {parts:#b}, {form}", part.label());
            }
        }
    }
}

#[test]
fn who_is_in_no_table_is_known_to_be_distinct() {
    if !skip::privileged() {
        return;
    }
    let others = Part::EVERY & !Part::Unique.bit();
    for (parts, slots, expected) in [
        (Part::EVERY, "few", true),
        (Part::EVERY, "many", false),
        (Part::EVERY, "a small hash map", true),
        (Part::EVERY, "a large hash map", false),
        (others, "few", false),
        (others, "a small hash map", false),
        (Part::Unique.bit() | Part::Sources.bit(), "few", true),
    ] {
        let mut kernel = match slots {
            "few" => Kernel::load_sized(parts, Capacity { bits: [1; Table::COUNT], log_bits: 3, ..Capacity::MOST }),
            "a small hash map" => Kernel::load_hash(parts, SOURCES / 5),
            "a large hash map" => Kernel::load_hash(parts, SOURCES),
            _ => Kernel::load_parts(parts),
        };
        for host in 0..SOURCES {
            let spec =
                Spec { source: Ipv4Addr::from_bits(0xc633_6400 | host).into(), ..Spec::v4(Transport::Udp(40_000, 53)) };
            kernel.count(&spec.frame(), LinkLayer::Ethernet);
        }
        let (reading, tables) = (kernel.read(), kernel.read_tables());
        let untracked = reading.totals.untracked(Table::Sources).packets;
        assert_eq!(reading.sources.len() as u64 + untracked, u64::from(SOURCES), "{parts:#b}, {slots}");
        assert_eq!(untracked > 0, matches!(slots, "few" | "a small hash map"), "{slots}");
        let distinct = hyperloglog::estimate(&tables.unique).round() as u64;
        let expected = if expected { untracked } else { 0 };
        assert!(distinct.abs_diff(expected) <= expected / 10, "{parts:#b}, {slots}: {distinct} of {expected}");
    }
}

#[test]
fn a_cpu_that_comes_online_later_counts_all_but_keys_and_ports() {
    if !skip::privileged() {
        return;
    }
    let mut kernel = Kernel::load_online(&[]);
    let frame = Spec::v4(Transport::Tcp(40_000, 443, 0x02)).frame();
    (0..5).for_each(|_| kernel.count(&frame, LinkLayer::Ethernet));
    let (reading, tables) = (kernel.read(), kernel.read_tables());
    let totals = reading.totals;
    assert_eq!((totals.seen.packets, totals.protocol(Protocol::Tcp).packets), (5, 5));
    assert_eq!((totals.untracked(Table::Sources).packets, reading.sources.len()), (5, 0));
    assert_eq!((tables.tcp_flags[2], tables.dst_ports.iter().sum::<u64>()), (5, 0));
}

#[test]
fn cpus_that_share_their_ports_lose_none() {
    if !skip::privileged() {
        return;
    }
    let mut kernel = Kernel::load_sized(Part::EVERY, Capacity { ports: 1, ..Capacity::MOST });
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    for cpu in 0..cpus {
        let mut one = CpuSet::new();
        one.set(cpu);
        sched_setaffinity(None, &one).expect("pinning to a CPU");
        for _ in 0..7 {
            kernel.count(&Spec::v4(Transport::Udp(53, 53)).frame(), LinkLayer::Ethernet);
            kernel.count(&Spec::v4(Transport::Udp(53, 443)).frame(), LinkLayer::Ethernet);
        }
    }
    let (tables, cpus) = (kernel.read_tables(), cpus as u64);
    assert_eq!((tables.dst_ports[53], tables.dst_ports[443]), (7 * cpus, 7 * cpus));
    assert_eq!((tables.src_ports[53], tables.src_ports[443]), (14 * cpus, 0));
}
