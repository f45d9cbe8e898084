//! The footer: the keys that work here, and the time.

use nettop_model::format;
use nettop_views::{text, view::ALERTS};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    drawing::lines,
    picture::Picture,
    row::{Height, Room},
};
use crate::{action::layer, flow};

/// The way back, which comes first in a detail, and a word for it.
const OF_DETAIL: [(&str, &str); 1] = [("back", "back")];
/// The same of an alert, and the actions for it.
const OF_ALERT: [(&str, &str); 3] = [("back", "back"), ("acknowledge", "seen"), ("mute", "mute")];
/// Actions for alerts, which come first there, and a word for each.
const OF_ALERTS: [(&str, &str); 2] = [("acknowledge", "seen"), ("mute", "mute")];

/// From this height of the screen on there is a footer.
pub const FOOTER_FROM: u16 = 10;

/// One line, from `FOOTER_FROM` lines of the screen on.
pub fn height(room: &Room) -> Height {
    Height::up_to((room.screen.height >= FOOTER_FROM).into())
}

/// The keys that work here, on the left; the clock, on the right.
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
    let mut items: Vec<_> = state
        .keys()
        .all()
        .filter(|(action, _)| !action.name.is_empty() && action.layers & layer != 0)
        .filter_map(|(action, keys)| {
            let name = match action.name {
                "pause" if picture.snapshot.meta.runtime.paused => "resume",
                "freeze" if state.frozen.is_some() => "go on",
                name => name,
            };
            Some(hint(keys.first()?.label(), name))
        })
        .collect();
    let here: &[(&str, &str)] = match layer {
        layer::DETAIL => &OF_DETAIL,
        layer::ALERT => &OF_ALERT,
        layer::TABLE if state.view == ALERTS => &OF_ALERTS,
        _ => &[],
    };
    for (id, name) in here.iter().rev().filter(|(id, _)| !state.keys().keys(id).is_empty()) {
        items.insert(items.len().min(1), hint(state.keys().first(id), name));
    }
    let last = items.pop().unwrap_or_default();
    let room = columns.saturating_sub(last.width() + 2);
    let mut line = flow::flow(items, room, 1).into_iter().next().unwrap_or_default();
    if line.width() > 0 {
        line.push_span("  ");
    }
    line.spans.extend(last.spans);
    line
}
