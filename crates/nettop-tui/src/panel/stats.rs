//! The statistics: protocols, ports, TCP flags, sizes, what was not counted, sampling. Groups stand side by side as
//! small tables while there is room; the others are one line each.

use nettop_model::{format, order};
use nettop_views::{services, text};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    drawing::{lines, titled},
    picture::Picture,
    row::{Body, Height, Room},
};
use crate::flow;

/// Its height with one line for each group, the title included.
const SHORT: u16 = 8;
/// Lines under which it is left out.
const LEAST: u16 = 4;
/// How many entries of a group are shown.
const TOP: usize = 8;
/// Columns of a value.
const VALUE: usize = 6;
/// Columns of a share.
const PERCENT: usize = 4;
/// Columns between two tables.
const GAP: usize = 3;
/// The name of a group before its line.
const NAME: usize = 12;
/// A table lower than this, its head included, shows less than two lines would.
const LEAST_TABLE: usize = 1 + TOP;

struct Group {
    name: &'static str,
    /// The width of its labels as a table; none for what is only ever a line.
    labels: Option<usize>,
    entries: Vec<StatsEntry>,
}

struct StatsEntry {
    label: String,
    value: String,
    percent: Option<String>,
    /// Whether it deserves attention.
    trouble: bool,
}

impl Group {
    fn table_width(&self) -> Option<usize> {
        self.labels.map(|labels| labels + 1 + VALUE + 1 + PERCENT)
    }
}

/// Its height: a line for each group, then tables with nothing left out.
pub fn height(room: &Room) -> Height {
    if room.body != Body::Overview {
        return Height::NONE;
    }
    let groups = groups(room.picture);
    let tables = tables(&groups, room.width.into());
    let rows = if tables > 0 { 1 + TOP } else { 0 };
    Height { least: LEAST, wanted: SHORT, most: (1 + rows + groups.len() - tables) as u16 }
}

/// Groups as tables side by side where the height allows, as a line each below or instead.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let area = titled(frame, area, picture.theme, "Traffic", "");
    let (columns, height) = (usize::from(area.width), usize::from(area.height));
    let groups = groups(picture);
    let mut tables = tables(&groups, columns);
    if height < LEAST_TABLE + groups.len() - tables {
        tables = 0;
    }
    let (as_tables, as_lines) = groups.split_at(tables);
    let mut drawn = Vec::new();
    if tables > 0 {
        drawn = side_by_side(as_tables, (height - as_lines.len()).min(1 + TOP), picture);
    }
    // A line for each group, and what is left over to those that need two.
    let mut spare = height.saturating_sub(drawn.len() + as_lines.len());
    for group in as_lines {
        let flowed = as_line(group, columns, 1 + spare.min(1), picture);
        spare -= flowed.len().saturating_sub(1);
        drawn.extend(flowed);
    }
    lines(frame, area, drawn);
}

/// How many of the groups, from the first on, fit side by side as tables.
fn tables(groups: &[Group], columns: usize) -> usize {
    let mut used = 0;
    groups
        .iter()
        .take_while(|group| {
            let Some(width) = group.table_width() else { return false };
            used += width + if used > 0 { GAP } else { 0 };
            used <= columns
        })
        .count()
}

fn side_by_side(groups: &[Group], height: usize, picture: &Picture) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let mut drawn = vec![Line::default(); height];
    for (at, group) in groups.iter().enumerate() {
        let (labels, width) = (group.labels.unwrap_or_default(), group.table_width().unwrap_or_default());
        for (row, line) in drawn.iter_mut().enumerate() {
            if at > 0 {
                line.push_span(" ".repeat(GAP));
            }
            match (row.checked_sub(1), row.checked_sub(1).and_then(|row| group.entries.get(row))) {
                (None, _) => line.push_span(Span::styled(text::left(group.name, width), theme.head)),
                (_, None) => line.push_span(" ".repeat(width)),
                (_, Some(entry)) => {
                    line.push_span(Span::styled(text::left(&entry.label, labels), theme.label));
                    line.push_span(Span::styled(format!(" {}", text::right(&entry.value, VALUE)), theme.value));
                    let percent = entry.percent.as_deref().unwrap_or_default();
                    line.push_span(Span::styled(format!(" {}", text::right(percent, PERCENT)), theme.dim));
                }
            }
        }
    }
    drawn
}

