//! The MAC addresses, most packets first.

use nettop_model::format;
use ratatui::{Frame, layout::Rect};

use super::{
    picture::Picture,
    ranked::{COUNT, FRAME, SHORT, TOP, ranked},
    row::{Body, Height, Room},
};

/// Its height; beside the traffic it grows only with it.
pub fn height(room: &Room) -> Height {
    let rows = room.picture.snapshot.macs.rows.len().clamp(1, TOP) as u16;
    match room.body {
        Body::Overview if room.is_stacked() => {
            Height { least: FRAME + rows.min(3), wanted: FRAME + rows, most: FRAME + rows }
        }
        Body::Overview => Height { most: FRAME + rows, ..Height::NONE },
        _ => Height::NONE,
    }
}

/// A row for each MAC address: packets, packets per second now and over 60 s.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let rows = picture.snapshot.macs.rows.iter().map(|row| {
        let name = row.mac.to_string();
        (name, [format::count(row.packets, COUNT), format::pps(row.pps), format::pps(row.pps_60s)])
    });
    ranked(frame, area, picture, ("MACs", "MAC"), [("Pkts", COUNT), ("PPS", SHORT), ("60s", SHORT)], rows);
}
