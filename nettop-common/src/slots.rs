//! Counters by key in slots: plain memory, of which every CPU has a part of its own, in two sets. While the program counts
//! in one set, user space empties the other; then they change places. So nothing is ever read while it is written,
//! a look-up costs one cache line where a hash map costs three, and no key stays that is not seen any more.
//!
//! A key may lie in any slot of three buckets; in the next one only where those before are full, so that most look-ups end in
//! the first slot. Half of all slots fill before one key in two thousand finds none, and three quarters before one in a hundred.

use core::mem::offset_of;

use bytemuck::{Pod, Zeroable};

use crate::{
    Address, MacPair, SourceCounters, Tally,
    counters::{Counters, Table},
};

/// Slots in a bucket.
pub const WAYS: usize = 4;
/// Buckets that a key may lie in.
pub const CHOICES: usize = 3;
/// After so many packets in a set for which there was no slot, only the first two are tried: it is full anyway.
pub const CROWDED: u64 = 1024;
/// Sets of slots: one to count in, one to empty.
pub const SETS: u32 = 2;

/// A key: an address, or a pair of MACs and a zero.
pub type Key = [u32; 4];

/// One key and its counters; without packets it is free.
#[derive(Clone, Copy, Debug, Zeroable)]
#[repr(C)]
pub struct Slot<C> {
    /// The key.
    pub key: Key,
    /// What was counted for it.
    pub counters: C,
}

/// The slots that share an index; the first free one is taken, so that those behind a free one are free.
#[derive(Clone, Copy, Debug, Zeroable)]
#[repr(C)]
pub struct Bucket<C>(pub [Slot<C>; WAYS]);

// SAFETY: words all through: the sizes below leave no room for padding.
unsafe impl Pod for Bucket<Tally> {}
// SAFETY: as above.
unsafe impl Pod for Bucket<SourceCounters> {}

const _: () = assert!(size_of::<Bucket<Tally>>() == WAYS * (16 + 16));
const _: () = assert!(size_of::<Bucket<SourceCounters>>() == WAYS * (16 + 48));

/// Where the packets of a bucket's first slot lie in it: zero there means that the bucket is empty.
pub const FIRST_PACKETS: usize = size_of::<Key>();

const _: () = assert!(offset_of!(Slot<Tally>, counters) + offset_of!(Tally, packets) == FIRST_PACKETS);
const _: () =
    assert!(offset_of!(Slot<SourceCounters>, counters) + offset_of!(SourceCounters, packets) == FIRST_PACKETS);

impl<C: Counters> Slot<C> {
    /// Whether it is taken, and by this key.
    #[inline(always)]
    pub fn has(&self, key: &Key) -> bool {
        let ([a, b, c, d], [ka, kb, kc, kd]) = (*key, self.key);
        self.counters.tally().packets != 0 && (a ^ ka) | (b ^ kb) | (c ^ kc) | (d ^ kd) == 0
    }
}

impl<C: Counters> Bucket<C> {
    /// The counters of a key, which of the slots they are in, and whether they are new; `None`: other keys have taken all.
    #[inline(always)]
    pub fn find(&mut self, key: &Key) -> Option<(&mut C, u32, bool)> {
        for (way, slot) in self.0.iter_mut().enumerate() {
            let new = slot.counters.tally().packets == 0;
            if new {
                slot.key = *key;
            }
            if new || slot.has(key) {
                return Some((&mut slot.counters, way as u32, new));
            }
        }
        None
    }
}

/// Where a slot is in an array of buckets; by default nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Spot(u32);

impl Spot {
    /// The slot `way` of the bucket at `index`.
    #[inline(always)]
    pub const fn new(index: u32, way: u32) -> Self {
        Self(index * WAYS as u32 + way + 1)
    }

    /// The index of its bucket, and which of its slots it is.
    #[inline(always)]
    pub const fn get(self) -> Option<(u32, usize)> {
        match self.0 {
            0 => None,
            number => Some(((number - 1) / WAYS as u32, (number - 1) as usize % WAYS)),
        }
    }
}

