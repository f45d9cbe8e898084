//! Keys in per-CPU hash maps. They stay there until a reset, with sums of all that was counted for them; a reading has what these rose by.
//!
//! A value has the sums of both banks. Those of the bank that the program was flipped away from stand still while they are read, so that
//! a reading has exactly the packets that the totals of that bank have.

use std::{
    io,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use bytemuck::{Pod, Zeroable as _};
use foldhash::HashMap;
use nettop_common::{
    ClassTally, PacketsBytes, SourceCounters,
    counters::{ByClass, Counters, Table},
    cpu::Ports,
    maps::{self, ByBank},
    slots::{BANKS, Key},
};
use nettop_model::{
    clock::{Moment, asleep_ns},
    kernel_maps::{Fill, Map},
};

use super::{
    batch::PerCpuHash,
    bpf::Batch,
    capacity::{Capacity, CpuList},
    cpus::Cpus,
    dump::{Asked, address, mac_pair},
    gather::{Dumped, Gathered, MOST},
    keys::{DumpKeys, Keys},
};
use crate::{reading::Reading, traffic::PACE};

/// Between two readings so many times as much time passes as the first of them took.
const RARELY: u32 = 20;
/// The longest time between two readings, in times of the usual one.
pub const PACE_MOST_OF_USUAL: u32 = 10;
/// Keys at most, by [`Table`]: as many sources as are remembered. All of them are read again and again.
const MOST_KEYS: [u64; Table::COUNT] = [1 << 17, 1 << 16, 1 << 14];
/// And at least.
const LEAST_KEYS: u64 = 32;
/// What a key costs beside its values, bytes (kernel/bpf/hashtab.c: `struct htab_elem`, a pointer, up to two `struct bucket`).
const KEY: u64 = 48 + size_of::<Key>() as u64 + 8 + 2 * 16;

/// The maps that are there in any form.
const SIDE: [&str; 9] = [
    maps::EGRESS,
    maps::REMOTES,
    maps::CALLS,
    maps::SOCKETS,
    maps::ENDINGS,
    maps::ENDED,
    maps::DROPS,
    maps::BLOCKS,
    maps::DROPPED,
];

/// How large the maps are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashSizes {
    /// Keys, by [`Table`].
    keys: [u32; Table::COUNT],
    /// Tables of ports.
    ports: u32,
    /// What is beside the packets received.
    side: Capacity,
}

impl HashSizes {
    /// From a budget in bytes: five eighths of what is left beside the rest are for sources, and a quarter for destinations, whose values
    /// are larger. A key has a value on each CPU that is possible, online or not.
    pub fn plan(budget: u64, cpus: &CpuList) -> Self {
        let capacity = Capacity::plan(budget, cpus);
        let ports = capacity.port_tables(cpus);
        let fixed = Capacity::fixed(cpus) + capacity.side_bytes(cpus) + u64::from(ports) * size_of::<Ports>() as u64;
        let left = budget.saturating_sub(fixed);
        let keys =
            |share: u64, table: Table| (share / cost(table, cpus)).clamp(LEAST_KEYS, MOST_KEYS[table as usize]) as u32;
        let keys =
            [keys(left / 8 * 5, Table::Sources), keys(left / 4, Table::Destinations), keys(left / 8, Table::Macs)];
        Self { keys, ports, side: capacity }
    }

    /// How many elements each of the maps has whose size follows from this.
    pub fn elements(self, cpus: &CpuList) -> Vec<(&'static str, u32)> {
        let [sources, destinations, macs] = self.keys;
        [
            (maps::CPUS, cpus.count() as u32),
            (maps::PORTS, self.ports),
            (maps::SOURCE_HASH, sources),
            (maps::DEST_HASH, destinations),
            (maps::MAC_HASH, macs),
        ]
        .into_iter()
        .chain(self.side.elements(cpus).into_iter().filter(|(map, _)| SIDE.contains(map)))
        .collect()
    }

    /// The same for what is not there: slots and logs, which are not used.
    pub fn of_cpus(self) -> Capacity {
        Capacity { bits: [1; Table::COUNT], log_bits: 0, ports: self.ports, ..self.side }
    }
}

/// Bytes of a key with its values.
fn cost(table: Table, cpus: &CpuList) -> u64 {
    let value = match table {
        Table::Sources => size_of::<ByBank<SourceCounters>>(),
        Table::Destinations => size_of::<ByBank<ByClass>>(),
        Table::Macs => size_of::<ByBank<PacketsBytes>>(),
    };
    KEY + (value * cpus.count()) as u64
}

/// What is in the maps.
pub struct Hash {
    sizes: HashSizes,
    sources: Kept<SourceCounters>,
    destinations: Kept<ByClass>,
    macs: Kept<PacketsBytes>,
    /// When the program began to count in the bank that it counts in, on its own clock.
    since_ns: u64,
    pace: Duration,
}

