//! Per-source detail from sampled packets: ports, protocols, MACs and flags; and the newest packets themselves.

use std::{collections::VecDeque, sync::Arc};

use foldhash::{HashMap, HashMapExt as _};
use litemap::LiteMap;
use nettop_common::{Address, Event, Protocol};

use crate::snapshot::{Detail, Mac, TcpFlags};

/// Sources with detail: seven eighths of a power of two, which a hash table fills before it doubles. A further one gets it when there
/// is room again.
const MOST_SOURCES: usize = 3584;
/// Keys in one map of one source; more make its detail an estimate.
const MOST_KEYS: usize = 256;

/// Detail of every source that has any.
#[derive(Debug)]
pub struct Details {
    by_source: HashMap<Address, Arc<Detail>>,
    newest: VecDeque<Event>,
    max_events: usize,
    /// Events of sources for which there was no room.
    without_room: bool,
}

impl Details {
    /// Keeps at most `max_events` packets.
    pub fn new(max_events: usize) -> Self {
        Self { by_source: HashMap::new(), newest: VecDeque::new(), max_events, without_room: false }
    }

    /// Enters a sampled packet.
    pub fn record(&mut self, event: &Event) {
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
        let room = self.by_source.len() < MOST_SOURCES;
        let detail = match self.by_source.get_mut(&event.source) {
            Some(detail) => detail,
            None if room => {
                let estimated = self.without_room;
                self.by_source
                    .entry(event.source)
                    .or_insert_with(|| Arc::new(Detail { estimated, ..Detail::default() }))
            }
            None => {
                self.without_room = true;
                return;
            }
        };
        let Detail { src_ports, dst_ports, protocols, macs, tcp_flags, estimated } = Arc::make_mut(detail);
        let weight = u64::from(event.weight);
        let mut complete = event.weight == 1;
        complete &= add(src_ports, event.source_port, weight);
        complete &= add(dst_ports, event.destination_port, weight);
        complete &= add(protocols, Protocol::from_number(event.protocol as u8).label(), weight);
        complete &= add(macs, Mac(event.macs.source()), weight);
        if let Ok(flags) = u8::try_from(event.tcp_flags) {
            complete &= add(tcp_flags, TcpFlags(flags), weight);
        }
        *estimated |= !complete;
    }

    /// Told that events were lost: any source may lack some.
    pub fn note_loss(&mut self) {
        self.by_source.values_mut().for_each(|detail| Arc::make_mut(detail).estimated = true);
    }

    /// Drops a source that the ledger has forgotten.
    pub fn forget(&mut self, source: &Address) {
        self.by_source.remove(source);
    }

    /// The detail of a source.
    pub fn get(&self, source: &Address) -> Option<&Arc<Detail>> {
        self.by_source.get(source)
    }

    /// All there is.
    pub fn all(&self) -> HashMap<Address, Arc<Detail>> {
        self.by_source.clone()
    }

    /// The newest `count` packets, oldest first.
    pub fn newest(&self, count: usize) -> impl Iterator<Item = &Event> {
        self.newest.range(self.newest.len().saturating_sub(count)..)
    }

    /// Starts anew.
    pub fn reset(&mut self) {
        *self = Self::new(self.max_events);
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
mod tests {
    use super::*;
    use crate::detect::testing::syn;

    #[test]
    fn below_the_budget_detail_is_exact() {
        let mut details = Details::new(10);
        (0..5).for_each(|_| details.record(&syn(1, 80, 1, 1)));
        let detail = details.get(&Address::from_v4_word(1)).unwrap();
        assert_eq!(detail.dst_ports, LiteMap::from_iter([(80, 5)]));
        assert_eq!(detail.tcp_flags, LiteMap::from_iter([(TcpFlags(2), 5)]));
        assert!(!detail.estimated);
    }

    #[test]
    fn weights_losses_and_too_many_keys_make_an_estimate() {
        let source = Address::from_v4_word(1);
        for name in ["weight", "loss", "keys"] {
            let mut details = Details::new(10);
            details.record(&syn(1, 80, 1, 1));
            match name {
                "weight" => details.record(&syn(1, 80, 1, 8)),
                "loss" => details.note_loss(),
                _ => (0..=MOST_KEYS as u16).for_each(|port| details.record(&syn(1, port, 1, 1))),
            }
            assert!(details.get(&source).unwrap().estimated, "{name}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut details = Details::new(3);
        (0..10_000).for_each(|source| details.record(&syn(source, 80, 1, 1)));
        assert_eq!(details.by_source.len(), MOST_SOURCES);
        assert_eq!(details.newest(50).count(), 3);
    }
}
