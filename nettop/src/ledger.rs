//! The [`Ledger`]: what was counted per key, beyond the life of the key's entry in the kernel's map, in bounded memory.

use std::hash::Hash;

use foldhash::{HashMap, HashMapExt as _};
use nettop_common::Tally;

use crate::{
    rates::{History, Slots},
    reading::Cumulative,
};

/// One key's account.
#[derive(Clone, Debug, Default)]
pub struct Account<C> {
    /// Counted since the start or the last reset.
    pub total: C,
    /// Packets per slot.
    pub history: History,
    /// What the kernel's entry said last; default: there is no entry.
    raw: C,
    /// The tick in which packets came last.
    active: u64,
}

/// Accounts by key.
#[derive(Debug)]
pub struct Ledger<K, C> {
    accounts: HashMap<K, Account<C>>,
    /// Everything ever added, whatever was evicted or reset since.
    lifetime: Tally,
    evicted: Tally,
    tick: u64,
}

impl<K: Copy + Eq + Hash + Ord, C: Cumulative> Ledger<K, C> {
    /// An empty one.
    pub fn new() -> Self {
        Self { accounts: HashMap::new(), lifetime: Tally::default(), evicted: Tally::default(), tick: 0 }
    }

    /// Enters what the kernel's entries say now.
    pub fn enter(&mut self, entries: &[(K, C)], slots: &Slots) {
        self.enter_noting(entries, slots, |_, _, _| {});
    }

    /// As [`enter`](Self::enter); calls `note` for each key of which packets came, with its account, and whether they are
    /// its first since the start, the last reset, or since it was evicted.
    pub fn enter_noting(&mut self, entries: &[(K, C)], slots: &Slots, mut note: impl FnMut(&K, &Account<C>, bool)) {
        self.tick += 1;
        for (key, raw) in entries {
            self.enter_one(*key, raw, slots, &mut note);
        }
    }

    fn enter_one(&mut self, key: K, raw: &C, slots: &Slots, note: &mut impl FnMut(&K, &Account<C>, bool)) {
        let account = self.accounts.entry(key).or_default();
        let delta = raw.since(&account.raw);
        account.raw = *raw;
        let tally = delta.tally();
        if tally.packets == 0 {
            return;
        }
        let new = account.total.tally().packets == 0;
        account.total.add(&delta);
        account.history.add(slots, tally.packets);
        account.active = self.tick;
        self.lifetime.add(tally);
        note(&key, account, new);
    }

    /// The kernel's entry of a key was removed when it said `last`; should there be one again, it starts at zero.
    pub fn removed(&mut self, key: K, last: &C, slots: &Slots) {
        self.enter_one(key, last, slots, &mut |_, _, _| {});
        if let Some(account) = self.accounts.get_mut(&key) {
            account.raw = C::default();
        }
    }

    /// Of `entries`, at most `count` that are best to remove from the kernel's map: silent for longest, then fewest packets.
    /// Those that were not silent in the newest tick only where `active` is set.
    pub fn idlest(&self, entries: &[(K, C)], count: usize, active: bool) -> Vec<K> {
        let mut keys: Vec<_> = entries
            .iter()
            .filter_map(|(key, _)| {
                let account = self.accounts.get(key)?;
                let eligible = active || account.active < self.tick;
                eligible.then_some((account.active, account.total.tally().packets, *key))
            })
            .collect();
        if count < keys.len() {
            keys.select_nth_unstable(count);
            keys.truncate(count);
        }
        keys.into_iter().map(|(_, _, key)| key).collect()
    }

    /// Evicts accounts without an entry in the kernel until at most `most` are left, or none such. Returns their keys.
    pub fn evict(&mut self, most: usize) -> Vec<K> {
        let excess = self.accounts.len().saturating_sub(most);
        if excess == 0 {
            return Vec::new();
        }
        let mut keys: Vec<_> = self
            .accounts
            .iter()
            .filter(|(_, account)| account.raw.tally().packets == 0)
            .map(|(key, account)| (account.active, account.total.tally().packets, *key))
            .collect();
        if excess < keys.len() {
            keys.select_nth_unstable(excess);
            keys.truncate(excess);
        }
        keys.into_iter()
            .map(|(_, _, key)| {
                if let Some(account) = self.accounts.remove(&key) {
                    self.evicted.add(account.total.tally());
                }
                key
            })
            .collect()
    }

    /// Starts counting anew; what the kernel's entries say remains the base of the next difference.
    pub fn reset(&mut self) {
        self.evicted = Tally::default();
        self.accounts.retain(|_, account| {
            account.total = C::default();
            account.history.clear();
            account.raw.tally().packets > 0
        });
    }

