//! The [`Ledger`]: what was counted per key, in bounded memory.
//!
//! A flood from forged addresses brings more new keys in a second than there is room for, each with a packet or two. While
//! there is no room, only some keys get an account at first sight; the others when they were seen often enough lately. How often that
//! is rises until few enough are. What makes room for them are the accounts with the fewest packets, where a packet counts half as
//! much for every ten seconds since it came. So neither a busy source nor a quiet steady one is pushed out, and what a flood leaves
//! behind goes soon.

mod accounts;
mod admission;
mod lost;
mod note;

use std::{cmp::Reverse, hash::Hash, mem};

use nettop_common::PacketsBytes;
use nettop_model::totals::Entry;

pub(crate) use self::lost::Lost;
pub use self::note::Note;
use self::{accounts::Accounts, admission::AdmissionFilter};
use crate::{
    index::AHEAD,
    rates::{History, SECOND_NS, TimeBuckets},
};

/// After so many buckets of time, which are seconds or longer, a packet counts half as much when room has to be made.
const HALF_LIFE: i64 = 10;
/// While the ledger is full, so many keys per second get an account at first sight: more than that come in floods only, and of
/// those few come again ...
const FREE_PER_SECOND: u64 = 10_000;
/// ... but not more than one in so many of all accounts.
const FREE_SHARE: u64 = 8;
/// One account in so many is evicted at once, so that it is not needed at every reading.
const EVICTED_SHARE: usize = 8;
/// How often a key without account has to be seen at least when there is no room.
const SEEN_AT_LEAST: u8 = 2;
/// Bytes per account for remembering others, and at most: four million keys, or a flood's of a second.
const STRANGERS_SHARE: usize = 128;
const MOST_STRANGERS: usize = 1 << 23;

/// One key's account.
#[derive(Clone, Debug)]
pub struct Account<C: Entry> {
    /// Counted since the start, the last reset, or since it got the account.
    pub total: C::Total,
    /// Packets per bucket of time.
    pub history: History,
    /// Packets when the newest came, each half as much for every half-life since it came itself.
    weight: f32,
    /// What the owner notes about the key, and whether packets of it are missing here.
    pub note: Note,
}

impl<C: Entry> Account<C> {
    /// An empty one, of a key that was seen so often before.
    fn new(weight: f32) -> Self {
        Self { total: C::Total::default(), history: History::default(), weight, note: Note::default() }
    }

    /// Packets and bytes.
    pub fn tally(&self) -> PacketsBytes {
        C::of(&self.total)
    }

    /// Adds what was counted. False: it may be less than there was.
    fn add(&mut self, counted: &C, buckets: &TimeBuckets) -> bool {
        let packets = counted.tally().packets;
        let silent = self.history.silent(buckets);
        if silent > 0 {
            self.weight *= (-(silent as f32) / HALF_LIFE as f32).exp2();
        }
        self.weight += packets as f32;
        self.history.add(buckets, packets);
        counted.add_to(&mut self.total)
    }

    /// What it is worth now, for comparing: the bits of a positive number of single precision are nearly its logarithm.
    fn worth(&self, buckets: &TimeBuckets) -> i64 {
        const OCTAVE: i64 = 1 << (f32::MANTISSA_DIGITS - 1);
        i64::from(self.weight.to_bits()) - i64::from(self.history.silent(buckets)) * OCTAVE / HALF_LIFE
    }
}

/// Is told what becomes of entries.
pub trait Watch<K, C: Entry> {
    /// One was added to its key's account. `new`: to an empty one, which is the key's first since the start, the last
    /// reset, or since it was evicted.
    fn entered(&mut self, _key: &K, _account: &mut Account<C>, _counted: &C, _new: bool) {}
    /// One was only added to the sums. `new`: its key was not seen lately either.
    fn unadmitted(&mut self, _key: &K, _counted: &C, _new: bool) {}
    /// An account was evicted.
    fn evicted(&mut self, _key: &K, _account: &Account<C>) {}
}

impl<K, C: Entry> Watch<K, C> for () {}

