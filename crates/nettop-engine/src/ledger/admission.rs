//! How often keys without an account were seen lately.
//!
//! Of a key there are twelve bits, and how often it was seen, in a cache line that other bits have chosen; a line holds those that came
//! to it last, as the buckets of a cuckoo filter do (Fan, Andersen, Kaminsky, Mitzenmacher 2014) but without their moving about. So
//! a key costs one cache miss and two bytes, *lately* is as long as the flood allows, and one key in a hundred at most is
//! taken for another one. Counters that are shared, as in a count-min sketch, were tried: of as many keys that come once, the same
//! memory took one in twelve for one that comes again.

use std::hint;

/// What is counted up to.
pub const MOST: u8 = 0xf;
/// Keys in a line.
const WAYS: usize = 31;

/// A cache line of keys: twelve bits of each, then the count; 0: none yet.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line {
    keys: [u16; WAYS],
    /// Whose place the next one takes.
    oldest: u16,
}

const _: () = assert!(size_of::<Line>() == 64);

/// The lines, a power of two of them; none until the first key is seen.
#[derive(Debug, Default)]
pub struct AdmissionFilter(Vec<Line>);

impl AdmissionFilter {
    /// Whether no key was seen yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the lines of keys that will soon be seen, as [`Index::look_ahead`](crate::index::Index::look_ahead).
    pub fn look_ahead(&self, hashes: &[u64]) {
        if let Some(mask) = self.0.len().checked_sub(1) {
            hint::black_box(hashes.iter().fold(0, |read, hash| read ^ self.0[*hash as usize & mask].oldest));
        }
    }

    /// Sees the key with this hash `times` more; returns how often that makes lately, and whether it is for the first time.
    /// `size`: bytes to be used, a power of two of at least a line; taken when first needed.
    pub fn see(&mut self, hash: u64, times: u64, size: usize) -> (u8, bool) {
        if self.0.is_empty() {
            self.0 = vec![Line { keys: [0; WAYS], oldest: 0 }; size / size_of::<Line>()];
        }
        let mask = self.0.len() - 1;
        let Line { keys, oldest } = &mut self.0[hash as usize & mask];
        let times = times.min(MOST.into()) as u16;
        let bits = (hash >> 48) as u16 & !u16::from(MOST);
        // A count of 1 to 15 above its bits.
        let is_it = |key: &u16| key.wrapping_sub(bits).wrapping_sub(1) < MOST.into();
        // All of them at once; where it is, only if it is there.
        if keys.iter().fold(false, |found, key| found | is_it(key))
            && let Some(key) = keys.iter_mut().find(|key| is_it(key))
        {
            let count = (*key - bits + times).min(MOST.into());
            *key = bits | count;
            return (count as u8, false);
        }
        keys[usize::from(*oldest)] = bits | times;
        *oldest = (*oldest + 1) % WAYS as u16;
        (times as u8, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::hash_of as hash;

    /// Of 16,384 lines.
    const SIZE: usize = 1 << 20;

    #[test]
    fn keys_are_counted_and_few_are_taken_for_others() {
        let mut strangers = AdmissionFilter::default();
        let known = (0..200_000).filter(|key| !strangers.see(hash(*key), 1, SIZE).1).count();
        assert!(known < 200_000 / 200, "{known} of 200,000 were taken for others");
        let again = (0..1000).filter(|key| strangers.see(hash(*key), 2, SIZE) == (3, false)).count();
        assert!(again > 980, "{again} of 1000");
        assert_eq!(strangers.see(hash(7), u64::MAX, SIZE), (MOST, false));
        assert_eq!(strangers.see(hash(7), 1, SIZE), (MOST, false));
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut strangers = AdmissionFilter::default();
        (0..1_000_000).for_each(|key| _ = strangers.see(hash(key), 1, SIZE));
        let known = |strangers: &mut AdmissionFilter, keys: std::ops::Range<u64>| {
            let count = keys.end - keys.start;
            keys.filter(|key| !strangers.see(hash(*key), 1, SIZE).1).count() as f64 / count as f64
        };
        assert!(known(&mut strangers, 800_000..810_000) > 0.98);
        assert!(known(&mut strangers, 0..10_000) < 0.02);
    }
}
