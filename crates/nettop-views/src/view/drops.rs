//! What the kernel drops, by its reason.

use std::borrow::Cow;

use nettop_model::{
    format,
    query::{Fact, Quantity},
    snapshot::DropReason,
};

use crate::{
    table::{self, Enter, Id, Meaning, SortKey, Table},
    text,
};

/// The view.
pub static TABLE: Table<DropReason> = Table {
    name: "Drops",
    many: "reasons",
    about: "packets that the kernel dropped, in all network namespaces, by its reason (--drops); what a filter or a closed port refuses is among them",
    columns: COLUMNS,
    rows: |snapshot| Cow::Borrowed(snapshot.drops.as_deref().map(|drops| &*drops.reasons).unwrap_or_default()),
    unlisted: |_| 0,
    id: |row| Id::Name(row.reason.clone()),
    words: &["packets", "pps"],
    facts,
    enter: |_| Enter::Nowhere,
};

type Column = table::Column<DropReason>;

const COLUMNS: &[Column] = &[
    Column::text(
        "Reason",
        "the kernel's name of it (SKB_DROP_REASON_…, linux/dropreason-core.h)",
        0,
        [12, 24, 40],
        |row, cell| text::cut_middle(&format::visible(&row.reason), cell.width),
    )
    .means(Meaning::Label)
    .sorted(|row| SortKey::Text(row.reason.clone())),
    Column::number("PPS", "packets dropped per second", 1, [6, 7, 8], |row, _| format::pps(row.pps))
        .means(Meaning::Value)
        .sorted(|row| SortKey::Rate(row.pps)),
    Column::number("Packets", "packets dropped", 2, [8, 11, 15], |row, cell| format::count(row.packets, cell.width))
        .sorted(|row| SortKey::Number(row.packets as f64)),
];

fn facts(row: &DropReason, see: &mut dyn FnMut(Fact)) {
    see(Fact::Text(&row.reason));
    see(Fact::Number(Quantity::Packets, row.packets as f64));
    see(Fact::Number(Quantity::Pps, row.pps));
}
