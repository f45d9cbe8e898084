//! `nettop sockets`: one look at the connections of this host and what listens, without any monitor.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use nettop_collect::sockets::Sockets;
use nettop_engine::sockets::{OWNERS_UNKNOWN, Ownerless, SocketState};
use nettop_model::{
    format::Units,
    json,
    query::{Fact, Query, Verdict},
    snapshot::{Degraded, Group, Meta, Selected, Snapshot},
};
use nettop_views::{
    attention::Attention,
    table::{Cell, Head, Listed},
    text,
    view::{CONNECTIONS, VIEWS},
};

use crate::cli::{SocketsArgs, Wanted};

/// How long looking for owners may take: a million open files.
const PATIENCE: Duration = Duration::from_secs(5);
/// Columns that one look says nothing of.
const OF_TIME: [&str; 3] = ["TX rate", "RX rate", "Open"];

/// The list as text, and what is missing from it, why, and what to do about it.
///
/// # Errors
/// No socket can be listed.
pub fn run(args: &SocketsArgs) -> Result<(String, Vec<String>)> {
    let mut state = SocketState::default();
    state.enter(Sockets::open(PATIENCE).census());
    let (connections, processes) = state.groups(0, &|_| None);
    let mut snapshot = Snapshot { connections, processes, ..Snapshot::default() };
    let missing = missing(&state);
    if snapshot.connections.as_ref().is_none_or(|connections| connections.census.sockets == 0) && !missing.is_empty() {
        bail!("{}", missing.join("; "));
    }
    keep(&mut snapshot, &args.wanted);
    let text = if args.json {
        let mut out = Vec::new();
        json::pretty(&Selected { snapshot: &snapshot, groups: &[Group::Connections, Group::Processes] }, &mut out)
            .context("writing JSON")?;
        String::from_utf8(out).context("writing JSON")?
    } else {
        table(&snapshot, args.numeric)
    };
    Ok((text, missing))
}

/// What is missing, why, and what to do about it.
fn missing(state: &SocketState) -> Vec<String> {
    // Of owners the monitor says what does not hold here: that it has a sandbox.
    let others = state.degraded().into_iter().filter(|row| row.badge != OWNERS_UNKNOWN);
    let others = others.map(|Degraded { what, reason, remedy, .. }| format!("{what}: {reason}; {remedy}"));
    let owners = state.ownerless().map(|Ownerless { what, reason, refused }| match refused {
        true => format!("{what}: {reason}; as root, nettop sockets names them"),
        false => format!("{what}: {reason}"),
    });
    others.chain(owners).collect()
}

/// Leaves the rows that are wanted.
pub fn keep<const VIEW: usize>(snapshot: &mut Snapshot, Wanted { filter, limit }: &Wanted<VIEW>) {
    if let Some(connections) = &mut snapshot.connections {
        Arc::make_mut(connections).keep(|row| passes(filter.as_ref(), |see| row.facts(see)), *limit);
    }
    if let Some(processes) = &mut snapshot.processes {
        Arc::make_mut(processes).keep(|row| passes(filter.as_ref(), |see| row.facts(see)), *limit);
    }
    if let Some(flows) = &mut snapshot.flows {
        Arc::make_mut(flows).keep(|row| passes(filter.as_ref(), |see| row.facts(see)), *limit);
    }
}

fn passes(filter: Option<&Query>, facts: impl Fn(&mut dyn FnMut(Fact))) -> bool {
    filter.is_none_or(|filter| filter.judge(facts) == Verdict::Passes)
}

/// The table of the view, each column as wide as what is in it.
fn table(snapshot: &Snapshot, numeric: bool) -> String {
    let snapshot = Snapshot { meta: Meta { now_ns: 0, ..Meta::default() }, ..snapshot.clone() };
    let view = VIEWS[CONNECTIONS];
    let listed = view.list(&snapshot, None, None);
    let heads = view.heads();
    let columns: Vec<_> = heads.iter().enumerate().filter(|(_, head)| !OF_TIME.contains(&head.title)).collect();
    let columns = columns.into_iter().map(|(at, head)| column(&*listed, at, head, numeric)).collect::<Vec<_>>();
    let mut lines = String::new();
    for at in 0..=listed.len() {
        let cells: Vec<_> = columns.iter().filter_map(|column| column.get(at).map(String::as_str)).collect();
        lines.push_str(cells.join("  ").trim_end());
        lines.push('\n');
    }
    lines
}

/// A column: its head and its cells, all of one width.
fn column(listed: &dyn Listed, at: usize, head: &Head, numeric: bool) -> Vec<String> {
    let attention = Attention::default();
    let [.., most] = head.widths;
    let cell = |row: usize| {
        let (width, units) = (most.into(), Units::default());
        let cell = Cell {
            now_ns: 0,
            packets: 0,
            place: row + 1,
            width,
            gateways: &[],
            flags: false,
            numeric,
            units,
            attention: &attention,
        };
        listed.cell(row, at, &cell)
    };
    let mut cells: Vec<_> = std::iter::once(head.title.to_string()).chain((0..listed.len()).map(cell)).collect();
    let width = cells.iter().map(|cell| text::width(cell)).max().unwrap_or_default();
    cells.iter_mut().for_each(|cell| *cell = head.align.set(cell, width));
    cells
}
