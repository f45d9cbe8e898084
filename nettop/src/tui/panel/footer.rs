//! The footer: what `nettopctl` can be told, and the time.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{View, lines};
use crate::{
    control::COMMANDS,
    tui::{format, text},
};

/// Draws it.
pub fn render(frame: &mut Frame, area: Rect, view: &View) {
    let theme = view.theme;
    let columns = usize::from(area.width);
    let clock = format::clock(view.unix_seconds);
    let room = columns.saturating_sub(text::width(&clock) + 2);
    let mut items = vec![Line::styled("nettopctl", theme.label)];
    items.extend(COMMANDS.iter().map(|command| Line::styled(command.name, theme.dim)));
    let mut line = text::flow(items, room, 1).into_iter().next().unwrap_or_default();
    let blanks = columns.saturating_sub(line.width() + text::width(&clock));
    line.push_span(" ".repeat(blanks));
    line.push_span(Span::styled(clock, theme.text));
    lines(frame, area, vec![line]);
}
