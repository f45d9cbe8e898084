//! Live control: the keys or the prompt, the newest message, and the filter in force.

use ratatui::{
    Frame,
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
};

use super::{View, filter_items, lines, titled};
use crate::tui::{action::ACTIONS, format, prompt::Prompt, text};

/// From this height on there is room for a rule with a title.
const TITLED_FROM: u16 = 3;

/// Draws it. On a single line the prompt comes before a message, and a message before the hints.
pub fn render(frame: &mut Frame, area: Rect, view: &View) {
    let area = if area.height >= TITLED_FROM { titled(frame, area, view.theme, "Live control", "") } else { area };
    let columns = usize::from(area.width);
    let line = |row: u16| Rect { y: area.y + row, height: 1, ..area };
    let message = message(view);
    let single = area.height == 1;

    match (&view.state.prompt, &message) {
        (Some(prompt), _) => self::prompt(frame, line(0), prompt, view),
        (None, Some((text, style))) if single => lines(frame, line(0), vec![Line::styled(text.clone(), *style)]),
        (None, _) => lines(frame, line(0), text::flow(hints(view), columns, 1)),
    }
    match (area.height, message) {
        (0 | 1, _) => {}
        // A message is news, the filter stands in the header too.
        (2, Some((text, style))) => lines(frame, line(1), vec![Line::styled(text, style)]),
        (_, message) => {
            lines(frame, line(1), text::flow(filter(view), columns, 1));
            if let Some((text, style)) = message
                && area.height > 2
            {
                lines(frame, line(2), vec![Line::styled(text, style)]);
            }
        }
    }
}

fn message(view: &View) -> Option<(String, Style)> {
    let theme = view.theme;
    match &view.state.notice {
        Some(notice) if notice.error => Some((format!("error: {}", format::visible(&notice.text)), theme.error)),
        Some(notice) => Some((format::visible(&notice.text), theme.good)),
        None if view.snapshot.runtime.message.is_empty() => None,
        None => Some((format::visible(&view.snapshot.runtime.message), theme.text)),
    }
}

fn hints(view: &View) -> Vec<Line<'static>> {
    let (theme, paused) = (view.theme, view.snapshot.runtime.paused);
    ACTIONS
        .iter()
        .filter(|action| !action.key.ctrl)
        .map(|action| {
            let name = if paused && action.name == "pause" { "resume" } else { action.name };
            Line::from(vec![Span::styled(action.key.label(), theme.key), Span::styled(format!(" {name}"), theme.text)])
        })
        .collect()
}

fn filter(view: &View) -> Vec<Line<'static>> {
    let (runtime, theme) = (&view.snapshot.runtime, view.theme);
    let mut items = vec![Line::styled("filter:", theme.label)];
    items.extend(filter_items(&runtime.filter, theme));
    items.push(Line::from(vec![Span::styled("top ", theme.label), Span::styled(runtime.top.to_string(), theme.text)]));
    items
}

fn prompt(frame: &mut Frame, area: Rect, prompt: &Prompt, view: &View) {
    let theme = view.theme;
    let columns = usize::from(area.width);
    let label = format!("{}: ", prompt.field.label);
    // On a narrow screen the text is worth more than its name.
    let label = if text::width(&label) * 2 > columns { "> ".to_string() } else { label };
    let room = columns.saturating_sub(text::width(&label));
    let (shown, cursor) = prompt.window(room);
    let used = text::width(&label) + text::width(&shown).max(cursor + 1);
    let at = area.x.saturating_add((text::width(&label) + cursor) as u16).min(area.right().saturating_sub(1));
    let mut spans = vec![Span::styled(label, theme.label), Span::styled(shown.clone(), theme.prompt)];
    let help = [
        format!("Enter applies, Esc cancels ({})", prompt.field.hint),
        "Enter applies, Esc cancels".into(),
        "Enter/Esc".into(),
    ];
    if let Some(help) = help.into_iter().find(|help| used + 2 + text::width(help) <= columns) {
        let blanks = columns - text::width(&help) - text::width(&shown) - (used - text::width(&shown).max(cursor + 1));
        spans.push(Span::raw(" ".repeat(blanks)));
        spans.push(Span::styled(help, theme.dim));
    }
    lines(frame, area, vec![Line::from(spans)]);
    frame.set_cursor_position(Position::new(at, area.y));
}
