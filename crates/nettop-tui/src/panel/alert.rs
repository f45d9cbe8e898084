//! One alert, in the order in which somebody asks who was just woken up: what, whom, since when, how hard, what it is made of, from
//! where, what is not known, what it rests on, and what can be done.

use nettop_model::{
    format,
    snapshot::{Alert, Origin, Subject, Vector},
};
use nettop_views::{
    alert::{self, title},
    table::Enter,
    text,
};
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    alerts,
    drawing::{lines, scrolled, titled},
    picture::Picture,
    row::{Body, Height, Room},
};
use crate::{flow, state::OpenAlert};

/// The question before its answer.
const NAME: usize = 12;
/// Columns of a rule beside its title and its note.
const BESIDE: usize = 9;
/// From so many columns behind the questions on, the parts of a flood are a table, with columns for kind, packets, bytes and share.
const TABLE_FROM: usize = 56;
const COLUMNS: [usize; 4] = [16, 8, 11, 6];
/// Lines of one answer, and columns of a text in it, at most, however much a monitor says.
const MOST: usize = 24;
const LONGEST: usize = 1_000;

/// How many lines it has in this area.
pub fn length(picture: &Picture, area: Rect) -> usize {
    picture.state.alert.as_ref().map_or(0, |open| all(picture, open, area).len())
}

/// All lines between tabs and control while an alert is open, else none.
pub fn height(room: &Room) -> Height {
    room.rest_if(Body::Alert)
}

/// The rule as the title, then as many lines as there is room for, from the first that was scrolled to.
///
/// ```text
/// ── alert syn-flood ─────────────────────── Enter opens its target, Esc goes back ──
/// what        SYN flood  critical  lasts
/// whom        192.0.2.1:443 (https)
/// since       2026-01-31 03:12:05 UTC  for 00:01:15
/// how hard    412k pps now  221 Mbit/s  at most 1.20M pps  40x its usual 10.3k pps
/// made of     kind                  pps        rate  share of
///             SYN flood            400k  214 Mbit/s  97.0% port 443 https
///             ICMP flood          12.3k 6.60 Mbit/s   3.0%
/// from where  at least 300 sources  ~198.51.100.7 12.0k pps
///             DE 40.0%  AS64496 Example 20.0%
/// not known   what is usual here
/// rests on    - what the finding rests on
/// what to do  what can be done about it
/// ```
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let Some(open) = &picture.state.alert else { return };
    let drawn = all(picture, open, area);
    let room = usize::from(area.height.saturating_sub(1));
    let title = format!("alert {}", text::cut(&format::visible(&open.last.kind), LONGEST));
    let free = usize::from(area.width).saturating_sub(text::width(&title) + BESIDE);
    let more = drawn.len().saturating_sub(open.top + room);
    let note = notes(picture, open, more).into_iter().find(|note| text::width(note) <= free).unwrap_or_default();
    let area = titled(frame, area, picture.theme, &title, &note);
    lines(frame, area, scrolled(drawn, open.top, room));
}

/// How much there is below, and where the keys lead to; shorter and shorter.
fn notes(picture: &Picture, open: &OpenAlert, more: usize) -> Vec<String> {
    let key = |id| picture.state.keys().first(id);
    let back = format!("{} goes back", key("back"));
    let opens = |what: &str| vec![format!("{} opens {what}", key("open"))];
    let there = match alert::leads_to(&open.last) {
        Enter::Detail(subject) => [opens(&format!("the {subject}")), opens(subject_kind(subject))].concat(),
        Enter::Sources(_) => opens("its sources"),
        Enter::Destinations(_) => opens("its targets"),
        Enter::Connections(_) => opens("its connections"),
        Enter::Alert(_) | Enter::Nowhere => Vec::new(),
    };
    let more = if more > 0 { vec![format!("{more} more lines")] } else { Vec::new() };
    let joined = |parts: &[&[String]]| parts.concat().join(", ");
    let mut notes: Vec<_> = there.iter().map(|there| joined(&[&more, &[there.clone(), back.clone()]])).collect();
    notes.extend([joined(&[&more, std::slice::from_ref(&back)]), joined(&[&more])]);
    notes
}

fn subject_kind(subject: Subject) -> &'static str {
    match subject {
        Subject::Source(_) => "the source",
        Subject::Destination(_) => "the target",
        Subject::Prefix(_) => "the prefix",
        Subject::Port(_) => "the port",
        Subject::Process(_) => "the process",
        Subject::Connection(_) => "the connection",
    }
}

