//! Where everything stands: a pure function of the terminal's size and of what wants room.

use ratatui::layout::Rect;

/// Under this width the lower panels stand one below the other.
pub const STACK_BELOW: u16 = 95;
/// The width of the panel of MACs beside the statistics.
pub const MACS_WIDTH: u16 = 44;
/// The statistics' tables need no more; beyond it, the two panels would only drift apart.
const STATS_WIDTH: u16 = 110;
/// From this width on the countries leave room for the networks beside them.
const PLACES_BESIDE: u16 = 78;
/// The most that the countries and the networks need.
const COUNTRIES_WIDTH: u16 = 50;
const NETWORKS_WIDTH: u16 = 72;
/// So many lines about floods come before everything else.
const MOST_ALARMS: u16 = 5;
/// What the prefixes need.
const PREFIXES_WIDTH: u16 = 46;
/// From this width on they stand beside countries and networks.
const PREFIXES_BESIDE: u16 = 140;
/// What the monitor's own cost needs.
const OWN_WIDTH: u16 = 40;
/// Columns between two panels side by side.
const GUTTER: u16 = 2;
/// A rule.
const RULE: u16 = 1;
/// A rule and the head of a table.
const FRAME: u16 = 2;
/// The head of the table of the view, which the tabs stand above.
const HEAD: u16 = 1;
/// From this height on there is a footer.
pub const FOOTER_FROM: u16 = 10;
/// From this height on there are tabs.
const TABS_FROM: u16 = 8;
/// Beside a view that has the screen for itself, alerts take so many lines at most.
const STRIP: u16 = 3;
/// A body lower than this has no strip of alerts.
const STRIP_FROM: u16 = 10;

/// What stands between the tabs and the controls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// The table of the sources, and below it all panels that find room.
    #[default]
    Overview,
    /// What is known before anything was counted.
    Waiting,
    /// The table of a view.
    Table,
    /// Everything known of one thing.
    Detail,
    /// The list of columns.
    Columns,
    /// The help.
    Help,
}

/// How much room the panels want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// What stands between the tabs and the controls.
    pub body: Body,
    /// Lines of the header.
    pub header: u16,
    /// Lines of the strip that says what is degraded.
    pub degraded: u16,
    /// Rows of the table of sources, as set.
    pub sources: u16,
    /// Lines of the list of alerts; 0: there are none.
    pub alerts: u16,
    /// Of these, the lines about floods that last.
    pub alarms: u16,
    /// Rows of the table of MACs.
    pub macs: u16,
    /// Rows of the longer one of countries and networks; 0: geography is off.
    pub places: u16,
    /// Rows of the table of prefixes.
    pub prefixes: u16,
    /// Lines of the monitor's own cost.
    pub own: u16,
    /// Lines of the statistics at their shortest.
    pub stats_short: u16,
    /// Lines of the statistics with nothing left out.
    pub stats_full: u16,
}

/// Where the panels stand; an empty area is a panel that found no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// What is watched, and the totals.
    pub header: Rect,
    /// What is degraded.
    pub degraded: Rect,
    /// The views.
    pub tabs: Rect,
    /// Until the first packet.
    pub waiting: Rect,
    /// The table of the view.
    pub table: Rect,
    /// Everything known of one thing.
    pub detail: Rect,
    /// The list of columns.
    pub columns: Rect,
    /// The help.
    pub help: Rect,
    /// The newest alerts.
    pub alerts: Rect,
    /// The statistics.
    pub stats: Rect,
    /// The table of MACs.
    pub macs: Rect,
    /// The table of countries.
    pub countries: Rect,
    /// The table of networks.
    pub networks: Rect,
    /// The table of prefixes.
    pub prefixes: Rect,
    /// The monitor's own cost.
    pub own: Rect,
    /// What is counted and shown, messages, or the prompt.
    pub control: Rect,
    /// Keys and the clock.
    pub footer: Rect,
}

