//! What the host itself counts, beside nettop: every interface in both directions, the protocols' counters of `/proc/net`, the
//! CPUs' time and the memory; and its neighbours. All of it is cumulative since the host was started, but for what is a level.

mod counters;
mod interfaces;
mod neighbours;
mod procfs;
pub mod reading;

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use nettop_model::clock::Moment;

use self::procfs::Procfs;
pub use self::{
    counters::{COUNTERS, Counter},
    interfaces::{Direction, LinkCounters},
    neighbours::NeighbourEntry,
    reading::{CpuTime, HostReading, Memory},
};
use crate::{
    collector::{Collector, Reading},
    netlink::routes,
};

/// How often the host is asked.
const PACE: Duration = Duration::from_secs(1);
/// And for its gateways: that is a question for each public address and own one.
const GATEWAYS: Duration = Duration::from_secs(10);

/// Reads it.
pub struct Host {
    procfs: Procfs,
    speeds: interfaces::Speeds,
    neighbours: neighbours::NeighbourList,
    /// Gateways on the way to public addresses, and when they are looked for again.
    gateways: (Vec<IpAddr>, Option<Instant>),
}

impl Host {
    /// Opens what is read: to be called before the sandbox is entered.
    pub fn open() -> Self {
        Self {
            procfs: Procfs::open(),
            speeds: interfaces::Speeds::default(),
            neighbours: neighbours::NeighbourList::open(),
            gateways: (Vec::new(), None),
        }
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
        match self.neighbours.read(&reading.interfaces) {
            Ok((neighbours, left_out)) => (reading.neighbours, reading.neighbours_left_out) = (neighbours, left_out),
            Err(error) => reading.problems.push(format!("the neighbours: {error}")),
        }
        let (gateways, due) = &mut self.gateways;
        if due.is_none_or(|due| Instant::now() >= due) {
            *due = Some(Instant::now() + GATEWAYS);
            match routes::gateways() {
                Ok(found) => *gateways = found.into_iter().collect(),
                Err(error) => reading.problems.push(format!("the default gateways: {error}")),
            }
        }
        reading.gateways.clone_from(gateways);
        self.procfs.read(&mut reading);
        Reading::Host(Box::new(reading))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_tells_what_it_counts() {
        let Reading::Host(reading) = Host::open().collect() else { panic!("no reading of the host") };
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
