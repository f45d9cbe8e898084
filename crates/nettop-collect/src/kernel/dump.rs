//! The raw content of the kernel's maps, for people who want to see for themselves.
//!
//! Read from the mapped memory while the program goes on counting and the monitor goes on emptying, disturbing neither. So what
//! is promised is little: each number is whole, but two of one key may be a packet apart; each CPU's part of a table is as it was
//! when it was read, and those of the others some milliseconds earlier or later, in a flood some hundred. A slot that is just taken
//! for another key is left out.

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{MapData, MapType},
};
use bytemuck::Pod;
use nettop_common::{
    Address, MacPair, Outcome, PacketsBytes, Protocol, SizeBucket, SourceCounters, Totals,
    counters::Table,
    cpu::{FROM_PORT, PORTS, Ports, TCP_FLAGS},
    maps,
    slots::{self, Key, Slot, WAYS},
    unique::Registers,
};
use nettop_model::{
    clock::Moment,
    kernel_maps::{Dump, Facts, Fill, Map, Program, Reader, Rows},
    order,
};

use super::{
    Xdp, bpf,
    capacity::Capacity,
    cpus::Cpus,
    gather::{Dumped, Gathered, MOST, Packets},
    windows::Array,
};
use crate::traffic::Cost;

const ABOUT: &str = "TOTALS, SOURCES, DESTINATIONS, MACS: since the bank that is counted in was last emptied, \
                     which is done every tenth of a second or more often; LOG: what is not read yet, in units of 16 bytes; \
                     TCP_FLAGS, DST_PORTS, SRC_PORTS: since the program was loaded, ports in 32 bits; UNIQUE: since then or the last reset; read CPU by CPU while the program counts; \
                     at most 131,072 keys of a map, each once for every CPU, are held, the busiest";
/// How long reading all maps may take. What is not read by then is left out.
const DEADLINE: Duration = Duration::from_secs(5);
/// What the elements of some maps consist of: tables of their own to whoever reads them.
const PARTS: [(&str, &str, usize); 5] = [
    (maps::CPUS, "TOTALS", size_of::<Totals>()),
    (maps::CPUS, "TCP_FLAGS", TCP_FLAGS * size_of::<u64>()),
    (maps::CPUS, "UNIQUE", size_of::<Registers>()),
    (maps::PORTS, "DST_PORTS", size_of::<Ports>() / 2),
    (maps::PORTS, "SRC_PORTS", size_of::<Ports>() / 2),
];

/// What does not change as long as the program is loaded: looked up while there is the privilege to.
#[derive(Debug)]
pub struct Inventory {
    maps: Vec<Facts>,
    programs: Vec<Program>,
}

impl Inventory {
    /// Of a loaded program.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn of(ebpf: &Ebpf, programs: Vec<Program>) -> Result<Self> {
        let all = ebpf.maps().filter_map(|(name, map)| Some((name, super::mapped::map_data(map)?)));
        let mut maps = all.map(|(name, data)| facts(name, data)).collect::<Result<Vec<_>>>()?;
        order::sort_by(&mut maps, |one, other| one.name.cmp(&other.name));
        Ok(Self { maps, programs })
    }
}

fn facts(name: &str, data: &MapData) -> Result<Facts> {
    let info = data.info().with_context(|| format!("asking about map {name}"))?;
    let kind = match info.map_type() {
        Ok(MapType::Array) => "array",
        Ok(MapType::RingBuf) => "ring buffer",
        _ => "other",
    };
    let (id, capacity, value_size) = (info.id(), info.max_entries(), info.value_size());
    let element = if kind == "array" { value_size.next_multiple_of(8) } else { 1 };
    let memory = memory(data.fd().as_fd().as_raw_fd()).unwrap_or(u64::from(capacity) * u64::from(element));
    Ok(Facts { name: name.into(), part_of: None, id, kind, capacity, value_size, memory })
}

/// What a map costs, as the kernel tells in `/proc`; not to a process with the capabilities of its file.
fn memory(fd: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("memlock:"))?.trim().parse().ok()
}

impl Xdp {
    /// What counting has cost so far.
    pub(super) fn measure(&self) -> Cost {
        let memory = self.inventory.maps.iter().map(|map| map.memory).sum();
        let programs = &self.programs;
        [&programs.ethernet, &programs.raw_ip].into_iter().fold(Cost { memory, ..Cost::default() }, |sum, program| {
            let (runs, run_ns) = bpf::program_runs(program.as_fd()).unwrap_or_default();
            Cost { runs: sum.runs + runs, run_ns: sum.run_ns + run_ns, ..sum }
        })
    }

