//! How large the kernel's maps are: from a memory budget and the number of possible CPUs.

use std::fs;

use anyhow::{Error, Result};
use nettop_common::{
    Event, PacketsBytes, SourceCounters,
    slots::{self, BANKS, MOST_BITS, Slot, WAYS},
};

const LEAST_BITS: u32 = 3;

/// Sizes of what is allocated in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// log₂ of the buckets of one CPU in one bank, by [`Table`](nettop_common::counters::Table).
    pub bits: [u32; 3],
}

impl Capacity {
    /// From a budget in bytes and the number of possible CPUs, each of which has its own slots.
    /// Three quarters go to the sources.
    pub fn plan(budget: u64, cpus: usize) -> Self {
        let bits = |share: u64, slot: usize, most: u32| {
            let buckets = share / (cpus.max(1) as u64 * u64::from(BANKS) * (WAYS * slot) as u64);
            buckets.checked_ilog2().unwrap_or(0).clamp(LEAST_BITS, most)
        };
        let [sources, destinations, macs] = MOST_BITS;
        Self {
            bits: [
                bits(budget / 4 * 3, size_of::<Slot<SourceCounters>>(), sources),
                bits(budget / 8, size_of::<Slot<PacketsBytes>>(), destinations),
                bits(budget / 16, size_of::<Slot<PacketsBytes>>(), macs),
            ],
        }
    }

    /// How many slots an array for so many CPUs has.
    pub fn slots(bits: u32, cpus: usize) -> u32 {
        slots::index(cpus as u32, 0, bits, 0)
    }

    /// Bytes that the slots take.
    pub fn bytes(self, cpus: usize) -> u64 {
        let sizes =
            [size_of::<Slot<SourceCounters>>(), size_of::<Slot<PacketsBytes>>(), size_of::<Slot<PacketsBytes>>()];
        self.bits.iter().zip(sizes).map(|(bits, size)| u64::from(Self::slots(*bits, cpus)) * size as u64).sum()
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

/// CPUs there must be parts of the maps for.
///
/// # Errors
/// The kernel does not tell.
pub fn cpus() -> Result<usize> {
    let possible =
        aya::util::nr_cpus().map_err(|(path, error)| Error::from(error).context(format!("reading {path}")))?;
    Ok(numbered_cpus(possible))
}

/// One more than the highest possible CPU number: what arrays indexed by CPU need, even where numbers are left out.
fn numbered_cpus(cpus: usize) -> usize {
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
        for (budget, cpus) in [(64, 2), (64, 64), (256, 512)] {
            let capacity = Capacity::plan(budget << 20, cpus);
            assert!(capacity.bytes(cpus) <= budget << 20, "{budget} MiB, {cpus} CPUs: {capacity:?}");
        }
        assert_eq!(Capacity::plan(64 << 20, 2).bits, [13, 11, 11]);
        assert_eq!(Capacity { bits: [13, 11, 11] }.bytes(2), 20 << 20);
        assert!(Capacity::plan(64 << 20, 64).bits[0] < 13);
    }

    #[test]
    fn a_tiny_budget_still_works() {
        assert_eq!(Capacity::plan(0, 1024).bits, [3; 3]);
    }
}
