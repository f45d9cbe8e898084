//! Configuration: what files and the environment say of options, below what the command line says of them.
//!
//! Defaults < the system's file < the user's < the environment < the command line.
//!
//! - Options: an option's long name is its key in a file, and its variable is called after it; there is no second list of options.
//!   What files and variables say becomes arguments in front of those that were given, so that clap judges all of them alike.
//! - Tables and lists of tables are in files alone: structs that serde reads (`tables`), each value with its place.

mod catalogue;
mod document;
mod entry;
mod environment;
mod files;
mod hooks;
mod logs;
mod merge;
mod print;
mod quote;
mod rows;
mod rules;
mod screen;
mod tables;
mod target;

use std::{ffi::OsString, path::PathBuf};

use clap::{ArgMatches, Parser};
use nettop_actor::hook::Hook;
use nettop_engine::detect::OwnRule;
use nettop_process::cause;
use nettop_tui::{bindings::Bindings, preferences::Preferences};

use self::{
    catalogue::Catalogue,
    document::Document,
    entry::{ConfigEntry, Said},
    files::Found,
    hooks::{Around, ConfiguredHook},
    merge::{Merged, merge},
    rules::ConfiguredRule,
    target::{Choice, ConfiguredCommand},
};
pub use self::{
    logs::ConfiguredLogs,
    print::{effective, sample},
};
use crate::cli::{Cli, Command, Exit, RunArgs};

/// The switch that the environment turns on, unless it is turned off.
const ASCII: &str = "ascii";

/// What is in force, and where it comes from.
#[derive(Debug, Default)]
pub struct Config {
    /// The screen's keys and tables.
    pub preferences: Preferences,
    /// Rules of one's own.
    rules: Vec<ConfiguredRule>,
    /// Commands that are prepared.
    hooks: Vec<ConfiguredHook>,
    /// Logs, and what is notable in them.
    pub logs: ConfiguredLogs,
    /// What clap made of all options.
    matches: ArgMatches,
    /// What the layers said of them.
    merged: Merged,
    /// The options that the command line gave.
    given: Vec<String>,
    layers: Layers,
}

/// The layers below the options on the command line.
#[derive(Debug, Default)]
struct Layers {
    /// Each file that was looked for, and whether it is there.
    looked: Vec<(PathBuf, bool)>,
    /// The files, each of which overrides those before.
    files: Vec<Document>,
    environment: Vec<ConfigEntry>,
    /// The switches that the command line turns off (`--quiet=false`): they override the environment.
    off: Vec<ConfigEntry>,
}

impl Layers {
    /// Reads the files and the environment.
    ///
    /// # Errors
    /// What is wrong with a file, or with the environment.
    fn read(choice: &Choice, catalogue: &Catalogue) -> Result<Self, String> {
        let found = match choice {
            Choice::None => Ok(Vec::new()),
            Choice::Named(path) => files::named(path).map(|found| vec![found]),
            Choice::Usual => files::usual(),
        };
        let mut layers = Self::default();
        for Found { path, text, limited } in found.map_err(|error| cause::told(&error))? {
            layers.looked.push((path.clone(), text.is_some()));
            let document = text.map(|text| Document::read(path, &text, limited, catalogue));
            layers.files.extend(document.transpose()?);
        }
        layers.environment = environment::read(environment::variables(), catalogue)?;
        Ok(layers)
    }

    /// The options of each layer; each layer overrides those before it.
    fn options(&self) -> impl DoubleEndedIterator<Item = &[ConfigEntry]> {
        self.files.iter().map(|file| file.options.as_slice()).chain([self.environment.as_slice(), &self.off])
    }
}

impl Config {
    /// Rules of one's own.
    pub fn rules(&self) -> Vec<OwnRule> {
        self.rules.iter().map(|configured| configured.rule.clone()).collect()
    }

    /// Commands that are prepared.
    pub fn hooks(&self) -> Vec<Hook> {
        self.hooks.iter().map(|configured| configured.hook.clone()).collect()
    }

