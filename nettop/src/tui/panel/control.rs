//! Live control: the keys or the prompt, the filter in force, and the newest message.

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
/// A longer message is cut.
const MESSAGE_LINES: usize = 2;

/// Draws it.
///
/// ```text
/// ── Live control ──
/// keys, or the prompt
/// filter
/// message
/// ```
/// Where there is no line for messages, news takes the place of the keys; the prompt always stays.
pub fn render(frame: &mut Frame, area: Rect, view: &View) {
    let area = if area.height >= TITLED_FROM { titled(frame, area, view.theme, "Live control", "") } else { area };
    let (columns, height) = (usize::from(area.width), usize::from(area.height));
    let (mut first, cursor) = match &view.state.prompt {
        Some(prompt) => {
            let (line, column) = self::prompt(prompt, columns, view);
            (line, Some(column))
        }
        None => (hints(view, columns), None),
    };
    let mut rest = text::flow(filter(view, columns), columns, 1);
    if height >= 3 {
        let (text, style) = message(view);
        let lines = wrapped(&text, columns).into_iter().map(|line| Line::styled(line, style)).collect::<Vec<_>>();
        // The filter stands in the header too: a long message may cover it.
        rest.truncate((height - 1).saturating_sub(lines.len()));
        rest.extend(lines);
    } else if cursor.is_none() && view.state.notice.is_some() {
        let (text, style) = message(view);
        first = Line::styled(text, style);
    }
    let mut drawn = vec![first];
    drawn.extend(rest);
    lines(frame, area, drawn);
    if let Some(column) = cursor {
        frame.set_cursor_position(Position::new(area.x + column, area.y));
    }
}

fn message(view: &View) -> (String, Style) {
    let theme = view.theme;
    match &view.state.notice {
        Some(notice) if notice.error => (format!("error: {}", format::visible(&notice.text)), theme.error),
        Some(notice) => (format::visible(&notice.text), theme.good),
        None => (format::visible(&view.snapshot.runtime.message), theme.text),
    }
}

fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = text::wrap(text, columns);
    if lines.len() > MESSAGE_LINES {
        let rest = lines.split_off(MESSAGE_LINES - 1).join(" ");
        lines.push(text::cut(&rest, columns));
    }
    lines
}

/// The keys. The last one, which ends the monitor, is shown even where others find no room.
fn hints(view: &View, columns: usize) -> Line<'static> {
    let (theme, paused) = (view.theme, view.snapshot.runtime.paused);
    let mut items: Vec<_> = ACTIONS
        .iter()
        .filter(|action| !action.key.ctrl)
        .map(|action| {
            let name = if paused && action.name == "pause" { "resume" } else { action.name };
            Line::from(vec![Span::styled(action.key.label(), theme.key), Span::styled(format!(" {name}"), theme.text)])
        })
        .collect();
    let last = items.pop().unwrap_or_default();
    let room = columns.saturating_sub(last.width() + 2);
    let mut line = text::flow(items, room, 1).into_iter().next().unwrap_or_default();
    if line.width() > 0 {
        line.push_span("  ");
    }
    line.spans.extend(last.spans);
    line
}

fn filter(view: &View, columns: usize) -> Vec<Line<'static>> {
    let (runtime, theme) = (&view.snapshot.runtime, view.theme);
    let parts = filter_items(&runtime.filter, theme, usize::MAX);
    let mut whole = vec![Line::styled("filter:", theme.label)];
    whole.extend(parts.clone());
    whole.push(Line::from(vec![Span::styled("top ", theme.label), Span::styled(runtime.top.to_string(), theme.text)]));
    [whole, parts]
        .into_iter()
        .find(|items| text::flow_width(items) <= columns)
        // Each part shortened, rather than one part gone.
        .unwrap_or_else(|| filter_items(&runtime.filter, theme, (columns / 6).max(6)))
}

/// The prompt's line, and the column of its cursor.
fn prompt(prompt: &Prompt, columns: usize, view: &View) -> (Line<'static>, u16) {
    let theme = view.theme;
    let label = format!("{}: ", prompt.field.label);
    // On a narrow screen the text is worth more than its name.
    let label = if text::width(&label) * 2 > columns { "> ".to_string() } else { label };
    let (shown, cursor) = prompt.window(columns.saturating_sub(text::width(&label)));
    let column = (text::width(&label) + cursor).min(columns.saturating_sub(1));
    // The cursor may stand one column behind the text.
    let used = text::width(&label) + text::width(&shown).max(cursor + 1);
    let mut line = Line::from(vec![Span::styled(label, theme.label), Span::styled(shown, theme.prompt)]);
    let helps = [
        format!("({})  Enter applies, Esc cancels", prompt.field.hint),
        "Enter applies, Esc cancels".to_string(),
        "Enter / Esc".to_string(),
    ];
    if let Some(help) = helps.into_iter().find(|help| used + 2 + text::width(help) <= columns) {
        line.push_span(" ".repeat(columns - text::width(&help) - line.width()));
        line.push_span(Span::styled(help, theme.dim));
    }
    (line, column as u16)
}
