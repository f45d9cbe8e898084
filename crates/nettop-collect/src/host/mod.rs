//! What the host itself counts, beside nettop: every interface in both directions, the protocols' counters of `/proc/net`, the
//! CPUs' time and the memory. All of it is cumulative since the host was started, but for what is a level.

mod counters;
mod interfaces;
mod procfs;

use std::time::Duration;

use nettop_model::clock::Moment;
use serde::{Deserialize, Serialize};

use self::procfs::Procfs;
pub use self::{
    counters::{COUNTERS, Counter},
    interfaces::{Direction, LinkCounters},
};
use crate::collector::{Collector, Reading};

/// How often the host is asked.
const PACE: Duration = Duration::from_secs(1);

/// What was read at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostReading {
    /// When.
    pub at: Moment,
    /// Every interface of this network namespace, in the kernel's order.
    pub interfaces: Vec<LinkCounters>,
    /// The values of [`COUNTERS`], in their order; `None`: this kernel does not count it.
    pub counters: Vec<Option<u64>>,
    /// By CPU, in the order of their numbers; a CPU that is offline is missing.
    pub cpus: Vec<CpuTime>,
    /// Memory of the host, bytes.
    pub memory: Memory,
    /// What could not be read, and why, in words.
    pub problems: Vec<String>,
}

/// For how long a CPU did what, in ticks of the clock (`USER_HZ`, 1/100 s).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTime {
    /// Anything at all, idling included.
    pub all: u64,
    /// Nothing: idle, or waiting for a disk.
    pub idle: u64,
    /// Soft interrupts, which is where packets are received.
    pub softirq: u64,
}

/// Memory, as `/proc/meminfo` has it, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// All there is.
    pub total: u64,
    /// What could be had without swapping.
    pub available: u64,
}

/// Reads it.
pub struct Host {
    procfs: Procfs,
    speeds: interfaces::Speeds,
}

impl Host {
    /// Opens what is read: to be called before the sandbox is entered.
    pub fn open() -> Self {
        Self { procfs: Procfs::open(), speeds: interfaces::Speeds::default() }
    }
}

impl Collector for Host {
    fn name(&self) -> &'static str {
        "host counters"
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn collect(&mut self) -> Reading {
        let mut reading = HostReading { at: Moment::now(), ..HostReading::default() };
        match interfaces::read(&mut self.speeds) {
            Ok(interfaces) => reading.interfaces = interfaces,
            Err(error) => reading.problems.push(format!("the counters of interfaces: {error}")),
        }
        self.procfs.read(&mut reading);
        Reading::Host(Box::new(reading))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_tells_what_it_counts() {
        let Reading::Host(reading) = Host::open().collect();
        let loopback = reading.interfaces.iter().find(|interface| interface.name == "lo").expect("the loopback");
        assert_eq!((loopback.index, loopback.loopback), (1, true));
        assert!(loopback.receive.packets == loopback.transmit.packets, "{loopback:?}");
        assert_eq!(reading.counters.len(), COUNTERS.len());
        // Kernels before 5.18 lack some.
        let known = reading.counters.iter().flatten().count();
        assert!(known + 6 >= COUNTERS.len(), "{:?}", reading.counters);
        assert!(!reading.cpus.is_empty() && reading.cpus.iter().all(|cpu| cpu.all >= cpu.idle + cpu.softirq));
        assert!(reading.memory.total >= reading.memory.available && reading.memory.available > 1 << 20);
        assert_eq!(reading.problems, Vec::<String>::new());
    }
}
