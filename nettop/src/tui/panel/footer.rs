//! The footer: the keys that work here, and the time.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{Picture, lines};
use crate::tui::{
    action::{ACTIONS, Action, layer},
    format, text,
    view::ALERTS,
};

/// Keys of alerts, which come first there.
const OF_ALERTS: [(&str, &str); 2] = [("a", "seen"), ("x", "mute")];

/// Draws it.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let theme = picture.theme;
    let columns = usize::from(area.width);
    let clock = format::clock(picture.unix_seconds);
    let mut line = hints(picture, columns.saturating_sub(text::width(&clock) + 2));
    let blanks = columns.saturating_sub(line.width() + text::width(&clock));
    line.push_span(" ".repeat(blanks));
    line.push_span(Span::styled(clock, theme.text));
    lines(frame, area, vec![line]);
}

/// The keys. The last one, which closes or ends, is shown even where others find no room.
pub fn hints(picture: &Picture, columns: usize) -> Line<'static> {
    let (theme, state) = (picture.theme, picture.state);
    let layer = state.layer();
    let hint = |key: String, name: &str| {
        Line::from(vec![Span::styled(key, theme.key), Span::styled(format!(" {name}"), theme.text)])
    };
    let shown = |action: &&Action| !action.name.is_empty() && action.layers & layer != 0;
    let mut items: Vec<_> = ACTIONS
        .iter()
        .filter(shown)
        .map(|action| {
            let name = match action.name {
                "pause" if picture.snapshot.runtime.paused => "resume",
                "freeze" if state.frozen.is_some() => "go on",
                name => name,
            };
            hint(action.keys[0].label(), name)
        })
        .collect();
    if layer == layer::DETAIL {
        items.insert(1, hint("Esc".into(), "back"));
    }
    if layer == layer::TABLE && state.view == ALERTS {
        OF_ALERTS.into_iter().rev().for_each(|(key, name)| items.insert(1, hint(key.into(), name)));
    }
    let last = items.pop().unwrap_or_default();
    let room = columns.saturating_sub(last.width() + 2);
    let mut line = text::flow(items, room, 1).into_iter().next().unwrap_or_default();
    if line.width() > 0 {
        line.push_span("  ");
    }
    line.spans.extend(last.spans);
    line
}
