//! How the monitor itself is.

use nettop_common::counters::Table;
use serde::Serialize;

use super::json::table_label;

/// Something that does not work as it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Degraded {
    /// What: a few words.
    pub what: String,
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

/// The state of event sampling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sampling {
    /// One packet in this many becomes an event; 0: none.
    pub weight: u32,
    /// Events so far.
    pub events: u64,
    /// Of those, lost because the ring buffer was full.
    pub lost: u64,
}

/// Fill of one of the kernel's tables at the newest reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MapRow {
    /// Which.
    #[serde(serialize_with = "table_label")]
    pub table: Table,
    /// Entries in use.
    pub entries: u64,
    /// Entries there is room for.
    pub capacity: u64,
}

/// The monitor's own work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
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
