//! The MAC addresses: which neighbour on the link brings it.

use std::borrow::Cow;

use nettop_model::{
    format,
    query::{Fact, Quantity},
    snapshot::MacRow,
};

use super::{PERCENT, share};
use crate::table::{self, Enter, Id, Meaning, SortKey, Table};

/// The view.
pub static TABLE: Table<MacRow> = Table {
    name: "MACs",
    many: "MAC addresses",
    about: "which neighbour on the link brings it: MAC addresses, as source and as destination",
    columns: COLUMNS,
    rows: |snapshot| Cow::Borrowed(&snapshot.macs.rows),
    unlisted: |snapshot| snapshot.macs.rest.rows,
    id: |row| Id::Mac(row.mac),
    words: &["mac:", "packets", "pps"],
    facts,
    enter: |row| Enter::Sources(format!("mac:{}", row.mac)),
};

type Column = table::Column<MacRow>;

const COLUMNS: &[Column] = &[
    Column::text("MAC", "its address", 0, [17, 17, 17], |row, _| row.mac.to_string())
        .means(Meaning::Address)
        .sorted(|row| SortKey::Text(row.mac.to_string())),
    Column::number("Pkts", "packets from and to it", 1, [9, 11, 15], |row, cell| {
        format::at_least(row.at_least, row.packets, cell.width)
    })
    .means(Meaning::Value)
    .sorted(|row| SortKey::Number(row.packets as f64)),
    Column::number("PPS", "packets in the newest whole second", 2, [6, 6, 6], |row, _| format::pps(row.pps))
        .sorted(|row| SortKey::Rate(row.pps)),
    Column::number("60s", "packets per second of the last minute", 4, [6, 6, 6], |row, _| format::pps(row.pps_60s))
        .sorted(|row| SortKey::Rate(row.pps_60s)),
    Column::text("Share", "share of all counted packets", 3, [PERCENT, 12, 48], |row, cell| share(row.packets, cell))
        .means(Meaning::Bar),
];

fn facts(row: &MacRow, see: &mut dyn FnMut(Fact)) {
    see(Fact::Mac(row.mac));
    see(Fact::Number(Quantity::Packets, row.packets as f64));
    see(Fact::Number(Quantity::Pps, row.pps));
}
