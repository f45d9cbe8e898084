//! What the logs have for the keys of one table, sorted and added up.
//!
//! A flood brings a hundred thousand records at once, each of another source. Sorted by address they lie as prefixes, places and networks
//! do, so that whoever looks these up finds them near.

use std::mem;

use nettop_common::{
    Address, ClassTally, TrafficClass,
    counters::{ByClass, Counters},
    log::{Record, Unit},
    slots::Key,
};
use nettop_model::radix;

/// Fewer are sorted by comparing.
const FEW: usize = 2048;

/// Records of one table.
#[derive(Debug, Default)]
pub struct Cold {
    /// With an IPv4 address.
    short: Vec<Unit>,
    /// With another key.
    long: Vec<(Key, Record)>,
    /// Room to sort in.
    spare: Vec<Unit>,
    /// Records at most since the newest call of [`Cold::rest`].
    most: usize,
}

impl Cold {
    /// Adds one; `key`: that of a long one.
    #[inline]
    pub fn push(&mut self, record: Record, key: Key) {
        if record.is_long() { self.long.push((key, record)) } else { self.short.push(record.0) }
    }

    /// Moves what came for each key to the end of `entries`, by key; `add` adds a record to the counters.
    pub fn add_up<K: From<Key>, C: Counters>(&mut self, entries: &mut Vec<(K, C)>, add: impl Fn(Record, &mut C)) {
        self.each(|key, records| {
            let mut sum = C::zeroed();
            records.for_each(|record| add(record, &mut sum));
            entries.push((key.into(), sum));
        });
    }

    /// The same of destinations, by key and class.
    pub fn add_up_classes<K: From<Key>>(&mut self, entries: &mut Vec<(K, ClassTally)>) {
        let mut sums: ByClass = Default::default();
        self.each(|key, records| {
            // Most have one class only: the others are not looked at.
            let mut found = 0_u32;
            for record in records {
                sums[record.class() as usize].add(record.tally());
                found |= 1 << record.class() as u32;
            }
            while found > 0 {
                let class = TrafficClass::ALL[found.trailing_zeros() as usize];
                entries.push((key.into(), ClassTally { class, tally: mem::take(&mut sums[class as usize]) }));
                found &= found - 1;
            }
        });
    }

    /// Calls `each` with the records of each key, by key, and forgets them.
    fn each(&mut self, mut each: impl FnMut(Key, &mut dyn Iterator<Item = Record>)) {
        self.most = self.most.max(self.short.len() + self.long.len());
        sort(&mut self.short, &mut self.spare);
        for same in self.short.chunk_by(|one, other| one[0] >> 32 == other[0] >> 32) {
            let address = Address::from_v4_word(Record(same[0]).v4().to_be());
            each(address.0, &mut same.iter().map(|unit| Record(*unit)));
        }
        // As an IPv6 address is read, so that its prefixes lie together.
        self.long.sort_unstable_by_key(|(key, _)| key.map(u64::from_be));
        for same in self.long.chunk_by(|(one, _), (other, _)| one == other) {
            each(same[0].0, &mut same.iter().map(|(_, record)| *record));
        }
        self.short.clear();
        self.long.clear();
    }

    /// Gives memory back that no flood has needed since the last call.
    pub fn rest(&mut self) {
        let Self { short, long, spare, most } = self;
        let most = mem::take(most);
        if most * 4 < short.capacity() + long.capacity() {
            short.shrink_to(most);
            long.shrink_to(most);
            *spare = Vec::new();
        }
    }
}

/// Sorts by address.
fn sort(records: &mut Vec<Unit>, spare: &mut Vec<Unit>) {
    let address = |unit: &Unit| Record(*unit).v4();
    if records.len() < FEW {
        records.sort_unstable_by_key(address);
    } else {
        radix::sort_by_key(records, spare, u32::BITS, |unit| address(unit).into());
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::IpAddr};

    use nettop_common::{PacketsBytes, Protocol, SourceCounters, packet::Flags};

    use super::*;

    #[test]
    fn what_is_added_up_is_what_counting_would_have() {
        for (name, packets, sources) in [
            ("none", 0, 1),
            ("one source", 5000, 1),
            ("few packets", 100, 10),
            ("some", 50_000, 300),
            ("a flood", 50_000, u64::MAX),
        ] {
            let (mut cold, mut random) = (Cold::default(), fastrand::Rng::with_seed(5));
            let mut truth = BTreeMap::<IpAddr, SourceCounters>::new();
            for at in 0..packets {
                let number = random.u64(..sources);
                let source: Address = match number % 3 {
                    0 => Address([number, number | 1]),
                    _ => Address::from_v4_word(number as u32),
                };
                let (length, flags) = (60 + number % 1000, Flags::from(number as u8));
                let protocol = Protocol::ALL[number as usize % Protocol::COUNT];
                cold.push(Record::of_source(source, protocol, flags, at % 7 == 0, length, 1 + at), source.0);
                let first = || SourceCounters { first_ns: 1 + at, ..SourceCounters::default() };
                truth.entry(source.to_ip()).or_insert_with(first).count(protocol, flags, at % 7 == 0, length, 1 + at);
            }
            let mut entries: Vec<(Address, SourceCounters)> = Vec::new();
            cold.add_up(&mut entries, Record::count_in);
            let found: Vec<_> = entries.iter().map(|(source, counters)| (source.to_ip(), *counters)).collect();
            assert_eq!(found, truth.into_iter().collect::<Vec<_>>(), "{name}");
            cold.add_up(&mut entries, Record::count_in);
            assert_eq!(entries.len(), found.len(), "{name}: nothing twice");
        }
    }

    #[test]
    fn destinations_are_added_up_by_class_too() {
        use TrafficClass::{Data, Syn, Udp};
        let mut cold = Cold::default();
        for (low, class, packets, bytes) in [
            (0x0100_000a, Udp, 1, 60),
            (0x0200_000a, Syn, 2, 1 << 30),
            (0x0100_000a, Data, 7, 700),
            (0x0100_000a, Udp, 3, 180),
        ] {
            let key = Address::from_v4_word(low).0;
            cold.push(Record::of_destination(&key, class as usize, PacketsBytes { packets, bytes }), key);
        }
        let mut entries: Vec<(Address, ClassTally)> = Vec::new();
        cold.add_up_classes(&mut entries);
        let numbers = |(key, ClassTally { class, tally }): &(Address, ClassTally)| {
            (key.to_string(), *class, tally.packets, tally.bytes)
        };
        let found: Vec<_> = entries.iter().map(numbers).collect();
        assert_eq!(
            found,
            [("10.0.0.1".into(), Data, 7, 700), ("10.0.0.1".into(), Udp, 4, 240), ("10.0.0.2".into(), Syn, 2, 1 << 30)]
        );
    }

    #[test]
    fn pairs_of_macs_are_added_up() {
        let mut cold = Cold::default();
        for (key, packets, bytes) in [([1, 2], 1, 60), ([3, 4], 2, 1 << 30), ([1, 2], 3, 180)] {
            cold.push(Record::of_macs(PacketsBytes { packets, bytes }), key);
        }
        let mut entries: Vec<(Key, PacketsBytes)> = Vec::new();
        cold.add_up(&mut entries, |record, sum: &mut PacketsBytes| sum.add(record.tally()));
        let found: Vec<_> = entries.iter().map(|(key, sum)| (*key, sum.packets, sum.bytes)).collect();
        assert_eq!(found, [([1, 2], 4, 240), ([3, 4], 2, 1 << 30)]);
    }
}