    /// What reads the maps, wherever: it holds them, and nothing of this.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub(super) fn dump_reader(&self) -> io::Result<Reader> {
        let programs = &self.programs;
        let [ethernet, raw_ip] = [&programs.ethernet, &programs.raw_ip].map(|program| program.try_clone());
        let held = Held {
            inventory: self.inventory.clone(),
            programs: [ethernet?, raw_ip?],
            capacity: self.capacity,
            cpus: self.cpus.clone(),
            sources: self.sources.array(),
            destinations: self.destinations.array(),
            macs: self.macs.array(),
        };
        Ok(Reader::new(move |limit| held.dump(limit)))
    }
}

/// All that is read.
struct Held {
    inventory: Arc<Inventory>,
    programs: [OwnedFd; 2],
    capacity: Capacity,
    /// Read while the monitor reads and clears it: every access is to a word or a few of them, as those of the kernel program are.
    cpus: Arc<Cpus>,
    sources: Array<Slot<SourceCounters>>,
    destinations: Array<Slot<PacketsBytes>>,
    macs: Array<Slot<PacketsBytes>>,
}

impl Held {
    fn dump(&self, limit: usize) -> Result<Dump> {
        let asked = Asked { limit, until: Instant::now() + DEADLINE };
        let bank = self.cpus.config().bank;
        let programs = self.inventory.programs.iter().zip(&self.programs);
        let programs = programs.map(|(program, fd)| {
            let (runs, run_ns) = bpf::program_runs(fd.as_fd()).unwrap_or_default();
            Program { runs, run_ns, ..program.clone() }
        });
        let maps = self.inventory.maps.iter().flat_map(with_parts);
        let maps = maps.map(|facts| self.dump_map(facts, bank, &asked));
        Ok(Dump {
            about: ABOUT,
            now_ns: Moment::now().unix_ns,
            set: bank,
            programs: programs.collect(),
            maps: maps.collect::<Result<_>>()?,
        })
    }

    fn dump_map(&self, facts: Facts, bank: u32, asked: &Asked) -> Result<Map> {
        let (cpus, name) = (&self.cpus, facts.name.clone());
        let mut map = Map::empty(facts);
        match name.as_str() {
            "TOTALS" => self.dump_totals(&mut map, bank),
            "TCP_FLAGS" => self.dump_counters::<TCP_FLAGS, _>(&mut map, |cpu| cpus.tcp_flags(cpu), flags, asked),
            "DST_PORTS" => self.dump_counters::<PORTS, _>(
                &mut map,
                |cpu| cpus.ports(cpu).map(|word| word % FROM_PORT),
                port,
                asked,
            ),
            "SRC_PORTS" => self.dump_counters::<PORTS, _>(
                &mut map,
                |cpu| cpus.ports(cpu).map(|word| word / FROM_PORT),
                port,
                asked,
            ),
            "UNIQUE" => {
                let registers = (0..cpus.count()).flat_map(|cpu| cpus.unique(cpu).0);
                let used = registers.filter(|value| *value > 0).count() as u64;
                map.fill = Some(Fill { used, of: (cpus.count() * size_of::<Registers>()) as u64 });
            }
            maps::SOURCES => {
                self.dump_slots(&mut map, &self.sources, Table::Sources, |_, _| None, address, asked)?;
            }
            maps::DESTINATIONS => {
                let newest = |cpu, bank| cpus.newest(cpu, bank, Table::Destinations);
                self.dump_slots(&mut map, &self.destinations, Table::Destinations, newest, address, asked)?;
            }
            maps::MACS => {
                let newest = |cpu, bank| cpus.newest(cpu, bank, Table::Macs);
                self.dump_slots(&mut map, &self.macs, Table::Macs, newest, mac_pair, asked)?;
            }
            maps::LOG => {
                let rings = || (0..cpus.count()).map(|cpu| cpus.ring(cpu));
                let used = rings().map(|ring| ring.head.saturating_sub(ring.tail)).sum();
                map.fill = Some(Fill { used, of: rings().map(|ring| u64::from(ring.mask)).sum() });
            }
            // Filters, constants, the ring of events: nothing is counted in them.
            _ => {}
        }
        Ok(map)
    }

