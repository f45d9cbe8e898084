//! The networks (autonomous systems) of the sources, most packets first.

use nettop_model::format;
use ratatui::{Frame, layout::Rect};

use super::{
    countries,
    picture::Picture,
    ranked::{PLACES, numbers, ranked},
    row::{Height, Room},
};

/// From this width on the countries leave room for it beside them.
pub const FROM: u16 = 78;

/// Its height: on a narrow screen there are only the countries.
pub fn height(room: &Room) -> Height {
    if room.screen.width < FROM { Height::NONE } else { countries::height(room) }
}

/// A row for each network: sources, packets, packets per second.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let rows = picture.snapshot.places.networks.iter().map(|row| {
        let name = format::network(row.asn, &row.org);
        (name, numbers(&row.sums))
    });
    ranked(frame, area, picture, ("Networks", "Network"), PLACES, rows);
}
