//! The panels: one file each, and one row each in [`PANELS`].

pub mod alerts;
pub mod columns;
pub mod control;
pub mod countries;
pub mod degraded;
pub mod detail;
pub mod footer;
pub mod header;
pub mod help;
pub mod macs;
pub mod networks;
pub mod own;
pub mod prefixes;
mod ranked;
pub mod stats;
pub mod subject;
pub mod table;
pub mod tabs;
pub mod waiting;

use nettop_model::{
    format,
    snapshot::{FilterView, Snapshot},
};
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{
    action::layer,
    ascii, flags,
    layout::{self, Areas, Body, Needs},
    state::State,
    text,
    theme::Theme,
    view::SOURCES,
};

/// All that a panel may know.
#[derive(Clone, Copy)]
pub struct Picture<'a> {
    /// What was counted.
    pub snapshot: &'a Snapshot,
    /// What the screen remembers.
    pub state: &'a State,
    /// How it looks.
    pub theme: &'a Theme,
    /// The time of day, as Unix seconds.
    pub unix_seconds: u64,
}

/// One panel.
pub struct Panel {
    /// Its name.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub about: &'static str,
    /// Where it stands.
    pub area: fn(&Areas) -> Rect,
    /// Draws it.
    pub render: fn(&mut Frame, Rect, &Picture),
}

/// Every panel, from top to bottom.
pub const PANELS: &[Panel] = &[
    Panel {
        name: "header",
        about: "live, paused or demo; floods that last; what is watched; totals, rates, and where every packet went",
        area: |areas| areas.header,
        render: header::render,
    },
    Panel {
        name: "degraded",
        about: "badges for what does not work as it should; the help has the reasons and the remedies",
        area: |areas| areas.degraded,
        render: degraded::render,
    },
    Panel {
        name: "tabs",
        about: "the views and their keys; how many rows the open one has, and their order",
        area: |areas| areas.tabs,
        render: tabs::render,
    },
    Panel {
        name: "waiting",
        about: "until the first packet: the interfaces, the filter, and what was rejected so far",
        area: |areas| areas.waiting,
        render: waiting::render,
    },
    Panel {
        name: "table",
        about: "the rows of the open view, as filtered and sorted",
        area: |areas| areas.table,
        render: table::render,
    },
    Panel {
        name: "detail",
        about: "everything known of one source, destination, port or prefix: charts, sampled detail, alerts",
        area: |areas| areas.detail,
        render: detail::render,
    },
    Panel {
        name: "columns",
        about: "the columns of the open view, to choose from",
        area: |areas| areas.columns,
        render: columns::render,
    },
    Panel {
        name: "help",
        about: "what is degraded and why, every key, the views, the filter",
        area: |areas| areas.help,
        render: help::render,
    },
    Panel {
        name: "alerts",
        about: "what the rules found: floods first, then what else lasts, then the newest",
        area: |areas| areas.alerts,
        render: alerts::render,
    },
    Panel {
        name: "traffic",
        about: "protocols, destination ports, TCP flags, packet sizes, what was not counted, sampling",
        area: |areas| areas.stats,
        render: stats::render,
    },
    Panel {
        name: "countries",
        about: "the countries of the sources: how many sources, packets, pps",
        area: |areas| areas.countries,
        render: countries::render,
    },
    Panel {
        name: "networks",
        about: "the networks of the sources, by AS number: how many sources, packets, pps",
        area: |areas| areas.networks,
        render: networks::render,
    },
    Panel {
        name: "prefixes",
        about: "the prefixes that the sources share, each at the length that tells most: how many sources, packets, pps",
        area: |areas| areas.prefixes,
        render: prefixes::render,
    },
    Panel {
        name: "macs",
        about: "the MAC addresses with the most packets",
        area: |areas| areas.macs,
        render: macs::render,
    },
    Panel {
        name: "self",
        about: "what the monitor itself costs: time per packet, ticks, CPU, memory",
        area: |areas| areas.own,
        render: own::render,
    },
    Panel {
        name: "control",
        about: "what is counted and what is shown of it, the newest message, or the prompt",
        area: |areas| areas.control,
        render: control::render,
    },
    Panel {
        name: "footer",
        about: "the keys that work here, and the clock",
        area: |areas| areas.footer,
        render: footer::render,
    },
];

