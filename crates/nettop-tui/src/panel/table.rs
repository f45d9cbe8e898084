//! The table of the view that is open. Only rows that can be seen are made.

use nettop_model::{
    format,
    snapshot::{Drops, Mode, Snapshot},
};
use nettop_views::{
    table::{Cell, Listed},
    text,
};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    alerts, chart,
    drawing::lines,
    overview::{FIRST_BESIDE_CHART, HEAD, rows},
    picture::Picture,
    row::{Body, Height, Room},
};
use crate::{
    state::State,
    table::fit::{GAP, fit},
};

/// From this height on there is room for the heads of the columns.
const HEAD_FROM: u16 = 2;

/// Rows of the overview that are granted before any other panel; without alerts, and with alerts.
const FIRST: u16 = 8;
const FIRST_BESIDE_ALERTS: u16 = 6;
/// Rows that stay in a flood.
const FEWEST: u16 = 3;
/// Lines about floods that cost no rows; each further line costs one.
const FEW_ALARMS: u16 = 2;

/// Its height: in the overview as many rows as `top` says, in other views all lines that are left.
pub fn height(room: &Room) -> Height {
    if room.body != Body::Overview {
        return room.rest_if(Body::Table);
    }
    let rows = rows(room.picture);
    // In a flood there is little to learn from single sources.
    let first = match alerts::lines_of(room) {
        _ if chart::is_shown(room) => rows.min(FIRST_BESIDE_CHART),
        (0, _) => rows.min(FIRST),
        (_, alarms) => rows.min(FIRST_BESIDE_ALERTS).saturating_sub(alarms.saturating_sub(FEW_ALARMS)).max(FEWEST),
    };
    let further = if room.is_stacked() { 4 } else { 6 };
    Height {
        least: (HEAD + first).min(room.height),
        wanted: (HEAD + first + rows.saturating_sub(FIRST).min(further)).min(HEAD + rows),
        most: HEAD + rows,
    }
}

/// How many rows an area has room for.
pub fn room(area: Rect) -> usize {
    usize::from(if area.height >= HEAD_FROM { area.height - 1 } else { area.height })
}

/// The columns that are shown: the place of each, and its width.
pub fn columns(state: &State, width: u16) -> Vec<(usize, u16)> {
    let table = state.table();
    fit(&table.sized(state.listing().heads()), |at| !table.without.contains(&at), width)
}

/// The column at a column of the screen.
pub fn column_at(state: &State, width: u16, x: u16) -> Option<usize> {
    let mut from = 0;
    for (at, width) in columns(state, width) {
        if (from..from + width).contains(&x) {
            return Some(at);
        }
        from += width + GAP;
    }
    None
}

/// The heads of the columns, then as many rows as there is room for, from the first that was scrolled to.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let (state, theme) = (picture.state, picture.theme);
    let (columns, heads) = (columns(state, area.width), state.listing().heads());
    let listed = state.listed(picture.snapshot);
    let mut drawn = Vec::new();
    if area.height >= HEAD_FROM {
        let order = state.table().order;
        let spans = columns.iter().flat_map(|(at, width)| {
            let (head, width) = (&heads[*at], usize::from(*width));
            let arrow = match order.filter(|order| order.column == *at) {
                Some(order) if head.title.len() < width => {
                    if order.reversed {
                        "↓"
                    } else {
                        "↑"
                    }
                }
                _ => "",
            };
            let style = if order.is_some_and(|order| order.column == *at) { theme.selected } else { theme.head };
            [
                Span::styled(head.align.set(&format!("{}{arrow}", head.title), width), style),
                Span::styled(gap(), theme.head),
            ]
        });
        let mut spans: Vec<_> = spans.collect();
        spans.pop();
        drawn.push(Line::from(spans));
    }
    let room = room(area);
    let first = state.table().first(&*listed, room);
    let selected = state.table().position(&*listed);
    for at in first..listed.len().min(first + room) {
        let mut spans = Vec::new();
        for (column, width) in &columns {
            if !spans.is_empty() {
                spans.push(Span::raw(gap()));
            }
            let width = usize::from(*width);
            let cell = cell(picture, at, width);
            let (text, meaning) = (listed.cell(at, *column, &cell), listed.meaning(at, *column, &cell));
            spans.push(Span::styled(heads[*column].align.set(&text, width), theme.of_meaning(meaning)));
        }
        let mut line = Line::from(spans);
        if selected == Some(at) {
            line.spans.iter_mut().for_each(|span| span.style = theme.selected);
            line.push_span(Span::styled(
                " ".repeat(usize::from(area.width).saturating_sub(line.width())),
                theme.selected,
            ));
        }
        drawn.push(line);
    }
    if listed.is_empty() {
        let columns = usize::from(area.width);
        drawn.extend(
            text::wrap(&empty(picture, &*listed), columns).into_iter().map(|line| Line::styled(line, theme.dim)),
        );
    }
    lines(frame, area, drawn);
}

