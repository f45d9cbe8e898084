//! The raw content of the kernel's maps, for people who want to see for themselves.
//!
//! Read from the mapped memory while the program goes on counting, and without disturbing it: each number is whole, but two
//! of one key may be a packet apart.

use std::{collections::BTreeMap, fs, mem::offset_of, os::fd::AsFd, os::fd::AsRawFd as _, sync::atomic::Ordering};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{MapData, MapType},
};
use bytemuck::Pod;
use nettop_common::{
    Address, Config, MacPair, Outcome, Protocol, SizeBucket, SourceCounters, Tally, Totals,
    counters::{Counters, Table},
    maps::{self, PORT_SLOTS, TCP_FLAG_SLOTS},
    slots::{self, Bucket, FIRST_PACKETS, Key, SETS, WAYS},
};

use super::{Xdp, bpf, mapped::Mapped, windows::Windows};
use crate::{
    maps::{Dump, Facts, Fill, Map, Program, Row},
    reading::Moment,
    source::Cost,
};

const ABOUT: &str = "TOTALS, SOURCES, DESTINATIONS, MACS: since the set that is counted in was last emptied, \
                     which is done every tenth of a second or more often; TCP_FLAGS, DST_PORTS, SRC_PORTS: since the \
                     program was loaded; UNIQUE: since then or the last reset; read while the program counts";

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
    Ok(Facts { name: name.into(), id, kind, capacity, value_size, memory })
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
        let set = self.config.word(offset_of!(Config, set)).load(Ordering::Relaxed) & 1;
        let fds = self.attachments.programs();
        let programs = self.inventory.programs.iter().zip([&fds.ethernet, &fds.raw_ip]);
        let programs = programs.map(|(program, fd)| {
            let (runs, run_ns) = bpf::program_runs(fd.as_fd()).unwrap_or_default();
            Program { runs, run_ns, ..program.clone() }
        });
        let maps = self.inventory.maps.iter().map(|facts| self.dump_map(facts.clone(), set, limit));
        Ok(Dump {
            about: ABOUT,
            now_ns: Moment::now().unix_ns,
            set,
            programs: programs.collect(),
            maps: maps.collect::<Result<_>>()?,
        })
    }

    fn dump_map(&self, facts: Facts, set: u32, limit: usize) -> Result<Map> {
        let [sources, destinations, macs] = self.capacity.bits;
        let port = |port: usize| port.to_string();
        let flags = |flags: usize| format!("{flags:#04x}");
        let address = |key: Key| Address::from(key).to_string();
        let mut map = Map::empty(facts);
        let cpus = self.cpus as u32;
        match map.facts.name.as_str() {
            maps::TOTALS => self.dump_totals(&mut map, set),
            maps::TCP_FLAGS => dump_array(&mut map, &self.tcp_flags, TCP_FLAG_SLOTS as usize, flags, limit),
            maps::DST_PORTS => dump_array(&mut map, &self.dst_ports, PORT_SLOTS as usize, port, limit),
            maps::SRC_PORTS => dump_array(&mut map, &self.src_ports, PORT_SLOTS as usize, port, limit),
            maps::SOURCES => dump_slots(&mut map, &self.sources, (cpus, set, sources), address, limit)?,
            maps::DESTINATIONS => dump_slots(&mut map, &self.destinations, (cpus, set, destinations), address, limit)?,
            maps::MACS => dump_slots(&mut map, &self.macs, (cpus, set, macs), mac_pair, limit)?,
            maps::UNIQUE => {
                let used = self.unique.iter().flat_map(|registers| registers.0).filter(|value| *value > 0).count();
                map.fill = Some(Fill {
                    used: used as u64,
                    of: u64::from(map.facts.capacity) * u64::from(map.facts.value_size),
                });
            }
            maps::USED => {
                let used = self.used.iter().filter(|group| *group != 0).count();
                map.fill = Some(Fill { used: used as u64, of: u64::from(map.facts.capacity) });
            }
            // Switches, filters, constants, the ring of events: nothing is counted in them.
            _ => {}
        }
        Ok(map)
    }

    fn dump_totals(&self, map: &mut Map, set: u32) {
        let cpus: Vec<_> = (0..self.cpus as u32).map(|cpu| self.totals.get((cpu * SETS + set) as usize)).collect();
        let mut sum = Totals::default();
        cpus.iter().for_each(|totals| sum.add(totals));
        map.counters = totals(&sum).into_iter().map(|(name, _)| name).collect();
        let numbers = |of: &Totals| totals(of).into_iter().map(|(_, number)| number).collect();
        map.rows =
            vec![Row { key: format!("set {set}"), sum: numbers(&sum), cpus: cpus.iter().map(numbers).collect() }];
    }
}

