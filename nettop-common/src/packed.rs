//! Packets and bytes in one word: what comes for a destination is counted by class, and an addition to memory is what a packet costs.

use bytemuck::{Pod, Zeroable};

use crate::{PacketsBytes, TrafficClass, counters::ByClass, slots::Key};

/// Bits of the bytes; the packets are above.
const BYTES: u32 = 42;

/// Packets and bytes. It is full after 2²¹ packets, and must be emptied then; until there, bytes are exact of frames below 2 MiB.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct PackedTally(u64);

impl PackedTally {
    /// Counts one packet of `length` bytes.
    #[inline(always)]
    pub const fn count(&mut self, length: u64) {
        self.0 = self.0.wrapping_add((1 << BYTES) + length);
    }

    /// Whether it has to be emptied: half of what the packets have room for, which is the sign of the word.
    #[inline(always)]
    pub const fn is_full(self) -> bool {
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
    spare: [u64; SPARE],
}

/// Words that fill the second line up.
const SPARE: usize = 4;

const _: () = assert!(size_of::<Key>() + size_of::<DestinationCounters>() == 128);

impl From<DestinationCounters> for ByClass {
    fn from(counters: DestinationCounters) -> Self {
        counters.classes.map(PackedTally::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_full_before_anything_is_lost() {
        const MOST: u64 = 1 << 21;
        for length in [0, 60, 1514, 65_550, MOST - 1] {
            let mut tally = PackedTally::default();
            for packets in 1..=MOST {
                assert!(!tally.is_full(), "{length}: {packets}");
                tally.count(length);
            }
            assert!(tally.is_full(), "{length}");
            assert_eq!(tally.get(), PacketsBytes { packets: MOST, bytes: MOST * length }, "{length}");
        }
    }

    #[test]
    fn classes_are_counted_apart() {
        let mut counters = DestinationCounters::default();
        counters.classes[TrafficClass::Udp as usize].count(60);
        counters.classes[TrafficClass::Fragment as usize].count(1514);
        let counted: Vec<_> =
            ByClass::from(counters).into_iter().enumerate().filter(|(_, tally)| tally.packets > 0).collect();
        assert_eq!(
            counted,
            [(3, PacketsBytes { packets: 1, bytes: 60 }), (9, PacketsBytes { packets: 1, bytes: 1514 })]
        );
    }
}
