//! The configuration as a file: the one in force, and a sample. Both are made of the same rows.

use nettop_model::visible::visible;
use nettop_views::text;

use super::{
    Config,
    catalogue::{Catalogue, screen_options},
    environment::{of_variable, variable, variables},
    hooks, logs,
    rows::{ConfigTable, Row, tables},
    rules,
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

/// The configuration in force, as TOML, with where each value comes from.
pub fn effective(config: &Config) -> String {
    let catalogue = Catalogue::new();
    let mut lines = vec![format!("# nettop {}", env!("CARGO_PKG_VERSION"))];
    for (path, is_there) in &config.layers.looked {
        lines.push(format!("# {}: {}", path.display(), if *is_there { "read" } else { "not there" }));
    }
    lines.extend(config.warnings().map(|warning| format!("# {warning}")));
    for (entry, why) in &config.merged.idle {
        lines.push(format!("# {}: {} has no effect: {why}", entry.origin, entry.key));
    }
    for (name, _) in variables() {
        let key = of_variable(&name).unwrap_or_default();
        if catalogue.option(&key).is_none() && !["config", "no-config"].contains(&key.as_str()) {
            let meant = catalogue.meant(&key).filter(|meant| catalogue.option(meant).is_some());
            let meant = meant.map_or(String::new(), |meant| format!("; did you mean {}?", variable(meant)));
            lines.push(format!("# {name} is the variable of no option{meant}"));
        }
    }
    let configured = config.merged.kept.iter().filter(|entry| !entry.arguments().is_empty());
    let in_force: Vec<_> = configured.map(|entry| &entry.key).chain(&config.given).collect();
    for (at, table) in tables(&catalogue, config).into_iter().enumerate() {
        if at == 1 {
            lines.extend(rules::effective(&config.rules));
            lines.extend(hooks::effective(&config.hooks));
            lines.extend(config.logs.effective());
        }
        lines.push(String::new());
        lines.extend(head(&table));
        for Row { key, value, .. } in table.rows {
            // Places are known by names without the quotes that TOML wants.
            let name = format!("{}.{key}", table.name).replace('"', "");
            let origin = config.origin(name.trim_start_matches('.'));
            let rival = || table.name.is_empty() && in_force.iter().any(|other| catalogue.conflict(&key, other));
            lines.push(match (value, origin) {
                (None, _) => format!("# {key}: not set"),
                (Some(value), Some(origin)) => format!("{key} = {value}  # {origin}"),
                // The file would contradict itself.
                (Some(value), None) if !NOTHING.contains(&value.as_str()) && rival() => format!("# {key}: not used"),
                (Some(value), None) => format!("{key} = {value}  # default"),
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
        "When nettop is started by sudo, only {limited}, [keys], [columns.…] and [views.…] are taken from the file of whoever called it."
    )));
    let defaults = Config { matches: catalogue.defaults(), ..Config::default() };
    for (at, table) in tables(&catalogue, &defaults).into_iter().enumerate() {
        if at == 1 {
            lines.push(String::new());
            lines.extend(rules::sample().iter().map(|line| format!("# {line}")));
            lines.push(String::new());
            lines.extend(hooks::sample().iter().map(|line| format!("# {line}")));
            lines.push(String::new());
            lines.extend(logs::sample().iter().map(|line| format!("# {line}").trim_end().into()));
        }
        lines.push(String::new());
        lines.extend(head(&table));
        lines.extend(table.about.iter().flat_map(|about| comment(about)));
        for Row { key, about, value, placeholder, .. } in table.rows {
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

fn head(table: &ConfigTable) -> Option<String> {
    (!table.name.is_empty()).then(|| format!("[{}]", table.name))
}
