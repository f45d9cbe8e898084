//! What the kernel's maps hold, raw: as the program counted it, CPU by CPU.

use std::{fmt, ops::Range, sync::Arc};

use anyhow::Result;
use serde::{Serialize, Serializer};

/// Every map and program, at one instant.
#[derive(Clone, Debug, Serialize)]
pub struct Dump {
    /// What these numbers are: since when, and how sure.
    pub about: String,
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
    pub rows: KeyRows,
    /// Rows that were left out, by the limit or because there was no room for more; in the latter case, one that was left out
    /// on several CPUs counts several times.
    pub rows_left_out: u64,
    /// Their packets.
    pub packets_left_out: u64,
    /// CPUs that were not read any more because it took too long.
    pub cpus_left_out: u64,
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

/// What was counted for keys. By CPU only what is not zero is held: as JSON, each row has a list for every CPU.
#[derive(Clone, Debug)]
pub struct KeyRows {
    /// How a key is written: an address, a port, …
    label: fn(RawKey) -> String,
    /// Counters of a key.
    width: usize,
    cpus: usize,
    rows: Vec<(RawKey, Range<usize>)>,
    /// `width` numbers for each row: over all CPUs.
    sums: Vec<u64>,
    /// CPUs in the order of their numbers, and `width` numbers for each of them.
    parts: Vec<u32>,
    numbers: Vec<u64>,
}

/// A key as the kernel program has it, or a number in place of one.
pub type RawKey = [u64; 2];

impl KeyRows {
    /// None, of so many counters on so many CPUs.
    pub fn new(label: fn(RawKey) -> String, width: usize, cpus: usize) -> Self {
        let (rows, sums, parts, numbers) = Default::default();
        Self { label, width, cpus, rows, sums, parts, numbers }
    }

    /// Adds one: its counters over all CPUs, and by CPU.
    pub fn push(&mut self, key: RawKey, sum: &[u64], cpus: impl Iterator<Item = (u32, Vec<u64>)>) {
        let first = self.parts.len();
        self.sums.extend(sum.iter().take(self.width));
        for (cpu, numbers) in cpus {
            self.parts.push(cpu);
            self.numbers.extend(numbers.iter().take(self.width));
        }
        self.rows.push((key, first..self.parts.len()));
    }
}

impl Serialize for KeyRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// What was counted for one key.
        #[derive(Serialize)]
        struct Row<'a> {
            key: String,
            sum: &'a [u64],
            cpus: Vec<&'a [u64]>,
        }
        let zeros = vec![0; self.width];
        serializer.collect_seq(self.rows.iter().enumerate().map(|(at, (key, parts))| {
            let mut cpus = vec![&*zeros; self.cpus];
            for part in parts.clone() {
                if let Some(numbers) = cpus.get_mut(self.parts[part] as usize) {
                    *numbers = &self.numbers[part * self.width..(part + 1) * self.width];
                }
            }
            Row { key: (self.label)(*key), sum: &self.sums[at * self.width..(at + 1) * self.width], cpus }
        }))
    }
}

impl Map {
    /// One of these facts, and nothing in it.
    pub fn empty(facts: Facts) -> Self {
        let rows = KeyRows::new(|_| String::new(), 0, 0);
        let (fill, counters) = (None, Vec::new());
        Self { facts, fill, counters, rows, rows_left_out: 0, packets_left_out: 0, cpus_left_out: 0 }
    }
}

/// Reads the maps on any thread, while the program counts and the monitor goes on.
#[derive(Clone)]
pub struct Reader(Arc<dyn Fn(usize) -> Result<Dump> + Send + Sync>);

impl Reader {
    /// One that reads so many (0: all) rows of each map.
    pub fn new(read: impl Fn(usize) -> Result<Dump> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Reads at most `limit` (0: all) rows of each map. It may take seconds.
    ///
    /// # Errors
    /// The kernel does not let them be mapped.
    pub fn read(&self, limit: usize) -> Result<Dump> {
        (self.0)(limit)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}
