//! Configuration: what files and the environment say of options, below what the command line says of them.
//!
//! An option's long name is its key in a file, and its variable is called after it; there is no second list of options. What files
//! and variables say becomes arguments in front of those that were given, so that clap judges all of them alike. Defaults < the
//! system's file < the user's < the environment < the command line. The keys and tables of the screen are in files alone.

mod catalogue;
mod document;
mod environment;
mod files;
mod merge;
mod origin;
mod print;
mod screen;
mod target;

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use clap::{ArgMatches, Command, Parser};
use nettop_process::cause;
use nettop_tui::preferences::Preferences;

pub use self::print::{effective, sample};
use self::{
    catalogue::{Catalogue, is_of_screen},
    merge::{Merged, merge},
    origin::{Entry, Said},
    target::{Choice, Target},
};
use crate::cli::Exit;

/// The switch that the environment turns on, unless it is turned off.
const ASCII: &str = "ascii";

/// What is in force, and where it comes from.
#[derive(Debug, Default)]
pub struct Config {
    /// The screen's keys and tables.
    pub preferences: Preferences,
    /// What clap made of all options.
    matches: ArgMatches,
    /// What files and variables said of them.
    merged: Merged,
    /// The options that the command line gave.
    given: Vec<String>,
    /// The switches that it turned off.
    off: Vec<String>,
    files: Files,
}

/// Which files were read.
#[derive(Debug, Default)]
struct Files {
    /// Each that was looked for, and whether it is there.
    looked: Vec<(PathBuf, bool)>,
    /// What was left out for safety's sake.
    left_out: Vec<Entry>,
}

impl Config {
    /// What to tell the user: what of a file was left out.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.files.left_out.iter().map(|Entry { key, origin, .. }| {
            format!(
                "{origin}: {key} is left out: started by sudo, only what concerns the screen is taken from that file; \
                 it can be in /etc/nettop/config.toml, or --config can name the file"
            )
        })
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
    let Some(target) = Target::of(&command, &first) else {
        let matches = command.try_get_matches_from(arguments)?;
        return Ok((T::from_arg_matches(&matches)?, Config::default()));
    };
    let given = target.given();
    let (mut layers, files) = read_files(&target.choice().map_err(Exit::Usage)?, &catalogue).map_err(Exit::Usage)?;
    layers.push(environment::read(environment::variables(), &catalogue).map_err(Exit::Usage)?);
    let mut merged = merge(layers, &given, &off, target.command);
    let matches = target.settle(&command, &arguments, &mut merged)?;
    let mut preferences = screen::preferences(&merged.kept).map_err(Exit::Usage)?;
    let turned_off = |entry: &Entry| entry.key == ASCII && entry.said == Said::Switch(false);
    preferences.unicode = off.iter().any(|name| name == ASCII) || merged.kept.iter().any(turned_off);
    let cli = T::from_arg_matches(&matches)?;
    let matches = matches.subcommand().map_or_else(|| matches.clone(), |(_, matches)| matches.clone());
    Ok((cli, Config { preferences, matches, merged, given, off, files }))
}

/// Which files a monitor that is started now would read, all of which it can.
///
/// # Errors
/// What is wrong with a file, or with the environment.
pub fn check() -> Result<Vec<PathBuf>, String> {
    let catalogue = Catalogue::new();
    let (mut layers, files) = read_files(&Choice::of_environment()?, &catalogue)?;
    layers.push(environment::read(environment::variables(), &catalogue)?);
    let merged = merge(layers, &[], &[], &Command::new(""));
    screen::preferences(&merged.kept)?;
    Ok(files.looked.into_iter().filter(|(_, is_there)| *is_there).map(|(path, _)| path).collect())
}

/// What files say, each of which has more to say than the one before.
fn read_files(choice: &Choice, catalogue: &Catalogue) -> Result<(Vec<Vec<Entry>>, Files), String> {
    let found = match choice {
        Choice::None => Ok(Vec::new()),
        Choice::Named(path) => files::named(path).map(|found| vec![found]),
        Choice::Usual => files::usual(),
    };
    let (mut layers, mut files) = (Vec::new(), Files::default());
    for file in found.map_err(|error| cause::told(&error))? {
        files.looked.push((file.path.clone(), file.text.is_some()));
        let Some(text) = file.text else { continue };
        let entries = document::read(&text, &Arc::from(file.path), catalogue)?;
        let (kept, left_out) = entries.into_iter().partition(|entry: &Entry| !file.limited || is_of_screen(&entry.key));
        layers.push(kept);
        files.left_out.extend::<Vec<_>>(left_out);
    }
    Ok((layers, files))
}
