//! The networks (autonomous systems) of the sources, most packets first.

use ratatui::{Frame, layout::Rect};

use super::{PLACES, View, numbers, ranked};
use crate::tui::format;

/// How many rows it has.
pub fn rows(view: &View) -> u16 {
    view.snapshot.networks.len().min(super::TOP) as u16
}

/// Draws it.
pub fn render(frame: &mut Frame, area: Rect, view: &View) {
    let rows = view.snapshot.networks.iter().map(|row| {
        let name = format::network(row.asn, &row.org);
        (name, numbers(&row.sums))
    });
    ranked(frame, area, view, ("Networks", "Network"), PLACES, rows);
}
