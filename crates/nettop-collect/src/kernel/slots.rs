//! Keys in slots: the tables of each bank are emptied while the program counts in the other.

use std::{io, time::Duration};

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use bytemuck::Pod;
use nettop_common::{
    Address, ClassTally, PacketsBytes, SourceCounters, TrafficClass,
    counters::{Counters, Table},
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
    destinations: Windows<Slot<PacketsBytes>>,
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
        for (&table, entries) in Table::ALL.iter().zip(entries) {
            if let Some(newest) = cpus.newest(cpu, bank, table) {
                match table {
                    Table::Sources => {}
                    Table::Destinations => reading.destinations.push((newest.key.into(), other(newest.counters))),
                    Table::Macs => reading.macs.push((newest.key.into(), newest.counters)),
                }
                *entries += 1;
            }
            let bank = BankOfTable { cpus, cpu, bank, table, bits: capacity.bits[table as usize] };
            let emptied = match table {
                Table::Sources => bank.empty(sources, &mut reading.sources),
                Table::Destinations => {
                    let mut tallies = Vec::<(Address, _)>::new();
                    let emptied = bank.empty(destinations, &mut tallies);
                    reading.destinations.extend(tallies.into_iter().map(|(address, tally)| (address, other(tally))));
                    emptied
                }
                Table::Macs => bank.empty(macs, &mut reading.macs),
            };
            match emptied {
                Ok(keys) => *entries += keys,
                // They stay in use: what they hold comes with a later reading.
                Err(error) => log::error!("mapping slots of the kernel program's: {error}"),
            }
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

/// The program does not tell classes apart yet.
pub(super) fn other(tally: PacketsBytes) -> ClassTally {
    ClassTally { class: TrafficClass::Other, tally }
}

/// Buckets whose slots are mapped at once.
const BUCKETS_AT_ONCE: usize = 32;
/// Slots in as many buckets.
const AT_ONCE: usize = BUCKETS_AT_ONCE * WAYS;

/// A CPU's part of an idle bank of a table.
struct BankOfTable<'a> {
    cpus: &'a Cpus,
    cpu: usize,
    bank: u32,
    table: Table,
    bits: u32,
}

impl BankOfTable<'_> {
    /// Moves what is in it to the end of `entries`; returns how many keys there were.
    ///
    /// # Errors
    /// Some of its slots cannot be mapped; they were not moved.
    fn empty<K: From<Key>, C: Counters>(
        &self,
        slots: &mut Windows<Slot<C>>,
        entries: &mut Vec<(K, C)>,
    ) -> io::Result<u64>
    where
        Slot<C>: bytemuck::Pod,
    {
        let Self { cpus, cpu, bank, table, bits } = *self;
        let Some(part) = cpus.part(cpu) else { return Ok(0) };
        let before = entries.len();
        for bucket in 0..1 << bits {
            let tags = cpus.tags(cpu, bank, table, bucket);
            if tags == Tags::default() {
                continue;
            }
            let first = slots::index(part, bank, bits, bucket as u32) as usize;
            let (slots, range) = slots.get(&(first..first + WAYS))?;
            let taken = tags.taken().map(|way| slots.get(range.start + way as usize));
            entries.extend(taken.map(|slot| (slot.key.into(), slot.counters)));
            cpus.clear_tags(cpu, bank, table, bucket);
        }
        Ok((entries.len() - before) as u64)
    }
}

/// The arrays, of which nothing is mapped.
struct Held {
    capacity: Capacity,
    sources: Array<Slot<SourceCounters>>,
    destinations: Array<Slot<PacketsBytes>>,
    macs: Array<Slot<PacketsBytes>>,
}

impl DumpKeys for Held {
    fn about(&self) -> &'static str {
        "SOURCES, DESTINATIONS, MACS: as TOTALS; LOG: what is not read yet, in units of 16 bytes"
    }

    fn dump(&self, cpus: &Cpus, map: &mut Map, asked: &Asked) -> Result<()> {
        match map.facts.name.as_str() {
            maps::SOURCES => self.dump_slots(cpus, map, (&self.sources, Table::Sources), |_, _| None, address, asked),
            maps::DESTINATIONS => {
                let newest = |cpu, bank| cpus.newest(cpu, bank, Table::Destinations);
                self.dump_slots(cpus, map, (&self.destinations, Table::Destinations), newest, address, asked)
            }
            maps::MACS => {
                let newest = |cpu, bank| cpus.newest(cpu, bank, Table::Macs);
                self.dump_slots(cpus, map, (&self.macs, Table::Macs), newest, mac_pair, asked)
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
    /// The slots of a table in the bank that each CPU counts in, and what is in none yet.
    fn dump_slots<C: Dumped>(
        &self,
        cpus: &Cpus,
        map: &mut Map,
        (array, table): (&Array<Slot<C>>, Table),
        newest: impl Fn(usize, u32) -> Option<Slot<C>>,
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
                        gathered.enter(key, cpu, counters);
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
