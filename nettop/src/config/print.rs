//! The configuration as a file: the one in force, and a sample. Both are made of the same rows.

use std::{any::TypeId, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches};
use nettop_model::visible::{is_unseen, visible};
use nettop_tui::{
    preferences::{Preferences, column_name},
    text,
    view::{self, VIEWS},
};

use super::{
    Config,
    catalogue::{COLUMNS, Catalogue, KEYS, of_variable, screen_options, variable},
    environment,
};

/// What the sample begins with.
const ABOUT: &str = "\
Configuration of nettop: /etc/nettop/config.toml for everybody, ~/.config/nettop/config.toml (or below $XDG_CONFIG_HOME) for
one user, who has more say. Every option of `nettop run` and `nettop demo` is a key. The environment has more say than files
(NETTOP_TOP=50 for top), and the command line has most; a switch is turned off there by --quiet=false.
Here are all keys and their defaults, commented out. `nettop config` prints what is in force and where it comes from.
Paths are taken as they are on the command line: write them whole.";
/// Values that contradict nothing: a switch that is off, an empty list.
const NOTHING: [&str; 2] = ["false", "[]"];
/// Columns of the sample.
const WIDTH: usize = 110;

/// A table of the file.
struct Table {
    /// Its name; empty for what stands in no table.
    name: String,
    about: Vec<String>,
    rows: Vec<Row>,
}

/// A key.
struct Row {
    key: String,
    about: String,
    /// As TOML has it; `None`: nothing is set.
    value: Option<String>,
    /// What could be there, in a word.
    placeholder: String,
}

/// The configuration in force, as TOML, with where each value comes from.
pub fn effective(config: &Config) -> String {
    let catalogue = Catalogue::new();
    let mut lines = vec![format!("# nettop {}", env!("CARGO_PKG_VERSION"))];
    for (path, is_there) in &config.files.looked {
        lines.push(format!("# {}: {}", path.display(), if *is_there { "read" } else { "not there" }));
    }
    lines.extend(config.warnings().map(|warning| format!("# {warning}")));
    for (entry, why) in &config.merged.idle {
        lines.push(format!("# {}: {} has no effect: {why}", entry.origin, entry.key));
    }
    for (name, _) in environment::variables() {
        let key = of_variable(&name).unwrap_or_default();
        if catalogue.option(&key).is_none() && !["config", "no-config"].contains(&key.as_str()) {
            let meant = catalogue.meant(&key).filter(|meant| catalogue.option(meant).is_some());
            let meant = meant.map_or(String::new(), |meant| format!("; did you mean {}?", variable(meant)));
            lines.push(format!("# {name} is the variable of no option{meant}"));
        }
    }
    let configured = config.merged.kept.iter().filter(|entry| !entry.arguments().is_empty());
    let in_force: Vec<_> = configured.map(|entry| &entry.key).chain(&config.given).collect();
    for table in tables(&catalogue, &config.matches, &config.preferences) {
        lines.push(String::new());
        lines.extend(table.head());
        for row in table.rows {
            let key = if table.name.is_empty() { row.key.clone() } else { format!("{}.{}", table.name, row.key) };
            let entry = config.merged.kept.iter().find(|entry| entry.key == key);
            let origin = match entry {
                _ if config.given.contains(&key) => format!("--{key}"),
                _ if config.off.contains(&key) => format!("--{key}=false"),
                Some(entry) => entry.origin.to_string(),
                None => "default".into(),
            };
            let rival = || in_force.iter().find(|other| catalogue.conflict(&key, other));
            lines.push(match row.value {
                // The file would contradict itself.
                Some(value) if origin == "default" && !NOTHING.contains(&value.as_str()) && rival().is_some() => {
                    format!("# {}: not used", row.key)
                }
                Some(value) => format!("{} = {value}  # {origin}", row.key),
                None => format!("# {}: not set", row.key),
            });
        }
    }
    // What comes from outside cannot begin a line of its own.
    lines.iter().map(|line| format!("{}\n", visible(line))).collect()
}

