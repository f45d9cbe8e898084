//! Sums over the prefixes that sources share.

use std::{borrow::Cow, cmp::Reverse};

use nettop_model::{
    order,
    query::Fact,
    snapshot::{PrefixRow, Snapshot, Subject},
};

use super::sums;
use crate::table::{self, Enter, Id, SortKey, Table};

/// The view.
pub static TABLE: Table<PrefixRow> = Table {
    name: "Prefixes",
    many: "prefixes",
    about: "which parts of the address space: /24 and /16 of IPv4, /48 and /32 of IPv6; the shorter hold the longer",
    columns: COLUMNS,
    rows: |snapshot| Cow::Owned(rows(snapshot)),
    unlisted: |snapshot| snapshot.prefixes.rest.iter().map(|(_, rest)| rest.others.rows).sum(),
    id: |row| Id::Prefix(row.prefix),
    words: &["ip:", "src:", "ips", "packets", "bytes", "pps"],
    facts: |row, see| {
        see(Fact::Source(row.prefix.ip, row.prefix.length));
        sums::facts(row, see);
    },
    enter: |row| Enter::Detail(Subject::Prefix(row.prefix)),
};

type Column = table::Column<PrefixRow>;

const COLUMNS: &[Column] = &sums::columns(
    Column::text("Prefix", "the bits that the sources share", 0, [18, 22, 43], |row, _| row.prefix.to_string())
        .sorted(|row| SortKey::Ip(row.prefix.ip)),
);

/// Of all lengths, most packets first; of a prefix and one within it that has all of it, the shorter one.
fn rows(snapshot: &Snapshot) -> Vec<PrefixRow> {
    let mut rows: Vec<_> = snapshot.prefixes.lengths.iter().flat_map(|(_, rows)| rows).copied().collect();
    order::sort_by_key(&mut rows, |row| (Reverse(row.sums.packets), row.prefix.length, row.prefix.ip));
    rows
}
