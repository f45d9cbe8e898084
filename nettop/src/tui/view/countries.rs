//! The countries of the sources.

use std::borrow::Cow;

use super::{PERCENT, share, sum_facts};
use crate::{
    snapshot::CountryRow,
    tui::{
        format,
        query::Fact,
        table::{self, Enter, Id, Key, Table},
    },
};

/// The view.
pub static TABLE: Table<CountryRow> = Table {
    name: "Countries",
    many: "countries",
    about: "where it comes from: the countries of the sources",
    columns: COLUMNS,
    rows: |snapshot| Cow::Borrowed(&snapshot.countries),
    unlisted: |snapshot| snapshot.rest.countries.rows,
    id: |row| Id::Country(row.country_code),
    facts: |row, see| {
        see(Fact::Country(row.country_code));
        see(Fact::Text(&row.country));
        sum_facts(&row.sums, see);
    },
    enter: |row| Enter::Sources(format!("country:{}", row.country_code)),
};

type Column = table::Column<CountryRow>;

const COLUMNS: &[Column] = &[
    Column::text("Country", "code and name; LO: no public address, ??: unknown", 0, [14, 24, 44], |row, cell| {
        format::country(row.country_code, &row.country, cell.flags)
    })
    .styled(|theme| theme.address)
    .sorted(|row| Key::Text(row.country_code.to_string())),
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
