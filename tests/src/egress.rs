//! The kernel programs that count what is sent, by themselves: loaded, attached to nothing, fed with frames by `BPF_PROG_TEST_RUN`.

use std::os::fd::{AsFd as _, OwnedFd};

use aya::{Ebpf, EbpfLoader, maps::Map, programs::SchedClassifier};
use nettop_collect::{
    kernel::{
        capacity::{Capacity, CpuList},
        egress::Egress,
    },
    reading::Reading,
};
use nettop_common::{LinkLayer, maps};
use nettop_model::clock::Moment;

use crate::kernel::OBJECT;

/// Both programs and their maps.
pub struct EgressPrograms {
    ebpf: Ebpf,
    egress: Egress,
    bank: u32,
}

impl EgressPrograms {
    /// Loads the committed object, as nettop does.
    pub fn load(capacity: Capacity) -> Self {
        let cpus = CpuList::current().expect("the list of CPUs");
        let mut loader = EbpfLoader::new();
        let elements = capacity.elements(&cpus);
        for (map, entries) in elements.into_iter().filter(|(map, _)| [maps::EGRESS, maps::REMOTES].contains(map)) {
            loader.map_max_entries(map, entries);
        }
        let mut ebpf = loader.load(OBJECT).expect("the object loads");
        for name in maps::EGRESS_PROGRAMS {
            program(&mut ebpf, name).load().unwrap_or_else(|error| panic!("the verifier refuses {name}: {error:#?}"));
        }
        let map = |name: &str| match ebpf.map(name) {
            Some(Map::Array(map)) => Ok(map),
            _ => panic!("an array {name}"),
        };
        let egress = Egress::new(capacity, &cpus, map).expect("mapping what is sent");
        Self { ebpf, egress, bank: 0 }
    }

    /// The loaded program.
    pub fn program(&mut self, link: LinkLayer) -> OwnedFd {
        let [ethernet, raw_ip] = maps::EGRESS_PROGRAMS;
        let name = match link {
            LinkLayer::Ethernet => ethernet,
            LinkLayer::RawIp => raw_ip,
        };
        let fd = program(&mut self.ebpf, name).fd().expect("the program is loaded");
        fd.as_fd().try_clone_to_owned().expect("duplicating a descriptor")
    }

    /// How many instructions the verifier looked at in each of them, by their names.
    pub fn verified(&mut self) -> Vec<(&'static str, u32)> {
        let verified = |name: &'static str| {
            let info = program(&mut self.ebpf, name).info().expect("what the kernel says of a loaded program");
            (name, info.verified_instruction_count().expect("a number, since Linux 5.16"))
        };
        maps::EGRESS_PROGRAMS.into_iter().map(verified).collect()
    }

    /// What was counted since the last time.
    pub fn read(&mut self) -> Reading {
        let (idle, mut reading) = (self.bank, Reading::new(Moment::default()));
        self.bank = 1 - idle;
        self.egress.set_bank(self.bank);
        self.egress.read(idle, &mut reading);
        reading
    }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut SchedClassifier {
    ebpf.program_mut(name).expect("the program is in the object").try_into().expect("a classifier")
}
