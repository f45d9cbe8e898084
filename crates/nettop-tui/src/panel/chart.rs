//! The chart above the table of the sources: packets and bytes per second over the last minute or the last ten.

use nettop_model::{
    format::{self, Units},
    snapshot::RatePoint,
};
use nettop_views::{text, view::SOURCES};
use ratatui::{Frame, layout::Rect, style::Style};

use super::{
    drawing::titled,
    overview,
    picture::Picture,
    row::{Body, Height, RULE, Room},
};
use crate::chart::{
    area, scale,
    span::{self, Span},
};

/// The smallest screen with a chart, in columns and lines.
pub const FROM: (u16, u16) = (100, 35);
/// The time axis, in lines.
const AXIS: u16 = 1;
/// Lines of the least and of the wanted chart; one line of the chart at most for so many of the screen.
const LEAST: u16 = RULE + 5 + AXIS;
const WANTED: u16 = RULE + 8 + AXIS;
const PART: u16 = 4;
/// Columns from which on packets and bytes stand side by side; lines from which on they stand one below the other.
const BESIDE_FROM: u16 = 120;
const BELOW_FROM: u16 = 2 * LEAST;
/// Columns between two charts side by side, and between a scale and its chart.
const GUTTER: u16 = 2;
const GAP: u16 = 1;

/// Its height: none on small screens, and never so much that the table has too few rows.
pub fn height(room: &Room) -> Height {
    if !is_shown(room) {
        return Height::NONE;
    }
    let most = room.screen.height / PART;
    let wanted = if room.width < BESIDE_FROM { BELOW_FROM } else { WANTED };
    Height { least: LEAST, wanted: wanted.min(most), most }
}

/// Whether there is a chart.
pub fn is_shown(room: &Room) -> bool {
    let (state, screen) = (room.picture.state, room.screen);
    let is_open = state.view == SOURCES && matches!(room.body, Body::Overview | Body::Table);
    let has_room =
        screen.width >= FROM.0 && screen.height >= FROM.1 && room.height >= LEAST + overview::beside_chart(room);
    is_open && state.chart != Span::Off && has_room
}

/// Two charts, of packets and of bits per second: side by side, one below the other, or the first alone.
///
/// ```text
/// ── Packets per second ── now 3.14M ──  ── Bits per second ── now 1.61 Gbit/s ──
/// 4.00M          ▼ peak 3.14M            2.00 Gbit/s      ▼ peak 1.61 Gbit/s
/// 2.00M      ⣀⣤⣶⣿⣿⣶                      1.00 Gbit/s  ⣀⣤⣶⣿⣿⣶
///     0  ⣀⣤⣶⣿⣿⣿⣿⣿⣿⣿                            0 bit/s ⣿⣿⣿⣿⣿⣿⣿
///       60s ─── 30s !!! now                          60s ─── 30s !!! now
/// ```
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    if area.width >= BESIDE_FROM {
        let width = (area.width - GUTTER) / 2;
        draw(frame, Rect { width, ..area }, picture, Measure::Packets);
        let x = area.x + width + GUTTER;
        draw(frame, Rect { x, width: area.right() - x, ..area }, picture, Measure::Bytes);
    } else if area.height >= BELOW_FROM {
        let height = area.height / 2;
        draw(frame, Rect { height, ..area }, picture, Measure::Packets);
        draw(frame, Rect { y: area.y + height, height: area.height - height, ..area }, picture, Measure::Bytes);
    } else {
        draw(frame, area, picture, Measure::Packets);
    }
}

/// What a chart is of.
#[derive(Clone, Copy)]
enum Measure {
    Packets,
    Bytes,
}

impl Measure {
    const fn of(self) -> fn(&RatePoint) -> f32 {
        match self {
            Self::Packets => |pace| pace.pps,
            Self::Bytes => |pace| pace.bps,
        }
    }

