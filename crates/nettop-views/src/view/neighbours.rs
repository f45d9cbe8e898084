//! The neighbours of this host: whoever is on its links, as the kernel's tables of ARP and ND have it.

use std::borrow::Cow;

use nettop_model::{
    format,
    query::{Fact, Word},
    snapshot::{NeighbourRow, Subject},
};

use crate::{
    table::{self, Cell, Enter, Id, Meaning, SortKey, Table},
    text,
};

/// The view.
pub static TABLE: Table<NeighbourRow> = Table {
    name: "Neighbours",
    many: "neighbours",
    about: "whoever is on a link of this host: the MAC address that ARP and ND found for each address, and whether it answers (ip neigh)",
    columns: COLUMNS,
    rows: |snapshot| snapshot.neighbours.as_deref().map_or(Cow::Borrowed(&[]), |all| Cow::Borrowed(&all.rows)),
    unlisted: |snapshot| snapshot.neighbours.as_deref().map_or(0, |all| all.left_out),
    id: |row| Id::Neighbour(row.ip, row.interface.clone()),
    words: &["ip:", "src:", "mac:", "state:"],
    facts,
    enter: |row| Enter::Detail(Subject::Source(row.ip)),
};

type Column = table::Column<NeighbourRow>;

const COLUMNS: &[Column] = &[
    Column::text("Address", "its address", 0, [15, 26, 39], |row, cell| {
        text::cut_middle(&row.ip.to_string(), cell.width)
    })
    .means(Meaning::Address)
    .sorted(|row| SortKey::Ip(row.ip)),
    Column::text("MAC", "its MAC address; – where nobody has answered", 1, [17, 17, 17], |row, _| {
        row.mac.map_or("–".into(), |mac| mac.to_string())
    })
    .means(Meaning::Label)
    .sorted(|row| SortKey::Text(row.mac.map(|mac| mac.to_string()).unwrap_or_default())),
    Column::text("Interface", "where it is", 3, [9, 15, 32], |row, cell| {
        text::cut_middle(&format::visible(&row.interface), cell.width)
    })
    .sorted(|row| SortKey::Text(row.interface.clone())),
    Column::text(
        "State",
        "REACHABLE: it answered lately; STALE: not lately, and nobody has asked; DELAY, PROBE: it is asked again; INCOMPLETE: asked, and \
         no answer yet; FAILED: no answer; PERMANENT: set by hand",
        2,
        [10, 10, 10],
        |row, cell| text::cut(&format::visible(&row.state), cell.width),
    )
    .means_by(|row, _| of_state(row))
    .sorted(|row| SortKey::Text(row.state.to_string())),
    Column::text(
        "Router",
        "gateway: the way to public addresses is by it; yes: it says that it is a router (IPv6)",
        5,
        [7, 7, 7],
        |row, _| match (row.gateway, row.router) {
            (true, _) => "gateway".into(),
            (false, true) => "yes".into(),
            (false, false) => "–".into(),
        },
    )
    .means_by(|row, _| if row.gateway { Meaning::Value } else { Meaning::Text })
    .sorted(|row| SortKey::Number(f64::from(u8::from(row.gateway) * 2 + u8::from(row.router)))),
    Column::number(
        "Asks",
        "requests that came from its MAC, by which it asks for those of others: ARP of an IPv4 address, ND of an IPv6 address",
        6,
        [5, 6, 9],
        |row, cell| number(row.requests, cell),
    )
    .sorted(|row| SortKey::Number(row.requests.unwrap_or_default() as f64)),
    Column::number("Answers", "answers that came from its MAC, likewise", 7, [7, 7, 9], |row, cell| {
        number(row.answers, cell)
    })
    .sorted(|row| SortKey::Number(row.answers.unwrap_or_default() as f64)),
    Column::number(
        "TX asks",
        "requests sent to its MAC alone, by which this host looks whether it is still there; those to all have no MAC",
        8,
        [7, 7, 9],
        |row, cell| number(row.requests_sent, cell),
    )
    .sorted(|row| SortKey::Number(row.requests_sent.unwrap_or_default() as f64)),
    Column::number("TX answers", "answers sent to its MAC", 9, [10, 10, 10], |row, cell| {
        number(row.answers_sent, cell)
    })
    .sorted(|row| SortKey::Number(row.answers_sent.unwrap_or_default() as f64)),
    Column::number("Heard", "how long ago it was heard of last", 4, [5, 6, 7], |row, _| {
        row.confirmed.map_or("–".into(), |seconds| format::ago((seconds * 1e9) as u64 + 1, 1))
    })
    .means(Meaning::Dim)
    .sorted(|row| SortKey::Number(row.confirmed.unwrap_or_default())),
];

fn number(number: Option<u64>, cell: &Cell) -> String {
    number.map_or("–".into(), |number| format::count(number, cell.width))
}

fn of_state(row: &NeighbourRow) -> Meaning {
    match &*row.state {
        "REACHABLE" | "PERMANENT" => Meaning::Good,
        "INCOMPLETE" | "PROBE" => Meaning::Warn,
        "FAILED" => Meaning::Error,
        _ => Meaning::Text,
    }
}

fn facts(row: &NeighbourRow, see: &mut dyn FnMut(Fact)) {
    see(Fact::source(row.ip));
    row.mac.into_iter().for_each(|mac| see(Fact::Mac(mac)));
    see(Fact::Named(Word::State, &row.state));
    see(Fact::Text(&row.interface));
}
