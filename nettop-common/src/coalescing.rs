//! What is known of the newest destination and the newest pair of MACs: most packets have those of the one before.

use bytemuck::{Pod, Zeroable};

use crate::{
    PacketsBytes,
    slots::{Key, Slot},
};

/// Where the newest destination is counted, and what was counted of the newest pair of MACs and is not in its slot yet.
///
/// A destination has a word for each class of packets: to count all of them here would be to move all of them, whenever another one
/// comes. Of a pair of MACs there is one tally.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CoalescingCache {
    destination: Key,
    /// One more than the number of its slot in the array; 0: it has none.
    place: u32,
    padding: [u32; 3],
    macs: Key,
    tally: PacketsBytes,
}

impl CoalescingCache {
    /// Whether this is the newest destination; if not, see [`CoalescingCache::set_destination`]. At first it is the address of zeros, which
    /// has no slot.
    #[inline(always)]
    #[must_use]
    pub fn is_destination(&self, destination: &Key) -> bool {
        self.destination == *destination
    }

    /// The number of its slot in the array; beyond any array: it has none.
    #[inline(always)]
    #[must_use]
    pub const fn slot(&self) -> u32 {
        self.place.wrapping_sub(1)
    }

    /// Another destination is the newest, with the slot that has this number, or with none.
    #[inline(always)]
    pub const fn set_destination(&mut self, destination: &Key, slot: Option<u32>) {
        self.destination = *destination;
        self.place = match slot {
            Some(slot) => slot.wrapping_add(1),
            None => 0,
        };
    }

    /// Counts a packet of `length` bytes if its MACs are these. If not, see [`CoalescingCache::replace_macs`].
    #[inline(always)]
    #[must_use]
    pub fn count_macs(&mut self, macs: &Key, length: u64) -> bool {
        let same = self.macs == *macs;
        if same {
            self.tally.count(length);
        }
        same
    }

    /// Counts the first packet of another pair of MACs. Returns what was counted of the one before; at first, nothing was.
    #[inline(always)]
    pub fn replace_macs(&mut self, macs: &Key, length: u64) -> Option<Slot<PacketsBytes>> {
        let old = self.macs();
        (self.macs, self.tally) = (*macs, PacketsBytes { packets: 1, bytes: length });
        old
    }

    /// What belongs into a slot of the newest pair of MACs.
    #[inline(always)]
    pub fn macs(&self) -> Option<Slot<PacketsBytes>> {
        let Self { macs, tally, .. } = *self;
        if tally.packets > 0 { Some(Slot { key: macs, counters: tally }) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn all_packets_are_in_slots_or_beside_them() {
        let mut newest = CoalescingCache::default();
        let [mut sums, mut truth] = [BTreeMap::<Key, PacketsBytes>::new(), BTreeMap::new()];
        let put = |sums: &mut BTreeMap<Key, PacketsBytes>, slot: Slot<PacketsBytes>| {
            sums.entry(slot.key).or_default().add(slot.counters);
        };
        for (n, pair) in [1, 1, 1, 2, 2, 1, 0, 1].into_iter().enumerate() {
            let (macs, length) = ([pair, 0], 60 + n as u64);
            put(&mut truth, Slot { key: macs, counters: PacketsBytes { packets: 1, bytes: length } });
            if !newest.count_macs(&macs, length)
                && let Some(old) = newest.replace_macs(&macs, length)
            {
                put(&mut sums, old);
            }
        }
        put(&mut sums, newest.macs().expect("the newest one"));
        assert_eq!(sums, truth);
    }

    #[test]
    fn the_newest_destination_has_its_slot_or_none() {
        let mut newest = CoalescingCache::default();
        assert!(newest.is_destination(&[0, 0]) && newest.slot() == u32::MAX);
        for (destination, slot, expected) in [([1, 2], Some(0), 0), ([1, 3], Some(77), 77), ([0, 0], None, u32::MAX)] {
            assert!(!newest.is_destination(&destination));
            newest.set_destination(&destination, slot);
            assert!(newest.is_destination(&destination));
            assert_eq!(newest.slot(), expected, "{destination:?}");
        }
    }

    #[test]
    fn nothing_belongs_into_slots_at_first() {
        let mut newest = CoalescingCache::default();
        assert_eq!(newest.macs(), None);
        assert_eq!(newest.replace_macs(&[3, 4], 60), None);
    }
}
