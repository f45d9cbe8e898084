//! Ranges of both families with their places: what a CSV file and each half of the embedded data become.

use std::net::IpAddr;

use crate::{
    Location,
    flatten::{Flattener, Refused},
    places::{Places, TooMany},
    segments::Segments,
};

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

/// A table in the making.
#[derive(Debug)]
pub struct Builder {
    pub places: crate::places::Builder,
    v4: Flattener<u32>,
    v6: Flattener<u128>,
}

impl Builder {
    pub fn new() -> Self {
        Self { places: crate::places::Builder::new(), v4: Flattener::new(), v6: Flattener::new() }
    }

    /// Adds one range of IPv4 addresses, both ends included, in the order of their starts.
    pub fn push_v4(&mut self, start: u32, end: u32, row: u32, place: u32) -> Result<(), Refused> {
        self.v4.push(start, end, row, place, &mut self.places)
    }

    /// Adds one range of IPv6 addresses, as [`push_v4`](Self::push_v4).
    pub fn push_v6(&mut self, start: u128, end: u128, row: u32, place: u32) -> Result<(), Refused> {
        self.v6.push(start, end, row, place, &mut self.places)
    }

    pub fn finish(mut self) -> Result<Table, TooMany> {
        let v4 = self.v4.finish(&mut self.places)?;
        let v6 = self.v6.finish(&mut self.places)?;
        Ok(Table { v4, v6, places: self.places.finish() })
    }
}
