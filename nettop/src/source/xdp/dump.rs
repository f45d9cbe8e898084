//! The raw content of the kernel's maps, for people who want to see for themselves.
//!
//! Read from the mapped memory while the program goes on counting, and without disturbing it: each number is whole, but two
//! of one key may be a packet apart.

use std::{collections::BTreeMap, fs, os::fd::AsFd, os::fd::AsRawFd as _};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{MapData, MapType},
};
use bytemuck::Pod;
use nettop_common::{
    Address, MacPair, Outcome, Protocol, SizeBucket, SourceCounters, Tally, Totals,
    counters::{Counters, Table},
    cpu::{PORTS, TCP_FLAGS},
    maps,
    slots::{self, Key, Slot, WAYS},
    unique::Registers,
};

use super::{Xdp, bpf, cpus::Cpus, windows::Windows};
use crate::{
    maps::{Dump, Facts, Fill, Map, Program, Row},
    reading::Moment,
    source::Cost,
};

const ABOUT: &str = "TOTALS, SOURCES, DESTINATIONS, MACS: since the set that is counted in was last emptied, \
                     which is done every tenth of a second or more often; TCP_FLAGS, DST_PORTS, SRC_PORTS: since the \
                     program was loaded; UNIQUE: since then or the last reset; read while the program counts";
/// What the elements of CPUS consist of: tables of their own to whoever reads them.
const PARTS: [(&str, usize); 5] = [
    ("TOTALS", size_of::<Totals>()),
    ("TCP_FLAGS", TCP_FLAGS * size_of::<u64>()),
    ("DST_PORTS", PORTS * size_of::<u64>()),
    ("SRC_PORTS", PORTS * size_of::<u64>()),
    ("UNIQUE", size_of::<Registers>()),
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
        maps.sort_by(|one, other| one.name.cmp(&other.name));
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
    pub fn cost(&self) -> Cost {
        let memory = self.inventory.maps.iter().map(|map| map.memory).sum();
        let programs = self.attachments.programs();
        [&programs.ethernet, &programs.raw_ip].into_iter().fold(Cost { memory, ..Cost::default() }, |sum, program| {
            let (runs, run_ns) = bpf::program_runs(program.as_fd()).unwrap_or_default();
            Cost { runs: sum.runs + runs, run_ns: sum.run_ns + run_ns, ..sum }
        })
    }

    /// What the maps hold, at most `limit` (0: all) rows of each.
    ///
    /// # Errors
    /// The kernel does not let them be mapped.
    pub fn dump(&self, limit: usize) -> Result<Dump> {
        let set = self.cpus.config().set;
        let fds = self.attachments.programs();
        let programs = self.inventory.programs.iter().zip([&fds.ethernet, &fds.raw_ip]);
        let programs = programs.map(|(program, fd)| {
            let (runs, run_ns) = bpf::program_runs(fd.as_fd()).unwrap_or_default();
            Program { runs, run_ns, ..program.clone() }
        });
        let maps = self.inventory.maps.iter().flat_map(with_parts).map(|facts| self.dump_map(facts, set, limit));
        Ok(Dump {
            about: ABOUT,
            now_ns: Moment::now().unix_ns,
            set,
            programs: programs.collect(),
            maps: maps.collect::<Result<_>>()?,
        })
    }

    fn dump_map(&self, facts: Facts, set: u32, limit: usize) -> Result<Map> {
        let port = |port: usize| port.to_string();
        let flags = |flags: usize| format!("{flags:#04x}");
        let address = |key: Key| Address::from(key).to_string();
        let bits = |table: Table| self.capacity.bits[table as usize];
        let newest = |table| self.cpus.newest_of_all(set, table);
        let mut map = Map::empty(facts);
        let cpus = &self.cpus;
        let all = || 0..cpus.count();
        match map.facts.name.as_str() {
            "TOTALS" => self.dump_totals(&mut map, set),
            "TCP_FLAGS" => dump_counters(
                &mut map,
                &all().map(|cpu| cpus.tcp_flags(cpu).collect()).collect::<Vec<_>>(),
                flags,
                limit,
            ),
            "DST_PORTS" => dump_counters(
                &mut map,
                &all().map(|cpu| cpus.dst_ports(cpu).collect()).collect::<Vec<_>>(),
                port,
                limit,
            ),
            "SRC_PORTS" => dump_counters(
                &mut map,
                &all().map(|cpu| cpus.src_ports(cpu).collect()).collect::<Vec<_>>(),
                port,
                limit,
            ),
            "UNIQUE" => {
                let registers = all().flat_map(|cpu| cpus.unique(cpu).0);
                let used = registers.filter(|value| *value > 0).count() as u64;
                map.fill = Some(Fill { used, of: (cpus.count() * size_of::<Registers>()) as u64 });
            }
            maps::SOURCES => {
                let part = (cpus, set, Table::Sources, bits(Table::Sources));
                dump_slots(&mut map, &self.sources, part, &[], address, limit)?;
            }
            maps::DESTINATIONS => {
                let part = (cpus, set, Table::Destinations, bits(Table::Destinations));
                dump_slots(&mut map, &self.destinations, part, &newest(Table::Destinations), address, limit)?;
            }
            maps::MACS => {
                let part = (cpus, set, Table::Macs, bits(Table::Macs));
                dump_slots(&mut map, &self.macs, part, &newest(Table::Macs), mac_pair, limit)?;
            }
            // Filters, constants, the ring of events: nothing is counted in them.
            _ => {}
        }
        Ok(map)
    }

    fn dump_totals(&self, map: &mut Map, set: u32) {
        let cpus: Vec<_> = (0..self.cpus.count()).map(|cpu| self.cpus.totals(cpu, set)).collect();
        let mut sum = Totals::default();
        cpus.iter().for_each(|totals| sum.add(totals));
        map.counters = totals(&sum).into_iter().map(|(name, _)| name).collect();
        let numbers = |of: &Totals| totals(of).into_iter().map(|(_, number)| number).collect();
        map.rows =
            vec![Row { key: format!("set {set}"), sum: numbers(&sum), cpus: cpus.iter().map(numbers).collect() }];
    }
}