    /// What to tell the user: what of a file was left out.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.layers.files.iter().flat_map(|file| &file.left_out).map(|(key, origin)| {
            format!(
                "{origin}: {key} is left out: started by sudo, only what concerns the screen is taken from that file; \
                 it can be in /etc/nettop/config.toml, or --config can name the file"
            )
        })
    }

    /// Where the value of a key comes from; `None`: it is the default.
    fn origin(&self, key: &str) -> Option<String> {
        if self.given.iter().any(|given| given == key) {
            return Some(format!("--{key}"));
        }
        let option = self.merged.kept.iter().find(|entry| entry.key == key).map(|entry| entry.origin.as_str());
        option.or_else(|| document::origin(&self.layers.files, key)).map(String::from)
    }
}

/// Reads the command line, and what is configured below it, if it calls a command that can be configured.
///
/// # Errors
/// See [`Exit`].
pub fn parse<T: Parser>(arguments: impl IntoIterator<Item = OsString>) -> Result<(T, Config), Exit> {
    let catalogue = Catalogue::new();
    let (arguments, off) = catalogue.without_switches(arguments.into_iter().collect());
    let mut command = T::command();
    // Only then do options know how they are written.
    command.build();
    let first = target::look(&command, &arguments)?;
    let Some(target) = ConfiguredCommand::of(&command, &first) else {
        let matches = command.try_get_matches_from(arguments)?;
        return Ok((T::from_arg_matches(&matches)?, Config::default()));
    };
    let given = target.given();
    let layers = target.choice().and_then(|choice| Layers::read(&choice, &catalogue)).map_err(Exit::Usage)?;
    let layers = Layers { off, ..layers };
    let mut merged = merge(layers.options(), &given, target.command);
    let matches = target.settle(&command, &arguments, &mut merged)?;
    let mut preferences = screen::preferences(&layers.files).map_err(Exit::Usage)?;
    let rules = rules::read(&layers.files).map_err(Exit::Usage)?;
    let hooks = read_hooks(&layers.files, &rules, &preferences.keys).map_err(Exit::Usage)?;
    let logs = logs::read(&layers.files).map_err(Exit::Usage)?;
    let turned_off = |entry: &ConfigEntry| entry.key == ASCII && entry.said == Said::Switch(false);
    preferences.unicode = merged.kept.iter().any(turned_off);
    let cli = T::from_arg_matches(&matches)?;
    let matches = matches.subcommand().map_or_else(|| matches.clone(), |(_, matches)| matches.clone());
    Ok((cli, Config { preferences, rules, hooks, logs, matches, merged, given, layers }))
}

fn read_hooks(files: &[Document], rules: &[ConfiguredRule], keys: &Bindings) -> Result<Vec<ConfiguredHook>, String> {
    let rules: Vec<_> = rules.iter().map(|configured| configured.rule.clone()).collect();
    hooks::read(files, &Around { keys, rules: &rules, owner: nettop_sandbox::later_uid() })
}

/// What files and the environment say of an option that takes one value, for a monitor that is started now.
///
/// # Errors
/// As for [`check`].
pub fn value(option: &str) -> Result<Option<OsString>, String> {
    let layers = Layers::read(&Choice::of_environment()?, &Catalogue::new())?;
    let entry = layers.options().rev().flatten().find(|entry| entry.key == option);
    Ok(entry.and_then(|entry| entry.said.values().first().cloned()))
}

/// The options of a monitor that is started now, by files and the environment alone.
///
/// # Errors
/// What is wrong with a file, or with the environment.
pub fn started() -> Result<RunArgs, String> {
    let (cli, config) = parse::<Cli>(["nettop", "run"].map(OsString::from)).map_err(|exit| match exit {
        Exit::Printed(text) | Exit::Usage(text) => text,
    })?;
    match cli.command {
        Some(Command::Run(mut args)) => {
            args.common.hooks = config.hooks();
            Ok(args)
        }
        _ => Err("this program has no command run".into()),
    }
}

/// Which files a monitor that is started now would read, all of which it can.
///
/// # Errors
/// What is wrong with a file, or with the environment.
pub fn check() -> Result<Vec<PathBuf>, String> {
    let layers = Layers::read(&Choice::of_environment()?, &Catalogue::new())?;
    let preferences = screen::preferences(&layers.files)?;
    let rules = rules::read(&layers.files)?;
    read_hooks(&layers.files, &rules, &preferences.keys)?;
    logs::read(&layers.files)?;
    Ok(layers.looked.into_iter().filter(|(_, is_there)| *is_there).map(|(path, _)| path).collect())
}
