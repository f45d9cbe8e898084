//! What is blocked: until when, why, by whom, and what that drops.

use std::borrow::Cow;

use nettop_model::{
    format,
    query::{Fact, Quantity},
    snapshot::{Automatic, BlockRow, Blocks},
};

use crate::{
    table::{self, Cell, Enter, Id, Meaning, SortKey, Table},
    text,
};

/// The view.
pub static TABLE: Table<BlockRow> = Table {
    name: "Blocks",
    many: "blocks",
    about: "what is dropped, by the XDP program or a firewall: for how long, why, by whom, and how much that is",
    columns: COLUMNS,
    rows: |snapshot| snapshot.blocks.as_deref().map_or(Cow::Borrowed(&[]), rows),
    unlisted: |snapshot| snapshot.blocks.as_deref().map_or(0, |blocks| blocks.left_out),
    id: |row| Id::Block(row.net),
    words: &["ip:", "src:", "packets", "pps"],
    facts,
    enter: |row| match row.net.is_address() {
        true => Enter::Sources(format!("ip:{}", row.net)),
        false => Enter::Nowhere,
    },
};

/// What is not counted.
const UNKNOWN: &str = "-";
/// What is blocked, what rules would have, and what firewalls may still block that are not run.
fn rows(blocks: &Blocks) -> Cow<'_, [BlockRow]> {
    let would = blocks.automatic.as_ref().map_or(&[][..], |Automatic { would, .. }| would);
    match would.is_empty() && blocks.unmanaged.is_empty() {
        true => Cow::Borrowed(&blocks.rows),
        false => [&blocks.rows[..], would, &blocks.unmanaged].concat().into(),
    }
}

type Column = table::Column<BlockRow>;

const COLUMNS: &[Column] = &[
    Column::text("Address", "the address or prefix that is blocked", 0, [15, 18, 43], |row, cell| {
        text::cut_middle(&row.net.to_string(), cell.width)
    })
    .means(Meaning::Address)
    .sorted(|row| SortKey::Ip(row.net.first())),
    Column::number("Dropped", "packets dropped since it was blocked", 1, [9, 11, 15], |row, cell| {
        row.packets.map_or(UNKNOWN.into(), |packets| format::count(packets, cell.width))
    })
    .means(Meaning::Value)
    .sorted(|row| SortKey::Number(row.packets.unwrap_or_default() as f64)),
    Column::number("PPS", "packets dropped in the newest whole second", 2, [6, 6, 6], |row, _| {
        row.pps.map_or(UNKNOWN.into(), format::pps)
    })
    .sorted(|row| SortKey::Rate(row.pps.unwrap_or_default())),
    Column::text("With", "what drops it: the XDP program, or a firewall", 8, [4, 5, 9], |row, _| {
        row.with.label().into()
    })
    .sorted(|row| SortKey::Text(row.with.label().into())),
    Column::number("Left", "for how long it still lasts", 3, [5, 6, 6], |row, cell| {
        format::ago(row.until_ns.max(cell.now_ns), cell.now_ns)
    })
    .sorted(|row| SortKey::Number(row.until_ns as f64)),
    Column::number("Since", "how long ago it was blocked", 5, [5, 6, 6], |row, cell| {
        format::ago(cell.now_ns, row.since_ns)
    })
    .means(Meaning::Dim)
    .sorted(|row| SortKey::Number(row.since_ns as f64)),
    Column::text("By", "who asked for it", 6, [7, 10, 24], |row, _| format::visible(&row.by)).means(Meaning::Dim),
    Column::text(
        "State",
        "confirmed in spite of a guard; a dry run: a rule would have made it; not run: of a firewall that only an earlier run used",
        7,
        [9, 9, 9],
        state,
    )
    .means(Meaning::Warn),
    Column::text("Why", "the reason that was given", 4, [8, 24, 200], |row, _| format::visible(&row.why)),
];

fn state(row: &BlockRow, _: &Cell) -> String {
    match row {
        BlockRow { dry: true, .. } => "dry run".into(),
        BlockRow { unmanaged: true, .. } => "not run".into(),
        BlockRow { confirmed: true, .. } => "confirmed".into(),
        _ => String::new(),
    }
}

fn facts(row: &BlockRow, see: &mut dyn FnMut(Fact)) {
    see(Fact::Source(row.net.first(), row.net.length()));
    for text in [row.with.label(), &row.why, &row.by] {
        see(Fact::Text(text));
    }
    see(Fact::Number(Quantity::Packets, row.packets.unwrap_or_default() as f64));
    see(Fact::Number(Quantity::Pps, row.pps.unwrap_or_default()));
}
