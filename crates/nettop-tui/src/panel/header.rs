//! The header: whether it counts, what it watches, how much there was, and that nothing went missing.

use nettop_model::{
    format, order,
    snapshot::{Alert, InterfaceRow, InterfaceState, Mode, Remote, Replay, Severity},
};
use nettop_views::text;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    degraded,
    drawing::{labelled, lines, or_any},
    picture::Picture,
    row::{Height, Room},
};
use crate::{chart, flow};

/// More lines than this for one group would take the table's room.
const MAX_LINES: usize = 2;
/// So much silence, in intervals, means that the engine is stuck.
const SILENT_INTERVALS: f64 = 3.0;
/// Wider names come from elsewhere: the kernel's have 15 bytes.
const NAME: usize = 24;
/// Columns of the badge of a silent monitor, and of what is between items and behind the last.
const BESIDE: usize = 14;

/// Its height: 1 to 3 lines on low screens, all of it from 30 lines on.
pub fn height(room: &Room) -> Height {
    Height::up_to(match room.screen.height {
        0..8 => 1,
        8..14 => 2,
        14..30 => length(room.picture, room.width.into()).min(3),
        _ => length(room.picture, room.width.into()),
    })
}

/// How many lines it has in so many columns.
fn length(picture: &Picture, columns: usize) -> u16 {
    groups(picture, columns).into_iter().map(|group| flow::flow(group, columns, MAX_LINES).len() as u16).sum()
}

/// A line for each group, two where there is room; where there is a single line, what matters most.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let (columns, height) = (usize::from(area.width), usize::from(area.height));
    if height == 1 {
        return lines(frame, area, flow::flow(in_one_line(picture), columns, 1));
    }
    let mut groups = groups(picture, columns);
    groups.truncate(height);
    // A line for each group, and what is left to those that need more, the first one first.
    let mut spare = height - groups.len();
    let mut drawn = Vec::new();
    for group in groups {
        let flowed = flow::flow(group, columns, (1 + spare).min(MAX_LINES));
        spare -= flowed.len().saturating_sub(1);
        drawn.extend(flowed);
    }
    lines(frame, area, drawn);
}

/// What belongs together on a line, most important group and item first.
fn groups(picture: &Picture, columns: usize) -> Vec<Vec<Line<'static>>> {
    vec![watched(picture, columns), counters(picture, columns), accounting(picture, columns)]
}

/// The state, and what the newest second brought.
fn in_one_line(picture: &Picture) -> Vec<Line<'static>> {
    let mut items = vec![badge(picture)];
    items.extend(alarms(picture));
    items.extend(dropping(picture));
    let troubles = degraded::all(picture).count();
    if troubles > 0 {
        // A screen so low has no strip.
        items.push(Line::styled(format!("{troubles} degraded"), picture.theme.warn));
    }
    items.extend(counters(picture, 0));
    items
}

fn badge(picture: &Picture) -> Line<'static> {
    let (runtime, theme) = (&picture.snapshot.meta.runtime, picture.theme);
    if picture.state.frozen.is_some() {
        return Line::styled(" FROZEN ", theme.paused);
    }
    if silence(picture).is_some() {
        return Line::styled(" STALE ", theme.paused);
    }
    let ended = picture.snapshot.monitor.replay.as_ref().is_some_and(|replay| replay.ended);
    let (word, style) = match (runtime.paused, runtime.mode) {
        (_, Mode::Replay) if ended => (" REPLAY ENDED ", theme.paused),
        (false, Mode::Replay) => (" REPLAY ", theme.demo),
        (true, Mode::Replay) => (" PAUSED REPLAY ", theme.paused),
        (false, Mode::Live) => (" LIVE ", theme.live),
        (false, Mode::Demo) => (" DEMO ", theme.demo),
        (true, Mode::Live) => (" PAUSED ", theme.paused),
        (true, Mode::Demo) => (" PAUSED DEMO ", theme.paused),
    };
    Line::from(Span::styled(word, style))
}

/// The floods that last, those that harm first: nobody should have to look for them. Those that pause are named while no other one lasts, and calmly.
fn alarms(picture: &Picture) -> Option<Line<'static>> {
    let wanted = || picture.snapshot.alerts.iter().filter(|alert| picture.state.attention.wants(alert));
    let name = |alert: &Alert| format::visible(&alert.kind).replace('-', " ").to_uppercase();
    let mut floods: Vec<_> = wanted().filter(|alert| alert.is_flooding()).collect();
    order::sort_by_key(&mut floods, |alert| !alert.is_alarm());
    let names: Vec<_> = floods.iter().map(|alert| name(alert)).collect();
    let harms = floods.first().is_some_and(|alert| alert.is_alarm());
    let text = match names.as_slice() {
        [] => {
            let paused = wanted().find(|alert| alert.is_paused() && alert.severity == Severity::Critical)?;
            return Some(Line::styled(format!("{} paused", name(paused)), picture.theme.warn));
        }
        [first, second] => format!(" {first}, {second} "),
        [first] => format!(" {first} "),
        [first, others @ ..] => format!(" {first} and {} more ", others.len()),
    };
    Some(Line::styled(text, if harms { picture.theme.alarm } else { picture.theme.warn }))
}

