//! The destinations: what is being hit.

use std::borrow::Cow;

use nettop_model::{
    format,
    snapshot::{DestinationRow, Subject, TrafficClass},
};

use super::{PERCENT, share};
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
    of_class::<{ TrafficClass::Syn as usize }>("of them, TCP that asks for a connection"),
    of_class::<{ TrafficClass::Ack as usize }>("of them, TCP that acknowledges, or ends a connection, without data"),
    of_class::<{ TrafficClass::Data as usize }>("of them, TCP with data"),
    of_class::<{ TrafficClass::Udp as usize }>("of them, UDP"),
    of_class::<{ TrafficClass::Icmp as usize }>("of them, ICMP and ICMPv6"),
    of_class::<{ TrafficClass::Other as usize }>("of them, other IP protocols"),
    of_class::<{ TrafficClass::SynAck as usize }>("of them, TCP that answers to a SYN"),
    of_class::<{ TrafficClass::Rst as usize }>("of them, TCP that resets a connection"),
    of_class::<{ TrafficClass::Flags as usize }>("of them, TCP with flags that no connection has, or cut off"),
    of_class::<{ TrafficClass::Fragment as usize }>("of them, fragments, the first ones included"),
];

/// The rank of the first class: good to have where there is room.
const CLASSES: u8 = 9;

/// Packets of a class.
const fn of_class<const CLASS: usize>(help: &'static str) -> Column {
    let title = TrafficClass::ALL[CLASS].label();
    let width = if title.len() > 6 { title.len() as u16 } else { 6 };
    Column::number(title, help, CLASSES + CLASS as u8, [width; 3], |row, _| {
        match row.packets_of(TrafficClass::ALL[CLASS]) {
            0 => String::new(),
            packets => format::short(packets),
        }
    })
    .sorted(|row| SortKey::Number(row.packets_of(TrafficClass::ALL[CLASS]) as f64))
}
