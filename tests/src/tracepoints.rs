//! The kernel programs at tracepoints, by themselves: loaded, and attached for as long as somebody wants.

use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::Map,
    programs::{BtfTracePoint, Iter, tp_btf::BtfTracePointLink},
};
use nettop_collect::kernel::{
    btf::Types,
    calls::{Counted, Hooks},
    capacity::{Capacity, CpuList},
};
use nettop_common::maps;

use crate::kernel::OBJECT;

/// Those at tracepoints: of sockets, and the one that counts what is dropped.
const PROGRAMS: [(&str, &str); 5] = {
    let [sent, received, state, ended] = maps::SOCKET_PROGRAMS;
    [sent, received, state, ended, maps::DROPS_PROGRAM]
};

/// All of them and their maps.
pub struct Tracepoints {
    ebpf: Ebpf,
    hooks: Hooks,
}

impl Tracepoints {
    /// Loads the committed object, as nettop does, with maps of that size.
    pub fn load(capacity: Capacity) -> Self {
        let cpus = CpuList::current().expect("the list of CPUs");
        let btf = Btf::from_sys_fs().expect("the types of the kernel");
        let offsets = Types::of_kernel().and_then(|types| types.offsets()).expect("where the fields are");
        let mut loader = EbpfLoader::new();
        loader.btf(Some(&btf)).override_global(maps::OFFSETS, &offsets, true);
        let ours = [maps::CALLS, maps::SOCKETS, maps::ENDINGS, maps::ENDED];
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
        Self { ebpf, hooks }
    }

    /// Attaches those of sockets, until what is returned is dropped.
    pub fn attach(&mut self) -> Vec<BtfTracePointLink> {
        let attach = |(name, _): (&str, &str)| {
            let program = program(&mut self.ebpf, name);
            program.attach().and_then(|id| program.take_link(id)).expect("attaching")
        };
        maps::SOCKET_PROGRAMS.into_iter().map(attach).collect()
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

    /// What was counted since the last time.
    pub fn read(&mut self) -> Counted {
        self.hooks.read()
    }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut BtfTracePoint {
    ebpf.program_mut(name).expect("the program is in the object").try_into().expect("a program at a tracepoint")
}