fn all(picture: &Picture, open: &OpenAlert, area: Rect) -> Vec<Line<'static>> {
    let listed = open.listed(picture.snapshot);
    let answers = answers(picture, listed.unwrap_or(&open.last), usize::from(area.width), listed.is_none());
    // One line after the other where the screen is low.
    let all: usize = answers.iter().map(|answer| answer.len() + 1).sum();
    let apart = all <= usize::from(area.height);
    let mut drawn = Vec::new();
    for (at, answer) in answers.into_iter().enumerate() {
        if apart && at > 0 {
            drawn.push(Line::default());
        }
        drawn.extend(answer);
    }
    drawn
}

/// The lines of each question that there is an answer to.
fn answers(picture: &Picture, alert: &Alert, columns: usize, gone: bool) -> Vec<Vec<Line<'static>>> {
    let (theme, state) = (picture.theme, picture.state);
    let room = columns.saturating_sub(NAME);
    let plain = |texts: Vec<String>, style: Style| flowed(texts.into_iter().map(|text| (text, style)), room);
    let now_ns = picture.snapshot.meta.now_ns;
    let mut what = vec![
        (alert::what(alert), theme.value),
        (alert.severity.label().into(), alerts::style(alert, theme)),
        (alert::state(alert).into(), if alert.is_alarm() { theme.value } else { theme.text }),
    ];
    what.extend(state.attention.is_muted(alert).then(|| ("muted".into(), theme.dim)));
    what.extend(state.attention.is_acknowledged(alert).then(|| ("seen".into(), theme.dim)));
    what.extend(gone.then(|| ("not listed any more: this is what was known last".into(), theme.warn)));
    let whom = alert::whom(alert, state.options.numeric).map(|whom| (whom, theme.address));
    let rests_on =
        alert.evidence.iter().take(MOST).flat_map(|text| item(text, room)).map(|text| Line::styled(text, theme.text));
    [
        ("what", flowed(what, room)),
        ("whom", flowed(whom, room)),
        ("since", plain(alert::since(alert, now_ns), theme.text)),
        ("how hard", plain(alert::how_hard(alert, state.units), theme.value)),
        ("made of", parts(picture, alert, room)),
        ("from where", from_where(picture, alert, room)),
        ("not known", plain(alert::unknown(alert), theme.warn)),
        ("rests on", rests_on.collect()),
        ("what to do", plain(advice(picture, alert), theme.value)),
    ]
    .into_iter()
    .filter(|(_, lines)| !lines.is_empty())
    .map(|(name, lines)| named(name, lines, picture))
    .collect()
}

/// What can be done, and of a flood of many the key that looks for the prefixes that carry most of it.
fn advice(picture: &Picture, alert: &Alert) -> Vec<String> {
    let key = picture.state.keys().first("block");
    let can_block = picture.snapshot.blocks.is_some() && !key.is_empty();
    let cover = (can_block && alert.source.is_none() && !alert.forged && alert.is_flooding()).then(|| {
        format!("{key} looks for the fewest prefixes that carry most of it, and blocks them after a question")
    });
    [format::visible(&alert.advice)].into_iter().chain(cover).collect()
}

/// Texts one after the other, each broken between words where it is wider than a line.
fn flowed(texts: impl IntoIterator<Item = (String, Style)>, room: usize) -> Vec<Line<'static>> {
    let pieces = |(whole, style): (String, Style)| {
        wrapped(&whole, room).into_iter().map(move |piece| Line::styled(piece, style))
    };
    flow::flow(texts.into_iter().flat_map(pieces).collect(), room, MOST)
}

fn wrapped(whole: &str, room: usize) -> Vec<String> {
    text::wrap(&text::cut(whole, LONGEST), room.max(1))
}

/// One of several, with a dash before its first line.
fn item(whole: &str, room: usize) -> Vec<String> {
    let pieces = wrapped(&format::visible(whole), room.saturating_sub(2));
    pieces.into_iter().enumerate().map(|(at, piece)| format!("{} {piece}", if at == 0 { "-" } else { " " })).collect()
}

