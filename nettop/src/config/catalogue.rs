//! Every key there is. The options are those of the command line, so that there is no second list of them.

use std::{collections::BTreeSet, ffi::OsString};

use clap::{Arg, ArgAction, ArgMatches, Args as _, Command, builder::Resettable};

use super::{
    entry::{ConfigEntry, Said},
    merge::conflict,
    tables,
};
use crate::cli::{Configured, FileArgs, ScreenArgs, one_line};

/// How much a key must be like another to be taken for a misspelling of it (Jaro similarity, as clap has it).
const ALIKE: f64 = 0.7;

/// Every key there is.
pub struct Catalogue {
    /// A command that has all options, whichever commands have them.
    command: Command,
    /// Those that say which files are read, which no file can say.
    of_files: Vec<String>,
    keys: BTreeSet<String>,
}

impl Catalogue {
    /// Of this program.
    pub fn new() -> Self {
        Self::with(tables::names())
    }

    /// Of its options and of these keys in tables.
    pub fn with(tables: impl Iterator<Item = String>) -> Self {
        let bare = Command::new("nettop").no_binary_name(true).disable_help_flag(true);
        let mut command = Configured::augment_args(bare);
        // Only then do options know how they are written.
        command.build();
        let of_files = names(&FileArgs::augment_args(Command::new("")));
        let options = names(&command).into_iter().filter(|name| !of_files.contains(name));
        let keys = options.chain(tables).collect();
        Self { command, of_files, keys }
    }

    /// What clap makes of no arguments at all.
    pub fn defaults(&self) -> ArgMatches {
        let nothing: [OsString; 0] = [];
        // Nothing is demanded of those who configure nothing.
        self.command.clone().try_get_matches_from(nothing).unwrap_or_default()
    }

    /// The options, with their names.
    pub fn options(&self) -> impl Iterator<Item = (&str, &Arg)> {
        let named = self.command.get_arguments().filter_map(|arg| Some((arg.get_long()?, arg)));
        named.filter(|(name, _)| !self.of_files.iter().any(|one| one == name))
    }

    /// The option of this name.
    pub fn option(&self, name: &str) -> Option<&Arg> {
        self.options().find(|(one, _)| *one == name).map(|(_, arg)| arg)
    }

    /// Whether two options cannot be used together.
    pub fn conflict(&self, one: &str, other: &str) -> bool {
        conflict(&self.command, one, other)
    }

    /// That there is such a key, or table of keys.
    ///
    /// # Errors
    /// There is none; perhaps which one was meant.
    pub fn check(&self, key: &str) -> Result<(), String> {
        let table = format!("{key}.");
        if self.keys.contains(key) || self.keys.range(table.clone()..).next().is_some_and(|one| one.starts_with(&table))
        {
            return Ok(());
        }
        let meant = self.meant(key).map_or(String::new(), |meant| format!("; did you mean {meant}?"));
        Err(format!("there is no key {key:?}{meant}"))
    }

    /// The key that is most like this one, if any is like it.
    pub fn meant(&self, key: &str) -> Option<&str> {
        let alike =
            self.keys.iter().map(|one| (strsim::jaro(key, one), one.as_str())).filter(|(alike, _)| *alike > ALIKE);
        alike.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, key)| key)
    }

    /// That clap takes what was said of an option.
    ///
    /// # Errors
    /// What is wrong with it, and what is allowed.
    pub fn judge(&self, entry: &ConfigEntry) -> Result<(), String> {
        let Some(arg) = self.option(&entry.key) else { return Ok(()) };
        let wrong = |what: &str| Err(format!("{} {what}", entry.key));
        match (&entry.said, arg.get_action()) {
            (Said::Switch(_), ArgAction::SetTrue) => return Ok(()),
            (_, ArgAction::SetTrue) => return wrong("is either true or false"),
            (Said::Switch(_), _) => return wrong("takes a value, not true or false"),
            (Said::Many(_), ArgAction::Set) => return wrong("takes one value, not a list"),
            _ => {}
        }
        // By itself: what other options have to do with it is seen when all are known.
        let alone = arg.clone().conflicts_with(Resettable::Reset).requires(Resettable::Reset);
        let command = Command::new("nettop").no_binary_name(true).arg(alone);
        let judged = command.try_get_matches_from(entry.arguments());
        judged.map(drop).map_err(|error| one_line(&error).replace(&arg.to_string(), &entry.key))
    }

    /// The arguments without those that turn switches off again (`--quiet=false`), and what these say.
    pub fn without_switches(&self, arguments: Vec<OsString>) -> (Vec<OsString>, Vec<ConfigEntry>) {
        let (mut left, mut off) = (Vec::<OsString>::new(), Vec::new());
        for argument in arguments {
            let text = argument.to_str().and_then(|text| text.strip_suffix("=false").or(text.strip_suffix("=true")));
            let name = text.and_then(|text| text.strip_prefix("--")).unwrap_or_default();
            if !self.option(name).is_some_and(|arg| matches!(arg.get_action(), ArgAction::SetTrue)) {
                left.push(argument);
                continue;
            }
            // The last one decides.
            let on = OsString::from(format!("--{name}"));
            left.retain(|one| *one != on);
            let origin = argument.to_string_lossy().into_owned();
            match origin.ends_with("true") {
                true => left.push(on),
                false => off.push(ConfigEntry { key: name.into(), said: Said::Switch(false), origin }),
            }
        }
        (left, off)
    }
}

/// The options that nothing but the screen depends on.
pub fn screen_options() -> Vec<String> {
    names(&ScreenArgs::augment_args(Command::new("")))
}

/// Whether nothing but the screen depends on an option or a table.
pub fn is_of_screen(name: &str) -> bool {
    tables::OF_SCREEN.contains(&name) || screen_options().iter().any(|option| option == name)
}

fn names(command: &Command) -> Vec<String> {
    command.get_arguments().filter_map(|arg| arg.get_long().map(String::from)).collect()
}
