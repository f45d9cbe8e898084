//! The newest alerts. Those that still last, and are more than information, come first.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{View, lines, titled};
use crate::{
    snapshot::{Alert, Severity},
    tui::{format, theme::Theme},
};

/// How many are shown.
const TOP: usize = 8;
/// Under this width the message is worth more than the name of the rule.
const KIND_FROM: u16 = 70;

/// How many rows it has.
pub fn rows(view: &View) -> u16 {
    view.snapshot.alerts.len().min(TOP) as u16
}

/// Draws it.
///
/// ```text
/// ── Alerts ──
/// for  12s warn     high-pps  what was found and still lasts
///   5m ago info     new-ip    what was found
/// ```
pub fn render(frame: &mut Frame, area: Rect, view: &View) {
    let (snapshot, theme) = (view.snapshot, view.theme);
    let mut alerts: Vec<_> = snapshot.alerts.iter().collect();
    // "And so many more" stands behind those that it adds to.
    alerts.sort_by_key(|alert| (!is_urgent(alert), is_urgent(alert) && alert.source.is_none()));
    let room = usize::from(area.height).saturating_sub(1).min(TOP);
    let note = match alerts.len().saturating_sub(room) {
        0 => String::new(),
        more => format!("{more} more"),
    };
    let wide = area.width >= KIND_FROM;
    let area = titled(frame, area, theme, "Alerts", &note);
    let drawn = alerts.into_iter().take(room).map(|alert| {
        let began = format::ago(snapshot.now_ns, alert.since_ns);
        let when = if alert.until_ns.is_none() { format!("for {began:>4} ") } else { format!("{began:>4} ago ") };
        let kind = if wide { format!("{:<9} ", format::visible(alert.kind)) } else { String::new() };
        let style = style(alert, theme);
        Line::from(vec![
            Span::styled(when, theme.dim),
            Span::styled(format!("{:<8} ", alert.severity.label()), style),
            Span::styled(kind, theme.label),
            Span::styled(format::visible(&alert.message), if is_urgent(alert) { theme.value } else { theme.text }),
        ])
    });
    lines(frame, area, drawn.collect());
}

fn is_urgent(alert: &Alert) -> bool {
    alert.until_ns.is_none() && alert.severity > Severity::Info
}

fn style(alert: &Alert, theme: &Theme) -> Style {
    match alert.severity {
        _ if alert.until_ns.is_some() => theme.dim,
        Severity::Info => theme.text,
        Severity::Warn => theme.warn,
        Severity::Critical => theme.error,
    }
}