/// Accounts by key.
#[derive(Debug)]
pub struct Ledger<K, C: Entry> {
    accounts: Accounts<K, C>,
    most: usize,
    entered: PacketsBytes,
    evicted: PacketsBytes,
    unadmitted: PacketsBytes,
    /// Until when was entered, on the monotonic clock.
    now_ns: u64,
    strangers: AdmissionFilter,
    /// How often a stranger has to be seen.
    seen_enough: u8,
    /// Keys of which packets are in no account.
    lost: Lost,
    /// How many accounts lack packets.
    lacking: usize,
}

impl<K: Copy + Eq + Hash + Ord, C: Entry> Ledger<K, C> {
    /// An empty one, for at most so many accounts.
    pub fn new(most: usize) -> Self {
        Self {
            accounts: Accounts::new(),
            most: most.max(1),
            entered: PacketsBytes::default(),
            evicted: PacketsBytes::default(),
            unadmitted: PacketsBytes::default(),
            now_ns: 0,
            strangers: AdmissionFilter::default(),
            seen_enough: SEEN_AT_LEAST,
            lost: Lost::default(),
            lacking: 0,
        }
    }

    /// Enters what was counted since the last time.
    pub fn enter(&mut self, entries: &[(K, C)], buckets: &TimeBuckets) {
        self.enter_watched(entries, buckets, &mut ());
    }

    /// The same, telling `watch` what becomes of each entry.
    pub fn enter_watched(&mut self, entries: &[(K, C)], buckets: &TimeBuckets, watch: &mut impl Watch<K, C>) {
        let before_ns = mem::replace(&mut self.now_ns, buckets.now_ns());
        let since_ns = self.now_ns.saturating_sub(before_ns).min(SECOND_NS);
        let free_at_most = FREE_PER_SECOND.min(self.most as u64 / FREE_SHARE) * since_ns / SECOND_NS;
        // What is evicted at once is not for whoever comes first.
        let room = (self.most - self.most / EVICTED_SHARE).saturating_sub(self.accounts.len()) as u64;
        let (mut free, mut admitted) = (room + free_at_most, 0);
        // Not always the same first: their order is that of the kernel's slots, and the first ones find more room.
        let (end, start) = entries.split_at(fastrand::usize(..entries.len().max(1)).min(entries.len()));
        let mut next = 0;
        for some in start.chunks(AHEAD).chain(end.chunks(AHEAD)) {
            let hashes = self.look_ahead(some);
            for (at, (key, counted)) in some.iter().enumerate() {
                let tally = counted.tally();
                self.entered.add(tally);
                // Entries come in the order of before, and so of the accounts, but for what came in between.
                let (hash, position) = if self.accounts.is_at(next, key) {
                    (0, Some(next))
                } else {
                    let hash = hashes.map_or_else(|| self.accounts.hash(key), |hashes| hashes[at]);
                    (hash, self.accounts.position(hash, key))
                };
                let new = position.is_none();
                let position = match position {
                    Some(position) => position,
                    None if free > 0 => {
                        free -= 1;
                        self.open(hash, *key, 0, buckets, watch)
                    }
                    None => {
                        let (seen, first) = self.strangers.see(hash, tally.packets, self.strangers_size());
                        if seen < self.seen_enough {
                            self.unadmitted.add(tally);
                            self.lost.add(hash, self.most);
                            watch.unadmitted(key, counted, first);
                            continue;
                        }
                        admitted += 1;
                        let before = u64::from(seen).saturating_sub(tally.packets);
                        self.open(hash, *key, before, buckets, watch)
                    }
                };
                next = position + 1;
                let account = self.accounts.at(position);
                if !account.add(counted, buckets) && !account.note.lacks() {
                    account.note.set_lacks();
                    self.lacking += 1;
                }
                watch.entered(key, account, counted, new);
            }
        }
        // As many may be other keys, or they have to be seen more often: with every packet of a flood at hand whoever sends on is soon
        // seen again, and one in a hundred of the others is taken for one that was.
        if admitted > free_at_most {
            self.seen_enough = (self.seen_enough + 1).min(admission::MOST);
        } else if admitted * 4 < free_at_most {
            self.seen_enough = (self.seen_enough - 1).max(SEEN_AT_LEAST);
        }
    }

