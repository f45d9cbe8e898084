//! The processes that have sockets, and what they move by them.

use std::borrow::Cow;

use nettop_model::{
    format,
    snapshot::{ProcessRow, Subject},
};

use crate::{
    table::{self, Enter, Id, Meaning, SortKey, Table},
    text,
};

/// The view.
pub static TABLE: Table<ProcessRow> = Table {
    name: "Processes",
    many: "processes",
    about: "the processes that have sockets, or had some in the last minute, and what their calls on sockets have moved",
    columns: COLUMNS,
    rows: |snapshot| Cow::Borrowed(snapshot.processes.as_deref().map(|processes| &*processes.rows).unwrap_or_default()),
    unlisted: |snapshot| snapshot.processes.as_deref().map_or(0, |processes| processes.left_out),
    id: |row| Id::Process(row.pid, row.started_ns, row.uid),
    words: &["process:", "pid:", "owner:", "unit:", "bytes", "tx", "rx", "retrans"],
    facts: ProcessRow::facts,
    enter: |row| match row.pid {
        Some(pid) => Enter::Detail(Subject::Process(pid)),
        None => Enter::Connections(format!("owner:{}", row.uid)),
    },
};

type Column = table::Column<ProcessRow>;

const COLUMNS: &[Column] = &[
    Column::text(
        "Process",
        "what it calls itself; – where it is not known who has the sockets",
        0,
        [9, 15, 15],
        |row, cell| row.process.as_ref().map_or("–".into(), |name| text::cut(&format::visible(name), cell.width)),
    )
    .means(Meaning::Label)
    .sorted(|row| SortKey::Text(row.process.clone().unwrap_or_default())),
    Column::number("PID", "its number", 3, [5, 7, 7], |row, _| row.pid.map_or("–".into(), |pid| pid.to_string()))
        .sorted(|row| SortKey::Number(row.pid.unwrap_or_default().into())),
    Column::number("PPID", "the process that started it, or took it over", 12, [5, 7, 7], |row, _| {
        row.parent.map_or("–".into(), |pid| pid.to_string())
    })
    .sorted(|row| SortKey::Number(row.parent.unwrap_or_default().into())),
    Column::number("UID", "its user", 8, [5, 6, 10], |row, _| row.uid.to_string())
        .sorted(|row| SortKey::Number(row.uid.into())),
    Column::text("Unit", "the systemd unit or the container that it runs in", 7, [9, 24, 40], |row, cell| {
        let shown = row.unit.as_ref().or(row.container.as_ref());
        shown.map_or("–".into(), |unit| text::cut_middle(&format::visible(unit), cell.width))
    })
    .sorted(|row| SortKey::Text(row.unit.clone().or(row.container.clone()).unwrap_or_default())),
    Column::number("Conns", "connections", 4, [5, 7, 9], |row, cell| format::count(row.connections, cell.width))
        .sorted(|row| SortKey::Number(row.connections as f64)),
    Column::number("Listen", "sockets that wait for connections or datagrams", 9, [6, 6, 9], |row, cell| {
        format::count(row.listening, cell.width)
    })
    .sorted(|row| SortKey::Number(row.listening as f64)),
    Column::number("TX rate", "payload sent per second", 2, [11, 11, 12], |row, cell| cell.units.rate(row.tx_bps))
        .means(Meaning::Value)
        .sorted(|row| SortKey::Rate(row.tx_bps)),
    Column::number("RX rate", "payload received per second", 1, [11, 11, 12], |row, cell| cell.units.rate(row.rx_bps))
        .means(Meaning::Value)
        .sorted(|row| SortKey::Rate(row.rx_bps)),
    Column::number(
        "TX bytes",
        "payload sent by its calls since the start; where that is not counted, by the connections it has now",
        6,
        [8, 8, 8],
        |row, cell| cell.units.amount(row.tx_bytes),
    )
    .sorted(|row| SortKey::Number(row.tx_bytes as f64)),
    Column::number(
        "RX bytes",
        "payload received by its calls since the start; where that is not counted, by the connections it has now",
        5,
        [8, 8, 8],
        |row, cell| cell.units.amount(row.rx_bytes),
    )
    .sorted(|row| SortKey::Number(row.rx_bytes as f64)),
    Column::number("Retr", "segments sent again", 10, [4, 6, 9], |row, cell| {
        format::count(row.retransmits, cell.width)
    })
    .sorted(|row| SortKey::Number(row.retransmits as f64)),
    Column::number("Since", "how long it has been running", 11, [5, 6, 6], |row, cell| {
        row.started_ns.map_or("–".into(), |started| format::age(cell.now_ns.saturating_sub(started) as f64 / 1e9))
    })
    .means(Meaning::Dim)
    .sorted(|row| SortKey::Number(row.started_ns.unwrap_or_default() as f64)),
];
