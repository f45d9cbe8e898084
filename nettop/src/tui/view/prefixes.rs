//! Sums over the prefixes that sources share.

use std::{borrow::Cow, cmp::Reverse};

use super::{PERCENT, share, sum_facts};
use crate::{
    snapshot::{PrefixRow, Snapshot, Subject},
    tui::{
        format,
        query::Fact,
        table::{self, Enter, Id, Key, Table},
    },
};

/// The view.
pub static TABLE: Table<PrefixRow> = Table {
    name: "Prefixes",
    many: "prefixes",
    about: "which parts of the address space: /24 and /16 of IPv4, /48 and /32 of IPv6; the shorter hold the longer",
    columns: COLUMNS,
    rows: |snapshot| Cow::Owned(rows(snapshot)),
    unlisted: |snapshot| snapshot.rest.prefixes.iter().map(|(_, rest)| rest.others.rows).sum(),
    id: |row| Id::Prefix(row.prefix),
    facts: |row, see| {
        see(Fact::Net(row.prefix.ip, row.prefix.length));
        sum_facts(&row.sums, see);
    },
    enter: |row| Enter::Detail(Subject::Prefix(row.prefix)),
};

type Column = table::Column<PrefixRow>;

const COLUMNS: &[Column] = &[
    Column::text("Prefix", "the bits that the sources share", 0, [18, 22, 43], |row, _| row.prefix.to_string())
        .styled(|theme| theme.address)
        .sorted(|row| Key::Ip(row.prefix.ip)),
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

/// Of all lengths, most packets first; of a prefix and one within it that has all of it, the shorter one.
fn rows(snapshot: &Snapshot) -> Vec<PrefixRow> {
    let mut rows: Vec<_> = snapshot.prefixes.iter().flat_map(|(_, rows)| rows).copied().collect();
    rows.sort_by_key(|row| (Reverse(row.sums.packets), row.prefix.length, row.prefix.ip));
    rows
}
