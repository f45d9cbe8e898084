//! The most telling prefixes of the sources, most packets first.

use nettop_model::format;
use ratatui::{Frame, layout::Rect};

use super::{
    picture::Picture,
    ranked::{self, COUNT, PLACES, TOP, numbers, ranked},
    row::{Height, Room},
};

/// From this width on it stands beside countries and networks.
pub const BESIDE_FROM: u16 = 140;

/// As many lines as `ranked::height` says for the prefixes and one row for what is untracked.
pub fn height(room: &Room) -> Height {
    let (top_prefixes, accounting) = (&room.picture.snapshot.prefixes.top, &room.picture.snapshot.traffic.accounting);
    let rows = top_prefixes.len() + usize::from(accounting.untracked.packets > 0);
    ranked::height(room, rows, room.screen.width >= BESIDE_FROM)
}

/// A row for each prefix: sources, packets, packets per second.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let (top_prefixes, accounting) = (&picture.snapshot.prefixes.top, &picture.snapshot.traffic.accounting);
    let mut rows: Vec<_> = top_prefixes.iter().map(|row| (row.prefix.to_string(), numbers(&row.sums))).collect();
    // What came from nobody knows where, in a flood: above what would not be seen any more.
    if accounting.untracked.packets > 0 {
        let untracked = format::count(accounting.untracked.packets, COUNT);
        rows.insert(rows.len().min(TOP - 1), ("untracked".into(), [String::new(), untracked, String::new()]));
    }
    let rows = rows.into_iter();
    ranked(frame, area, picture, ("Prefixes", "Prefix"), PLACES, rows);
}
