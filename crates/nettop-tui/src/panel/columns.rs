//! The list of columns: which are wanted, how wide, and what they show.

use nettop_views::text;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    drawing::{lines, scrolled, titled},
    picture::Picture,
    row::{Body, Height, Room},
};

/// Cells of a name, and of a width.
const NAME: usize = 12;
const WIDTH: usize = 4;

/// All lines between tabs and control while the list of columns is open, else none.
pub fn height(room: &Room) -> Height {
    room.rest_if(Body::Columns)
}

/// A line for each column of the view: whether it is shown, its width in cells, what it is.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let (state, theme) = (picture.state, picture.theme);
    let area = titled(
        frame,
        area,
        theme,
        &format!("Columns of {}", state.listing().name()),
        &format!(
            "{}: show or not  {} {}: width",
            state.keys().first("choose"),
            state.keys().first("narrower"),
            state.keys().first("wider")
        ),
    );
    let cursor = state.columns.unwrap_or_default();
    let heads = state.listing().heads();
    let room = usize::from(area.height);
    let drawn = heads.iter().enumerate().map(|(at, head)| {
        let sign = if state.table().without.contains(&at) { "[ ] " } else { "[x] " };
        let width = state.table().widths.get(&at).map_or("auto".into(), u16::to_string);
        let name = format!("{sign}{} {}", text::left(head.title, NAME), text::right(&width, WIDTH));
        if at == cursor {
            return Line::styled(text::left(&format!("{name} {}", head.help), area.width.into()), theme.selected);
        }
        Line::from(vec![Span::styled(name, theme.value), Span::styled(format!(" {}", head.help), theme.text)])
    });
    let first = (cursor + 1).saturating_sub(room);
    lines(frame, area, scrolled(drawn.collect(), first, room));
}
