//! Overlapping ranges made into disjoint ones.
//!
//! A sweep over the ranges in the order of their starts, with one heap of open ranges for each field. The smallest open
//! range that has the field gives it; among ranges of one size the later row does. n ranges cost O(n log n), however
//! deep they are nested, and hardly more is kept than what is open.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
    fmt,
};

use crate::{
    places::{Builder, PackedLocation, TooMany},
    segments::{self, Address, Segments},
};

/// A range of addresses, both ends included, and its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Open<A> {
    /// Its last address minus its first.
    size: A,
    row: Reverse<u32>,
    end: A,
    place: u32,
}

/// The fields of a place, each with the test whether a place has it.
const FIELDS: [fn(&PackedLocation) -> bool; 5] = [
    |place| !place.code.is_unknown(),
    |place| place.country != 0,
    |place| place.city != 0,
    |place| place.asn != 0,
    |place| place.org != 0,
];

/// The open ranges that have one field.
#[derive(Debug)]
struct Heap<A> {
    ranges: BinaryHeap<Reverse<Open<A>>>,
    /// At this length it is searched for ranges that ended below smaller ones.
    full: usize,
}

/// The least length at which a heap is searched.
const FULL: usize = 1024;

impl<A: Copy + Ord> Heap<A> {
    fn new() -> Self {
        Self { ranges: BinaryHeap::new(), full: FULL }
    }

    /// Adds a range that starts at `start`, where others may have ended.
    fn push(&mut self, start: A, range: Open<A>) {
        if self.ranges.len() >= self.full {
            self.ranges.retain(|open| open.0.end >= start);
            // At least as many more come before the next search: a range costs no more than a few steps.
            self.full = FULL.max(2 * self.ranges.len());
        }
        self.ranges.push(Reverse(range));
    }

    /// The smallest range that is still open at an address; those that ended and are in the way go.
    fn smallest_at(&mut self, at: A) -> Option<Open<A>> {
        while let Some(top) = self.ranges.peek_mut() {
            if top.0.end >= at {
                return Some(top.0);
            }
            PeekMut::pop(top);
        }
        None
    }
}

/// Takes ranges in the order of their starts.
#[derive(Debug)]
pub struct Flattener<A> {
    open: [Heap<A>; FIELDS.len()],
    /// The first address that is not written yet; none when the last one is.
    next: Option<A>,
    newest: Option<A>,
    ranges: segments::Builder<A>,
}

/// Why a range was not taken.
#[derive(Debug)]
pub enum Refused {
    /// It starts before the range before it.
    OutOfOrder,
    /// There are more rows, or more different places, than fit.
    TooMany,
    /// There are more rows in no order than can be sorted.
    TooManyUnordered,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfOrder => "it starts before the row above",
            Self::TooMany => "there are too many rows, or too many that differ; databases of cities have fewer",
            Self::TooManyUnordered => "there are too many rows to sort them here; sort them by their first address",
        })
    }
}

impl From<TooMany> for Refused {
    fn from(TooMany: TooMany) -> Self {
        Self::TooMany
    }
}

impl<A: Address> Flattener<A> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            open: FIELDS.map(|_| Heap::new()),
            next: Some(A::from(0)),
            newest: None,
            ranges: segments::Builder::default(),
        }
    }

    /// Adds one range. `row` says which of two ranges of one size is the later one.
    pub fn push(&mut self, start: A, end: A, row: u32, place: u32, places: &mut Builder) -> Result<(), Refused> {
        if self.newest.is_some_and(|newest| start < newest) {
            return Err(Refused::OutOfOrder);
        }
        self.newest = Some(start);
        self.write_until(Some(start), places)?;
        let Some(size) = step(end, start, u128::checked_sub) else { return Ok(()) };
        let fields = places.get(place);
        for (heap, has) in self.open.iter_mut().zip(FIELDS) {
            if has(&fields) {
                heap.push(start, Open { size, row: Reverse(row), end, place });
            }
        }
        Ok(())
    }

    /// The table of all ranges.
    pub fn finish(mut self, places: &mut Builder) -> Result<Segments<'static, A>, TooMany> {
        self.write_until(None, places)?;
        Ok(self.ranges.finish())
    }

    /// Writes everything below `limit`; no range starts there any more.
    fn write_until(&mut self, limit: Option<A>, places: &mut Builder) -> Result<(), TooMany> {
        while let Some(at) = self.next.filter(|at| limit.is_none_or(|limit| *at < limit)) {
            let tops = self.open.each_mut().map(|heap| heap.smallest_at(at));
            // What is true here stays true until the first of these ranges ends.
            let end = tops.iter().flatten().map(|open| open.end).min();
            let value =
                places.place(join(&tops.map(|top| top.map(|open| places.get(open.place)).unwrap_or_default())))?;
            self.ranges.push(at, value);
            let after = end.map(|end| step(end, A::from(1), u128::checked_add));
            self.next = match (after, limit) {
                (Some(Some(after)), Some(limit)) => Some(after.min(limit)),
                (Some(after), None) => after,
                (Some(None) | None, limit) => limit,
            };
        }
        Ok(())
    }
}

