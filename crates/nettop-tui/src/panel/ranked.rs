//! Panels of names with numbers, most important first: the first rows of the views beside the sources.

use nettop_model::{format, snapshot::Sums};
use nettop_views::text;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    drawing::{lines, titled},
    picture::Picture,
    row::{Body, Height, Room},
};

/// Lines of the rule and the head.
pub const FRAME: u16 = 2;
/// Rows of a ranked panel.
pub const TOP: usize = 8;
/// Columns of a count that keeps its digits, and of one that may be shortened.
pub const COUNT: usize = 11;
/// See above.
pub const SHORT: usize = 6;

/// The height of a ranked panel in the overview: two rows at least, four wanted, and up to eight if `all`.
pub fn height(room: &Room, rows: usize, all: bool) -> Height {
    let frame = |most: u16| match rows.min(TOP) as u16 {
        0 => 0,
        rows => FRAME + rows.min(most),
    };
    match room.body {
        Body::Overview => Height { least: frame(2), wanted: frame(4), most: frame(if all { u16::MAX } else { 4 }) },
        _ => Height::NONE,
    }
}

/// Draws a panel of names with numbers, most important first, and how many there are besides. `head`: the titles of the
/// numbers and their widths, the name's own title apart; each row has as many.
pub fn ranked<const N: usize>(
    frame: &mut Frame,
    area: Rect,
    picture: &Picture,
    (title, name): (&str, &str),
    head: [(&str, usize); N],
    rows: impl ExactSizeIterator<Item = (String, [String; N])>,
) {
    let theme = picture.theme;
    let room = usize::from(area.height).saturating_sub(2).min(TOP);
    let more = rows.len().saturating_sub(room);
    let note = if more > 0 { format!("{} more", format::count(more as u64, 9)) } else { String::new() };
    let area = titled(frame, area, theme, title, &note);
    let numbers: usize = head.iter().map(|(_, width)| width + 1).sum();
    let names = usize::from(area.width).saturating_sub(numbers);
    let line = |name: &str, name_style, cells: [&str; N], style| {
        let mut spans = vec![Span::styled(text::left(name, names), name_style)];
        spans.extend(cells.iter().zip(head).map(|(cell, (_, width))| Span::styled(format!(" {cell:>width$}"), style)));
        Line::from(spans)
    };
    let mut drawn = vec![line(name, theme.head, head.map(|(title, _)| title), theme.head)];
    drawn.extend(
        rows.take(room)
            .map(|(name, cells)| line(&name, theme.address, cells.each_ref().map(String::as_str), theme.text)),
    );
    lines(frame, area, drawn);
}

/// The numbers of a ranked panel of places.
pub const PLACES: [(&str, usize); 3] = [("IPs", SHORT), ("Pkts", COUNT), ("PPS", SHORT)];

/// What stands in their columns.
pub fn numbers(sums: &Sums) -> [String; 3] {
    [format::short(sums.ips), format::count(sums.packets, COUNT), format::pps(sums.pps)]
}
