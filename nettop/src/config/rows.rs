//! Every key of a configuration file with its value: what the file in force and the sample are made of.

use std::{any::TypeId, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches};
use nettop_tui::preferences::column_name;
use nettop_views::view::{self, VIEWS};

use super::{
    Config,
    catalogue::Catalogue,
    quote::{is_number, key, list, quoted},
};

/// A table of the file.
#[derive(Default)]
pub struct ConfigTable {
    /// Its name; empty for what stands in no table.
    pub name: String,
    /// What it is about, in paragraphs.
    pub about: Vec<String>,
    /// Its keys.
    pub rows: Vec<Row>,
}

/// A key.
pub struct Row {
    /// Its name in its table.
    pub key: String,
    /// What it means; empty: the table says it.
    pub about: String,
    /// As TOML has it; `None`: nothing is set.
    pub value: Option<String>,
    /// What could be there, in a word.
    pub placeholder: String,
}

/// All tables, in the order of the sample.
pub fn tables(catalogue: &Catalogue, config: &Config) -> Vec<ConfigTable> {
    let options = catalogue.options().map(|(name, arg)| Row {
        key: name.into(),
        about: about(arg),
        value: value(arg, &config.matches),
        placeholder: arg.get_value_names().and_then(|names| names.first()).map_or(name.into(), ToString::to_string),
    });
    let keys = config.preferences.keys.all().map(|(action, keys)| Row {
        key: action.id.into(),
        about: action.help.into(),
        value: Some(list(keys.iter().map(|key| key.name()))),
        placeholder: String::new(),
    });
    let mut tables = vec![
        ConfigTable { rows: options.collect(), ..ConfigTable::default() },
        ConfigTable {
            name: "keys".into(),
            about: vec!["A key, or a list of them, for each action; [] for none.".into()],
            rows: keys.collect(),
        },
    ];
    for (at, view) in view::names().enumerate() {
        tables.extend([columns(config, at, &view), settings(config, at, &view)]);
    }
    tables
}

/// The settings of a view, which is called `name`.
fn settings(config: &Config, view: usize, name: &str) -> ConfigTable {
    let filter = config.preferences.tables[view].filter.as_ref().map_or("", |filter| &filter.text);
    let row = Row {
        key: "filter".into(),
        about: "which rows are shown at the start, as typed after /".into(),
        value: Some(quoted(filter)),
        placeholder: String::new(),
    };
    ConfigTable { name: format!("views.{name}"), about: Vec::new(), rows: vec![row] }
}

/// The columns of a view, which is called `name`.
fn columns(config: &Config, view: usize, name: &str) -> ConfigTable {
    let (heads, table) = (VIEWS[view].heads(), &config.preferences.tables[view]);
    let shown = (0..heads.len()).filter(|at| !table.without.contains(at)).map(|at| column_name(&heads[at]));
    let reverse = table.order.is_some_and(|order| order.reversed != heads[order.column].falls);
    let row = |key: &str, value| Row { key: key.into(), about: String::new(), value, placeholder: "COLUMN".into() };
    let mut rows = vec![
        row("show", Some(list(shown))),
        row("sort", table.order.map(|order| quoted(&column_name(&heads[order.column])))),
        row("reverse", Some(reverse.to_string())),
    ];
    let widths = || table.widths.iter().map(|(at, cells)| (column_name(&heads[*at]), cells));
    rows.extend(widths().map(|(name, cells)| row(&format!("width.{}", key(&name)), Some(cells.to_string()))));
    if table.widths.is_empty() {
        rows.push(Row { placeholder: "CELLS".into(), ..row("width.COLUMN", None) });
    }
    let about = heads.iter().map(|head| {
        let sorts = if head.sorts { "; can be sorted by" } else { "" };
        format!("{}: {}{sorts}", column_name(head), head.help)
    });
    ConfigTable { name: format!("columns.{name}"), about: about.collect(), rows }
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