/// A map, and behind that of CPUs what its elements consist of.
fn with_parts(facts: &Facts) -> Vec<Facts> {
    let parts = PARTS.iter().filter(|_| facts.name == maps::CPUS).map(|(name, size)| Facts {
        name: (*name).into(),
        part_of: Some(maps::CPUS),
        value_size: *size as u32,
        memory: u64::from(facts.capacity) * *size as u64,
        ..facts.clone()
    });
    [facts.clone()].into_iter().chain(parts).collect()
}

/// Names and values of the totals.
fn totals(of: &Totals) -> Vec<(String, u64)> {
    let Totals { seen, classes: _, untracked, events, events_lost } = of;
    let pair =
        |name: &str, tally: Tally| [(format!("{name}_packets"), tally.packets), (format!("{name}_bytes"), tally.bytes)];
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

/// Packets by number, of each CPU.
fn dump_counters(map: &mut Map, cpus: &[Vec<u64>], key: impl Fn(usize) -> String, limit: usize) {
    let width = cpus.first().map_or(0, Vec::len);
    let rows = (0..width).map(|at| (at, cpus.iter().map(|counters| counters[at]).collect::<Vec<_>>()));
    let rows: Vec<_> = rows.filter(|(_, counts)| counts.iter().any(|count| *count > 0)).collect();
    map.fill = Some(Fill { used: rows.len() as u64, of: width as u64 });
    map.counters = vec!["packets".into()];
    let rows = rows.into_iter().map(|(at, counts)| {
        let sum = counts.iter().sum();
        (sum, at, (vec![sum], counts.into_iter().map(|count| vec![count]).collect()))
    });
    (map.rows, map.rows_left_out) = busiest(rows.collect(), key, limit);
}

/// The slots of a table in a set, of which each CPU has a part of 2^`bits` buckets, and what is in none yet, by CPU.
fn dump_slots<C: Dumped>(
    map: &mut Map,
    array: &Windows<Slot<C>>,
    (cpus, set, table, bits): (&Cpus, u32, Table, u32),
    newest: &[(usize, Key, C)],
    key: impl Fn(Key) -> String,
    limit: usize,
) -> Result<()>
where
    Slot<C>: Pod,
{
    let mut by_key: BTreeMap<Key, Vec<C>> = BTreeMap::new();
    let mut enter = |key, cpu: usize, counters: &C| {
        by_key.entry(key).or_insert_with(|| vec![C::default(); cpus.count()])[cpu].add(counters);
    };
    let mut used = 0;
    newest.iter().for_each(|(cpu, key, counters)| enter(*key, *cpu, counters));
    for cpu in 0..cpus.count() {
        let first = slots::index(cpu as u32, set, bits, 0) as usize;
        let part = array.map(first..first + (WAYS << bits)).with_context(|| format!("mapping {}", map.facts.name))?;
        for bucket in 0..1 << bits {
            for way in cpus.tags(cpu, set, table, bucket).taken() {
                let slot = part.get(bucket * WAYS + way as usize);
                used += 1;
                enter(slot.key, cpu, &slot.counters);
            }
        }
    }
    map.fill = Some(Fill { used, of: (cpus.count() * (WAYS << bits)) as u64 });
    map.counters = C::NAMES.iter().map(ToString::to_string).collect();
    let rows = by_key.into_iter().map(|(key, counters)| {
        let mut sum = C::default();
        counters.iter().filter(|one| one.tally().packets > 0).for_each(|one| sum.add(one));
        (sum.tally().packets, key, (sum.numbers(), counters.iter().map(C::numbers).collect()))
    });
    (map.rows, map.rows_left_out) = busiest(rows.collect(), key, limit);
    Ok(())
}

/// Over all CPUs, and by CPU.
type Numbers = (Vec<u64>, Vec<Vec<u64>>);

/// The `limit` (0: all) rows with the most packets, which come first in each, most first; and how many others there are.
fn busiest<K: Copy + Ord>(
    mut rows: Vec<(u64, K, Numbers)>,
    key: impl Fn(K) -> String,
    limit: usize,
) -> (Vec<Row>, u64) {
    rows.sort_unstable_by_key(|(packets, key, _)| (std::cmp::Reverse(*packets), *key));
    let kept = if limit == 0 { rows.len() } else { limit.min(rows.len()) };
    let left_out = rows.len() - kept;
    rows.truncate(kept);
    (rows.into_iter().map(|(_, at, (sum, cpus))| Row { key: key(at), sum, cpus }).collect(), left_out as u64)
}

/// Counters of a slot, one by one.
trait Dumped: Counters {
    const NAMES: &'static [&'static str];

    fn numbers(&self) -> Vec<u64>;
}

impl Dumped for Tally {
    const NAMES: &'static [&'static str] = &["packets", "bytes"];

    fn numbers(&self) -> Vec<u64> {
        let Self { packets, bytes } = *self;
        vec![packets, bytes]
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
