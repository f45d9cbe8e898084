//! The connections of this host summed up: tables that stand in for that of the connections while they are wanted.

use std::borrow::Cow;

use nettop_model::{
    format,
    query::{Fact, Quantity},
    snapshot::{ConnectionSum, ConnectionSums, Snapshot},
};

use crate::{
    services,
    table::{self, Enter, Id, Listing, Meaning, SortKey, Table},
    text,
};

/// Defines [`TABLES`]: by what, a list of the snapshot, how a name is written, and the filter that has the connections of one.
macro_rules! tables {
    ($($by:literal $list:ident $shown:expr, $filter:literal;)+) => {
        /// Every one: what it sums up by, and the table.
        pub const TABLES: &[(&str, &dyn Listing)] = &[$(($by, {
            static TABLE: Table<ConnectionSum> = Table {
                name: "Connections",
                many: "sums",
                about: concat!("the connections of this host, summed up by ", $by),
                columns: &columns($shown),
                rows: |snapshot| lists(snapshot).map_or(Cow::Borrowed(&[]), |sums| Cow::Borrowed(&sums.$list)),
                unlisted: |snapshot| lists(snapshot).map_or(0, |sums| sums.left_out),
                id: |row| Id::Name(row.name.clone()),
                words: &["bytes", "tx", "rx", "retrans"],
                facts,
                enter: |row| match row.name.is_empty() {
                    true => Enter::Nowhere,
                    false => Enter::Connections(format!(concat!($filter, "{}"), row.name)),
                },
            };
            &TABLE
        })),+];
    };
}

tables! {
    "process" process name, "process:";
    "unit" unit name, "unit:";
    "remote address" remote name, "ip:";
    "port" port service, "port:";
    "country" country name, "country:";
}

type Column = table::Column<ConnectionSum>;

/// How a name is written in so many columns.
type Shown = fn(&ConnectionSum, &table::Cell) -> String;

fn lists(snapshot: &Snapshot) -> Option<&ConnectionSums> {
    snapshot.connections.as_deref().map(|connections| &connections.sums)
}

fn name(row: &ConnectionSum, cell: &table::Cell) -> String {
    if row.name.is_empty() { "not known".into() } else { text::cut_middle(&format::visible(&row.name), cell.width) }
}

fn service(row: &ConnectionSum, cell: &table::Cell) -> String {
    row.name.parse().map_or_else(|_| name(row, cell), |port| services::labelled(port, cell.numeric))
}

const fn columns(shown: Shown) -> [Column; 7] {
    [
        Column::text(
            "Of",
            "what the connections have in common; of a port, that of the end which was asked",
            0,
            [15, 24, 44],
            shown,
        )
        .means(Meaning::Label)
        .sorted(|row| SortKey::Text(row.name.clone())),
        Column::number("Conns", "connections", 3, [5, 7, 9], |row, cell| format::count(row.connections, cell.width))
            .sorted(|row| SortKey::Number(row.connections as f64)),
        Column::number("TX rate", "payload sent per second", 2, [11, 11, 12], |row, cell| cell.units.rate(row.tx_bps))
            .means(Meaning::Value)
            .sorted(|row| SortKey::Rate(row.tx_bps)),
        Column::number("RX rate", "payload received per second", 1, [11, 11, 12], |row, cell| {
            cell.units.rate(row.rx_bps)
        })
        .means(Meaning::Value)
        .sorted(|row| SortKey::Rate(row.rx_bps)),
        Column::number("TX bytes", "payload sent", 5, [8, 8, 8], |row, cell| cell.units.amount(row.tx_bytes))
            .sorted(|row| SortKey::Number(row.tx_bytes as f64)),
        Column::number("RX bytes", "payload received", 4, [8, 8, 8], |row, cell| cell.units.amount(row.rx_bytes))
            .sorted(|row| SortKey::Number(row.rx_bytes as f64)),
        Column::number("Retr", "segments sent again", 6, [4, 6, 9], |row, cell| {
            format::count(row.retransmits, cell.width)
        })
        .sorted(|row| SortKey::Number(row.retransmits as f64)),
    ]
}

fn facts(row: &ConnectionSum, see: &mut dyn FnMut(Fact)) {
    see(Fact::Text(&row.name));
    for (quantity, number) in [
        (Quantity::Bytes, row.tx_bytes.saturating_add(row.rx_bytes)),
        (Quantity::Tx, row.tx_bytes),
        (Quantity::Rx, row.rx_bytes),
        (Quantity::Retransmits, row.retransmits),
    ] {
        see(Fact::Number(quantity, number as f64));
    }
}
