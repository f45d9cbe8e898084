//! Everything known of one thing: what was counted, how much there was lately, what was sampled, and which alerts are about it.
//! What depends on its kind is in [`super::subject`].

use nettop_model::{
    format::{self, Units},
    order,
    snapshot::{Alert, History, Origin, RatePoint, Subject},
};
use nettop_views::text;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    drawing::{lines, scrolled, titled},
    picture::Picture,
    row::{Body, Height, Room},
    subject,
};
use crate::{chart, flow, state::Detail};

/// From this width on the minute and the ten minutes stand side by side.
const BESIDE: usize = 90;
/// Columns between them.
const GUTTER: usize = 3;
/// Two columns for each value show no more than one.
const WIDEST: usize = 2 * chart::VALUES;
/// Lines of a chart; where the screen is low, one.
const CHART: usize = 4;
/// A lower screen is low.
const LOW: u16 = 16;
/// Charts of classes at most, and how many lines of the detail each takes for granted. The others are told in numbers.
const CLASSES: usize = 6;
const LINES_FOR_CLASS: u16 = 4;
/// Columns of the chart of a class at most, of its name, and of what stands beside.
const CLASS: usize = chart::VALUES;
const CLASS_NAME: usize = 8;
const CLASS_TEXT: usize = 28;
/// The name of a group before its line.
const NAME: usize = 12;

/// How many lines it has in this area.
pub fn length(picture: &Picture, area: Rect) -> usize {
    picture.state.detail.as_ref().map_or(0, |detail| all(picture, detail, area).len())
}

/// All lines between tabs and control while a detail is open, else none.
pub fn height(room: &Room) -> Height {
    room.rest_if(Body::Detail)
}

/// The subject as the title, then as many lines as there is room for, from the first that was scrolled to.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let Some(detail) = &picture.state.detail else { return };
    let drawn = all(picture, detail, area);
    let room = usize::from(area.height.saturating_sub(1));
    let more = drawn.len().saturating_sub(detail.top + room);
    let keys = picture.state.keys();
    let further = match detail.subject {
        Subject::Process(_) => Some("shows its connections"),
        Subject::Connection(_) => Some("shows its other end"),
        _ => None,
    };
    let parts = [
        (more > 0).then(|| format!("{more} more lines")),
        further.map(|text| format!("{} {text}", keys.first("further"))),
        Some(format!("{} goes back", keys.first("back"))),
    ];
    let note = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let area = titled(frame, area, picture.theme, &detail.subject.to_string(), &note);
    lines(frame, area, scrolled(drawn, detail.top, room));
}

fn all(picture: &Picture, detail: &Detail, area: Rect) -> Vec<Line<'static>> {
    let columns = usize::from(area.width);
    let (facts, groups) = subject::about(picture, detail.subject);
    let mut drawn = flow::flow(facts, columns, 6);
    drawn.extend(subject::visit(picture, columns));
    drawn.push(Line::default());
    let all = charts(picture, detail, columns, if area.height < LOW { 1 } else { CHART });
    let most = usize::from(area.height / LINES_FOR_CLASS).clamp(1, CLASSES);
    let classes = by_class(picture, detail, columns, most);
    // Charts one below the other fill a small screen, and what it is made of tells more than how long it lasts.
    let [first, second] = if columns < BESIDE { [classes, all] } else { [all, classes] };
    drawn.extend(first);
    drawn.extend(second);
    drawn.push(Line::default());
    drawn.extend(groups.into_iter().flat_map(|(name, items)| group(name, items, columns, picture)));
    let alerts: Vec<_> = picture.snapshot.alerts.iter().filter(|alert| is_about(alert, detail.subject)).collect();
    if !alerts.is_empty() {
        drawn.push(Line::default());
        drawn.push(Line::styled("alerts", picture.theme.head));
    }
    for alert in alerts {
        let ago = format::ago(picture.snapshot.meta.now_ns, alert.began_ns(picture.snapshot.meta.now_ns));
        let when = match alert.until_ns {
            Some(_) => format!("{ago} ago"),
            None if alert.is_paused() => "paused".into(),
            None => format!("for {ago}"),
        };
        let style = if alert.is_alarm() { picture.theme.error } else { picture.theme.text };
        let text = format!("{when} {} {}", alert.severity.label(), format::visible(&alert.message));
        drawn.extend(text::wrap(&text, columns).into_iter().map(|line| Line::styled(line, style)));
    }
    let log = subject::log(picture);
    if !log.is_empty() {
        drawn.push(Line::default());
        drawn.push(Line::styled(format!("log: {} lines, the newest first", log.len()), picture.theme.head));
        drawn.extend(log);
    }
    drawn
}

