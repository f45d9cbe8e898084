//! Sums by prefix of one length, in bounded memory.

use std::{cmp::Reverse, hash::BuildHasher as _};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use nettop_common::PacketsBytes;
use nettop_process::heap;

use crate::rates::{TimeBuckets, recent::Recent};

/// Where there is little room, a reading brings at most about one in so many rows in.
const NEWCOMERS: usize = 64;
/// One in so many rows leaves when there is none; so many are only filled by few at once.
const LEAVERS: usize = 8;

/// The leading bits of an address.
pub type PrefixBits = u64;

/// What a reading has on one prefix.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Which.
    pub key: PrefixBits,
    /// What came from there.
    pub tally: PacketsBytes,
    /// How many sources there are more than before, or less.
    pub sources: i32,
}

/// One prefix.
#[derive(Clone, Copy, Debug)]
pub struct TrackedPrefix {
    /// Which.
    pub key: PrefixBits,
    /// Sources there, of those remembered.
    pub sources: u32,
    /// When it came.
    pub recent: Recent,
    /// Everything that came from there since it is here.
    pub total: PacketsBytes,
}

/// Prefixes of one length.
#[derive(Debug)]
pub struct PrefixTable {
    most: usize,
    rows: Vec<TrackedPrefix>,
    index: Index,
    evicted: PacketsBytes,
}

/// Where in the rows a key is: four bytes each, since the rows have the keys.
#[derive(Debug, Default)]
struct Index {
    places: HashTable<u32>,
    hasher: RandomState,
}

impl Index {
    fn find(&self, rows: &[TrackedPrefix], key: PrefixBits) -> Option<usize> {
        self.places.find(self.hasher.hash_one(key), |at| rows[*at as usize].key == key).map(|at| *at as usize)
    }

    /// Adds a row whose key is not there yet.
    fn insert(&mut self, rows: &[TrackedPrefix], at: usize) {
        let Self { places, hasher } = self;
        let hash = |at: usize| hasher.hash_one(rows[at].key);
        places.insert_unique(hash(at), at as u32, |at| hash(*at as usize));
    }
}

impl PrefixTable {
    /// Of at most so many rows.
    pub fn new(most: usize) -> Self {
        Self { most, rows: Vec::new(), index: Index::default(), evicted: PacketsBytes::default() }
    }

    /// What came from prefixes that have no row, or had none then.
    pub fn evicted(&self) -> PacketsBytes {
        self.evicted
    }

    /// Enters what a reading has, each key at most once, of `packets` in all.
    ///
    /// Where there is little room, few get in: each packet has the same chance to bring its prefix in, so that one with many gets in
    /// at once, one that goes on gets in soon, and a flood of prefixes that come once pushes nobody out.
    pub fn enter(&mut self, entries: impl Iterator<Item = Entry>, packets: u64, buckets: &TimeBuckets) {
        let free = self.most - self.most / LEAVERS;
        let chance = (self.most / NEWCOMERS).max(1) as f64 / packets as f64;
        for entry in entries {
            if let Some(at) = self.index.find(&self.rows, entry.key) {
                self.rows[at].add(&entry, buckets);
            } else if entry.tally.packets == 0 {
                // A source is forgotten of which the prefix is forgotten, too.
            } else if self.rows.len() < free || fastrand::f64() < entry.tally.packets as f64 * chance {
                if self.rows.len() >= self.most {
                    self.evict(buckets);
                }
                self.insert(&entry, buckets);
            } else {
                self.evicted.add(entry.tally);
            }
        }
    }

    /// Makes room: those with the fewest packets in the last minute go, and of equals those with the fewest at all.
    fn evict(&mut self, buckets: &TimeBuckets) {
        let mut ranks: Vec<_> = (0..)
            .zip(&self.rows)
            .map(|(at, row)| (row.recent.last_minute(buckets) as u64, row.total.packets, at))
            .collect();
        let leavers = (self.most / LEAVERS).clamp(1, ranks.len());
        ranks.select_nth_unstable(leavers - 1);
        for (.., at) in &ranks[..leavers] {
            let row: &mut TrackedPrefix = &mut self.rows[*at as usize];
            self.evicted.add(row.total);
            row.total = PacketsBytes::default();
        }
        self.rows.retain(|row| row.total.packets > 0);
        // Readings are entered in order of key: rows in that order are found in the cache.
        self.rows.sort_unstable_by_key(|row| row.key);
        self.index = Index::default();
        (0..self.rows.len()).for_each(|at| self.index.insert(&self.rows, at));
    }

