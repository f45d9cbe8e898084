//! The most telling prefixes of the sources, most packets first.

use ratatui::{Frame, layout::Rect};

use super::{PLACES, View, numbers, ranked};

/// How many rows it has.
pub fn rows(view: &View) -> u16 {
    view.snapshot.top_prefixes.len().min(super::TOP) as u16
}

/// Draws it.
pub fn render(frame: &mut Frame, area: Rect, view: &View) {
    let rows = view.snapshot.top_prefixes.iter().map(|row| (row.prefix.to_string(), numbers(&row.sums)));
    ranked(frame, area, view, ("Prefixes", "Prefix"), PLACES, rows);
}
