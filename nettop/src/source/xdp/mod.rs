//! The live source: the XDP program counts, this reads its maps.

mod attach;
mod bpf;
mod capacity;
mod dump;
mod mapped;
pub mod netdev;
pub mod netlink;
mod windows;

use std::{io, mem::offset_of, ops::Range, os::fd::AsFd as _, sync::atomic::Ordering, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf, EbpfLoader,
    maps::{MapData, RingBuf},
    programs::{ProgramError, Xdp as XdpProgram},
    util::KernelVersion,
};
use bytemuck::Zeroable as _;
use nettop_common::{
    Config, Event, Filter, Outcome, SourceCounters, Tally, Totals,
    config::NO_FILTER,
    counters::{Counters, Part, Table},
    maps::{self, PORT_SLOTS, TCP_FLAG_SLOTS},
    slots::{self, Bucket, FIRST_PACKETS, Key, SETS},
    unique::Registers,
};

use self::{
    attach::{Attachments, Programs},
    capacity::Capacity,
    dump::Inventory,
    mapped::{Mapped, map_data, sum_cpus},
    windows::Windows,
};
pub use self::{
    attach::{default_interface, describe_program},
    capacity::default_budget,
};
use crate::{
    maps::Program,
    privilege,
    reading::{InterfaceRow, Moment, Reading, Tables},
};

/// The first kernel with XDP programs for multi-buffer frames, and their whole length.
pub const LEAST_KERNEL: KernelVersion = KernelVersion::new(5, 18, 0);

/// The compiled program: `cargo xtask ebpf` makes it.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../../data/nettop.bpf.o");

/// Events taken at once: a few milliseconds of work.
const MOST_EVENTS: usize = 16_384;
/// After so long no CPU is still counting in the set that was turned away from: the program takes less than a microsecond,
/// and is not interrupted but by hardware.
const GRACE: Duration = Duration::from_millis(10);
/// Seconds after which slots that are not in use any more are unmapped.
const REST: f64 = 5.0;

/// The loaded program and its maps. Dropping it leaves nothing in the kernel, and so does being killed.
pub struct Xdp {
    ebpf: Ebpf,
    attachments: Attachments,
    inventory: Inventory,
    capacity: Capacity,
    /// CPUs there are parts of the maps for.
    cpus: usize,
    /// When the program last turned to the other set.
    turned: Moment,
    /// Keys in the slots that were emptied last, by table.
    entries: [u64; Table::COUNT],
    sources: Windows<Bucket<SourceCounters>>,
    destinations: Windows<Bucket<Tally>>,
    macs: Windows<Bucket<Tally>>,
    /// When windows that were not in use were last unmapped.
    rested: Moment,
    /// Whether the cumulative tables may have changed since they were read.
    has_news: bool,
    config: Mapped<Config>,
    filters: Mapped<Filter>,
    totals: Mapped<Totals>,
    tcp_flags: Mapped<u64>,
    dst_ports: Mapped<u64>,
    src_ports: Mapped<u64>,
    unique: Mapped<Registers>,
    used: Mapped<u64>,
    events: RingBuf<MapData>,
}

