//! Sums by prefix of one length, in bounded memory.

use std::{cmp::Reverse, hash::BuildHasher as _, mem};

use foldhash::fast::RandomState;
use nettop_common::PacketsBytes;
use nettop_process::heap;

use crate::{
    index::{AHEAD, Index},
    ledger::{Lost, Note},
    rates::{TimeBuckets, recent::Recent},
};

/// Where there is little room, a reading brings at most about one in so many rows in.
const NEWCOMERS: usize = 128;
/// One in so many rows leaves when there is none; so many are only filled by few at once.
const LEAVERS: usize = 8;
/// Rows are put in order again when one in so many is not.
const UNORDERED: usize = 16;

/// The leading bits of an address.
pub type PrefixBits = u64;

/// What a reading has on one prefix.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrefixEntry {
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
    /// How many sources are there, of those remembered; and whether packets of it are missing here.
    pub note: Note,
    /// When it came.
    pub recent: Recent,
    /// Everything that came from there since it is here.
    pub total: PacketsBytes,
}

/// Prefixes of one length.
#[derive(Debug)]
pub struct PrefixTable {
    most: usize,
    /// How many rows are filled by whoever comes first.
    free: usize,
    rows: Vec<TrackedPrefix>,
    /// How many of them, from the first on, were put in order.
    in_order: usize,
    index: Index,
    hasher: RandomState,
    evicted: PacketsBytes,
    /// Prefixes of which packets are in no row.
    lost: Lost,
}

impl PrefixTable {
    /// Of at most so many rows, with `every` prefix that there is, or no room for all.
    pub fn new(most: usize, every: bool) -> Self {
        Self {
            most,
            free: if every { most } else { most - most / LEAVERS },
            rows: Vec::new(),
            in_order: 0,
            index: Index::default(),
            hasher: RandomState::default(),
            evicted: PacketsBytes::default(),
            lost: Lost::default(),
        }
    }

    /// What came from prefixes that have no row, or had none then.
    pub fn evicted(&self) -> PacketsBytes {
        self.evicted
    }

    /// Enters a part of what a reading has, each key at most once. `chance`: that one packet brings its prefix in where there
    /// is little room.
    ///
    /// There few get in: each packet has the same chance to bring its prefix in, so that one with many gets in at once, one that
    /// goes on gets in soon, and a flood of prefixes that come once pushes nobody out.
    pub fn enter(&mut self, mut entries: impl Iterator<Item = PrefixEntry>, chance: f64, buckets: &TimeBuckets) {
        // Rows mostly lie in the order in which entries come: the next one is often there.
        let mut next = 0;
        let (mut some, mut hashes) = ([PrefixEntry::default(); AHEAD], [0; AHEAD]);
        loop {
            let count = some.iter_mut().zip(&mut entries).map(|(place, entry)| *place = entry).count();
            let some = &some[..count];
            // Where there is little room most prefixes have no row.
            let is_full = self.rows.len() >= self.free;
            if is_full {
                hashes.iter_mut().zip(some).for_each(|(hash, entry)| *hash = self.hasher.hash_one(entry.key));
                self.index.look_ahead(&hashes[..count]);
            }
            for (entry, hash) in some.iter().zip(hashes) {
                if let Some(row) = self.rows.get_mut(next)
                    && row.key == entry.key
                {
                    row.add(entry, buckets);
                    next += 1;
                    continue;
                }
                let hash = if is_full { hash } else { self.hasher.hash_one(entry.key) };
                next = self.enter_one(entry, hash, chance, buckets).map_or(next, |at| at + 1);
            }
            if count < AHEAD {
                break;
            }
        }
        if self.rows.len() - self.in_order > self.rows.len() / UNORDERED + AHEAD {
            self.put_in_order();
        }
    }

    /// Sorts the rows: readings are entered in order of key, and rows in that order are found in the cache, or without a look-up.
    fn put_in_order(&mut self) {
        let Self { rows, index, hasher, in_order, .. } = self;
        rows.sort_unstable_by_key(|row| row.key);
        index.rebuild(rows.len() as u32, |row| hasher.hash_one(rows[row as usize].key));
        *in_order = rows.len();
    }

