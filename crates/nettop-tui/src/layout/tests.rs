use nettop_model::snapshot::{Runtime, Snapshot};

use super::*;
use crate::{
    fixture::{alerts, busy, changed, degraded, floods, idle},
    state::{Detail, State},
    theme::Theme,
};

fn arranged(snapshot: &Snapshot, state: &State, (width, height): (u16, u16)) -> Areas {
    let picture = Picture { snapshot, state, theme: &Theme::colour(), unix_seconds: 0 };
    areas(&picture, Rect::new(0, 0, width, height))
}

/// The sources and what was opened, in front of which the screen is arranged.
fn pictures() -> Vec<(&'static str, Snapshot, State)> {
    let detail = |subject| Some(Detail { subject, history: None, command: None, top: 0 });
    let source = detail(nettop_model::snapshot::Subject::Source([198, 51, 100, 100].into()));
    let flood = changed(busy(), |it| {
        it.alerts = floods();
        it.monitor.degraded = degraded();
    });
    let many = [(); 3].map(|()| floods()).concat();
    vec![
        ("busy", busy(), State::default()),
        (
            "degraded",
            changed(busy(), |it| {
                it.monitor.degraded = degraded();
            }),
            State::default(),
        ),
        (
            "alerts",
            changed(busy(), |it| {
                it.alerts = alerts();
            }),
            State::default(),
        ),
        ("flood", flood.clone(), State::default()),
        (
            "many floods",
            changed(busy(), |it| {
                it.alerts = many;
            }),
            State::default(),
        ),
        (
            "without places",
            changed(busy(), |it| {
                it.places.countries = Vec::new();
                it.places.networks = Vec::new();
            }),
            State::default(),
        ),
        (
            "without prefixes",
            changed(busy(), |it| {
                it.prefixes.top = Vec::new();
            }),
            State::default(),
        ),
        (
            "few sources",
            changed(busy(), |it| {
                it.meta.runtime = Runtime { top: 1, ..busy().meta.runtime };
            }),
            State::default(),
        ),
        (
            "many sources",
            changed(busy(), |it| {
                it.meta.runtime = Runtime { top: 500, ..busy().meta.runtime };
            }),
            State::default(),
        ),
        ("waiting", idle(), State::default()),
        ("without panels", flood.clone(), State { without_panels: true, ..State::default() }),
        ("another view", flood.clone(), State { view: 1, ..State::default() }),
        ("detail", flood.clone(), State { detail: source, ..State::default() }),
        ("columns", busy(), State { columns: Some(0), ..State::default() }),
        ("help", flood, State { help: Some(0), ..State::default() }),
    ]
}

/// Sizes of screens, close together where they are small.
fn sizes() -> impl Iterator<Item = (u16, u16)> {
    let widths = (1..=4).chain((20..=260).step_by(30)).chain([77, 78, 94, 95, 139, 197, 198]);
    widths.flat_map(|width| (1..=30).chain((31..=90).step_by(4)).map(move |height| (width, height)))
}

#[test]
fn no_panel_leaves_the_screen_or_covers_another() {
    for (name, snapshot, state) in &pictures() {
        for size in sizes() {
            let screen = Rect::new(0, 0, size.0, size.1);
            let shown: Vec<_> = arranged(snapshot, state, size).all().filter(|(_, area)| !area.is_empty()).collect();
            for (at, (panel, area)) in shown.iter().enumerate() {
                assert_eq!(area.intersection(screen), *area, "{name}, {size:?}: {}", panel.name);
                let covered = shown[..at].iter().any(|(_, other)| other.intersects(*area));
                assert!(!covered, "{name}, {size:?}: {}", panel.name);
            }
        }
    }
}

#[test]
fn header_sources_and_control_stay_when_height_is_scarce() {
    for (name, snapshot, state) in pictures().into_iter().take(9) {
        for height in 3..90 {
            let areas = arranged(&snapshot, &state, (80, height));
            for panel in ["header", "table", "control"] {
                assert!(!areas.of(panel).is_empty(), "{name}, {height}: {panel}");
            }
        }
    }
}

