//! The sources: who sends, from where, with what, since when.

use std::borrow::Cow;

use nettop_model::{
    format,
    snapshot::{Place, SourceRow, SourceRows, Subject},
};

use super::{PERCENT, share};
use crate::{
    services,
    table::{self, Cell, Enter, Id, Meaning, SortKey, Table},
    text,
};

/// The view.
pub static TABLE: Table<SourceRow> = Table {
    name: "Sources",
    many: "sources",
    about: "who sends: the source addresses with the most packets, where they are, what they send",
    columns: COLUMNS,
    rows: |snapshot| match &snapshot.sources.rows {
        SourceRows::Rows(rows) => Cow::Borrowed(rows),
        sources @ SourceRows::All(_) => sources.iter().map(Cow::into_owned).collect(),
    },
    unlisted: |snapshot| snapshot.sources.rest.rows,
    id: |row| Id::Ip(row.ip),
    words: &["ip:", "src:", "scope:", "country:", "asn:", "port:", "proto:", "mac:", "pps", "packets", "bytes", "peak"],
    facts: SourceRow::facts,
    enter: |row| Enter::Detail(Subject::Source(row.ip)),
};

type Column = table::Column<SourceRow>;

const COLUMNS: &[Column] = &[
    Column::number("#", "place in the table", 4, [3, 3, 4], |_, cell| cell.place.to_string()).means(Meaning::Dim),
    // 15 is any IPv4 address, 39 any IPv6 address; 28 takes most of the latter.
    Column::text("IP", "source address", 0, [15, 28, 39], |row, cell| {
        text::cut_middle(&row.ip.to_string(), cell.width)
    })
    .means(Meaning::Address)
    .sorted(|row| SortKey::Ip(row.ip)),
    // The code alone; then a flag before it; then what it stands for.
    Column::text("Geo", "country, and city where it is known; GW: the default gateway", 5, [3, 5, 30], |row, cell| {
        match cell.gateways.contains(&row.ip) {
            true => gateway(row.place.as_ref(), cell),
            false => row.place.as_ref().map_or(String::new(), |place| geo(place, cell)),
        }
    })
    .sorted(|row| SortKey::Text(row.place.as_ref().map_or(String::new(), |place| place.country_code.to_string()))),
    Column::text("Network", "autonomous system: its number, and who runs it", 11, [14, 24, 36], |row, _| {
        let known = row.place.as_ref().filter(|place| place.asn != 0);
        known.map_or(String::new(), |place| format::network(place.asn, &place.org))
    })
    .means(Meaning::Dim)
    .sorted(|row| SortKey::Number(row.place.as_ref().map_or(0.0, |place| place.asn.into()))),
    Column::text(
        "With",
        "most of what it sends (exact), and the port most of it goes to (sampled; –: it has no detail)",
        6,
        [9, 9, 14],
        with,
    ),
    Column::number("Pkts", "packets; ≥: since it was forgotten or had no room", 1, [9, 11, 15], |row, cell| {
        format::at_least(row.since.is_some(), row.packets, cell.width)
    })
    .means(Meaning::Value)
    .sorted(|row| SortKey::Number(row.packets as f64)),
    Column::number("PPS", "packets in the newest whole second", 2, [6, 6, 6], |row, _| format::pps(row.pps))
        .sorted(|row| SortKey::Rate(row.pps)),
    Column::number("60s", "packets per second of the last minute", 12, [6, 6, 6], |row, _| format::pps(row.pps_60s))
        .sorted(|row| SortKey::Rate(row.pps_60s)),
    Column::number(
        "Low/Peak",
        "packets in the quietest second of the last minute and in the busiest ever",
        10,
        [11, 11, 11],
        |row, _| format!("{}/{}", format::pps(row.low_pps), format::pps(row.peak_pps)),
    )
    .sorted(|row| SortKey::Rate(row.peak_pps)),
    Column::number("Bytes", "bytes on the wire", 7, [8, 8, 8], |row, cell| cell.units.amount(row.bytes))
        .sorted(|row| SortKey::Number(row.bytes as f64)),
    Column::number("First", "time since its first packet", 9, [5, 5, 5], |row, cell| {
        format::ago(cell.now_ns, row.first_ns)
    })
    .means(Meaning::Dim)
    .sorted(|row| SortKey::Number(row.first_ns as f64)),
    Column::number("Last", "time since its newest packet", 8, [4, 4, 4], |row, cell| {
        format::ago(cell.now_ns, row.last_ns)
    })
    .means(Meaning::Dim)
    .sorted(|row| SortKey::Number((row.last_ns / 1_000_000_000) as f64)),
    Column::text("Share", "share of all counted packets", 3, [PERCENT, 8, 48], |row, cell| share(row.packets, cell))
        .means(Meaning::Bar),
    Column::number("TX PPS", "packets sent to it in the newest whole second", 13, [6, 6, 6], |row, _| {
        row.sent.map_or(String::new(), |sent| format::pps(sent.pps))
    })
    .sorted(|row| SortKey::Rate(row.sent.unwrap_or_default().pps)),
    Column::number(
        "TX pkts",
        "packets sent to it, as they are on the wire; ≥: at least",
        14,
        [9, 11, 15],
        |row, cell| row.sent.map_or(String::new(), |sent| format::at_least(sent.at_least, sent.packets, cell.width)),
    )
    .sorted(|row| SortKey::Number(row.sent.unwrap_or_default().packets as f64)),
    Column::number("TX bytes", "bytes sent to it, as they are on the wire", 15, [8, 8, 8], |row, cell| {
        row.sent.map_or(String::new(), |sent| cell.units.amount(sent.bytes))
    })
    .sorted(|row| SortKey::Number(row.sent.unwrap_or_default().bytes as f64)),
];