/// Where the bucket numbered `bucket` of a CPU's part of a set lies in the whole array, where each part has 2^`bits` buckets.
#[inline(always)]
pub const fn index(cpu: u32, set: u32, bits: u32, bucket: u32) -> u32 {
    ((cpu * SETS + set) << bits) | bucket
}

/// log₂ of the groups that the buckets of one CPU in one set are divided into, to find those in use without looking at all.
pub const GROUP_BITS: u32 = 8;

/// log₂ of the buckets in a group.
#[inline(always)]
pub const fn group_shift(bits: u32) -> u32 {
    bits.saturating_sub(GROUP_BITS)
}

/// Which element of the array of groups belongs to a bucket of a table.
#[inline(always)]
pub const fn group(cpu: u32, set: u32, table: u32, bits: u32, bucket: u32) -> u32 {
    ((cpu * SETS + set) * Table::COUNT as u32 + table) << GROUP_BITS | bucket >> group_shift(bits)
}

/// The buckets that a key may lie in, to be tried in this order. `seed`: chosen at random when the program is loaded, so that nobody can send
/// keys that all want the same bucket.
#[inline(always)]
pub const fn buckets(key: &Key, seed: u64, bits: u32) -> [u32; CHOICES] {
    let [a, b, c, d] = *key;
    // Multiply and fold, with the constants of splitmix64 (Steele, Lea, Flood 2014).
    let high = ((a as u64) << 32 | b as u64) ^ seed;
    let high = (high ^ (high >> 32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let all = high ^ (high >> 29) ^ ((c as u64) << 32 | d as u64);
    let all = (all ^ seed ^ (all >> 32)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let all = all ^ (all >> 32);
    let mask = (1 << bits) - 1;
    let more = all.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [all as u32 & mask, (more >> 48) as u32 & mask, (more >> 32) as u32 & mask]
}

impl From<Key> for Address {
    fn from(key: Key) -> Self {
        Self(key)
    }
}

impl From<Key> for MacPair {
    fn from([a, b, c, _]: Key) -> Self {
        Self([a, b, c])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BITS: u32 = 10;

    /// Counts a packet for each key in turn; returns how many found no slot.
    fn fill(keys: impl Iterator<Item = u32>) -> (Vec<Bucket<Tally>>, usize) {
        let mut table: Vec<Bucket<Tally>> = vec![Bucket::zeroed(); 1 << BITS];
        let mut without = 0;
        for key in keys {
            let key = [0, 0, 0xffff_0000, key.to_be()];
            let found = buckets(&key, 7, BITS).into_iter().any(|bucket| match table[bucket as usize].find(&key) {
                Some((tally, ..)) => {
                    tally.count(60);
                    true
                }
                None => false,
            });
            without += usize::from(!found);
        }
        (table, without)
    }

    #[test]
    fn a_key_keeps_its_slot() {
        let (table, without) = fill((0..1000).chain(0..1000));
        assert_eq!(without, 0);
        let counts: Vec<_> =
            table.iter().flat_map(|Bucket(slots)| slots).map(|slot| slot.counters.packets).filter(|n| *n > 0).collect();
        assert_eq!(counts, vec![2; 1000]);
    }

    #[test]
    fn most_slots_fill_before_many_keys_find_none() {
        let slots = (WAYS << BITS) as u32;
        for (keys, most) in [(slots / 2, slots / 2 / 2000), (slots / 4 * 3, slots / 4 * 3 / 100)] {
            let without = fill(0..keys).1;
            assert!(without <= most as usize, "{without} of {keys}");
        }
        let (table, without) = fill(0..slots * 4);
        let used = table.iter().flat_map(|Bucket(all)| all).filter(|slot| slot.counters.packets > 0).count();
        assert_eq!(used + without, slots as usize * 4);
        assert!(used > slots as usize / 100 * 99, "{used} of {slots}");
    }
}