    /// Everything ever added.
    pub fn lifetime(&self) -> Tally {
        self.lifetime
    }

    /// Counted for keys that were evicted since.
    pub fn evicted(&self) -> Tally {
        self.evicted
    }

    /// The account of a key.
    pub fn get(&self, key: &K) -> Option<&Account<C>> {
        self.accounts.get(key)
    }

    /// Accounts with at least one packet.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Account<C>)> {
        self.accounts.iter().filter(|(_, account)| account.total.tally().packets > 0)
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

impl<K: Copy + Eq + Hash + Ord, C: Cumulative> Default for Ledger<K, C> {
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
    fn differences_add_up() {
        let (mut ledger, slots) = (Ledger::new(), Slots::new(0));
        ledger.enter(&[(1, tally(5)), (2, tally(1))], &slots);
        ledger.enter(&[(1, tally(7)), (2, tally(1))], &slots);
        assert_eq!(total(&ledger), tally(8));
        assert_eq!(ledger.lifetime(), tally(8));
    }

    #[test]
    fn keys_are_new_once_and_again_after_a_reset_or_an_eviction() {
        let (mut ledger, slots) = (Ledger::new(), Slots::new(0));
        let enter = |ledger: &mut Ledger<u32, Tally>, entries: &[(u32, Tally)]| {
            let mut noted = Vec::new();
            ledger.enter_noting(entries, &slots, |key, _, new| noted.push((*key, new)));
            noted
        };
        assert_eq!(enter(&mut ledger, &[(1, tally(5)), (2, tally(0))]), [(1, true)], "2 has sent nothing yet");
        assert_eq!(enter(&mut ledger, &[(1, tally(5)), (2, tally(1))]), [(2, true)], "1 has sent nothing more");
        assert_eq!(enter(&mut ledger, &[(1, tally(6)), (2, tally(2))]), [(1, false), (2, false)]);
        ledger.reset();
        assert_eq!(enter(&mut ledger, &[(1, tally(7)), (2, tally(2))]), [(1, true)]);
        ledger.removed(1, &tally(7), &slots);
        assert_eq!(ledger.evict(1), [1]);
        assert_eq!(enter(&mut ledger, &[(1, tally(1))]), [(1, true)]);
    }

    #[test]
    fn a_removed_entry_comes_back_at_zero() {
        let (mut ledger, slots) = (Ledger::new(), Slots::new(0));
        ledger.enter(&[(1, tally(5))], &slots);
        ledger.removed(1, &tally(6), &slots);
        ledger.enter(&[(1, tally(9))], &slots);
        assert_eq!(ledger.get(&1).unwrap().total, tally(15), "5, 1 more at the removal, 9 after it");
    }

    #[test]
    fn the_silent_and_the_small_go_first() {
        let (mut ledger, slots) = (Ledger::new(), Slots::new(0));
        let entries = [(1, tally(50)), (2, tally(1)), (3, tally(2))];
        ledger.enter(&entries[..1], &slots);
        ledger.enter(&entries, &slots);
        assert_eq!(ledger.idlest(&entries, 1, true), [1], "silent in the last tick");
        assert_eq!(ledger.idlest(&entries, 3, false), [1], "the others were not silent");
        let mut two = ledger.idlest(&entries, 2, true);
        two.sort_unstable();
        assert_eq!(two, [1, 2]);
    }

    #[test]
    fn what_is_evicted_stays_in_the_sum() {
        let (mut ledger, slots) = (Ledger::new(), Slots::new(0));
        let entries: Vec<_> = (0..10u32).map(|key| (key, tally(u64::from(key) + 1))).collect();
        ledger.enter(&entries, &slots);
        assert!(ledger.evict(4).is_empty(), "the kernel still has all of them");
        for (key, last) in &entries[..8] {
            ledger.removed(*key, last, &slots);
        }
        assert_eq!(ledger.evict(4).len(), 6);
        assert_eq!(ledger.iter().count(), 4);
        assert_eq!(total(&ledger), tally(55));
    }

    #[test]
    fn a_reset_keeps_the_base_of_differences() {
        let (mut ledger, slots) = (Ledger::new(), Slots::new(0));
        ledger.enter(&[(1, tally(5)), (2, tally(5))], &slots);
        ledger.removed(2, &tally(5), &slots);
        ledger.reset();
        assert_eq!(ledger.iter().count(), 0);
        ledger.enter(&[(1, tally(6)), (2, tally(3))], &slots);
        assert_eq!(total(&ledger), tally(4));
        assert_eq!(ledger.lifetime(), tally(14));
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