impl Xdp {
    /// Loads the program and attaches it to the named interfaces, or to the default one.
    ///
    /// # Errors
    /// Say what failed, on what, why, and what to do.
    pub fn open(interfaces: &[String], options: &Options) -> Result<Self> {
        let Loaded { mut ebpf, programs, inventory, capacity, cpus } = load(options)?;
        let [source_bits, destination_bits, mac_bits] = capacity.bits;
        let array = |name, len| Mapped::new(map_of(&ebpf, name)?, len).with_context(|| format!("mapping {name}"));
        let (tcp_flags, ports) = (cpus * TCP_FLAG_SLOTS as usize, cpus * PORT_SLOTS as usize);
        let (dst_ports, src_ports) = (array(maps::DST_PORTS, ports)?, array(maps::SRC_PORTS, ports)?);
        let tcp_flags = array(maps::TCP_FLAGS, tcp_flags)?;
        let config = Mapped::new(map_of(&ebpf, maps::CONFIG)?, 1).context("mapping CONFIG")?;
        let filters = Mapped::new(map_of(&ebpf, maps::FILTERS)?, 2).context("mapping FILTERS")?;
        let totals = Mapped::new(map_of(&ebpf, maps::TOTALS)?, cpus * SETS as usize).context("mapping TOTALS")?;
        let buckets = |bits| Capacity::buckets(bits, cpus) as usize;
        let group = |bits| 1 << slots::group_shift(bits);
        let sources = Windows::new(map_of(&ebpf, maps::SOURCES)?, buckets(source_bits), group(source_bits));
        let sources = sources.context("holding SOURCES")?;
        let destinations = map_of(&ebpf, maps::DESTINATIONS)?;
        let destinations = Windows::new(destinations, buckets(destination_bits), group(destination_bits));
        let destinations = destinations.context("holding DESTINATIONS")?;
        let macs = Windows::new(map_of(&ebpf, maps::MACS)?, buckets(mac_bits), group(mac_bits));
        let macs = macs.context("holding MACS")?;
        let unique = Mapped::new(map_of(&ebpf, maps::UNIQUE)?, cpus).context("mapping UNIQUE")?;
        let groups = (cpus * Table::COUNT) << slots::GROUP_BITS;
        let used = Mapped::new(map_of(&ebpf, maps::USED)?, groups * SETS as usize).context("mapping USED")?;
        let events = ebpf.take_map(maps::EVENTS).ok_or_else(|| anyhow!("the object has no map EVENTS"))?;
        let events = RingBuf::try_from(events).context("mapping EVENTS")?;
        let attachments = Attachments::new(programs, interfaces)?;
        Ok(Self {
            ebpf,
            attachments,
            inventory,
            capacity,
            cpus,
            turned: Moment::now(),
            entries: [0; Table::COUNT],
            sources,
            destinations,
            macs,
            rested: Moment::now(),
            has_news: true,
            config,
            filters,
            totals,
            tcp_flags,
            dst_ports,
            src_ports,
            unique,
            used,
            events,
        })
    }

    /// Empties the slots that the program has turned away from into `reading`, then has it turn away from the others. So
    /// what is read lies back by one call; right after a call there is nothing to read yet.
    pub fn read(&mut self, reading: &mut Reading) {
        reading.clear();
        let now = Moment::now();
        if now.seconds_since(&self.turned) < GRACE.as_secs_f64() {
            // Its time stays that of the call before: what came until the sets changed places is yet to be read.
            return;
        }
        reading.at = self.turned;
        let word = offset_of!(Config, set);
        let idle = 1 - (self.config.word(word).load(Ordering::Relaxed) & 1);
        self.entries = [0; Table::COUNT];
        for cpu in 0..self.cpus as u32 {
            self.empty(cpu, idle, reading);
        }
        self.config.set_word(word, idle);
        self.turned = Moment::now();
        if now.seconds_since(&self.rested) > REST {
            self.rested = now;
            self.sources.rest();
            self.destinations.rest();
            self.macs.rest();
        }
    }

