//! What is counted and what is shown of it, the newest message, and the prompt.

use nettop_model::format;
use nettop_views::text;
use ratatui::{
    Frame,
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
};

use super::{
    drawing::{filter_items, lines},
    footer,
    picture::Picture,
    row::{Height, Room},
};
use crate::{flow, prompt::Prompt};

/// A shorter list of what may be typed tells too little.
const LEAST_HINT: usize = 30;

/// Two lines; one on screens of less than 14 lines, none where the screen has a single one.
pub fn height(room: &Room) -> Height {
    Height::up_to(match room.screen.height {
        0..2 => 0,
        2..14 => 1,
        _ => 2,
    })
}

/// Two lines at most:
///
/// ```text
/// counting: dst any  ports 80,443  src any  proto any    showing: pps>1k       or the prompt
/// message                                                                     or what is wrong with the text
/// ```
/// Where there is one line only, news takes the place of the filters; the prompt always stays. Where there is no footer, the
/// keys stand here while there is nothing else.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let (columns, height) = (usize::from(area.width), usize::from(area.height));
    if let Some(prompt) = &picture.state.prompt {
        let (line, column) = self::prompt(prompt, columns, picture);
        // An error is about what was typed last, too, and goes with the next key.
        let has_news = picture.state.notice.as_ref().is_some_and(|notice| notice.error);
        let below = match &prompt.error {
            Some((at, error)) if !has_news => {
                Line::styled(text::cut(&format!("at {}: {error}", at + 1), columns), picture.theme.error)
            }
            _ => message(picture, columns, 1).pop().unwrap_or_default(),
        };
        lines(frame, area, vec![line, below]);
        return frame.set_cursor_position(Position::new(area.x + column, area.y));
    }
    let drawn = match height {
        1 if picture.state.notice.is_some() => message(picture, columns, 1),
        1 if frame.area().height < footer::FOOTER_FROM => vec![footer::hints(picture, columns)],
        1 => vec![filters(picture, columns)],
        _ => {
            // What is counted stands in the header too: a long message may cover it.
            let mut drawn = message(picture, columns, 2);
            if drawn.len() < 2 {
                drawn.insert(0, filters(picture, columns));
            }
            drawn
        }
    };
    lines(frame, area, drawn);
}

/// In at most so many lines.
fn message(picture: &Picture, columns: usize, most: usize) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let (text, style): (String, Style) = match &picture.state.notice {
        Some(notice) if notice.error => (format!("error: {}", format::visible(&notice.text)), theme.error),
        Some(notice) => (format::visible(&notice.text), theme.good),
        None => (format::visible(&picture.snapshot.meta.runtime.message), theme.text),
    };
    let mut wrapped = text::wrap(&text, columns);
    if wrapped.len() > most {
        let rest = wrapped.split_off(most - 1).join(" ");
        wrapped.push(text::cut(&rest, columns));
    }
    wrapped.into_iter().map(|line| Line::styled(line, style)).collect()
}

/// What is counted, and what of it is shown: the one decides in the kernel, the other on the screen.
fn filters(picture: &Picture, columns: usize) -> Line<'static> {
    let (runtime, theme) = (&picture.snapshot.meta.runtime, picture.theme);
    let shown = picture.state.table().filter.as_ref().map(|filter| {
        let text = text::cut(&format::visible(&filter.text), columns / 2);
        let mut line = Line::from(vec![Span::styled("showing ", theme.label), Span::styled(text, theme.warn)]);
        let unjudged = picture.state.listed(picture.snapshot).unjudged();
        if unjudged > 0 {
            let whole = format!("  {}", format::unjudged(unjudged));
            let fits = line.width() + text::width(&whole) <= columns;
            line.push_span(Span::styled(if fits { whole } else { format!("  {unjudged} unjudged") }, theme.warn));
        }
        line
    });
    let room = columns.saturating_sub(shown.as_ref().map_or(0, |shown| shown.width() + 2));
    let parts = filter_items(&runtime.filter, theme, usize::MAX);
    let mut whole = vec![Line::styled("counting", theme.label)];
    whole.extend(parts.clone());
    let items = [whole, parts]
        .into_iter()
        .find(|items| flow::flow_width(items) <= room)
        // Each part shortened, rather than one part gone.
        .unwrap_or_else(|| filter_items(&runtime.filter, theme, (room / 6).max(6)));
    let mut line = flow::flow(items, room, 1).into_iter().next().unwrap_or_default();
    if let Some(shown) = shown {
        line.push_span("  ");
        line.spans.extend(shown.spans);
    }
    line
}

/// What the filter of the view may have.
fn words(picture: &Picture) -> String {
    let words = picture.state.listing().words().iter();
    let words = words.map(|word| if word.ends_with(':') { word.to_string() } else { format!("{word}>1k") });
    std::iter::once("text".to_string()).chain(words).chain(["! and or ()".to_string()]).collect::<Vec<_>>().join(" ")
}

/// The prompt's line, and the column of its cursor.
fn prompt(prompt: &Prompt, columns: usize, picture: &Picture) -> (Line<'static>, u16) {
    let theme = picture.theme;
    let label = format!("{}: ", prompt.purpose.label());
    // On a narrow screen the text is worth more than its name.
    let label = if text::width(&label) * 2 > columns { "> ".to_string() } else { label };
    let (shown, cursor, left_out) = prompt.window(columns.saturating_sub(text::width(&label)));
    let column = (text::width(&label) + cursor).min(columns.saturating_sub(1));
    // The cursor may stand one column behind the text.
    let used = text::width(&label) + text::width(&shown).max(cursor + 1);
    let mut line = Line::from(vec![Span::styled(label, theme.label)]);
    let wrong = prompt.error.as_ref().map(|(at, _)| at.saturating_sub(left_out));
    let (good, bad) = match wrong {
        Some(at) => {
            let at = shown.char_indices().nth(at).map_or(shown.len(), |(byte, _)| byte);
            shown.split_at(at)
        }
        None => (shown.as_str(), ""),
    };
    line.push_span(Span::styled(good.to_string(), theme.prompt));
    line.push_span(Span::styled(bad.to_string(), theme.error));
    let hint = prompt.purpose.hint().map_or_else(|| words(picture), str::to_string);
    let room = columns.saturating_sub(used + 4);
    let helps = [
        format!("({hint})  Enter applies, Esc cancels"),
        format!("({})", if room >= LEAST_HINT { text::cut(&hint, room) } else { hint }),
        "Enter applies, Esc cancels".to_string(),
        "Enter / Esc".to_string(),
    ];
    if let Some(help) = helps.into_iter().find(|help| used + 2 + text::width(help) <= columns) {
        line.push_span(" ".repeat(columns - text::width(&help) - line.width()));
        line.push_span(Span::styled(help, theme.dim));
    }
    (line, column as u16)
}
