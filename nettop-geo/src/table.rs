//! Ranges of both families with their places: what a CSV file and the embedded data become.

use std::net::IpAddr;

use crate::{
    Location,
    flatten::{Flattener, Refused},
    places::{self, Places},
    segments::Segments,
};

/// Rows of a table: twice what the biggest databases of cities have.
const MOST_ROWS: u32 = 20_000_000;

/// Rows in no order are kept until all are there: no more than these bytes of them.
const MOST_UNORDERED: usize = 224 << 20;

/// An immutable table of locations.
#[derive(Debug)]
pub struct Table {
    pub v4: Segments<u32>,
    pub v6: Segments<u128>,
    pub places: Places,
}

impl Table {
    /// Where an address is; IPv4-mapped addresses are to be given as IPv4.
    pub fn look_up(&self, ip: IpAddr) -> Location<'_> {
        self.places.location(match ip {
            IpAddr::V4(v4) => self.v4.at(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.at(v6.to_bits()),
        })
    }
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
    pub fn finish(mut self) -> Result<Table, Refused> {
        let v4 = self.v4.finish(&mut self.places)?;
        let v6 = self.v6.finish(&mut self.places)?;
        Ok(Table { v4, v6, places: self.places.finish() })
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
    Sweep(Flattener<A>),
    Rows(Vec<Row<A>>),
}

impl<A: Copy + Ord + From<u8> + Into<u128> + TryFrom<u128>> Family<A> {
    fn new(order: Order) -> Self {
        match order {
            Order::ByStart => Self::Sweep(Flattener::new()),
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

    fn finish(self, places: &mut places::Builder) -> Result<Segments<A>, Refused> {
        let flattener = match self {
            Self::Sweep(flattener) => flattener,
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
