//! What panels draw with: lines, a rule with a title, values with their names.

use nettop_model::{format, snapshot::FilterView};
use nettop_views::text;
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::Paragraph,
};

use crate::{flow, theme::Theme};

/// Of these lines those that can be seen, when the first is to be `top`, as far as there are so many.
pub fn scrolled(lines: Vec<Line<'static>>, top: usize, room: usize) -> Vec<Line<'static>> {
    let top = top.min(lines.len().saturating_sub(room));
    lines.into_iter().skip(top).collect()
}

/// Draws lines from the top of an area, each cut to its width.
pub fn lines(frame: &mut Frame, area: Rect, lines: Vec<Line<'static>>) {
    let columns = usize::from(area.width);
    let cut: Vec<_> = lines.into_iter().take(area.height.into()).map(|line| flow::cut_line(line, columns)).collect();
    frame.render_widget(Paragraph::new(cut), area);
}

/// Draws a list to choose from: the line under the cursor is marked, and can be seen.
pub fn choices(frame: &mut Frame, area: Rect, theme: &Theme, cursor: usize, rows: impl Iterator<Item = Line<'static>>) {
    let room = usize::from(area.height);
    let mark = |line: Line| Line::styled(text::left(&line.to_string(), area.width.into()), theme.selected);
    let drawn = rows.enumerate().map(|(at, line)| if at == cursor { mark(line) } else { line });
    lines(frame, area, scrolled(drawn.collect(), (cursor + 1).saturating_sub(room), room));
}

/// Draws a rule with the panel's title on the first line, and a note at its right end; returns what is left.
pub fn titled(frame: &mut Frame, area: Rect, theme: &Theme, title: &str, note: &str) -> Rect {
    let columns = usize::from(area.width);
    let mut spans = vec![Span::styled("── ", theme.rule), Span::styled(format!("{title} "), theme.title)];
    let used: usize = spans.iter().map(Span::width).sum();
    let note = if note.is_empty() { String::new() } else { format!(" {note} ──") };
    match columns.checked_sub(used + text::width(&note)) {
        Some(fill) => {
            spans.push(Span::styled("─".repeat(fill), theme.rule));
            spans.push(Span::styled(note, theme.dim));
        }
        // Without room for the note, the rule alone.
        None => spans.push(Span::styled("─".repeat(columns.saturating_sub(used)), theme.rule)),
    }
    lines(frame, Rect { height: 1, ..area }, vec![Line::from(spans)]);
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}

/// A value and what it is.
pub fn labelled(value: impl Into<String>, value_style: Style, label: &'static str, theme: &Theme) -> Line<'static> {
    Line::from(vec![Span::styled(value.into(), value_style), Span::styled(format!(" {label}"), theme.label)])
}

/// What is watched, in words: `any`, or the text of the filter made safe.
pub fn or_any(text: &str) -> String {
    match text {
        "" | "0.0.0.0" | "::" | "0" => "any".into(),
        text => format::visible(text),
    }
}

/// The parts of the filter, each in at most `room` columns; those in force have their own style.
pub fn filter_items(filter: &FilterView, theme: &Theme, room: usize) -> Vec<Line<'static>> {
    [("dst", &filter.dst), ("ports", &filter.port), ("src", &filter.src), ("proto", &filter.protocols.join(","))]
        .into_iter()
        .map(|(name, text)| {
            let text = text::cut(&or_any(text), room);
            let style = if text == "any" { theme.dim } else { theme.warn };
            Line::from(vec![Span::styled(format!("{name} "), theme.label), Span::styled(text, style)])
        })
        .collect()
}
