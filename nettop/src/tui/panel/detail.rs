//! Everything known of one thing: what was counted, how much there was lately, what was sampled, and which alerts are about it.
//! What depends on its kind is in [`super::subject`].

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{Picture, lines, scrolled, subject, titled};
use crate::{
    snapshot::{Alert, History, Origin, Pace, Subject},
    tui::{chart, format, state::Detail, text},
};

/// From this width on the minute and the ten minutes stand side by side.
const BESIDE: usize = 90;
/// Columns between them.
const GUTTER: usize = 3;
/// Lines of a chart; where the screen is low, one.
const CHART: usize = 4;
/// A lower screen is low.
const LOW: u16 = 16;
/// The name of a group before its line.
const NAME: usize = 12;

/// How many lines it has in this area.
pub fn length(picture: &Picture, area: Rect) -> usize {
    picture.state.detail.as_ref().map_or(0, |detail| all(picture, detail, area).len())
}

/// Draws it.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let Some(detail) = &picture.state.detail else { return };
    let drawn = all(picture, detail, area);
    let room = usize::from(area.height.saturating_sub(1));
    let more = drawn.len().saturating_sub(detail.top + room);
    let note = if more > 0 { format!("{more} more lines, Esc goes back") } else { "Esc goes back".into() };
    let area = titled(frame, area, picture.theme, &detail.subject.to_string(), &note);
    lines(frame, area, scrolled(drawn, detail.top, room));
}

fn all(picture: &Picture, detail: &Detail, area: Rect) -> Vec<Line<'static>> {
    let columns = usize::from(area.width);
    let (facts, groups) = subject::about(picture, detail.subject);
    let mut drawn = text::flow(facts, columns, 6);
    drawn.push(Line::default());
    drawn.extend(charts(picture, detail, columns, if area.height < LOW { 1 } else { CHART }));
    for (name, items) in groups {
        drawn.push(Line::default());
        drawn.extend(group(name, items, columns, picture));
    }
    let alerts: Vec<_> = picture.snapshot.alerts.iter().filter(|alert| is_about(alert, detail.subject)).collect();
    if !alerts.is_empty() {
        drawn.push(Line::default());
        drawn.push(Line::styled("alerts", picture.theme.head));
    }
    for alert in alerts {
        let ago = format::ago(picture.snapshot.now_ns, alert.since_ns);
        let when = if alert.until_ns.is_none() { format!("for {ago}") } else { format!("{ago} ago") };
        let style = if alert.is_alarm() { picture.theme.error } else { picture.theme.text };
        let text = format!("{when} {} {}", alert.severity.label(), format::visible(&alert.message));
        drawn.extend(text::wrap(&text, columns).into_iter().map(|line| Line::styled(line, style)));
    }
    drawn
}

/// The lines of a group: its name, and items most important first.
fn group(name: &str, items: Vec<Line<'static>>, columns: usize, picture: &Picture) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let mut flowed = text::flow(items, columns.saturating_sub(NAME), 3);
    if flowed.is_empty() {
        flowed.push(Line::styled("none known", theme.dim));
    }
    for (at, line) in flowed.iter_mut().enumerate() {
        let name = if at == 0 { name } else { "" };
        line.spans.insert(0, Span::styled(text::left(name, NAME), theme.label));
    }
    flowed
}

/// A minute and ten minutes, of packets and of bytes.
fn charts(picture: &Picture, detail: &Detail, columns: usize, height: usize) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let Some(History { seconds, tens }) = &detail.history else {
        return vec![Line::styled("asking how much there was lately …", theme.dim)];
    };
    let beside = columns >= BESIDE;
    let width = if beside { (columns - GUTTER) / 2 } else { columns }.min(120);
    let packets: fn(&Pace) -> f32 = |pace| pace.pps;
    let bytes: fn(&Pace) -> f32 = |pace| pace.bps;
    let per_second = |value: f32| format!("{} pps", format::pps(value.into()));
    let rate = |value: f32| picture.state.units.rate(value.into());
    let mut drawn = Vec::new();
    let kinds: [(fn(&Pace) -> f32, &dyn Fn(f32) -> String); 2] = [(packets, &per_second), (bytes, &rate)];
    // Of ports no bytes are counted.
    let kinds = &kinds[..if matches!(detail.subject, Subject::Port(_)) { 1 } else { 2 }];
    for (value, unit) in kinds {
        let chart = |paces: &[Pace], title: &str| -> Vec<Line<'static>> {
            let values: Vec<f32> = paces.iter().map(value).collect();
            let (now, peak) = (values.last().copied().unwrap_or_default(), chart::peak(values.iter().copied()));
            let head = format!("{title}: {} now, peak {}", unit(now), unit(peak));
            let mut chart = vec![Line::styled(text::left(&head, width), theme.label)];
            let bars = chart::lines(&values, 60, width, height);
            chart.extend(bars.into_iter().map(|line| Line::styled(line, theme.bar)));
            chart
        };
        let (minute, ten) = (chart(seconds, "60 s"), chart(tens, "10 min"));
        if beside {
            for (mut left, right) in minute.into_iter().zip(ten) {
                left.push_span(" ".repeat(GUTTER + width.saturating_sub(left.width())));
                let style = right.style;
                left = Line::from(vec![Span::styled(left.to_string(), left.style)]);
                left.push_span(Span::styled(right.to_string(), style));
                drawn.push(left);
            }
        } else {
            drawn.extend(minute);
            drawn.extend(ten);
        }
    }
    if tens.len() < 60 {
        let seconds = tens.len() * 10;
        drawn.push(Line::styled(format!("followed for about {}", format::duration(seconds as f64)), theme.dim));
    }
    drawn
}

/// Whether an alert is about it.
fn is_about(alert: &Alert, subject: Subject) -> bool {
    match subject {
        Subject::Source(ip) => {
            alert.source == Some(Origin::Ip(ip)) || alert.sources.iter().any(|source| source.ip == ip)
        }
        Subject::Destination(ip) => alert.target.is_some_and(|target| target.ip == ip),
        Subject::Port(port) => alert.target.is_some_and(|target| target.port == Some(port)),
        Subject::Prefix(prefix) => {
            let mut sources = alert.sources.iter().map(|source| source.ip);
            sources.any(|ip| prefix.contains(ip)) || matches!(alert.source, Some(Origin::Ip(ip)) if prefix.contains(ip))
        }
    }
}
