//! What the host itself counts, beside nettop.

use serde::{Deserialize, Serialize};

use super::{
    json::{as_map, from_map},
    names::Name,
};

/// The host's own counters, at one instant. Totals are since the host, or the interface, was started; rates are over the time
/// since the reading before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// When it was read, Unix nanoseconds.
    pub at_ns: u64,
    /// Seconds that the rates are over; 0: this is the first reading, and there are none.
    pub seconds: f64,
    /// Interfaces of the network namespace, the busiest first.
    pub interfaces: Vec<HostInterface>,
    /// Interfaces that the list had no room for.
    pub interfaces_left_out: u64,
    /// The kernel's counters by their names, as nstat(8) has them; what this kernel does not count is missing.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub counters: Vec<(Name, HostCounter)>,
    /// Packets and connections that the host itself lost in the last minute, by the counter that counted them.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub lost_60s: Vec<(Name, u64)>,
    /// What the CPUs do.
    pub cpu: HostCpu,
    /// Memory.
    pub memory: HostMemory,
}

/// One of the kernel's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostCounter {
    /// Since the host was started.
    pub total: u64,
    /// Per second.
    pub rate: f64,
}

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostInterface {
    /// Its name.
    pub name: String,
    /// What its driver calls its kind: `bridge`, `veth`; empty for most hardware.
    pub kind: String,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether there is a carrier.
    pub carrier: bool,
    /// Speed of its link, Mbit/s; `None`: it has none, or does not tell.
    pub speed_mbit: Option<u32>,
    /// Maximum transmission unit, bytes.
    pub mtu: u32,
    /// What it receives.
    pub rx: HostDirection,
    /// What it sends.
    pub tx: HostDirection,
    /// Collisions, which only half-duplex links have.
    pub collisions: u64,
}

/// One direction of an interface, as it counts itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostDirection {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets with an error.
    pub errors: u64,
    /// Packets dropped with nothing wrong about them.
    pub dropped: u64,
    /// Received packets that the device had no buffer for; in none of the others.
    pub missed: u64,
    /// Packets per second.
    pub pps: f64,
    /// Bytes per second.
    pub bps: f64,
}

/// What the CPUs do, as shares: 1 is all of their time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostCpu {
    /// CPUs that are online.
    pub cpus: u32,
    /// Not idle, of all CPUs.
    pub busy: f64,
    /// In soft interrupts, where packets are received, of all CPUs.
    pub softirq: f64,
    /// In soft interrupts, of the CPU that spends most of its time there.
    pub softirq_most: f64,
}

/// Memory of the host, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostMemory {
    /// All there is.
    pub total: u64,
    /// What could be had without swapping.
    pub available: u64,
}
