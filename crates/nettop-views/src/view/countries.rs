//! The countries of the sources.

use std::borrow::Cow;

use nettop_model::{format, query::Fact, snapshot::CountryRow};

use super::sums;
use crate::table::{self, Enter, Id, SortKey, Table};

/// The view.
pub static TABLE: Table<CountryRow> = Table {
    name: "Countries",
    many: "countries",
    about: "where it comes from: the countries of the sources",
    columns: COLUMNS,
    rows: |snapshot| Cow::Borrowed(&snapshot.places.countries),
    unlisted: |snapshot| snapshot.places.rest_countries.rows,
    id: |row| Id::Country(row.country_code),
    words: &["country:", "ips", "packets", "bytes", "pps"],
    facts: |row, see| {
        see(Fact::Country(row.country_code));
        see(Fact::Text(&row.country));
        sums::facts(row, see);
    },
    enter: |row| Enter::Sources(format!("country:{}", row.country_code)),
};

type Column = table::Column<CountryRow>;

const COLUMNS: &[Column] = &sums::columns(
    Column::text("Country", "code and name; LO: no public address, ??: unknown", 0, [14, 24, 44], |row, cell| {
        format::country(row.country_code, &row.country, cell.flags)
    })
    .sorted(|row| SortKey::Text(row.country_code.to_string())),
);
