//! The live source: the XDP program counts, this reads its maps.

mod attach;
mod bpf;
mod capacity;
mod mapped;
pub mod netdev;
pub mod netlink;

use std::{
    io,
    mem::offset_of,
    os::fd::{AsFd as _, BorrowedFd},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf, EbpfLoader,
    maps::{MapData, RingBuf},
    programs::{ProgramError, Xdp as XdpProgram},
};
use bytemuck::Pod;
use nettop_common::{
    Address, Config, Event, Filter, MacPair, Outcome, SourceCounters, Tally, Totals,
    config::NO_FILTER,
    counters::Table,
    maps::{self, PORT_SLOTS, TCP_FLAG_SLOTS},
    unique::Registers,
};

use self::{
    attach::{Attachments, Programs},
    bpf::BatchReader,
    capacity::Capacity,
    mapped::{Mapped, map_data, sum_cpus},
};
pub use self::{
    attach::{default_interface, describe_program},
    capacity::default_budget,
};
use crate::{
    privilege,
    reading::{Cumulative, InterfaceRow, Moment, Reading},
};

/// The compiled program: `cargo xtask ebpf` makes it.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../../data/nettop.bpf.o");

/// Events taken at once: a few milliseconds of work.
const MOST_EVENTS: usize = 16_384;

/// The loaded program and its maps. Dropping it leaves nothing in the kernel, and so does being killed.
pub struct Xdp {
    ebpf: Ebpf,
    attachments: Attachments,
    reader: BatchReader,
    capacity: Capacity,
    config: Mapped<Config>,
    filters: Mapped<Filter>,
    totals: Mapped<Totals>,
    tcp_flags: Mapped<u64>,
    dst_ports: Mapped<u64>,
    src_ports: Mapped<u64>,
    unique: Mapped<Registers>,
    events: RingBuf<MapData>,
}

impl Xdp {
    /// Loads the program and attaches it to the named interfaces, or to the default one.
    ///
    /// `memory`: budget for the kernel's hash maps in bytes. `log_level`: what the program logs, 0 for nothing.
    ///
    /// # Errors
    /// Say what failed, on what, why, and what to do.
    pub fn open(interfaces: &[String], memory: u64, log_level: u8) -> Result<Self> {
        let Loaded { mut ebpf, programs, capacity, cpus } = load(memory, log_level)?;
        let slots = capacity::cpu_slots(cpus);
        let array = |name, len| Mapped::new(map_of(&ebpf, name)?, len).with_context(|| format!("mapping {name}"));
        let (tcp_flags, ports) = (slots * TCP_FLAG_SLOTS as usize, slots * PORT_SLOTS as usize);
        let (dst_ports, src_ports) = (array(maps::DST_PORTS, ports)?, array(maps::SRC_PORTS, ports)?);
        let tcp_flags = array(maps::TCP_FLAGS, tcp_flags)?;
        let config = Mapped::new(map_of(&ebpf, maps::CONFIG)?, 1).context("mapping CONFIG")?;
        let filters = Mapped::new(map_of(&ebpf, maps::FILTERS)?, 2).context("mapping FILTERS")?;
        let totals = Mapped::new(map_of(&ebpf, maps::TOTALS)?, slots).context("mapping TOTALS")?;
        let unique = Mapped::new(map_of(&ebpf, maps::UNIQUE)?, slots).context("mapping UNIQUE")?;
        let events = ebpf.take_map(maps::EVENTS).ok_or_else(|| anyhow!("the object has no map EVENTS"))?;
        let events = RingBuf::try_from(events).context("mapping EVENTS")?;
        let attachments = Attachments::new(programs, interfaces)?;
        Ok(Self {
            ebpf,
            attachments,
            reader: BatchReader::new(cpus),
            capacity,
            config,
            filters,
            totals,
            tcp_flags,
            dst_ports,
            src_ports,
            unique,
            events,
        })
    }

    /// Reads everything counted so far.
    ///
    /// # Errors
    /// When the kernel refuses to read a map.
    pub fn read(&mut self, reading: &mut Reading) -> io::Result<()> {
        reading.at = Moment::now();
        let before = self.totals();
        let [last_before, last_after] = reading.totals.map(|totals| totals.outcome(Outcome::Counted));
        // Quiet since before the tables were read: they say what they said.
        reading.changed = last_before != last_after || before.outcome(Outcome::Counted) != last_after;
        if !reading.changed {
            reading.totals = [before; 2];
            return Ok(());
        }
        let Self { ebpf, reader, .. } = self;
        read_table(reader, fd_of(ebpf, maps::SOURCES)?, &mut reading.sources)?;
        let after = self.totals();
        let Self { ebpf, reader, .. } = self;
        read_table(reader, fd_of(ebpf, maps::DESTINATIONS)?, &mut reading.destinations)?;
        read_table(reader, fd_of(ebpf, maps::MACS)?, &mut reading.macs)?;
        // Only now: had one of them failed, the next reading must not take this for a quiet time.
        reading.totals = [before, after];
        sum_cpus(&self.tcp_flags, &mut reading.tcp_flags);
        sum_cpus(&self.dst_ports, &mut reading.dst_ports);
        sum_cpus(&self.src_ports, &mut reading.src_ports);
        reading.unique.0.fill(0);
        for registers in self.unique.iter() {
            reading.unique.merge(&registers);
        }
        Ok(())
    }

