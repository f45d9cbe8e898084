//! Packets and bytes in one word: what comes for a destination is counted by class, and an addition to memory is what a packet costs.

use bytemuck::{Pod, Zeroable};

use crate::{PacketsBytes, TrafficClass, counters::ByClass, slots::Key};

/// Bits of the bytes; the packets are above.
const BYTES: u32 = 42;
/// Packets that a word has no room for: half of what the bits have, so that it is full before it wraps.
const FULL: u64 = 1 << (u64::BITS - BYTES - 1);
/// Bytes likewise. Between this and a wrap is more than [`FULL`] packets bring, of frames below 1 MiB.
const FULL_OF_BYTES: u64 = 1 << (BYTES - 1);

/// Packets and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct PackedTally(u64);

impl PackedTally {
    /// Counts one packet of `length` bytes. True: it is full, and room must be made before the next packet.
    #[inline(always)]
    #[must_use]
    pub const fn count(&mut self, length: u64) -> bool {
        self.0 = self.0.wrapping_add((1 << BYTES) + length);
        // The sign: less than any other comparison.
        (self.0 as i64) < 0
    }

    /// What was counted.
    #[inline(always)]
    pub const fn get(self) -> PacketsBytes {
        PacketsBytes { packets: self.0 >> BYTES, bytes: self.0 & ((1 << BYTES) - 1) }
    }
}

/// What one CPU counted for one destination. With the key in front of it, two cache lines: the second has what is rare.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct DestinationCounters {
    /// By [`TrafficClass`].
    pub classes: [PackedTally; TrafficClass::COUNT],
    /// By class: how often the word was full, and [`FULL`] packets were taken from it.
    carried: [u16; TrafficClass::COUNT],
    spare: [u16; SPARE],
}

/// What fills the second line up.
const SPARE: usize = 6;

const _: () = assert!(size_of::<Key>() + size_of::<DestinationCounters>() == 128);

impl DestinationCounters {
    /// Makes room in the word of the class with this number, which is full. Where there is none, after 10¹¹ packets or 2 TB, all that was
    /// counted of the class is returned, and is here no more.
    #[inline(always)]
    pub fn make_room(&mut self, class: usize) -> Option<PacketsBytes> {
        let (tally, carried) = (self.classes.get_mut(class)?, self.carried.get_mut(class)?);
        if tally.get().bytes < FULL_OF_BYTES && *carried < u16::MAX {
            tally.0 &= !(FULL << BYTES);
            *carried += 1;
            return None;
        }
        let all = sum(*tally, *carried);
        (*tally, *carried) = (PackedTally::default(), 0);
        Some(all)
    }
}

#[inline(always)]
const fn sum(tally: PackedTally, carried: u16) -> PacketsBytes {
    let PacketsBytes { packets, bytes } = tally.get();
    PacketsBytes { packets: packets + carried as u64 * FULL, bytes }
}

impl From<DestinationCounters> for ByClass {
    fn from(counters: DestinationCounters) -> Self {
        let DestinationCounters { classes, carried, spare: _ } = counters;
        let mut all = ByClass::default();
        all.iter_mut().zip(classes).zip(carried).for_each(|((all, tally), carried)| *all = sum(tally, carried));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: usize = TrafficClass::Fragment as usize;

    #[test]
    fn nothing_is_lost_when_words_are_full() {
        for (length, times) in [(0, 5), (60, 5), (1514, 3), (65_550, 20), ((1 << 20) - 1, 4)] {
            let (mut counters, mut truth) = (DestinationCounters::default(), PacketsBytes::default());
            let mut moved = PacketsBytes::default();
            for _ in 0..times * FULL + 7 {
                truth.count(length);
                if counters.classes[CLASS].count(length)
                    && let Some(all) = counters.make_room(CLASS)
                {
                    moved.add(all);
                }
            }
            let all = ByClass::from(counters);
            moved.add(all[CLASS]);
            assert_eq!(moved, truth, "{length}");
            assert!((0..CLASS).all(|other| all[other] == PacketsBytes::default()), "{length}");
        }
    }

    #[test]
    fn what_is_carried_ends_before_it_wraps() {
        let mut counters = DestinationCounters { carried: [u16::MAX; _], ..DestinationCounters::default() };
        counters.classes[CLASS] = PackedTally((FULL - 1) << BYTES | 999);
        assert!(counters.classes[CLASS].count(1));
        let all = PacketsBytes { packets: FULL * (1 << 16), bytes: 1000 };
        assert_eq!(counters.make_room(CLASS), Some(all));
        assert_eq!(ByClass::from(counters)[CLASS], PacketsBytes::default());
        assert_eq!(counters.make_room(TrafficClass::COUNT), None);
    }

    #[test]
    fn classes_are_counted_apart() {
        let mut counters = DestinationCounters::default();
        assert!(!counters.classes[TrafficClass::Udp as usize].count(60));
        assert!(!counters.classes[CLASS].count(1514));
        let counted: Vec<_> =
            ByClass::from(counters).into_iter().enumerate().filter(|(_, tally)| tally.packets > 0).collect();
        assert_eq!(
            counted,
            [(3, PacketsBytes { packets: 1, bytes: 60 }), (9, PacketsBytes { packets: 1, bytes: 1514 })]
        );
    }
}
