//! The list of columns: which are wanted, how wide, and what they show.

use nettop_views::text;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    drawing::{choices, titled},
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
    let heads = state.listing().heads();
    let rows = heads.iter().enumerate().map(|(at, head)| {
        let sign = if state.table().without.contains(&at) { "[ ] " } else { "[x] " };
        let width = state.table().widths.get(&at).map_or("auto".into(), u16::to_string);
        let name = format!("{sign}{} {}", text::left(head.title, NAME), text::right(&width, WIDTH));
        Line::from(vec![Span::styled(name, theme.value), Span::styled(format!(" {}", head.help), theme.text)])
    });
    choices(frame, area, theme, state.columns.unwrap_or_default(), rows);
}
