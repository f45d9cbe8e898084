//! The sources of a second that rules of one's own have to look at, noted while they are entered. A flood from forged addresses,
//! each with a packet or two, must neither fill memory nor make rules look at all of them.

use std::cmp::Reverse;

use foldhash::{HashMap, HashMapExt as _};
use nettop_common::Address;

/// Sources noted at once; of more, the busiest half is kept.
pub const MOST: usize = 4096;
/// No second that rates are made of is shorter.
const SHORTEST_SECOND: f64 = 0.95;

/// They, with their packets in this second.
#[derive(Debug)]
pub struct Noted {
    /// From how many packets in a second on; `u64::MAX`: no rule asks.
    from: u64,
    /// The same while there are too many.
    now: u64,
    sources: HashMap<Address, u64>,
}

impl Default for Noted {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Noted {
    /// For rules that look at sources of so many packets per second; `None`: there are none.
    pub fn new(pps: Option<f64>) -> Self {
        let from = pps.map_or(u64::MAX, |pps| ((pps * SHORTEST_SECOND) as u64).max(1));
        Self { from, now: from, sources: HashMap::new() }
    }

    /// A source has sent so many packets in this second so far.
    pub fn source(&mut self, address: &Address, in_second: u64) {
        if in_second < self.now {
            return;
        }
        self.sources.insert(*address, in_second);
        if self.sources.len() > MOST {
            self.thin();
        }
    }

    /// Keeps the busiest half, and from now on looks only at those that are busier than the others.
    fn thin(&mut self) {
        let mut all: Vec<_> = self.sources.drain().collect();
        all.select_nth_unstable_by_key(MOST / 2, |(address, packets)| (Reverse(*packets), *address));
        self.now = all[MOST / 2].1 + 1;
        all.truncate(MOST / 2);
        self.sources.extend(all);
    }

    /// Those of the second, in the order of addresses.
    pub fn all(&self) -> Vec<Address> {
        let mut all: Vec<_> = self.sources.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// The next second begins.
    pub fn next_second(&mut self) {
        self.sources.clear();
        self.now = self.from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> Address {
        Address::from_v4_word(n.to_be())
    }

    #[test]
    fn those_that_no_rule_could_find_are_not_noted() {
        for (pps, packets, noted) in [
            (None, u64::MAX - 1, 0),
            (Some(100.0), 94, 0),
            // A second may be 0.95 s long.
            (Some(100.0), 95, 1),
            (Some(0.0), 1, 1),
        ] {
            let mut notes = Noted::new(pps);
            notes.source(&address(1), packets);
            assert_eq!(notes.all().len(), noted, "{pps:?} {packets}");
            notes.next_second();
            assert!(notes.all().is_empty());
        }
    }

    #[test]
    fn of_too_many_the_busiest_are_kept_and_memory_is_bounded() {
        let mut notes = Noted::new(Some(0.0));
        for reading in 1..=10 {
            // Forged ones, each once; and some that go on, in between.
            for n in 0..50_000 {
                notes.source(&address(1_000_000 * reading + n), 1);
                if n % 100 == 0 {
                    notes.source(&address(n / 100), u64::from(reading) * 3);
                }
                assert!(notes.sources.len() <= MOST);
            }
        }
        let all = notes.all();
        assert!((0..500).all(|n| all.contains(&address(n))), "{} noted", all.len());
        notes.next_second();
        notes.source(&address(1), 1);
        assert_eq!(notes.all(), [address(1)], "the next second begins anew");
    }

    #[test]
    fn of_many_that_are_alike_half_are_kept() {
        let mut notes = Noted::new(Some(0.0));
        for in_second in 1..=10 {
            (0..5_000).for_each(|n| notes.source(&address(n), in_second));
        }
        assert!((MOST / 2..=MOST).contains(&notes.all().len()));
    }
}
