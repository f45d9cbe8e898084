//! Accounts by key, side by side in one vector, so that going over all of them is fast and a key costs one slot of an
//! index besides.

use std::hash::{BuildHasher as _, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use nettop_model::totals::Entry;
use nettop_process::heap;

use super::Account;

#[derive(Debug)]
pub struct Accounts<K, C: Entry> {
    rows: Vec<(K, Account<C>)>,
    /// Where in `rows` a key is.
    index: HashTable<u32>,
    hasher: RandomState,
}

impl<K: Copy + Eq + Hash, C: Entry> Accounts<K, C> {
    pub fn new() -> Self {
        Self { rows: Vec::new(), index: HashTable::new(), hasher: RandomState::default() }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn hash(&self, key: &K) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Where a key is; `hash` is its hash.
    pub fn position(&self, hash: u64, key: &K) -> Option<usize> {
        self.index.find(hash, |row| self.rows[*row as usize].0 == *key).map(|row| *row as usize)
    }

    pub fn get(&self, key: &K) -> Option<&Account<C>> {
        Some(&self.rows[self.position(self.hash(key), key)?].1)
    }

    pub fn at(&mut self, position: usize) -> &mut Account<C> {
        &mut self.rows[position].1
    }

    /// Adds the account of a key that has none.
    pub fn push(&mut self, hash: u64, key: K, account: Account<C>) -> usize {
        let Self { rows, index, hasher } = self;
        let position = rows.len();
        heap::make_room(rows);
        rows.push((key, account));
        index.insert_unique(hash, position as u32, |row| hasher.hash_one(rows[*row as usize].0));
        position
    }

    /// Removes the account at a position, which the last one then takes.
    pub fn swap_remove(&mut self, position: usize) -> (K, Account<C>) {
        let last = self.rows.len() - 1;
        self.forget(position);
        if position < last {
            let hash = self.hash(&self.rows[last].0);
            if let Some(row) = self.index.find_mut(hash, |row| *row as usize == last) {
                *row = position as u32;
            }
        }
        self.rows.swap_remove(position)
    }

    fn forget(&mut self, position: usize) {
        let hash = self.hash(&self.rows[position].0);
        if let Ok(row) = self.index.find_entry(hash, |row| *row as usize == position) {
            row.remove();
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &Account<C>)> {
        self.rows.iter().map(|(key, account)| (key, account))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut Account<C>)> {
        self.rows.iter_mut().map(|(key, account)| (&*key, account))
    }
}
