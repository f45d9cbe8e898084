//! Until the first counted packet: where it listens, what the filter lets through, and what came but was rejected.

use nettop_model::{format, snapshot::InterfaceState};
use nettop_views::text;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    drawing::{filter_items, lines, titled},
    picture::Picture,
    row::{Body, Height, Room},
};
use crate::{action::layer::TABLE, flow};

/// All lines between tabs and control until the first packet, else none.
pub fn height(room: &Room) -> Height {
    room.rest_if(Body::Waiting)
}

/// What was rejected, the interfaces, the filter, and the keys, one below the other.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let (snapshot, theme) = (picture.snapshot, picture.theme);
    let area = titled(frame, area, theme, "Waiting for the first packet", "");
    let columns = usize::from(area.width);
    let mut drawn = rejected(picture, columns);
    drawn.extend(interfaces(picture));
    drawn.push(Line::default());
    let mut filter = vec![Line::styled("Filter:", theme.label)];
    filter.extend(filter_items(&snapshot.meta.runtime.filter, theme, columns));
    drawn.extend(flow::flow(filter, columns, 4));
    drawn.push(Line::default());
    let named = picture.state.keys().all().filter(|(action, _)| !action.name.is_empty() && action.layers & TABLE != 0);
    drawn.extend(named.filter_map(|(action, keys)| {
        Some(Line::from(vec![
            Span::styled(format!("  {:<6} ", keys.first()?.label()), theme.key),
            Span::styled(action.help, theme.text),
        ]))
    }));
    lines(frame, area, drawn);
}

/// What came, but was not counted: the likely answer to "why is there nothing?".
fn rejected(picture: &Picture, columns: usize) -> Vec<Line<'static>> {
    let (accounting, theme) = (&picture.snapshot.traffic.accounting, picture.theme);
    let mut texts = Vec::new();
    if picture.snapshot.meta.runtime.paused {
        texts.push(format!("Paused: nothing is counted until {} is pressed.", picture.state.keys().first("pause")));
    }
    if accounting.seen.packets > 0 {
        let [seen, filtered, not_ip, martian, blocked] =
            [accounting.seen, accounting.filtered, accounting.not_ip, accounting.martian, accounting.blocked]
                .map(|amount| format::count(amount.packets, 15));
        let martian = if accounting.martian.packets > 0 { format!(", {martian} martian") } else { String::new() };
        let blocked = if accounting.blocked.packets > 0 { format!(", {blocked} blocked") } else { String::new() };
        texts.push(format!(
            "{seen} packets came, none was counted: {filtered} filtered, {not_ip} not IP{martian}{blocked}."
        ));
    }
    let mut drawn: Vec<_> =
        texts.iter().flat_map(|text| text::wrap(text, columns)).map(|line| Line::styled(line, theme.warn)).collect();
    if !drawn.is_empty() {
        drawn.push(Line::default());
    }
    drawn
}

fn interfaces(picture: &Picture) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let rows = &picture.snapshot.monitor.interfaces;
    if let Some(replay) = &picture.snapshot.monitor.replay {
        return vec![Line::styled(format!("Replaying {}", format::visible(&replay.file)), theme.label)];
    }
    if rows.is_empty() {
        return vec![Line::styled("Not listening on any interface yet.", theme.warn)];
    }
    let names: Vec<_> = rows.iter().map(|row| format::visible(&row.name)).collect();
    // An interface's name has at most 15 bytes; a longer one comes from elsewhere and is cut.
    let width = names.iter().map(|name| text::width(name)).max().unwrap_or_default().min(24);
    let mut drawn = vec![Line::styled("Listening on:", theme.label)];
    drawn.extend(rows.iter().zip(names).map(|(row, name)| {
        let mode = row.mode.map_or("not attached".to_string(), |mode| mode.to_string());
        let (mode_style, state_style) = (
            if row.mode.is_some() { theme.text } else { theme.warn },
            if row.state == InterfaceState::Up { theme.good } else { theme.warn },
        );
        Line::from(vec![
            Span::styled(format!("  {}  ", text::left(&name, width)), theme.value),
            Span::styled(format!("{mode:<12}  "), mode_style),
            Span::styled(format!("{:<5}  ", row.state.to_string()), state_style),
            Span::styled(format::visible(&row.note), theme.dim),
        ])
    }));
    drawn
}
