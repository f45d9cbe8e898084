//! The interfaces of the host, as they count themselves: both directions, errors and drops.

use std::borrow::Cow;

use nettop_model::{
    flat, format,
    query::{Fact, Quantity},
    snapshot::{HostInterface, InterfaceTraffic, Snapshot, TrafficClass},
};

use serde::Serialize;

use super::classes::{self, Classes};
use crate::{
    table::{self, Cell, Enter, Id, Meaning, SortKey, Table},
    text,
};

/// The view.
pub static TABLE: Table<Interface> = Table {
    name: "Interfaces",
    many: "interfaces",
    about: "every interface of this host, as it counts itself, whatever nettop filters; by class: what nettop counted of what it received",
    columns: COLUMNS,
    rows: |snapshot| Cow::Owned(rows(snapshot)),
    unlisted: |snapshot| snapshot.host.as_deref().map_or(0, |host| host.interfaces_left_out),
    id: |row| Id::Name(row.host.name.clone()),
    words: &["packets", "bytes", "pps"],
    facts,
    enter: |_| Enter::Nowhere,
};

type Column = table::Column<Interface>;

const COLUMNS: &[Column] = &[
    Column::text("Interface", "its name", 0, [9, 15, 32], |row, cell| {
        text::cut_middle(&format::visible(&row.host.name), cell.width)
    })
    .means(Meaning::Address)
    .sorted(|row| SortKey::Text(row.host.name.clone())),
    Column::text("State", "whether it is up and has a carrier", 7, [5, 10, 10], |row, _| state(row).into())
        .sorted(|row| SortKey::Text(state(row).into())),
    Column::number("Speed", "speed of its link", 8, [5, 6, 6], |row, _| speed(row.host.speed_mbit))
        .sorted(|row| SortKey::Number(row.host.speed_mbit.unwrap_or_default().into())),
    Column::number("RX PPS", "packets received per second", 2, [6, 7, 8], |row, _| format::pps(row.host.rx.pps))
        .sorted(|row| SortKey::Rate(row.host.rx.pps)),
    Column::number("RX rate", "received per second", 1, [11, 11, 12], |row, cell| cell.units.rate(row.host.rx.bps))
        .means(Meaning::Value)
        .sorted(|row| SortKey::Rate(row.host.rx.bps)),
    Column::number("TX PPS", "packets sent per second", 4, [6, 7, 8], |row, _| format::pps(row.host.tx.pps))
        .sorted(|row| SortKey::Rate(row.host.tx.pps)),
    Column::number("TX rate", "sent per second", 3, [11, 11, 12], |row, cell| cell.units.rate(row.host.tx.bps))
        .means(Meaning::Value)
        .sorted(|row| SortKey::Rate(row.host.tx.bps)),
    Column::number("RX err", "packets received with an error", 6, [6, 7, 9], |row, cell| {
        count(row.host.rx.errors, cell)
    })
    .sorted(|row| SortKey::Number(row.host.rx.errors as f64)),
    Column::number(
        "RX drop",
        "packets received and dropped, those included that the device had no buffer for",
        5,
        [7, 7, 9],
        |row, cell| count(row.host.rx.dropped.saturating_add(row.host.rx.missed), cell),
    )
    .sorted(|row| SortKey::Number((row.host.rx.dropped + row.host.rx.missed) as f64)),
    Column::number("TX err", "packets not sent because of an error", 10, [6, 7, 9], |row, cell| {
        count(row.host.tx.errors, cell)
    })
    .sorted(|row| SortKey::Number(row.host.tx.errors as f64)),
    Column::number("TX drop", "packets dropped instead of being sent", 9, [7, 7, 9], |row, cell| {
        count(row.host.tx.dropped, cell)
    })
    .sorted(|row| SortKey::Number(row.host.tx.dropped as f64)),
    Column::number("RX pkts", "packets received since it was made", 11, [9, 11, 15], |row, cell| {
        count(row.host.rx.packets, cell)
    })
    .sorted(|row| SortKey::Number(row.host.rx.packets as f64)),
    Column::number("RX bytes", "bytes received since it was made", 12, [8, 8, 8], |row, cell| {
        cell.units.amount(row.host.rx.bytes)
    })
    .sorted(|row| SortKey::Number(row.host.rx.bytes as f64)),
    Column::number("TX pkts", "packets sent since it was made", 13, [9, 11, 15], |row, cell| {
        count(row.host.tx.packets, cell)
    })
    .sorted(|row| SortKey::Number(row.host.tx.packets as f64)),
    Column::number("TX bytes", "bytes sent since it was made", 14, [8, 8, 8], |row, cell| {
        cell.units.amount(row.host.tx.bytes)
    })
    .sorted(|row| SortKey::Number(row.host.tx.bytes as f64)),
    Column::number("Coll", "collisions, which only half-duplex links have", 15, [5, 6, 9], |row, cell| {
        count(row.host.collisions, cell)
    })
    .sorted(|row| SortKey::Number(row.host.collisions as f64)),
    Column::number("MTU", "its maximum transmission unit, bytes", 16, [5, 6, 6], |row, _| row.host.mtu.to_string())
        .sorted(|row| SortKey::Number(row.host.mtu.into())),
    classes::column::<_, 0>(CLASSES),
    classes::column::<_, 1>(CLASSES),
    classes::column::<_, 2>(CLASSES),
    classes::column::<_, 3>(CLASSES),
    classes::column::<_, 4>(CLASSES),
    classes::column::<_, 5>(CLASSES),
    classes::column::<_, 6>(CLASSES),
    classes::column::<_, 7>(CLASSES),
    classes::column::<_, 8>(CLASSES),
    classes::column::<_, 9>(CLASSES),
];

/// The rank of the first class of traffic.
const CLASSES: u8 = 17;

/// An interface as it counts itself, and what nettop counted of what it received.
#[derive(Clone, Serialize)]
pub struct Interface {
    #[serde(flatten)]
    host: HostInterface,
    /// Nothing where nettop is not attached to it.
    counted: InterfaceTraffic,
}

impl flat::Row for Interface {
    fn to_flat(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(self)
    }
}

impl Classes for Interface {
    fn packets_of(&self, class: TrafficClass) -> u64 {
        self.counted.packets_of(class)
    }
}

fn rows(snapshot: &Snapshot) -> Vec<Interface> {
    let counted = |name: &str| snapshot.traffic.interfaces.iter().find(|row| row.name == name).cloned();
    let interfaces = snapshot.host.as_deref().map(|host| &*host.interfaces).unwrap_or_default();
    let row = |host: &HostInterface| Interface { host: host.clone(), counted: counted(&host.name).unwrap_or_default() };
    interfaces.iter().map(row).collect()
}

/// A number that is 0 where all is well.
fn count(number: u64, cell: &Cell) -> String {
    format::count(number, cell.width)
}

fn state(row: &Interface) -> &'static str {
    match (row.host.up, row.host.carrier) {
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

fn facts(row: &Interface, see: &mut dyn FnMut(Fact)) {
    [row.host.name.as_str(), &row.host.kind, state(row)].into_iter().for_each(|text| see(Fact::Text(text)));
    see(Fact::Number(Quantity::Packets, row.host.rx.packets as f64));
    see(Fact::Number(Quantity::Bytes, row.host.rx.bytes as f64));
    see(Fact::Number(Quantity::Pps, row.host.rx.pps));
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
