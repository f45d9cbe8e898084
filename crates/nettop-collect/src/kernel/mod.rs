//! The live source: the XDP program counts, this reads its maps.

mod attach;
mod attachments;
mod batch;
pub mod blocks;
mod bpf;
pub mod btf;
mod budget;
pub mod calls;
pub mod capacity;
mod cold;
pub mod cpus;
mod defaults;
pub mod drops;
mod dump;
pub mod egress;
mod gather;
pub mod grace;
mod hash;
mod keys;
mod load;
mod mapped;
mod messages;
pub mod names;
mod object;
pub mod open_files;
mod places;
mod refusal;
mod rings;
mod slots;
mod tracepoints;
mod traffic;
mod unloadable;
mod watcher;
mod windows;

use std::{collections::BTreeSet, sync::Arc};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
    util::KernelVersion,
};
use nettop_common::{Event, Filter, maps};
use nettop_model::clock::{Moment, asleep_ns};

use self::{
    attach::Programs,
    attachments::Attachments,
    blocks::Blocks,
    cpus::Cpus,
    drops::Drops,
    dump::Inventory,
    egress::Egress,
    grace::Grace,
    hash::Hash,
    keys::Keys,
    load::{Loaded, Sizes, load, map_of},
    mapped::Mapped,
    open_files::OpenFiles,
    places::Places,
    slots::Slots,
    tracepoints::AttachedHooks,
    watcher::Watcher,
};
pub use self::{
    attach::describe_program,
    budget::{Budget, MOST_SOURCES},
    defaults::{Defaults, defaults},
    load::{Options, try_load, try_tracepoints},
    tracepoints::SocketHooks,
};

/// The first kernel with XDP programs for multi-buffer frames, and their whole length.
pub const LEAST_KERNEL: KernelVersion = KernelVersion::new(5, 18, 0);

/// Sampled packets per second, unless another number is asked for.
pub const DEFAULT_EVENT_RATE: u32 = 10_000;

/// The loaded program and its maps. Dropping it leaves nothing in the kernel, and so does being killed.
pub struct Xdp {
    /// Holds what is not held by others.
    _ebpf: Ebpf,
    programs: Arc<Programs>,
    watcher: Watcher,
    inventory: Arc<Inventory>,
    cpus: Arc<Cpus>,
    keys: Box<dyn Keys>,
    /// What is sent; `None`: it is not counted.
    egress: Option<Egress>,
    /// What comes from whom is dropped; `None`: nothing ever is.
    blocks: Option<Blocks>,
    /// What is counted at tracepoints, until somebody takes it.
    hooks: AttachedHooks,
    grace: Grace,
    /// CPUs that have counted, and have neither slots nor a log nor ports.
    late: BTreeSet<usize>,
    /// For how long the machine had been suspended when the banks were last flipped, nanoseconds.
    asleep_ns: u64,
    /// When memory that was not in use was last given back.
    rested: Moment,
    /// Whether the cumulative tables may have changed since they were read.
    has_news: bool,
    filters: Mapped<Filter>,
    events: RingBuf<MapData>,
    /// An event that came after that.
    early: Option<Event>,
    /// When the banks were last flipped.
    read_until: Moment,
}

impl Xdp {
    /// Loads the program and attaches it to the named interfaces, or to the default one.
    ///
    /// # Errors
    /// Say what failed, on what, why, and what to do.
    pub fn open(interfaces: &[String], options: &Options) -> Result<Self> {
        let Loaded { mut ebpf, programs, egress: egress_programs, hooks, inventory, sizes, cpus: cpu_list } =
            load(options)?;
        let hooks = hooks.attach(&mut ebpf, sizes.of_cpus(), &cpu_list);
        let filters = Mapped::new(map_of(&ebpf, maps::FILTERS)?, 2).context("mapping FILTERS")?;
        let (all, ports) = (map_of(&ebpf, maps::CPUS)?, map_of(&ebpf, maps::PORTS)?);
        let cpus = Cpus::new(all, ports, &cpu_list, sizes.of_cpus()).context("mapping CPUS")?;
        let keys: Box<dyn Keys> = match sizes {
            Sizes::Slots(capacity) => Box::new(Slots::new(capacity, &cpu_list, |name| map_of(&ebpf, name))?),
            Sizes::Hash(sizes) => Box::new(Hash::new(sizes, |name| map_of(&ebpf, name))?),
        };
        let egress = match egress_programs {
            Some(Ok(_)) => Some(Egress::new(sizes.of_cpus(), &cpu_list, |name| map_of(&ebpf, name))?),
            _ => None,
        };
        let blocks = match options.blocks {
            true => {
                let hash = ebpf.take_map(maps::BLOCKS).ok_or_else(|| anyhow!("the object has no map BLOCKS"))?;
                Some(Blocks::new(hash, sizes.of_cpus(), &cpu_list, |name| map_of(&ebpf, name))?)
            }
            false => None,
        };
        let events = ebpf.take_map(maps::EVENTS).ok_or_else(|| anyhow!("the object has no map EVENTS"))?;
        let events = RingBuf::try_from(events).context("mapping EVENTS")?;
        let cpus = Arc::new(cpus);
        let programs = Arc::new(Programs::new(programs, Places::new(Arc::clone(&cpus)), egress_programs));
        let watcher = Watcher::new(Attachments::new(Arc::clone(&programs), interfaces)?);
        Ok(Self {
            _ebpf: ebpf,
            programs,
            watcher,
            inventory: inventory.into(),
            cpus,
            keys,
            egress,
            blocks,
            hooks,
            grace: Grace::default(),
            late: BTreeSet::new(),
            asleep_ns: asleep_ns(),
            rested: Moment::now(),
            has_news: true,
            filters,
            events,
            early: None,
            read_until: Moment::now(),
        })
    }
}

impl Xdp {
    /// What calls on sockets move, for whoever reads it; or why it is not counted. `None`: nobody wanted it.
    pub fn take_sockets(&mut self) -> Option<SocketHooks> {
        self.hooks.sockets.take()
    }

    /// Which process has which socket open, likewise.
    pub fn take_open_files(&mut self) -> Option<Result<OpenFiles, String>> {
        self.hooks.open_files.take()
    }

    /// What the kernel drops, likewise.
    pub fn take_drops(&mut self) -> Option<Result<Drops, String>> {
        self.hooks.drops.take()
    }
}
