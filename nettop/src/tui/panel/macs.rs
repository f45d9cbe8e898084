//! The table of MAC addresses, most packets first.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{View, lines, titled};
use crate::tui::format;

/// How many are shown.
const TOP: usize = 8;

/// How many rows it has.
pub fn rows(view: &View) -> u16 {
    view.snapshot.macs.len().clamp(1, TOP) as u16
}

/// Draws it.
pub fn render(frame: &mut Frame, area: Rect, view: &View) {
    let (snapshot, theme) = (view.snapshot, view.theme);
    let room = usize::from(area.height).saturating_sub(2).min(TOP);
    let more = snapshot.macs.len().saturating_sub(room);
    let note = if more > 0 { format!("{} more", format::count(more as u64, 9)) } else { String::new() };
    let area = titled(frame, area, theme, "MACs", &note);
    let head = format!("{:<17} {:>11} {:>6} {:>6}", "MAC", "Pkts", "PPS", "60s");
    let mut drawn = vec![Line::styled(head, theme.head)];
    drawn.extend(snapshot.macs.iter().take(room).map(|row| {
        Line::from(vec![
            Span::styled(row.mac.to_string(), theme.address),
            Span::styled(format!(" {:>11}", format::count(row.packets, 11)), theme.value),
            Span::styled(format!(" {:>6} {:>6}", format::pps(row.pps), format::pps(row.pps_60s)), theme.text),
        ])
    }));
    lines(frame, area, drawn);
}