    /// Empties one CPU's part of a set.
    fn empty(&mut self, cpu: u32, set: u32, reading: &mut Reading) {
        let at = (cpu * SETS + set) as usize;
        let totals = self.totals.get(at);
        if totals.seen.packets == 0 {
            return;
        }
        self.has_news = true;
        self.totals.set(at, &totals.emptied());
        reading.totals.add(&totals);
        if totals.outcome(Outcome::Counted).packets == 0 {
            return;
        }
        let Self { used, sources, destinations, macs, entries, capacity, .. } = self;
        for (table, entries) in entries.iter_mut().enumerate() {
            let (table, bits) = (table as u32, capacity.bits[table]);
            for first in (0..1 << bits).step_by(1 << slots::group_shift(bits)) {
                let group = slots::group(cpu, set, table, bits, first) as usize;
                if used.get(group) == 0 {
                    continue;
                }
                let first = slots::index(cpu, set, bits, first) as usize;
                let buckets = first..first + (1 << slots::group_shift(bits));
                let emptied = match table {
                    0 => empty(sources, &buckets, &mut reading.sources),
                    1 => empty(destinations, &buckets, &mut reading.destinations),
                    _ => empty(macs, &buckets, &mut reading.macs),
                };
                match emptied {
                    Ok(keys) => {
                        used.set(group, &0);
                        *entries += keys;
                    }
                    // It stays in use: what it holds comes with a later reading.
                    Err(error) => log::error!("mapping slots of the kernel program's: {error}"),
                }
            }
        }
    }

    /// How long to wait after a call of [`read`](Self::read) until another brings what has come since.
    pub fn grace() -> Duration {
        GRACE
    }

