//! The busiest keys of a table, of which every CPU has a part, in bounded memory: however many CPUs there are, and however many keys.

use std::{cmp::Reverse, ops::Range};

use bytemuck::{Pod, Zeroable};
use nettop_common::{
    PacketsBytes, SourceCounters, TrafficClass,
    counters::{ByClass, Counters},
    slots::Key,
};

use nettop_model::kernel_maps::{KeyRows, Map};

/// Keys that are held of a table at most, each once for every CPU that has it: some megabytes.
pub const MOST: usize = 1 << 17;

/// What was counted for keys, CPU by CPU.
pub struct Gathered<C> {
    entries: Vec<CpuEntry<C>>,
    most: usize,
    left_out: LeftOut,
}

#[derive(Clone, Copy)]
struct CpuEntry<C> {
    key: Key,
    cpu: u32,
    counters: C,
}

/// What there was no room for, and what the limit left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Keys. One that was left out and came again, from another CPU, counts again.
    pub rows: u64,
    /// Their packets.
    pub packets: u64,
}

/// A key, its packets, and where its entries are.
struct Found {
    packets: u64,
    key: Key,
    entries: Range<usize>,
}

impl<C: Counters> Gathered<C> {
    /// With room for so many; at least two.
    pub fn new(most: usize) -> Self {
        Self { entries: Vec::new(), most: most.max(2), left_out: LeftOut::default() }
    }

    /// Enters what a CPU has counted for a key, or more of it.
    pub fn enter(&mut self, key: Key, cpu: usize, counters: C) {
        if self.entries.len() == self.most {
            self.keep(self.most / 2, usize::MAX);
        }
        self.entries.push(CpuEntry { key, cpu: cpu as u32, counters });
    }

    /// Keeps the busiest keys: so many, with so many entries, at most. Of the busiest of all, what there is room for.
    fn keep(&mut self, entries: usize, keys: usize) -> Vec<Found> {
        let mut all = self.found();
        all.sort_unstable_by_key(|found| (Reverse(found.packets), found.key));
        let mut room = entries;
        let fits = all.iter().take(keys).take_while(|found| {
            let fits = found.entries.len() <= room;
            room -= if fits { found.entries.len() } else { 0 };
            fits
        });
        let kept = fits.count().max(1).min(all.len());
        for found in all.drain(kept..) {
            self.left_out.rows += 1;
            self.left_out.packets += found.packets;
        }
        if let Some(busiest) = all.first_mut().filter(|busiest| busiest.entries.len() > entries) {
            let over = busiest.entries.start + entries..busiest.entries.end;
            let packets = self.entries[over.clone()].iter().map(|entry| entry.counters.tally().packets).sum::<u64>();
            self.left_out.packets += packets;
            busiest.packets -= packets;
            busiest.entries.end = over.start;
        }
        let mut moved = Vec::with_capacity(all.iter().map(|found| found.entries.len()).sum());
        for found in &mut all {
            let first = moved.len();
            moved.extend_from_slice(&self.entries[found.entries.clone()]);
            found.entries = first..moved.len();
        }
        self.entries = moved;
        all
    }

    /// The keys, after what belongs to the same key and CPU was added up.
    fn found(&mut self) -> Vec<Found> {
        self.entries.sort_unstable_by_key(|entry| (entry.key, entry.cpu));
        self.entries.dedup_by(|next, entry| {
            let same = (next.key, next.cpu) == (entry.key, entry.cpu);
            if same {
                entry.counters.add(&next.counters);
            }
            same
        });
        let mut all: Vec<Found> = Vec::new();
        for (at, entry) in self.entries.iter().enumerate() {
            let packets = entry.counters.tally().packets;
            match all.last_mut().filter(|found| found.key == entry.key) {
                Some(found) => {
                    found.packets += packets;
                    found.entries.end = at + 1;
                }
                None => all.push(Found { packets, key: entry.key, entries: at..at + 1 }),
            }
        }
        all
    }
}

impl<C: Dumped> Gathered<C> {
    /// Makes the `limit` (0: all) busiest keys rows of a map, most packets first.
    pub fn into_map(mut self, map: &mut Map, cpus: usize, limit: usize, key: fn(Key) -> String) {
        let found = self.keep(usize::MAX, if limit == 0 { usize::MAX } else { limit });
        map.counters = C::NAMES.iter().map(ToString::to_string).collect();
        map.rows = KeyRows::new(key, C::NAMES.len(), cpus);
        for Found { key, entries, .. } in found {
            let entries = &self.entries[entries];
            let mut sum = C::default();
            entries.iter().for_each(|entry| sum.add(&entry.counters));
            map.rows.push(key, &sum.numbers(), entries.iter().map(|entry| (entry.cpu, entry.counters.numbers())));
        }
        LeftOut { rows: map.rows_left_out, packets: map.packets_left_out } = self.left_out;
    }
}

/// Counters of a key, one by one.
pub trait Dumped: Counters {
    /// Their names.
    const NAMES: &'static [&'static str];

    /// Their values.
    fn numbers(&self) -> Vec<u64>;
}

impl Dumped for PacketsBytes {
    const NAMES: &'static [&'static str] = &["packets", "bytes"];

    fn numbers(&self) -> Vec<u64> {
        let Self { packets, bytes } = *self;
        vec![packets, bytes]
    }
}

impl Dumped for ByClass {
    const NAMES: &'static [&'static str] = &{
        let mut names = [""; 2 + TrafficClass::COUNT];
        (names[0], names[1]) = ("packets", "bytes");
        let mut class = 0;
        while class < TrafficClass::COUNT {
            names[2 + class] = TrafficClass::ALL[class].json_name();
            class += 1;
        }
        names
    };

    fn numbers(&self) -> Vec<u64> {
        let PacketsBytes { packets, bytes } = self.tally();
        [packets, bytes].into_iter().chain(self.iter().map(|tally| tally.packets)).collect()
    }
}

