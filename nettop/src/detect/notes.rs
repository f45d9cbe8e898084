//! What is noted for the rules while the books are entered.

use foldhash::{HashSet, HashSetExt as _};
use nettop_common::{Address, MacPair};
use smallvec::SmallVec;

use crate::snapshot::Mac;

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

/// What the keys entered in one second tell.
#[derive(Debug)]
pub struct Notes {
    /// Sources seen for the first time.
    pub new_sources: Newcomers<Address>,
    /// MAC addresses seen for the first time.
    pub new_macs: Newcomers<Mac>,
    known_macs: HashSet<Mac>,
    busy: Vec<Address>,
    notable: Option<u64>,
}

impl Notes {
    /// Notes sources of at least `notable` packets in a second.
    pub fn new(notable: Option<u64>) -> Self {
        Self {
            new_sources: Newcomers::default(),
            new_macs: Newcomers::default(),
            known_macs: HashSet::new(),
            busy: Vec::new(),
            notable,
        }
    }

    /// Packets came from a source: `packets` in this second so far.
    pub fn source(&mut self, address: &Address, packets: u64, new: bool) {
        if new {
            self.new_sources.add(*address);
        }
        if self.notable.is_some_and(|notable| packets >= notable) {
            self.busy.push(*address);
        }
    }

    /// Packets came from a source that gets no account. `new`: nor was it seen lately.
    pub fn passed(&mut self, new: bool) {
        self.new_sources.count += u64::from(new);
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

    /// The notable sources of this second, each once.
    pub fn busy(&mut self) -> &[Address] {
        self.busy.sort_unstable();
        self.busy.dedup();
        &self.busy
    }

    /// A second is over.
    pub fn next_second(&mut self) {
        self.new_sources = Newcomers::default();
        self.new_macs = Newcomers::default();
        self.busy.clear();
    }
}
