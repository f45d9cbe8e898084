//! Every map, nothing else. Sizes here are the smallest that load; user space sets the real ones.
//!
//! The arrays are plain and memory-mapped rather than per-CPU: element `cpu × n + i` belongs to one CPU, so that counting
//! needs no atomics and reading needs no system call.

use aya_ebpf::{
    Global,
    macros::map,
    maps::{Array, RingBuf},
};
use nettop_common::{
    Config, Filter, SourceCounters, Tally, Totals,
    counters::Part,
    maps::{PORT_SLOTS, TCP_FLAG_SLOTS},
    slots::Bucket,
    unique::Registers,
};

/// `BPF_F_MMAPABLE` (linux/bpf.h).
const MMAPABLE: u32 = 1 << 10;

#[map]
pub static CONFIG: Array<Config> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static FILTERS: Array<Filter> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static TOTALS: Array<Totals> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static TCP_FLAGS: Array<u64> = Array::with_max_entries(TCP_FLAG_SLOTS, MMAPABLE);
#[map]
pub static DST_PORTS: Array<u64> = Array::with_max_entries(PORT_SLOTS, MMAPABLE);
#[map]
pub static SRC_PORTS: Array<u64> = Array::with_max_entries(PORT_SLOTS, MMAPABLE);
#[map]
pub static UNIQUE: Array<Registers> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static SOURCES: Array<Bucket<SourceCounters>> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static DESTINATIONS: Array<Bucket<Tally>> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static MACS: Array<Bucket<Tally>> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static USED: Array<u64> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(4096, 0);

/// See [`nettop_common::maps::BITS`].
#[unsafe(no_mangle)]
pub static SOURCE_BITS: Global<u32> = Global::new(0);
/// See [`nettop_common::maps::BITS`].
#[unsafe(no_mangle)]
pub static DESTINATION_BITS: Global<u32> = Global::new(0);
/// See [`nettop_common::maps::BITS`].
#[unsafe(no_mangle)]
pub static MAC_BITS: Global<u32> = Global::new(0);
/// See [`nettop_common::maps::SEED`].
#[unsafe(no_mangle)]
pub static SEED: Global<u64> = Global::new(0);
/// See [`nettop_common::maps::PARTS`].
#[unsafe(no_mangle)]
pub static PARTS: Global<u32> = Global::new(Part::EVERY);
