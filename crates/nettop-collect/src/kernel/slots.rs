//! Keys in slots: the tables of each bank are emptied while the program counts in the other.

use std::{io, time::Duration};

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use bytemuck::Pod;
use nettop_common::{
    ClassTally, DestinationCounters, PacketsBytes, SourceCounters,
    counters::{ByClass, Table},
    maps,
    slots::{self, Key, Slot, Tags, WAYS},
};
use nettop_model::{
    clock::Moment,
    kernel_maps::{Fill, Map},
    snapshot::MapRow,
};

use super::{
    capacity::{Capacity, CpuList},
    cpus::Cpus,
    dump::{Asked, address, mac_pair},
    gather::{Dumped, Gathered, MOST},
    keys::{DumpKeys, Keys},
    rings::Rings,
    windows::{Array, Windows},
};
use crate::reading::Reading;

/// What is in them, and in the log.
pub struct Slots {
    capacity: Capacity,
    cpu_list: CpuList,
    /// Keys in the slots that were emptied last, by table.
    entries: [u64; Table::COUNT],
    sources: Windows<Slot<SourceCounters>>,
    destinations: Windows<Slot<DestinationCounters>>,
    macs: Windows<Slot<PacketsBytes>>,
    rings: Rings,
}

impl Slots {
    /// Over the maps of that size; `map` has each by its name.
    ///
    /// # Errors
    /// A map is missing; no file descriptor is left.
    pub fn new<'a>(capacity: Capacity, cpus: &CpuList, map: impl Fn(&str) -> Result<&'a MapData>) -> Result<Self> {
        let [sources, destinations, macs] = capacity.bits.map(|bits| Capacity::slots(bits, cpus) as usize);
        let sources = Windows::new(map(maps::SOURCES)?, sources, AT_ONCE).context("holding SOURCES")?;
        let destinations = Windows::new(map(maps::DESTINATIONS)?, destinations, AT_ONCE);
        let destinations = destinations.context("holding DESTINATIONS")?;
        let macs = Windows::new(map(maps::MACS)?, macs, AT_ONCE).context("holding MACS")?;
        let rings = Rings::new(map(maps::LOG)?, capacity, cpus).context("holding LOG")?;
        let (cpu_list, entries) = (cpus.clone(), [0; Table::COUNT]);
        Ok(Self { capacity, cpu_list, entries, sources, destinations, macs, rings })
    }
}

impl Keys for Slots {
    fn begin(&mut self, at: Moment) {
        self.entries = [0; Table::COUNT];
        self.rings.begin(at);
    }

    fn read(&mut self, cpus: &Cpus, cpu: usize, bank: u32, reading: &mut Reading) {
        let Self { sources, destinations, macs, entries, capacity, rings, .. } = self;
        rings.read(cpus, cpu, bank).unwrap_or_else(|error| log::error!("mapping the log of CPU {cpu}: {error}"));
        for (&table, entries) in Table::ALL.iter().zip(&mut *entries) {
            let Some(part) = cpus.part(cpu) else { continue };
            let of = BankPart { part, bank, bits: capacity.bits[table as usize] };
            let tags = |bucket| cpus.tags(cpu, bank, table, bucket);
            let clear = |bucket| cpus.clear_tags(cpu, bank, table, bucket);
            let emptied = match table {
                Table::Sources => {
                    of.empty(sources, tags, clear, |slot| reading.sources.push((slot.key.into(), slot.counters)))
                }
                Table::Destinations => of.empty(destinations, tags, clear, |slot| {
                    let classes = ClassTally::each(slot.counters.into());
                    reading.destinations.extend(classes.map(|tally| (slot.key.into(), tally)));
                }),
                Table::Macs => of.empty(macs, tags, clear, |slot| reading.macs.push((slot.key.into(), slot.counters))),
            };
            match emptied {
                Ok(keys) => *entries += keys,
                // They stay in use: what they hold comes with a later reading.
                Err(error) => log::error!("mapping slots of the kernel program's: {error}"),
            }
        }
        if let Some(newest) = cpus.newest_macs(cpu, bank) {
            reading.macs.push((newest.key.into(), newest.counters));
            entries[Table::Macs as usize] += 1;
        }
        cpus.clear_newest(cpu, bank);
    }

    fn finish(&mut self, _bank: u32, reading: &mut Reading) {
        self.rings.add_to(reading);
        self.rings.adapt();
    }

    fn pace(&self) -> Duration {
        self.rings.pace()
    }

    fn capacity(&self, table: Table) -> u64 {
        Capacity::keys(self.capacity.bits[table as usize], &self.cpu_list)
    }

    fn entries(&self, table: Table) -> u64 {
        self.entries[table as usize]
    }

    fn log_fill(&self) -> Option<MapRow> {
        Some(self.rings.fill())
    }

    fn rest(&mut self) {
        self.sources.rest();
        self.destinations.rest();
        self.macs.rest();
        self.rings.rest();
    }

    fn dump(&self) -> io::Result<Box<dyn DumpKeys>> {
        Ok(Box::new(Held {
            capacity: self.capacity,
            sources: self.sources.array(),
            destinations: self.destinations.array(),
            macs: self.macs.array(),
        }))
    }
}

