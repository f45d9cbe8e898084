//! What is counted beside the totals instead of in its slot: most packets have the destination and the MACs of the one before.

use bytemuck::{Pod, Zeroable};

use crate::{
    PacketsBytes,
    counters::Table,
    slots::{Key, Slot},
};

/// The destination and the pair of MACs of the newest packet, and what is counted of them that is not in their slots yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CoalescingCache {
    destination: Key,
    macs: Key,
    /// Since either of them came.
    both: PacketsBytes,
    /// Of the pair of MACs, with the destinations before.
    earlier: PacketsBytes,
}

/// What belongs into slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Old {
    /// Of the destination.
    pub destination: Slot<PacketsBytes>,
    /// Of the pair of MACs, unless the next packet has the same.
    pub macs: Option<Slot<PacketsBytes>>,
}

impl CoalescingCache {
    /// Counts a packet of `length` bytes if its destination and MACs are these. If not, see [`CoalescingCache::replace`].
    #[inline(always)]
    #[must_use]
    pub fn count(&mut self, destination: &Key, macs: &Key, length: u64) -> bool {
        let same = self.destination == *destination && self.macs == *macs;
        if same {
            self.both.count(length);
        }
        same
    }

    /// Counts the first packet of another destination or pair of MACs. Returns what was counted until then; at first, nothing was.
    #[inline(always)]
    pub fn replace(&mut self, destination: &Key, macs: &Key, length: u64) -> Option<Old> {
        let Self { both, mut earlier, .. } = *self;
        earlier.add(both);
        let mut old = Old { destination: Slot { key: self.destination, counters: both }, macs: None };
        if self.macs != *macs {
            old.macs = Some(Slot { key: self.macs, counters: earlier });
            earlier = PacketsBytes::default();
        }
        *self =
            Self { destination: *destination, macs: *macs, both: PacketsBytes { packets: 1, bytes: length }, earlier };
        if both.packets > 0 { Some(old) } else { None }
    }

    /// What belongs into a slot of that table.
    pub fn of(&self, table: Table) -> Option<Slot<PacketsBytes>> {
        let Self { destination, macs, both, mut earlier } = *self;
        earlier.add(both);
        let slot = match table {
            Table::Sources => return None,
            Table::Destinations => Slot { key: destination, counters: both },
            Table::Macs => Slot { key: macs, counters: earlier },
        };
        (both.packets > 0).then_some(slot)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn put(sums: &mut BTreeMap<Key, PacketsBytes>, slot: Slot<PacketsBytes>) {
        sums.entry(slot.key).or_default().add(slot.counters);
    }

    #[test]
    fn all_packets_are_in_slots_or_beside_them() {
        let mut newest = CoalescingCache::default();
        let [mut destinations, mut macs] = [BTreeMap::new(), BTreeMap::new()];
        let [mut true_destinations, mut true_macs] = [BTreeMap::new(), BTreeMap::new()];
        // Runs of the same, each of the two changing by itself and both at once.
        for (n, (destination, pair)) in
            [(1, 1), (1, 1), (2, 1), (2, 2), (2, 2), (1, 1), (0, 0), (0, 1)].into_iter().enumerate()
        {
            let (destination, pair, length) = ([0, destination], [pair, 0], 60 + n as u64);
            put(
                &mut true_destinations,
                Slot { key: destination, counters: PacketsBytes { packets: 1, bytes: length } },
            );
            put(&mut true_macs, Slot { key: pair, counters: PacketsBytes { packets: 1, bytes: length } });
            if !newest.count(&destination, &pair, length)
                && let Some(old) = newest.replace(&destination, &pair, length)
            {
                put(&mut destinations, old.destination);
                old.macs.iter().for_each(|slot| put(&mut macs, *slot));
            }
        }
        newest.of(Table::Destinations).iter().for_each(|slot| put(&mut destinations, *slot));
        newest.of(Table::Macs).iter().for_each(|slot| put(&mut macs, *slot));
        assert_eq!((destinations, macs), (true_destinations, true_macs));
    }

    #[test]
    fn nothing_belongs_into_slots_at_first() {
        let mut newest = CoalescingCache::default();
        assert_eq!(Table::ALL.iter().find_map(|table| newest.of(*table)), None);
        assert_eq!(newest.replace(&[1, 2], &[3, 4], 60), None);
    }
}
