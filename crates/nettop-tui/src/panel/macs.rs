//! The MAC addresses, most packets first.

use nettop_model::format;
use ratatui::{Frame, layout::Rect};

use super::{
    Picture,
    ranked::{COUNT, SHORT, TOP, ranked},
};

/// How many rows it has.
pub fn rows(picture: &Picture) -> u16 {
    picture.snapshot.macs.rows.len().clamp(1, TOP) as u16
}

/// Draws it.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let rows = picture.snapshot.macs.rows.iter().map(|row| {
        let name = row.mac.to_string();
        (name, [format::count(row.packets, COUNT), format::pps(row.pps), format::pps(row.pps_60s)])
    });
    ranked(frame, area, picture, ("MACs", "MAC"), [("Pkts", COUNT), ("PPS", SHORT), ("60s", SHORT)], rows);
}
