//! The views: one file each, and one row each in [`VIEWS`].

mod alerts;
mod blocks;
mod classes;
pub mod connection_sums;
mod connections;
mod countries;
mod destinations;
mod drops;
mod flows;
mod interfaces;
pub mod log;
mod macs;
mod neighbours;
mod networks;
mod offenders;
pub mod own;
mod ports;
mod prefixes;
mod processes;
mod sources;
mod sums;

use nettop_model::format;

use crate::{
    table::{Cell, Listing},
    text,
};

/// Defines [`VIEWS`] and [`KEYS`]: a row for each view, its key and its table.
macro_rules! views {
    ($($key:literal => $table:path,)+) => {
        /// Every view, in the order of its tabs; the first is what a screen begins with.
        pub const VIEWS: &[&dyn Listing] = &[$(&$table),+];
        /// The key that usually opens each.
        pub const KEYS: &[char] = &[$($key),+];
    };
}

views! {
    '1' => sources::TABLE,
    '2' => destinations::TABLE,
    '3' => ports::TABLE,
    '4' => macs::TABLE,
    '5' => countries::TABLE,
    '6' => networks::TABLE,
    '7' => prefixes::TABLE,
    '8' => alerts::TABLE,
    '9' => own::TABLE,
    'I' => interfaces::TABLE,
    'C' => connections::TABLE,
    'P' => processes::TABLE,
    'R' => drops::TABLE,
    'W' => flows::TABLE,
    'M' => neighbours::TABLE,
    'B' => blocks::TABLE,
    '0' => offenders::TABLE,
    'L' => log::TABLE,
}

/// The place of the sources in [`VIEWS`].
pub const SOURCES: usize = 0;
/// The place of the destinations.
pub const DESTINATIONS: usize = 1;
/// The place of the alerts.
pub const ALERTS: usize = 7;
/// The place of the connections.
pub const CONNECTIONS: usize = 10;
/// The place of the processes.
pub const PROCESSES: usize = 11;
/// The place of the flows.
pub const FLOWS: usize = 13;
/// The place of those who are in logs.
pub const OFFENDERS: usize = 16;

/// The filter that a view begins with, unless somebody chooses another one; empty: none.
pub fn usual_filter(view: usize) -> &'static str {
    // What programs of this host say to each other is mostly more, and seldom what is looked for.
    if view == CONNECTIONS { "!scope:local" } else { "" }
}

/// What the filter of a view also hides, where nobody wants to see what has ended.
pub fn without_ended(view: usize) -> &'static str {
    if view == CONNECTIONS { "!state:closed" } else { "" }
}

/// What options and configuration files call the views, in their order.
pub fn names() -> impl Iterator<Item = String> {
    VIEWS.iter().map(|view| view.name().to_lowercase())
}

/// The place in [`VIEWS`] of the view that options and files call so.
pub fn named(name: &str) -> Option<usize> {
    names().position(|one| one == name)
}

/// The width of a share in digits.
const PERCENT: u16 = 5;

/// A share, and a bar where there is room for one.
fn share(packets: u64, cell: &Cell) -> String {
    let share = packets as f64 / cell.packets.max(1) as f64;
    let percent = text::right(&format::percent(share), PERCENT.into());
    match cell.width.saturating_sub(usize::from(PERCENT) + 1) {
        0 => percent,
        width => format!("{percent} {}", format::bar(share, width)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_has_a_name_and_a_key_of_its_own() {
        let names: std::collections::BTreeSet<_> = VIEWS.iter().map(|view| view.name()).collect();
        assert_eq!(names.len(), VIEWS.len());
        let keys: std::collections::BTreeSet<_> = KEYS.iter().collect();
        assert_eq!(keys.len(), VIEWS.len());
        let named =
            [SOURCES, DESTINATIONS, ALERTS, CONNECTIONS, PROCESSES, FLOWS, OFFENDERS].map(|at| VIEWS[at].name());
        assert_eq!(named, ["Sources", "Destinations", "Alerts", "Connections", "Processes", "Flows", "Offenders"]);
    }

    #[test]
    fn every_view_can_be_sorted_and_has_one_column_that_never_goes() {
        for view in VIEWS {
            let heads = view.heads();
            assert!(heads.iter().any(|head| head.sorts), "{}", view.name());
            assert_eq!(heads.iter().filter(|head| head.rank == 0).count(), 1, "{}", view.name());
            for head in heads {
                let [least, good, most] = head.widths;
                assert!(least <= good && good <= most, "{} {}", view.name(), head.title);
                assert!(!head.title.is_empty() && !head.help.is_empty());
            }
        }
    }
}
