//! The [`Ledger`]: what was counted per key, in bounded memory.

use std::hash::Hash;

use foldhash::{HashMap, HashMapExt as _};
use nettop_common::{Tally, counters::Counters};

use crate::rates::{History, Slots};

/// One key's account.
#[derive(Clone, Debug, Default)]
pub struct Account<C> {
    /// Counted since the start or the last reset.
    pub total: C,
    /// Packets per slot of time.
    pub history: History,
    /// The reading in which packets came last.
    active: u32,
    /// What the owner notes about the key; 0: nothing yet.
    pub note: u32,
}

/// Accounts by key.
#[derive(Debug)]
pub struct Ledger<K, C> {
    accounts: HashMap<K, Account<C>>,
    entered: Tally,
    evicted: Tally,
    readings: u32,
}

impl<K: Copy + Eq + Hash + Ord, C: Counters> Ledger<K, C> {
    /// An empty one.
    pub fn new() -> Self {
        Self { accounts: HashMap::new(), entered: Tally::default(), evicted: Tally::default(), readings: 0 }
    }

    /// Enters what was counted since the last time.
    pub fn enter(&mut self, entries: &[(K, C)], slots: &Slots) {
        self.enter_noting(entries, slots, |_, _, _, _| {});
    }

    /// As [`enter`](Self::enter); calls `note` for each entry, with its key's account, and whether it is the first since
    /// the start, the last reset, or since the key was evicted.
    pub fn enter_noting(
        &mut self,
        entries: &[(K, C)],
        slots: &Slots,
        mut note: impl FnMut(&K, &mut Account<C>, &C, bool),
    ) {
        self.readings = self.readings.wrapping_add(1);
        for (key, counted) in entries {
            let account = self.accounts.entry(*key).or_default();
            let new = account.total.tally().packets == 0;
            let tally = counted.tally();
            account.total.add(counted);
            account.history.add(slots, tally.packets);
            account.active = self.readings;
            self.entered.add(tally);
            note(key, account, counted, new);
        }
    }

    /// Evicts accounts until at most `most` are left: those silent for longest, then those with the fewest packets. A
    /// little more than needed, so that it is not needed at every reading. Tells `gone` of each.
    pub fn evict(&mut self, most: usize, mut gone: impl FnMut(&K, &Account<C>)) {
        if self.accounts.len() <= most {
            return;
        }
        let excess = self.accounts.len() - (most - most / 8);
        let readings = self.readings;
        let mut keys: Vec<_> = self
            .accounts
            .iter()
            .map(|(key, account)| {
                let silent = readings.wrapping_sub(account.active);
                (std::cmp::Reverse(silent), account.total.tally().packets, *key)
            })
            .collect();
        if excess < keys.len() {
            keys.select_nth_unstable(excess);
            keys.truncate(excess);
        }
        for (_, _, key) in keys {
            if let Some(account) = self.accounts.remove(&key) {
                self.evicted.add(account.total.tally());
                gone(&key, &account);
            }
        }
    }

    /// Starts counting anew.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// Everything entered since the start or the last reset.
    pub fn entered(&self) -> Tally {
        self.entered
    }

    /// Of that, for keys that were evicted since.
    pub fn evicted(&self) -> Tally {
        self.evicted
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.accounts.len()
    }

    /// The account of a key.
    pub fn get(&self, key: &K) -> Option<&Account<C>> {
        self.accounts.get(key)
    }

