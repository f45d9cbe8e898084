//! The ports: what is being asked for, and what answers.

use std::borrow::Cow;

use nettop_model::{
    format,
    query::{Fact, Quantity},
    snapshot::{PortRow, Subject},
};

use super::{PERCENT, share};
use crate::{
    services,
    table::{self, Enter, Id, Meaning, SortKey, Table},
};

/// The view.
pub static TABLE: Table<PortRow> = Table {
    name: "Ports",
    many: "ports",
    about: "what is being asked for: packets to and from each port, of all protocols that have ports",
    columns: COLUMNS,
    rows: |snapshot| Cow::Borrowed(&snapshot.ports.rows),
    unlisted: |snapshot| snapshot.ports.rest_to.rows,
    id: |row| Id::Port(row.port),
    words: &["port:", "packets", "pps"],
    facts,
    enter: |row| Enter::Detail(Subject::Port(row.port)),
};

type Column = table::Column<PortRow>;

const COLUMNS: &[Column] = &[
    Column::number("Port", "its number; - is packets without ports", 0, [5, 5, 5], |row, _| match row.port {
        0 => "-".into(),
        port => port.to_string(),
    })
    .means(Meaning::Address)
    .sorted(|row| SortKey::Number(row.port.into())),
    Column::text("Service", "its usual service", 3, [10, 12, 16], |row, cell| match row.port {
        0 => "no port".into(),
        port => services::name(port).filter(|_| !cell.numeric).unwrap_or_default().into(),
    }),
    Column::number("Pkts", "packets to it", 1, [9, 11, 15], |row, cell| format::count(row.packets, cell.width))
        .means(Meaning::Value)
        .sorted(|row| SortKey::Number(row.packets as f64)),
    Column::number("PPS", "packets to it in the newest whole second, of the busiest ports", 2, [6, 6, 6], |row, _| {
        row.pps.map_or(String::new(), format::pps)
    })
    .sorted(|row| SortKey::Rate(row.pps.unwrap_or_default())),
    Column::number("From", "packets from it: answers, or what a reflector sends", 5, [9, 11, 15], |row, cell| {
        format::count(row.from_packets, cell.width)
    })
    .sorted(|row| SortKey::Number(row.from_packets as f64)),
    Column::text("Share", "share of all counted packets", 4, [PERCENT, 12, 48], |row, cell| share(row.packets, cell))
        .means(Meaning::Bar),
];

fn facts(row: &PortRow, see: &mut dyn FnMut(Fact)) {
    see(Fact::Port(row.port));
    see(Fact::Number(Quantity::Packets, row.packets as f64));
    see(Fact::Number(Quantity::Pps, row.pps.unwrap_or_default()));
    see(Fact::Text(services::name(row.port).unwrap_or_default()));
}