/// The lines of a group: its name, and items most important first.
fn group(name: &str, items: Vec<Line<'static>>, columns: usize, picture: &Picture) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let mut flowed = flow::flow(items, columns.saturating_sub(NAME), 3);
    if flowed.is_empty() {
        flowed.push(Line::styled("none known", theme.dim));
    }
    for (at, line) in flowed.iter_mut().enumerate() {
        let name = if at == 0 { name } else { "" };
        line.spans.insert(0, Span::styled(text::left(name, NAME), theme.label));
    }
    flowed
}

/// What a chart is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    Packets,
    Bytes,
    Received,
    Sent,
}

impl Measure {
    fn of(self, pace: RatePoint) -> f32 {
        match self {
            Self::Packets => pace.pps,
            Self::Bytes | Self::Received | Self::Sent => pace.bps,
        }
    }

    fn text(self, value: f32, units: Units) -> String {
        match self {
            Self::Packets => format!("{} pps", format::pps(value.into())),
            Self::Bytes | Self::Received | Self::Sent => units.rate(value.into()),
        }
    }

    /// What stands before the span of time.
    const fn name(self) -> &'static str {
        match self {
            Self::Packets | Self::Bytes => "",
            Self::Received => "received, ",
            Self::Sent => "sent, ",
        }
    }

    /// The last minute and the last ten.
    fn paces(self, history: &History) -> [&[RatePoint]; 2] {
        match self {
            Self::Sent => [&history.sent_seconds, &history.sent_tens],
            _ => [&history.seconds, &history.tens],
        }
    }
}

/// A minute and ten minutes, of packets and of bytes.
fn charts(picture: &Picture, detail: &Detail, columns: usize, height: usize) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let Some(history) = &detail.history else {
        return vec![Line::styled("asking how much there was lately …", theme.dim)];
    };
    let History { seconds, tens, sent_tens, .. } = history;
    let measures: &[Measure] = match detail.subject {
        // Of ports no bytes are counted.
        Subject::Port(_) => &[Measure::Packets],
        Subject::Process(_) | Subject::Connection(_) => &[Measure::Received, Measure::Sent],
        Subject::Source(_) if chart::peak(sent_tens.iter().map(|pace| pace.bps)) > 0.0 => {
            &[Measure::Packets, Measure::Bytes, Measure::Sent]
        }
        _ => &[Measure::Packets, Measure::Bytes],
    };
    let beside = columns >= BESIDE;
    let width = if beside { (columns - GUTTER) / 2 } else { columns }.min(WIDEST);
    let mut drawn = Vec::new();
    for measure in measures {
        let [of_minute, of_ten] = measure.paces(history);
        let minute = chart(picture, "60 s", of_minute, *measure, (width, height));
        let ten = chart(picture, "10 min", of_ten, *measure, (width, height));
        if beside {
            drawn.extend(minute.into_iter().zip(ten).map(|(mut left, right)| {
                left.push_span(" ".repeat(GUTTER));
                left.spans.extend(right.spans);
                left
            }));
        } else {
            drawn.extend(minute.into_iter().chain(ten));
        }
    }
    if tens.len() < chart::VALUES {
        let seconds = if seconds.len() < chart::VALUES { seconds.len() } else { 10 * tens.len() };
        let followed = format::duration(seconds as f64);
        drawn.push(Line::styled(format!("followed for {followed}; before, nothing is known"), theme.dim));
    }
    drawn
}

