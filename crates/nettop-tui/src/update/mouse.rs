//! The mouse: the wheel scrolls, a click selects, a second one opens; on a head it sorts, on a tab it goes to that view.

use std::sync::Arc;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use nettop_model::snapshot::Snapshot;
use ratatui::layout::Position;

use super::{Effect, moving};
use crate::{
    panel::{table, tabs},
    state::State,
};

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
    if areas.tabs.contains(at) {
        let view = tabs::view_at(
            (at.x - areas.tabs.x).into(),
            areas.tabs.width.into(),
            state.keys().keys("view"),
            state.view,
        )?;
        moving::open(state, view);
        return None;
    }
    if !areas.table.contains(at) {
        return None;
    }
    let room = table::room(areas.table);
    let heads = usize::from(areas.table.height) - room;
    let Some(row) = usize::from(at.y - areas.table.y).checked_sub(heads) else {
        let column = table::column_at(state, areas.table.width, at.x - areas.table.x)?;
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
