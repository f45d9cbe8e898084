//! The networks (autonomous systems) of the sources, most packets first.

use nettop_model::format;
use ratatui::{Frame, layout::Rect};

use super::{
    Picture,
    ranked::{PLACES, TOP, numbers, ranked},
};

/// How many rows it has.
pub fn rows(picture: &Picture) -> u16 {
    picture.snapshot.places.networks.len().min(TOP) as u16
}

/// Draws it.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let rows = picture.snapshot.places.networks.iter().map(|row| {
        let name = format::network(row.asn, &row.org);
        (name, numbers(&row.sums))
    });
    ranked(frame, area, picture, ("Networks", "Network"), PLACES, rows);
}
