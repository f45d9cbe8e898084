//! The live source: the XDP program counts, this reads its maps.

mod attach;
mod attachments;
mod bpf;
mod budget;
mod capacity;
pub mod cpus;
mod defaults;
mod dump;
mod gather;
mod mapped;
pub mod names;
mod refusal;
mod traffic;
mod watcher;
mod windows;

use std::{io, os::fd::AsFd as _, sync::Arc};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf, EbpfLoader,
    maps::{MapData, MapError, RingBuf},
    programs::{ProgramError, Xdp as XdpProgram},
    util::KernelVersion,
};
use nettop_common::{
    Filter, PacketsBytes, SourceCounters,
    counters::{Counters, Part, Table},
    maps,
    slots::{self, Key, Slot, Tags, WAYS},
};
use nettop_model::{
    clock::{Moment, asleep_ns},
    kernel_maps::Program,
};
use nettop_process::{cause, memory};

use self::{
    attach::Programs,
    attachments::Attachments,
    capacity::Capacity,
    cpus::Cpus,
    dump::Inventory,
    mapped::{Mapped, map_data},
    watcher::Watcher,
    windows::Windows,
};
pub use self::{
    attach::describe_program,
    budget::{Budget, MOST_SOURCES},
    defaults::{Defaults, defaults},
};
use crate::privilege;

/// The first kernel with XDP programs for multi-buffer frames, and their whole length.
pub const LEAST_KERNEL: KernelVersion = KernelVersion::new(5, 18, 0);

/// Sampled packets per second, unless another number is asked for.
pub const DEFAULT_EVENT_RATE: u32 = 10_000;

/// The compiled program: `cargo xtask ebpf` makes it.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../../data/nettop.bpf.o");

/// The loaded program and its maps. Dropping it leaves nothing in the kernel, and so does being killed.
pub struct Xdp {
    ebpf: Ebpf,
    programs: Arc<Programs>,
    watcher: Watcher,
    inventory: Arc<Inventory>,
    capacity: Capacity,
    cpus: Arc<Cpus>,
    /// When the program last flipped to the other bank.
    flipped: Moment,
    /// For how long the machine had been suspended then, nanoseconds.
    asleep_ns: u64,
    /// Keys in the slots that were emptied last, by table.
    entries: [u64; Table::COUNT],
    sources: Windows<Slot<SourceCounters>>,
    destinations: Windows<Slot<PacketsBytes>>,
    macs: Windows<Slot<PacketsBytes>>,
    /// When windows that were not in use were last unmapped.
    rested: Moment,
    /// Whether the cumulative tables may have changed since they were read.
    has_news: bool,
    filters: Mapped<Filter>,
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
        let filters = Mapped::new(map_of(&ebpf, maps::FILTERS)?, 2).context("mapping FILTERS")?;
        let slots = |bits| Capacity::slots(bits, cpus) as usize;
        let group = |bits| WAYS << slots::group_shift(bits);
        let sources = Windows::new(map_of(&ebpf, maps::SOURCES)?, slots(source_bits), group(source_bits));
        let sources = sources.context("holding SOURCES")?;
        let destinations = map_of(&ebpf, maps::DESTINATIONS)?;
        let destinations = Windows::new(destinations, slots(destination_bits), group(destination_bits));
        let destinations = destinations.context("holding DESTINATIONS")?;
        let macs = Windows::new(map_of(&ebpf, maps::MACS)?, slots(mac_bits), group(mac_bits));
        let macs = macs.context("holding MACS")?;
        let cpus = Cpus::new(map_of(&ebpf, maps::CPUS)?, cpus, capacity.bits, options.parts).context("mapping CPUS")?;
        let events = ebpf.take_map(maps::EVENTS).ok_or_else(|| anyhow!("the object has no map EVENTS"))?;
        let events = RingBuf::try_from(events).context("mapping EVENTS")?;
        let programs = Arc::new(programs);
        let watcher = Watcher::new(Attachments::new(Arc::clone(&programs), interfaces)?);
        Ok(Self {
            ebpf,
            programs,
            watcher,
            inventory: inventory.into(),
            capacity,
            cpus: cpus.into(),
            flipped: Moment::now(),
            asleep_ns: asleep_ns(),
            entries: [0; Table::COUNT],
            sources,
            destinations,
            macs,
            rested: Moment::now(),
            has_news: true,
            filters,
            events,
        })
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
    let cpus = capacity::cpus()?;
    let capacity = Capacity::plan(*memory, cpus);
    let [source_bits, destination_bits, mac_bits] = capacity.bits;

    let mut loader = EbpfLoader::new();
    for (map, entries) in [
        (maps::CPUS, cpus as u32),
        (maps::SOURCES, Capacity::slots(source_bits, cpus)),
        (maps::DESTINATIONS, Capacity::slots(destination_bits, cpus)),
        (maps::MACS, Capacity::slots(mac_bits, cpus)),
        (maps::EVENTS, capacity::ring(*event_rate)),
    ] {
        loader.map_max_entries(map, entries);
    }
    loader.override_global(aya_log::LEVEL, log_level, true);
    loader.override_global(maps::PARTS, parts, true);
    let mut ebpf = loader.load(OBJECT).map_err(|error| explain_load(error.into()))?;

