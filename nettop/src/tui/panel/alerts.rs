//! The newest alerts. Floods that last come first, then what else lasts and is more than information.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{View, lines, titled};
use crate::{
    snapshot::{Alert, Severity},
    tui::{format, text, theme::Theme},
};

/// How many are shown.
const TOP: usize = 8;
/// Columns of the severity, the longest of which is "critical".
const SEVERITY: usize = 8;
/// Under this width the message is worth more than the name of the rule.
const KIND_FROM: u16 = 70;

/// How many lines it wants.
pub fn height(view: &View, width: u16) -> u16 {
    rows(view, width).iter().map(|row| row.len() as u16).sum()
}

/// How many of them are about floods that last.
pub fn alarm_height(view: &View, width: u16) -> u16 {
    let alarms = view.snapshot.alerts.iter().filter(|alert| alert.is_alarm()).count();
    rows(view, width).iter().take(alarms).map(|row| row.len() as u16).sum()
}

/// Draws it: as many alerts as fit; of the last one, what fits.
///
/// ```text
/// ── Alerts ──
/// for  12s critical a flood that lasts, in as many words as it takes, and as many
///          lines as these take
/// for  12s warn     high-pps  what was found and still lasts
///   5m ago info     new-ip    what was found
/// ```
pub fn render(frame: &mut Frame, area: Rect, view: &View) {
    let room = usize::from(area.height).saturating_sub(1);
    let (mut drawn, mut shown) = (Vec::new(), 0);
    for mut row in rows(view, area.width) {
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
    let note = match view.snapshot.alerts.len() - shown {
        0 => String::new(),
        more => format!("{more} more"),
    };
    let area = titled(frame, area, view.theme, "Alerts", &note);
    lines(frame, area, drawn);
}

/// The lines of each alert, the most urgent one first.
fn rows(view: &View, width: u16) -> Vec<Vec<Line<'static>>> {
    let mut alerts: Vec<_> = view.snapshot.alerts.iter().collect();
    // "And so many more" stands behind those that it adds to.
    alerts.sort_by_key(|alert| (!alert.is_alarm(), !is_urgent(alert), is_urgent(alert) && alert.source.is_none()));
    alerts.into_iter().take(TOP).map(|alert| row(alert, view, width)).collect()
}

fn row(alert: &Alert, view: &View, width: u16) -> Vec<Line<'static>> {
    let theme = view.theme;
    let began = format::ago(view.snapshot.now_ns, alert.since_ns);
    let when = if alert.until_ns.is_none() { format!("for {began:>4} ") } else { format!("{began:>4} ago ") };
    // What a flood is, its message says.
    let named = width >= KIND_FROM && alert.severity < Severity::Critical;
    let kind = if named { format!("{:<9} ", format::visible(alert.kind)) } else { String::new() };
    let message = format!("{:<1$} {kind}{2}", alert.severity.label(), SEVERITY, format::visible(&alert.message));
    let columns = usize::from(width).saturating_sub(text::width(&when));
    let texts = if alert.is_alarm() { text::wrap(&message, columns.max(SEVERITY)) } else { vec![message] };
    let text = if is_urgent(alert) { theme.value } else { theme.text };
    let indent = " ".repeat(text::width(&when));
    let line = |(at, line): (usize, String)| {
        if at > 0 {
            return Line::from(vec![Span::raw(indent.clone()), Span::styled(line, text)]);
        }
        let (severity, rest) = line.split_at(line.len().min(SEVERITY));
        let (kind, rest) = rest.split_at(rest.len().min(kind.len() + 1));
        Line::from(vec![
            Span::styled(when.clone(), theme.dim),
            Span::styled(severity.to_string(), style(alert, theme)),
            Span::styled(kind.to_string(), theme.label),
            Span::styled(rest.to_string(), text),
        ])
    };
    texts.into_iter().enumerate().map(line).collect()
}

fn is_urgent(alert: &Alert) -> bool {
    alert.until_ns.is_none() && alert.severity > Severity::Info
}

fn style(alert: &Alert, theme: &Theme) -> Style {
    match alert.severity {
        _ if alert.until_ns.is_some() => theme.dim,
        Severity::Info => theme.text,
        Severity::Warn => theme.warn,
        Severity::Critical => theme.alarm,
    }
}
