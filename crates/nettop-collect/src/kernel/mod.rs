//! The live source: the XDP program counts, this reads its maps.

mod attach;
mod attachments;
mod batch;
mod bpf;
pub mod btf;
mod budget;
pub mod calls;
pub mod capacity;
mod cold;
pub mod cpus;
mod defaults;
mod dump;
pub mod egress;
mod gather;
pub mod grace;
mod hash;
mod keys;
mod mapped;
pub mod names;
mod object;
mod places;
mod refusal;
mod rings;
mod slots;
mod traffic;
mod watcher;
mod windows;

use std::{
    collections::BTreeSet,
    io,
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::{MapData, MapError, RingBuf},
    programs::{BtfTracePoint, ProgramError, SchedClassifier, Xdp as XdpProgram},
    util::KernelVersion,
};
use nettop_common::{
    Event, Filter,
    counters::{Part, Table},
    maps::{self, Form},
};
use nettop_model::{
    clock::{Moment, asleep_ns},
    kernel_maps::Program,
};
use nettop_process::{cause, memory};

pub use self::{
    attach::describe_program,
    budget::{Budget, MOST_SOURCES},
    defaults::{Defaults, defaults},
};
use self::{
    attach::{LoadedProgram, Programs},
    attachments::Attachments,
    btf::Types,
    calls::Hooks,
    capacity::{Capacity, CpuList},
    cpus::Cpus,
    dump::Inventory,
    egress::Egress,
    grace::Grace,
    hash::{Hash, HashSizes},
    keys::Keys,
    mapped::{Mapped, map_data},
    places::Places,
    slots::Slots,
    watcher::Watcher,
};
use crate::privilege;

/// The first kernel with XDP programs for multi-buffer frames, and their whole length.
pub const LEAST_KERNEL: KernelVersion = KernelVersion::new(5, 18, 0);

/// Sampled packets per second, unless another number is asked for.
pub const DEFAULT_EVENT_RATE: u32 = 10_000;

/// What counts at the kernel's tracepoints, and why a part of it is missing; or why all of it is.
pub type Hooked = Result<(Hooks, Option<String>), String>;

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
    /// What calls on sockets move; why it is not counted. `None`: nobody wants it, or somebody has it.
    hooks: Option<Hooked>,
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
        let hooks = hooks.map(|loaded| {
            let missing = loaded?;
            let hooks = Hooks::new(sizes.of_cpus(), &cpu_list, |name| map_of(&ebpf, name));
            let attached = hooks.and_then(|hooks| attach_hooks(&mut ebpf).map(|()| hooks));
            Ok((attached.map_err(|error| cause::told(&error))?, missing))
        });
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
    pub fn take_hooks(&mut self) -> Option<Hooked> {
        self.hooks.take()
    }
}

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
    /// Whether what calls on sockets move, and which connections end.
    pub sockets: bool,
}

/// How large the maps are.
enum Sizes {
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
    fn of_cpus(&self) -> Capacity {
        match self {
            Self::Slots(capacity) => *capacity,
            Self::Hash(sizes) => sizes.of_cpus(),
        }
    }
}

/// The program in the kernel, attached to nothing yet.
struct Loaded {
    ebpf: Ebpf,
    programs: [LoadedProgram; 2],
    /// See [`Programs::egress`].
    egress: Option<Result<[OwnedFd; 2], String>>,
    /// See [`load_hooks`].
    hooks: Option<Result<Option<String>, String>>,
    inventory: Inventory,
    sizes: Sizes,
    cpus: CpuList,
}

fn load(Options { memory, form, event_rate, parts, egress, sockets }: &Options) -> Result<Loaded> {
    let cpus = CpuList::current()?;
    let sizes = Sizes::plan(*form, *memory, &cpus);

    let (mut loader, btf) = (EbpfLoader::new(), Btf::from_sys_fs());
    loader.btf(btf.as_ref().ok());
    let offsets = sockets.then(|| Types::of_kernel()?.offsets());
    for (map, entries) in sizes.elements(&cpus) {
        let is_left_out = match map {
            maps::EGRESS | maps::REMOTES => !egress,
            maps::CALLS | maps::SOCKETS | maps::ENDINGS | maps::ENDED => !matches!(offsets, Some(Ok(_))),
            _ => false,
        };
        if !is_left_out {
            loader.map_max_entries(map, entries);
        }
    }
    if let Some(Ok(offsets)) = &offsets {
        loader.override_global(maps::OFFSETS, offsets, true);
    }
    let events = match form {
        Form::Slots => *event_rate,
        Form::Hash => event_rate.saturating_mul(hash::PACE_MOST_OF_USUAL),
    };
    loader.map_max_entries(maps::EVENTS, capacity::ring(events));
    loader.override_global(maps::PARTS, parts, true);
    let object = object::inflate().context("inflating the kernel program")?;
    let mut ebpf = loader.load(bytemuck::cast_slice(&object)).map_err(|error| explain_load(error.into()))?;

    let (programs, facts) = load_programs(&mut ebpf, maps::programs(*form, *parts)).map_err(explain_load)?;
    let egress = egress.then(|| load_egress(&mut ebpf));
    let hooks = offsets.map(|offsets| {
        let loaded = offsets.and_then(|_| load_hooks(&mut ebpf, &btf?));
        loaded.map_err(|error| cause::told(&error))
    });
    let inventory = Inventory::of(&ebpf, *form, facts)?;
    Ok(Loaded { ebpf, programs, egress, hooks, inventory, sizes, cpus })
}

/// Loads the program as [`Xdp::open`] does, attaches it to nothing, and lets go of it. Returns how many sources it has
/// slots for.
///
/// # Errors
/// As for [`Xdp::open`].
pub fn try_load() -> Result<u64> {
    let event_rate = DEFAULT_EVENT_RATE;
    let Budget { maps: memory, .. } = Budget::now(None, event_rate)?;
    let loaded =
        load(&Options { memory, form: Form::Slots, event_rate, parts: Part::EVERY, egress: true, sockets: true })?;
    Ok(Capacity::keys(loaded.sizes.of_cpus().bits[Table::Sources as usize], &loaded.cpus))
}

fn map_of<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a MapData> {
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
    loaded.map_err(|error| cause::told(&explain_load(error)))
}

/// Loads the programs that count what calls on sockets move, and which connections end. Returns why some are missing, where the others
/// are loaded.
fn load_hooks(ebpf: &mut Ebpf, btf: &Btf) -> Result<Option<String>> {
    let mut missing = None;
    for (name, tracepoint) in maps::SOCKET_PROGRAMS {
        match at_tracepoint(ebpf, name)?.load(tracepoint, btf) {
            Ok(()) => {}
            Err(ProgramError::Btf(_)) => {
                missing.get_or_insert(format!("the kernel has no tracepoint {tracepoint}, which Linux 6.3 brought"));
            }
            Err(error) => return Err(explain_load(error.into())),
        }
    }
    Ok(missing)
}

/// Attaches those that are loaded, for as long as `ebpf` lives, after they were told where they count.
fn attach_hooks(ebpf: &mut Ebpf) -> Result<()> {
    for (name, tracepoint) in maps::SOCKET_PROGRAMS {
        let program = at_tracepoint(ebpf, name)?;
        if program.fd().is_ok() {
            program.attach().with_context(|| format!("attaching to the tracepoint {tracepoint}"))?;
        }
    }
    Ok(())
}

fn at_tracepoint<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut BtfTracePoint> {
    let program = ebpf.program_mut(name).ok_or_else(|| anyhow!("the object has no program {name}"))?;
    Ok(program.try_into()?)
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
