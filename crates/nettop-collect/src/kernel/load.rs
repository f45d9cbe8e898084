//! Loading the programs into the kernel, with maps that are as large as memory allows.

use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf, EbpfLoader,
    maps::MapData,
    programs::{SchedClassifier, Xdp as XdpProgram},
};
use nettop_common::{
    counters::{Part, Table},
    maps::{self, Form},
};
use nettop_model::kernel_maps::Program;
use nettop_process::cause;

use super::{
    DEFAULT_EVENT_RATE,
    attach::LoadedProgram,
    budget::Budget,
    capacity::{self, Capacity, CpuList},
    dump::Inventory,
    hash::{self, HashSizes},
    mapped::map_data,
    object,
    open_files::network_namespace,
    tracepoints::{KernelTypes, LoadedHooks},
    unloadable::explain,
};

/// How the program is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Budget for the kernel's maps, bytes.
    pub memory: u64,
    /// Where keys are counted.
    pub form: Form,
    /// Events per second there must be room for.
    pub event_rate: u32,
    /// The bits of the [`Part`]s that are counted.
    pub parts: u32,
    /// Whether what is sent is counted, too.
    pub egress: bool,
    /// Whether packets can be dropped.
    pub blocks: bool,
    /// Whether what calls on sockets move, and which connections end.
    pub sockets: bool,
    /// Whether what the kernel drops is counted, by its reason.
    pub drops: bool,
}

/// How large the maps are.
pub enum Sizes {
    Slots(Capacity),
    Hash(HashSizes),
}

impl Sizes {
    fn plan(form: Form, budget: u64, cpus: &CpuList) -> Self {
        match form {
            Form::Slots => Self::Slots(Capacity::plan(budget, cpus)),
            Form::Hash => Self::Hash(HashSizes::plan(budget, cpus)),
        }
    }

    /// Elements of the maps that are used; the others stay as small as the object has them.
    fn elements(&self, cpus: &CpuList) -> Vec<(&'static str, u32)> {
        match self {
            Self::Slots(capacity) => capacity.elements(cpus).into(),
            Self::Hash(sizes) => sizes.elements(cpus),
        }
    }

    /// What CPUs are told.
    pub fn of_cpus(&self) -> Capacity {
        match self {
            Self::Slots(capacity) => *capacity,
            Self::Hash(sizes) => sizes.of_cpus(),
        }
    }
}

/// The program in the kernel, attached to nothing yet.
pub struct Loaded {
    pub ebpf: Ebpf,
    pub programs: [LoadedProgram; 2],
    /// See [`Programs::egress`].
    pub egress: Option<Result<[OwnedFd; 2], String>>,
    pub hooks: LoadedHooks,
    pub inventory: Inventory,
    pub sizes: Sizes,
    pub cpus: CpuList,
}

/// Loads the programs that are wanted.
///
/// # Errors
/// Those that count what is received are refused: says why, and what to do. Of the others it is noted why they are missing.
pub fn load(options: &Options) -> Result<Loaded> {
    let Options { memory, form, event_rate, parts, egress, blocks, sockets, drops } = *options;
    let cpus = CpuList::current()?;
    let sizes = Sizes::plan(form, memory, &cpus);

    let mut loader = EbpfLoader::new();
    // The loader has read the kernel's types to relocate what the programs have not (CO-RE): it lets go of them here.
    loader.btf(None);
    let types = (sockets || drops).then(KernelTypes::read);
    let offsets = types.as_ref().filter(|_| sockets).and_then(|types| types.as_ref().ok()?.offsets().ok());
    for (map, entries) in sizes.elements(&cpus) {
        let is_left_out = match map {
            maps::EGRESS | maps::REMOTES => !egress,
            maps::BLOCKS | maps::DROPPED => !blocks,
            maps::CALLS | maps::SOCKETS | maps::ENDINGS | maps::ENDED => offsets.is_none(),
            maps::DROPS => !drops,
            _ => false,
        };
        if !is_left_out {
            loader.map_max_entries(map, entries);
        }
    }
    if let Some(offsets) = &offsets {
        loader.override_global(maps::OFFSETS, offsets, true);
    }
    let namespace = network_namespace();
    loader.override_global(maps::NAMESPACE, &namespace, true);
    let events = match form {
        Form::Slots => event_rate,
        Form::Hash => event_rate.saturating_mul(hash::PACE_MOST_OF_USUAL),
    };
    loader.map_max_entries(maps::EVENTS, capacity::ring(events));
    loader.override_global(maps::PARTS, &options.parts, true);
    let object = object::inflate().context("inflating the kernel program")?;
    let mut ebpf = loader.load(bytemuck::cast_slice(&object)).map_err(|error| explain(error.into()))?;

    let (programs, facts) = load_programs(&mut ebpf, maps::programs(form, parts)).map_err(explain)?;
    let egress = egress.then(|| load_egress(&mut ebpf));
    let hooks = types.map(|types| LoadedHooks::load(&mut ebpf, &types, options)).unwrap_or_default();
    let inventory = Inventory::of(&ebpf, form, facts)?;
    Ok(Loaded { ebpf, programs, egress, hooks, inventory, sizes, cpus })
}

