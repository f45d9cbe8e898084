//! Who is in the logs of this host: requests, logins, and why somebody is suspicious; beside it what the kernel knows of the address.

use std::borrow::Cow;

use nettop_model::{
    format,
    query::{Fact, Quantity, Word},
    snapshot::{Seen, Subject, VisitRow},
};

use crate::{
    table::{self, Cell, Enter, Id, Meaning, SortKey, Table},
    text,
};

/// The view.
pub static TABLE: Table<VisitRow> = Table {
    name: "Offenders",
    many: "visitors",
    about: "who is in the logs of this host (web servers, sshd and others): requests, failed logins, reasons for suspicion, and whether the kernel has \
            seen packets of the address",
    columns: COLUMNS,
    rows: |snapshot| snapshot.visits.as_deref().map_or(Cow::Borrowed(&[]), |visits| Cow::Borrowed(&visits.rows)),
    unlisted: |snapshot| snapshot.visits.as_deref().map_or(0, |visits| visits.left_out),
    id: |row| Id::Ip(row.ip),
    words: &[
        "status:", "path:", "user:", "reason:", "req", "auth", "seen:", "ip:", "src:", "country:", "asn:", "bytes",
        "packets", "pps",
    ],
    facts,
    enter: |row| Enter::Detail(Subject::Source(row.ip)),
};

type Column = table::Column<VisitRow>;

const COLUMNS: &[Column] = &[
    Column::text("Address", "the address, as logs have it", 0, [15, 18, 39], |row, cell| {
        text::cut_middle(&row.ip.to_string(), cell.width)
    })
    .means(Meaning::Address)
    .sorted(|row| SortKey::Ip(row.ip)),
    Column::text("CC", "the country", 12, [2, 2, 2], |row, _| row.place.country_code.to_string())
        .sorted(|row| SortKey::Text(row.place.country_code.to_string())),
    Column::text(
        "Seen",
        "whether a packet of it was counted in the last ten minutes; no: the line is forged, or of somebody behind another address, and a block \
         would do nothing; ?: nobody knows",
        3,
        [4, 4, 4],
        |row, _| if row.seen == Seen::Unknown { "?" } else { row.seen.label() }.into(),
    )
    .means_by(|row, _| if row.seen == Seen::No { Meaning::Warn } else { Meaning::Text })
    .sorted(|row| SortKey::Text(row.seen.label().into())),
    Column::number("Req/min", "requests in the last minute", 2, [7, 7, 9], |row, cell| {
        format::count(row.requests_60s, cell.width)
    })
    .means(Meaning::Value)
    .sorted(|row| SortKey::Number(row.requests_60s as f64)),
    Column::number("Req", "requests", 6, [6, 7, 11], |row, cell| format::count(row.requests, cell.width))
        .sorted(|row| SortKey::Number(row.requests as f64)),
    Column::number("4xx", "requests answered 400 to 499", 8, [5, 6, 9], |row, cell| {
        format::count(row.statuses[4], cell.width)
    })
    .sorted(|row| SortKey::Number(row.statuses[4] as f64)),
    Column::number("5xx", "requests answered 500 and above", 14, [5, 6, 9], |row, cell| {
        format::count(row.statuses[5], cell.width)
    })
    .sorted(|row| SortKey::Number(row.statuses[5] as f64)),
    Column::number("Paths", "different paths, about", 13, [5, 5, 6], |row, cell| format::count(row.paths, cell.width))
        .sorted(|row| SortKey::Number(row.paths as f64)),
    Column::number("Fail", "failed logins", 4, [5, 6, 9], |row, cell| format::count(row.failures, cell.width))
        .means_by(|row, _| if row.failures > 0 { Meaning::Warn } else { Meaning::Text })
        .sorted(|row| SortKey::Number(row.failures as f64)),
    Column::number("In", "logins", 10, [4, 5, 9], |row, cell| format::count(row.accepted, cell.width))
        .sorted(|row| SortKey::Number(row.accepted as f64)),
    Column::number("PPS", "packets per second that came from it; – where it has no account", 11, [6, 6, 6], |row, _| {
        row.pps.map_or("–".into(), format::pps)
    })
    .sorted(|row| SortKey::Rate(row.pps.unwrap_or_default())),
    Column::text("Service", "what it visited", 5, [7, 10, 24], |row, cell| {
        text::cut(&format::visible(&row.services.join(",")), cell.width)
    })
    .means(Meaning::Label)
    .sorted(|row| SortKey::Text(row.services.join(","))),
    Column::number("Last", "how long ago its newest line was written; – where there is none", 7, [5, 5, 6], |row, cell| {
        if row.last_ns == 0 { "–".into() } else { format::ago(cell.now_ns, row.last_ns) }
    })
    .means(Meaning::Dim)
    .sorted(|row| SortKey::Number(row.last_ns as f64)),
    Column::text("Reason", "why it is suspicious, the newest first", 1, [24, 40, 120], reason)
        .means(Meaning::Warn)
        .sorted(|row| SortKey::Number(row.reasons.len() as f64)),
    Column::text("Path", "the newest path", 9, [8, 20, 96], |row, cell| {
        text::cut(&format::visible(&row.path), cell.width)
    })
    .sorted(|row| SortKey::Text(row.path.clone())),
    Column::text("Agent", "the newest agent", 15, [10, 20, 64], |row, cell| {
        text::cut(&format::visible(&row.agent), cell.width)
    })
    .means(Meaning::Dim)
    .sorted(|row| SortKey::Text(row.agent.clone())),
];

fn reason(row: &VisitRow, cell: &Cell) -> String {
    let texts: Vec<_> = row.reasons.iter().rev().map(|reason| format::visible(&reason.text)).collect();
    text::cut(&texts.join("; "), cell.width)
}

fn facts(row: &VisitRow, see: &mut dyn FnMut(Fact)) {
    see(Fact::source(row.ip));
    see(Fact::Country(row.place.country_code));
    see(Fact::Asn(row.place.asn));
    for text in [&row.place.country, &row.place.city, &row.place.org, &row.agent] {
        see(Fact::Text(text));
    }
    see(Fact::Named(Word::Seen, row.seen.label()));
    see(Fact::Named(Word::Path, &row.path));
    if !row.user.is_empty() {
        see(Fact::Named(Word::User, &row.user));
    }
    for (class, _) in
        ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(row.statuses).filter(|(_, count)| *count > 0)
    {
        see(Fact::Named(Word::Status, class));
    }
    for reason in &row.reasons {
        see(Fact::Named(Word::Reason, &reason.kind));
        see(Fact::Named(Word::Reason, &reason.text));
    }
    row.services.iter().for_each(|service| see(Fact::Text(service)));
    for (quantity, number) in
        [(Quantity::Requests, row.requests_60s), (Quantity::Failures, row.failures), (Quantity::Bytes, row.bytes)]
    {
        see(Fact::Number(quantity, number as f64));
    }
    row.packets.into_iter().for_each(|packets| see(Fact::Number(Quantity::Packets, packets as f64)));
    row.pps.into_iter().for_each(|pps| see(Fact::Number(Quantity::Pps, pps)));
}
