//! One line above those who are in the logs: how much comes, who has most of it, and what blocks drop of it.

use nettop_model::{
    format,
    snapshot::{Lately, Most},
};
use nettop_views::view::OFFENDERS;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    drawing::lines,
    picture::Picture,
    row::{Body, Height, Room},
};
use crate::flow;

/// From this height on there is room for it.
const FROM: u16 = 12;
/// Rates among its items.
const RATES: usize = 3;

/// One line in the view of those who are in logs.
pub fn height(room: &Room) -> Height {
    let is_shown = room.body == Body::Table
        && room.picture.state.view == OFFENDERS
        && room.picture.snapshot.visits.is_some()
        && room.screen.height >= FROM;
    Height::up_to(is_shown.into())
}

/// Draws it.
///
/// ```text
/// req/s 31.4  new/s 0.3  TopReq 198.51.100.7 1,412  TopConn 203.0.113.66 48  blocked/s 12.0k
/// ```
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let Some(visits) = picture.snapshot.visits.as_deref() else { return };
    let theme = picture.theme;
    let Lately { requests_per_s, new_per_s, most_requests, most_connections } = visits.lately;
    let item = |name: &str, value: String| {
        Line::from(vec![Span::styled(format!("{name} "), theme.label), Span::styled(value, theme.value)])
    };
    let most = |name: &str, most: Option<Most>| match most {
        None => item(name, "–".into()),
        Some(Most { ip, count }) => {
            let mut line = Line::from(Span::styled(format!("{name} "), theme.label));
            line.push_span(Span::styled(ip.to_string(), theme.address));
            line.push_span(Span::styled(format!(" {}", format::count(count, 11)), theme.value));
            line
        }
    };
    let blocked = picture.snapshot.blocks.as_deref().map_or("–".into(), |blocks| format::pps(blocks.pps));
    let mut items = vec![
        item("req/s", format::pps(requests_per_s)),
        item("new/s", format::pps(new_per_s)),
        most("TopReq", most_requests),
        most("TopConn", most_connections),
        item("blocked/s", blocked),
    ];
    // Rates tell more than who: long addresses give way to them.
    while flow::flow_width(&items) > area.width.into() && items.len() > RATES {
        items.remove(items.len() - 2);
    }
    lines(frame, area, flow::flow(items, area.width.into(), 1));
}
