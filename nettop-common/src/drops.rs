//! Packets that the kernel drops, by its reason (`enum skb_drop_reason`, whose numbers differ from one kernel to another).

use bytemuck::{Pod, Zeroable};

/// Reasons that are counted apart. The kernel's own have numbers from 0 on, some 130 in Linux 6.18; those of a subsystem have its number in
/// their upper half, and are counted together.
pub const REASONS: usize = 256;

/// What one CPU counts, since the program was loaded: *seen = all reasons + other*. Whole cache lines, so that CPUs do not share one.
///
/// The kernel skips the program where it interrupts itself on its CPU, and counts that (`bpf_prog_info.recursion_misses`): nothing else
/// writes here, so no addition is atomic.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Drops {
    /// Everything, counted on entry.
    pub seen: u64,
    /// What was dropped for a reason that is not counted apart.
    pub other: u64,
    padding: [u64; 6],
    /// By the number of the reason.
    pub by_reason: [u64; REASONS],
}

impl Default for Drops {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl Drops {
    /// Counts a packet.
    #[inline(always)]
    pub fn count(&mut self, reason: u32) {
        self.seen += 1;
        match self.by_reason.get_mut(reason as usize) {
            Some(packets) => *packets += 1,
            None => self.other += 1,
        }
    }

    /// Adds what another CPU has counted.
    pub fn add(&mut self, other: &Self) {
        self.seen += other.seen;
        self.other += other.other;
        self.by_reason.iter_mut().zip(&other.by_reason).for_each(|(sum, packets)| *sum += packets);
    }

    /// Whether it is read whole: not while the program counts.
    pub fn holds(&self) -> bool {
        self.seen == self.by_reason.iter().fold(self.other, |sum, packets| sum.wrapping_add(*packets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_packet_has_one_reason() {
        let mut drops = Drops::default();
        for (reason, at) in [
            (0, Some(0)),
            (3, Some(3)),
            (255, Some(255)),
            (256, None),
            // One of a subsystem (mac80211), and the largest.
            (1 << 16 | 3, None),
            (u32::MAX, None),
        ] {
            let before = drops;
            drops.count(reason);
            assert!(drops.holds() && drops.seen == before.seen + 1, "{reason:#x}");
            match at {
                Some(at) => assert_eq!(drops.by_reason[at], before.by_reason[at] + 1, "{reason:#x}"),
                None => assert_eq!(drops.other, before.other + 1, "{reason:#x}"),
            }
        }
        drops.seen += 1;
        assert!(!drops.holds());
    }
}
