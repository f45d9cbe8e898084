//! Moving: between views, in a table, into a row and back.

use nettop_model::{
    query,
    request::Request,
    snapshot::{Snapshot, Subject},
};
use nettop_views::{
    alert,
    table::{Enter, Id, Listed},
    view::{CONNECTIONS, DESTINATIONS, SOURCES, VIEWS},
};
use ratatui::layout::Rect;

use super::Effect;
use crate::{
    action::layer,
    layout::{self, Areas},
    panel::{self, Picture, table},
    state::{Detail, Notice, OpenAlert, State},
    table::arrange::{Motion, WIDEST},
    theme::Theme,
};

/// Where the panels stand at the moment.
pub fn areas(state: &State, snapshot: &Snapshot) -> Areas {
    layout::areas(&picture(state, snapshot, &Theme::plain()), Rect::new(0, 0, state.size.0, state.size.1))
}

/// As far as lengths depend on it.
fn picture<'a>(state: &'a State, snapshot: &'a Snapshot, theme: &'a Theme) -> Picture<'a> {
    Picture { snapshot, state, theme, unix_seconds: 0 }
}

/// Rows of the table that can be seen.
fn room(state: &State, snapshot: &Snapshot) -> usize {
    table::room(areas(state, snapshot).of("table"))
}

/// After the rows have changed.
pub fn follow(state: &mut State, snapshot: &Snapshot) {
    let room = room(state, snapshot);
    // While something else covers the table, its place on the screen stays.
    if room > 0 {
        let mut table = state.table().clone();
        table.follow(&*state.listed(snapshot), room);
        *state.table_mut() = table;
    }
}

/// Moves in whatever was opened last.
pub fn step(state: &mut State, snapshot: &Snapshot, motion: Motion) {
    match state.layer() {
        layer::COLUMNS => {
            let last = state.listing().heads().len().saturating_sub(1);
            state.columns = state.columns.map(|at| moved(at, motion, 1, last));
        }
        layer::VIEWS => state.views = state.views.map(|at| moved(at, motion, 1, VIEWS.len() - 1)),
        layer::HOOKS if state.hooks.as_ref().is_some_and(|dialog| dialog.output.is_none()) => {
            let last = snapshot.monitor.hooks.len().saturating_sub(1);
            state.hooks.iter_mut().for_each(|dialog| dialog.cursor = moved(dialog.cursor, motion, 1, last));
        }
        layer::TABLE => {
            let room = room(state, snapshot);
            let mut table = state.table().clone();
            table.step(&*state.listed(snapshot), motion, room);
            *state.table_mut() = table;
        }
        _ => scroll_text(state, snapshot, motion),
    }
}

/// Scrolls the help, the detail or the alert.
fn scroll_text(state: &mut State, snapshot: &Snapshot, motion: Motion) {
    let (areas, theme) = (areas(state, snapshot), Theme::plain());
    let picture = picture(state, snapshot, &theme);
    let [help, hooks, detail, one] = ["help", "hooks", "detail", "alert"].map(|panel| areas.of(panel));
    let (area, length) = match state.layer() {
        layer::HELP => (help, panel::help::length(&picture, help.width)),
        layer::HOOKS => (hooks, panel::hooks::length(&picture, hooks.width)),
        layer::ALERT => (one, panel::alert::length(&picture, one)),
        _ => (detail, panel::detail::length(&picture, detail)),
    };
    // Each has a title.
    let room = usize::from(area.height.saturating_sub(1));
    let last = length.saturating_sub(room);
    let State { help, hooks, detail, alert, .. } = state;
    let output = hooks.as_mut().and_then(|dialog| dialog.output.as_mut()).map(|output| &mut output.top);
    let top = help.as_mut().or(output).or(detail.as_mut().map(|detail| &mut detail.top));
    if let Some(top) = top.or(alert.as_mut().map(|alert| &mut alert.top)) {
        *top = moved(*top, motion, room, last);
    }
}

