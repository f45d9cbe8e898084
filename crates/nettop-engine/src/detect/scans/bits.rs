//! How many different things there were, in 32 bytes (linear counting: Whang, Vander-Zanden and Taylor 1990).

use std::ops::{BitAnd, BitOr, Not};

const WORDS: usize = 4;
const BITS: f64 = 256.0;

/// A set of hashes, of which only the number is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits([u64; WORDS]);

impl Bits {
    /// Adds a hash. False: it, or one like it, was there.
    pub fn insert(&mut self, hash: u64) -> bool {
        let (word, bit) = (hash as usize % WORDS, 1 << (hash >> 8 & 63));
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    /// About how many different ones were added; a few percent off up to some hundred, then at least so many.
    pub fn count(self) -> f64 {
        let taken: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        let free = (BITS - f64::from(taken)).max(1.0);
        BITS * (BITS / free).ln()
    }
}

impl BitAnd for Bits {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }
}

impl BitOr for Bits {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }
}

impl Not for Bits {
    type Output = Self;

    fn not(self) -> Self {
        Self(self.0.map(|word| !word))
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

    use super::*;

    #[test]
    fn they_are_counted_within_a_few_percent() {
        let hasher = foldhash::fast::FixedState::default();
        for number in [0, 1, 5, 50, 200] {
            let mut bits = Bits::default();
            (0..number).for_each(|n| _ = bits.insert(hasher.hash_one(n)));
            (0..number).for_each(|n| assert!(!bits.insert(hasher.hash_one(n))));
            let error = (bits.count() - f64::from(number)).abs();
            assert!(error <= 1.0 + f64::from(number) * 0.15, "{number}: {}", bits.count());
        }
    }
}