/// Names and values of the totals.
fn totals(of: &Totals) -> Vec<(String, u64)> {
    let Totals { seen, outcomes, protocols, sizes, untracked, fragments, events, events_lost, .. } = of;
    let pair = |name: &str, tally: &Tally| {
        [(format!("{name}_packets"), tally.packets), (format!("{name}_bytes"), tally.bytes)]
    };
    let mut all = Vec::from(pair("seen", seen));
    all.extend(Outcome::ALL.iter().zip(outcomes).flat_map(|(outcome, tally)| pair(outcome.label(), tally)));
    all.extend(Protocol::ALL.iter().zip(protocols).flat_map(|(protocol, tally)| pair(protocol.label(), tally)));
    all.extend(SizeBucket::ALL.iter().zip(sizes).map(|(bucket, packets)| (bucket.label().to_string(), *packets)));
    all.extend(
        Table::ALL
            .iter()
            .zip(untracked)
            .flat_map(|(table, tally)| pair(&format!("untracked_{}", table.label()), tally)),
    );
    let rest = [("fragments", fragments), ("events", events), ("events_lost", events_lost)];
    all.extend(rest.map(|(name, number)| (name.to_string(), *number)));
    all
}

fn mac_pair(key: Key) -> String {
    let pair = MacPair::from(key);
    let text = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
    format!("{} {}", text(pair.source()), text(pair.destination()))
}

/// An array of packets, in which each CPU has `width` elements.
fn dump_array(map: &mut Map, array: &Mapped<u64>, width: usize, key: impl Fn(usize) -> String, limit: usize) {
    let cpus = array.len() / width;
    let rows = (0..width).map(|at| (at, (0..cpus).map(|cpu| array.get(cpu * width + at)).collect::<Vec<_>>()));
    let rows: Vec<_> = rows.filter(|(_, counts)| counts.iter().any(|count| *count > 0)).collect();
    map.fill = Some(Fill { used: rows.len() as u64, of: width as u64 });
    map.counters = vec!["packets".into()];
    let rows = rows.into_iter().map(|(at, counts)| {
        let sum = counts.iter().sum();
        (sum, at, (vec![sum], counts.into_iter().map(|count| vec![count]).collect()))
    });
    (map.rows, map.rows_left_out) = busiest(rows.collect(), key, limit);
}

/// The slots of a set, of which each of `cpus` has a part of 2^`bits` buckets.
fn dump_slots<C: Dumped>(
    map: &mut Map,
    array: &Windows<Bucket<C>>,
    (cpus, set, bits): (u32, u32, u32),
    key: impl Fn(Key) -> String,
    limit: usize,
) -> Result<()>
where
    Bucket<C>: Pod,
{
    let mut by_key: BTreeMap<Key, Vec<C>> = BTreeMap::new();
    let mut used = 0;
    for cpu in 0..cpus {
        let first = slots::index(cpu, set, bits, 0) as usize;
        let part = array.map(first..first + (1 << bits)).with_context(|| format!("mapping {}", map.facts.name))?;
        for bucket in 0..part.len() {
            if part.word64(bucket, FIRST_PACKETS) == 0 {
                continue;
            }
            let Bucket(slots) = part.get(bucket);
            for slot in slots.iter().take_while(|slot| slot.counters.tally().packets > 0) {
                used += 1;
                by_key.entry(slot.key).or_insert_with(|| vec![C::default(); cpus as usize])[cpu as usize] =
                    slot.counters;
            }
        }
    }
    map.fill = Some(Fill { used, of: u64::from(cpus) * ((WAYS as u64) << bits) });
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
