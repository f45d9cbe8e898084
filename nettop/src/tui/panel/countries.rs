//! The countries of the sources, most packets first.

use ratatui::{Frame, layout::Rect};

use super::{PLACES, View, numbers, ranked};
use crate::tui::format;

/// How many rows it has.
pub fn rows(view: &View) -> u16 {
    view.snapshot.countries.len().min(super::TOP) as u16
}

/// Draws it.
pub fn render(frame: &mut Frame, area: Rect, view: &View) {
    let rows = view.snapshot.countries.iter().map(|row| {
        let name = format::country(row.country_code, &row.country, view.theme.flags);
        (name, numbers(&row.sums))
    });
    ranked(frame, area, view, ("Countries", "Country"), PLACES, rows);
}
