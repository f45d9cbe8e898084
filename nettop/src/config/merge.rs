//! Which of several layers has the say.

use std::collections::BTreeSet;

use clap::{Arg, Command};

use super::entry::ConfigEntry;

/// What all layers together say.
#[derive(Debug, Default)]
pub struct Merged {
    /// What is in force.
    pub kept: Vec<ConfigEntry>,
    /// What nothing overrides, and yet has no effect, and why.
    pub idle: Vec<(ConfigEntry, String)>,
}

/// Of each key what the highest layer says. Above all of them stand the options of `command` that the command line has given.
/// What a layer says is left out where it cannot be used with what a higher one says.
pub fn merge<'a>(
    layers: impl DoubleEndedIterator<Item = &'a [ConfigEntry]>,
    given: &[String],
    command: &Command,
) -> Merged {
    let mut merged = Merged::default();
    let mut said: BTreeSet<String> = given.iter().cloned().collect();
    let mut used = given.to_vec();
    for layer in layers.rev() {
        let (mut saying, mut using) = (Vec::new(), Vec::new());
        for entry in layer.iter().filter(|entry| !said.contains(&entry.key)).cloned() {
            saying.push(entry.key.clone());
            let matters = !entry.arguments().is_empty();
            match used.iter().find(|other| matters && conflict(command, &entry.key, other)) {
                Some(other) => merged.idle.push((entry, format!("it cannot be used with {other}"))),
                None => {
                    using.extend(matters.then(|| entry.key.clone()));
                    merged.kept.push(entry);
                }
            }
        }
        said.extend(saying);
        used.extend(using);
    }
    merged
}

/// Whether two options of a command cannot be used together.
pub fn conflict(command: &Command, one: &str, other: &str) -> bool {
    let named = |name: &str| command.get_arguments().find(|arg| arg.get_long() == Some(name));
    let excludes = |one: &Arg, other: &Arg| command.get_arg_conflicts_with(one).contains(&other);
    let (Some(one), Some(other)) = (named(one), named(other)) else { return false };
    excludes(one, other) || excludes(other, one)
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::{super::entry::Said, *};

    /// Of entries such as `top=5`, `quiet` and `!quiet`.
    fn layer(entries: &str) -> Vec<ConfigEntry> {
        let entry = |text: &str| {
            let (key, said) = match (text.split_once('='), text.strip_prefix('!')) {
                (Some((key, value)), _) => (key, Said::One(value.into())),
                (None, Some(key)) => (key, Said::Switch(false)),
                (None, None) => (text, Said::Switch(true)),
            };
            ConfigEntry { key: key.into(), said, origin: String::new() }
        };
        entries.split_whitespace().map(entry).collect()
    }

    #[test]
    fn of_each_key_the_highest_layer_has_the_say() {
        let switch = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
        let command = Command::new("x")
            .args([Arg::new("top").long("top"), Arg::new("db").long("db")])
            .args([switch("no-geo").conflicts_with("db"), switch("quiet")]);
        for (layers, given, kept, idle) in [
            (&["top=1 quiet", "top=2"][..], &[][..], "top=2 quiet", ""),
            (&["top=1 quiet", "top=2", "!quiet"], &["top"], "!quiet", ""),
            (&["no-geo top=1", "db=x"], &[], "db=x top=1", "no-geo"),
            (&["db=x", "no-geo"], &[], "no-geo", "db=x"),
            (&["db=x"], &["no-geo"], "", "db=x"),
            // What is off contradicts nothing, and yet overrides.
            (&["no-geo", "!no-geo db=x"], &[], "!no-geo db=x", ""),
            (&["no-geo", "!no-geo"], &["db"], "!no-geo", ""),
            // Within one layer it is a mistake, which clap tells of.
            (&["no-geo db=x"], &[], "no-geo db=x", ""),
        ] {
            let given: Vec<_> = given.iter().map(ToString::to_string).collect();
            let layers: Vec<_> = layers.iter().map(|entries| layer(entries)).collect();
            let merged = merge(layers.iter().map(Vec::as_slice), &given, &command);
            assert_eq!(merged.kept, layer(kept), "{kept}");
            assert_eq!(merged.idle.into_iter().map(|(entry, _)| entry).collect::<Vec<_>>(), layer(idle), "{kept}");
        }
    }
}