/// Shares out the screen.
///
/// ```text
/// from 95 columns                              under 95 columns
/// ┌──────────────────────────────────────┐    ┌──────────────────────┐
/// │ header                               │    │ header               │
/// │ degraded, if anything is             │    │ degraded             │
/// │ tabs                                 │    │ tabs                 │
/// │ table of the sources                 │    │ table of the sources │
/// │ ⋮                                    │    │ ⋮                    │
/// │ ── alerts, if there are any ──────── │    │ ── alerts ────────── │
/// │ ⋮                                    │    │ ⋮                    │
/// │ ── stats ──────────────── ── macs ── │    │ ── stats ─────────── │
/// │ ⋮                         ⋮          │    │ ⋮                    │
/// │ ── countries ── ── networks ──────── │    │ ── macs ──────────── │
/// │ ⋮               ⋮                    │    │ ⋮                    │
/// │ ── prefixes ─── ── self ──────────── │    │ countries, networks  │
/// │ ⋮               ⋮                    │    │ ── prefixes, self ── │
/// │ control                              │    │ control              │
/// │ footer                               │    │ footer               │
/// └──────────────────────────────────────┘    └──────────────────────┘
/// ```
/// Where the width allows, the prefixes stand beside the networks, and the monitor's own cost beside the MACs.
/// Height goes first to one line each of header, control and sources, then to the rest by importance: a panel that
/// would be too low to be of use is left out, and the sources get what is left. Any other view has all the room between tabs and
/// control for itself, but for a strip of alerts below it.
pub fn areas(area: Rect, needs: &Needs) -> Areas {
    let height = area.height;
    let mut rest = area;
    let mut areas = Areas::default();

    let header = match height {
        0..8 => 1,
        8..14 => 2,
        14..30 => needs.header.min(3),
        _ => needs.header,
    };
    let control = match height {
        0..2 => 0,
        2..14 => 1,
        _ => 2,
    };
    areas.header = top(&mut rest, header);
    if height >= FOOTER_FROM {
        areas.footer = bottom(&mut rest, 1);
    }
    areas.control = bottom(&mut rest, control);
    if height >= TABS_FROM {
        areas.degraded = top(&mut rest, needs.degraded.min(1));
        areas.tabs = top(&mut rest, 1);
    }
    match needs.body {
        Body::Overview if area.width < STACK_BELOW => stacked(&mut areas, rest, needs),
        Body::Overview => beside(&mut areas, rest, needs),
        Body::Waiting => areas.waiting = rest,
        Body::Columns => areas.columns = rest,
        Body::Help => areas.help = rest,
        Body::Table | Body::Detail => {
            // In the detail stands what is about it; of the rest only floods are worth the room.
            let alerts = if needs.body == Body::Table { needs.alerts } else { needs.alarms };
            if alerts > 0 && rest.height >= STRIP_FROM {
                areas.alerts = bottom(&mut rest, RULE + alerts.min(STRIP));
            }
            *(if needs.body == Body::Table { &mut areas.table } else { &mut areas.detail }) = rest;
        }
    }
    areas
}

fn stacked(areas: &mut Areas, mut rest: Rect, needs: &Needs) {
    let mut left = rest.height;
    let (mut stats, mut macs, mut places, mut prefixes) = (0, 0, 0, 0);
    let (mut sources, mut alerts) = first(&mut left, needs);
    stats += grant(&mut left, needs.stats_short, 4);
    sources += grant(&mut left, needs.sources.saturating_sub(8).min(4), 0);
    alerts += more_alerts(&mut left, alerts, needs);
    places += grant(&mut left, frame(needs.places.min(4)), frame(needs.places.min(2)));
    prefixes += grant(&mut left, frame(needs.prefixes.min(4)), frame(needs.prefixes.min(2)));
    macs += grant(&mut left, FRAME + needs.macs, FRAME + needs.macs.min(3));
    sources += grant(&mut left, (HEAD + needs.sources).saturating_sub(sources), 0);
    if stats > 0 {
        stats += grant(&mut left, needs.stats_full.saturating_sub(stats), 0);
    }
    let own = grant(&mut left, needs.own, needs.own);
    areas.table = top(&mut rest, sources);
    areas.alerts = top(&mut rest, alerts);
    areas.stats = top(&mut rest, stats);
    areas.macs = top(&mut rest, macs);
    place(areas, top(&mut rest, places));
    areas.prefixes = top(&mut rest, prefixes);
    areas.own = top(&mut rest, own);
}