    /// Reads the cumulative tables. They are those of the last call, which is spared where no packet came since: what a quiet
    /// monitor costs is this, most of all.
    pub fn read_tables(&mut self, tables: &mut Tables) {
        if !std::mem::take(&mut self.has_news) {
            return;
        }
        sum_cpus(&self.tcp_flags, &mut tables.tcp_flags);
        sum_cpus(&self.dst_ports, &mut tables.dst_ports);
        sum_cpus(&self.src_ports, &mut tables.src_ports);
        tables.unique.0.fill(0);
        for registers in self.unique.iter() {
            tables.unique.merge(&registers);
        }
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

    /// How many keys a table has room for, between two readings.
    pub fn capacity(&self, table: Table) -> u64 {
        Capacity::keys(self.capacity.bits[table as usize], self.cpus)
    }

    /// How many keys were in a table at the newest reading.
    pub fn entries(&self, table: Table) -> u64 {
        self.entries[table as usize]
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
        self.has_news = true;
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

/// How the program is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Budget for the kernel's maps, bytes.
    pub memory: u64,
    /// Events per second there must be room for.
    pub event_rate: u32,
    /// What the program logs, in aya-log's order; 0: nothing.
    pub log_level: u8,
    /// The bits of the [`Part`]s that are counted.
    pub parts: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { memory: capacity::default_budget(), event_rate: 0, log_level: 0, parts: Part::EVERY }
    }
}

/// The program in the kernel, attached to nothing yet.
struct Loaded {
    ebpf: Ebpf,
    programs: Programs,
    inventory: Inventory,
    capacity: Capacity,
    /// CPUs there are parts of the maps for.
    cpus: usize,
}

fn load(Options { memory, event_rate, log_level, parts }: &Options) -> Result<Loaded> {
    let possible = aya::util::nr_cpus().map_err(|(path, error)| anyhow!("reading {path}: {error}"))?;
    let cpus = capacity::numbered_cpus(possible);
    let capacity = Capacity::plan(*memory, cpus);
    let [source_bits, destination_bits, mac_bits] = capacity.bits;

    let mut loader = EbpfLoader::new();
    let per_cpu = cpus as u32;
    for (map, entries) in [
        (maps::TOTALS, per_cpu * SETS),
        (maps::TCP_FLAGS, per_cpu * TCP_FLAG_SLOTS),
        (maps::DST_PORTS, per_cpu * PORT_SLOTS),
        (maps::SRC_PORTS, per_cpu * PORT_SLOTS),
        (maps::UNIQUE, per_cpu),
        (maps::SOURCES, Capacity::buckets(source_bits, cpus)),
        (maps::DESTINATIONS, Capacity::buckets(destination_bits, cpus)),
        (maps::MACS, Capacity::buckets(mac_bits, cpus)),
        (maps::USED, (per_cpu * SETS * Table::COUNT as u32) << slots::GROUP_BITS),
        (maps::EVENTS, capacity::ring(*event_rate)),
    ] {
        loader.map_max_entries(map, entries);
    }
    loader.override_global(aya_log::LEVEL, log_level, true);
    for (name, bits) in maps::BITS.iter().zip(&capacity.bits) {
        loader.override_global(name, bits, true);
    }
    loader.override_global(maps::PARTS, parts, true);
    let seed = fastrand::u64(..);
    loader.override_global(maps::SEED, &seed, true);
    let mut ebpf = loader.load(OBJECT).map_err(|error| explain_load(error.into()))?;

    let (programs, facts) = load_programs(&mut ebpf).map_err(explain_load)?;
    let inventory = Inventory::of(&ebpf, facts)?;
    Ok(Loaded { ebpf, programs, inventory, capacity, cpus })
}

/// Loads the program as [`Xdp::open`] does, attaches it to nothing, and lets go of it. Returns how many sources it has
/// slots for.
///
/// # Errors
/// As for [`Xdp::open`].
pub fn try_load() -> Result<u64> {
    load(&Options::default()).map(|loaded| Capacity::keys(loaded.capacity.bits[Table::Sources as usize], loaded.cpus))
}

fn map_of<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a MapData> {
    ebpf.map(name)
        .and_then(map_data)
        .ok_or_else(|| anyhow!("the object has no map {name}; rebuild it: cargo xtask ebpf"))
}

/// Moves what is in some buckets to the end of `entries`; returns how many keys there were.
///
/// # Errors
/// They cannot be mapped; nothing was moved.
fn empty<K: From<Key>, C: Counters>(
    windows: &mut Windows<Bucket<C>>,
    buckets: &Range<usize>,
    entries: &mut Vec<(K, C)>,
) -> io::Result<u64>
where
    Bucket<C>: bytemuck::Pod,
{
    let before = entries.len();
    let (buckets, range) = windows.get(buckets)?;
    for bucket in range {
        // Slots are taken in order: behind a free one there are only free ones.
        if buckets.word64(bucket, FIRST_PACKETS) == 0 {
            continue;
        }
        let Bucket(slots) = buckets.get(bucket);
        buckets.set(bucket, &Bucket::zeroed());
        let used = slots.iter().take_while(|slot| slot.counters.tally().packets > 0);
        entries.extend(used.map(|slot| (slot.key.into(), slot.counters)));
    }
    Ok((entries.len() - before) as u64)
}

/// The programs, and what there is to say of each.
fn load_programs(ebpf: &mut Ebpf) -> Result<(Programs, Vec<Program>)> {
    let mut load = |name: &'static str| -> Result<_> {
        let program = ebpf.program_mut(name).ok_or_else(|| anyhow!("the object has no program {name}"))?;
        let program: &mut XdpProgram = program.try_into()?;
        program.load()?;
        let fd = program.fd()?.as_fd().try_clone_to_owned().context("duplicating the program's descriptor")?;
        let info = program.info()?;
        // With capabilities of the file a process may not look into its own /proc/self/fdinfo.
        let memory = info.memory_locked().unwrap_or_default().into();
        Ok((fd, Program { name, id: info.id(), memory, runs: 0, run_ns: 0 }))
    };
    let (ethernet, one) = load("nettop")?;
    let (raw_ip, other) = load("nettop_raw_ip")?;
    Ok((Programs { ethernet, raw_ip, ids: [one.id, other.id] }, vec![one, other]))
}

/// Turns an error of loading into one that says why and what to do.
fn explain_load(error: anyhow::Error) -> anyhow::Error {
    let refused = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(privilege::is_refusal);
    if refused && !privilege::missing().is_empty() {
        return anyhow!("the kernel does not load the program: {}", privilege::explain_refusal());
    }
    if KernelVersion::current().is_ok_and(|version| version < LEAST_KERNEL) {
        return anyhow!("this kernel ({}) is too old: nettop needs Linux 5.18 or newer", release());
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
            "the verifier of this kernel ({}) refuses the program: {io_error}: {}; please report it, with what --log FILE then \
             holds",
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
