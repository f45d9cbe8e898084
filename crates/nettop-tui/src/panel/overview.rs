//! The lines of the overview that the table keeps, whatever else is shown: the table and the chart above it ask.

use super::{alerts, picture::Picture, row::Room};

/// Lines of the heads of the columns.
pub const HEAD: u16 = 1;
/// Rows that are granted before any other panel, with a chart.
pub const FIRST_BESIDE_CHART: u16 = 10;

/// Rows of the overview, as set.
pub fn rows(picture: &Picture) -> u16 {
    u16::try_from(picture.snapshot.meta.runtime.top).unwrap_or(u16::MAX).clamp(1, 500)
}

/// Lines that the chart leaves: rows that stay, and alerts that are granted before the chart.
pub fn beside_chart(room: &Room) -> u16 {
    HEAD + rows(room.picture).min(FIRST_BESIDE_CHART) + alerts::height(room).wanted
}