/// Buckets whose slots are mapped at once.
const BUCKETS_AT_ONCE: usize = 32;
/// Slots in as many buckets.
pub const AT_ONCE: usize = BUCKETS_AT_ONCE * WAYS;

/// Where one CPU's part of an idle bank lies in an array of slots.
pub struct BankPart {
    /// Which part is that CPU's; see [`CpuList::part`].
    pub part: u32,
    /// Which bank.
    pub bank: u32,
    /// log₂ of its buckets.
    pub bits: u32,
}

impl BankPart {
    /// Moves what is in it to `each`; returns how many keys there were. Of a bucket `tags` has its tags, and `clear` clears them.
    ///
    /// # Errors
    /// Some of its slots cannot be mapped; they were not moved.
    pub fn empty<C>(
        &self,
        slots: &mut Windows<Slot<C>>,
        tags: impl Fn(usize) -> Tags,
        clear: impl Fn(usize),
        mut each: impl FnMut(Slot<C>),
    ) -> io::Result<u64>
    where
        Slot<C>: Pod,
    {
        let Self { part, bank, bits } = *self;
        let mut keys = 0;
        for bucket in 0..1 << bits {
            let tags = tags(bucket);
            if tags == Tags::default() {
                continue;
            }
            let first = slots::index(part, bank, bits, bucket as u32) as usize;
            let (slots, range) = slots.get(&(first..first + WAYS))?;
            for way in tags.taken() {
                each(slots.get(range.start + way as usize));
                keys += 1;
            }
            clear(bucket);
        }
        Ok(keys)
    }
}

/// The arrays, of which nothing is mapped.
struct Held {
    capacity: Capacity,
    sources: Array<Slot<SourceCounters>>,
    destinations: Array<Slot<DestinationCounters>>,
    macs: Array<Slot<PacketsBytes>>,
}

impl DumpKeys for Held {
    fn about(&self) -> &'static str {
        "SOURCES, DESTINATIONS, MACS: as TOTALS; LOG: what is not read yet, in units of 16 bytes"
    }

    fn dump(&self, cpus: &Cpus, map: &mut Map, asked: &Asked) -> Result<()> {
        match map.facts.name.as_str() {
            maps::SOURCES => {
                let table = (&self.sources, Table::Sources);
                self.dump_slots::<_, SourceCounters>(cpus, map, table, |_, _| None, address, asked)
            }
            maps::DESTINATIONS => {
                let table = (&self.destinations, Table::Destinations);
                self.dump_slots::<_, ByClass>(cpus, map, table, |_, _| None, address, asked)
            }
            maps::MACS => {
                let (table, newest) = ((&self.macs, Table::Macs), |cpu, bank| cpus.newest_macs(cpu, bank));
                self.dump_slots::<_, PacketsBytes>(cpus, map, table, newest, mac_pair, asked)
            }
            maps::LOG => {
                let rings = || (0..cpus.count()).map(|cpu| cpus.ring(cpu));
                let used = rings().map(|ring| ring.head.saturating_sub(ring.tail)).sum();
                map.fill = Some(Fill { used, of: rings().map(|ring| u64::from(ring.mask)).sum() });
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Held {
    /// The slots of a table in the bank that each CPU counts in, and what is in none yet; `D` has the numbers that are shown.
    fn dump_slots<C: Into<D>, D: Dumped>(
        &self,
        cpus: &Cpus,
        map: &mut Map,
        (array, table): (&Array<Slot<C>>, Table),
        newest: impl Fn(usize, u32) -> Option<Slot<D>>,
        label: fn(Key) -> String,
        asked: &Asked,
    ) -> Result<()>
    where
        Slot<C>: Pod,
    {
        let bits = self.capacity.bits[table as usize];
        let mut gathered = Gathered::new(MOST);
        let mut used = 0;
        for cpu in 0..cpus.count() {
            if asked.is_late(map, cpu, cpus.count()) {
                break;
            }
            // The banks change places while this goes on.
            let bank = cpus.config().bank;
            let Some(part) = cpus.part(cpu) else { continue };
            let first = slots::index(part, bank, bits, 0) as usize;
            let slots = array.map(first..first + (WAYS << bits));
            let slots = slots.with_context(|| format!("mapping {}", map.facts.name))?;
            for bucket in 0..1 << bits {
                let tags = cpus.tags(cpu, bank, table, bucket);
                for way in tags.taken() {
                    let slot = bucket * WAYS + way as usize;
                    let Slot { key, counters } = slots.get(slot);
                    used += 1;
                    // Not if it was just taken, or emptied, for another one.
                    if slots.get(slot).key == key
                        && cpus.tags(cpu, bank, table, bucket).taken().any(|taken| taken == way)
                    {
                        gathered.enter(key, cpu, counters.into());
                    }
                }
            }
            if let Some(Slot { key, counters }) = newest(cpu, bank) {
                gathered.enter(key, cpu, counters);
            }
        }
        map.fill = Some(Fill { used, of: (cpus.count() * (WAYS << bits)) as u64 });
        gathered.into_map(map, cpus.count(), asked.limit, label);
        Ok(())
    }
}
