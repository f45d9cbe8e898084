//! The flows that this host forwards or translates, from where to where they go before and behind it, and below them what ended lately.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

use nettop_model::{
    format,
    snapshot::{Flow, Flows, Nat, Snapshot, Subject},
};

use super::connections::{amount, end, rate};
use crate::{
    table::{self, Cell, Enter, Id, Meaning, SortKey, Table},
    text,
};

/// The view.
pub static TABLE: Table<Flow> = Table {
    name: "Flows",
    many: "flows",
    about: "what this host forwards or translates, by its connection tracking, exchanges of ICMP, and what ended lately: both directions, \
            bytes, time left",
    columns: COLUMNS,
    rows,
    unlisted: |snapshot| snapshot.flows.as_deref().map_or(0, |flows| flows.left_out + flows.passed),
    id: |row| Id::Name(known_by(row)),
    words: &[
        "ip:", "src:", "dst:", "scope:", "port:", "lport:", "rport:", "proto:", "state:", "nat:", "bytes", "packets",
        "tx", "rx",
    ],
    facts: Flow::facts,
    enter: |row| row.source.map_or(Enter::Nowhere, |source| Enter::Detail(Subject::Source(source))),
};

type Column = table::Column<Flow>;

const COLUMNS: &[Column] = &[
    Column::text("Proto", "the protocol", 6, [5, 6, 8], |row, _| format::visible(&row.protocol))
        .sorted(|row| SortKey::Text(row.protocol.to_string())),
    Column::text("Source", "from where the first packet came; of ICMP with its identifier", 0, [21, 21, 47], |row, cell| {
        place(row, row.source, row.source_port, cell)
    })
    .means(Meaning::Address)
    .sorted(|row| ip(row.source)),
    Column::text("Destination", "to where it went, before any translation", 1, [21, 21, 47], |row, cell| {
        place(row, row.destination, row.destination_port, cell)
    })
    .means(Meaning::Address)
    .sorted(|row| ip(row.destination)),
    Column::text("NAT", "what is translated: src, dst, both; – nothing", 5, [4, 4, 4], |row, _| nat(row.nat).into())
        .sorted(|row| SortKey::Text(nat(row.nat).into())),
    Column::text(
        "Reply from",
        "from where replies come: where the destination is translated, to whom it is",
        2,
        [21, 21, 47],
        |row, cell| place(row, row.reply_source, row.reply_source_port, cell),
    )
    .sorted(|row| ip(row.reply_source)),
    Column::text(
        "Reply to",
        "to where replies go: where the source is translated, to what it is",
        8,
        [21, 21, 47],
        |row, cell| place(row, row.reply_destination, row.reply_destination_port, cell),
    )
    .sorted(|row| ip(row.reply_destination)),
    Column::text(
        "State",
        "state of TCP or SCTP; of others NEW, REPLIED (something came back), ASSURED (went on for a while), or the type of ICMP",
        9,
        [5, 11, 12],
        |row, cell| text::cut(&state(row), cell.width),
    )
    .sorted(|row| SortKey::Text(state(row))),
    Column::number("TX rate", "bytes of packets from the source, per second", 4, [11, 11, 12], |row, cell| {
        rate(row.tx_bps, cell)
    })
    .means(Meaning::Value)
    .sorted(|row| SortKey::Rate(row.tx_bps.unwrap_or_default())),
    Column::number("RX rate", "bytes of replies, per second", 3, [11, 11, 12], |row, cell| rate(row.rx_bps, cell))
        .means(Meaning::Value)
        .sorted(|row| SortKey::Rate(row.rx_bps.unwrap_or_default())),
    Column::number("TX bytes", "bytes of packets from the source; ≥: it has ended, and moved at least so much", 11, [8, 8, 9], |row, cell| {
        moved(row, row.tx_bytes, cell)
    })
    .sorted(|row| number(row.tx_bytes)),
    Column::number("RX bytes", "bytes of replies; likewise", 10, [8, 8, 9], |row, cell| moved(row, row.rx_bytes, cell))
        .sorted(|row| number(row.rx_bytes)),
    Column::number("TX pkts", "packets from the source", 15, [7, 8, 12], |row, cell| count(row.tx_packets, cell))
        .sorted(|row| number(row.tx_packets)),
    Column::number("RX pkts", "packets of replies", 14, [7, 8, 12], |row, cell| count(row.rx_packets, cell))
        .sorted(|row| number(row.rx_packets)),
    Column::number(
        "Idle",
        "how much is over of the time that it is kept after a packet: ! from 75 %, !! from 90 % on; ended: it is gone",
        7,
        [5, 7, 7],
        |row, _| idle(row),
    )
    .means_by(|row, _| age(row))
    .sorted(|row| SortKey::Number(row.idle_share().unwrap_or_default())),
    Column::number("Left", "for how long it is kept if nothing comes", 12, [4, 5, 7], |row, _| {
        row.timeout_s.map_or("–".into(), |seconds| format::age(seconds.into()))
    })
    .means_by(|row, _| age(row))
    .sorted(|row| SortKey::Number(row.timeout_s.unwrap_or_default().into())),
    Column::number("Open", "for how long; ≥: since before nettop looked", 13, [5, 5, 6], opened)
        .means(Meaning::Dim)
        .sorted(|row| SortKey::Number(row.opened_ns.unwrap_or_default() as f64)),
    Column::number("Zone", "the zone of connection tracking", 16, [4, 5, 5], |row, _| row.zone.to_string())
        .sorted(|row| SortKey::Number(row.zone.into())),
];

fn rows(snapshot: &Snapshot) -> Cow<'_, [Flow]> {
    let Some(Flows { live, ended, .. }) = snapshot.flows.as_deref() else { return Cow::Borrowed(&[]) };
    match ended.is_empty() {
        true => Cow::Borrowed(live),
        false => Cow::Owned(live.iter().chain(ended).cloned().collect()),
    }
}

