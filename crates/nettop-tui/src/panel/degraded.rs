//! What does not work as it should: a badge for each on one line; what they mean is in the help, and in the view of the monitor
//! itself. Shown only while there is something.

use std::sync::LazyLock;

use nettop_model::{format, snapshot::Degraded};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    drawing::lines,
    picture::Picture,
    row::{Height, Room},
    tabs::TABS_FROM,
};
use crate::flow;

/// What only the screen can know.
static UNANSWERED: LazyLock<Degraded> = LazyLock::new(|| Degraded {
    badge: "terminal silent".into(),
    what: "the terminal does not answer".into(),
    reason: "it does not say when it has shown a picture, so that pictures come about once a second".into(),
    remedy: "none needed: counting goes on; where several programs read one terminal, end the others".into(),
});

/// All that does not work as it should.
pub fn all<'a>(picture: &Picture<'a>) -> impl Iterator<Item = &'a Degraded> + use<'a> {
    let own: Option<&'static Degraded> = picture.state.misses_answers.then(|| &*UNANSWERED);
    own.into_iter().chain(&picture.snapshot.monitor.degraded)
}

/// Its height: none while all is well.
pub fn height(room: &Room) -> Height {
    let is_shown = room.screen.height >= TABS_FROM && all(room.picture).next().is_some();
    Height::up_to(is_shown.into())
}

/// Draws it: as many badges as fit, and how many there are besides.
///
/// ```text
/// ! generic XDP on wg0  ! slots full  ! detail 1 in 64    ? says why and what to do
/// ```
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    const WHY: [&str; 3] = ["?: why, and what to do", "?: why", ""];
    let (theme, columns) = (picture.theme, usize::from(area.width));
    let badge = |text: &str| Line::styled(format!("! {}", format::visible(text)), theme.warn);
    let badges: Vec<_> = all(picture).map(|row| badge(&row.badge)).collect();
    let width = flow::flow_width(&badges);
    let why = WHY.iter().find(|why| width + 2 + why.len() <= columns).unwrap_or(&WHY[2]);
    let flowed = flow::flow(badges, columns.saturating_sub(why.len() + 2).max(columns / 2), 1);
    let mut line = flowed.into_iter().next().unwrap_or_default();
    line.push_span(" ".repeat(columns.saturating_sub(line.width() + why.len())));
    line.push_span(Span::styled(*why, theme.dim));
    lines(frame, area, vec![line]);
}
