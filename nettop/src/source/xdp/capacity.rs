//! How large the kernel's maps are: from a memory budget and the number of possible CPUs.

use std::{fs, mem};

use nettop_common::{SourceCounters, Tally};

/// More entries than this make ticks long (11 ms of reading per 65,536) and packets slow (cache misses), and gain little:
/// the ledger remembers what the map has lost.
const MOST_SOURCES: u64 = 65_536;
const LEAST_ENTRIES: u64 = 1024;
/// Memory of a preallocated hash entry beside its values, bytes: measured, key of 16 bytes.
const ENTRY_OVERHEAD: u64 = 88;
/// The largest budget taken unless asked for: more than this a monitor should not cost.
const MOST_MEMORY: u64 = 256 << 20;

/// Sizes of what is allocated in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Entries of the map of sources.
    pub sources: u32,
    /// Entries of the map of destinations.
    pub destinations: u32,
    /// Entries of the map of MAC pairs.
    pub macs: u32,
    /// Bytes of the ring buffer.
    pub ring: u32,
}

impl Capacity {
    /// From a budget in bytes and the number of possible CPUs, each of which has its own value in every entry.
    /// Three quarters go to the sources.
    pub fn plan(budget: u64, cpus: usize) -> Self {
        let entries = |share: u64, value: usize, most: u64| {
            let entry = ENTRY_OVERHEAD + cpus as u64 * value as u64;
            (share / entry).clamp(LEAST_ENTRIES, most) as u32
        };
        Self {
            sources: entries(budget / 4 * 3, size_of::<SourceCounters>(), MOST_SOURCES),
            destinations: entries(budget / 16 * 3, size_of::<Tally>(), MOST_SOURCES),
            macs: entries(budget / 16, size_of::<Tally>(), MOST_SOURCES / 4),
            ring: 4 << 20,
        }
    }
}

/// The budget unless the user sets one: 1/128 of the memory, at most 256 MiB.
pub fn default_budget() -> u64 {
    // SAFETY: plain integers, for which zero is valid; sysinfo fills them in.
    let memory = unsafe {
        let mut info: libc::sysinfo = mem::zeroed();
        libc::sysinfo(&raw mut info);
        info.totalram * u64::from(info.mem_unit)
    };
    (memory / 128).min(MOST_MEMORY)
}

/// One more than the highest possible CPU number: what arrays indexed by CPU need, even where numbers are left out.
pub fn cpu_slots(cpus: usize) -> usize {
    let highest = fs::read_to_string("/sys/devices/system/cpu/possible")
        .ok()
        .and_then(|list| list.trim().rsplit([',', '-']).next()?.parse::<usize>().ok());
    highest.map_or(cpus, |highest| cpus.max(highest + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_cpus_mean_fewer_entries_for_the_same_memory() {
        let small = Capacity::plan(64 << 20, 2);
        let large = Capacity::plan(64 << 20, 64);
        assert_eq!(small.sources, 65_536);
        assert_eq!(large.sources, (48 << 20) / (88 + 64 * 48));
        assert!(large.destinations < small.destinations);
    }

    #[test]
    fn a_tiny_budget_still_works() {
        assert_eq!(Capacity::plan(0, 1024).sources, 1024);
    }
}
