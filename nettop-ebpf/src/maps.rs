//! Every map, nothing else. Sizes here are the smallest that load; user space sets the real ones.
//!
//! The arrays are plain and memory-mapped rather than per-CPU: element `cpu × n + i` belongs to one CPU, so that counting
//! needs no atomics and reading needs no system call. The hashes are per-CPU: an entry is found by any CPU, and each
//! counts in its own value.

use aya_ebpf::{
    macros::map,
    maps::{Array, PerCpuHashMap, RingBuf},
};
use nettop_common::{
    Address, Config, Filter, MacPair, SourceCounters, Tally, Totals,
    maps::{PORT_SLOTS, TCP_FLAG_SLOTS},
    unique::Registers,
};

/// `BPF_F_MMAPABLE` (linux/bpf.h).
const MMAPABLE: u32 = 1 << 10;

#[map]
pub static CONFIG: Array<Config> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static FILTERS: Array<Filter> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static TOTALS: Array<Totals> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static TCP_FLAGS: Array<u64> = Array::with_max_entries(TCP_FLAG_SLOTS, MMAPABLE);
#[map]
pub static DST_PORTS: Array<u64> = Array::with_max_entries(PORT_SLOTS, MMAPABLE);
#[map]
pub static SRC_PORTS: Array<u64> = Array::with_max_entries(PORT_SLOTS, MMAPABLE);
#[map]
pub static UNIQUE: Array<Registers> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static SOURCES: PerCpuHashMap<Address, SourceCounters> = PerCpuHashMap::with_max_entries(1024, 0);
#[map]
pub static DESTINATIONS: PerCpuHashMap<Address, Tally> = PerCpuHashMap::with_max_entries(1024, 0);
#[map]
pub static MACS: PerCpuHashMap<MacPair, Tally> = PerCpuHashMap::with_max_entries(1024, 0);
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(4096, 0);
