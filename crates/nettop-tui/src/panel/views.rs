//! The list of views: the key of each, and what it shows.

use nettop_views::{text, view::VIEWS};
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

/// Cells of a key and of a name.
const KEY: usize = 6;
const NAME: usize = 13;

/// All lines between tabs and control while the list of views is open, else none.
pub fn height(room: &Room) -> Height {
    room.rest_if(Body::Views)
}

/// A line for each view: its key, its name, what it shows.
///
/// ```text
/// ── Views ──────────────────────────────────── Enter: go there ──
/// 1      Sources       who sends packets to this host
/// C      Connections   every connection of this host, whoever …
/// ```
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let (state, theme) = (picture.state, picture.theme);
    let (keys, cursor) = (state.keys().keys("view"), state.views.unwrap_or_default());
    let area = titled(frame, area, theme, "Views", &format!("{}: go there", state.keys().first("go")));
    let rows = VIEWS.iter().enumerate().map(|(at, view)| {
        // A view may have none.
        let key = text::left(&keys.get(at).map_or(String::new(), |key| key.label()), KEY);
        Line::from(vec![
            Span::styled(key, theme.label),
            Span::styled(format!(" {}", text::left(view.name(), NAME)), theme.value),
            Span::styled(format!(" {}", view.about()), theme.text),
        ])
    });
    choices(frame, area, theme, cursor, rows);
}
