//! What is noted for the rules while the aggregates are entered.

use foldhash::{HashSet, HashSetExt as _};
use nettop_common::{Address, ClassTally, MacPair, SourceCounters, Totals, counters::Table};
use nettop_model::snapshot::Mac;
use smallvec::SmallVec;

use super::{own::Noted, samples::Samples, senders::Senders, sent::Sent, targets::Targets};

/// New addresses of one second that are told one by one.
pub const TOLD: usize = 3;
/// MAC addresses that are remembered; further ones are new whenever they come with a new partner.
const MOST_MACS: usize = 65_536;

/// Addresses seen for the first time in a second.
#[derive(Clone, Debug)]
pub struct Newcomers<K> {
    /// How many.
    pub count: u64,
    /// The first few of them.
    pub first: SmallVec<[K; TOLD]>,
}

impl<K> Newcomers<K> {
    fn add(&mut self, key: K) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push(key);
        }
    }
}

impl<K> Default for Newcomers<K> {
    fn default() -> Self {
        Self { count: 0, first: SmallVec::new() }
    }
}

/// Sources without a past, and packets of theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unadmitted {
    /// How many: those seen for the first time, entries of those that get no account, and one for each packet whose source
    /// could not be looked at.
    pub count: u64,
    /// Their packets in the second in which they first came.
    pub packets: u64,
}

/// What the keys entered in one second tell.
#[derive(Debug)]
pub struct SecondStats {
    /// The totals of the second.
    pub totals: Totals,
    /// For how many seconds nothing was read.
    pub stall: Option<f64>,
    /// What came to whom.
    pub targets: Targets,
    /// What single sources do.
    pub senders: Senders,
    /// What this host sent.
    pub sent: Sent,
    /// Sampled packets.
    pub samples: Samples,
    /// Sources without a past.
    pub strangers: Unadmitted,
    /// Sources seen for the first time.
    pub new_sources: Newcomers<Address>,
    /// MAC addresses seen for the first time.
    pub new_macs: Newcomers<Mac>,
    known_macs: HashSet<Mac>,
    /// The notable sources of this second; some more than once.
    pub busy: Vec<Address>,
    notable: Option<u64>,
    /// The sources that rules of one's own look at.
    pub noted: Noted,
}

impl SecondStats {
    /// Notes sources of at least `notable` packets in a second.
    pub fn new(notable: Option<u64>) -> Self {
        Self {
            totals: Totals::default(),
            stall: None,
            targets: Targets::default(),
            senders: Senders::default(),
            sent: Sent::default(),
            samples: Samples::default(),
            strangers: Unadmitted::default(),
            new_sources: Newcomers::default(),
            new_macs: Newcomers::default(),
            known_macs: HashSet::new(),
            busy: Vec::new(),
            notable,
            noted: Noted::default(),
        }
    }

    /// Nothing was read for so many seconds.
    pub fn stalled(&mut self, seconds: f64) {
        self.stall = Some(seconds);
    }

    /// A reading of so many seconds begins, until this time on the monotonic clock.
    pub fn begin_reading(&mut self, now_ns: u64) {
        self.senders.begin_reading(now_ns);
    }

    /// Packets of a class came to a destination.
    pub fn destination(&mut self, address: &Address, counted: ClassTally) {
        self.targets.add(address, counted);
    }

    /// Packets were counted, those of no known source too.
    pub fn totals(&mut self, totals: &Totals) {
        self.totals.add(totals);
        let untracked = totals.untracked(Table::Sources).packets;
        self.strangers.count += untracked;
        self.strangers.packets += untracked;
    }

    /// This came from a source, which sent so many packets `in_second` so far and so many `ever`. `new`: the first ones.
    pub fn source(&mut self, address: &Address, counted: &SourceCounters, in_second: u64, ever: u64, new: bool) {
        let packets = counted.packets;
        self.senders.add(address, counted, new);
        if new {
            self.new_sources.add(*address);
            self.strangers.count += 1;
        }
        if in_second == ever {
            self.strangers.packets += packets;
        }
        if self.notable.is_some_and(|notable| in_second >= notable) {
            self.busy.push(*address);
        }
        self.noted.source(address, in_second);
    }

    /// This came from a source that gets no account. `new`: nor was it seen lately, as far as is known.
    pub fn unadmitted(&mut self, address: &Address, counted: &SourceCounters, new: bool) {
        let packets = counted.packets;
        self.senders.add(address, counted, new);
        self.new_sources.count += u64::from(new);
        self.strangers.count += 1;
        self.strangers.packets += packets;
    }

    /// Two MAC addresses were seen together for the first time. Groups have no card of their own, and zero stands for none.
    pub fn new_macs(&mut self, pair: &MacPair) {
        for mac in [pair.source(), pair.destination()] {
            let [first, ..] = mac;
            let room = self.known_macs.len() < MOST_MACS;
            if first & 1 == 1 || mac == [0; 6] || self.known_macs.contains(&Mac(mac)) {
                continue;
            }
            if room {
                self.known_macs.insert(Mac(mac));
            }
            self.new_macs.add(Mac(mac));
        }
    }

    /// A second is over. `settled`: sources that come from now on are new.
    pub fn next_second(&mut self, settled: bool) {
        self.targets.next_second();
        self.senders.next_second(settled);
        self.sent.next_second();
        self.totals = Totals::default();
        self.stall = None;
        self.samples.clear();
        self.strangers = Unadmitted::default();
        self.new_sources = Newcomers::default();
        self.new_macs = Newcomers::default();
        self.busy.clear();
        self.noted.next_second();
    }
}
