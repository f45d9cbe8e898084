//! What the environment says: NETTOP_TOP for the option --top.

use std::{
    env,
    ffi::{OsStr, OsString},
};

use clap::ArgAction;

use super::{
    catalogue::Catalogue,
    entry::{ConfigEntry, Said},
};

/// What the names of variables begin with.
const PREFIX: &str = "NETTOP_";

/// The name of the variable that stands for an option.
pub fn variable(option: &str) -> String {
    format!("{PREFIX}{}", option.to_uppercase().replace('-', "_"))
}

/// The name of the option that a variable would stand for, if there is one.
pub fn of_variable(name: &str) -> Option<String> {
    let option = name.strip_prefix(PREFIX)?.to_lowercase().replace('_', "-");
    Some(option).filter(|option| variable(option) == name)
}

/// The variables, of which empty ones say nothing.
pub fn variables() -> impl Iterator<Item = (String, OsString)> {
    let named = env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    named.filter(|(name, value)| of_variable(name).is_some() && !value.is_empty())
}

/// What these variables say of options; of others they say nothing.
///
/// # Errors
/// A value that the option does not take; with the name of the variable.
pub fn read(
    variables: impl Iterator<Item = (String, OsString)>,
    catalogue: &Catalogue,
) -> Result<Vec<ConfigEntry>, String> {
    let mut entries = Vec::new();
    for (name, value) in variables {
        let Some((key, arg)) = of_variable(&name).and_then(|key| Some((key.clone(), catalogue.option(&key)?))) else {
            continue;
        };
        let said = match arg.get_action() {
            ArgAction::SetTrue => Said::Switch(
                switch(&value)
                    .ok_or_else(|| format!("{name}: it is either true or false, not {:?}", value.to_string_lossy()))?,
            ),
            _ => Said::One(value),
        };
        let entry = ConfigEntry { key, said, origin: name };
        catalogue.judge(&entry).map_err(|what| format!("{}: {what}", entry.origin))?;
        entries.push(entry);
    }
    Ok(entries)
}

/// Whether a variable turns something on.
pub fn switch(value: &OsStr) -> Option<bool> {
    match value.to_str()?.to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