/// With the question before the first line.
fn named(name: &str, mut lines: Vec<Line<'static>>, picture: &Picture) -> Vec<Line<'static>> {
    if lines.len() > MOST {
        lines.truncate(MOST - 1);
        lines.push(Line::raw(text::ELLIPSIS));
    }
    let with_name = |(at, line): (usize, Line<'static>)| {
        let mut line = flow::with_styled_spans(line);
        let name = if at == 0 { name } else { "" };
        line.spans.insert(0, Span::styled(text::left(name, NAME), picture.theme.label));
        line
    };
    lines.into_iter().enumerate().map(with_name).collect()
}

/// What a flood consists of: a table where there is room for one.
fn parts(picture: &Picture, alert: &Alert, room: usize) -> Vec<Line<'static>> {
    let theme = picture.theme;
    if !alert::is_of_parts(alert) {
        return Vec::new();
    }
    if room < TABLE_FROM {
        let told = |vector: &Vector| {
            let [kind, pps, rate, share] = cells(picture, vector);
            let of = alert::made_of(vector, picture.state.options.numeric);
            let of = if of.is_empty() { of } else { format!(", {of}") };
            item(&format!("{kind}: {pps} pps, {rate}, {share}{of}"), room)
        };
        return alert.vectors.iter().take(MOST).flat_map(told).map(|text| Line::styled(text, theme.text)).collect();
    }
    // Nothing comes now of what pauses or is over.
    let heads = ["kind", if alert.comes() { "pps" } else { "pps then" }, "rate", "share"].map(String::from);
    let width = room - COLUMNS.iter().sum::<usize>() - COLUMNS.len();
    let mut drawn = vec![Line::styled(format!("{} of", cells_in_columns(heads)), theme.dim)];
    for vector in alert.vectors.iter().take(MOST) {
        let of = wrapped(&alert::made_of(vector, picture.state.options.numeric), width);
        let mut of = of.into_iter();
        drawn.push(Line::from(vec![
            Span::styled(cells_in_columns(cells(picture, vector)), theme.text),
            Span::styled(format!(" {}", of.next().unwrap_or_default()), theme.value),
        ]));
        let indent = " ".repeat(room - width);
        drawn.extend(of.map(|more| Line::styled(format!("{indent}{more}"), theme.value)));
    }
    drawn
}

fn cells(picture: &Picture, vector: &Vector) -> [String; 4] {
    let rate = picture.state.units.rate(vector.bps);
    [title(&vector.kind), format::pps(vector.pps), rate, format::percent(vector.share)]
}

fn cells_in_columns([kind, pps, rate, share]: [String; 4]) -> String {
    let [first, second, third, fourth] = COLUMNS;
    let numbers = [(pps, second), (rate, third), (share, fourth)];
    let numbers = numbers.map(|(text, width)| text::right(&text, width)).join(" ");
    format!("{} {numbers}", text::left(&kind, first))
}

/// How many sources, the busiest of them, and where they are.
fn from_where(picture: &Picture, alert: &Alert, room: usize) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let mut sources = Vec::new();
    if let Some(source) = alert::sender(alert) {
        sources.push(Line::styled(source.to_string(), theme.address));
        sources.extend(place(picture, source).into_iter().map(|text| Line::styled(text, theme.text)));
    }
    if sources.is_empty() && alert.count > 1 && alert::is_of_sources(alert) {
        sources.push(Line::styled(format!("at least {} sources", format::count(alert.count, 11)), theme.value));
    }
    sources.extend(alert.sources.iter().map(|source| {
        let pps = format!(" ~{} pps", format::pps(source.pps));
        Line::from(vec![Span::styled(source.ip.to_string(), theme.address), Span::styled(pps, theme.value)])
    }));
    let origins = alert.origins.iter().map(|origin| {
        let of = text::cut(&format::visible(&origin.of), room.saturating_sub(7));
        let share = format!(" ~{}", format::percent(origin.share));
        Line::from(vec![Span::styled(of, theme.text), Span::styled(share, theme.value)])
    });
    let mut drawn = flow::flow(sources, room, MOST / 2);
    drawn.extend(flow::flow(origins.collect(), room, MOST / 2));
    drawn
}

/// Country and network of a source that is listed.
fn place(picture: &Picture, source: Origin) -> Vec<String> {
    let Origin::Ip(ip) = source else { return Vec::new() };
    let row = picture.snapshot.sources.rows.iter().find(|row| row.ip == ip);
    let Some(place) = row.and_then(|row| row.place.clone()) else { return Vec::new() };
    let mut told = vec![format::country(place.country_code, &place.country, picture.theme.flags)];
    if place.asn != 0 {
        told.push(format::network(place.asn, &place.org));
    }
    told
}