/// Both directions, which is what tells it from others.
fn known_by(row: &Flow) -> String {
    let place = |address: Option<IpAddr>, port: Option<u16>| match (address, port.or(row.icmp_id)) {
        (Some(address), Some(port)) => SocketAddr::new(address, port).to_string(),
        (Some(address), None) => address.to_string(),
        (None, _) => "–".into(),
    };
    let zone = if row.zone == 0 { String::new() } else { format!(" zone {}", row.zone) };
    format!(
        "{} {} > {}, {} > {}{zone}",
        format::visible(&row.protocol),
        place(row.source, row.source_port),
        place(row.destination, row.destination_port),
        place(row.reply_source, row.reply_source_port),
        place(row.reply_destination, row.reply_destination_port),
    )
}

/// An end; of ICMP with the identifier instead of a port, of protocols without ports the address alone.
fn place(row: &Flow, address: Option<IpAddr>, port: Option<u16>, cell: &Cell) -> String {
    match (address, port, row.icmp_id) {
        (Some(address), None, Some(id)) => {
            let id = format!(" id {id}");
            text::cut_middle(&address.to_string(), cell.width.saturating_sub(id.len())) + &id
        }
        (Some(address), None, None) => text::cut_middle(&address.to_string(), cell.width),
        _ => end(address, port, cell),
    }
}

fn ip(address: Option<IpAddr>) -> SortKey {
    SortKey::Ip(address.unwrap_or(IpAddr::from([0; 4])))
}

fn number(number: Option<u64>) -> SortKey {
    SortKey::Number(number.unwrap_or_default() as f64)
}

fn count(packets: Option<u64>, cell: &Cell) -> String {
    packets.map_or("–".into(), |packets| format::count(packets, cell.width))
}

fn moved(row: &Flow, bytes: Option<u64>, cell: &Cell) -> String {
    let sign = if row.whole == Some(false) && bytes.is_some() { "≥" } else { "" };
    sign.to_string() + &amount(bytes, cell)
}

fn nat(nat: Nat) -> &'static str {
    match nat {
        Nat::Source => "src",
        Nat::Destination => "dst",
        Nat::Both => "both",
        Nat::None => "–",
    }
}

fn state(row: &Flow) -> String {
    if let Some(state) = &row.state {
        return format::visible(state);
    }
    match (row.icmp_type, row.assured, row.replied) {
        (Some(8 | 128), ..) => "echo".into(),
        (Some(kind), ..) => format!("type {kind}"),
        (None, true, _) => "ASSURED".into(),
        (None, false, true) => "REPLIED".into(),
        (None, false, false) => "NEW".into(),
    }
}

/// From these shares of its time on a flow that is idle is about to go.
const OLD: f64 = 0.75;
const OLDEST: f64 = 0.9;

fn idle(row: &Flow) -> String {
    if row.ended_ns.is_some() {
        return "ended".into();
    }
    let Some(share) = row.idle_share() else { return "–".into() };
    let sign = match age(row) {
        Meaning::Error => "!!",
        Meaning::Warn => "!",
        _ => "",
    };
    format!("{:.0}%{sign}", (share * 100.0).floor())
}

/// What its age means.
fn age(row: &Flow) -> Meaning {
    match row.idle_share().filter(|_| row.ended_ns.is_none()) {
        Some(share) if share >= OLDEST => Meaning::Error,
        Some(share) if share >= OLD => Meaning::Warn,
        _ => Meaning::Text,
    }
}

fn opened(row: &Flow, cell: &Cell) -> String {
    match (row.opened_ns, row.ended_ns) {
        (Some(opened), Some(ended)) => format::age(ended.saturating_sub(opened) as f64 / 1e9),
        (Some(opened), None) => format::ago(cell.now_ns, opened),
        (None, _) => "≥".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_told_by_sign_and_colour() {
        for (left, of, ended, text, meaning) in [
            (Some(30), Some(30), None, "0%", Meaning::Text),
            (Some(8), Some(30), None, "73%", Meaning::Text),
            (Some(30), Some(120), None, "75%!", Meaning::Warn),
            (Some(13), Some(120), None, "89%!", Meaning::Warn),
            (Some(12), Some(120), None, "90%!!", Meaning::Error),
            (Some(0), Some(120), None, "100%!!", Meaning::Error),
            (Some(200), Some(120), None, "0%", Meaning::Text),
            (Some(1), Some(0), None, "–", Meaning::Text),
            (None, Some(120), None, "–", Meaning::Text),
            (Some(1), Some(120), Some(7), "ended", Meaning::Text),
        ] {
            let row = Flow { timeout_s: left, timeout_of_s: of, ended_ns: ended, ..Flow::default() };
            assert_eq!((idle(&row).as_str(), age(&row)), (text, meaning), "{left:?} of {of:?}");
        }
    }

    #[test]
    fn a_flow_is_known_by_both_directions() {
        let address = |text: &str| text.parse().ok();
        let flow = Flow {
            protocol: "TCP".into(),
            source: address("10.0.0.2"),
            source_port: Some(40_000),
            destination: address("192.0.2.1"),
            destination_port: Some(80),
            reply_source: address("2001:db8::1"),
            reply_source_port: Some(8080),
            reply_destination: address("10.0.0.2"),
            reply_destination_port: Some(40_000),
            zone: 7,
            ..Flow::default()
        };
        assert_eq!(known_by(&flow), "TCP 10.0.0.2:40000 > 192.0.2.1:80, [2001:db8::1]:8080 > 10.0.0.2:40000 zone 7");
    }
}
