//! Ranges of both families with their places: what a CSV file and the embedded data become.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::Result;

use crate::{
    Location,
    flatten::{Flattener, Refused},
    places::{self, PackedLocations, TooMany},
    region::Region,
    sections::Sections,
    segments::{self, Address, Segments},
};

/// Rows of a table: twice what the biggest databases of cities have.
const MOST_ROWS: u32 = 20_000_000;

/// Rows in no order are kept until all are there: no more than these bytes of them.
const MOST_UNORDERED: usize = 224 << 20;

/// An immutable table of locations: its own, or lying in a file's bytes.
#[derive(Debug)]
pub struct RangeTable<'a> {
    v4: Segments<'a, u32>,
    v6: Segments<'a, u128>,
    places: PackedLocations<'a>,
}

impl<'a> RangeTable<'a> {
    /// What [`write`](Self::write) wrote. What is damaged may be told of the wrong addresses, or of none.
    pub fn read(sections: &mut Sections<'a>) -> Option<Self> {
        Some(Self {
            v4: Segments::read(sections)?,
            v6: Segments::read(sections)?,
            places: PackedLocations::read(sections)?,
        })
    }

    /// Adds it to a file.
    ///
    /// # Errors
    /// A part has 4 GiB or more.
    pub fn write(&self, file: &mut Vec<u8>) -> Result<()> {
        self.v4.write(file)?;
        self.v6.write(file)?;
        self.places.write(file)
    }

    /// Where an address is; IPv4-mapped addresses are to be given as IPv4.
    pub fn look_up(&self, ip: IpAddr) -> Location<'_> {
        self.places.location(match ip {
            IpAddr::V4(v4) => self.v4.at(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.at(v6.to_bits()),
        })
    }

    /// Country and AS number of an address, and the last address up to which they are the same; IPv4-mapped addresses are to be
    /// given as IPv4.
    pub fn region(&self, ip: IpAddr) -> Region {
        let (place, last) = match ip {
            IpAddr::V4(v4) => {
                let (place, last) = self.v4.until(v4.to_bits());
                (place, Ipv4Addr::from_bits(last).into())
            }
            IpAddr::V6(v6) => {
                let (place, last) = self.v6.until(v6.to_bits());
                (place, Ipv6Addr::from_bits(last).into())
            }
        };
        let (country_code, asn) = self.places.region(place);
        Region { country_code, asn, last }
    }

    /// The place of every range.
    fn values(&self) -> impl Iterator<Item = u32> {
        self.v4.iter().map(|(_, value)| value).chain(self.v6.iter().map(|(_, value)| value))
    }

    /// The location of every range.
    #[cfg(test)]
    pub fn locations(&self) -> impl Iterator<Item = Location<'_>> {
        self.values().map(|value| self.places.location(value))
    }

    /// The same with the places that have the most ranges first, so that most blocks need few bits for their values, and
    /// without the places that have none any more. Texts are in order: those that begin alike are deflated together.
    pub fn compact(&self) -> Result<RangeTable<'static>, TooMany> {
        let mut ranges = HashMap::<u32, u32>::new();
        self.values().for_each(|value| *ranges.entry(value).or_default() += 1);
        // Unknown stays the first.
        ranges.remove(&0);
        let mut order: Vec<_> = ranges.into_iter().collect();
        order.sort_unstable_by_key(|&(value, ranges)| (Reverse(ranges), value));
        let mut places = places::Builder::new();
        let located = |(value, _): &(u32, u32)| self.places.location(*value);
        let mut texts: Vec<_> = order.iter().map(located).flat_map(|at| [at.country, at.city, at.org]).collect();
        texts.sort_unstable();
        texts.dedup();
        for text in texts {
            places.text(text)?;
        }
        let mut numbers = HashMap::from([(0, 0)]);
        for (value, _) in order {
            numbers.insert(value, places.location(self.places.location(value))?);
        }
        Ok(RangeTable {
            v4: renumbered(&self.v4, &numbers),
            v6: renumbered(&self.v6, &numbers),
            places: places.finish(),
        })
    }
}

/// The same ranges with other values.
fn renumbered<A: Address>(segments: &Segments<A>, numbers: &HashMap<u32, u32>) -> Segments<'static, A> {
    let mut builder = segments::Builder::default();
    segments.iter().for_each(|(start, value)| builder.push(start, numbers.get(&value).copied().unwrap_or(0)));
    builder.finish()
}

/// The order in which rows come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// By their first address, in each family: nothing but the table itself is kept.
    ByStart,
    /// None.
    Any,
}

/// A table in the making.
#[derive(Debug)]
pub struct Builder {
    places: places::Builder,
    v4: Family<u32>,
    v6: Family<u128>,
    row: u32,
}

impl Builder {
    pub fn new(order: Order) -> Self {
        Self { places: places::Builder::new(), v4: Family::new(order), v6: Family::new(order), row: 0 }
    }

    /// Adds a range, both ends included and of one family.
    pub fn push(&mut self, start: IpAddr, end: IpAddr, location: Location<'_>) -> Result<(), Refused> {
        if self.row >= MOST_ROWS {
            return Err(Refused::TooMany);
        }
        self.row += 1;
        let place = self.places.location(location)?;
        match (start, end) {
            (IpAddr::V4(start), IpAddr::V4(end)) => {
                self.v4.push(Row { start: start.to_bits(), end: end.to_bits(), row: self.row, place }, &mut self.places)
            }
            (IpAddr::V6(start), IpAddr::V6(end)) => {
                self.v6.push(Row { start: start.to_bits(), end: end.to_bits(), row: self.row, place }, &mut self.places)
            }
            _ => Err(Refused::OutOfOrder),
        }
    }

    /// The table, in which the smallest range that has a field gives it.
    pub fn finish(mut self) -> Result<RangeTable<'static>, Refused> {
        let v4 = self.v4.finish(&mut self.places)?;
        let v6 = self.v6.finish(&mut self.places)?;
        Ok(RangeTable { v4, v6, places: self.places.finish() })
    }
}

/// A row; packed, as there may be millions.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
struct Row<A> {
    start: A,
    end: A,
    row: u32,
    place: u32,
}

#[derive(Debug)]
enum Family<A: Copy> {
    Sweep(Box<Flattener<A>>),
    Rows(Vec<Row<A>>),
}

impl<A: Address> Family<A> {
    fn new(order: Order) -> Self {
        match order {
            Order::ByStart => Self::Sweep(Box::new(Flattener::new())),
            Order::Any => Self::Rows(Vec::new()),
        }
    }

    fn push(&mut self, row: Row<A>, places: &mut places::Builder) -> Result<(), Refused> {
        match self {
            Self::Sweep(flattener) => flattener.push(row.start, row.end, row.row, row.place, places),
            Self::Rows(rows) if rows.len() >= MOST_UNORDERED / size_of::<Row<A>>() => Err(Refused::TooManyUnordered),
            Self::Rows(rows) => {
                rows.push(row);
                Ok(())
            }
        }
    }

    fn finish(self, places: &mut places::Builder) -> Result<Segments<'static, A>, Refused> {
        let flattener = match self {
            Self::Sweep(flattener) => *flattener,
            Self::Rows(mut rows) => {
                rows.sort_unstable_by_key(|row| (row.start, row.row));
                let mut flattener = Flattener::new();
                for row in rows {
                    flattener.push(row.start, row.end, row.row, row.place, places)?;
                }
                flattener
            }
        };
        Ok(flattener.finish(places)?)
    }
}
