//! The networks (autonomous systems) of the sources.

use std::borrow::Cow;

use nettop_model::{format, query::Fact, snapshot::NetworkRow};

use super::sums;
use crate::table::{self, Enter, Id, SortKey, Table};

/// The view.
pub static TABLE: Table<NetworkRow> = Table {
    name: "Networks",
    many: "networks",
    about: "who carries it: the networks (autonomous systems) of the sources",
    columns: COLUMNS,
    rows: |snapshot| Cow::Borrowed(&snapshot.places.networks),
    unlisted: |snapshot| snapshot.places.rest_networks.rows,
    id: |row| Id::Network(row.asn),
    words: &["asn:", "ips", "packets", "bytes", "pps"],
    facts: |row, see| {
        see(Fact::Asn(row.asn));
        see(Fact::Text(&row.org));
        sums::facts(row, see);
    },
    enter: |row| Enter::Sources(format!("asn:{}", row.asn)),
};

type Column = table::Column<NetworkRow>;

const COLUMNS: &[Column] = &sums::columns(
    Column::text("Network", "number of the autonomous system, and who runs it", 0, [14, 30, 60], |row, _| {
        format::network(row.asn, &row.org)
    })
    .sorted(|row| SortKey::Number(row.asn.into())),
);
