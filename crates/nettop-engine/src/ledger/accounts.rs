//! Accounts by key, side by side in one vector, so that going over all of them is fast and a key costs one slot of an
//! index besides.

use std::hash::{BuildHasher as _, Hash};

use foldhash::fast::RandomState;
use nettop_model::totals::Entry;
use nettop_process::heap;

use super::Account;
use crate::index::Index;

#[derive(Debug)]
pub struct Accounts<K, C: Entry> {
    rows: Vec<(K, Account<C>)>,
    index: Index,
    hasher: RandomState,
}

impl<K: Copy + Eq + Hash, C: Entry> Accounts<K, C> {
    pub fn new() -> Self {
        Self { rows: Vec::new(), index: Index::default(), hasher: RandomState::default() }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    #[inline]
    pub fn hash(&self, key: &K) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Reads what finding keys with these hashes will need.
    pub fn look_ahead(&self, hashes: &[u64]) {
        self.index.look_ahead(hashes);
    }

    /// Whether a key is at this position.
    #[inline]
    pub fn is_at(&self, position: usize, key: &K) -> bool {
        self.rows.get(position).is_some_and(|(other, _)| other == key)
    }

    /// Where a key is; `hash` is its hash.
    #[inline]
    pub fn position(&self, hash: u64, key: &K) -> Option<usize> {
        self.index.find(hash, |row| self.rows[row as usize].0 == *key).map(|row| row as usize)
    }

    pub fn get(&self, key: &K) -> Option<&Account<C>> {
        Some(&self.rows[self.position(self.hash(key), key)?].1)
    }

    pub fn at(&mut self, position: usize) -> &mut Account<C> {
        &mut self.rows[position].1
    }

    /// Adds the account of a key that has none.
    pub fn push(&mut self, key: K, account: Account<C>) -> usize {
        let Self { rows, index, hasher } = self;
        let position = rows.len();
        heap::make_room(rows);
        rows.push((key, account));
        index.push(position as u32, |row| hasher.hash_one(rows[row as usize].0));
        position
    }

    /// Removes the account at a position, which the last one then takes.
    pub fn swap_remove(&mut self, position: usize) -> (K, Account<C>) {
        let last = self.rows.len() - 1;
        self.index.remove(position as u32, self.hash(&self.rows[position].0));
        if position < last {
            self.index.renumber(last as u32, self.hash(&self.rows[last].0), position as u32);
        }
        self.rows.swap_remove(position)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &Account<C>)> {
        self.rows.iter().map(|(key, account)| (key, account))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut Account<C>)> {
        self.rows.iter_mut().map(|(key, account)| (&*key, account))
    }
}