    const fn title(self, units: Units) -> &'static str {
        match (self, units) {
            (Self::Packets, _) => "Packets per second",
            (Self::Bytes, Units::Bits) => "Bits per second",
            (Self::Bytes, Units::Binary | Units::Decimal) => "Bytes per second",
        }
    }

    fn text(self, value: f64, units: Units) -> String {
        match self {
            Self::Packets => format::pps(value),
            Self::Bytes => units.rate(value),
        }
    }

    /// The value of the highest row of dots: a round number in the units it is written in.
    fn top(self, peak: f64, units: Units, height: usize) -> f64 {
        match (self, units) {
            (Self::Packets, _) => scale::top(peak, 1000.0, 10.0, height),
            (Self::Bytes, Units::Bits) => scale::top(peak * 8.0, 1000.0, 1000.0, height) / 8.0,
            (Self::Bytes, Units::Decimal) => scale::top(peak, 1000.0, 1000.0, height),
            (Self::Bytes, Units::Binary) => scale::top(peak, 1024.0, 1024.0, height),
        }
    }
}

/// Draws one chart, with its rule, its scale and its time axis.
fn draw(frame: &mut Frame, area: Rect, picture: &Picture, measure: Measure) {
    let (state, theme, units) = (picture.state, picture.theme, picture.state.units);
    let values = state.chart.values(&picture.snapshot.traffic.history, measure.of());
    let peak = area::peak(&values);
    let height = usize::from(area.height.saturating_sub(RULE + AXIS));
    let highest = peak.map_or(0.0, |at| f64::from(values[at]));
    let top = measure.top(highest, units, height);

    let rest = titled(frame, area, theme, measure.title(units), &note(picture, measure, &values, area.width));
    let marks: Vec<_> = scale::marks(top, height).map(|(row, value)| (row, measure.text(value, units))).collect();
    let labels = marks.iter().map(|(_, label)| text::width(label)).max().unwrap_or_default() as u16;
    let Some(width) = rest.width.checked_sub(labels + GAP) else { return };
    let plot = Rect { x: rest.x + labels + GAP, width, height: rest.height.saturating_sub(AXIS), ..rest };
    let columns = usize::from(width);
    let attention = &state.attention;
    let alerts = picture.snapshot.alerts.iter().filter(|alert| !attention.is_muted(alert));
    let floods = state.chart.floods(alerts, picture.snapshot.meta.now_ns);

    let buffer = frame.buffer_mut();
    for (row, label) in marks.iter().filter(|(row, _)| *row < height) {
        let label = text::right(label, labels.into());
        buffer.set_string(rest.x, plot.bottom() - 1 - *row as u16, label, theme.label);
    }
    let style =
        |flood: Style, calm: Style| move |cell| if span::is_flood(floods, cell, columns) { flood } else { calm };
    let mut write = |y: u16, row: &str, style: &dyn Fn(usize) -> Style| {
        for ((cell, character), x) in row.chars().enumerate().zip(plot.x..plot.right()) {
            if character != ' ' {
                buffer[(x, y)].set_char(character).set_style(style(cell));
            }
        }
    };
    let dots = style(theme.flood, theme.bar);
    for (row, y) in area::rows(&values, top, columns, height).iter().zip(plot.y..) {
        write(y, row, &dots);
    }
    write(plot.bottom(), &state.chart.axis(floods, columns), &style(theme.alarm, theme.rule));
    if let Some(at) = peak {
        let row = (area::row_of(highest, top, height) + 1).min(height.saturating_sub(1));
        let cell = area::cell_of(at, columns) as u16;
        let text = measure.text(highest, units);
        let (before, behind) = (format!("peak {text} ▼"), format!("▼ peak {text}"));
        let room = usize::from(width - cell);
        let (x, text) = if text::width(&behind) <= room {
            (cell, behind)
        } else {
            ((cell + 1).saturating_sub(text::width(&before) as u16), before)
        };
        buffer.set_stringn(plot.x + x, plot.bottom() - 1 - row as u16, text, columns - usize::from(x), theme.value);
    }
}

/// The newest value, and what the key does next, where there is room for both.
fn note(picture: &Picture, measure: Measure, values: &area::Values, width: u16) -> String {
    let state = picture.state;
    let newest = values.last().filter(|value| value.is_finite());
    let now = newest.map(|value| format!("now {}", measure.text(f64::from(*value), state.units))).unwrap_or_default();
    let next = format!("{}: {}", state.keys().first("chart"), state.chart.next().label());
    let both = format!("{now}, {next}");
    // The rule before and between title and note, and behind it.
    let room = usize::from(width).saturating_sub(text::width(measure.title(state.units)) + 8);
    if matches!(measure, Measure::Packets) && !now.is_empty() && text::width(&both) <= room { both } else { now }
}