    /// The totals of all CPUs.
    pub fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for totals in self.totals.iter() {
            sum.add(&totals);
        }
        sum
    }

    /// Calls `each` for the events that have come since the last time: so many at most that a flood, which brings more while
    /// these are taken, cannot keep us here.
    pub fn drain_events(&mut self, mut each: impl FnMut(&Event)) {
        for _ in 0..MOST_EVENTS {
            let Some(item) = self.events.next() else { return };
            if let Ok(event) = bytemuck::try_pod_read_unaligned(&item) {
                each(&event);
            }
        }
    }

    /// Removes a source from the kernel's map; returns what it had counted.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn take_source(&mut self, address: &Address) -> io::Result<Option<SourceCounters>> {
        self.take(maps::SOURCES, address)
    }

    /// Removes a destination from the kernel's map; returns what it had counted.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn take_destination(&mut self, address: &Address) -> io::Result<Option<Tally>> {
        self.take(maps::DESTINATIONS, address)
    }

    /// Removes a MAC pair from the kernel's map; returns what it had counted.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn take_macs(&mut self, pair: &MacPair) -> io::Result<Option<Tally>> {
        self.take(maps::MACS, pair)
    }

    fn take<K: Pod, V: Pod + Cumulative>(&mut self, map: &str, key: &K) -> io::Result<Option<V>> {
        let Self { ebpf, reader, .. } = self;
        Ok(reader.take(fd_of(ebpf, map)?, key)?.map(sum))
    }

    /// How many entries a table has room for.
    pub fn capacity(&self, table: Table) -> u64 {
        u64::from(match table {
            Table::Sources => self.capacity.sources,
            Table::Destinations => self.capacity.destinations,
            Table::Macs => self.capacity.macs,
        })
    }

    /// Whether the program found a table full, and has stopped trying to insert.
    pub fn is_full(&self, table: Table) -> bool {
        self.full_word(table).load(Ordering::Relaxed) != 0
    }

    /// Lets the program insert again into a table it found full. Whether it had.
    pub fn clear_full(&self, table: Table) -> bool {
        self.full_word(table).swap(0, Ordering::AcqRel) != 0
    }

    fn full_word(&self, table: Table) -> &AtomicU32 {
        self.config.word(offset_of!(Config, full) + 4 * table as usize)
    }

    /// Puts a filter in force, or none. The program sees either the old or the new one, never a mixture.
    pub fn set_filter(&mut self, filter: Option<&Filter>) {
        let word = offset_of!(Config, filter);
        let slot = match filter {
            None => NO_FILTER,
            Some(filter) => {
                let in_force = self.config.word(word).load(Ordering::Relaxed);
                let idle = if in_force == 1 { 1 } else { 0 };
                self.filters.set(idle, filter);
                1 + idle as u32
            }
        };
        self.config.set_word(word, slot);
    }

    /// Stops or goes on counting.
    pub fn set_paused(&self, paused: bool) {
        self.config.set_word(offset_of!(Config, paused), u32::from(paused));
    }

    /// Makes one packet in `every` an event; 0: none.
    pub fn set_sampling(&self, every: u32) {
        self.config.set_word(offset_of!(Config, sample), every);
    }

    /// Empties the registers of distinct sources.
    pub fn clear_unique(&mut self) {
        let empty = <Registers as bytemuck::Zeroable>::zeroed();
        for cpu in 0..self.unique.len() {
            self.unique.set(cpu, &empty);
        }
    }

    /// Watches other interfaces.
    ///
    /// # Errors
    /// As [`Xdp::open`]; everything then stays as it was.
    pub fn set_interfaces(&mut self, names: &[String]) -> Result<()> {
        self.attachments.set(names)
    }

    /// The interfaces asked for.
    pub fn interface_names(&self) -> Vec<String> {
        self.attachments.names().map(str::to_string).collect()
    }

    /// How the interfaces are, after attaching to those that came back.
    pub fn interfaces(&mut self) -> Vec<InterfaceRow> {
        self.attachments.refresh()
    }

    /// The loaded program, for its log.
    pub fn ebpf_mut(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }
}