    fn insert(&mut self, entry: &Entry, buckets: &TimeBuckets) {
        let mut row =
            TrackedPrefix { key: entry.key, sources: 0, recent: Recent::default(), total: PacketsBytes::default() };
        row.add(entry, buckets);
        heap::make_room(&mut self.rows);
        self.rows.push(row);
        self.index.insert(&self.rows, self.rows.len() - 1);
    }

    /// Everything that came from a prefix since it is here; `None`: it has no row.
    pub fn total(&self, key: PrefixBits) -> Option<PacketsBytes> {
        self.index.find(&self.rows, key).map(|at| self.rows[at].total)
    }

    /// The `limit` (0: all) rows with the most packets, most first, then the others: how many, and their sum.
    pub fn top(&self, limit: usize) -> (Vec<&TrackedPrefix>, u64, PacketsBytes) {
        let mut rows: Vec<_> = self.rows.iter().collect();
        let rank = |row: &&TrackedPrefix| (Reverse(row.total.packets), row.key);
        let mut rest = PacketsBytes::default();
        let mut others = 0;
        if limit > 0 && limit < rows.len() {
            rows.select_nth_unstable_by_key(limit, rank);
            others = (rows.len() - limit) as u64;
            rows.drain(limit..).for_each(|row| rest.add(row.total));
        }
        rows.sort_unstable_by_key(rank);
        (rows, others, rest)
    }
}

impl TrackedPrefix {
    fn add(&mut self, Entry { tally, sources, .. }: &Entry, buckets: &TimeBuckets) {
        self.total.add(*tally);
        self.recent.add(buckets, tally.packets);
        self.sources = self.sources.saturating_add_signed(*sources);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: PrefixBits, packets: u64) -> Entry {
        Entry { key, tally: PacketsBytes { packets, bytes: packets * 60 }, sources: 1 }
    }

    fn enter(table: &mut PrefixTable, entries: &[Entry], buckets: &TimeBuckets) {
        table.enter(entries.iter().copied(), entries.iter().map(|entry| entry.tally.packets).sum(), buckets);
    }

    fn sum(table: &PrefixTable) -> PacketsBytes {
        let (rows, _, _) = table.top(0);
        rows.iter().fold(table.evicted(), |mut sum, row| {
            sum.add(row.total);
            sum
        })
    }

    #[test]
    fn a_flood_of_prefixes_is_bounded_adds_up_and_pushes_nobody_out_that_goes_on() {
        let (mut table, buckets) = (PrefixTable::new(1024), TimeBuckets::new(0));
        let mut entered = 0;
        for reading in 0..200_u64 {
            // Ten that send on, three of them much, and two thousand that come once.
            let lasting = (0..10).map(|key| entry(key, if key < 3 { 50 } else { 2 }));
            let flood = (0..2000).map(|at| entry(1_000 + reading * 2000 + at, 1));
            let entries: Vec<_> = lasting.chain(flood).collect();
            entered += entries.iter().map(|entry| entry.tally.packets).sum::<u64>();
            enter(&mut table, &entries, &buckets);
            assert!(table.rows.len() <= 1024);
            assert_eq!(sum(&table), entry(0, entered).tally);
        }
        let (top, others, rest) = table.top(10);
        assert_eq!(top.iter().map(|row| row.key).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
        assert!(top[..3].iter().all(|row| row.total.packets == 10_000), "{top:?}");
        assert_eq!((others as usize, rest.packets), (table.rows.len() - 10, others));
    }

    #[test]
    fn one_that_comes_again_and_again_gets_in_during_a_flood() {
        let (mut table, buckets) = (PrefixTable::new(1024), TimeBuckets::new(0));
        let flood = |reading: u64| (0..2000).map(move |at| entry(1_000 + reading * 2000 + at, 1));
        (0..10).for_each(|reading| enter(&mut table, &flood(reading).collect::<Vec<_>>(), &buckets));
        let before = (10..2000).take_while(|reading| {
            let entries: Vec<_> = std::iter::once(entry(7, 1)).chain(flood(*reading)).collect();
            enter(&mut table, &entries, &buckets);
            table.total(7).is_none_or(|total| total.packets < 100)
        });
        assert!(before.count() < 1900);
    }

    #[test]
    fn sources_join_and_leave() {
        let (mut table, buckets) = (PrefixTable::new(2), TimeBuckets::new(0));
        enter(&mut table, &[entry(1, 5), entry(2, 1)], &buckets);
        enter(&mut table, &[Entry { sources: -1, ..entry(1, 0) }, Entry { sources: -1, ..entry(9, 0) }], &buckets);
        let (rows, ..) = table.top(0);
        assert_eq!(rows.iter().map(|row| (row.key, row.sources)).collect::<Vec<_>>(), [(1, 0), (2, 1)]);
    }
}
