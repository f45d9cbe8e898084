//! The countries of the sources, most packets first.

use nettop_model::format;
use ratatui::{Frame, layout::Rect};

use super::{
    Picture,
    ranked::{PLACES, TOP, numbers, ranked},
};

/// How many rows it has.
pub fn rows(picture: &Picture) -> u16 {
    picture.snapshot.places.countries.len().min(TOP) as u16
}

/// Draws it.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let rows = picture.snapshot.places.countries.iter().map(|row| {
        let name = format::country(row.country_code, &row.country, picture.theme.flags);
        (name, numbers(&row.sums))
    });
    ranked(frame, area, picture, ("Countries", "Country"), PLACES, rows);
}