fn moved(at: usize, motion: Motion, page: usize, last: usize) -> usize {
    match motion {
        Motion::Rows(rows) => at.saturating_add_signed(rows),
        Motion::Pages(pages) => at.saturating_add_signed(pages * page as isize),
        Motion::First => 0,
        Motion::Last => last,
    }
    .min(last)
}

/// Scrolls by a turn of the mouse wheel.
pub fn scroll(state: &mut State, snapshot: &Snapshot, rows: isize) {
    if state.layer() != layer::TABLE {
        return step(state, snapshot, Motion::Rows(rows));
    }
    let room = room(state, snapshot);
    let mut table = state.table().clone();
    table.scroll(&*state.listed(snapshot), rows, room);
    *state.table_mut() = table;
}

/// Goes so many views further.
pub fn turn(state: &mut State, views: isize) {
    let count = VIEWS.len() as isize;
    open(state, (state.view as isize + views).rem_euclid(count) as usize);
}

/// Opens a view.
pub fn open(state: &mut State, view: usize) {
    if view < VIEWS.len() {
        (state.view, state.alert, state.detail, state.columns, state.views) = (view, None, None, None, None);
    }
}

/// The place that keys are about: of the selected row, else of the first that can be seen.
pub fn place(state: &State, listed: &dyn Listed) -> usize {
    state.table().position(listed).unwrap_or(state.table().top.min(listed.len().saturating_sub(1)))
}

/// Opens the selected row, or what the open alert leads to, or takes the column under the cursor in or out.
pub fn enter(state: &mut State, snapshot: &Snapshot) -> Option<Effect> {
    if let Some(view) = state.views {
        open(state, view);
        return None;
    }
    if let Some(at) = state.columns {
        choose(state, at);
        return None;
    }
    if let Some(open) = &state.detail {
        let leads_to = match open.subject {
            Subject::Process(pid) => Enter::Connections(format!("pid:{pid}")),
            Subject::Connection(cookie) => match snapshot.socket(cookie).and_then(|row| row.remote) {
                Some(remote) => Enter::Detail(Subject::Source(remote)),
                None => Enter::Nowhere,
            },
            _ => Enter::Nowhere,
        };
        return follow_to(state, snapshot, leads_to);
    }
    if let Some(open) = &state.alert {
        let leads_to = alert::leads_to(open.listed(snapshot).unwrap_or(&open.last));
        return follow_to(state, snapshot, leads_to);
    }
    let listed = state.listed(snapshot);
    let at = place(state, &*listed);
    let leads_to = listed.enter(at);
    if matches!(leads_to, Enter::Detail(_) | Enter::Alert(_)) {
        let mut table = state.table().clone();
        table.select(&*listed, at);
        drop(listed);
        *state.table_mut() = table;
    }
    follow_to(state, snapshot, leads_to)
}

/// Goes where a row or an alert leads to.
fn follow_to(state: &mut State, snapshot: &Snapshot, leads_to: Enter) -> Option<Effect> {
    match leads_to {
        Enter::Detail(subject) => {
            state.detail = Some(Detail { subject, history: None, command: None, top: 0 });
            return Some(Effect::Send(Request::History(subject)));
        }
        Enter::Alert(id) => {
            let alert = snapshot.alerts.iter().find(|alert| alert.id == id);
            state.alert = alert.map(|alert| OpenAlert { last: Box::new(alert.clone()), top: 0 });
        }
        Enter::Sources(text) => filtered(state, SOURCES, "sources", &text),
        Enter::Destinations(text) => filtered(state, DESTINATIONS, "destinations", &text),
        Enter::Connections(text) => {
            state.sums = None;
            filtered(state, CONNECTIONS, "connections", &text);
        }
        Enter::Nowhere => {}
    }
    None
}