/// What blocks drop, while they do.
fn dropping(picture: &Picture) -> Option<Line<'static>> {
    let blocks = picture.snapshot.blocks.as_deref().filter(|blocks| blocks.pps > 0.0)?;
    let count = blocks.rows.len() as u64 + blocks.left_out;
    let many = if count == 1 { "1 block".into() } else { format!("{} blocks", format::count(count, 6)) };
    let now_ns = picture.snapshot.meta.now_ns;
    let ends = blocks.next_end_ns.map(|end| format!(", next ends in {}", format::ago(end.max(now_ns), now_ns)));
    let text = format!("dropping {} pps, {many}{}", format::pps(blocks.pps), ends.unwrap_or_default());
    Some(Line::styled(text, picture.theme.warn))
}

fn watched(picture: &Picture, columns: usize) -> Vec<Line<'static>> {
    let (snapshot, theme) = (picture.snapshot, picture.theme);
    let filter = &snapshot.meta.runtime.filter;
    let mut items = vec![badge(picture)];
    // Beside the badge, however much there is to say: whatever else is shown is old.
    let room = columns.saturating_sub(BESIDE).max(NAME);
    items.extend(silence(picture).map(|text| Line::styled(text::cut(&text, room), theme.error)));
    items.extend(alarms(picture));
    items.extend(dropping(picture));
    items.extend(snapshot.meta.link.as_ref().map(|link| {
        let name = text::cut(&format::visible(&link.name), (columns / 2).max(NAME));
        Line::from(vec![Span::styled("ATTACHED ", theme.label), Span::styled(name, theme.value)])
    }));
    // A long list must leave room for the interfaces; the control panel has more of it.
    let target = text::cut(&format!("{}:{}", or_any(&filter.dst), or_any(&filter.port)), (columns / 2).max(NAME));
    items.push(Line::from(vec![Span::styled("to ", theme.label), Span::styled(target, theme.value)]));
    items.push(Line::from(vec![
        Span::styled("up ", theme.label),
        Span::styled(format::age(snapshot.meta.elapsed), theme.text),
    ]));
    items.extend(snapshot.monitor.replay.as_ref().map(|replay| replayed(replay, picture)));
    for (at, row) in snapshot.monitor.interfaces.iter().enumerate() {
        let mut item = interface(row, picture);
        if at == 0 {
            item.spans.insert(0, Span::styled("on ", theme.label));
        }
        items.push(item);
    }
    items
}

/// Since when nothing new has come, and why, where something should have.
fn silence(picture: &Picture) -> Option<String> {
    let snapshot = picture.snapshot;
    if let Some(Remote { lost: Some(lost), .. }) = snapshot.meta.link.as_deref() {
        let since = picture.unix_seconds.saturating_sub(lost.since_ns / 1_000_000_000);
        let why = format::visible(&lost.why);
        return Some(format!("no news for {}, trying again: {why}", format::duration(since as f64)));
    }
    let silent = picture.state.silent_for.as_secs_f64();
    let from = if snapshot.meta.link.is_some() { "monitor" } else { "engine" };
    let is_long = silent > (snapshot.monitor.tick.interval * SILENT_INTERVALS).max(SILENT_INTERVALS);
    is_long.then(|| format!("no news from the {from} for {}", format::duration(silent)))
}

/// The capture, and how much of it was read.
fn replayed(replay: &Replay, picture: &Picture) -> Line<'static> {
    let theme = picture.theme;
    let file = match replay.file.as_str() {
        "-" => "standard input".to_string(),
        path => text::cut(&format::visible(path.rsplit('/').next().unwrap_or(path)), NAME),
    };
    let mut spans = vec![Span::styled("of ", theme.label), Span::styled(file, theme.value)];
    if let Some(percent) = replay.percent {
        // Never 100 before the end.
        spans.push(Span::styled(format!(" {:.0} %", percent.floor()), theme.text));
    }
    if replay.error.is_some() {
        spans.push(Span::styled(" broken", theme.error));
    }
    Line::from(spans)
}

fn interface(interface: &InterfaceRow, picture: &Picture) -> Line<'static> {
    let theme = picture.theme;
    let mut spans = vec![Span::styled(text::cut(&format::visible(&interface.name), NAME), theme.value)];
    match interface.mode {
        Some(mode) => spans.push(Span::styled(format!(" {mode}"), theme.text)),
        None => spans.push(Span::styled(" not attached", theme.warn)),
    }
    if interface.state != InterfaceState::Up {
        spans.push(Span::styled(format!(" ({})", interface.state), theme.warn));
    }
    Line::from(spans)
}

