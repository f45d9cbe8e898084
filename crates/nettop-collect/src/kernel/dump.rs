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
use nettop_common::{
    Address, MacPair, Outcome, PacketsBytes, Protocol, SizeBucket, Totals,
    counters::Table,
    cpu::{FROM_PORT, PORTS, Ports, TCP_FLAGS},
    maps::{self, Form},
    slots::Key,
    unique::Registers,
};
use nettop_model::{
    clock::Moment,
    kernel_maps::{Dump, Facts, Fill, KeyRows, Map, Program, Reader},
    order,
};

use super::{
    Xdp, bpf,
    cpus::Cpus,
    gather::{Gathered, MOST, Packets},
    keys::DumpKeys,
};
use crate::traffic::Cost;

const ABOUT: &str = "TOTALS: since the bank that is counted in was last emptied; \
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
    /// Of a loaded program, and of the maps that it uses when it counts keys so.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn of(ebpf: &Ebpf, form: Form, programs: Vec<Program>) -> Result<Self> {
        let unused: &[&str] = match form {
            Form::Slots => &[maps::SOURCE_HASH, maps::DEST_HASH, maps::MAC_HASH],
            Form::Hash => &[maps::SOURCES, maps::DESTINATIONS, maps::MACS, maps::LOG],
        };
        let used = ebpf.maps().filter(|(name, _)| !unused.contains(name));
        let all = used.filter_map(|(name, map)| Some((name, super::mapped::map_data(map)?)));
        let mut maps = all.map(|(name, data)| facts(name, data)).collect::<Result<Vec<_>>>()?;
        order::sort_by(&mut maps, |one, other| one.name.cmp(&other.name));
        Ok(Self { maps, programs })
    }
}

fn facts(name: &str, data: &MapData) -> Result<Facts> {
    let info = data.info().with_context(|| format!("asking about map {name}"))?;
    let kind = match info.map_type() {
        Ok(MapType::Array) => "array",
        Ok(MapType::Hash) => "hash",
        Ok(MapType::PerCpuHash) => "per-CPU hash",
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
            cpus: self.cpus.clone(),
            keys: self.keys.dump()?,
        };
        Ok(Reader::new(move |limit| held.dump(limit)))
    }
}

/// All that is read.
struct Held {
    inventory: Arc<Inventory>,
    programs: [OwnedFd; 2],
    /// Read while the monitor reads and clears it: every access is to a word or a few of them, as those of the kernel program are.
    cpus: Arc<Cpus>,
    keys: Box<dyn DumpKeys>,
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
            about: format!("{}; {ABOUT}", self.keys.about()),
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
            // In filters, constants and the ring of events nothing is counted.
            _ => self.keys.dump(cpus, &mut map, asked)?,
        }
        Ok(map)
    }

    fn dump_totals(&self, map: &mut Map, bank: u32) {
        let cpus: Vec<_> = (0..self.cpus.count()).map(|cpu| self.cpus.totals(cpu, bank)).collect();
        let mut sum = Totals::default();
        cpus.iter().for_each(|totals| sum.add(totals));
        map.counters = totals(&sum).into_iter().map(|(name, _)| name).collect();
        let numbers = |of: &Totals| totals(of).into_iter().map(|(_, number)| number).collect::<Vec<_>>();
        map.rows = KeyRows::new(|[bank, _]| format!("set {bank}"), map.counters.len(), cpus.len());
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
}

/// How much is wanted, and by when.
pub struct Asked {
    /// Rows; 0: all.
    pub limit: usize,
    until: Instant,
}

impl Asked {
    /// Whether there is no time for this CPU, nor for those behind it; then their number is noted.
    pub fn is_late(&self, map: &mut Map, cpu: usize, cpus: usize) -> bool {
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

/// An address as people read it.
pub fn address(key: Key) -> String {
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

/// A pair of MACs as people read it.
pub fn mac_pair(key: Key) -> String {
    let pair = MacPair::from(key);
    let text = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
    format!("{} {}", text(pair.source()), text(pair.destination()))
}