    /// In a flood, where most keys have no account, their hashes, after what they will need was read. Else the next account mostly is
    /// the right one.
    fn look_ahead(&self, entries: &[(K, C)]) -> Option<[u64; AHEAD]> {
        if self.strangers.is_empty() {
            return None;
        }
        let mut hashes = [0; AHEAD];
        hashes.iter_mut().zip(entries).for_each(|(hash, (key, _))| *hash = self.accounts.hash(key));
        self.accounts.look_ahead(&hashes[..entries.len()]);
        self.strangers.look_ahead(&hashes[..entries.len()]);
        Some(hashes)
    }

    fn strangers_size(&self) -> usize {
        self.most.saturating_mul(STRANGERS_SHARE).clamp(1024, MOST_STRANGERS).next_power_of_two()
    }

    /// Opens the account of a key that was seen `before` so often; others may have to go for it.
    fn open(&mut self, hash: u64, key: K, before: u64, buckets: &TimeBuckets, watch: &mut impl Watch<K, C>) -> usize {
        if self.accounts.len() >= self.most {
            self.evict((self.most / EVICTED_SHARE).max(1), buckets, watch);
        }
        let mut account = Account::new(before as f32);
        if self.lost.has(hash) {
            account.note.set_lacks();
            self.lacking += 1;
        }
        self.accounts.push(key, account)
    }

    /// Evicts the `count` accounts that are worth least.
    pub fn evict(&mut self, count: usize, buckets: &TimeBuckets, watch: &mut impl Watch<K, C>) {
        let worth = self.accounts.iter().map(|(_, account)| account.worth(buckets));
        let mut accounts: Vec<_> = worth.zip(0u32..).collect();
        if count < accounts.len() {
            accounts.select_nth_unstable(count);
            accounts.truncate(count);
        }
        // From the last: what takes the place of an evicted one is none of those still to go.
        accounts.sort_unstable_by_key(|(_, position)| Reverse(*position));
        for (_, position) in accounts {
            let (key, account) = self.accounts.swap_remove(position as usize);
            self.evicted.add(account.tally());
            self.lost.add(self.accounts.hash(&key), self.most);
            self.lacking -= usize::from(account.note.lacks());
            watch.evicted(&key, &account);
        }
    }

    /// Gives memory back that was taken for a flood.
    pub fn shrink(&mut self) {
        self.strangers = AdmissionFilter::default();
    }

    /// Starts counting anew.
    pub fn reset(&mut self) {
        *self = Self::new(self.most);
    }

    /// Everything entered since the start or the last reset.
    pub fn entered(&self) -> PacketsBytes {
        self.entered
    }

    /// Of that, what no account has any more, or none ever had.
    pub fn evicted(&self) -> PacketsBytes {
        let mut sum = self.evicted;
        sum.add(self.unadmitted);
        sum
    }

    /// Of that, what none ever had: there was no room for a key seen so seldom.
    pub fn unadmitted(&self) -> PacketsBytes {
        self.unadmitted
    }

    /// How many accounts lack packets of their key, which came before it got the account.
    pub fn lacking(&self) -> usize {
        self.lacking
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.accounts.len()
    }

