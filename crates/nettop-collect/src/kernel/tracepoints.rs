//! The programs that read the kernel's own structures, or have its names for something: those at tracepoints, and the one that runs through
//! open files. They are found, and find their fields, by the types of the running kernel (BTF).

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, Iter, ProgramError},
};
use nettop_common::{maps, sockets::Offsets};
use nettop_process::cause;

use super::{
    btf::Types,
    calls::Hooks,
    capacity::{Capacity, CpuList},
    drops::{Drops, ReasonNames},
    load::{Options, map_of},
    open_files::OpenFiles,
    unloadable::explain,
};

/// What counts at the tracepoints of sockets, and why a part of it is missing; or why all of it is.
pub type SocketHooks = Result<(Hooks, Option<String>), String>;

/// The kernel's types: as the loader of programs wants them, and with what it does not tell.
pub struct KernelTypes {
    btf: Btf,
    types: Types,
}

impl KernelTypes {
    /// Those of the running kernel.
    ///
    /// # Errors
    /// Says in words why there are none.
    pub fn read() -> Result<Self, String> {
        // Ours first: its errors say what to do.
        let types = Types::of_kernel().map_err(|error| cause::told(&error))?;
        let btf = Btf::from_sys_fs().map_err(|error| cause::told(&error.into()))?;
        Ok(Self { btf, types })
    }

    /// Where the programs find their fields.
    ///
    /// # Errors
    /// As for [`Types::offsets`].
    pub fn offsets(&self) -> Result<Offsets> {
        self.types.offsets()
    }
}

/// Which of these programs are loaded; or why not. `None`: nobody wants them.
#[derive(Default)]
pub struct LoadedHooks {
    /// Those of sockets, and why some of them are missing.
    sockets: Option<Result<Option<String>, String>>,
    /// The one that tells which process has which socket open.
    open_files: Option<Result<(), String>>,
    /// The one that counts what is dropped, and what the reasons are called.
    drops: Option<Result<ReasonNames, String>>,
}

/// The same, attached, over their maps.
#[derive(Default)]
pub struct AttachedHooks {
    /// Those of sockets.
    pub sockets: Option<SocketHooks>,
    /// The one that tells which process has which socket open.
    pub open_files: Option<Result<OpenFiles, String>>,
    /// The one that counts what is dropped.
    pub drops: Option<Result<Drops, String>>,
}

impl LoadedHooks {
    /// Loads those that are wanted.
    pub fn load(ebpf: &mut Ebpf, types: &Result<KernelTypes, String>, options: &Options) -> Self {
        Self {
            sockets: options.sockets.then(|| load(types, |types| load_sockets(ebpf, types))),
            open_files: options.sockets.then(|| load(types, |types| load_open_files(ebpf, types))),
            drops: options.drops.then(|| load(types, |types| load_drops(ebpf, types))),
        }
    }

    /// Why some of them are missing, each reason once.
    pub fn problems(self) -> Vec<String> {
        let Self { sockets, open_files, drops } = self;
        let sockets = sockets.and_then(|loaded| loaded.unwrap_or_else(Some));
        let others = open_files.and_then(Result::err).into_iter().chain(drops.and_then(Result::err));
        let mut problems: Vec<_> = sockets.into_iter().chain(others).collect();
        problems.dedup();
        problems
    }

    /// Attaches them, for as long as `ebpf` lives, after they were told where they count.
    pub fn attach(self, ebpf: &mut Ebpf, capacity: Capacity, cpus: &CpuList) -> AttachedHooks {
        let Self { sockets, open_files, drops } = self;
        let sockets = sockets.map(|loaded| {
            let missing = loaded?;
            let hooks = Hooks::new(capacity, cpus, |name| map_of(ebpf, name));
            let attached = hooks.and_then(|hooks| attach(ebpf, &maps::SOCKET_PROGRAMS).map(|()| hooks));
            Ok((attached.map_err(|error| cause::told(&error))?, missing))
        });
        let drops = drops.map(|loaded| attach_drops(ebpf, cpus, loaded?).map_err(|error| cause::told(&error)));
        let open_files = open_files.map(|loaded| loaded.and_then(|()| link(ebpf).map_err(|error| cause::told(&error))));
        AttachedHooks { sockets, open_files, drops }
    }
}

fn load<T>(types: &Result<KernelTypes, String>, load: impl FnOnce(&KernelTypes) -> Result<T>) -> Result<T, String> {
    load(types.as_ref().map_err(String::clone)?).map_err(|error| cause::told(&error))
}

/// Loads the programs that count what calls on sockets move, and which connections end. Returns why some are missing, where the others
/// are loaded.
fn load_sockets(ebpf: &mut Ebpf, types: &KernelTypes) -> Result<Option<String>> {
    types.offsets()?;
    let mut missing = None;
    for (name, tracepoint) in maps::SOCKET_PROGRAMS {
        match at_tracepoint(ebpf, name)?.load(tracepoint, &types.btf) {
            Ok(()) => {}
            Err(ProgramError::Btf(_)) => {
                missing.get_or_insert(format!("the kernel has no tracepoint {tracepoint}, which Linux 6.3 brought"));
            }
            Err(error) => return Err(explain(error.into())),
        }
    }
    Ok(missing)
}

/// Loads the program that tells which process has which socket open.
fn load_open_files(ebpf: &mut Ebpf, types: &KernelTypes) -> Result<()> {
    let (name, over) = maps::OWNERS_PROGRAM;
    types.offsets()?;
    over_files(ebpf, name)?.load(over, &types.btf).map_err(|error| explain(error.into()))
}

fn link(ebpf: &mut Ebpf) -> Result<OpenFiles> {
    let program = over_files(ebpf, maps::OWNERS_PROGRAM.0)?.fd()?;
    OpenFiles::new(program.as_fd()).context("linking the program to open files")
}

fn over_files<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Iter> {
    let program = ebpf.program_mut(name).ok_or_else(|| anyhow!("the object has no program {name}"))?;
    Ok(program.try_into()?)
}

/// Loads the program that counts what is dropped; returns what the reasons are called.
fn load_drops(ebpf: &mut Ebpf, types: &KernelTypes) -> Result<ReasonNames> {
    let (name, tracepoint) = maps::DROPS_PROGRAM;
    let names = ReasonNames::of(&types.types)?;
    at_tracepoint(ebpf, name)?.load(tracepoint, &types.btf).map_err(|error| explain(error.into()))?;
    Ok(names)
}

fn attach_drops(ebpf: &mut Ebpf, cpus: &CpuList, names: ReasonNames) -> Result<Drops> {
    let program = at_tracepoint(ebpf, maps::DROPS_PROGRAM.0)?.fd()?.as_fd().try_clone_to_owned()?;
    let drops = Drops::new(map_of(ebpf, maps::DROPS)?, cpus, names, program)?;
    attach(ebpf, &[maps::DROPS_PROGRAM])?;
    Ok(drops)
}

/// Attaches those that are loaded.
fn attach(ebpf: &mut Ebpf, programs: &[(&str, &str)]) -> Result<()> {
    for (name, tracepoint) in programs {
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
