//! The command that is configured, and what clap says of it.

use std::{env, ffi::OsString, path::PathBuf};

use clap::{ArgMatches, Command, error::ErrorKind, parser::ValueSource};

use super::{
    entry::ConfigEntry,
    environment::{switch, variable},
    merge::Merged,
};
use crate::cli::{Exit, one_line};

/// The options of commands that can be configured: which file is read, and that none is.
const CONFIG: &str = "config";
const NO_CONFIG: &str = "no-config";

/// Which files are read.
pub enum Choice {
    /// The usual ones.
    Usual,
    /// This one alone.
    Named(PathBuf),
    /// None.
    None,
}

impl Choice {
    /// As the environment has it.
    ///
    /// # Errors
    /// A variable that is neither true nor false.
    pub fn of_environment() -> Result<Self, String> {
        let said = |name| env::var_os(variable(name)).filter(|value| !value.is_empty());
        if let Some(none) = said(NO_CONFIG) {
            let name = variable(NO_CONFIG);
            if switch(&none).ok_or_else(|| format!("{name}: it is either true or false, not {none:?}"))? {
                return Ok(Self::None);
            }
        }
        Ok(said(CONFIG).map_or(Self::Usual, |path| Self::Named(path.into())))
    }
}

/// The command whose options are configured.
pub struct ConfiguredCommand<'a> {
    /// It.
    pub command: &'a Command,
    matches: &'a ArgMatches,
    /// Where its options begin among all arguments.
    at: usize,
}

/// What the command line alone says. What it lacks may be configured.
///
/// # Errors
/// What clap says.
pub fn look(command: &Command, arguments: &[OsString]) -> Result<ArgMatches, clap::Error> {
    match command.clone().try_get_matches_from(arguments) {
        Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {
            command.clone().ignore_errors(true).try_get_matches_from(arguments)
        }
        matches => matches,
    }
}

impl<'a> ConfiguredCommand<'a> {
    /// The command that was called, if it can be configured; of nettopctl, whose commands share their options, itself.
    pub fn of(command: &'a Command, matches: &'a ArgMatches) -> Option<Self> {
        let target = match matches.subcommand() {
            Some((name, matches)) if command.is_args_conflicts_with_subcommands_set() => {
                Self { command: command.find_subcommand(name)?, matches, at: 2 }
            }
            _ => Self { command, matches, at: 1 },
        };
        target.has(CONFIG).then_some(target)
    }

    fn has(&self, option: &str) -> bool {
        self.command.get_arguments().any(|arg| arg.get_long() == Some(option))
    }

    /// The options that the command line gives.
    pub fn given(&self) -> Vec<String> {
        let is_given = |id: &str| self.matches.value_source(id) == Some(ValueSource::CommandLine);
        let named = self.command.get_arguments().filter_map(|arg| Some((arg.get_id().as_str(), arg.get_long()?)));
        named.filter(|(id, _)| is_given(id)).map(|(_, name)| name.to_string()).collect()
    }

    /// Which files are to be read.
    ///
    /// # Errors
    /// A variable that is neither true nor false.
    pub fn choice(&self) -> Result<Choice, String> {
        let given = self.given();
        if given.iter().any(|name| name == NO_CONFIG) {
            return Ok(Choice::None);
        }
        if let Some(path) = self.matches.get_one::<PathBuf>(CONFIG) {
            return Ok(Choice::Named(path.clone()));
        }
        Choice::of_environment()
    }

    /// What clap says of `arguments` together with what is configured. What needs an option that nobody gives becomes idle.
    ///
    /// # Errors
    /// What clap says, and where it was configured.
    pub fn settle(&self, whole: &Command, arguments: &[OsString], merged: &mut Merged) -> Result<ArgMatches, Exit> {
        let (before, after) = arguments.split_at(self.at.min(arguments.len()));
        let attempt = |kept: &[ConfigEntry], further: Option<&ConfigEntry>| {
            let known = kept.iter().chain(further).filter(|entry| self.has(&entry.key));
            let configured = known.flat_map(ConfigEntry::arguments);
            whole.clone().try_get_matches_from(before.iter().cloned().chain(configured).chain(after.iter().cloned()))
        };
        let lacks = |error: &clap::Error| error.kind() == ErrorKind::MissingRequiredArgument;
        let mut matches = attempt(&merged.kept, None);
        if matches.as_ref().is_err_and(lacks) {
            let mut rest = std::mem::take(&mut merged.kept);
            // First what needs nothing is taken, then what needs some of that, and so on.
            loop {
                let lacks = |entry: &ConfigEntry| attempt(&merged.kept, Some(entry)).is_err_and(|error| lacks(&error));
                let (idle, able): (Vec<_>, Vec<_>) = rest.into_iter().partition(lacks);
                rest = idle;
                if able.is_empty() {
                    break;
                }
                merged.kept.extend(able);
            }
            merged.idle.extend(rest.into_iter().map(|entry| {
                let why = attempt(&merged.kept, Some(&entry)).map_or_else(|error| one_line(&error), |_| String::new());
                (entry, why)
            }));
            matches = attempt(&merged.kept, None);
        }
        matches.map_err(|error| self.explain(&error, &merged.kept))
    }

    /// The error, with the places of the options that it names, where they are configured.
    fn explain(&self, error: &clap::Error, kept: &[ConfigEntry]) -> Exit {
        let text = one_line(error);
        let named = |entry: &&ConfigEntry| {
            let arg = self.command.get_arguments().find(|arg| arg.get_long() == Some(&entry.key));
            arg.is_some_and(|arg| text.contains(&arg.to_string()))
        };
        let places = kept.iter().filter(named).map(|entry| format!("; {} is from {}", entry.key, entry.origin));
        Exit::Usage(format!("{text}{}; see --help", places.collect::<String>()))
    }
}