    /// Whether packets of a key may be in no account, or in one no more.
    pub fn may_lack(&self, key: &K) -> bool {
        self.lost.has(self.accounts.hash(key))
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

    /// The `limit` (0: all) keys with the most packets, most first, then sums over the others: how many, and their tally.
    pub fn top(&self, limit: usize) -> (Vec<K>, u64, PacketsBytes) {
        let tallies = self.iter().map(|(key, account)| (account.tally(), *key));
        let mut keys: Vec<_> = tallies.map(|(tally, key)| (Reverse(tally.packets), key, tally.bytes)).collect();
        let (mut others, mut rest) = (0, PacketsBytes::default());
        if limit > 0 && limit < keys.len() {
            keys.select_nth_unstable(limit);
            for (Reverse(packets), _, bytes) in keys.drain(limit..) {
                others += 1;
                rest.add(PacketsBytes { packets, bytes });
            }
        }
        keys.sort_unstable();
        (keys.into_iter().map(|(_, key, _)| key).collect(), others, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(packets: u64) -> PacketsBytes {
        PacketsBytes { packets, bytes: packets * 100 }
    }

    fn total(ledger: &Ledger<u32, PacketsBytes>) -> PacketsBytes {
        let mut sum = ledger.evicted();
        ledger.iter().for_each(|(_, account)| sum.add(account.total));
        sum
    }

    /// Notes keys with what became of them.
    #[derive(Default)]
    struct Told {
        new: Vec<(u32, bool)>,
        unadmitted: usize,
        evicted: Vec<u32>,
    }

    impl Watch<u32, PacketsBytes> for Told {
        fn entered(&mut self, key: &u32, _: &mut Account<PacketsBytes>, _: &PacketsBytes, new: bool) {
            self.new.push((*key, new));
        }

        fn unadmitted(&mut self, _: &u32, _: &PacketsBytes, _: bool) {
            self.unadmitted += 1;
        }

        fn evicted(&mut self, key: &u32, _: &Account<PacketsBytes>) {
            self.evicted.push(*key);
        }
    }

    fn enter(ledger: &mut Ledger<u32, PacketsBytes>, buckets: &TimeBuckets, entries: &[(u32, u64)]) -> Told {
        let mut told = Told::default();
        let entries: Vec<_> = entries.iter().map(|(key, packets)| (*key, tally(*packets))).collect();
        ledger.enter_watched(&entries, buckets, &mut told);
        told.new.sort_unstable();
        told
    }

    #[test]
    fn what_is_entered_adds_up() {
        let (mut ledger, buckets) = (Ledger::new(9), TimeBuckets::new(0));
        enter(&mut ledger, &buckets, &[(1, 5), (2, 1), (1, 1)]);
        enter(&mut ledger, &buckets, &[(1, 2)]);
        assert_eq!((total(&ledger), ledger.entered()), (tally(9), tally(9)));
        assert_eq!(ledger.get(&1).unwrap().total, tally(8));
    }

    #[test]
    fn keys_are_new_once_and_again_after_a_reset_or_an_eviction() {
        let (mut ledger, buckets) = (Ledger::new(2), TimeBuckets::new(0));
        assert_eq!(enter(&mut ledger, &buckets, &[(1, 1), (2, 1)]).new, [(1, true), (2, true)]);
        assert_eq!(enter(&mut ledger, &buckets, &[(1, 1)]).new, [(1, false)]);
        ledger.reset();
        assert_eq!(enter(&mut ledger, &buckets, &[(1, 1), (2, 9)]).new, [(1, true), (2, true)]);
        let told = enter(&mut ledger, &buckets, &[(3, 5)]);
        assert_eq!((told.new, told.evicted), (vec![(3, true)], vec![1]));
        assert_eq!(enter(&mut ledger, &buckets, &[(1, 5)]).new, [(1, true)]);
    }

    /// Keys whose accounts lack packets.
    fn lacking(ledger: &Ledger<u32, PacketsBytes>) -> Vec<u32> {
        let mut keys: Vec<_> = ledger.iter().filter(|(_, account)| account.note.lacks()).map(|(key, _)| *key).collect();
        keys.sort_unstable();
        assert_eq!(ledger.lacking(), keys.len());
        keys
    }

    #[test]
    fn whoever_was_forgotten_and_comes_again_is_known_to_lack_packets() {
        let (mut ledger, buckets) = (Ledger::new(2), TimeBuckets::new(0));
        enter(&mut ledger, &buckets, &[(1, 1), (2, 9)]);
        enter(&mut ledger, &buckets, &[(1, 1)]);
        assert!(lacking(&ledger).is_empty());
        for (name, key, packets, expected) in [
            ("it takes the place of 1", 3, 5, Some(false)),
            ("it comes again, and takes the place of 3", 1, 6, Some(true)),
            ("it sends more", 1, 1, Some(true)),
            ("it comes again, too", 3, 8, Some(true)),
            ("it is seen too seldom, and only in the sums", 4, 1, None),
            ("it was seen often enough, but lacks what was only in the sums", 4, 12, Some(true)),
            ("it is seen often enough at once", 5, 30, Some(false)),
        ] {
            enter(&mut ledger, &buckets, &[(key, packets)]);
            assert_eq!(ledger.get(&key).map(|account| account.note.lacks()), expected, "{key}: {name}");
            lacking(&ledger);
        }
        ledger.reset();
        enter(&mut ledger, &buckets, &[(1, 1), (4, 1)]);
        assert!(lacking(&ledger).is_empty(), "after a reset");
    }

    #[test]
    fn after_a_flood_every_account_that_lacks_packets_says_so() {
        let (mut ledger, mut buckets) = (Ledger::new(1000), TimeBuckets::new(0));
        let mut sent = std::collections::HashMap::<u32, u64>::new();
        let mut random = fastrand::Rng::with_seed(3);
        for second in 1..=30 {
            buckets.reach(second * 1_000_000_000);
            // Sources that come and go; from the twentieth second on those that there were before, and new ones.
            let keys = if second < 20 { 0..20_000 } else { 10_000..20_100 };
            let entries: Vec<_> = (0..3000).map(|_| (random.u32(keys.clone()), random.u64(1..4))).collect();
            // Some begin late, but with so much that they are remembered at once.
            let busy = (30_000..30_010).map(|key| (key, 50)).filter(|_| second > 25);
            let entries: Vec<_> = entries.into_iter().chain(busy).collect();
            entries.iter().for_each(|(key, packets)| *sent.entry(*key).or_default() += packets);
            enter(&mut ledger, &buckets, &entries);
            buckets.close_if_due();
        }
        let (mut exact, mut lacking) = (0, 0);
        for (key, account) in ledger.iter() {
            assert!(account.total.packets <= sent[key], "{key}");
            if account.note.lacks() {
                lacking += 1;
            } else {
                assert_eq!(account.total.packets, sent[key], "{key} is not marked");
                exact += 1;
            }
        }
        // A few of the ten may be taken for others.
        assert!(exact >= 5 && lacking > 500, "{exact} exact, {lacking} marked");
    }

    #[test]
    fn what_is_worth_least_is_evicted_first_and_stays_in_the_sum() {
        for (name, silent_s, expected) in [
            ("the one with the fewest packets", 0, 3),
            ("a packet counts half after ten seconds of silence, and they are not so many", 30, 3),
            ("the one silent for long, however many they were", 80, 1),
        ] {
            let (mut ledger, mut buckets) = (Ledger::new(3), TimeBuckets::new(0));
            enter(&mut ledger, &buckets, &[(1, 200)]);
            for second in 1..=silent_s {
                buckets.reach(second * 1_000_000_000);
                buckets.close_if_due();
            }
            enter(&mut ledger, &buckets, &[(2, 60), (3, 2)]);
            assert_eq!(enter(&mut ledger, &buckets, &[(4, 9)]).evicted, [expected], "{name}");
            assert_eq!(ledger.count(), 3);
            assert_eq!((total(&ledger), ledger.entered()), (tally(271), tally(271)), "{name}");
        }
    }

    /// Plays seconds of a flood from `sources` addresses, `packets` in each reading of a tenth of a second, beside a busy
    /// source (1) and a quiet one (2) that begins after a second; returns the ledger and what was told of the last second.
    fn flood(seconds: u64, sources: u32, packets: u32) -> (Ledger<u32, PacketsBytes>, Told) {
        let (mut ledger, mut buckets) = (Ledger::new(8192), TimeBuckets::new(0));
        let mut random = fastrand::Rng::with_seed(7);
        let mut last = Told::default();
        for reading in 1..=seconds * 10 {
            buckets.reach(reading * 100_000_000);
            let mut entries: Vec<_> = (0..packets).map(|_| (1000 + random.u32(..sources), 1)).collect();
            entries.push((1, 100));
            if reading > 10 && reading % 2 == 0 {
                entries.push((2, 1));
            }
            let entries: Vec<_> = entries.into_iter().map(|(key, packets)| (key, tally(packets))).collect();
            let mut told = Told::default();
            ledger.enter_watched(&entries, &buckets, &mut told);
            if reading > (seconds - 1) * 10 {
                last.unadmitted += told.unadmitted;
                last.evicted.append(&mut told.evicted);
            }
            buckets.close_if_due();
        }
        (ledger, last)
    }

    #[test]
    fn in_a_flood_the_busy_and_the_steady_keep_their_accounts_and_few_others_get_one() {
        for (name, sources, packets) in [
            ("every source once", 16_000_000, 20_000),
            ("now and then", 500_000, 20_000),
            ("every second or so", 100_000, 10_000),
        ] {
            let (ledger, last) = flood(6, sources, packets);
            assert_eq!(ledger.get(&1).unwrap().total, tally(6000), "{name}");
            let quiet = ledger.get(&2).map_or(0, |account| account.total.packets);
            assert!(quiet >= 10, "{name}: {quiet} of 25 packets of the quiet source");
            assert!(ledger.count() <= 8192, "{name}");
            assert!(last.evicted.len() < 40_000, "{name}: {} evicted in a second", last.evicted.len());
            let entered = ledger.entered();
            assert_eq!((total(&ledger), entered.packets), (entered, 60 * u64::from(packets) + 6000 + 25), "{name}");
        }
    }

    #[test]
    fn after_a_flood_everybody_has_room_again() {
        let (mut ledger, _) = flood(3, 16_000_000, 20_000);
        let mut buckets = TimeBuckets::new(0);
        buckets.reach(4_000_000_000);
        let told = enter(&mut ledger, &buckets, &(10..300).map(|key| (key, 1)).collect::<Vec<_>>());
        assert_eq!((told.new.len(), told.unadmitted), (290, 0));
        assert!((10..300).all(|key| ledger.get(&key).is_some()));
    }

    #[test]
    fn the_top_and_the_rest_are_everything() {
        let (mut ledger, buckets) = (Ledger::new(16), TimeBuckets::new(0));
        enter(&mut ledger, &buckets, &(1..=10).map(|key| (key, u64::from(key))).collect::<Vec<_>>());
        let (top, others, rest) = ledger.top(3);
        assert_eq!((top, others, rest), (vec![10, 9, 8], 7, tally(28)));
        assert_eq!(ledger.top(0).0.len(), 10);
    }

    /// With room for eight, one is remembered at first sight in a second, and one more is what is aimed at.
    #[test]
    fn how_often_a_key_has_to_be_seen_follows_how_many_are_let_in() {
        let (mut ledger, mut buckets) = (Ledger::new(8), TimeBuckets::new(0));
        enter(&mut ledger, &buckets, &(0..7).map(|key| (key, 100)).collect::<Vec<_>>());
        let (mut seconds, mut next) = (0, 1000);
        for (name, newcomers, times, expected) in [
            ("three are let in: it rises", 4, 3, SEEN_AT_LEAST + 3),
            ("one is: it stays", 2, 3, SEEN_AT_LEAST + 3),
            ("none is: it falls", 1, 2, SEEN_AT_LEAST + 1),
            ("to what it was at first, and no lower", 1, 3, SEEN_AT_LEAST),
            ("it rises to what is counted up to, and no higher", 6, 20, admission::MOST),
        ] {
            for _ in 0..times {
                seconds += 1;
                buckets.reach(seconds * SECOND_NS);
                let newcomers: Vec<_> = (next..next + newcomers).map(|key| (key, u64::from(admission::MOST))).collect();
                next += 6;
                enter(&mut ledger, &buckets, &newcomers);
                buckets.close_if_due();
            }
            assert_eq!(ledger.seen_enough, expected, "{name}");
        }
    }
}
