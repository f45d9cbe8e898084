//! What the host counted, as it was read at one instant.

use std::net::IpAddr;

use nettop_model::clock::Moment;
use serde::{Deserialize, Serialize};

use super::{LinkCounters, NeighbourEntry};

/// What was read at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostReading {
    /// When.
    pub at: Moment,
    /// Every interface of this network namespace, in the kernel's order.
    pub interfaces: Vec<LinkCounters>,
    /// The values of [`COUNTERS`](super::COUNTERS), in their order; `None`: this kernel does not count it.
    pub counters: Vec<Option<u64>>,
    /// By CPU, in the order of their numbers; a CPU that is offline is missing.
    pub cpus: Vec<CpuTime>,
    /// Memory of the host, bytes.
    pub memory: Memory,
    /// Neighbours of this network namespace, in the kernel's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<NeighbourEntry>,
    /// How many more there are, for which there was no room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub neighbours_left_out: u64,
    /// Gateways on the way to public addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<IpAddr>,
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

fn is_zero(number: &u64) -> bool {
    *number == 0
}
