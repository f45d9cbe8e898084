//! Who has detail: whoever is sampled while there is room; then the busiest of the last minute, those with the most packets ever,
//! which head the lists, and those that somebody looks at.
//!
//! How much a source sends is what the aggregates have counted, not how often it was sampled: so a flood of forged sources, each of
//! which is sampled once, pushes nobody out, and who comes late needs no luck. Once a second the sources are weighed; until the
//! next time, a heavier newcomer takes the place of the lightest. That costs an event no more than a few look-ups.

use std::{cmp::Reverse, collections::VecDeque};

use foldhash::{HashMap, HashMapExt as _};
use nettop_common::Address;
use nettop_model::order;

use super::Known;

/// Sources with detail. Three quarters of a power of two: a hash table fills that before it doubles.
const MOST_SOURCES: usize = 3072;
/// Of these, sources with the most packets ever.
const MOST_EVER: usize = 1000;
/// Of these, sources that were looked at.
const MOST_WANTED: usize = 64;

/// A source, and how much it sent.
#[derive(Clone, Copy, Debug)]
struct Weight {
    source: Address,
    packets: u64,
    lately: u64,
}

/// Sources, and what is kept for each.
#[derive(Debug)]
pub struct DetailTable<T> {
    by_source: HashMap<Address, T>,
    /// Those that may have to go, as they were when they were weighed: the lightest last.
    lightest: Vec<Weight>,
    /// Whoever has more packets than this source is one of those with the most ever.
    least_ever: Option<Address>,
    /// Who was looked at, the newest last.
    wanted: VecDeque<Address>,
}

impl<T> DetailTable<T> {
    pub fn new() -> Self {
        Self { by_source: HashMap::new(), lightest: Vec::new(), least_ever: None, wanted: VecDeque::new() }
    }

    pub fn get(&self, source: &Address) -> Option<&T> {
        self.by_source.get(source)
    }

    pub fn get_mut(&mut self, source: &Address) -> Option<&mut T> {
        self.by_source.get_mut(source)
    }

    pub fn all(&self) -> &HashMap<Address, T> {
        &self.by_source
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.by_source.values_mut()
    }

    pub fn is_full(&self) -> bool {
        self.by_source.len() >= MOST_SOURCES
    }

    /// Takes a place: [`make_room`](Self::make_room) has to come before.
    pub fn insert(&mut self, source: Address, value: T) {
        self.by_source.insert(source, value);
    }

    /// Whether it had a place.
    pub fn remove(&mut self, source: &Address) -> bool {
        self.by_source.remove(source).is_some()
    }

    /// Forgets all but whom somebody looks at.
    pub fn clear(&mut self) {
        let wanted = std::mem::take(&mut self.wanted);
        *self = Self { wanted, ..Self::new() };
    }

    /// Somebody looks at a source.
    pub fn want(&mut self, source: Address) {
        self.wanted.retain(|other| *other != source);
        if self.wanted.len() >= MOST_WANTED {
            self.wanted.pop_front();
        }
        self.wanted.push_back(source);
    }

    /// Makes room for a source of which this is known. Returns whether another one had to go for it; `None`: there is no room for
    /// one so light.
    pub fn make_room(
        &mut self,
        source: &Address,
        known: Option<Known>,
        know: impl Fn(&Address) -> Option<Known>,
    ) -> Option<bool> {
        if !self.is_full() {
            return Some(false);
        }
        let Known { packets, lately, .. } = known.unwrap_or_default();
        let least_ever = self.least_ever.and_then(|least| know(&least));
        let certain = self.wanted.contains(source) || least_ever.is_some_and(|least| packets > least.packets);
        // Each is looked at once between two weighings.
        while let Some(Weight { source: lightest, lately: weight, .. }) = self.lightest.last().copied() {
            if !certain && lately <= weight {
                return None;
            }
            self.lightest.pop();
            // It may have gone, be looked at by now, or have sent more since it was weighed.
            let now = know(&lightest).map_or(0, |lightest| lightest.lately);
            let may_go = !self.wanted.contains(&lightest) && (certain || now < lately);
            if may_go && self.remove(&lightest) {
                return Some(true);
            }
        }
        None
    }

    /// Weighs all sources; `each` is told of those that are known.
    pub fn weigh(&mut self, know: impl Fn(&Address) -> Option<Known>, mut each: impl FnMut(&mut T, Known)) {
        let Self { by_source, lightest: all, least_ever, wanted } = self;
        all.clear();
        for (source, value) in by_source.iter_mut() {
            let known = know(source);
            known.into_iter().for_each(|known| each(value, known));
            let Known { packets, lately, .. } = known.unwrap_or_default();
            all.push(Weight { source: *source, packets, lately });
        }
        if all.len() < MOST_SOURCES {
            return all.clear();
        }
        let (_, least, _) = all.select_nth_unstable_by_key(MOST_EVER - 1, |weight| Reverse(weight.packets));
        *least_ever = Some(least.source);
        all.drain(..MOST_EVER);
        all.retain(|weight| !wanted.contains(&weight.source));
        order::sort_by_key(all, |weight| Reverse((weight.lately, weight.source)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nettop_model::snapshot::Detail;

    #[test]
    fn it_takes_no_more_memory_than_detail_of_whoever_came_first_did() {
        // A table of 4,096 pairs with a byte each besides, and per source counters behind an `Arc`, whose five maps may have as
        // many keys as before.
        let table = |value: usize| 4_096 * (size_of::<Address>() + value + 1);
        let detail = 2 * size_of::<usize>() + size_of::<Detail>();
        let before = table(size_of::<usize>()) + 3_584 * detail;
        let weights = MOST_SOURCES.next_power_of_two() * size_of::<Weight>();
        let now = table(size_of::<usize>()) + MOST_SOURCES * detail + weights + MOST_WANTED * size_of::<Address>();
        // Of each source the allocator's smallest block for each of five maps, at least.
        let fewer_keys = 5 * 32 * (3_584 - MOST_SOURCES);
        assert!(now <= before + fewer_keys, "{now} bytes instead of {before}, and {fewer_keys} less of keys");
        let places = DetailTable::<usize> { by_source: HashMap::with_capacity(MOST_SOURCES), ..DetailTable::new() };
        assert!(places.by_source.capacity() <= 3_584, "the table does not double");
    }
}