impl Dumped for SourceCounters {
    const NAMES: &'static [&'static str] =
        &["packets", "bytes", "first_monotonic_ns", "last_monotonic_ns", "syn", "udp", "icmp"];

    fn numbers(&self) -> Vec<u64> {
        let Self { packets, bytes, first_ns, last_ns, syn, udp, icmp, .. } = *self;
        vec![packets, bytes, first_ns, last_ns, syn.into(), udp.into(), icmp.into()]
    }
}

/// Packets alone.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Packets(pub u64);

impl Counters for Packets {
    fn add(&mut self, other: &Self) {
        self.0 += other.0;
    }

    fn tally(&self) -> PacketsBytes {
        PacketsBytes { packets: self.0, bytes: 0 }
    }
}

impl Dumped for Packets {
    const NAMES: &'static [&'static str] = &["packets"];

    fn numbers(&self) -> Vec<u64> {
        vec![self.0]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use nettop_model::kernel_maps::Facts;

    const CPUS: usize = 64;

    fn map(gathered: Gathered<Packets>, limit: usize) -> serde_json::Value {
        let facts =
            Facts { name: "M".into(), part_of: None, id: 1, kind: "array", capacity: 1, value_size: 8, memory: 8 };
        let mut map = Map::empty(facts);
        gathered.into_map(&mut map, CPUS, limit, |key| key[0].to_string());
        serde_json::to_value(&map).unwrap()
    }

    /// What each CPU has counted, entered in their order; with what was truly counted for each key.
    fn gather(most: usize, parts: &[(usize, u64, u64)]) -> (Gathered<Packets>, BTreeMap<u64, u64>) {
        let (mut gathered, mut truth) = (Gathered::new(most), BTreeMap::new());
        for &(cpu, key, packets) in parts {
            gathered.enter([key, 0], cpu, Packets(packets));
            assert!(gathered.entries.len() <= gathered.most, "more than there is room for");
            *truth.entry(key).or_default() += packets;
        }
        (gathered, truth)
    }

    #[test]
    fn the_busiest_come_first_and_nothing_goes_missing_unsaid() {
        // Forged sources, each on one CPU, with one packet.
        let flood = |of: u64| (0..of).map(|n| ((n % CPUS as u64) as usize, 1000 + n, 1));
        let everywhere = |key: u64, packets: u64| (0..CPUS).map(move |cpu| (cpu, key, packets));
        let beside = |mut parts: Vec<(usize, u64, u64)>| {
            parts.extend(flood(20_000));
            parts.sort_by_key(|(cpu, ..)| *cpu);
            parts
        };
        for (name, parts, expected) in [
            ("on one CPU each", beside(vec![(0, 1, 900), (63, 2, 800), (5, 3, 700)]), [(1, 900), (2, 800), (3, 700)]),
            (
                "spread over all CPUs",
                beside(everywhere(1, 9).chain(everywhere(2, 8)).chain([(0, 3, 70)]).collect()),
                [(1, 576), (2, 512), (3, 70)],
            ),
            (
                "on the last CPU only, where the rest is full",
                beside(vec![(63, 1, 30), (63, 2, 20), (63, 3, 10)]),
                [(1, 30), (2, 20), (3, 10)],
            ),
            (
                "entered in parts",
                beside((0..50).map(|_| (7, 1, 2)).chain([(7, 2, 60), (7, 3, 50)]).collect()),
                [(1, 100), (2, 60), (3, 50)],
            ),
        ] {
            for (most, limit) in [(1000, 3), (1000, 0), (MOST, 3), (MOST, 0)] {
                let (gathered, truth) = gather(most, &parts);
                let map = map(gathered, limit);
                let rows = map["rows"].as_array().unwrap();
                let sums: Vec<(u64, u64)> = rows
                    .iter()
                    .map(|row| (row["key"].as_str().unwrap().parse().unwrap(), row["sum"][0].as_u64().unwrap()))
                    .collect();
                assert_eq!(sums[..3], expected, "{name}, room for {most}");
                assert!(sums.iter().all(|(key, packets)| truth[key] == *packets), "{name}: a sum that is not true");
                let total = sums.iter().map(|(_, packets)| packets).sum::<u64>();
                assert_eq!(total + map["packets_left_out"].as_u64().unwrap(), truth.values().sum::<u64>(), "{name}");
                if limit > 0 {
                    assert_eq!(rows.len(), limit, "{name}");
                }
                if most == MOST {
                    let left_out = map["rows_left_out"].as_u64().unwrap();
                    assert_eq!(rows.len() as u64 + left_out, truth.len() as u64, "{name}");
                }
                for row in rows {
                    let cpus = row["cpus"].as_array().unwrap();
                    assert_eq!(cpus.len(), CPUS, "{name}");
                    assert_eq!(cpus.iter().map(|numbers| numbers[0].as_u64().unwrap()).sum::<u64>(), row["sum"][0]);
                }
            }
        }
    }

    #[test]
    fn a_key_on_more_cpus_than_there_is_room_for_is_kept_as_far_as_it_goes() {
        let parts: Vec<_> = (0..CPUS).map(|cpu| (cpu, 7, 10)).collect();
        let (gathered, _) = gather(4, &parts);
        let map = map(gathered, 0);
        assert_eq!(map["rows"][0]["key"], "7");
        let total = map["rows"][0]["sum"][0].as_u64().unwrap() + map["packets_left_out"].as_u64().unwrap();
        assert_eq!(total, CPUS as u64 * 10);
    }
}
