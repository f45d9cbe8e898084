//! The alerts: what the rules found, how bad it was, and whether it lasts.

use std::borrow::Cow;

use nettop_model::{
    format,
    query::{Fact, Quantity},
    snapshot::{Alert, Origin, Severity},
};

use crate::{
    alert,
    table::{self, Cell, Enter, Id, Meaning, SortKey, Table},
    text,
};

/// The view.
pub static TABLE: Table<Alert> = Table {
    name: "Alerts",
    many: "alerts",
    about: "what the rules found: whether it lasts, how bad it is, what, to whom, how much, beside what is usual",
    columns: COLUMNS,
    rows: |snapshot| Cow::Borrowed(&snapshot.alerts),
    unlisted: |_| 0,
    id: |row| Id::from(row),
    words: &["ip:", "src:", "dst:", "port:", "mac:", "peak"],
    facts,
    enter: |row| Enter::Alert(row.id),
};

type Column = table::Column<Alert>;

const COLUMNS: &[Column] = &[
    Column::text(
        "State",
        "whether it lasts, pauses or is over, was marked as seen, or is muted",
        3,
        [6, 6, 6],
        |row, cell| {
            let marked = if cell.attention.is_muted(row) { Some("muted") } else { None };
            marked.or(cell.attention.is_acknowledged(row).then_some("seen")).unwrap_or(alert::state(row)).into()
        },
    )
    .sorted(|row| SortKey::Text(alert::state(row).into())),
    Column::text("Severity", "how bad it is", 2, [8, 8, 8], |row, _| row.severity.label().into())
        .means(Meaning::Warn)
        .sorted(|row| SortKey::Number(severity(row.severity))),
    Column::text("Kind", "the rule that found it", 1, [9, 15, 15], |row, _| format::visible(&row.kind))
        .means(Meaning::Label)
        .sorted(|row| SortKey::Text(row.kind.to_string())),
    Column::text(
        "Target",
        "where most of it goes, estimated from samples; empty: to several",
        4,
        [21, 21, 47],
        |row, cell| row.target.map_or(String::new(), |target| text::cut_middle(&target.to_string(), cell.width)),
    )
    .means(Meaning::Address),
    Column::number(
        "Now",
        "packets or new sources per second, ports, hosts; empty: nothing comes",
        5,
        [5, 5, 5],
        |row, _| if row.comes() { format::pps(row.value) } else { String::new() },
    )
    .means(Meaning::Value)
    .sorted(|row| SortKey::Rate(row.value)),
    Column::number("Peak", "the highest such value", 6, [5, 5, 5], |row, _| format::pps(row.peak))
        .sorted(|row| SortKey::Number(row.peak)),
    Column::number(
        "Usual",
        "how many times its usual it is, or was at most; empty: nothing is usual there",
        7,
        [5, 5, 5],
        |row, _| row.times_usual().map_or(String::new(), alert::times),
    )
    .means(Meaning::Value)
    .sorted(|row| SortKey::Rate(row.times_usual().unwrap_or_default())),
    Column::number("Began", "how long ago it began", 8, [5, 5, 5], |row, cell| {
        format::ago(cell.now_ns, row.began_ns(cell.now_ns))
    })
    .means(Meaning::Dim)
    .sorted(|row| SortKey::Number(row.id as f64)),
    Column::text("What", "what was found", 0, [14, 40, 400], |row, _| format::visible(&row.message)),
    Column::text("Source", "whom it comes from; empty: several", 9, [15, 17, 39], |row, cell| {
        row.source.map_or(String::new(), |source| text::cut_middle(&source.to_string(), cell.width))
    })
    .means(Meaning::Address)
    .sorted(|row| SortKey::Text(row.source.map_or(String::new(), |source| source.to_string()))),
    Column::number("For", "how long it lasts, or lasted", 10, [5, 5, 5], lasted)
        .sorted(|row| SortKey::Number(row.seconds)),
];

fn severity(severity: Severity) -> f64 {
    f64::from(severity as u8)
}

fn lasted(row: &Alert, cell: &Cell) -> String {
    format::ago(cell.now_ns, cell.now_ns.saturating_sub((row.seconds * 1e9) as u64))
}

fn facts(row: &Alert, see: &mut dyn FnMut(Fact)) {
    for text in [&row.kind, row.severity.label(), alert::state(row), &row.message] {
        see(Fact::Text(text));
    }
    let sources = row.sources.iter().map(|source| source.ip);
    let sources = sources.chain(row.source.and_then(|source| match source {
        Origin::Ip(ip) => Some(ip),
        Origin::Mac(_) => None,
    }));
    sources.for_each(|ip| see(Fact::source(ip)));
    if let Some(target) = row.target {
        see(target
            .prefix
            .map_or(Fact::destination(target.ip), |prefix| Fact::Destination(target.ip, prefix.prefix_len())));
    }
    if let Some(Origin::Mac(mac)) = row.source {
        see(Fact::Mac(mac));
    }
    if let Some(port) = row.target.and_then(|target| target.port) {
        see(Fact::Port(port));
    }
    see(Fact::Number(Quantity::Peak, row.peak));
}