/// A line for each class of what came to a destination in the last minute, the busiest first: its chart, and its packets now and
/// at most.
fn by_class(picture: &Picture, detail: &Detail, columns: usize, most: usize) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let classes = detail.history.iter().flat_map(|history| &history.classes);
    let values = |paces: &[RatePoint]| paces.iter().map(|pace| pace.pps).collect::<Vec<_>>();
    let mut classes: Vec<_> = classes.map(|(class, paces)| (class.label(), values(paces))).collect();
    classes.retain(|(_, values)| chart::peak(values.iter().copied()) > 0.0);
    let sum = |values: &[f32]| values.iter().copied().filter(|value| value.is_finite()).sum::<f32>();
    order::sort_by(&mut classes, |(_, one), (_, other)| sum(other).total_cmp(&sum(one)));
    let width = columns.saturating_sub(CLASS_NAME + CLASS_TEXT + 1).min(CLASS);
    let (charts, others) = classes.split_at(classes.len().min(if width > 0 { most } else { 0 }));
    let told = |values: &[f32]| {
        let [now, peak] = [values.last().copied().unwrap_or_default(), chart::peak(values.iter().copied())];
        format!("{} pps, peak {}", format::pps(now.into()), format::pps(peak.into()))
    };
    let line = |(name, values): &(&str, Vec<f32>)| {
        Line::from(vec![
            Span::styled(text::left(name, CLASS_NAME), theme.label),
            Span::styled(chart::line(values, width), theme.bar),
            Span::styled(format!(" {}", told(values)), theme.text),
        ])
    };
    let mut drawn: Vec<_> = charts.iter().map(line).collect();
    let others = others.iter().map(|(name, values)| {
        Line::from(vec![Span::styled(format!("{name} "), theme.label), Span::styled(told(values), theme.text)])
    });
    drawn.extend(flow::flow(others.collect(), columns, CLASSES));
    if !drawn.is_empty() {
        drawn.insert(0, Line::styled("60 s by class, each to its own peak", theme.label));
    }
    drawn
}

/// A chart under its head, in so many columns.
fn chart(
    picture: &Picture,
    title: &str,
    paces: &[RatePoint],
    measure: Measure,
    (width, height): (usize, usize),
) -> Vec<Line<'static>> {
    let values: Vec<f32> = paces.iter().map(|pace| measure.of(*pace)).collect();
    let text = |value| measure.text(value, picture.state.units);
    let (now, peak) = (values.last().copied().unwrap_or_default(), chart::peak(values.iter().copied()));
    let name = measure.name();
    let head = text::left(&format!("{name}{title}: {} now, peak {}", text(now), text(peak)), width);
    let mut lines = vec![Line::from(Span::styled(head, picture.theme.label))];
    let bars = chart::lines(&values, width, height).into_iter();
    lines.extend(bars.map(|line| Line::from(Span::styled(line, picture.theme.bar))));
    lines
}

/// Whether an alert is about it.
fn is_about(alert: &Alert, subject: Subject) -> bool {
    match subject {
        Subject::Source(ip) => {
            alert.source == Some(Origin::Ip(ip)) || alert.sources.iter().any(|source| source.ip == ip)
        }
        Subject::Destination(ip) => {
            alert.target.is_some_and(|target| target.prefix.map_or(target.ip == ip, |prefix| prefix.contains(&ip)))
        }
        Subject::Port(port) => alert.target.is_some_and(|target| target.port == Some(port)),
        Subject::Prefix(prefix) => {
            let mut sources = alert.sources.iter().map(|source| source.ip);
            sources.any(|ip| prefix.contains(ip)) || matches!(alert.source, Some(Origin::Ip(ip)) if prefix.contains(ip))
        }
        Subject::Process(_) | Subject::Connection(_) => false,
    }
}