/// The program in the kernel, attached to nothing yet.
struct Loaded {
    ebpf: Ebpf,
    programs: Programs,
    capacity: Capacity,
    cpus: usize,
}

fn load(memory: u64, log_level: u8) -> Result<Loaded> {
    let cpus = aya::util::nr_cpus().map_err(|(path, error)| anyhow!("reading {path}: {error}"))?;
    let slots = capacity::cpu_slots(cpus);
    let capacity = Capacity::plan(memory, cpus);

    let mut loader = EbpfLoader::new();
    let per_cpu = slots as u32;
    for (map, entries) in [
        (maps::TOTALS, per_cpu),
        (maps::TCP_FLAGS, per_cpu * TCP_FLAG_SLOTS),
        (maps::DST_PORTS, per_cpu * PORT_SLOTS),
        (maps::SRC_PORTS, per_cpu * PORT_SLOTS),
        (maps::UNIQUE, per_cpu),
        (maps::SOURCES, capacity.sources),
        (maps::DESTINATIONS, capacity.destinations),
        (maps::MACS, capacity.macs),
        (maps::EVENTS, capacity.ring),
    ] {
        loader.map_max_entries(map, entries);
    }
    loader.override_global(aya_log::LEVEL, &log_level, true);
    let mut ebpf = loader.load(OBJECT).map_err(|error| explain_load(error.into()))?;

    let programs = load_programs(&mut ebpf).map_err(explain_load)?;
    Ok(Loaded { ebpf, programs, capacity, cpus })
}

/// Loads the program as [`Xdp::open`] does, attaches it to nothing, and lets go of it. Returns how many sources its maps
/// have room for.
///
/// # Errors
/// As for [`Xdp::open`].
pub fn try_load(memory: u64) -> Result<u32> {
    load(memory, 0).map(|loaded| loaded.capacity.sources)
}

fn map_of<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a MapData> {
    ebpf.map(name)
        .and_then(map_data)
        .ok_or_else(|| anyhow!("the object has no map {name}; rebuild it: cargo xtask ebpf"))
}

fn fd_of<'a>(ebpf: &'a Ebpf, name: &str) -> io::Result<BorrowedFd<'a>> {
    Ok(map_of(ebpf, name).map_err(io::Error::other)?.fd().as_fd())
}

fn read_table<K: Pod, V: Pod + Cumulative>(
    reader: &mut BatchReader,
    map: BorrowedFd<'_>,
    table: &mut Vec<(K, V)>,
) -> io::Result<()> {
    table.clear();
    reader.for_each(map, |key, values| table.push((key, sum(values))))
}

/// What all CPUs have counted in one entry.
fn sum<V: Cumulative>(values: &[V]) -> V {
    let mut total = V::default();
    values.iter().for_each(|value| total.add(value));
    total
}

fn load_programs(ebpf: &mut Ebpf) -> Result<Programs> {
    let mut load = |name: &str| -> Result<_> {
        let program = ebpf.program_mut(name).ok_or_else(|| anyhow!("the object has no program {name}"))?;
        let program: &mut XdpProgram = program.try_into()?;
        program.load()?;
        let fd = program.fd()?.as_fd().try_clone_to_owned().context("duplicating the program's descriptor")?;
        Ok((fd, program.info()?.id()))
    };
    let (ethernet, ethernet_id) = load("nettop")?;
    let (raw_ip, raw_ip_id) = load("nettop_raw_ip")?;
    Ok(Programs { ethernet, raw_ip, ids: [ethernet_id, raw_ip_id] })
}

/// Turns an error of loading into one that says why and what to do.
fn explain_load(error: anyhow::Error) -> anyhow::Error {
    let refused = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(privilege::is_refusal);
    if refused && !privilege::missing().is_empty() {
        return anyhow!("the kernel does not load the program: {}", privilege::explain_refusal());
    }
    if let Some(ProgramError::LoadError { io_error, verifier_log }) = error.downcast_ref() {
        let verifier_log = verifier_log.to_string();
        log::error!("the verifier's log:\n{verifier_log}");
        let statistics = ["processed ", "verification time ", "stack depth "];
        let verdict = verifier_log
            .lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty() && !statistics.iter().any(|start| line.starts_with(start)));
        return anyhow!(
            "the verifier of this kernel ({}) refuses the program: {io_error}: {}; nettop needs Linux 5.18 or newer; please \
             report it, with what --log FILE then holds",
            release(),
            verdict.unwrap_or("no reason given")
        );
    }
    error.context("loading the program into the kernel")
}

/// The running kernel's release, as `uname -r` prints it.
fn release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").map_or("unknown".into(), |release| release.trim().to_string())
}