    fn dump_totals(&self, map: &mut Map, bank: u32) {
        let cpus: Vec<_> = (0..self.cpus.count()).map(|cpu| self.cpus.totals(cpu, bank)).collect();
        let mut sum = Totals::default();
        cpus.iter().for_each(|totals| sum.add(totals));
        map.counters = totals(&sum).into_iter().map(|(name, _)| name).collect();
        let numbers = |of: &Totals| totals(of).into_iter().map(|(_, number)| number).collect::<Vec<_>>();
        map.rows = Rows::new(|[bank, _]| format!("set {bank}"), map.counters.len(), cpus.len());
        map.rows.push([bank.into(), 0], &numbers(&sum), (0..).zip(cpus.iter().map(numbers)));
    }

    /// Packets by number.
    fn dump_counters<const N: usize, I: Iterator<Item = u64>>(
        &self,
        map: &mut Map,
        counters: impl Fn(usize) -> I,
        label: fn(Key) -> String,
        asked: &Asked,
    ) {
        let mut gathered = Gathered::new(MOST);
        let mut used = vec![false; N];
        for cpu in 0..self.cpus.count() {
            if asked.is_late(map, cpu, self.cpus.count()) {
                break;
            }
            for ((at, used), count) in used.iter_mut().enumerate().zip(counters(cpu)).filter(|(_, count)| *count > 0) {
                *used = true;
                gathered.enter([at as u64, 0], cpu, Packets(count));
            }
        }
        map.fill = Some(Fill { used: used.iter().filter(|used| **used).count() as u64, of: N as u64 });
        gathered.into_map(map, self.cpus.count(), asked.limit, label);
    }

    /// The slots of a table in the bank that each CPU counts in, and what is in none yet.
    fn dump_slots<C: Dumped>(
        &self,
        map: &mut Map,
        array: &Array<Slot<C>>,
        table: Table,
        newest: impl Fn(usize, u32) -> Option<Slot<C>>,
        label: fn(Key) -> String,
        asked: &Asked,
    ) -> Result<()>
    where
        Slot<C>: Pod,
    {
        let (cpus, bits) = (&self.cpus, self.capacity.bits[table as usize]);
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

/// How much is wanted, and by when.
struct Asked {
    limit: usize,
    until: Instant,
}

impl Asked {
    /// Whether there is no time for this CPU, nor for those behind it; then their number is noted.
    fn is_late(&self, map: &mut Map, cpu: usize, cpus: usize) -> bool {
        let late = Instant::now() >= self.until;
        if late {
            map.cpus_left_out = (cpus - cpu) as u64;
        }
        late
    }
}

fn flags([flags, _]: Key) -> String {
    format!("{flags:#04x}")
}

fn port([port, _]: Key) -> String {
    port.to_string()
}

fn address(key: Key) -> String {
    Address::from(key).to_string()
}

/// A map, and behind that of CPUs what its elements consist of.
fn with_parts(facts: &Facts) -> Vec<Facts> {
    let parts = PARTS.iter().filter(|(whole, ..)| facts.name == *whole).map(|(whole, name, size)| Facts {
        name: (*name).into(),
        part_of: Some(whole),
        value_size: *size as u32,
        memory: u64::from(facts.capacity) * *size as u64,
        ..facts.clone()
    });
    [facts.clone()].into_iter().chain(parts).collect()
}

/// Names and values of the totals.
fn totals(of: &Totals) -> Vec<(String, u64)> {
    let Totals { seen, classes: _, untracked, events, events_lost } = of;
    let pair = |name: &str, tally: PacketsBytes| {
        [(format!("{name}_packets"), tally.packets), (format!("{name}_bytes"), tally.bytes)]
    };
    let mut all = Vec::from(pair("seen", *seen));
    all.extend(Outcome::ALL.iter().flat_map(|outcome| pair(outcome.label(), of.outcome(*outcome))));
    all.extend(Protocol::ALL.iter().flat_map(|protocol| pair(protocol.label(), of.protocol(*protocol))));
    all.extend(SizeBucket::ALL.iter().map(|size| (size.label().to_string(), of.size(*size).packets)));
    all.extend(
        Table::ALL
            .iter()
            .zip(untracked)
            .flat_map(|(table, tally)| pair(&format!("untracked_{}", table.label()), *tally)),
    );
    let rest = [("fragments", of.fragments().packets), ("events", *events), ("events_lost", *events_lost)];
    all.extend(rest.map(|(name, number)| (name.to_string(), number)));
    all
}

fn mac_pair(key: Key) -> String {
    let pair = MacPair::from(key);
    let text = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
    format!("{} {}", text(pair.source()), text(pair.destination()))
}
