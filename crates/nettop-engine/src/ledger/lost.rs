//! Of which keys packets are in no account: those that were evicted, and those that never got one.
//!
//! A Bloom filter in which both bits of a key are in one word (Putze, Sanders, Singler 2007, "Cache-, hash- and space-efficient
//! Bloom filters"). It never forgets a key, so an account that is not told to lack packets lacks none. It may take a key for
//! another one: for one key in twenty when it is full. Then it holds every key, and its memory is given back: a flood
//! brings more keys than any memory holds, and whoever comes after it may have been among them.

/// A key for every so many bits at most.
const BITS_PER_KEY: usize = 8;
/// Bytes: room for 65,536 keys, and for a million.
const LEAST: usize = 1 << 16;
const MOST: usize = 1 << 20;

/// A set of keys.
#[derive(Debug, Default)]
pub enum Lost {
    /// Of no key.
    #[default]
    Nobody,
    /// Of these, by hash, and how many they are.
    Some(Vec<u64>, usize),
    /// Of more than are remembered: of any.
    Anybody,
}

impl Lost {
    /// Adds the key with this hash, where there are accounts for so many.
    #[inline]
    pub fn add(&mut self, hash: u64, accounts: usize) {
        let (words, keys) = match self {
            Self::Anybody => return,
            Self::Nobody => {
                let bytes = accounts.saturating_mul(BITS_PER_KEY).clamp(LEAST, MOST).next_power_of_two();
                *self = Self::Some(vec![0; bytes / size_of::<u64>()], 0);
                return self.add(hash, accounts);
            }
            Self::Some(words, keys) => (words, keys),
        };
        let (word, bits) = place(words.len(), hash);
        if words[word] & bits != bits {
            words[word] |= bits;
            *keys += 1;
            if *keys >= words.len() * u64::BITS as usize / BITS_PER_KEY {
                *self = Self::Anybody;
            }
        }
    }

    /// Whether the key with this hash is among them, or may be.
    pub fn has(&self, hash: u64) -> bool {
        match self {
            Self::Nobody => false,
            Self::Anybody => true,
            Self::Some(words, _) => {
                let (word, bits) = place(words.len(), hash);
                words[word] & bits == bits
            }
        }
    }
}

/// The word of a hash, and its bits in it. Mixed once more: the accounts are found by some of these bits.
fn place(words: usize, hash: u64) -> (usize, u64) {
    let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = mixed ^ mixed >> 32;
    ((mixed >> 12) as usize & (words - 1), 1 << (mixed & 63) | 1 << (mixed >> 6 & 63))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::hash_of as hash;

    #[test]
    fn no_key_is_forgotten_and_few_are_taken_for_others() {
        for (accounts, keys, others_at_most) in [(1, 1000, 5), (100, 50_000, 500), (131_072, 500_000, 300)] {
            let mut lost = Lost::default();
            assert!(!lost.has(hash(0)), "{accounts}");
            (0..keys).for_each(|key| lost.add(hash(key), accounts));
            assert!((0..keys).all(|key| lost.has(hash(key))), "{accounts}");
            let others = (0..10_000).filter(|key| lost.has(hash(1_000_000_000 + key))).count();
            assert!(others <= others_at_most, "{accounts}: {others} of 10,000");
        }
    }

    #[test]
    fn more_keys_than_are_remembered_may_be_any() {
        let mut lost = Lost::default();
        (0..70_000).for_each(|key| lost.add(hash(key), 100));
        assert!(matches!(lost, Lost::Anybody));
        assert!(lost.has(hash(1_000_000_000)));
    }
}
