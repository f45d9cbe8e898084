//! How large the kernel's maps are: from a memory budget and the number of possible CPUs.

use std::{fs, mem};

use nettop_common::{
    Event, SourceCounters, Tally,
    slots::{self, MOST_BITS, SETS, Slot, WAYS},
};

const LEAST_BITS: u32 = 3;
/// The largest budget taken unless asked for: more than this a monitor should not cost.
const MOST_MEMORY: u64 = 256 << 20;

/// Sizes of what is allocated in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// log₂ of the buckets of one CPU in one set, by [`Table`](nettop_common::counters::Table).
    pub bits: [u32; 3],
}

impl Capacity {
    /// From a budget in bytes and the number of possible CPUs, each of which has its own slots.
    /// Three quarters go to the sources.
    pub fn plan(budget: u64, cpus: usize) -> Self {
        let bits = |share: u64, slot: usize, most: u32| {
            let buckets = share / (cpus.max(1) as u64 * u64::from(SETS) * (WAYS * slot) as u64);
            buckets.checked_ilog2().unwrap_or(0).clamp(LEAST_BITS, most)
        };
        let [sources, destinations, macs] = MOST_BITS;
        Self {
            bits: [
                bits(budget / 4 * 3, size_of::<Slot<SourceCounters>>(), sources),
                bits(budget / 8, size_of::<Slot<Tally>>(), destinations),
                bits(budget / 16, size_of::<Slot<Tally>>(), macs),
            ],
        }
    }

    /// How many slots an array for so many CPUs has.
    pub fn slots(bits: u32, cpus: usize) -> u32 {
        slots::index(cpus as u32, 0, bits, 0)
    }

    /// How many keys find a slot between two readings, by all CPUs.
    pub fn keys(bits: u32, cpus: usize) -> u64 {
        (cpus * WAYS) as u64 * (1 << bits)
    }
}

/// Bytes of the ring buffer for so many events per second: room for four readings, and for a flood's first instant. All of it is
/// resident, twice.
pub fn ring(event_rate: u32) -> u32 {
    const HEADER: u64 = 8; // BPF_RINGBUF_HDR_SZ (linux/bpf.h)
    let bytes = u64::from(event_rate) * (size_of::<Event>() as u64 + HEADER) * 4 / 10;
    (bytes as u32).next_power_of_two().clamp(1 << 20, 16 << 20)
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
pub fn numbered_cpus(cpus: usize) -> usize {
    let highest = fs::read_to_string("/sys/devices/system/cpu/possible")
        .ok()
        .and_then(|list| list.trim().rsplit([',', '-']).next()?.parse::<usize>().ok());
    highest.map_or(cpus, |highest| cpus.max(highest + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_cpus_mean_fewer_slots_for_the_same_memory() {
        let bytes = |capacity: Capacity, cpus| {
            let [sources, destinations, macs] = capacity.bits.map(|bits| u64::from(Capacity::slots(bits, cpus)));
            sources * 64 + (destinations + macs) * 32
        };
        for (budget, cpus) in [(64, 2), (64, 64), (256, 512)] {
            let capacity = Capacity::plan(budget << 20, cpus);
            assert!(bytes(capacity, cpus) <= budget << 20, "{budget} MiB, {cpus} CPUs: {capacity:?}");
        }
        assert_eq!(Capacity::plan(64 << 20, 2).bits, [13, 11, 11]);
        assert!(Capacity::plan(64 << 20, 64).bits[0] < 13);
    }

    #[test]
    fn a_tiny_budget_still_works() {
        assert_eq!(Capacity::plan(0, 1024).bits, [3; 3]);
    }
}
