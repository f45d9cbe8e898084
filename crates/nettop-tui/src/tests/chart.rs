//! The chart above the sources.

use nettop_model::{
    format::Units,
    snapshot::{History, RatePoint, Snapshot},
};

use super::screen;
use crate::{
    chart::span::Span,
    fixture::{busy, changed, floods, idle},
    state::{Options, State},
};

/// Fifty seconds of which a flood takes the last eleven, and the ten minutes around them, whose newest step has just begun.
fn curve() -> History {
    let pace = |pps: f32| RatePoint { pps, bps: pps * if pps > 1e6 { 64.0 } else { 700.0 } };
    let wave = |n: u16| 400_000.0 + 150_000.0 * (f32::from(n) * 0.45).sin() + 9_000.0 * f32::from(n * 7 % 11);
    let flood = |n: u16| 2_400_000.0 + 180_000.0 * f32::from(n * 5 % 7);
    let seconds = (0..50).map(|n| pace(if n > 38 { flood(n) } else { wave(n) })).collect();
    let tens = (0..47)
        .map(|n| {
            pace(if n == 46 {
                0.0
            } else if n > 44 {
                flood(n)
            } else {
                wave(n)
            })
        })
        .collect();
    History { seconds, tens, ..History::default() }
}

#[test]
fn the_chart_shows_a_minute_or_ten_beside_or_below_each_other() {
    let calm = changed(busy(), |it| {
        it.traffic.history = curve();
    });
    let flood = changed(calm.clone(), |it| {
        it.alerts = floods();
    });
    let bare = Options { ascii: true, units: Units::Binary, ..Options::default() };
    let (minute, ascii) = (State::default(), State::from(bare));
    let ten = State { chart: Span::TenMinutes, ..State::default() };
    let alone = State { without_panels: true, ..State::default() };
    for (name, size, snapshot, state) in [
        ("100x35", (100, 35), &calm, &minute),
        ("110x70", (110, 70), &calm, &minute),
        ("120x40", (120, 40), &calm, &minute),
        ("200x60", (200, 60), &calm, &minute),
        ("flood_120x40", (120, 40), &flood, &minute),
        ("flood_200x60", (200, 60), &flood, &minute),
        ("ten_120x40", (120, 40), &flood, &ten),
        ("ascii_120x40", (120, 40), &flood, &ascii),
        ("alone_120x40", (120, 40), &calm, &alone),
    ] {
        insta::assert_snapshot!(name, screen(size, snapshot, state));
    }
}

/// Whether a chart is on the screen.
fn has_chart(size: (u16, u16), snapshot: &Snapshot, state: &State) -> bool {
    screen(size, snapshot, state).contains("Packets per second")
}

#[test]
fn there_is_a_chart_above_the_sources_where_there_is_room() {
    let state = State::default();
    for (name, size, snapshot, state, expected) in [
        ("large enough", (100, 35), busy(), state.clone(), true),
        ("too narrow", (99, 35), busy(), state.clone(), false),
        ("too low", (100, 34), busy(), state.clone(), false),
        ("the usual terminal", (80, 24), busy(), state.clone(), false),
        ("turned off", (120, 40), busy(), State { chart: Span::Off, ..state.clone() }, false),
        ("another view", (120, 40), busy(), State { view: 1, ..state.clone() }, false),
        ("help", (120, 40), busy(), State { help: Some(0), ..state.clone() }, false),
        ("waiting", (120, 40), idle(), state.clone(), false),
        (
            "no history yet",
            (120, 40),
            changed(busy(), |it| {
                it.traffic.history = History::default();
            }),
            state,
            true,
        ),
    ] {
        assert_eq!(has_chart(size, &snapshot, &state), expected, "{name}");
    }
}
