//! Sums over classes, the places of slots, and the hash of distinct sources.

use bytemuck::Zeroable as _;
use nettop_common::{
    Address, Class, Outcome, PacketsBytes, Protocol, SizeBucket, Totals,
    counters::Table,
    slots::{WAYS, index},
    unique::{Distinct, HashKey, PRECISION, REGISTERS},
};

#[test]
fn each_sum_is_over_its_own_classes() {
    let mut totals = Totals::default();
    let mut weight = 1;
    for class in Class::all() {
        *totals.class(class) = PacketsBytes { packets: weight, bytes: weight * 100 };
        weight = weight * 7 % 1_000_003;
    }
    let sum = |included: &dyn Fn(Class) -> bool| {
        let of = |class: Class| totals.classes[class.index()];
        Class::all().filter(|class| included(*class)).fold(0u64, |sum, class| sum.wrapping_add(of(class).packets))
    };
    for outcome in Outcome::ALL {
        let expected = sum(&|class| class.outcome() == *outcome);
        assert!(expected > 0 && totals.outcome(*outcome).packets == expected, "{outcome:?}");
    }
    for protocol in Protocol::ALL {
        let expected = sum(&|class| class.protocol() == Some(*protocol));
        assert!(expected > 0 && totals.protocol(*protocol).packets == expected, "{protocol:?}");
    }
    for size in SizeBucket::ALL {
        let expected = sum(&|class| class.size() == Some(*size));
        assert!(expected > 0 && totals.size(*size).packets == expected, "{size:?}");
    }
    assert_eq!(totals.fragments().packets, sum(&Class::is_fragment));
    for (at, table) in (1..).zip(Table::ALL) {
        totals.untracked[*table as usize] = PacketsBytes { packets: at, bytes: 0 };
        assert_eq!(totals.untracked(*table).packets, at);
    }
    let mut twice = totals;
    twice.events = 3;
    twice.add(&Totals { events: 4, ..totals });
    assert_eq!((twice.events, twice.outcome(Outcome::Counted).bytes), (7, 2 * totals.outcome(Outcome::Counted).bytes));
}

#[test]
fn every_bucket_of_every_cpu_and_set_has_slots_of_its_own() {
    for bits in [1, 3, 5] {
        let mut places: Vec<u32> = Vec::new();
        for (cpu, set) in (0..3).flat_map(|cpu| (0..2).map(move |set| (cpu, set))) {
            places.extend((0..1 << bits).map(|bucket| index(cpu, set, bits, bucket)));
        }
        let expected: Vec<u32> = (0..places.len() as u32).map(|place| place * WAYS as u32).collect();
        assert_eq!(places, expected, "{bits} bits: one after the other, without a gap");
    }
}

#[test]
fn the_hash_of_distinct_sources_spreads_whatever_the_key() {
    // In order, as in a scan; all that is drawn from them has to look like chance.
    for key in [HashKey([0, 0]), HashKey([1, 0]), HashKey([0, 1]), HashKey([u64::MAX, 5])] {
        let mut distinct = Distinct::zeroed();
        distinct.key = key;
        for number in 0..60_000u32 {
            distinct.insert(Address::from_v4_word(number.to_be()));
        }
        let registers = &distinct.registers.0;
        let empty = registers.iter().filter(|value| **value == 0).count() as f64 / REGISTERS as f64;
        // Of n balls into m bins e^(-n/m) stay empty.
        let expected = (-60_000.0 / REGISTERS as f64).exp();
        assert!((empty - expected).abs() < 0.006, "{key:?}: {empty} of {expected}");
        let highest = registers.iter().max().copied().unwrap_or_default();
        assert!((8..40).contains(&highest), "{key:?}: {highest}");
        let ones = registers.iter().filter(|value| **value > 0).map(|value| f64::from(*value)).sum::<f64>();
        let mean = ones / ((1.0 - empty) * REGISTERS as f64);
        assert!((2.6..3.8).contains(&mean), "{key:?}: {mean}");
    }
    assert_eq!(REGISTERS, 1 << PRECISION);
    // Another key, another hash.
    let address = Address::from_v4_word(7);
    assert_ne!(HashKey([1, 2]).hash(address), HashKey([2, 1]).hash(address));
}
