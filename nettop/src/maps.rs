//! What the kernel's maps hold, raw: as the program counted it, CPU by CPU.

use serde::Serialize;

/// Every map and program, at one instant.
#[derive(Clone, Debug, Serialize)]
pub struct Dump {
    /// What these numbers are: since when, and how sure.
    pub about: &'static str,
    /// When they were read, Unix nanoseconds.
    pub now_ns: u64,
    /// The set of totals and slots that is counted in: 0 or 1.
    pub set: u32,
    /// The programs.
    pub programs: Vec<Program>,
    /// The maps.
    pub maps: Vec<Map>,
}

/// A program in the kernel.
#[derive(Clone, Debug, Serialize)]
pub struct Program {
    /// Its name in the object.
    pub name: &'static str,
    /// The kernel's number of it.
    pub id: u32,
    /// Memory, bytes; 0: the kernel does not tell.
    pub memory: u64,
    /// Runs that the kernel measured; 0 unless somebody asked it to.
    pub runs: u64,
    /// Nanoseconds they took.
    pub run_ns: u64,
}

/// A map in the kernel.
#[derive(Clone, Debug, Serialize)]
pub struct Map {
    /// What the kernel says of it.
    #[serde(flatten)]
    pub facts: Facts,
    /// What of its room is in use; `None`: that is not counted.
    pub fill: Option<Fill>,
    /// What the numbers of a row are, in order.
    pub counters: Vec<String>,
    /// What it holds, what has the most packets first; nothing where every number is zero.
    pub rows: Vec<Row>,
    /// Rows that were left out.
    pub rows_left_out: u64,
}

/// What the kernel says of a map.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// Its name in the object.
    pub name: String,
    /// The map that it is a part of, and whose memory and number it shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_of: Option<&'static str>,
    /// The kernel's number of it.
    pub id: u32,
    /// What kind of map.
    pub kind: &'static str,
    /// Elements it has room for; of a ring buffer, bytes.
    pub capacity: u32,
    /// Bytes of an element.
    pub value_size: u32,
    /// Memory, bytes.
    pub memory: u64,
}

/// How much is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fill {
    /// In use.
    pub used: u64,
    /// Of so many.
    pub of: u64,
}

/// What was counted for one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// An address, a port, …
    pub key: String,
    /// Over all CPUs.
    pub sum: Vec<u64>,
    /// By CPU, in order of their numbers.
    pub cpus: Vec<Vec<u64>>,
}

impl Map {
    /// One of these facts, and nothing in it.
    pub fn empty(facts: Facts) -> Self {
        Self { facts, fill: None, counters: Vec::new(), rows: Vec::new(), rows_left_out: 0 }
    }
}