#[test]
fn what_was_opened_has_what_the_panels_at_the_top_and_the_bottom_leave() {
    for (name, panel) in [
        ("waiting", "waiting"),
        ("columns", "columns"),
        ("help", "help"),
        ("detail", "detail"),
        ("another view", "table"),
    ] {
        let (_, snapshot, state) = pictures().into_iter().find(|(one, ..)| *one == name).expect("a picture");
        let areas = arranged(&snapshot, &state, (120, 40));
        let (opened, alerts) = (areas.of(panel), areas.of("alerts"));
        assert_eq!(opened.y, areas.of("tabs").bottom(), "{name}");
        assert_eq!(opened.bottom() + alerts.height, areas.of("control").y, "{name}");
    }
}

#[test]
fn every_panel_that_others_stand_beside_exists_and_comes_before_them() {
    for (at, panel) in PANELS.iter().enumerate() {
        let Stands::Beside(_, beside) = panel.stands else { continue };
        for (_, name) in beside {
            assert!(PANELS[..at].iter().any(|other| other.name == *name), "{}: {name}", panel.name);
        }
        assert!(beside.is_sorted_by(|(a, _), (b, _)| a > b), "{}", panel.name);
    }
}

/// The chart has a quarter of the lines at most, and the table keeps ten rows, or as many as are wanted.
#[test]
fn the_chart_leaves_the_table_its_rows() {
    let mut shown = 0;
    for (name, snapshot, state) in &pictures() {
        for size in (96..=260).step_by(13).flat_map(|width| (30..=100).map(move |height| (width, height))) {
            let areas = arranged(snapshot, state, size);
            let (chart, table) = (areas.of("chart"), areas.of("table"));
            if chart.is_empty() {
                continue;
            }
            shown += 1;
            let rows = snapshot.meta.runtime.top.min(10) as u16;
            assert!((7..=size.1 / 4).contains(&chart.height), "{name}, {size:?}: {chart:?}");
            assert!(table.height > rows && table.y == chart.bottom(), "{name}, {size:?}: {table:?}");
        }
    }
    assert!(shown > 5_000, "{shown}");
}

/// Lines of each panel of the overview, by size: what gives way first where height is scarce.
#[test]
fn panels_by_size() {
    const SHOWN: [&str; 9] =
        ["chart", "table", "alerts", "traffic", "macs", "countries", "networks", "prefixes", "self"];
    let table = [
        ("busy", (40, 10), [0, 5, 0, 0, 0, 0, 0, 0, 0]),
        ("busy", (80, 24), [0, 9, 0, 8, 0, 0, 0, 0, 0]),
        ("busy", (94, 30), [0, 15, 0, 8, 0, 0, 0, 0, 0]),
        ("busy", (94, 50), [0, 13, 0, 8, 10, 6, 6, 6, 0]),
        ("busy", (120, 40), [7, 12, 0, 8, 8, 6, 6, 0, 0]),
        ("busy", (250, 70), [17, 21, 0, 13, 13, 10, 10, 10, 13]),
        ("alerts", (40, 10), [0, 5, 0, 0, 0, 0, 0, 0, 0]),
        ("alerts", (80, 24), [0, 7, 3, 7, 0, 0, 0, 0, 0]),
        ("alerts", (94, 50), [0, 14, 9, 8, 0, 6, 6, 6, 0]),
        ("alerts", (120, 40), [7, 11, 3, 8, 8, 4, 4, 0, 0]),
        ("alerts", (250, 70), [14, 17, 9, 13, 13, 10, 10, 10, 13]),
        ("flood", (80, 24), [0, 4, 6, 6, 0, 0, 0, 0, 0]),
        ("flood", (120, 40), [7, 12, 5, 8, 8, 0, 0, 0, 0]),
        ("without panels", (120, 40), [10, 18, 4, 0, 0, 0, 0, 0, 0]),
    ];
    let pictures = pictures();
    let lines = |name, size| {
        let (_, snapshot, state) = pictures.iter().find(|(one, ..)| *one == name).expect("a picture");
        let areas = arranged(snapshot, state, size);
        SHOWN.map(|panel| areas.of(panel).height)
    };
    for (name, size, expected) in table {
        assert_eq!(lines(name, size), expected, "{name}, {size:?}");
    }
}