/// Rates now and lately, and totals; in full where that fits on one line, else shortened.
fn counters(picture: &Picture, columns: usize) -> Vec<Line<'static>> {
    /// How many columns the chart has, how many digits a number, whether there are bytes, and how many columns the chart of what is sent
    /// has; 0: that is a number.
    const FORMS: [(usize, usize, bool, usize); 8] = [
        (60, 19, true, 30),
        (30, 19, true, 15),
        (30, 19, false, 15),
        (20, 5, true, 10),
        (20, 5, false, 10),
        (12, 5, false, 8),
        (20, 5, false, 0),
        (12, 5, false, 0),
    ];
    let (snapshot, theme, units) = (picture.snapshot, picture.theme, picture.state.units);
    let rate = |pps, bytes| format!("{} pps {}", format::pps(pps), units.rate(bytes));
    let items = |width: usize, digits: usize, with_bytes: bool, sent: usize| {
        let estimated = if snapshot.traffic.unique_estimated { "~" } else { "" };
        let unique = format!("{estimated}{}", format::count(snapshot.traffic.unique_sources, digits));
        let mut items = vec![Line::styled(rate(snapshot.traffic.pps, snapshot.traffic.bps), theme.value)];
        items.extend(lately(picture, width));
        items.extend(snapshot.egress.as_deref().map(|egress| {
            let rate = Span::styled(rate(egress.pps, egress.bps), theme.text);
            let seconds: Vec<f32> = egress.history.seconds.iter().map(|pace| pace.pps).collect();
            let chart = Span::styled(format!(" {}", chart::line(&seconds, sent)), theme.bar);
            let chart = (sent > 0 && !seconds.is_empty()).then_some(chart);
            Line::from_iter([Span::styled("out ", theme.label), rate].into_iter().chain(chart))
        }));
        items.push(labelled(format::count(snapshot.traffic.packets, digits), theme.value, "packets", theme));
        items.push(labelled(unique, theme.value, "unique", theme));
        if with_bytes {
            let average = rate(snapshot.traffic.avg_pps, snapshot.traffic.avg_bps);
            items.push(Line::from(vec![Span::styled("avg ", theme.label), Span::styled(average, theme.text)]));
            items.push(Line::styled(units.amount(snapshot.traffic.bytes), theme.text));
        }
        items
    };
    FORMS
        .into_iter()
        .map(|(width, digits, with_bytes, sent)| items(width, digits, with_bytes, sent))
        .find(|items| flow::flow_width(items) <= columns)
        .unwrap_or_else(|| items(12, 5, false, 0))
}

/// The last minute as a chart, and its busiest second.
fn lately(picture: &Picture, width: usize) -> Option<Line<'static>> {
    let seconds: Vec<f32> = picture.snapshot.traffic.history.seconds.iter().map(|pace| pace.pps).collect();
    if seconds.is_empty() {
        return None;
    }
    let theme = picture.theme;
    let peak = format::pps(chart::peak(seconds.iter().copied()).into());
    Some(Line::from(vec![
        Span::styled(chart::line(&seconds, width), theme.bar),
        Span::styled(" 60s peak ", theme.label),
        Span::styled(peak, theme.text),
    ]))
}

/// Seen = counted + filtered + not IP + martian + blocked: whoever adds it up sees that nothing went missing. The last two stand here only
/// once there are any.
fn accounting(picture: &Picture, columns: usize) -> Vec<Line<'static>> {
    let (accounting, theme) = (&picture.snapshot.traffic.accounting, picture.theme);
    // Before the first packet there is nothing to agree on.
    let holds = accounting.holds || accounting.seen.packets == 0;
    let (equals, style) = if holds { ("=", theme.good) } else { ("≠", theme.error) };
    let equation = |digits| {
        let mut spans = Vec::new();
        if !holds {
            spans.extend([Span::styled("DOES NOT ADD UP", theme.error), Span::raw("  ")]);
        }
        for (sign, style, name, amount) in [
            ("", theme.label, "seen", accounting.seen),
            (equals, style, "counted", accounting.counted),
            ("+", theme.label, "filtered", accounting.filtered),
            ("+", theme.label, "not IP", accounting.not_ip),
            ("+", theme.warn, "martian", accounting.martian),
            ("+", theme.warn, "blocked", accounting.blocked),
        ] {
            if matches!(name, "martian" | "blocked") && amount.packets == 0 {
                continue;
            }
            if !sign.is_empty() {
                spans.extend([Span::raw(" "), Span::styled(sign, style), Span::raw(" ")]);
            }
            spans.push(Span::styled(format!("{name} "), theme.label));
            spans.push(Span::styled(format::count(amount.packets, digits), theme.text));
        }
        Line::from(spans)
    };
    let full = equation(19);
    vec![if full.width() <= columns { full } else { equation(5) }]
}
