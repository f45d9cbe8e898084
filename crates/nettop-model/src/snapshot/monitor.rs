//! The monitor itself.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ExportRow, HookRow, InterfaceRow, Replay, SandboxLayer, names::Name};

/// The monitor itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Monitor {
    /// The interfaces that are watched, and how the program is attached to each.
    pub interfaces: Vec<InterfaceRow>,
    /// What does not work as it should, with the remedy.
    pub degraded: Vec<Degraded>,
    /// How far the replay is; `None`: the traffic is not from a capture file.
    pub replay: Option<Replay>,
    /// The state of event sampling.
    pub sampling: Sampling,
    /// Fill of the kernel's tables.
    pub maps: Vec<MapRow>,
    /// The monitor's own work.
    pub tick: Tick,
    /// Files that rows are appended to.
    pub exports: Vec<ExportRow>,
    /// What confines the monitor; empty before it has entered its sandbox.
    pub sandbox: Arc<[SandboxLayer]>,
    /// Commands that the operator has prepared.
    pub hooks: Arc<[HookRow]>,
    /// What the monitor itself costs.
    pub overhead: SelfStats,
}

/// Something that does not work as it should.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Degraded {
    /// What, in a word or two.
    pub badge: String,
    /// What: a few words.
    pub what: String,
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

/// The state of event sampling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// One packet in this many becomes an event; 0: none.
    pub weight: u32,
    /// Events so far.
    pub events: u64,
    /// Of those, lost because the ring buffer was full.
    pub lost: u64,
}

/// Fill of one of the kernel's tables at the newest reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapRow {
    /// What it holds: `sources`, `destinations`, `macs`; `log`: what had no slot, in units of 16 bytes, of the CPU with most.
    pub table: Name,
    /// Entries in use.
    pub entries: u64,
    /// Entries there is room for.
    pub capacity: u64,
}

/// The monitor's own work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tick {
    /// Ticks so far: the generation of this snapshot.
    pub count: u64,
    /// Seconds between ticks, as set.
    pub interval: f64,
    /// How long the newest one took, in milliseconds.
    pub took_ms: f64,
    /// Ticks that came later than a fifth of the interval.
    pub late: u64,
}

/// What the monitor itself costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SelfStats {
    /// CPU time of the last tick, of all its threads, as a share of one CPU: 1 is all of it.
    pub cpu: f64,
    /// Resident memory, bytes; what is mapped of the kernel's maps included.
    pub memory: u64,
    /// Memory of the kernel's maps, bytes; 0: there are none.
    pub kernel_memory: u64,
    /// How long the longest reading since the last tick took, in milliseconds: emptying the kernel's slots and entering what
    /// was in them.
    pub drain_ms: f64,
    /// How long the kernel program took per packet in the last tick, in nanoseconds; `None`: nobody measures it, or no packet
    /// came.
    pub packet_ns: Option<f64>,
    /// How to have it measured, where packets came and nobody did.
    pub packet_ns_hint: Option<Name>,
    /// Runs of the kernel program that were measured since it was loaded, and the nanoseconds they took.
    pub runs: u64,
    /// See `runs`.
    pub run_ns: u64,
}