/// Opens a view with a filter, which is made of what a row is known by, so that it can be read.
fn filtered(state: &mut State, view: usize, rows: &str, text: &str) {
    open(state, view);
    let table = state.table_mut();
    table.filter = query::parse(text).ok().flatten();
    (table.selected, table.top) = (None, 0);
    state.notice = Some(Notice::info(format!("{rows} filtered by {text}; {} shows all", state.keys().first("back"))));
}

/// Takes a column in or out; the most important one stays.
fn choose(state: &mut State, at: usize) {
    let heads = state.listing().heads();
    if heads.get(at).is_some_and(|head| head.rank == 0) {
        state.notice = Some(Notice::info("this column always stays"));
    } else if !state.table_mut().without.remove(&at) {
        state.table_mut().without.insert(at);
    }
}

/// Widens the column under the cursor by so many cells; without a number its width follows from the terminal again.
pub fn widen(state: &mut State, by: Option<i16>) {
    let Some(at) = state.columns else { return };
    let chosen = state.table().widths.get(&at).copied();
    let shown = || table::columns(state, state.size.0).into_iter().find(|(one, _)| *one == at).map(|(_, width)| width);
    let usual = || state.listing().heads().get(at).map(|head| head.widths[0]);
    let now = chosen.or_else(shown).or_else(usual).unwrap_or_default();
    let widths = &mut state.table_mut().widths;
    match by {
        Some(by) => widths.insert(at, now.saturating_add_signed(by).clamp(1, WIDEST)),
        None => widths.remove(&at),
    };
}

/// Closes what was opened last; then the selection goes, then the filter, then the order.
pub fn back(state: &mut State) {
    let closed = state.help.take().is_some()
        || state.hooks.take().is_some()
        || state.views.take().is_some()
        || state.columns.take().is_some();
    if closed || state.detail.take().is_some() || state.alert.take().is_some() {
        return;
    }
    let table = state.table_mut();
    if table.selected.take().is_some() || table.top > 0 {
        table.top = 0;
    } else if table.filter.take().is_none() {
        table.order = None;
    }
}

/// Sorts by the next column of those shown.
pub fn sort(state: &mut State, snapshot: &Snapshot) {
    let width = areas(state, snapshot).of("table").width.max(1);
    let shown: Vec<_> = table::columns(state, width).into_iter().map(|(at, _)| at).collect();
    let heads = state.listing().heads();
    state.table_mut().next_order(&heads, &shown);
}

/// What the selected row is known by.
pub fn selected(state: &State, snapshot: &Snapshot) -> Option<Id> {
    let listed = state.listed(snapshot);
    listed.id(place(state, &*listed))
}

/// Copies what the selected row, or what is open, is known by.
pub fn copy(state: &mut State, snapshot: &Snapshot) -> Option<Effect> {
    if let Some(output) = state.hooks.as_ref().and_then(|dialog| dialog.output.as_ref()) {
        let text = output.text.lines().map(nettop_model::format::visible).collect::<Vec<_>>().join("\n");
        state.notice = Some(Notice::info("copied, if the terminal allows it: what the hook printed"));
        return Some(Effect::Copy(text));
    }
    let text = match (&state.detail, &state.alert) {
        (Some(Detail { subject, .. }), _) => match subject {
            Subject::Source(ip) | Subject::Destination(ip) => ip.to_string(),
            Subject::Prefix(prefix) => prefix.to_string(),
            Subject::Port(port) => port.to_string(),
            Subject::Process(pid) => pid.to_string(),
            Subject::Connection(cookie) => {
                let found = snapshot.socket(*cookie);
                found.and_then(|row| row.remote).map_or_else(|| cookie.to_string(), |remote| remote.to_string())
            }
        },
        (None, Some(open)) => Id::from(&*open.last).to_string(),
        (None, None) => selected(state, snapshot)?.to_string(),
    };
    state.notice = Some(Notice::info(format!("copied, if the terminal allows it: {text}")));
    Some(Effect::Copy(text))
}
