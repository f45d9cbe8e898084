//! The newest alerts that want attention. Floods that last come first, then what else lasts and is more than information, then
//! floods that pause.

use nettop_model::{
    format, order,
    snapshot::{Alert, Severity},
};
use nettop_views::{table::Id, text, view::ALERTS};
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    drawing::{lines, titled},
    picture::Picture,
    row::{Body, Height, RULE, Room},
};
use crate::theme::Theme;

/// How many are shown.
const TOP: usize = 8;
/// Lines about floods that are granted before other panels, at most.
const MOST_ALARMS: u16 = 5;
/// Lines beside a view that has the screen for itself, at most.
const STRIP: u16 = 3;
/// Lines between top and bottom from which on such a view has alerts below it.
const STRIP_FROM: u16 = 10;
/// Columns of the severity, the longest of which is "critical".
const SEVERITY: usize = 8;
/// Under this width the message is worth more than the name of the rule.
const KIND_FROM: u16 = 70;

/// Its height: none while there are no alerts.
pub fn height(room: &Room) -> Height {
    let (all, alarms) = lines_of(room);
    match room.body {
        Body::Overview if all > 0 => {
            Height { least: RULE + 1, wanted: RULE + all.min(2).max(alarms), most: RULE + all }
        }
        Body::Table if all > 0 && room.height >= STRIP_FROM => Height::exactly(RULE + all.min(STRIP)),
        // In the detail stands what is about it; of the rest only floods are worth the room.
        Body::Detail if alarms > 0 && room.height >= STRIP_FROM => Height::exactly(RULE + alarms.min(STRIP)),
        _ => Height::NONE,
    }
}

/// Lines of all alerts, and of those about floods that last, which are granted first: at most five.
pub fn lines_of(room: &Room) -> (u16, u16) {
    let alarms = wanted(room.picture).filter(|alert| alert.is_flooding()).count();
    let lengths: Vec<_> = rows(room.picture, room.width).iter().map(|row| row.len() as u16).collect();
    (lengths.iter().sum(), lengths.iter().take(alarms).sum::<u16>().min(MOST_ALARMS))
}

/// Draws it: as many alerts as fit; of the last one, what fits.
///
/// ```text
/// ── Alerts ──
/// for  12s critical a flood that lasts, in as many words as it takes, and as many
///          lines as these take
/// for  12s warn     high-pps  what was found and still lasts
/// paused   critical a flood that came in bursts and may come again
///   5m ago info     new-ip    what was found
/// ```
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let room = usize::from(area.height).saturating_sub(1);
    let (mut drawn, mut shown) = (Vec::new(), 0);
    for mut row in rows(picture, area.width) {
        let left = room - drawn.len();
        if left == 0 {
            break;
        }
        if row.len() > left {
            row.truncate(left);
            row.iter_mut().skip(left - 1).for_each(|last| last.push_span(" …"));
        }
        drawn.extend(row);
        shown += 1;
    }
    let (title, note) = match wanted(picture).count().saturating_sub(shown) {
        _ if picture.state.view == ALERTS => ("Selected alert", String::new()),
        0 => ("Alerts", String::new()),
        more => ("Alerts", format!("{more} more")),
    };
    let area = titled(frame, area, picture.theme, title, &note);
    lines(frame, area, drawn);
}

/// In the view of alerts the one that is selected, or the first that can be seen.
fn selected<'a>(picture: &Picture<'a>) -> Option<&'a Alert> {
    let state = picture.state;
    if state.view != ALERTS {
        return None;
    }
    let listed = state.listed(picture.snapshot);
    let at = state.table().position(&*listed).unwrap_or(state.table().top);
    let id = listed.id(at)?;
    picture.snapshot.alerts.iter().find(|alert| Id::from(*alert) == id)
}

/// Those that are neither acknowledged nor muted.
fn wanted<'a>(picture: &Picture<'a>) -> impl Iterator<Item = &'a Alert> {
    let (alerts, attention) = (&picture.snapshot.alerts, &picture.state.attention);
    alerts.iter().filter(|alert| attention.wants(alert))
}

/// The lines of each alert, the most urgent one first; beside the table of alerts, of the selected one, with nothing left out.
fn rows(picture: &Picture, width: u16) -> Vec<Vec<Line<'static>>> {
    if let Some(alert) = selected(picture) {
        return vec![row(alert, picture, width, true)];
    }
    let mut alerts: Vec<_> = wanted(picture).collect();
    // "And so many more" stands behind those that it adds to.
    order::sort_by_key(&mut alerts, |alert| {
        (
            !alert.is_alarm(),
            !alert.is_flooding(),
            !is_urgent(alert) && !alert.is_paused(),
            alert.is_paused(),
            is_urgent(alert) && alert.source.is_none(),
        )
    });
    alerts.into_iter().take(TOP).map(|alert| row(alert, picture, width, alert.is_flooding())).collect()
}

fn row(alert: &Alert, picture: &Picture, width: u16, whole: bool) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let began = format::ago(picture.snapshot.meta.now_ns, alert.began_ns(picture.snapshot.meta.now_ns));
    let when = match alert.until_ns {
        Some(_) => format!("{began:>4} ago "),
        None if alert.is_paused() => "paused   ".into(),
        None => format!("for {began:>4} "),
    };
    let label = alert.severity.label();
    // What a flood is, its message says.
    let named = width >= KIND_FROM && !alert.is_flooding() && alert.severity < Severity::Critical;
    let kind = if named { format!("{:<9} ", format::visible(&alert.kind)) } else { String::new() };
    let message = format!("{label:<SEVERITY$} {kind}{}", format::visible(&alert.message));
    let columns = usize::from(width).saturating_sub(text::width(&when));
    let texts = if whole { text::wrap(&message, columns.max(SEVERITY)) } else { vec![message] };
    let text = if is_urgent(alert) { theme.value } else { theme.text };
    let indent = " ".repeat(text::width(&when));
    let line = |(at, line): (usize, String)| {
        if at > 0 {
            return Line::from(vec![Span::raw(indent.clone()), Span::styled(line, text)]);
        }
        // Wrapping leaves one blank between words.
        let [first, second] = if whole { [label.len(), kind.trim_end().len()] } else { [SEVERITY, kind.len()] };
        let (severity, rest) = split(&line, first);
        let (kind, rest) = split(rest, second + 1);
        Line::from(vec![
            Span::styled(when.clone(), theme.dim),
            Span::styled(severity.to_string(), style(alert, theme)),
            Span::styled(kind.to_string(), theme.label),
            Span::styled(rest.to_string(), text),
        ])
    };
    texts.into_iter().enumerate().map(line).collect()
}

/// The text before and behind a byte, or behind the character that this is a part of: a wrapped line may begin with less than what
/// stands there otherwise.
fn split(text: &str, at: usize) -> (&str, &str) {
    let at = (at.min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at));
    text.split_at(at.unwrap_or(text.len()))
}

fn is_urgent(alert: &Alert) -> bool {
    alert.comes() && alert.severity > Severity::Info
}

/// The style of the severity.
pub fn style(alert: &Alert, theme: &Theme) -> Style {
    match alert.severity {
        _ if alert.until_ns.is_some() => theme.dim,
        Severity::Critical if alert.is_paused() => theme.warn,
        Severity::Info => theme.text,
        Severity::Warn => theme.warn,
        Severity::Critical => theme.alarm,
    }
}
