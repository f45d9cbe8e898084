//! Counting keys in per-CPU hash maps: the plain form, which any tool for BPF can read.
//!
//! A value has the counters of both banks side by side. They are sums since the key was inserted; those of the bank that is not counted
//! in stand still, so that what was added in it can be told exactly, though nothing is removed while counting goes on.

use core::mem;

use aya_ebpf::maps::PerCpuHashMap;
use nettop_common::{
    PacketsBytes, Protocol, SourceCounters, cold_path,
    counters::{ByClass, Part, Table},
    maps::ByBank,
    opaque_read,
    slots::{BANKS, Key},
};

use crate::{
    account::{Counts, Keys, PerCpu},
    maps::{DEST_HASH, MAC_HASH, SOURCE_HASH},
};

// What a key begins with. Read-only data: the stack of a program has 512 bytes, and one of these has 320.
// SAFETY: numbers, which may be zero.
static NO_SOURCE: ByBank<SourceCounters> = unsafe { mem::zeroed() };
// SAFETY: as above.
static NO_DESTINATION: ByBank<ByClass> = unsafe { mem::zeroed() };
// SAFETY: as above.
static NO_MACS: ByBank<PacketsBytes> = unsafe { mem::zeroed() };

/// Counts in hash maps.
#[derive(Clone, Copy)]
pub struct Hash;

impl Keys for Hash {
    #[inline(always)]
    fn count(self, protocol: Protocol, class: usize, length: u64, now: u64, own: &mut PerCpu<'_>, counts: impl Counts) {
        let bank = own.bank.number;
        if counts(Part::Sources) {
            match counters(&SOURCE_HASH, &own.packet.source.0, &NO_SOURCE, bank) {
                Some(source) => {
                    if source.first_ns == 0 {
                        source.first_ns = now;
                    }
                    let (flags, fragment) = (opaque_read(&own.packet.tcp_flags), opaque_read(&own.packet.fragment));
                    source.count(protocol, flags, fragment, length, now);
                }
                None => {
                    cold_path();
                    own.bank.totals.untracked[Table::Sources as usize].count(length);
                    if counts(Part::Unique) {
                        own.insert_unique();
                    }
                }
            }
        }
        if counts(Part::Destinations) {
            let classes = counters(&DEST_HASH, &own.packet.destination.0, &NO_DESTINATION, bank);
            match classes.and_then(|classes| classes.get_mut(class)) {
                Some(tally) => tally.count(length),
                None => own.bank.totals.untracked[Table::Destinations as usize].count(length),
            }
        }
        if counts(Part::Macs) {
            match counters(&MAC_HASH, &own.packet.macs.0, &NO_MACS, bank) {
                Some(tally) => tally.count(length),
                None => own.bank.totals.untracked[Table::Macs as usize].count(length),
            }
        }
    }
}

/// What this CPU has counted for a key in a bank; `None`: the map is full.
#[inline(always)]
fn counters<'a, C>(map: &PerCpuHashMap<Key, ByBank<C>>, key: &Key, none: &ByBank<C>, bank: u32) -> Option<&'a mut C> {
    let value = match map.get_ptr_mut(key) {
        Some(value) => value,
        None if insert(map, key, none) => map.get_ptr_mut(key)?,
        None => return None,
    };
    // SAFETY: it stays valid while the program runs, for nothing is removed meanwhile; and only this CPU counts in its part.
    Some(unsafe { &mut (*value)[(bank % BANKS) as usize] })
}

/// Inserts a key, which this CPU has not counted yet. Another one may do so at the same time, and each leaves the other's part as it is.
/// False: there is no room.
#[inline(never)]
fn insert<C>(map: &PerCpuHashMap<Key, ByBank<C>>, key: &Key, none: &ByBank<C>) -> bool {
    map.insert(key, none, 0).is_ok()
}