/// Shares a band between countries and networks, and prefixes where it is wide.
fn place(areas: &mut Areas, mut band: Rect) {
    if band.is_empty() {
        return;
    }
    if band.width >= PREFIXES_BESIDE {
        band.width -= PREFIXES_WIDTH + GUTTER;
        areas.prefixes = Rect { x: 0, width: PREFIXES_WIDTH, ..band };
    }
    if band.width < PLACES_BESIDE {
        areas.countries = band;
        return;
    }
    let countries = ((band.width - GUTTER) * 4 / 10).min(COUNTRIES_WIDTH);
    areas.countries = Rect { width: countries, ..band };
    let networks = (band.width - countries - GUTTER).min(NETWORKS_WIDTH);
    areas.networks = Rect { x: band.x + countries + GUTTER, width: networks, ..band };
    if !areas.prefixes.is_empty() {
        areas.prefixes.x = areas.networks.right() + GUTTER;
    }
}

/// The lines of a table with so many rows; none for none.
fn frame(rows: u16) -> u16 {
    if rows == 0 { 0 } else { FRAME + rows }
}

fn beside(areas: &mut Areas, mut rest: Rect, needs: &Needs) {
    let mut left = rest.height;
    let full = needs.stats_full.max(FRAME + needs.macs);
    let (mut sources, mut alerts) = first(&mut left, needs);
    let mut band = grant(&mut left, needs.stats_short, 4);
    let beside_networks = rest.width >= PREFIXES_BESIDE;
    let (in_band, below) = if beside_networks { (needs.prefixes, 0) } else { (0, needs.prefixes) };
    let needed = needs.places.max(in_band);
    let mut places = grant(&mut left, frame(needed.min(4)), frame(needed.min(2)));
    let prefixes = grant(&mut left, frame(below.min(4)), frame(below.min(2)));
    sources += grant(&mut left, needs.sources.saturating_sub(8).min(6), 0);
    alerts += more_alerts(&mut left, alerts, needs);
    if places > 0 {
        places += grant(&mut left, frame(needed).saturating_sub(places), 0);
    }
    if band > 0 {
        band += grant(&mut left, full.saturating_sub(band), 0);
    }
    sources += grant(&mut left, (HEAD + needs.sources).saturating_sub(sources), 0);

    areas.table = top(&mut rest, sources);
    areas.alerts = top(&mut rest, alerts);
    let band = top(&mut rest, band);
    if !band.is_empty() {
        let stats = stats_width(rest.width);
        areas.stats = Rect { width: stats, ..band };
        areas.macs = Rect { x: band.x + stats + GUTTER, width: MACS_WIDTH, ..band };
        areas.own = right_of(areas.macs, band);
    }
    place(areas, top(&mut rest, places));
    let band = top(&mut rest, prefixes);
    if !band.is_empty() {
        areas.prefixes = Rect { width: PREFIXES_WIDTH, ..band };
        areas.own = right_of(areas.prefixes, band);
    }
}

/// The room for the monitor's own cost right of a panel, if there is any.
fn right_of(panel: Rect, band: Rect) -> Rect {
    let x = panel.right() + GUTTER;
    match band.right().checked_sub(x) {
        Some(OWN_WIDTH..) => Rect { x, width: OWN_WIDTH, ..band },
        _ => Rect::default(),
    }
}

/// The lines of sources and of alerts that come before everything else. Where height is scarce, the first alerts take the
/// place of two sources.
fn first(left: &mut u16, needs: &Needs) -> (u16, u16) {
    if needs.alerts == 0 {
        return (grant(left, HEAD + needs.sources.min(8), 0), 0);
    }
    // In a flood there is little to learn from single sources.
    let alarms = needs.alarms.min(MOST_ALARMS);
    let sources = grant(left, HEAD + needs.sources.min(6).saturating_sub(alarms.saturating_sub(2)).max(3), 0);
    let alerts = grant(left, RULE + needs.alerts.min(2).max(alarms), RULE + 1);
    (sources, alerts)
}

/// Further lines of alerts, where there are some already.
fn more_alerts(left: &mut u16, alerts: u16, needs: &Needs) -> u16 {
    if alerts == 0 { 0 } else { grant(left, (RULE + needs.alerts).saturating_sub(alerts), 0) }
}

/// How wide the statistics are on a terminal of this width.
pub fn stats_width(width: u16) -> u16 {
    if width < STACK_BELOW { width } else { (width - MACS_WIDTH - GUTTER).min(STATS_WIDTH) }
}

/// Takes up to `want` lines of what is left; nothing, should that be under `least`.
fn grant(left: &mut u16, want: u16, least: u16) -> u16 {
    let granted = want.min(*left);
    if granted < least {
        return 0;
    }
    *left -= granted;
    granted
}

