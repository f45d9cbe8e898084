//! The tables that a configuration file can have, as structs for serde.
//!
//! A further table is a field of [`Tables`]; a list of tables (`[[hooks]]`) is a field of type `Vec`. The names of its keys are
//! added to [`names`], from which errors suggest what was meant.

use std::collections::BTreeMap;

use nettop_tui::{action::ACTIONS, preferences::column_name};
use nettop_views::view::{self, VIEWS};
use serde::Deserialize;
use toml::{Spanned, Value};

/// The tables that affect the screen only. No others are taken from the file of somebody who called sudo.
pub const OF_SCREEN: [&str; 3] = ["keys", "columns", "views"];

/// Every table.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tables {
    /// The keys of each action.
    pub keys: BTreeMap<String, Texts>,
    /// The columns of each view's table.
    pub columns: BTreeMap<String, Columns>,
    /// Other settings of each view.
    pub views: BTreeMap<String, View>,
    /// Rules of one's own; `None`: the file says nothing of them.
    pub rules: Option<Vec<Spanned<Rule>>>,
    /// Commands that are prepared; `None`: the file says nothing of them.
    pub hooks: Option<Vec<Spanned<Hook>>>,
    /// Logs that are followed, too; likewise.
    pub logs: Option<Vec<Spanned<Log>>>,
    /// What is notable in requests; likewise.
    pub patterns: Option<Spanned<PatternTable>>,
}

/// `[[logs]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Log {
    /// Which files.
    pub path: Option<String>,
    /// How their lines are read.
    pub format: Option<String>,
    /// Whether they are of logins.
    pub auth: bool,
}

/// The keys of a log, and what they mean.
pub const OF_LOGS: [(&str, &str); 3] = [
    ("path", "which files; * ? and [] are patterns"),
    ("format", "the format of an access log, where it is not to be told from its lines"),
    ("auth", "whether it is a log of whoever logs in (sshd, sudo, dovecot, postfix)"),
];

/// `[patterns]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct PatternTable {
    /// Parts of what requests ask for.
    pub exploit: Vec<Spanned<String>>,
    /// Parts of agents.
    pub agents: Vec<Spanned<String>>,
}

/// `[[rules]]`. Types are looked at where what is wrong can be told with the name of the rule.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Rule {
    /// What its alerts are called.
    pub name: Option<Spanned<Value>>,
    /// Which rows it finds.
    pub when: Option<Spanned<Value>>,
    /// For how many seconds in a row.
    pub r#for: Option<Spanned<Value>>,
    /// How bad it is.
    pub severity: Option<Spanned<Value>>,
}

/// The keys of a rule, what they mean, and what they are usually, as TOML has it; empty: there has to be one.
pub const OF_RULES: [(&str, &str, &str); 4] = [
    ("name", "what its alerts are called: 1 to 32 of a to z, 0 to 9 and -", ""),
    ("when", "which rows it finds, written as after /", ""),
    ("for", "for how many seconds in a row, 1 to 3600", "1"),
    ("severity", "how bad that is: info, warn or critical", "\"warn\""),
];

/// `[[hooks]]`. As for rules.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Hook {
    /// The key that runs it.
    pub key: Option<Spanned<Value>>,
    /// What it is called.
    pub label: Option<Spanned<Value>>,
    /// The program and its arguments.
    pub argv: Option<Spanned<Value>>,
    /// How long it may take, seconds.
    pub timeout: Option<Spanned<Value>>,
    /// The rule whose alerts run it.
    pub on: Option<Spanned<Value>>,
    /// How long it then rests, seconds.
    pub every: Option<Spanned<Value>>,
}

/// The keys of a hook, as those of a rule.
pub const OF_HOOKS: [(&str, &str, &str); 6] = [
    ("key", "the key that runs it on the selected row; it has to be free", ""),
    ("label", "what it is called: 1 to 40 characters", ""),
    (
        "argv",
        "program, by its absolute path, and arguments; {ip} {target} {port} {mac} {rule} {text} are arguments of their own",
        "",
    ),
    ("timeout", "how long it may take, 1 to 25 seconds; then it is killed", "10"),
    ("on", "the rule whose alerts run it, too; leave it out where none does", ""),
    ("every", "how long it rests after an alert has run it, seconds", "60"),
];

/// `[columns.VIEW]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Columns {
    /// Which columns are shown.
    pub show: Option<Texts>,
    /// The column by which rows are sorted.
    pub sort: Option<String>,
    /// Whether that order is reversed.
    pub reverse: Option<bool>,
    /// The width of columns, in cells.
    pub width: BTreeMap<String, i64>,
}

/// `[views.VIEW]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct View {
    /// The filter at the start.
    pub filter: Option<Spanned<String>>,
}

/// The dotted names of all keys in tables; for a list of tables, those of its elements (`hooks.run`).
pub fn names() -> impl Iterator<Item = String> {
    let actions = ACTIONS.iter().map(|action| format!("keys.{}", action.id));
    let views = VIEWS.iter().zip(view::names()).flat_map(|(listing, view)| {
        let heads = listing.heads();
        let widths = heads.iter().map(|head| format!("width.{}", column_name(head)));
        let columns = ["show", "sort", "reverse"].map(String::from).into_iter().chain(widths);
        let columns = columns.map(|of| format!("columns.{view}.{of}"));
        columns.chain([format!("views.{view}.filter")]).collect::<Vec<_>>()
    });
    actions
        .chain(views)
        .chain(OF_RULES.map(|(key, ..)| format!("rules.{key}")))
        .chain(OF_HOOKS.map(|(key, ..)| format!("hooks.{key}")))
        .chain(OF_LOGS.map(|(key, _)| format!("logs.{key}")))
        .chain(["exploit", "agents"].map(|key| format!("patterns.{key}")))
}

/// One text, or a list of them; a number is taken for its text.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub struct Texts(pub Vec<String>);

impl TryFrom<Value> for Texts {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let values = match value {
            Value::Array(values) => values,
            one => vec![one],
        };
        let text = |value| match value {
            Value::String(text) => Ok(text),
            Value::Integer(number) => Ok(number.to_string()),
            other => Err(format!("it takes a text, or a list of texts; this is a {}", other.type_str())),
        };
        values.into_iter().map(text).collect::<Result<_, _>>().map(Self)
    }
}