/// One place from the places that give its code, country, city, number and organisation, in this order. What belongs to
/// another country or another network than the one chosen is left out.
fn join(fields: &[PackedLocation; 5]) -> PackedLocation {
    let [code, country, city, asn, org] = fields;
    let same_country = |place: &PackedLocation| place.code.is_unknown() || place.code == code.code;
    let same_network = org.asn == 0 || org.asn == asn.asn;
    PackedLocation {
        code: code.code,
        country: if same_country(country) { country.country } else { 0 },
        city: if same_country(city) { city.city } else { 0 },
        asn: asn.asn,
        org: if same_network { org.org } else { 0 },
    }
}

/// Arithmetic on addresses of either width; none where it leaves the address space.
fn step<A: Into<u128> + TryFrom<u128>>(a: A, b: A, by: fn(u128, u128) -> Option<u128>) -> Option<A> {
    by(a.into(), b.into()).and_then(|sum| A::try_from(sum).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{CountryCode, Location};

    const CODES: [CountryCode; 3] = [CountryCode::UNKNOWN, CountryCode(*b"DE"), CountryCode(*b"FR")];
    const TEXTS: [&str; 3] = ["", "a", "b"];

    type Row = (u32, u32, Location<'static>);

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let at = prop_oneof![0..64u32, u32::MAX - 32..=u32::MAX, any::<u32>()];
        let row = (at.clone(), at, 0..3usize, 0..3usize, 0..3usize, 0..3u32, 0..3usize).prop_map(
            |(a, b, code, country, city, asn, org)| {
                let location = Location {
                    country_code: CODES[code],
                    country: TEXTS[country],
                    city: TEXTS[city],
                    asn,
                    org: TEXTS[org],
                };
                (a.min(b), a.max(b), location)
            },
        );
        prop::collection::vec(row, 0..40)
    }

    /// What the sweep must find, by looking at every row.
    fn oracle(rows: &[Row], at: u32) -> Location<'static> {
        let smallest = |has: fn(&Location) -> bool| {
            rows.iter()
                .enumerate()
                .filter(|(_, (start, end, location))| (*start..=*end).contains(&at) && has(location))
                .min_by_key(|(row, (start, end, _))| (end - start, Reverse(*row)))
                .map(|(_, (_, _, location))| *location)
                .unwrap_or_default()
        };
        let code = smallest(|location| !location.country_code.is_unknown()).country_code;
        let asn = smallest(|location| location.asn != 0).asn;
        let country = smallest(|location| !location.country.is_empty());
        let city = smallest(|location| !location.city.is_empty());
        let org = smallest(|location| !location.org.is_empty());
        let agrees = |location: &Location| location.country_code.is_unknown() || location.country_code == code;
        Location {
            country_code: code,
            country: if agrees(&country) { country.country } else { "" },
            city: if agrees(&city) { city.city } else { "" },
            asn,
            org: if org.asn == 0 || org.asn == asn { org.org } else { "" },
        }
    }

    proptest! {
        #[test]
        fn the_smallest_range_wins_at_every_address(rows in rows()) {
            let mut places = Builder::new();
            let mut narrow = Flattener::<u32>::new();
            let mut wide = Flattener::<u128>::new();
            let mut sorted: Vec<_> = rows.iter().enumerate().collect();
            sorted.sort_by_key(|(_, (start, ..))| *start);
            let widen = |address: u32| u128::from(address) | (u128::MAX << 32);
            for (number, (start, end, location)) in sorted {
                let place = places.location(*location).unwrap();
                narrow.push(*start, *end, number as u32, place, &mut places).unwrap();
                wide.push(widen(*start), widen(*end), number as u32, place, &mut places).unwrap();
            }
            let narrow = narrow.finish(&mut places).unwrap();
            let wide = wide.finish(&mut places).unwrap();
            let places = places.finish();
            let edges = rows.iter().flat_map(|(start, end, _)| {
                [start.saturating_sub(1), *start, *end, end.saturating_add(1), start / 2 + end / 2]
            });
            for at in edges.chain([0, 1, u32::MAX]) {
                prop_assert_eq!(places.location(narrow.at(at)), oracle(&rows, at));
                prop_assert_eq!(places.location(wide.at(widen(at))), oracle(&rows, at));
            }
            prop_assert!(narrow.iter().count() <= 2 * rows.len() + 1);
        }
    }

    #[test]
    fn ranges_that_ended_are_not_kept() {
        let mut places = Builder::new();
        let place = places.location(Location { city: "a", ..Location::default() }).unwrap();
        let mut flattener = Flattener::<u32>::new();
        for row in 0..10 * FULL as u32 {
            flattener.push(row * 16, row * 16 + 15, row, place, &mut places).unwrap();
        }
        assert!(flattener.open.iter().all(|heap| heap.ranges.len() <= FULL));
    }

    #[test]
    fn ranges_out_of_order_are_refused() {
        let mut places = Builder::new();
        let mut flattener = Flattener::<u32>::new();
        flattener.push(10, 20, 0, 0, &mut places).unwrap();
        assert!(matches!(flattener.push(9, 20, 1, 0, &mut places), Err(Refused::OutOfOrder)));
    }
}