/// Everything that there is.
const EVERYTHING: Options = Options {
    memory: 0,
    form: Form::Slots,
    event_rate: DEFAULT_EVENT_RATE,
    parts: Part::EVERY,
    egress: true,
    blocks: true,
    sockets: true,
    drops: true,
};

/// Loads the program as [`Xdp::open`](super::Xdp::open) does, attaches it to nothing, and lets go of it. Returns how many sources it has
/// slots for.
///
/// # Errors
/// As for [`Xdp::open`](super::Xdp::open).
pub fn try_load() -> Result<u64> {
    let Budget { maps: memory, .. } = Budget::now(None, EVERYTHING.event_rate)?;
    let loaded = load(&Options { memory, sockets: false, drops: false, ..EVERYTHING })?;
    Ok(Capacity::keys(loaded.sizes.of_cpus().bits[Table::Sources as usize], &loaded.cpus))
}

/// Loads the programs at tracepoints likewise, with small maps. Returns why some are missing.
///
/// # Errors
/// As for [`Xdp::open`](super::Xdp::open).
pub fn try_tracepoints() -> Result<Vec<String>> {
    Ok(load(&EVERYTHING)?.hooks.problems())
}

/// A map of the object.
///
/// # Errors
/// The object has none of that name.
pub fn map_of<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a MapData> {
    ebpf.map(name)
        .and_then(map_data)
        .ok_or_else(|| anyhow!("the object has no map {name}; rebuild it: cargo xtask ebpf"))
}

/// The programs of these names, and what there is to say of each.
fn load_programs(ebpf: &mut Ebpf, [ethernet, raw_ip]: [&'static str; 2]) -> Result<([LoadedProgram; 2], Vec<Program>)> {
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
    let ((ethernet, one), (raw_ip, other)) = (load(ethernet)?, load(raw_ip)?);
    let loaded = [(ethernet, one.id), (raw_ip, other.id)].map(|(fd, id)| LoadedProgram { fd, id });
    Ok((loaded, vec![one, other]))
}

/// The programs that count what is sent; else why not, for what is received is counted all the same.
fn load_egress(ebpf: &mut Ebpf) -> Result<[OwnedFd; 2], String> {
    let mut load = |name: &str| -> Result<OwnedFd> {
        let program = ebpf.program_mut(name).ok_or_else(|| anyhow!("the object has no program {name}"))?;
        let program: &mut SchedClassifier = program.try_into()?;
        program.load()?;
        Ok(program.fd()?.as_fd().try_clone_to_owned()?)
    };
    let [ethernet, raw_ip] = maps::EGRESS_PROGRAMS;
    let loaded = load(ethernet).and_then(|ethernet| Ok([ethernet, load(raw_ip)?]));
    loaded.map_err(|error| cause::told(&explain(error)))
}
