//! The networks (autonomous systems) of the sources.

use std::borrow::Cow;

use super::{PERCENT, share, sum_facts};
use crate::{
    snapshot::NetworkRow,
    tui::{
        format,
        query::Fact,
        table::{self, Enter, Id, Key, Table},
    },
};

/// The view.
pub static TABLE: Table<NetworkRow> = Table {
    name: "Networks",
    many: "networks",
    about: "who carries it: the networks (autonomous systems) of the sources",
    columns: COLUMNS,
    rows: |snapshot| Cow::Borrowed(&snapshot.networks),
    unlisted: |snapshot| snapshot.rest.networks.rows,
    id: |row| Id::Network(row.asn),
    facts: |row, see| {
        see(Fact::Asn(row.asn));
        see(Fact::Text(&row.org));
        sum_facts(&row.sums, see);
    },
    enter: |row| Enter::Sources(format!("asn:{}", row.asn)),
};

type Column = table::Column<NetworkRow>;

const COLUMNS: &[Column] = &[
    Column::text("Network", "number of the autonomous system, and who runs it", 0, [14, 30, 60], |row, _| {
        format::network(row.asn, &row.org)
    })
    .styled(|theme| theme.address)
    .sorted(|row| Key::Number(row.asn.into())),
    Column::number("IPs", "sources there, of those remembered", 4, [6, 7, 9], |row, cell| {
        format::count(row.sums.ips, cell.width)
    })
    .sorted(|row| Key::Number(row.sums.ips as f64)),
    Column::number("Pkts", "packets from there", 1, [9, 11, 15], |row, cell| {
        format::count(row.sums.packets, cell.width)
    })
    .styled(|theme| theme.value)
    .sorted(|row| Key::Number(row.sums.packets as f64)),
    Column::number("PPS", "packets in the newest whole second", 2, [6, 6, 6], |row, _| format::pps(row.sums.pps))
        .sorted(|row| Key::Rate(row.sums.pps)),
    Column::number("60s", "packets per second of the last minute", 6, [6, 6, 6], |row, _| {
        format::pps(row.sums.pps_60s)
    })
    .sorted(|row| Key::Rate(row.sums.pps_60s)),
    Column::number("Bytes", "bytes on the wire", 5, [8, 8, 8], |row, cell| cell.units.amount(row.sums.bytes))
        .sorted(|row| Key::Number(row.sums.bytes as f64)),
    Column::text("Share", "share of all counted packets", 3, [PERCENT, 12, 48], |row, cell| {
        share(row.sums.packets, cell)
    })
    .styled(|theme| theme.bar),
];
