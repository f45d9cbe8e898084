//! The kernel programs at tracepoints, by themselves: loaded, and attached for as long as somebody wants.

use std::os::fd::{AsFd as _, OwnedFd};

use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::Map,
    programs::{BtfTracePoint, Iter, tp_btf::BtfTracePointLink},
};
use nettop_collect::kernel::{
    btf::Types,
    calls::{Counted, Hooks},
    capacity::{Capacity, CpuList},
    drops::{Drops, ReasonNames},
};
use nettop_common::maps;

use crate::kernel::OBJECT;

/// Those at tracepoints: of sockets, and the one that counts what is dropped.
const PROGRAMS: [(&str, &str); 5] = {
    let [sent, received, state, ended] = maps::SOCKET_PROGRAMS;
    [sent, received, state, ended, maps::DROPS_PROGRAM]
};

/// Programs count for as long as this is held.
pub type Attached = Vec<BtfTracePointLink>;

/// All of them and their maps.
pub struct Tracepoints {
    ebpf: Ebpf,
    hooks: Hooks,
    drops: Drops,
}

impl Tracepoints {
    /// Loads the committed object, as nettop does, with maps of that size.
    pub fn load(capacity: Capacity) -> Self {
        let cpus = CpuList::current().expect("the list of CPUs");
        let btf = Btf::from_sys_fs().expect("the types of the kernel");
        let types = Types::of_kernel().expect("what the kernel tells of its types");
        let offsets = types.offsets().expect("where the fields are");
        let mut loader = EbpfLoader::new();
        loader.btf(Some(&btf)).override_global(maps::OFFSETS, &offsets, true);
        let ours = [maps::CALLS, maps::SOCKETS, maps::ENDINGS, maps::ENDED, maps::DROPS];
        for (map, entries) in capacity.elements(&cpus).into_iter().filter(|(map, _)| ours.contains(map)) {
            loader.map_max_entries(map, entries);
        }
        let mut ebpf = loader.load(OBJECT).expect("the object loads");
        for (name, tracepoint) in PROGRAMS {
            let program = program(&mut ebpf, name);
            program.load(tracepoint, &btf).unwrap_or_else(|error| panic!("the verifier refuses {name}: {error:#?}"));
        }
        let (name, over) = maps::OWNERS_PROGRAM;
        let owners: &mut Iter = ebpf.program_mut(name).expect("it is in the object").try_into().expect("an iterator");
        owners.load(over, &btf).unwrap_or_else(|error| panic!("the verifier refuses {name}: {error:#?}"));
        let map = |name: &str| match ebpf.map(name) {
            Some(Map::Array(map)) => Ok(map),
            _ => panic!("an array {name}"),
        };
        let hooks = Hooks::new(capacity, &cpus, map).expect("mapping what calls move");
        let names = ReasonNames::of(&types).expect("the names of reasons");
        let counts: &BtfTracePoint =
            ebpf.program(maps::DROPS_PROGRAM.0).expect("it is in the object").try_into().expect("a tracepoint");
        let counts = counts.fd().expect("it is loaded").as_fd().try_clone_to_owned().expect("another descriptor");
        let drops =
            Drops::new(map(maps::DROPS).expect("an array"), &cpus, names, counts).expect("mapping what is dropped");
        Self { ebpf, hooks, drops }
    }

    /// Attaches those of sockets, until what is returned is dropped.
    pub fn attach(&mut self) -> Attached {
        maps::SOCKET_PROGRAMS.map(|(name, _)| attach(&mut self.ebpf, name)).into()
    }

    /// Attaches the one that counts what is dropped, until what is returned is.
    pub fn attach_drops(&mut self) -> Attached {
        vec![attach(&mut self.ebpf, maps::DROPS_PROGRAM.0)]
    }

    /// How many instructions the verifier looked at in each of them, by their names.
    pub fn verified(&self) -> Vec<(&'static str, u32)> {
        let verified = |(name, _): (&'static str, &str)| {
            let info = self.ebpf.program(name).expect("the program is in the object").info();
            let info = info.expect("what the kernel says of a loaded program");
            (name, info.verified_instruction_count().expect("a number, since Linux 5.16"))
        };
        PROGRAMS.into_iter().chain([maps::OWNERS_PROGRAM]).map(verified).collect()
    }

    /// The loaded program that tells of open files.
    pub fn owners(&self) -> OwnedFd {
        let program = self.ebpf.program(maps::OWNERS_PROGRAM.0).expect("it is in the object");
        let owners: &Iter = program.try_into().expect("an iterator");
        owners.fd().expect("it is loaded").as_fd().try_clone_to_owned().expect("another descriptor")
    }

    /// What was counted since the last time.
    pub fn read(&mut self) -> Counted {
        self.hooks.read()
    }

    /// How many packets were dropped while that was counted.
    pub fn dropped(&self) -> u64 {
        self.drops.read().seen
    }
}

fn attach(ebpf: &mut Ebpf, name: &str) -> BtfTracePointLink {
    let program = program(ebpf, name);
    program.attach().and_then(|id| program.take_link(id)).expect("attaching")
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut BtfTracePoint {
    ebpf.program_mut(name).expect("the program is in the object").try_into().expect("a program at a tracepoint")
}