fn as_line(group: &Group, columns: usize, most: usize, picture: &Picture) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let items = group.entries.iter().map(|entry| {
        let value_style = if entry.trouble { theme.warn } else { theme.value };
        Line::from(vec![
            Span::styled(format!("{} ", entry.label), theme.text),
            Span::styled(entry.value.clone(), value_style),
        ])
    });
    let mut flowed = flow::flow(items.collect(), columns.saturating_sub(NAME), most);
    if flowed.is_empty() {
        flowed.push(Line::styled("none yet", theme.dim));
    }
    for (at, line) in flowed.iter_mut().enumerate() {
        let name = if at == 0 { group.name } else { "" };
        line.spans.insert(0, Span::styled(text::left(name, NAME), theme.label));
    }
    flowed
}

fn groups(picture: &Picture) -> Vec<Group> {
    let snapshot = picture.snapshot;
    let share = |label: String, packets| StatsEntry {
        label,
        value: format::short(packets),
        percent: Some(format::percent_short(packets, snapshot.traffic.packets)),
        trouble: false,
    };
    let port = |port| match port {
        0 => "no port".to_string(),
        port => services::labelled(port, picture.state.options.numeric),
    };
    let protocols = snapshot
        .traffic
        .protocols
        .iter()
        .filter(|(_, packets)| *packets > 0)
        .map(|(key, n)| share(key.label().into(), *n));
    let ports = snapshot
        .ports
        .rows
        .iter()
        .filter(|row| row.packets > 0)
        .take(TOP)
        .map(|row| share(port(row.port), row.packets));
    let mut flags: Vec<_> = snapshot.traffic.tcp_flags.iter().filter(|(_, packets)| *packets > 0).collect();
    order::sort_by_key(&mut flags, |(flags, packets)| (std::cmp::Reverse(*packets), *flags));
    let flags = flags.into_iter().take(TOP).map(|(key, packets)| share(key.to_string(), *packets));
    let sizes = snapshot.traffic.packet_sizes.iter().map(|(key, packets)| share(key.label().into(), *packets));
    vec![
        Group { name: "protocols", labels: Some(6), entries: protocols.collect() },
        Group { name: "dst ports", labels: Some(15), entries: ports.collect() },
        Group { name: "tcp flags", labels: Some(8), entries: flags.collect() },
        Group { name: "sizes", labels: Some(9), entries: sizes.collect() },
        Group { name: "not counted", labels: None, entries: not_counted(picture) },
        Group { name: "not listed", labels: None, entries: not_listed(picture) },
        Group { name: "events", labels: None, entries: events(picture) },
    ]
}

fn not_counted(picture: &Picture) -> Vec<StatsEntry> {
    let accounting = &picture.snapshot.traffic.accounting;
    let blocked = accounting.blocked.packets > 0;
    [
        entry("filtered", format::short(accounting.filtered.packets), false),
        entry("not IP", format::short(accounting.not_ip.packets), false),
        entry("malformed", format::short(accounting.malformed.packets), false),
        entry("martian", format::short(accounting.martian.packets), accounting.martian.packets > 0),
    ]
    .into_iter()
    .chain(blocked.then(|| entry("blocked", format::short(accounting.blocked.packets), true)))
    .collect()
}

/// Counted, but for a source that no table can list: it found no room, or was forgotten since.
fn not_listed(picture: &Picture) -> Vec<StatsEntry> {
    let accounting = &picture.snapshot.traffic.accounting;
    let untracked = accounting.untracked.packets;
    vec![
        entry("untracked", format::short(untracked), untracked > 0),
        entry("evicted", format::short(accounting.evicted.packets), false),
    ]
}

fn entry(label: &str, value: String, trouble: bool) -> StatsEntry {
    StatsEntry { label: label.into(), value, percent: None, trouble }
}

fn events(picture: &Picture) -> Vec<StatsEntry> {
    let sampling = picture.snapshot.monitor.sampling;
    let rate = match sampling.weight {
        0 => entry("sampling", "off".into(), false),
        1 => entry("sampling", "every packet".into(), false),
        weight => entry("sampling", format!("1 in {}", format::count(weight.into(), 9)), false),
    };
    vec![
        rate,
        entry("taken", format::short(sampling.events), false),
        entry("lost", format::short(sampling.lost), sampling.lost > 0),
    ]
}
