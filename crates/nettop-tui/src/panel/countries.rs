//! The countries of the sources, most packets first.

use nettop_model::{format, snapshot::Places};
use ratatui::{Frame, layout::Rect};

use super::{
    picture::Picture,
    ranked::{self, PLACES, numbers, ranked},
    row::{Height, Room},
};

/// Its height: rows for the longer one of countries and networks, which end on the same line.
pub fn height(room: &Room) -> Height {
    let Places { countries, networks, .. } = &room.picture.snapshot.places;
    ranked::height(room, countries.len().max(networks.len()), !room.is_stacked())
}

/// A row for each country: sources, packets, packets per second.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let rows = picture.snapshot.places.countries.iter().map(|row| {
        let name = format::country(row.country_code, &row.country, picture.theme.flags);
        (name, numbers(&row.sums))
    });
    ranked(frame, area, picture, ("Countries", "Country"), PLACES, rows);
}