/// From this width on there is room for a name behind the code of a country.
const NAMED_FROM: usize = 14;

fn geo(place: &Place, cell: &Cell) -> String {
    let name = if place.city.is_empty() { &place.country } else { &place.city };
    let name = if cell.width >= NAMED_FROM { name } else { "" };
    // A flag takes two columns.
    format::country(place.country_code, name, cell.flags && cell.width >= 5)
}

/// That it is the default gateway; before it the code of its country, where there is room.
fn gateway(place: Option<&Place>, cell: &Cell) -> String {
    let mark = if cell.width >= NAMED_FROM + 4 { "default gateway" } else { "GW" };
    let code = place.filter(|_| cell.width >= 5).map(|place| place.country_code);
    code.map_or(mark.into(), |code| format::country(code, mark, false))
}

/// What most of its packets are, and where most of those that were sampled went.
fn with(row: &SourceRow, cell: &Cell) -> String {
    let kinds = [("SYN", row.syn), ("UDP", row.udp), ("ICMP", row.icmp)];
    let most = kinds.into_iter().find(|(_, packets)| packets.saturating_mul(2) > row.packets);
    // Neither UDP nor ICMP, and seldom a new connection.
    let rest = row.packets.saturating_sub(row.udp).saturating_sub(row.icmp).saturating_mul(2) > row.packets;
    let detail = row.detail.as_ref();
    let sampled = detail.and_then(|detail| detail.protocols.iter().max_by_key(|(_, packets)| **packets));
    let sampled = sampled.map(|(name, _)| &**name);
    let kind = most.map(|(kind, _)| kind).or(sampled.filter(|_| rest)).unwrap_or(if rest { "" } else { "mixed" });
    let Some(detail) = detail else { return format!("{kind} –").trim().into() };
    let port = detail.dst_ports.iter().filter(|(port, _)| **port != 0).max_by_key(|(_, packets)| **packets);
    let Some((port, _)) = port else { return kind.into() };
    let name = services::name(*port).filter(|_| !cell.numeric && cell.width >= 12);
    match name {
        Some(name) => format!("{kind} {name}"),
        None => format!("{kind} {port}"),
    }
}

#[cfg(test)]
mod tests {
    use nettop_geo::CountryCode;
    use nettop_model::format::Units;

    use super::*;
    use crate::attention::Attention;

    #[test]
    fn the_default_gateway_is_marked_at_any_width() {
        let attention = Attention::default();
        for (country, width, expected) in [
            (None, 3, "GW"),
            (None, 5, "GW"),
            (None, 30, "default gateway"),
            (Some("DE"), 3, "GW"),
            (Some("DE"), 5, "DE GW"),
            (Some("LO"), 17, "LO GW"),
            (Some("DE"), 18, "DE default gateway"),
        ] {
            let (now_ns, packets, place, flags, numeric, units) = (0, 0, 1, false, false, Units::default());
            let cell =
                Cell { now_ns, packets, place, width, gateways: &[], flags, numeric, units, attention: &attention };
            let place = country.and_then(CountryCode::parse);
            let place = place.map(|country_code| Place { country_code, ..Place::default() });
            assert_eq!(gateway(place.as_ref(), &cell), expected, "{country:?}, {width}");
        }
    }
}