/// Where the panels stand.
pub fn areas(picture: &Picture, screen: Rect) -> Areas {
    let (state, snapshot) = (picture.state, picture.snapshot);
    let body = match state.layer() {
        layer::HELP => Body::Help,
        layer::COLUMNS => Body::Columns,
        layer::DETAIL => Body::Detail,
        _ if state.view != SOURCES => Body::Table,
        _ if snapshot.traffic.packets == 0 => Body::Waiting,
        _ if state.without_panels => Body::Table,
        _ => Body::Overview,
    };
    let needs = Needs {
        body,
        header: header::height(picture, screen.width),
        degraded: degraded::height(picture),
        sources: u16::try_from(snapshot.meta.runtime.top).unwrap_or(u16::MAX).clamp(1, 500),
        places: countries::rows(picture).max(networks::rows(picture)),
        prefixes: prefixes::rows(picture),
        own: own::HEIGHT,
        alerts: alerts::height(picture, screen.width),
        alarms: alerts::alarm_height(picture, screen.width),
        macs: macs::rows(picture),
        stats_short: stats::SHORT,
        stats_full: stats::height(picture, layout::stats_width(screen.width)),
    };
    layout::areas(screen, &needs)
}

/// Draws the whole screen.
pub fn draw(frame: &mut Frame, picture: &Picture) {
    let screen = frame.area();
    let areas = areas(picture, screen);
    for panel in PANELS {
        let area = (panel.area)(&areas).intersection(screen);
        if !area.is_empty() {
            (panel.render)(frame, area, picture);
        }
    }
    if picture.state.options.ascii {
        ascii::reduce(frame.buffer_mut());
    }
    flags::split(frame.buffer_mut());
}

/// Of these lines those that can be seen, when the first is to be `top`, as far as there are so many.
fn scrolled(lines: Vec<Line<'static>>, top: usize, room: usize) -> Vec<Line<'static>> {
    let top = top.min(lines.len().saturating_sub(room));
    lines.into_iter().skip(top).collect()
}

/// Draws lines from the top of an area, each cut to its width.
fn lines(frame: &mut Frame, area: Rect, lines: Vec<Line<'static>>) {
    let columns = usize::from(area.width);
    let cut: Vec<_> = lines.into_iter().take(area.height.into()).map(|line| text::cut_line(line, columns)).collect();
    frame.render_widget(Paragraph::new(cut), area);
}

/// Draws a rule with the panel's title on the first line, and a note at its right end; returns what is left.
fn titled(frame: &mut Frame, area: Rect, theme: &Theme, title: &str, note: &str) -> Rect {
    let columns = usize::from(area.width);
    let mut spans = vec![Span::styled("── ", theme.rule), Span::styled(format!("{title} "), theme.title)];
    let used: usize = spans.iter().map(Span::width).sum();
    let note = if note.is_empty() { String::new() } else { format!(" {note} ──") };
    match columns.checked_sub(used + text::width(&note)) {
        Some(fill) => {
            spans.push(Span::styled("─".repeat(fill), theme.rule));
            spans.push(Span::styled(note, theme.dim));
        }
        // Without room for the note, the rule alone.
        None => spans.push(Span::styled("─".repeat(columns.saturating_sub(used)), theme.rule)),
    }
    lines(frame, Rect { height: 1, ..area }, vec![Line::from(spans)]);
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}

/// A value and what it is.
fn labelled(value: impl Into<String>, value_style: Style, label: &'static str, theme: &Theme) -> Line<'static> {
    Line::from(vec![Span::styled(value.into(), value_style), Span::styled(format!(" {label}"), theme.label)])
}

/// What is watched, in words: `any`, or the text of the filter made safe.
fn or_any(text: &str) -> String {
    match text {
        "" | "0.0.0.0" | "::" | "0" => "any".into(),
        text => format::visible(text),
    }
}

/// The parts of the filter, each in at most `room` columns; those in force have their own style.
fn filter_items(filter: &FilterView, theme: &Theme, room: usize) -> Vec<Line<'static>> {
    [("dst", &filter.dst), ("ports", &filter.port), ("src", &filter.src), ("proto", &filter.protocols.join(","))]
        .into_iter()
        .map(|(name, text)| {
            let text = text::cut(&or_any(text), room);
            let style = if text == "any" { theme.dim } else { theme.warn };
            Line::from(vec![Span::styled(format!("{name} "), theme.label), Span::styled(text, style)])
        })
        .collect()
}
