//! Every map, nothing else. Sizes here are the smallest that load; user space sets the real ones.
//!
//! The arrays are plain and memory-mapped rather than per-CPU: each CPU has elements of its own, so that counting needs no
//! atomics and reading needs no system call. The hash maps are used instead of slots and log where that is asked for.

use aya_ebpf::{
    Global,
    macros::map,
    maps::{Array, HashMap, PerCpuHashMap, RingBuf},
};
use nettop_common::{
    Cpu, DestinationCounters, Filter, PacketsBytes, SourceCounters,
    blocks::{Block, BlockKey, BlockSet},
    counters::{ByClass, Part},
    cpu::Ports,
    drops::Drops,
    egress::Egress,
    log::Unit,
    maps::ByBank,
    slots::{Key, Slot},
    sockets::{CallCounters, Calls, EndedConnection, Endings, Field, Offsets},
};

/// `BPF_F_MMAPABLE` (linux/bpf.h).
const MMAPABLE: u32 = 1 << 10;

#[map]
pub static CPUS: Array<Cpu> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static FILTERS: Array<Filter> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static SOURCES: Array<Slot<SourceCounters>> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static DESTINATIONS: Array<Slot<DestinationCounters>> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static MACS: Array<Slot<PacketsBytes>> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static LOG: Array<Unit> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static PORTS: Array<Ports> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static EGRESS: Array<Egress> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static REMOTES: Array<Slot<PacketsBytes>> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static CALLS: Array<Calls> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static SOCKETS: Array<Slot<CallCounters>> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static ENDINGS: Array<Endings> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static ENDED: Array<EndedConnection> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static DROPS: Array<Drops> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static SOURCE_HASH: PerCpuHashMap<Key, ByBank<SourceCounters>> = PerCpuHashMap::with_max_entries(1, 0);
#[map]
pub static DEST_HASH: PerCpuHashMap<Key, ByBank<ByClass>> = PerCpuHashMap::with_max_entries(1, 0);
#[map]
pub static MAC_HASH: PerCpuHashMap<Key, ByBank<PacketsBytes>> = PerCpuHashMap::with_max_entries(1, 0);
#[map]
pub static BLOCKS: HashMap<BlockKey, Block> = HashMap::with_max_entries(1, 0);
#[map]
pub static BLOCK_SETS: Array<BlockSet> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static DROPPED: Array<u64> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(4096, 0);

/// See [`nettop_common::maps::OFFSETS`].
#[unsafe(no_mangle)]
pub static OFFSETS: Global<Offsets> = Global::new([0; Field::COUNT]);

/// See [`nettop_common::maps::NAMESPACE`].
#[unsafe(no_mangle)]
pub static NAMESPACE: Global<u32> = Global::new(0);

/// See [`nettop_common::maps::PARTS`].
#[unsafe(no_mangle)]
pub static PARTS: Global<u32> = Global::new(Part::EVERY);
