//! The destinations: what is being hit.

use std::borrow::Cow;

use nettop_model::{
    format,
    snapshot::{DestinationRow, Subject, TrafficClass},
};

use super::{
    PERCENT,
    classes::{self, Classes},
    share,
};
use crate::{
    table::{self, Enter, Id, Meaning, SortKey, Table},
    text,
};

/// The view.
pub static TABLE: Table<DestinationRow> = Table {
    name: "Destinations",
    many: "destinations",
    about: "what is being hit: the destination addresses with the most packets",
    columns: COLUMNS,
    rows: |snapshot| Cow::Borrowed(&snapshot.destinations.rows),
    unlisted: |snapshot| snapshot.destinations.rest.rows,
    id: |row| Id::Ip(row.ip),
    words: &["ip:", "dst:", "scope:", "pps", "packets", "bytes", "peak"],
    facts: DestinationRow::facts,
    enter: |row| Enter::Detail(Subject::Destination(row.ip)),
};

type Column = table::Column<DestinationRow>;

const COLUMNS: &[Column] = &[
    Column::number("#", "place in the table", 4, [3, 3, 4], |_, cell| cell.place.to_string()).means(Meaning::Dim),
    Column::text("Destination", "destination address", 0, [15, 28, 39], |row, cell| {
        text::cut_middle(&row.ip.to_string(), cell.width)
    })
    .means(Meaning::Address)
    .sorted(|row| SortKey::Ip(row.ip)),
    Column::number("Pkts", "packets to it", 1, [9, 11, 15], |row, cell| {
        format::at_least(row.at_least, row.packets, cell.width)
    })
    .means(Meaning::Value)
    .sorted(|row| SortKey::Number(row.packets as f64)),
    Column::number("PPS", "packets in the newest whole second", 2, [6, 6, 6], |row, _| format::pps(row.pps))
        .sorted(|row| SortKey::Rate(row.pps)),
    Column::number("60s", "packets per second of the last minute", 6, [6, 6, 6], |row, _| format::pps(row.pps_60s))
        .sorted(|row| SortKey::Rate(row.pps_60s)),
    Column::number("Peak", "packets in the busiest second ever", 7, [6, 6, 6], |row, _| format::pps(row.peak_pps))
        .sorted(|row| SortKey::Rate(row.peak_pps)),
    Column::number("Bytes", "bytes on the wire", 5, [8, 8, 8], |row, cell| cell.units.amount(row.bytes))
        .sorted(|row| SortKey::Number(row.bytes as f64)),
    Column::text("Share", "share of all counted packets", 3, [PERCENT, 12, 48], |row, cell| share(row.packets, cell))
        .means(Meaning::Bar),
    classes::column::<_, 0>(CLASSES),
    classes::column::<_, 1>(CLASSES),
    classes::column::<_, 2>(CLASSES),
    classes::column::<_, 3>(CLASSES),
    classes::column::<_, 4>(CLASSES),
    classes::column::<_, 5>(CLASSES),
    classes::column::<_, 6>(CLASSES),
    classes::column::<_, 7>(CLASSES),
    classes::column::<_, 8>(CLASSES),
    classes::column::<_, 9>(CLASSES),
];

/// The rank of the first class: good to have where there is room.
const CLASSES: u8 = 9;

impl Classes for DestinationRow {
    fn packets_of(&self, class: TrafficClass) -> u64 {
        self.packets_of(class)
    }
}
