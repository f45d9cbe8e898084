//! The tabs: the views and their keys, and of the one that is open how many rows there are, in which order.

use nettop_model::format;
use nettop_views::{
    text,
    view::{ALERTS, VIEWS},
};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    drawing::lines,
    picture::Picture,
    row::{Height, Room},
};
use crate::key::Key;

/// From this height of the screen on there are tabs.
pub const TABS_FROM: u16 = 8;
/// Names of views that are not open, shortened where there is no room for all.
const SHORT: [usize; 3] = [4, 3, 2];

/// Columns that the note behind the tabs takes: `1 of 1,254, 29 unjudged`.
const NOTE: usize = 25;

/// One line, from `TABS_FROM` lines of the screen on.
pub fn height(room: &Room) -> Height {
    Height::up_to((room.screen.height >= TABS_FROM).into())
}

/// Where each tab begins, and its text: the key of the view, and its name.
pub fn tabs(columns: usize, keys: &[Key], open: usize) -> Vec<(usize, String)> {
    let laid = |gap: usize, most: usize| {
        let mut at = 0;
        let tab = |(number, name): (usize, &str)| {
            let key = keys.get(number).map_or(String::new(), |key| key.label());
            // A view without a key is still there to be clicked on.
            let most = if number == open { usize::MAX } else { most.max(usize::from(key.is_empty())) };
            let name: String = name.chars().take(most).collect();
            let text = format!("{key} {name}").trim().to_string();
            let begins = at;
            // The open one always stands apart.
            let gap = if number == open || number + 1 == open { gap.max(1) } else { gap };
            at += text::width(&text) + gap;
            (begins, text)
        };
        VIEWS.iter().map(|view| view.name()).enumerate().map(tab).collect::<Vec<_>>()
    };
    let end = |tabs: &[(usize, String)]| tabs.last().map_or(0, |(at, text)| at + text::width(text));
    let mut layouts = [(2, usize::MAX), (1, usize::MAX), (1, SHORT[0]), (1, SHORT[1]), (1, SHORT[2]), (1, 0), (0, 0)]
        .map(|(gap, most)| laid(gap, most))
        .to_vec();
    // Better shorter names than no note, and better no note than keys without blanks.
    let last = layouts.len() - 1;
    let fits = |beside: usize| layouts[..last].iter().position(|tabs| end(tabs) + beside <= columns);
    let chosen = fits(NOTE).or_else(|| fits(0)).unwrap_or(last);
    layouts.swap_remove(chosen)
}

/// The view whose tab is at this column.
pub fn view_at(column: usize, columns: usize, keys: &[Key], open: usize) -> Option<usize> {
    tabs(columns, keys, open).iter().position(|(at, text)| (*at..at + text::width(text)).contains(&column))
}

/// The views with their keys, on the left; the number of rows and their order, on the right.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let (theme, state) = (picture.theme, picture.state);
    let columns = usize::from(area.width);
    let alarms = picture.snapshot.alerts.iter().any(|alert| alert.is_alarm() && state.attention.wants(alert));
    let mut line = Line::default();
    for (number, (at, text)) in tabs(columns, state.keys().keys("view"), state.view).into_iter().enumerate() {
        line.push_span(" ".repeat(at.saturating_sub(line.width())));
        let style = match number {
            number if number == state.view => theme.selected,
            ALERTS if alarms => theme.alarm,
            _ => theme.label,
        };
        line.push_span(Span::styled(text, style));
    }
    let room = columns.saturating_sub(line.width() + 2);
    let note = notes(picture).into_iter().find(|note| text::width(note) <= room).unwrap_or_default();
    line.push_span(" ".repeat(columns.saturating_sub(line.width() + text::width(&note))));
    line.push_span(Span::styled(note, theme.dim));
    lines(frame, area, vec![line]);
}

/// How many rows there are, and how they are sorted; shorter and shorter.
fn notes(picture: &Picture) -> Vec<String> {
    let state = picture.state;
    let listed = state.listed(picture.snapshot);
    let (filtered, unlisted) = listed.hidden();
    let all = (listed.len() + filtered) as u64 + unlisted;
    let count = format::count(all, 9);
    let unjudged = match listed.unjudged() {
        0 => String::new(),
        unjudged => format!(", {} unjudged", format::count(unjudged as u64, 9)),
    };
    let rows = if filtered > 0 { format!("{} of {count}", listed.len()) } else { count };
    let heads = state.listing().heads();
    let order = state.table().order.and_then(|order| {
        let arrow = if order.reversed { '↓' } else { '↑' };
        heads.get(order.column).map(|head| format!(", by {} {arrow}", head.title))
    });
    let order = order.unwrap_or_default();
    let name = state.listing().many();
    vec![
        format!("{rows} {name}{unjudged}{order}"),
        format!("{rows}{unjudged}{order}"),
        format!("{rows}{unjudged}"),
        if unjudged.is_empty() { rows.clone() } else { unjudged.trim_start_matches(", ").into() },
        rows,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::VIEW_KEYS as KEYS;
    use crate::key::ctrl;

    #[test]
    fn every_tab_can_be_hit_at_any_width() {
        for (columns, open) in (40..200).flat_map(|columns| (0..VIEWS.len()).map(move |open| (columns, open))) {
            let tabs = tabs(columns, KEYS, open);
            assert!(tabs.iter().all(|(at, text)| at + text.len() <= columns), "{columns}: {tabs:?}");
            for (number, (at, _)) in tabs.iter().enumerate() {
                assert_eq!(view_at(*at, columns, KEYS, open), Some(number));
            }
            assert_eq!(tabs[open].1, format!("{} {}", KEYS[open].label(), VIEWS[open].name()));
        }
        let named = |keys: &[Key]| tabs(200, keys, 0).into_iter().take(2).map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(named(&[ctrl('s')]), ["Ctrl-S Sources", "Destinations"]);
    }
}
