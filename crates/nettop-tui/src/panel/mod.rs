//! The panels: one file each, and one row each in [`PANELS`].

pub mod alert;
pub mod alerts;
pub mod block;
pub mod chart;
pub mod columns;
pub mod control;
pub mod countries;
pub mod degraded;
pub mod detail;
mod drawing;
pub mod footer;
pub mod header;
pub mod help;
pub mod hooks;
pub mod log_lines;
pub mod macs;
pub mod networks;
pub mod offenders;
mod overview;
pub mod own;
pub mod picture;
pub mod prefixes;
mod ranked;
pub mod row;
pub mod stats;
pub mod subject;
pub mod table;
pub mod tabs;
pub mod views;
pub mod waiting;

use ratatui::{Frame, layout::Rect};

pub use self::picture::Picture;
use self::row::{Height, Rank, Room, STACK_BELOW, Stands, Width};

/// One panel. [`crate::layout`] finds its area from this row alone.
#[derive(Debug)]
pub struct Panel {
    /// Its name.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub about: &'static str,
    /// Where it stands.
    pub stands: Stands,
    /// The order in which it gets lines; the highest rank gives way first.
    pub rank: Rank,
    /// Its least, wanted and most lines in a room.
    pub height: fn(&Room) -> Height,
    /// Draws it.
    pub render: fn(&mut Frame, Rect, &Picture),
}

/// Every panel, from top to bottom, and of those side by side from left to right.
pub const PANELS: &[Panel] = &[
    Panel {
        name: "header",
        about: "live, paused or demo; floods that last; what is watched; totals, rates, and where every packet went",
        stands: Stands::Top,
        rank: Rank::of(0),
        height: header::height,
        render: header::render,
    },
    Panel {
        name: "degraded",
        about: "badges for what does not work as it should; the help has the reasons and the remedies",
        stands: Stands::Top,
        rank: Rank::of(3),
        height: degraded::height,
        render: degraded::render,
    },
    Panel {
        name: "tabs",
        about: "the views and their keys; how many rows the open one has, and their order",
        stands: Stands::Top,
        rank: Rank::of(4),
        height: tabs::height,
        render: tabs::render,
    },
    Panel {
        name: "waiting",
        about: "until the first packet: the interfaces, the filter, and what was rejected so far",
        stands: Stands::Across,
        rank: Rank::of(0),
        height: waiting::height,
        render: waiting::render,
    },
    Panel {
        name: "chart",
        about: "packets and bytes per second over the last minute or ten, their peaks, and when floods lasted",
        stands: Stands::Across,
        rank: Rank::steps([15, 65, 85]),
        height: chart::height,
        render: chart::render,
    },
    Panel {
        name: "block",
        about: "what a block would drop now, what guards say, and commands for firewalls, while it is asked for",
        stands: Stands::Across,
        rank: Rank::of(0),
        height: block::height,
        render: block::render,
    },
    Panel {
        name: "offenders",
        about: "requests and newcomers per second, who has most requests and connections, what blocks drop, above those who are in logs",
        stands: Stands::Across,
        rank: Rank::of(60),
        height: offenders::height,
        render: offenders::render,
    },
    Panel {
        name: "table",
        about: "the rows of the open view, as filtered and sorted",
        stands: Stands::Across,
        rank: Rank { stacked: [0, 30, 80], beside: [0, 50, 90] },
        height: table::height,
        render: table::render,
    },
    Panel {
        name: "log lines",
        about: "the newest lines of logs beside those who are in them: all, or those of the selected address",
        stands: Stands::With("table", 4, 110),
        rank: Rank::of(90),
        height: log_lines::height,
        render: log_lines::render,
    },
    Panel {
        name: "detail",
        about: "everything known of one source, destination, port or prefix: charts, sampled detail, alerts",
        stands: Stands::Across,
        rank: Rank::of(90),
        height: detail::height,
        render: detail::render,
    },
    Panel {
        name: "alert",
        about: "one alert: what, whom, since when, how hard, its parts, from where, what it rests on, what to do",
        stands: Stands::Across,
        rank: Rank::of(0),
        height: alert::height,
        render: alert::render,
    },
    Panel {
        name: "columns",
        about: "the columns of the open view, to choose from",
        stands: Stands::Across,
        rank: Rank::of(0),
        height: columns::height,
        render: columns::render,
    },
    Panel {
        name: "views",
        about: "every view, with its key and what it shows",
        stands: Stands::Across,
        rank: Rank::of(0),
        height: views::height,
        render: views::render,
    },
    Panel {
        name: "hooks",
        about: "what the operator has prepared to run on a row, and what the last one printed",
        stands: Stands::Across,
        rank: Rank::of(0),
        height: hooks::height,
        render: hooks::render,
    },
    Panel {
        name: "help",
        about: "what is degraded and why, every key, the views, the filter",
        stands: Stands::Across,
        rank: Rank::of(0),
        height: help::height,
        render: help::render,
    },
    Panel {
        name: "alerts",
        about: "what the rules found: floods first, then what else lasts, then the newest",
        stands: Stands::Across,
        rank: Rank { stacked: [10, 10, 40], beside: [10, 10, 60] },
        height: alerts::height,
        render: alerts::render,
    },
    Panel {
        name: "traffic",
        about: "protocols, destination ports, TCP flags, packet sizes, what was not counted, sampling",
        stands: Stands::Beside(Width::Share(10, 110), &[]),
        rank: Rank { stacked: [20, 20, 90], beside: [20, 20, 80] },
        height: stats::height,
        render: stats::render,
    },
    Panel {
        name: "macs",
        about: "the MAC addresses with the most packets",
        stands: Stands::Beside(Width::Fixed(44), &[(STACK_BELOW, "traffic")]),
        rank: Rank::of(70),
        height: macs::height,
        render: macs::render,
    },
    Panel {
        name: "countries",
        about: "the countries of the sources: how many sources, packets, pps",
        stands: Stands::Beside(Width::Share(4, 50), &[]),
        rank: Rank { stacked: [50; 3], beside: [30, 30, 70] },
        height: countries::height,
        render: countries::render,
    },
    Panel {
        name: "networks",
        about: "the networks of the sources, by AS number: how many sources, packets, pps",
        stands: Stands::Beside(Width::Share(10, 72), &[(networks::FROM, "countries")]),
        rank: Rank::of(50),
        height: networks::height,
        render: networks::render,
    },
    Panel {
        name: "prefixes",
        about: "the prefixes that the sources share, each at the length that tells most: how many sources, packets, pps",
        stands: Stands::Beside(Width::Fixed(46), &[(prefixes::BESIDE_FROM, "countries")]),
        rank: Rank { stacked: [60; 3], beside: [40; 3] },
        height: prefixes::height,
        render: prefixes::render,
    },
    Panel {
        name: "self",
        about: "what the monitor itself costs: time per packet, ticks, CPU, memory",
        stands: Stands::Beside(Width::Fixed(40), &[(198, "traffic"), (STACK_BELOW, "prefixes")]),
        rank: Rank::of(100),
        height: own::height,
        render: own::render,
    },
    Panel {
        name: "control",
        about: "what is counted and what is shown of it, the newest message, or the prompt",
        stands: Stands::Bottom,
        rank: Rank::of(2),
        height: control::height,
        render: control::render,
    },
    Panel {
        name: "footer",
        about: "the keys that work here, and the clock",
        stands: Stands::Bottom,
        rank: Rank::of(1),
        height: footer::height,
        render: footer::render,
    },
];
