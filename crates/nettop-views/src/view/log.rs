//! The newest lines of all logs that are followed.

use std::{borrow::Cow, sync::Arc};

use nettop_model::{
    format,
    query::{Fact, Quantity, Word},
    snapshot::{LogLine, Subject},
};

use crate::{
    table::{self, Enter, Id, Meaning, SortKey, Table},
    text,
};

/// The view.
pub static TABLE: Table<Arc<LogLine>> = Table {
    name: "Log",
    many: "lines",
    about: "the newest lines of the logs that are followed: requests and logins, as they are written; ! shows only those of addresses with a reason",
    columns: COLUMNS,
    rows: |snapshot| snapshot.log.as_deref().map_or(Cow::Borrowed(&[]), |log| Cow::Borrowed(&log.rows)),
    unlisted: |snapshot| snapshot.log.as_deref().map_or(0, |log| log.left_out),
    id: |row| Id::Line(row.number, row.ip),
    words: &["status:", "path:", "user:", "ip:", "src:", "bytes"],
    facts,
    enter: |row| row.ip.map_or(Enter::Nowhere, |ip| Enter::Detail(Subject::Source(ip))),
};

type Column = table::Column<Arc<LogLine>>;

const COLUMNS: &[Column] = &[
    Column::text("Time", "when it says that was, UTC", 3, [8, 8, 8], |row, _| {
        format::date(row.at_ns).split(' ').nth(1).unwrap_or_default().into()
    })
    .means(Meaning::Dim)
    .sorted(|row| SortKey::Number(row.at_ns as f64)),
    Column::text("Address", "whose it is; – where it is nobody's", 0, [15, 18, 39], |row, cell| {
        row.ip.map_or("–".into(), |ip| text::cut_middle(&ip.to_string(), cell.width))
    })
    .means(Meaning::Address)
    .sorted(|row| SortKey::Ip(row.ip.unwrap_or([0; 4].into()))),
    Column::text("Service", "http, or the program that says so", 5, [5, 7, 10], |row, cell| {
        text::cut(&format::visible(&row.service), cell.width)
    })
    .means(Meaning::Label)
    .sorted(|row| SortKey::Text(row.service.to_string())),
    Column::text("Status", "of the answer; of a login how it went", 2, [8, 8, 8], |row, _| status(row))
        .means_by(|row, _| meaning(row))
        .sorted(|row| SortKey::Number(row.status.into())),
    Column::text("Request", "what was asked for; or what the program says", 1, [20, 40, 200], |row, cell| {
        let text = if is_request(row) { format!("{} {}", row.what, row.text) } else { row.text.clone() };
        text::cut(&format::visible(text.trim_start()), cell.width)
    })
    .means_by(|row, _| if row.notable { Meaning::Warn } else { Meaning::Text })
    .sorted(|row| SortKey::Text(row.text.clone())),
    Column::number("Bytes", "of the answer", 6, [8, 8, 8], |row, cell| {
        if row.bytes > 0 { cell.units.amount(row.bytes) } else { "–".into() }
    })
    .sorted(|row| SortKey::Number(row.bytes as f64)),
    Column::text("Who", "the agent, as it says; of a login as whom", 4, [8, 20, 64], |row, cell| {
        text::cut(&format::visible(&row.who), cell.width)
    })
    .means(Meaning::Dim)
    .sorted(|row| SortKey::Text(row.who.clone())),
    Column::text("File", "where it stands", 7, [10, 24, 64], |row, cell| {
        text::cut_middle(&format::visible(&row.file), cell.width)
    })
    .means(Meaning::Dim)
    .sorted(|row| SortKey::Text(row.file.clone())),
];

/// Whether it is of a request, and not of a login.
pub fn is_request(row: &LogLine) -> bool {
    row.status > 0 || &*row.service == "http"
}

/// The status of the answer, or how a login went.
pub fn status(row: &LogLine) -> String {
    match (row.status, &*row.service) {
        (0, "http") => "–".into(),
        (0, _) => format::visible(&row.what),
        (status, _) => status.to_string(),
    }
}

/// What that means.
pub fn meaning(row: &LogLine) -> Meaning {
    match (row.status, &*row.what) {
        (500.., _) | (_, "failed") => Meaning::Error,
        (400.., _) | (_, "weak") => Meaning::Warn,
        (200.., _) | (_, "accepted") => Meaning::Good,
        _ => Meaning::Text,
    }
}

fn facts(row: &Arc<LogLine>, see: &mut dyn FnMut(Fact)) {
    row.ip.iter().chain(&row.peer).for_each(|ip| see(Fact::source(*ip)));
    see(Fact::Text(&row.service));
    see(Fact::Text(&row.file));
    see(Fact::Text(&row.what));
    if is_request(row) {
        see(Fact::Named(Word::Status, &row.status.to_string()));
        see(Fact::Named(Word::Status, &format!("{}xx", row.status / 100)));
        see(Fact::Named(Word::Path, &row.text));
        see(Fact::Text(&row.who));
    } else {
        see(Fact::Text(&row.text));
        see(Fact::Named(Word::User, &row.who));
    }
    see(Fact::Number(Quantity::Bytes, row.bytes as f64));
}
