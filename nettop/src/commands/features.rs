//! `nettop features`: the numbered catalogue of what it can do, made from the very tables the program runs on, so that it
//! cannot list what does not exist.

use std::fmt::Write as _;

use anyhow::Result;
use clap::{CommandFactory as _, builder::StyledStr};
use nettop_collect::pcap::link::LINK_TYPES;
use nettop_common::Protocol;
use nettop_engine::detect::RULES;
use nettop_export::FORMATS;
use nettop_model::{request::COMMANDS, snapshot::Export};
use nettop_tui::{action::ACTIONS, bindings::label, panel::PANELS};
use nettop_views::view::{SOURCES, VIEWS};
use nettop_web::route::ROUTES;
use serde::Serialize;

use crate::{
    cli::{Cli, CtlCli, FeaturesArgs},
    commands::doctor::CHECKS,
};

/// A part of the catalogue.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// What its features have in common.
    pub title: &'static str,
    /// They.
    pub features: Vec<Feature>,
}

/// One thing that nettop can do.
#[derive(Clone, Debug, Serialize)]
pub struct Feature {
    /// Its place in the whole catalogue, from 1.
    pub number: usize,
    /// What it is called.
    pub name: String,
    /// What it does.
    pub about: String,
}

/// Names, and what they do.
type Named = Vec<(String, String)>;

/// The title of a part of the catalogue, and what makes its names.
type Part = (&'static str, fn() -> Named);

/// The parts of the catalogue.
const SECTIONS: &[Part] = &[
    ("Commands", || commands(&Cli::command())),
    ("Options of the monitor", || options("run")),
    ("Panels of the screen", || rows(PANELS, |panel| (panel.name, panel.about))),
    ("Views of the screen", || rows(VIEWS, |view| (view.name(), view.about()))),
    ("Columns of the table of sources", || rows(&VIEWS[SOURCES].heads(), |column| (column.title, column.help))),
    ("Columns of the other views", other_columns),
    ("Keys", || ACTIONS.iter().map(|action| (label(action.keys), action.help.to_string())).collect()),
    ("Commands of nettopctl", || commands(&CtlCli::command())),
    ("Requests of the control channel", || rows(COMMANDS, |command| (command.name, command.help))),
    ("Paths of the dashboard", || rows(ROUTES, |route| (route.path, route.about))),
    ("Metrics for Prometheus", || nettop_web::metrics().map(|(name, help)| (name, help.to_string())).collect()),
    ("Exports", || rows(FORMATS, |format| (format.name, format.about))),
    ("Files that lines are appended to", || rows(Export::ALL, |export| (export.label(), export.about()))),
    ("Alerts", || rows(RULES, |rule| (rule.kind, rule.about))),
    ("Checks of nettop doctor", || rows(CHECKS, |check| (check.name, check.about))),
    ("Link types of captures", link_types),
    ("Protocols counted apart", || rows(Protocol::ALL, |protocol| (protocol.label(), "packets and bytes"))),
];

fn rows<T>(table: &[T], row: impl Fn(&T) -> (&str, &str)) -> Named {
    table.iter().map(row).map(|(name, about)| (name.to_string(), about.to_string())).collect()
}

fn other_columns() -> Named {
    let views = VIEWS.iter().enumerate().filter(|(at, _)| *at != SOURCES).map(|(_, view)| view);
    views
        .flat_map(|view| {
            let name = |title| format!("{}: {title}", view.name());
            view.heads().into_iter().map(move |head| (name(head.title), head.help.to_string())).collect::<Named>()
        })
        .collect()
}

fn link_types() -> Named {
    let supported = LINK_TYPES.iter().filter(|link| link.parse.is_some());
    supported.map(|link| (link.name.to_string(), format!("number {}, in pcap and pcapng", link.number))).collect()
}

fn commands(program: &clap::Command) -> Named {
    let shown = program.get_subcommands().filter(|command| !command.is_hide_set());
    shown.map(|command| (command.get_name().to_string(), one_line(command.get_about()))).collect()
}

fn options(command: &str) -> Named {
    let cli = Cli::command();
    let Some(command) = cli.find_subcommand(command) else { return Vec::new() };
    let named = command.get_arguments().filter_map(|argument| Some((argument.get_long()?, argument.get_help())));
    named.map(|(name, help)| (format!("--{name}"), one_line(help))).collect()
}

fn one_line(text: Option<&StyledStr>) -> String {
    text.map_or(String::new(), |text| text.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The catalogue.
pub fn catalogue() -> Vec<Section> {
    let mut numbers = 1..;
    let number = |features: Named| {
        features
            .into_iter()
            .zip(numbers.by_ref())
            .map(|((name, about), number)| Feature { number, name, about })
            .collect()
    };
    let mut number = number;
    SECTIONS.iter().map(|(title, features)| Section { title, features: number(features()) }).collect()
}

/// The catalogue as it is to be printed.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn run(args: FeaturesArgs) -> Result<String> {
    let catalogue = catalogue();
    Ok(if args.json { serde_json::to_string_pretty(&catalogue)? + "\n" } else { text(&catalogue) })
}

/// The catalogue as text, a line for each feature.
pub fn text(catalogue: &[Section]) -> String {
    let mut text = String::new();
    for Section { title, features } in catalogue {
        let width = features.iter().map(|feature| feature.name.len()).max().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}{title}", if text.is_empty() { "" } else { "\n" });
        for Feature { number, name, about } in features {
            let _ = writeln!(text, "{number:>4}  {name:<width$}  {about}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_has_a_number_of_its_own_and_says_what_it_does() {
        let catalogue = catalogue();
        let features: Vec<_> = catalogue.iter().flat_map(|section| &section.features).collect();
        assert!(features.iter().map(|feature| feature.number).eq(1..=features.len()));
        for Feature { name, about, .. } in features {
            assert!(!name.is_empty() && !about.is_empty(), "{name:?}: {about:?}");
        }
        assert!(catalogue.iter().all(|section| !section.features.is_empty()));
    }
}