    let (programs, facts) = load_programs(&mut ebpf, *parts).map_err(explain_load)?;
    let inventory = Inventory::of(&ebpf, facts)?;
    Ok(Loaded { ebpf, programs, inventory, capacity, cpus })
}

/// Loads the program as [`Xdp::open`] does, attaches it to nothing, and lets go of it. Returns how many sources it has
/// slots for.
///
/// # Errors
/// As for [`Xdp::open`].
pub fn try_load() -> Result<u64> {
    let event_rate = DEFAULT_EVENT_RATE;
    let Budget { maps: memory, .. } = Budget::now(None, event_rate)?;
    let loaded = load(&Options { memory, event_rate, log_level: 0, parts: Part::EVERY })?;
    Ok(Capacity::keys(loaded.capacity.bits[Table::Sources as usize], loaded.cpus))
}

fn map_of<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a MapData> {
    ebpf.map(name)
        .and_then(map_data)
        .ok_or_else(|| anyhow!("the object has no map {name}; rebuild it: cargo xtask ebpf"))
}

/// A group of buckets of a CPU's part of an idle set.
struct Group<'a> {
    cpus: &'a Cpus,
    cpu: usize,
    bank: u32,
    table: Table,
    bits: u32,
    group: usize,
}

impl Group<'_> {
    /// Moves what is in it to the end of `entries`; returns how many keys there were.
    ///
    /// # Errors
    /// Its slots cannot be mapped; nothing was moved.
    fn empty<K: From<Key>, C: Counters>(
        &self,
        slots: &mut Windows<Slot<C>>,
        entries: &mut Vec<(K, C)>,
    ) -> io::Result<u64>
    where
        Slot<C>: bytemuck::Pod,
    {
        let Self { cpus, cpu, bank, table, bits, group } = *self;
        let before = entries.len();
        let shift = slots::group_shift(bits);
        let buckets = group << shift..(group + 1) << shift;
        let first = slots::index(cpu as u32, bank, bits, buckets.start as u32) as usize;
        let (slots, range) = slots.get(&(first..first + buckets.len() * WAYS))?;
        for (at, bucket) in range.step_by(WAYS).zip(buckets) {
            let tags = cpus.tags(cpu, bank, table, bucket);
            if tags != Tags::default() {
                let taken = tags.taken().map(|way| slots.get(at + way as usize));
                entries.extend(taken.map(|slot| (slot.key.into(), slot.counters)));
                cpus.clear_tags(cpu, bank, table, bucket);
            }
        }
        cpus.clear_used(cpu, bank, table, group);
        Ok((entries.len() - before) as u64)
    }
}

/// The programs that count these parts, and what there is to say of each.
fn load_programs(ebpf: &mut Ebpf, parts: u32) -> Result<(Programs, Vec<Program>)> {
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
    let [ethernet, raw_ip] = maps::programs(parts);
    let ((ethernet, one), (raw_ip, other)) = (load(ethernet)?, load(raw_ip)?);
    Ok((Programs { ethernet, raw_ip, ids: [one.id, other.id] }, vec![one, other]))
}

/// Turns an error of loading into one that says why and what to do.
fn explain_load(error: anyhow::Error) -> anyhow::Error {
    let code = || error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).find_map(io::Error::raw_os_error);
    let refused = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(privilege::is_refusal);
    if refused && privilege::hindrance().is_some() {
        return anyhow!("the kernel does not load the program: {}", privilege::explain_refusal());
    }
    if KernelVersion::current().is_ok_and(|version| version < LEAST_KERNEL) {
        return anyhow!("this kernel ({}) is too old: nettop needs Linux 5.18 or newer; start a newer one", release());
    }
    // None is about the program: no memory for the verifier, no descriptor for what it made, or arrays are larger than the kernel can make them.
    match code() {
        Some(libc::ENOMEM) => return error.context("loading the program into the kernel"),
        Some(code @ (libc::EMFILE | libc::ENFILE)) => {
            return anyhow::Error::new(io::Error::from_raw_os_error(code))
                .context("loading the program into the kernel");
        }
        Some(libc::E2BIG) if error.chain().any(|cause| cause.is::<MapError>()) => {
            let what = cause::told(&error.context("loading the program into the kernel"));
            return anyhow!("{what}; {}", memory::remedy());
        }
        _ => {}
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
        if let (None, true) = (verdict, refused) {
            return anyhow!("the kernel does not load the program: {}", privilege::explain_refusal());
        }
        return anyhow!(
            "the verifier of this kernel ({}) refuses the program: {io_error}: {}; please report it, with what --log FILE then \
             holds",
            release(),
            verdict.unwrap_or("no reason given")
        );
    }
    match refused {
        true => anyhow!(
            "{}; {}",
            cause::told(&error.context("loading the program into the kernel")),
            privilege::explain_refusal()
        ),
        false => error.context("loading the program into the kernel"),
    }
}

/// The running kernel's release, as `uname -r` prints it.
fn release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").map_or("unknown".into(), |release| release.trim().to_string())
}
