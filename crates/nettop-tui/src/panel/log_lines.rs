//! Lines of logs, the newest first: beside those who are in them, and in what is known of one source.

use std::sync::Arc;

use nettop_model::{
    format,
    snapshot::{LogLine, Visitor},
};
use nettop_views::{
    table::Meaning,
    text,
    view::{self, OFFENDERS},
};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    drawing::{lines, titled},
    picture::Picture,
    row::{Body, Height, Room},
};
use crate::state::State;

/// From this width on there is room for it.
const FROM: u16 = 120;
/// Columns of an address, and of the status.
const ADDRESS: usize = 15;
const STATUS: usize = 8;

/// Whether it stands beside the table.
pub fn is_beside(state: &State) -> bool {
    state.view == OFFENDERS && state.size.0 >= FROM
}

/// All lines beside the table of those who are in logs, on a screen that is wide enough.
pub fn height(room: &Room) -> Height {
    let wanted = room.body == Body::Table
        && room.picture.state.view == OFFENDERS
        && room.screen.width >= FROM
        && room.picture.snapshot.log.is_some();
    if wanted { Height { least: 0, wanted: 1, most: 1 } } else { Height::NONE }
}

/// Those of the selected address, or of all.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let Picture { state, snapshot, theme, .. } = picture;
    let newest = snapshot.log.iter().flat_map(|log| &log.rows);
    let selected = state.selected_ip();
    let (title, rows): (_, Vec<&Arc<LogLine>>) = match (selected, &state.visitor) {
        // What was asked for of this address goes further back.
        (Some(ip), Some((of, visitor))) if *of == ip => (format!("log of {ip}"), visitor.lines.iter().collect()),
        (Some(ip), _) => (format!("log of {ip}"), newest.filter(|line| line.ip == Some(ip)).collect()),
        (None, _) => ("log of all".into(), newest.collect()),
    };
    let note = match selected {
        Some(_) => format!("{} shows all", state.keys().first("back")),
        None => "of the selected row, if there is one".into(),
    };
    let area = titled(frame, area, theme, &title, &note);
    let rows = rows.into_iter().take(area.height.into()).map(|row| &**row);
    let mut drawn = drawn(picture, rows, selected.is_none());
    if drawn.is_empty() {
        drawn.push(Line::styled("no line yet", theme.dim));
    }
    lines(frame, area, drawn);
}

/// A line each; `whose`: with its address.
pub fn drawn<'a>(
    picture: &Picture,
    rows: impl Iterator<Item = &'a LogLine> + Clone,
    whose: bool,
) -> Vec<Line<'static>> {
    let width = rows.clone().map(|row| text::width(&view::log::status(row))).max().unwrap_or_default().min(STATUS);
    rows.map(|row| line(picture, row, whose, width)).collect()
}

fn line(picture: &Picture, row: &LogLine, whose: bool, width: usize) -> Line<'static> {
    let theme = picture.theme;
    let time = format::date(row.at_ns).split(' ').nth(1).unwrap_or_default().to_string();
    let is_request = view::log::is_request(row);
    let said = if is_request { format!("{} {}", row.what, row.text) } else { row.text.clone() };
    let mut spans = vec![Span::styled(format!("{time} "), theme.dim)];
    if whose {
        let address = row.ip.map_or("–".into(), |ip| text::cut_middle(&ip.to_string(), ADDRESS));
        spans.push(Span::styled(format!("{} ", text::left(&address, ADDRESS)), theme.address));
    }
    let status = text::left(&view::log::status(row), width);
    spans.push(Span::styled(format!("{status} "), theme.of_meaning(view::log::meaning(row))));
    let meaning = if row.notable { Meaning::Warn } else { Meaning::Text };
    spans.push(Span::styled(format::visible(said.trim_start()), theme.of_meaning(meaning)));
    if is_request && !row.who.is_empty() {
        spans.push(Span::styled(format!("  {}", format::visible(&row.who)), theme.dim));
    }
    Line::from(spans)
}

/// What a visitor's lines have most often: its names, each with how many lines have it.
pub fn most(picture: &Picture, visitor: &Visitor, of: fn(&LogLine) -> &str, room: usize) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let most = visitor.most(of).into_iter().take(super::subject::MOST);
    let line = |(name, count): (&str, u64)| {
        Line::from(vec![
            Span::styled(text::cut(&format::visible(name), room), theme.text),
            Span::styled(format!(" {}", format::short(count)), theme.value),
        ])
    };
    most.map(line).collect()
}