/// A file with all keys, what they mean and what they usually are, commented out.
pub fn sample() -> String {
    let catalogue = Catalogue::new();
    let mut lines: Vec<String> = ABOUT.lines().map(|line| format!("# {line}")).collect();
    let limited = screen_options().join(", ");
    lines.extend(comment(&format!(
        "When nettop is started by sudo, only {limited}, and the tables below are taken from the file of whoever called it."
    )));
    for table in tables(&catalogue, &catalogue.defaults(), &Preferences::default()) {
        lines.push(String::new());
        lines.extend(table.head());
        lines.extend(table.about.iter().flat_map(|about| comment(about)));
        for Row { key, about, value, placeholder } in table.rows {
            let value = value.unwrap_or(format!("<{placeholder}>"));
            match (about.as_str(), table.name.as_str()) {
                ("", _) => lines.push(format!("#{key} = {value}")),
                (about, "") => {
                    lines.push(String::new());
                    lines.extend(comment(about));
                    lines.push(format!("#{key} = {value}"));
                }
                (about, _) => lines.push(format!("#{key} = {value}  # {about}")),
            }
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn comment(text: &str) -> Vec<String> {
    text::wrap(text, WIDTH).into_iter().map(|line| format!("# {line}")).collect()
}

impl Table {
    fn head(&self) -> Option<String> {
        (!self.name.is_empty()).then(|| format!("[{}]", self.name))
    }
}

fn tables(catalogue: &Catalogue, matches: &ArgMatches, preferences: &Preferences) -> Vec<Table> {
    let options = catalogue.options().map(|(name, arg)| Row {
        key: name.into(),
        about: about(arg),
        value: value(arg, matches),
        placeholder: arg.get_value_names().and_then(|names| names.first()).map_or(name.into(), ToString::to_string),
    });
    let keys = preferences.keys.all().map(|(action, keys)| Row {
        key: action.id.into(),
        about: action.help.into(),
        value: Some(list(keys.iter().map(|key| key.name()))),
        placeholder: String::new(),
    });
    let mut tables = vec![
        Table { name: String::new(), about: Vec::new(), rows: options.collect() },
        Table {
            name: KEYS.into(),
            about: vec!["A key, or a list of them, for each action; [] for none.".into()],
            rows: keys.collect(),
        },
    ];
    for ((view, name), table) in VIEWS.iter().zip(view::names()).zip(&preferences.tables) {
        let heads = view.heads();
        let shown = (0..heads.len()).filter(|at| !table.without.contains(at)).map(|at| column_name(&heads[at]));
        let row = |key: &str, value| Row { key: key.into(), about: String::new(), value, placeholder: "COLUMN".into() };
        let rows = vec![
            row("show", Some(list(shown))),
            row("sort", table.order.map(|order| quoted(&column_name(&heads[order.column])))),
            row(
                "reverse",
                Some(table.order.is_some_and(|order| order.reversed != heads[order.column].falls).to_string()),
            ),
        ];
        let columns = heads.iter().map(|head| {
            let sorts = if head.sorts { "; can be sorted by" } else { "" };
            format!("{}: {}{sorts}", column_name(head), head.help)
        });
        tables.push(Table { name: format!("{COLUMNS}.{name}"), about: columns.collect(), rows });
    }
    tables
}

/// The help of an option, and its values where they are few.
fn about(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<_> = arg.get_possible_values().iter().map(|value| quoted(value.get_name())).collect();
    match arg.get_action() {
        ArgAction::SetTrue => help,
        _ if values.is_empty() => help,
        _ => format!("{help}: {}", values.join(", ")),
    }
}

/// The value of an option, as TOML.
fn value(arg: &Arg, matches: &ArgMatches) -> Option<String> {
    let id = arg.get_id().as_str();
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return Some(matches.get_flag(id).to_string());
    }
    let parser = arg.get_value_parser().type_id();
    let is_text = parser == TypeId::of::<String>() || parser == TypeId::of::<PathBuf>();
    let mut texts = matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy().into_owned());
    match arg.get_action() {
        ArgAction::Append => Some(list(texts)),
        _ => texts.next_back().map(|text| if is_number(&text) && !is_text { text } else { quoted(&text) }),
    }
}

/// Whether TOML has this very number.
fn is_number(text: &str) -> bool {
    let float = |number: f64| number.is_finite() && format!("{number:?}") == text && !text.contains('e');
    text.parse().is_ok_and(|number: i64| number.to_string() == text) || text.parse().is_ok_and(float)
}

fn list(texts: impl Iterator<Item = String>) -> String {
    format!("[{}]", texts.map(|text| quoted(&text)).collect::<Vec<_>>().join(", "))
}

/// A text as TOML has it, and as it can be seen.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            unseen if is_unseen(unseen) => quoted.push_str(&format!("\\U{:08X}", u32::from(unseen))),
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_toml_writes_alike() {
        for number in ["0", "-5", "5000", "1.0", "0.25"] {
            assert!(is_number(number), "{number}");
        }
        for text in ["", "007", "+1", "1e9", "1.", ".5", "nan", "inf", "0x10", "80,443", "99999999999999999999"] {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn texts_are_quoted_so_that_they_can_be_seen() {
        assert_eq!(quoted("a\"b\\c\n\u{202e}é"), r#""a\"b\\c\U0000000A\U0000202Eé""#);
        assert_eq!(list(["a", "b"].map(String::from).into_iter()), "[\"a\", \"b\"]");
    }
}