impl Hash {
    /// Over the maps of that size; `map` has each by its name.
    ///
    /// # Errors
    /// A map is missing; no file descriptor is left.
    pub fn new<'a>(sizes: HashSizes, map: impl Fn(&str) -> Result<&'a MapData>) -> Result<Self> {
        Ok(Self {
            sizes,
            sources: Kept::new(map(maps::SOURCE_HASH)?).context("holding SOURCE_HASH")?,
            destinations: Kept::new(map(maps::DEST_HASH)?).context("holding DEST_HASH")?,
            macs: Kept::new(map(maps::MAC_HASH)?).context("holding MAC_HASH")?,
            since_ns: on_clock_of_program(Moment::now()),
            pace: PACE,
        })
    }
}

fn on_clock_of_program(moment: Moment) -> u64 {
    moment.monotonic_ns.saturating_sub(asleep_ns())
}

impl Keys for Hash {
    fn finish(&mut self, bank: u32, reading: &mut Reading) {
        let Self { sources, destinations, macs, since_ns, pace, .. } = self;
        let started = Instant::now();
        let by_class = |key: Key, classes: ByClass| {
            reading.destinations.extend(ClassTally::each(classes).map(|tally| (key.into(), tally)));
        };
        for (name, read) in [
            (
                maps::SOURCE_HASH,
                sources.read(bank, *since_ns, |key, source| reading.sources.push((key.into(), source))),
            ),
            (maps::DEST_HASH, destinations.read(bank, *since_ns, by_class)),
            (maps::MAC_HASH, macs.read(bank, *since_ns, |key, tally| reading.macs.push((key.into(), tally)))),
        ] {
            // What is missing comes with a later reading.
            read.unwrap_or_else(|error| log::error!("reading {name}: {error}"));
        }
        *since_ns = on_clock_of_program(reading.at);
        *pace = (started.elapsed() * RARELY).clamp(PACE, PACE * PACE_MOST_OF_USUAL);
    }

    fn pace(&self) -> Duration {
        self.pace
    }

    fn capacity(&self, table: Table) -> u64 {
        self.sizes.keys[table as usize].into()
    }

    fn entries(&self, table: Table) -> u64 {
        match table {
            Table::Sources => self.sources.entries,
            Table::Destinations => self.destinations.entries,
            Table::Macs => self.macs.entries,
        }
    }

    fn stay(&self) -> bool {
        true
    }

    fn forget(&mut self) {
        let Self { sources, destinations, macs, since_ns, .. } = self;
        for (name, forgotten) in [
            (maps::SOURCE_HASH, sources.forget(*since_ns)),
            (maps::DEST_HASH, destinations.forget(*since_ns)),
            (maps::MAC_HASH, macs.forget(*since_ns)),
        ] {
            forgotten.unwrap_or_else(|error| log::error!("emptying {name}: {error}"));
        }
    }

    fn dump(&self) -> io::Result<Box<dyn DumpKeys>> {
        Ok(Box::new(Held {
            sizes: self.sizes,
            sources: self.sources.map.clone(),
            destinations: self.destinations.map.clone(),
            macs: self.macs.map.clone(),
        }))
    }
}

/// Counters that only rise.
trait Rising: Counters {
    /// What was counted since it was `earlier`, where nothing came between then and `from_ns`.
    fn since(&self, earlier: &Self, from_ns: u64) -> Self;
}

impl Rising for SourceCounters {
    fn since(&self, earlier: &Self, from_ns: u64) -> Self {
        self.since(earlier, from_ns)
    }
}

impl Rising for ByClass {
    fn since(&self, earlier: &Self, _from_ns: u64) -> Self {
        let mut risen = *self;
        risen.iter_mut().zip(earlier).for_each(|(tally, earlier)| *tally = (*tally).since(*earlier));
        risen
    }
}

impl Rising for PacketsBytes {
    fn since(&self, earlier: &Self, _from_ns: u64) -> Self {
        (*self).since(*earlier)
    }
}

/// A map, and what of it is in readings already.
struct Kept<C> {
    map: PerCpuHash<ByBank<C>>,
    /// The sums of all CPUs that were read last.
    known: HashMap<Key, ByBank<C>>,
    /// What was removed before it was read.
    removed: Vec<(Key, C)>,
    /// Keys in the map when it was read last.
    entries: u64,
}

impl<C: Rising> Kept<C> {
    fn new(map: &MapData) -> Result<Self> {
        Ok(Self { map: PerCpuHash::new(map)?, known: HashMap::default(), removed: Vec::new(), entries: 0 })
    }

    /// Moves what came in an idle bank, in which was counted from `since_ns` on, to `each`.
    fn read(&mut self, bank: u32, since_ns: u64, mut each: impl FnMut(Key, C)) -> io::Result<()> {
        let Self { map, known, removed, entries: found } = self;
        removed.drain(..).for_each(|(key, counters)| each(key, counters));
        *found = 0;
        map.each(Batch::Read, |key, values| {
            *found += 1;
            let sum = of_bank(values, bank);
            if sum.tally().packets > 0 {
                let earlier = &mut known.entry(key).or_insert_with(ByBank::zeroed)[bank as usize];
                if let Some(counters) = risen(&sum, earlier, since_ns) {
                    each(key, counters);
                }
                *earlier = sum;
            }
            true
        })
    }

