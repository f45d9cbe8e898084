//! The mouse: the wheel scrolls, a click selects, a second one opens; on a head it sorts, on a tab it goes to that view.

use std::sync::Arc;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use nettop_model::snapshot::Snapshot;
use ratatui::layout::Position;

use super::{Effect, moving};
use crate::{panel, state::State};

/// Rows by a turn of the wheel.
const TURN: isize = 3;

/// The mouse did something.
pub fn on_mouse(state: &mut State, snapshot: &Arc<Snapshot>, event: MouseEvent) -> Option<Effect> {
    if state.prompt.is_some() {
        return None;
    }
    match event.kind {
        MouseEventKind::ScrollUp => moving::scroll(state, snapshot, -TURN),
        MouseEventKind::ScrollDown => moving::scroll(state, snapshot, TURN),
        MouseEventKind::Down(MouseButton::Left) => {
            return click(state, snapshot, Position::new(event.column, event.row));
        }
        _ => {}
    }
    None
}

fn click(state: &mut State, snapshot: &Snapshot, at: Position) -> Option<Effect> {
    let areas = moving::areas(state, snapshot);
    let (tabs, table) = (areas.of("tabs"), areas.of("table"));
    if tabs.contains(at) {
        let view =
            panel::tabs::view_at((at.x - tabs.x).into(), tabs.width.into(), state.keys().keys("view"), state.view)?;
        moving::open(state, view);
        return None;
    }
    if !table.contains(at) {
        return None;
    }
    let room = panel::table::room(table);
    let heads = usize::from(table.height) - room;
    let Some(row) = usize::from(at.y - table.y).checked_sub(heads) else {
        let column = panel::table::column_at(state, table.width, at.x - table.x)?;
        let heads = state.listing().heads();
        state.table_mut().sort_by(&heads, column);
        return None;
    };
    let listed = state.listed(snapshot);
    let row = state.table().first(&*listed, room) + row;
    if row >= listed.len() {
        return None;
    }
    if state.table().position(&*listed) == Some(row) {
        drop(listed);
        return moving::enter(state, snapshot);
    }
    let mut table = state.table().clone();
    table.top = table.first(&*listed, room);
    table.select(&*listed, row);
    drop(listed);
    *state.table_mut() = table;
    None
}
