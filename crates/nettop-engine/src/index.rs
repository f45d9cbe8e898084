//! Where in a vector the row of a key is, by the key's hash.
//!
//! Much as hashbrown's table, but of each hash 16 bits are compared, not 7, before a row is looked at: sixteen of them at once, in
//! half a cache line. Of keys that have no row, and of a flood nearly none has, 7 bits take one in sixteen for another one, whose row
//! is then waited for: that was a third of the time of entering them.

use std::hint;

/// So many keys are hashed and looked ahead for before the first of them is looked up.
pub const AHEAD: usize = 64;

/// Slots of a group.
const WAYS: usize = 16;
/// What stands for no row: none was there yet, or one is gone behind which others may lie.
const EMPTY: u16 = 0;
const GONE: u16 = 1;

/// Numbers of rows by hash.
#[derive(Debug, Default)]
pub struct Index {
    tags: Vec<[u16; WAYS]>,
    rows: Vec<[u32; WAYS]>,
    /// Slots that are not empty.
    used: usize,
}

/// The part of a hash that is compared.
fn tag(hash: u64) -> u16 {
    ((hash >> 48) as u16).max(GONE + 1)
}

impl Index {
    /// Reads what finding these hashes will need. No look-up here waits for another one, so that memory is waited for a few times for
    /// all of them and not for each.
    #[inline]
    pub fn look_ahead(&self, hashes: &[u64]) {
        if let Some(mask) = self.tags.len().checked_sub(1) {
            hint::black_box(hashes.iter().fold(0, |read, hash| read ^ self.tags[*hash as usize & mask][0]));
        }
    }

    /// The row with this hash that `is_it`.
    #[inline]
    pub fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let (group, way) = self.slot(hash, is_it)?;
        Some(self.rows[group][way])
    }

    #[inline]
    fn slot(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<(usize, usize)> {
        let mask = self.tags.len().checked_sub(1)?;
        let tag = tag(hash);
        let mut group = hash as usize & mask;
        loop {
            let tags = &self.tags[group];
            // Most keys are absent, and known to be by a few instructions on all tags of the group.
            let mut found = if has(tags, tag) { ways(tags, tag) } else { 0 };
            while found != 0 {
                let way = found.trailing_zeros() as usize;
                if is_it(self.rows[group][way]) {
                    return Some((group, way));
                }
                found &= found - 1;
            }
            if has(tags, EMPTY) {
                return None;
            }
            group = (group + 1) & mask;
        }
    }

    /// Adds the row with the highest number; `hash` tells the hash of each row up to it.
    pub fn push(&mut self, row: u32, hash: impl Fn(u32) -> u64) {
        // Five in eight at most, so that a group is seldom full.
        if (self.used + 1) * 8 > self.tags.len() * WAYS * 5 {
            self.rebuild(row + 1, hash);
        } else {
            self.put(row, hash(row));
        }
    }

    /// Begins anew with so many rows.
    pub fn rebuild(&mut self, rows: u32, hash: impl Fn(u32) -> u64) {
        let groups = (rows as usize * 2).div_ceil(WAYS).next_power_of_two();
        if groups == self.tags.len() {
            self.tags.fill([EMPTY; WAYS]);
        } else {
            // The old one first, or both would be in memory.
            *self = Self::default();
            (self.tags, self.rows) = (vec![[EMPTY; WAYS]; groups], vec![[0; WAYS]; groups]);
        }
        self.used = 0;
        (0..rows).for_each(|row| self.put(row, hash(row)));
    }

    fn put(&mut self, row: u32, hash: u64) {
        let mask = self.tags.len() - 1;
        let mut group = hash as usize & mask;
        let way = loop {
            if let Some(way) = self.tags[group].iter().position(|tag| *tag <= GONE) {
                break way;
            }
            group = (group + 1) & mask;
        };
        self.used += usize::from(self.tags[group][way] == EMPTY);
        self.tags[group][way] = tag(hash);
        self.rows[group][way] = row;
    }

    /// Removes a row, which has this hash.
    pub fn remove(&mut self, row: u32, hash: u64) {
        if let Some((group, way)) = self.slot(hash, |other| other == row) {
            // No look-up goes beyond a group with an empty slot.
            let ends = has(&self.tags[group], EMPTY);
            self.tags[group][way] = if ends { EMPTY } else { GONE };
            self.used -= usize::from(ends);
        }
    }

    /// Gives a row, which has this hash, another number.
    pub fn renumber(&mut self, row: u32, hash: u64, to: u32) {
        if let Some((group, way)) = self.slot(hash, |other| other == row) {
            self.rows[group][way] = to;
        }
    }
}

/// Whether a group has a tag.
#[inline]
fn has(tags: &[u16; WAYS], tag: u16) -> bool {
    tags.iter().fold(false, |found, other| found | (*other == tag))
}

/// A bit for each slot with a tag, without a jump: nobody could foretell which one it is.
#[inline]
fn ways(tags: &[u16; WAYS], tag: u16) -> u32 {
    tags.iter().zip(0..).fold(0, |ways, (other, way)| ways | u32::from(*other == tag) << way)
}

/// A hash of a number as good as any, for tests of what hashes lead to.
#[cfg(test)]
pub(crate) fn hash_of(key: u64) -> u64 {
    let mixed = (key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 32).wrapping_mul(0x94d0_49bb_1331_11eb)
}

#[cfg(test)]
mod tests {
    use super::{hash_of as hash, *};

    #[test]
    fn rows_are_found_whatever_came_and_went() {
        type Hash = fn(u64) -> u64;
        let hashes: [(&str, Hash); 3] =
            [("good", hash), ("all of one group", |key| hash(key) << 48), ("all the same", |_| 7)];
        for (name, hash) in hashes {
            let (mut index, mut keys, mut random) = (Index::default(), Vec::<u64>::new(), fastrand::Rng::with_seed(1));
            assert_eq!(index.find(hash(1), |_| true), None, "{name}");
            let find = |index: &Index, keys: &[u64], key: u64| index.find(hash(key), |row| keys[row as usize] == key);
            for step in 0..if name == "good" { 100_000 } else { 2000 } {
                let key = random.u64(..step / 4 + 10);
                match find(&index, &keys, key) {
                    None => {
                        assert!(!keys.contains(&key) || keys.len() > 1000, "{name}: {key} is lost");
                        keys.push(key);
                        index.push(keys.len() as u32 - 1, |row| hash(keys[row as usize]));
                    }
                    Some(row) => {
                        let last = keys.len() as u32 - 1;
                        index.remove(row, hash(key));
                        if row < last {
                            index.renumber(last, hash(keys[last as usize]), row);
                        }
                        keys.swap_remove(row as usize);
                    }
                }
            }
            for (row, key) in keys.iter().enumerate() {
                assert_eq!(find(&index, &keys, *key), Some(row as u32), "{name}: {key}");
            }
            assert!(keys.len() > 100 && index.used >= keys.len(), "{name}");
            index.rebuild(keys.len() as u32, |row| hash(keys[row as usize]));
            assert!(keys.iter().all(|key| find(&index, &keys, *key).is_some()), "{name}");
        }
    }
}