    /// Every account.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Account<C>)> {
        self.accounts.iter()
    }

    /// The same, to note something.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut Account<C>)> {
        self.accounts.iter_mut()
    }

    /// Keeps the totals, but not when they came.
    pub fn forget_rates(&mut self) {
        self.accounts.values_mut().for_each(|account| account.history.clear());
    }

    /// The `limit` (0: all) keys with the most packets, most first, then sums over the others: how many, and their tally.
    pub fn top(&self, limit: usize) -> (Vec<K>, u64, Tally) {
        let mut keys: Vec<_> =
            self.iter().map(|(key, account)| (std::cmp::Reverse(account.total.tally().packets), *key)).collect();
        let (mut others, mut rest) = (0, Tally::default());
        if limit > 0 && limit < keys.len() {
            keys.select_nth_unstable(limit);
            for (_, key) in keys.drain(limit..) {
                others += 1;
                rest.add(self.accounts[&key].total.tally());
            }
        }
        keys.sort_unstable();
        (keys.into_iter().map(|(_, key)| key).collect(), others, rest)
    }
}

impl<K: Copy + Eq + Hash + Ord, C: Counters> Default for Ledger<K, C> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(packets: u64) -> Tally {
        Tally { packets, bytes: packets * 100 }
    }

    fn total(ledger: &Ledger<u32, Tally>) -> Tally {
        let mut sum = ledger.evicted();
        ledger.iter().for_each(|(_, account)| sum.add(account.total));
        sum
    }

    #[test]
    fn what_is_entered_adds_up() {
        let (mut ledger, slots) = (Ledger::new(), Slots::new(0));
        ledger.enter(&[(1, tally(5)), (2, tally(1)), (1, tally(1))], &slots);
        ledger.enter(&[(1, tally(2))], &slots);
        assert_eq!((total(&ledger), ledger.entered()), (tally(9), tally(9)));
        assert_eq!(ledger.get(&1).unwrap().total, tally(8));
    }

    #[test]
    fn keys_are_new_once_and_again_after_a_reset_or_an_eviction() {
        let (mut ledger, slots) = (Ledger::new(), Slots::new(0));
        let enter = |ledger: &mut Ledger<u32, Tally>, keys: &[u32]| {
            let entries: Vec<_> = keys.iter().map(|key| (*key, tally(1))).collect();
            let mut noted = Vec::new();
            ledger.enter_noting(&entries, &slots, |key, _, _, new| noted.push((*key, new)));
            noted
        };
        assert_eq!(enter(&mut ledger, &[1, 2, 1]), [(1, true), (2, true), (1, false)]);
        ledger.reset();
        assert_eq!(enter(&mut ledger, &[1]), [(1, true)]);
        ledger.evict(0, |_, _| {});
        assert_eq!(enter(&mut ledger, &[1]), [(1, true)]);
    }

    #[test]
    fn the_silent_and_the_small_are_evicted_first_and_stay_in_the_sum() {
        let (mut ledger, slots) = (Ledger::new(), Slots::new(0));
        ledger.enter(&[(1, tally(50)), (2, tally(60))], &slots);
        ledger.enter(&[(2, tally(1)), (3, tally(2)), (4, tally(3))], &slots);
        let evicted = |ledger: &mut Ledger<u32, Tally>, most| {
            let mut keys = Vec::new();
            ledger.evict(most, |key, _| keys.push(*key));
            keys.sort_unstable();
            keys
        };
        assert!(evicted(&mut ledger, 4).is_empty());
        assert_eq!(evicted(&mut ledger, 3), [1], "silent for longest");
        assert_eq!(evicted(&mut ledger, 1), [3, 4], "fewest packets");
        assert_eq!(ledger.evicted(), tally(55));
        assert_eq!((total(&ledger), ledger.entered()), (tally(116), tally(116)));
    }

    #[test]
    fn the_top_and_the_rest_are_everything() {
        let (mut ledger, slots) = (Ledger::new(), Slots::new(0));
        let entries: Vec<_> = (1..=10u32).map(|key| (key, tally(u64::from(key)))).collect();
        ledger.enter(&entries, &slots);
        let (top, others, rest) = ledger.top(3);
        assert_eq!((top, others, rest), (vec![10, 9, 8], 7, tally(28)));
        assert_eq!(ledger.top(0).0.len(), 10);
    }
}
