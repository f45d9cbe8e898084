//! Per-source detail from sampled packets: ports, protocols, MACs and flags; and the newest packets themselves.
//!
//! There is room for a few thousand sources. [`DetailTable`] decides which have it; whatever of a source was left out makes its
//! detail an estimate.

mod gaps;
mod places;

use std::{collections::VecDeque, sync::Arc};

use foldhash::HashMap;
use litemap::LiteMap;
use nettop_common::{Address, Event, Protocol};
use nettop_model::snapshot::{Detail, Mac, TcpFlags};

use self::{gaps::Gaps, places::DetailTable};

/// Keys in one map of one source; more make its detail an estimate.
const MOST_KEYS: usize = 256;

/// What the aggregates know of a source: it decides who has detail.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// Packets since it has an account.
    pub packets: u64,
    /// Packets of the last minute.
    pub lately: u64,
    /// When the first of them came, on the monotonic clock.
    pub first_ns: u64,
    /// Buckets of time since the newest came.
    pub silent: u32,
}

/// Detail of every source that has any.
#[derive(Debug)]
pub struct Details {
    places: DetailTable<Arc<Detail>>,
    gaps: Gaps,
    newest: VecDeque<Event>,
    max_events: usize,
}

impl Details {
    /// Keeps at most `max_events` packets.
    pub fn new(max_events: usize) -> Self {
        Self { places: DetailTable::new(), gaps: Gaps::default(), newest: VecDeque::new(), max_events }
    }

    /// Enters a sampled packet. `know` tells what the aggregates know of a source; `None`: it has no account, or not yet.
    pub fn record(&mut self, event: &Event, know: impl Fn(&Address) -> Option<Known>) {
        self.keep(event);
        if event.weight > 1 {
            self.gaps.thin(event.at_ns);
        }
        let Some(detail) = self.detail_of(event, know) else { return self.gaps.note(event.at_ns) };
        let Detail { src_ports, dst_ports, protocols, macs, tcp_flags, estimated } = Arc::make_mut(detail);
        let weight = u64::from(event.weight);
        let mut complete = event.weight == 1;
        complete &= add(src_ports, event.source_port, weight);
        complete &= add(dst_ports, event.destination_port, weight);
        complete &= add(protocols, Protocol::from_number(event.protocol).label().into(), weight);
        complete &= add(macs, Mac(event.macs.source()), weight);
        if let Ok(flags) = u8::try_from(event.tcp_flags) {
            complete &= add(tcp_flags, TcpFlags(flags), weight);
        }
        *estimated |= !complete;
    }

    /// The detail of the event's source, begun where there is room for it.
    fn detail_of(&mut self, event: &Event, know: impl Fn(&Address) -> Option<Known>) -> Option<&mut Arc<Detail>> {
        let Self { places, gaps, .. } = self;
        if places.get(&event.source).is_none() {
            let known = know(&event.source);
            let evicted = places.make_room(&event.source, known, know)?;
            let estimated = gaps.before(event.at_ns, known);
            if evicted {
                gaps.note_of_known();
            }
            places.insert(event.source, Arc::new(Detail { estimated, ..Detail::default() }));
        }
        places.get_mut(&event.source)
    }

    fn keep(&mut self, event: &Event) {
        if self.newest.len() >= self.max_events {
            self.newest.pop_front();
        }
        if self.max_events > 0 {
            let room = self.max_events - self.newest.len();
            if self.newest.len() == self.newest.capacity() {
                self.newest.reserve_exact(room.min(self.newest.len().max(1)));
            }
            self.newest.push_back(*event);
        }
    }

    /// Told that not every packet is sampled, as is found at `at_ns`: whoever sends now may lack some.
    pub fn note_thinning(&mut self, at_ns: u64) {
        self.gaps.thin(at_ns);
    }

    /// Told that events were lost, as is found at `at_ns`: any source may lack some.
    pub fn note_loss(&mut self, at_ns: u64) {
        self.gaps.note(at_ns);
        self.places.values_mut().for_each(|detail| Arc::make_mut(detail).estimated = true);
    }

    /// A second is over: weighs the sources anew.
    pub fn close(&mut self, know: impl Fn(&Address) -> Option<Known>) {
        let Self { places, gaps, .. } = self;
        let thinned = gaps.close();
        if !thinned && !places.is_full() {
            return;
        }
        places.weigh(know, |detail, known| {
            // What it sent was not sampled whole.
            if thinned && known.silent <= 1 && !detail.estimated {
                Arc::make_mut(detail).estimated = true;
            }
        });
    }

    /// Somebody looks at a source: it gets detail however little it sends, and keeps it until many others were looked at.
    pub fn want(&mut self, source: Address) {
        self.places.want(source);
    }

    /// Drops a source that the ledger has forgotten.
    pub fn forget(&mut self, source: &Address) {
        if self.places.remove(source) {
            self.gaps.note_now();
        }
    }

    /// The detail of a source; `None`: it has none.
    pub fn get(&self, source: &Address) -> Option<&Arc<Detail>> {
        self.places.get(source)
    }

    /// All there is.
    pub fn all(&self) -> HashMap<Address, Arc<Detail>> {
        self.places.all().clone()
    }

    /// The newest `count` packets, oldest first.
    pub fn newest(&self, count: usize) -> impl Iterator<Item = &Event> {
        self.newest.range(self.newest.len().saturating_sub(count)..)
    }

    /// Starts anew, but for whom somebody looks at.
    pub fn reset(&mut self) {
        self.places.clear();
        self.gaps = Gaps::default();
        self.newest = VecDeque::new();
    }
}

/// Adds to a key's count. False: there is no room for another key.
fn add<K: Ord>(counts: &mut LiteMap<K, u64>, key: K, weight: u64) -> bool {
    if let Some(count) = counts.get_mut(&key) {
        *count += weight;
        return true;
    }
    if counts.len() >= MOST_KEYS {
        return false;
    }
    // Of most sources in a flood there is one packet: not the room for four that a vector begins with.
    if counts.is_empty() {
        *counts = LiteMap::with_capacity(1);
    }
    counts.insert(key, weight);
    true
}

#[cfg(test)]
mod tests;