/// What a cell may know.
pub fn cell<'a>(picture: &Picture<'a>, at: usize, width: usize) -> Cell<'a> {
    let Picture { snapshot, state, theme, .. } = picture;
    Cell {
        now_ns: snapshot.meta.now_ns,
        packets: snapshot.traffic.packets,
        place: at + 1,
        width,
        gateways: snapshot.gateways(),
        flags: theme.flags,
        numeric: state.options.numeric,
        units: state.units,
        attention: &state.attention,
    }
}

/// Why there is no row.
fn empty(picture: &Picture, listed: &dyn Listed) -> String {
    let (name, many) = (picture.state.listing().name(), picture.state.listing().many());
    match listed.hidden() {
        (0, _) if matches!(name, "Countries" | "Networks") && picture.snapshot.places.geo.is_none() => {
            "Places are not looked up: nettop was started with --no-geo.".into()
        }
        (0, _) if name == "Interfaces" && of_no_host(picture.snapshot) => {
            "A demonstration and a capture have nothing of a host's interfaces.".into()
        }
        (0, _) if matches!(name, "Connections" | "Processes") && picture.snapshot.connections.is_none() => {
            match picture.snapshot.meta.runtime.mode {
                Mode::Live => {
                    format!("No {many} yet: none were listed, or nettop was started with --without connections.")
                }
                Mode::Demo | Mode::Replay => "A demonstration and a capture have nothing of a host's sockets.".into(),
            }
        }
        (0, _) if name == "Drops" => no_drops(picture.snapshot),
        (0, _) if name == "Flows" && picture.snapshot.flows.is_none() => match picture.snapshot.meta.runtime.mode {
            Mode::Live => {
                "No flows: this kernel kept track of none when nettop started, or it was started with --without flows."
                    .into()
            }
            Mode::Demo | Mode::Replay => "A demonstration and a capture have nothing of a host's flows.".into(),
        },
        (0, _) => format!("No {many} yet."),
        (hidden, _) => {
            let filter = picture.state.table().filter.as_ref().map_or("", |filter| &filter.text);
            let unjudged = match listed.unjudged() {
                0 => String::new(),
                unjudged => format!(" {}.", format::unjudged(unjudged)),
            };
            format!(
                "No {many} pass the filter {}: it hides {hidden}.{unjudged} {} clears it.",
                format::visible(filter),
                picture.state.keys().first("back")
            )
        }
    }
}

fn no_drops(snapshot: &Snapshot) -> String {
    match (snapshot.drops.as_deref(), snapshot.meta.runtime.mode) {
        (Some(Drops { refused: Some(why), .. }), _) => format!("What the kernel drops is not counted: {why}."),
        (Some(_), _) => "The kernel has dropped nothing yet.".into(),
        (None, Mode::Live) => "What the kernel drops is counted if nettop is started with --drops.".into(),
        (None, Mode::Demo | Mode::Replay) => "A demonstration and a capture have nothing of what a host drops.".into(),
    }
}

fn of_no_host(snapshot: &Snapshot) -> bool {
    snapshot.meta.runtime.mode != Mode::Live && snapshot.host.is_none()
}

fn gap() -> &'static str {
    const BLANKS: &str = "    ";
    &BLANKS[..usize::from(GAP).min(BLANKS.len())]
}
