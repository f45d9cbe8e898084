//! The alerts: what the rules found, how bad it was, and whether it lasts.

use std::{borrow::Cow, net::IpAddr};

use nettop_model::{
    format,
    query::{Fact, Quantity},
    snapshot::{Alert, Origin, Severity, Subject},
};

use crate::{
    table::{self, Cell, Enter, Id, Meaning, SortKey, Table},
    text,
};

/// The view.
pub static TABLE: Table<Alert> = Table {
    name: "Alerts",
    many: "alerts",
    about: "what the rules found: when, what, by whom, how much at most, and whether it lasts",
    columns: COLUMNS,
    rows: |snapshot| Cow::Borrowed(&snapshot.alerts),
    unlisted: |_| 0,
    id: |row| Id::from(row),
    facts,
    enter: |row| match (row.source, row.target) {
        (Some(Origin::Ip(ip)), _) => Enter::Detail(Subject::Source(ip)),
        (Some(Origin::Mac(mac)), _) => Enter::Sources(format!("mac:{mac}")),
        (None, Some(target)) => Enter::Detail(Subject::Destination(target.ip)),
        (None, None) => Enter::Nowhere,
    },
};

type Column = table::Column<Alert>;

const COLUMNS: &[Column] = &[
    Column::number("Began", "how long ago it began", 3, [5, 5, 5], |row, cell| {
        format::ago(cell.now_ns, row.began_ns(cell.now_ns))
    })
    .means(Meaning::Dim)
    .sorted(|row| SortKey::Number(row.id as f64)),
    Column::text("State", "whether it lasts, was marked as seen, or is muted", 4, [5, 5, 5], |row, cell| {
        let marked = if cell.attention.is_muted(row) { Some("muted") } else { None };
        marked.or(cell.attention.is_acknowledged(row).then_some("seen")).unwrap_or(lasts(row)).into()
    })
    .sorted(|row| SortKey::Text(lasts(row).into())),
    Column::text("Severity", "how bad it is", 2, [8, 8, 8], |row, _| row.severity.label().into())
        .means(Meaning::Warn)
        .sorted(|row| SortKey::Number(severity(row.severity))),
    Column::text("Kind", "the rule that found it", 1, [9, 14, 15], |row, _| format::visible(&row.kind))
        .means(Meaning::Label)
        .sorted(|row| SortKey::Text(row.kind.to_string())),
    Column::text("Source", "whom it is about; empty: several", 6, [15, 17, 39], |row, cell| {
        row.source.map_or(String::new(), |source| text::cut_middle(&source.to_string(), cell.width))
    })
    .means(Meaning::Address)
    .sorted(|row| SortKey::Text(row.source.map_or(String::new(), |source| source.to_string()))),
    Column::text(
        "Target",
        "where most of it goes, estimated from samples; empty: to several",
        7,
        [15, 21, 47],
        |row, cell| row.target.map_or(String::new(), |target| text::cut_middle(&target.to_string(), cell.width)),
    )
    .means(Meaning::Address),
    Column::number(
        "Peak",
        "the highest value: packets, SYNs or new sources per second, ports",
        5,
        [6, 6, 6],
        |row, _| format::pps(row.peak),
    )
    .means(Meaning::Value)
    .sorted(|row| SortKey::Number(row.peak)),
    Column::number("For", "how long it lasts, or lasted", 8, [5, 5, 5], lasted)
        .sorted(|row| SortKey::Number(row.seconds)),
    Column::text("What", "what was found", 0, [15, 40, 400], |row, _| format::visible(&row.message)),
];

fn lasts(row: &Alert) -> &'static str {
    if row.until_ns.is_none() { "lasts" } else { "over" }
}

fn severity(severity: Severity) -> f64 {
    f64::from(severity as u8)
}

fn lasted(row: &Alert, cell: &Cell) -> String {
    format::ago(cell.now_ns, cell.now_ns.saturating_sub((row.seconds * 1e9) as u64))
}

fn facts(row: &Alert, see: &mut dyn FnMut(Fact)) {
    for text in [&row.kind, row.severity.label(), lasts(row), &row.message] {
        see(Fact::Text(text));
    }
    let sources = row.sources.iter().map(|source| source.ip);
    let sources = sources.chain(row.source.and_then(|source| match source {
        Origin::Ip(ip) => Some(ip),
        Origin::Mac(_) => None,
    }));
    let bits = |ip: IpAddr| if ip.is_ipv4() { 32 } else { 128 };
    sources.for_each(|ip| see(Fact::Source(ip, bits(ip))));
    if let Some(target) = row.target {
        see(Fact::Destination(target.ip, bits(target.ip)));
    }
    if let Some(Origin::Mac(mac)) = row.source {
        see(Fact::Mac(mac));
    }
    if let Some(port) = row.target.and_then(|target| target.port) {
        see(Fact::Port(port));
    }
    see(Fact::Number(Quantity::Peak, row.peak));
}