    /// Removes every key, and keeps what came for it since it was read, in the bank that was counted in from `since_ns` on.
    fn forget(&mut self, since_ns: u64) -> io::Result<()> {
        let Self { map, known, removed, .. } = self;
        map.each(Batch::Remove, |key, values| {
            let earlier = known.remove(&key).unwrap_or_else(ByBank::zeroed);
            for bank in 0..BANKS {
                let risen = risen(&of_bank(values, bank), &earlier[bank as usize], since_ns);
                removed.extend(risen.map(|counters| (key, counters)));
            }
            true
        })?;
        // Its memory, too.
        *known = HashMap::default();
        Ok(())
    }
}

fn sum<'a, C: Counters>(parts: impl Iterator<Item = &'a C>) -> C {
    let mut sum = C::zeroed();
    parts.for_each(|part| sum.add(part));
    sum
}

/// What all CPUs have counted in a bank.
fn of_bank<C: Counters>(values: &[ByBank<C>], bank: u32) -> C {
    sum(values.iter().map(|value| &value[bank as usize]))
}

/// By how much a sum has risen; `None`: it has not.
fn risen<C: Rising>(sum: &C, earlier: &C, since_ns: u64) -> Option<C> {
    (sum.tally() != earlier.tally()).then(|| Rising::since(sum, earlier, since_ns))
}

/// The maps alone.
struct Held {
    sizes: HashSizes,
    sources: PerCpuHash<ByBank<SourceCounters>>,
    destinations: PerCpuHash<ByBank<ByClass>>,
    macs: PerCpuHash<ByBank<PacketsBytes>>,
}

impl DumpKeys for Held {
    fn about(&self) -> &'static str {
        "SOURCE_HASH, DEST_HASH, MAC_HASH: since the program was loaded or the last reset, both banks together"
    }

    fn dump(&self, cpus: &Cpus, map: &mut Map, asked: &Asked) -> Result<()> {
        let [sources, destinations, macs] = self.sizes.keys;
        match map.facts.name.as_str() {
            maps::SOURCE_HASH => dump(&self.sources, sources, cpus.count(), map, address, asked),
            maps::DEST_HASH => dump(&self.destinations, destinations, cpus.count(), map, address, asked),
            maps::MAC_HASH => dump(&self.macs, macs, cpus.count(), map, mac_pair, asked),
            _ => Ok(()),
        }
    }
}

fn dump<C: Dumped + Pod>(
    hash: &PerCpuHash<ByBank<C>>,
    keys: u32,
    cpus: usize,
    map: &mut Map,
    label: fn(Key) -> String,
    asked: &Asked,
) -> Result<()> {
    let (mut gathered, mut used) = (Gathered::new(MOST), 0);
    let read = hash.each(Batch::Read, |key, values| {
        used += 1;
        for (cpu, value) in values.iter().enumerate() {
            let sum = sum(value.iter());
            if sum.tally().packets > 0 {
                gathered.enter(key, cpu, sum);
            }
        }
        // Then something is missing on all of them.
        !asked.is_late(map, 0, cpus)
    });
    read.with_context(|| format!("reading {}", map.facts.name))?;
    map.fill = Some(Fill { used, of: keys.into() });
    gathered.into_map(map, cpus, asked.limit, label);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_fits_into_the_budget() {
        for (name, mebibytes, possible, counting) in [
            ("a small machine", 8, 1, 1),
            ("two CPUs", 64, 2, 2),
            ("128 CPUs", 256, 128, 128),
            ("128 possible ones, of which two are online", 16, 128, 2),
        ] {
            let cpus = CpuList::first_online(possible, counting);
            let sizes = HashSizes::plan(mebibytes << 20, &cpus);
            let keys = Table::ALL.iter().zip(sizes.keys).map(|(table, keys)| u64::from(keys) * cost(*table, &cpus));
            let ports = u64::from(sizes.ports) * size_of::<Ports>() as u64;
            let bytes = keys.sum::<u64>() + ports + Capacity::fixed(&cpus);
            assert!(bytes <= mebibytes << 20, "{name}: {sizes:?}, {bytes}");
        }
    }

    #[test]
    fn sizes_have_bounds() {
        let cpus = CpuList::first_online(2, 2);
        for (mebibytes, keys) in [(0, [LEAST_KEYS; Table::COUNT]), (4096, MOST_KEYS)] {
            assert_eq!(HashSizes::plan(mebibytes << 20, &cpus).keys.map(u64::from), keys, "{mebibytes} MiB");
        }
    }

    #[test]
    fn each_bank_rises_by_itself() {
        let values = [[PacketsBytes { packets: 3, bytes: 180 }, PacketsBytes { packets: 7, bytes: 420 }]; 2];
        let earlier = PacketsBytes { packets: 4, bytes: 240 };
        let risen_by = |bank, earlier| risen(&of_bank(&values, bank), &earlier, 5);
        assert_eq!(risen_by(0, earlier), Some(PacketsBytes { packets: 2, bytes: 120 }));
        assert_eq!(risen_by(1, earlier), Some(PacketsBytes { packets: 10, bytes: 600 }));
        assert_eq!(risen_by(0, PacketsBytes { packets: 6, bytes: 360 }), None);
    }
}
