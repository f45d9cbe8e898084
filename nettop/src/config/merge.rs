//! Which of several layers has the say.

use std::collections::BTreeSet;

use clap::{Arg, Command};

use super::origin::Entry;

/// What all layers together say.
#[derive(Debug, Default)]
pub struct Merged {
    /// What is in force.
    pub kept: Vec<Entry>,
    /// What nothing overrides, and yet has no effect, and why.
    pub idle: Vec<(Entry, String)>,
}

/// Of each key what the highest layer says. The command line stands above all of them: it has given some options of
/// `command`, and turned some switches off. What a layer says is left out where it cannot be used with what a higher one says.
pub fn merge(layers: Vec<Vec<Entry>>, given: &[String], off: &[String], command: &Command) -> Merged {
    let mut merged = Merged::default();
    let mut said: BTreeSet<String> = given.iter().chain(off).cloned().collect();
    let mut used = given.to_vec();
    for layer in layers.into_iter().rev() {
        let (mut saying, mut using) = (Vec::new(), Vec::new());
        for entry in layer.into_iter().filter(|entry| !said.contains(&entry.key)) {
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
    let excludes = |one: &Arg, other: &Arg| command.get_arg_conflicts_with(one).iter().any(|arg| *arg == other);
    let (Some(one), Some(other)) = (named(one), named(other)) else { return false };
    excludes(one, other) || excludes(other, one)
}