    /// Enters what came from one prefix; returns which row it has, or had.
    fn enter_one(&mut self, entry: &PrefixEntry, hash: u64, chance: f64, buckets: &TimeBuckets) -> Option<usize> {
        if let Some(at) = self.find(hash, entry.key) {
            self.rows[at].add(entry, buckets);
            return Some(at);
        }
        if entry.tally.packets == 0 {
            // Of a source whose prefix is forgotten, or never was remembered.
        } else if self.rows.len() < self.free || fastrand::f64() < entry.tally.packets as f64 * chance {
            if self.rows.len() >= self.most {
                self.evict(buckets);
            }
            self.insert(hash, entry, buckets);
        } else {
            self.evicted.add(entry.tally);
            self.lost.add(hash, self.most);
        }
        None
    }

    /// How many prefixes a reading may bring in where there is little room.
    pub fn newcomers(&self) -> f64 {
        (self.most / NEWCOMERS).max(1) as f64
    }

    fn find(&self, hash: u64, key: PrefixBits) -> Option<usize> {
        self.index.find(hash, |row| self.rows[row as usize].key == key).map(|row| row as usize)
    }

    /// Makes room: those with the fewest packets in the last minute go, and of equals those with the fewest at all.
    fn evict(&mut self, buckets: &TimeBuckets) {
        let Self { most, rows, hasher, evicted, lost, .. } = self;
        let mut ranks: Vec<_> = (0..)
            .zip(rows.iter())
            .map(|(at, row)| (row.recent.last_minute(buckets) as u64, row.total.packets, at))
            .collect();
        let leavers = (*most / LEAVERS).clamp(1, ranks.len());
        ranks.select_nth_unstable(leavers - 1);
        for (.., at) in &ranks[..leavers] {
            let row: &mut TrackedPrefix = &mut rows[*at as usize];
            evicted.add(mem::take(&mut row.total));
            lost.add(hasher.hash_one(row.key), *most);
        }
        rows.retain(|row| row.total.packets > 0);
        self.put_in_order();
    }

    fn insert(&mut self, hash: u64, entry: &PrefixEntry, buckets: &TimeBuckets) {
        let Self { rows, index, hasher, lost, .. } = self;
        let mut row = TrackedPrefix {
            key: entry.key,
            note: Note::default(),
            recent: Recent::default(),
            total: PacketsBytes::default(),
        };
        if lost.has(hash) {
            row.note.set_lacks();
        }
        row.add(entry, buckets);
        heap::make_room(rows);
        rows.push(row);
        index.push(rows.len() as u32 - 1, |row| hasher.hash_one(rows[row as usize].key));
    }

    /// Everything that came from a prefix since it is here; `None`: it has no row.
    pub fn total(&self, key: PrefixBits) -> Option<PacketsBytes> {
        self.find(self.hasher.hash_one(key), key).map(|at| self.rows[at].total)
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
    fn add(&mut self, PrefixEntry { tally, sources, .. }: &PrefixEntry, buckets: &TimeBuckets) {
        self.total.add(*tally);
        self.recent.add(buckets, tally.packets);
        self.note.set_number(self.note.number().saturating_add_signed(*sources));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: PrefixBits, packets: u64) -> PrefixEntry {
        PrefixEntry { key, tally: PacketsBytes { packets, bytes: packets * 60 }, sources: 1 }
    }

    fn enter(table: &mut PrefixTable, entries: &[PrefixEntry], buckets: &TimeBuckets) {
        let packets: u64 = entries.iter().map(|entry| entry.tally.packets).sum();
        table.enter(entries.iter().copied(), table.newcomers() / packets as f64, buckets);
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
        let (mut table, buckets) = (PrefixTable::new(1024, false), TimeBuckets::new(0));
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
        let (mut table, buckets) = (PrefixTable::new(1024, false), TimeBuckets::new(0));
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
        let (mut table, buckets) = (PrefixTable::new(2, false), TimeBuckets::new(0));
        enter(&mut table, &[entry(1, 5), entry(2, 1)], &buckets);
        enter(
            &mut table,
            &[PrefixEntry { sources: -1, ..entry(1, 0) }, PrefixEntry { sources: -1, ..entry(9, 0) }],
            &buckets,
        );
        let (rows, ..) = table.top(0);
        assert_eq!(rows.iter().map(|row| (row.key, row.note.number())).collect::<Vec<_>>(), [(1, 0), (2, 1)]);
    }
}
