//! The interfaces of the host, as they count themselves: both directions, errors and drops.

use std::borrow::Cow;

use nettop_model::{
    format,
    query::{Fact, Quantity},
    snapshot::HostInterface,
};

use crate::{
    table::{self, Cell, Enter, Id, Meaning, SortKey, Table},
    text,
};

/// The view.
pub static TABLE: Table<HostInterface> = Table {
    name: "Interfaces",
    many: "interfaces",
    about: "every interface of this host, as it counts itself: both directions, errors and drops, whatever nettop filters",
    columns: COLUMNS,
    rows: |snapshot| Cow::Borrowed(snapshot.host.as_deref().map(|host| &*host.interfaces).unwrap_or_default()),
    unlisted: |snapshot| snapshot.host.as_deref().map_or(0, |host| host.interfaces_left_out),
    id: |row| Id::Name(row.name.clone()),
    facts,
    enter: |_| Enter::Nowhere,
};

type Column = table::Column<HostInterface>;

const COLUMNS: &[Column] = &[
    Column::text("Interface", "its name", 0, [9, 15, 32], |row, cell| {
        text::cut_middle(&format::visible(&row.name), cell.width)
    })
    .means(Meaning::Address)
    .sorted(|row| SortKey::Text(row.name.clone())),
    Column::text("State", "whether it is up and has a carrier", 7, [5, 10, 10], |row, _| state(row).into())
        .sorted(|row| SortKey::Text(state(row).into())),
    Column::number("Speed", "speed of its link", 8, [5, 6, 6], |row, _| speed(row.speed_mbit))
        .sorted(|row| SortKey::Number(row.speed_mbit.unwrap_or_default().into())),
    Column::number("RX PPS", "packets received per second", 2, [6, 7, 8], |row, _| format::pps(row.rx.pps))
        .sorted(|row| SortKey::Rate(row.rx.pps)),
    Column::number("RX rate", "received per second", 1, [11, 11, 12], |row, cell| cell.units.rate(row.rx.bps))
        .means(Meaning::Value)
        .sorted(|row| SortKey::Rate(row.rx.bps)),
    Column::number("TX PPS", "packets sent per second", 4, [6, 7, 8], |row, _| format::pps(row.tx.pps))
        .sorted(|row| SortKey::Rate(row.tx.pps)),
    Column::number("TX rate", "sent per second", 3, [11, 11, 12], |row, cell| cell.units.rate(row.tx.bps))
        .means(Meaning::Value)
        .sorted(|row| SortKey::Rate(row.tx.bps)),
    Column::number("RX err", "packets received with an error", 6, [6, 7, 9], |row, cell| count(row.rx.errors, cell))
        .sorted(|row| SortKey::Number(row.rx.errors as f64)),
    Column::number(
        "RX drop",
        "packets received and dropped, those included that the device had no buffer for",
        5,
        [7, 7, 9],
        |row, cell| count(row.rx.dropped.saturating_add(row.rx.missed), cell),
    )
    .sorted(|row| SortKey::Number((row.rx.dropped + row.rx.missed) as f64)),
    Column::number("TX err", "packets not sent because of an error", 10, [6, 7, 9], |row, cell| {
        count(row.tx.errors, cell)
    })
    .sorted(|row| SortKey::Number(row.tx.errors as f64)),
    Column::number("TX drop", "packets dropped instead of being sent", 9, [7, 7, 9], |row, cell| {
        count(row.tx.dropped, cell)
    })
    .sorted(|row| SortKey::Number(row.tx.dropped as f64)),
    Column::number("RX pkts", "packets received since it was made", 11, [9, 11, 15], |row, cell| {
        count(row.rx.packets, cell)
    })
    .sorted(|row| SortKey::Number(row.rx.packets as f64)),
    Column::number("RX bytes", "bytes received since it was made", 12, [8, 8, 8], |row, cell| {
        cell.units.amount(row.rx.bytes)
    })
    .sorted(|row| SortKey::Number(row.rx.bytes as f64)),
    Column::number("TX pkts", "packets sent since it was made", 13, [9, 11, 15], |row, cell| {
        count(row.tx.packets, cell)
    })
    .sorted(|row| SortKey::Number(row.tx.packets as f64)),
    Column::number("TX bytes", "bytes sent since it was made", 14, [8, 8, 8], |row, cell| {
        cell.units.amount(row.tx.bytes)
    })
    .sorted(|row| SortKey::Number(row.tx.bytes as f64)),
    Column::number("Coll", "collisions, which only half-duplex links have", 15, [5, 6, 9], |row, cell| {
        count(row.collisions, cell)
    })
    .sorted(|row| SortKey::Number(row.collisions as f64)),
    Column::number("MTU", "its maximum transmission unit, bytes", 16, [5, 6, 6], |row, _| row.mtu.to_string())
        .sorted(|row| SortKey::Number(row.mtu.into())),
];

/// A number that is 0 where all is well.
fn count(number: u64, cell: &Cell) -> String {
    format::count(number, cell.width)
}

fn state(row: &HostInterface) -> &'static str {
    match (row.up, row.carrier) {
        (true, true) => "up",
        (true, false) => "no carrier",
        (false, _) => "down",
    }
}

/// `10G`, `2.5G`, `100M`.
fn speed(mbit: Option<u32>) -> String {
    match mbit {
        None => "–".into(),
        Some(mbit) if mbit >= 1000 => format!("{}G", f64::from(mbit) / 1000.0),
        Some(mbit) => format!("{mbit}M"),
    }
}

fn facts(row: &HostInterface, see: &mut dyn FnMut(Fact)) {
    [row.name.as_str(), &row.kind, state(row)].into_iter().for_each(|text| see(Fact::Text(text)));
    see(Fact::Number(Quantity::Packets, row.rx.packets as f64));
    see(Fact::Number(Quantity::Bytes, row.rx.bytes as f64));
    see(Fact::Number(Quantity::Pps, row.rx.pps));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_as_they_are_sold() {
        for (mbit, expected) in
            [(None, "–"), (Some(10), "10M"), (Some(1000), "1G"), (Some(2500), "2.5G"), (Some(400_000), "400G")]
        {
            assert_eq!(speed(mbit), expected);
        }
    }
}
