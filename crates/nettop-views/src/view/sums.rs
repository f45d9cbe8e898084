//! What the views of countries, networks and prefixes have in common: each row sums up sources.

use nettop_model::{
    format,
    query::{self, Fact, Quantity},
    snapshot::{CountryRow, NetworkRow, PrefixRow, Sums},
};

use super::{PERCENT, share};
use crate::table::{Column, Meaning, SortKey};

/// A row that sums up sources.
pub trait Summed {
    /// What came from them.
    fn sums(&self) -> &Sums;

    /// Whether that is a lower bound.
    fn at_least(&self) -> bool {
        false
    }
}

impl Summed for CountryRow {
    fn sums(&self) -> &Sums {
        &self.sums
    }
}

impl Summed for NetworkRow {
    fn sums(&self) -> &Sums {
        &self.sums
    }
}

impl Summed for PrefixRow {
    fn sums(&self) -> &Sums {
        &self.sums
    }

    fn at_least(&self) -> bool {
        self.at_least
    }
}

/// What the sources are summed up by, then the columns of the sums.
pub const fn columns<R: Summed>(by: Column<R>) -> [Column<R>; 7] {
    [
        by.means(Meaning::Address),
        Column::number("IPs", "sources there, of those remembered", 4, [6, 7, 9], |row: &R, cell| {
            format::count(row.sums().ips, cell.width)
        })
        .sorted(|row| SortKey::Number(row.sums().ips as f64)),
        Column::number("Pkts", "packets from there", 1, [9, 11, 15], |row: &R, cell| {
            format::at_least(row.at_least(), row.sums().packets, cell.width)
        })
        .means(Meaning::Value)
        .sorted(|row| SortKey::Number(row.sums().packets as f64)),
        Column::number("PPS", "packets in the newest whole second", 2, [6, 6, 6], |row: &R, _| {
            format::pps(row.sums().pps)
        })
        .sorted(|row| SortKey::Rate(row.sums().pps)),
        Column::number("60s", "packets per second of the last minute", 6, [6, 6, 6], |row: &R, _| {
            format::pps(row.sums().pps_60s)
        })
        .sorted(|row| SortKey::Rate(row.sums().pps_60s)),
        Column::number("Bytes", "bytes on the wire", 5, [8, 8, 8], |row: &R, cell| cell.units.amount(row.sums().bytes))
            .sorted(|row| SortKey::Number(row.sums().bytes as f64)),
        Column::text("Share", "share of all counted packets", 3, [PERCENT, 12, 48], |row: &R, cell| {
            share(row.sums().packets, cell)
        })
        .means(Meaning::Bar),
    ]
}

/// What a filter can ask of sums.
pub fn facts(row: &impl Summed, see: &mut dyn FnMut(Fact)) {
    let sums = row.sums();
    query::numbers(sums.packets, sums.bytes, sums.pps, see);
    see(Fact::Number(Quantity::Ips, sums.ips as f64));
}