fn top(rest: &mut Rect, height: u16) -> Rect {
    let height = height.min(rest.height);
    let area = Rect { height, ..*rest };
    rest.y += height;
    rest.height -= height;
    area
}

fn bottom(rest: &mut Rect, height: u16) -> Rect {
    let height = height.min(rest.height);
    rest.height -= height;
    Rect { y: rest.y + rest.height, height, ..*rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: Needs = Needs {
        body: Body::Overview,
        header: 3,
        degraded: 2,
        sources: 20,
        alerts: 0,
        alarms: 0,
        macs: 8,
        places: 8,
        prefixes: 8,
        own: 6,
        stats_short: 8,
        stats_full: 14,
    };

    fn all(areas: &Areas) -> Vec<Rect> {
        super::super::panel::PANELS.iter().map(|panel| (panel.area)(areas)).collect()
    }

    #[test]
    fn no_panel_leaves_the_screen_or_covers_another() {
        for (width, height) in (1..=260).flat_map(|width| (1..=90).map(move |height| (width, height))) {
            for needs in [
                NEEDS,
                Needs { body: Body::Waiting, ..NEEDS },
                Needs { body: Body::Table, alerts: 5, ..NEEDS },
                Needs { body: Body::Help, ..NEEDS },
                Needs { header: 99, degraded: 99, ..NEEDS },
                Needs { alerts: 8, ..NEEDS },
                Needs { alerts: 12, alarms: 9, ..NEEDS },
            ] {
                let screen = Rect::new(0, 0, width, height);
                let shown: Vec<_> = all(&areas(screen, &needs)).into_iter().filter(|area| !area.is_empty()).collect();
                for (at, area) in shown.iter().enumerate() {
                    assert_eq!(area.intersection(screen), *area, "{width}x{height}");
                    let covered = shown[..at].iter().any(|other| other.intersects(*area));
                    assert!(!covered, "{width}x{height}: {area:?}");
                }
            }
        }
    }

    #[test]
    fn header_sources_and_control_stay_when_height_is_scarce() {
        for (height, alerts) in (3..90).flat_map(|height| [(height, 0), (height, 8)]) {
            let areas = areas(Rect::new(0, 0, 80, height), &Needs { alerts, ..NEEDS });
            assert!(!areas.header.is_empty() && !areas.control.is_empty(), "{height}");
            assert!(areas.table.height >= 1, "{height}");
        }
    }

    #[test]
    fn panels_by_size() {
        let lines = |width, height| {
            let areas = areas(Rect::new(0, 0, width, height), &NEEDS);
            let Areas { degraded, table, stats, macs, countries, prefixes, own, .. } = areas;
            [degraded, table, stats, macs, countries, prefixes, own].map(|area| area.height)
        };
        let table = [
            ((40, 10), [1, 4, 0, 0, 0, 0, 0]),
            ((80, 24), [1, 9, 7, 0, 0, 0, 0]),
            ((94, 30), [1, 14, 8, 0, 0, 0, 0]),
            ((94, 50), [1, 13, 8, 9, 6, 6, 0]),
            ((120, 40), [1, 12, 8, 8, 6, 6, 6]),
            ((250, 70), [1, 21, 14, 14, 10, 10, 14]),
        ];
        assert_eq!(table.map(|(size, _)| (size, lines(size.0, size.1))), table);
    }

    #[test]
    fn alerts_take_lines_only_when_there_are_any() {
        let lines = |width, height, alerts| {
            let areas = areas(
                Rect::new(0, 0, width, height),
                &Needs { alerts, degraded: 0, places: 0, prefixes: 0, own: 0, ..NEEDS },
            );
            [areas.table, areas.alerts, areas.stats, areas.macs].map(|area| area.height)
        };
        let table = [
            ((40, 10), 8, [5, 0, 0, 0]),
            ((80, 24), 0, [9, 0, 8, 0]),
            ((80, 24), 1, [7, 2, 8, 0]),
            ((80, 24), 8, [7, 3, 7, 0]),
            ((94, 50), 8, [16, 9, 8, 10]),
            ((120, 40), 8, [13, 9, 11, 11]),
            ((250, 70), 8, [21, 9, 14, 14]),
        ];
        assert_eq!(table.map(|(size, alerts, _)| (size, alerts, lines(size.0, size.1, alerts))), table);
    }
}
