//! The header: whether it counts, what it watches, how much there was, and that nothing went missing.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{View, labelled, lines, or_any};
use crate::{
    snapshot::{InterfaceRow, InterfaceState, Mode},
    tui::{format, text},
};

/// More lines than this would take the table's room.
const MAX_LINES: usize = 5;
/// So much silence, in intervals, means that the engine is stuck.
const SILENT_INTERVALS: f64 = 3.0;

/// How many lines it wants.
pub fn height(view: &View, width: u16) -> u16 {
    let lines: usize = groups(view).into_iter().map(|group| text::flow(group, width.into(), MAX_LINES).len()).sum();
    lines.min(MAX_LINES) as u16
}

/// Draws it.
pub fn render(frame: &mut Frame, area: Rect, view: &View) {
    let (columns, height) = (usize::from(area.width), usize::from(area.height));
    let mut groups = groups(view);
    if height == 1 {
        // One line: the state, then what the newest second brought.
        let counters = groups.swap_remove(1);
        let mut items: Vec<_> = vec![badge(view)];
        items.extend(counters);
        return lines(frame, area, text::flow(items, columns, 1));
    }
    groups.truncate(height);
    // A line for each group, and what is left to those that need more, the first one first.
    let mut spare = height - groups.len();
    let mut drawn = Vec::new();
    for group in groups {
        let flowed = text::flow(group, columns, 1 + spare);
        spare -= flowed.len().saturating_sub(1);
        drawn.extend(flowed);
    }
    lines(frame, area, drawn);
}

/// What belongs on one line each, most important group and item first.
fn groups(view: &View) -> Vec<Vec<Line<'static>>> {
    vec![watched(view), counters(view), accounting(view)]
}

fn badge(view: &View) -> Line<'static> {
    let (runtime, theme) = (&view.snapshot.runtime, view.theme);
    let (mode, style) = match runtime.mode {
        Mode::Live => ("LIVE", theme.live),
        Mode::Demo => ("DEMO", theme.demo),
    };
    let (word, style) = match (runtime.paused, runtime.mode) {
        (true, Mode::Live) => ("PAUSED".to_string(), theme.paused),
        (true, Mode::Demo) => (format!("PAUSED {mode}"), theme.paused),
        (false, _) => (mode.to_string(), style),
    };
    Line::from(Span::styled(format!(" {word} "), style))
}

fn watched(view: &View) -> Vec<Line<'static>> {
    let (snapshot, theme) = (view.snapshot, view.theme);
    let filter = &snapshot.runtime.filter;
    let mut items = vec![badge(view)];
    let silent = view.state.silent_for.as_secs_f64();
    if silent > (snapshot.tick.interval * SILENT_INTERVALS).max(3.0) {
        let text = format!("no news from the engine for {}", format::duration(silent));
        items.push(Line::styled(text, theme.error));
    }
    items.push(Line::from(vec![
        Span::styled("to ", theme.label),
        Span::styled(format!("{}:{}", or_any(&filter.dst), or_any(&filter.port)), theme.value),
    ]));
    items.extend(snapshot.interfaces.iter().map(|interface| self::interface(interface, view)));
    // The time it has run gives way to nothing but the interfaces: it takes its place after the first of them.
    let uptime = Line::from(vec![
        Span::styled("up ", theme.label),
        Span::styled(format::duration(snapshot.elapsed), theme.text),
    ]);
    items.insert(items.len().min(3), uptime);
    items
}

fn interface(interface: &InterfaceRow, view: &View) -> Line<'static> {
    let theme = view.theme;
    let mut spans = vec![Span::styled(format::visible(&interface.name), theme.value)];
    match interface.mode {
        Some(mode) => spans.push(Span::styled(format!(" {mode}"), theme.text)),
        None => spans.push(Span::styled(" not attached", theme.warn)),
    }
    if interface.state != InterfaceState::Up {
        spans.push(Span::styled(format!(" {}", interface.state), theme.warn));
    }
    Line::from(spans)
}

fn counters(view: &View) -> Vec<Line<'static>> {
    let (snapshot, theme) = (view.snapshot, view.theme);
    let estimated = if snapshot.unique_estimated { "~" } else { "" };
    let unique = format!("{estimated}{}", format::count(snapshot.unique_ips, 9));
    let rate = |pps, bytes| format!("{} pps {}", format::pps(pps), format::bits_per_second(bytes));
    vec![
        labelled(format::pps(snapshot.current_pps), theme.value, "pps", theme),
        labelled(format::count(snapshot.total_packets, 15), theme.value, "packets", theme),
        labelled(unique, theme.value, "unique IPs", theme),
        Line::styled(format::bits_per_second(snapshot.current_bps), theme.value),
        Line::from(vec![
            Span::styled("avg ", theme.label),
            Span::styled(rate(snapshot.avg_pps, snapshot.avg_bps), theme.text),
        ]),
        Line::styled(format::bytes(snapshot.total_bytes), theme.text),
    ]
}

/// Seen = counted + filtered + not IP: whoever adds it up sees that nothing went missing.
fn accounting(view: &View) -> Vec<Line<'static>> {
    let (accounting, theme) = (&view.snapshot.accounting, view.theme);
    let part = |sign: &'static str, name: &'static str, packets: u64| {
        Line::from(vec![
            Span::styled(format!("{sign}{name} "), theme.label),
            Span::styled(format::count(packets, 15), theme.text),
        ])
    };
    let mut items = vec![
        part("", "seen", accounting.seen.packets),
        part("= ", "counted", accounting.counted.packets),
        part("+ ", "filtered", accounting.filtered.packets),
        part("+ ", "not IP", accounting.not_ip.packets),
    ];
    // Before the first packet there is nothing to agree on.
    if accounting.holds {
        items.push(Line::styled("adds up", theme.good));
    } else if accounting.seen.packets > 0 {
        items.insert(0, Line::styled("DOES NOT ADD UP", theme.error));
    }
    items
}
