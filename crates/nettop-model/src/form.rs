//! `schema` and `groups`: how a snapshot is written, which more than one request may ask for.

use clap::{ArgMatches, Args, Command, FromArgMatches, builder::PossibleValuesParser};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    order,
    snapshot::{Group, SCHEMA},
};

/// How a snapshot is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Spelled", into = "Spelled")]
pub enum Form {
    /// As the classic's: see [`flat`](crate::flat).
    #[default]
    Flat,
    /// These groups.
    Grouped(Vec<Group>),
}

impl Form {
    /// Every group.
    pub fn whole() -> Self {
        Self::Grouped(Group::ALL.to_vec())
    }
}

/// The fields that stand for a form; null is as if it was not there.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Spelled {
    #[serde(skip_serializing_if = "Value::is_null")]
    schema: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    groups: Value,
}

impl From<Form> for Spelled {
    fn from(form: Form) -> Self {
        match form {
            Form::Flat => Self::default(),
            Form::Grouped(groups) => {
                Self { schema: SCHEMA.into(), groups: groups.iter().map(|group| group.name()).collect() }
            }
        }
    }
}

/// The form that is asked for by `schema`, with the `groups` named beside it, or all of them. A newer schema is answered with the
/// newest that is known here.
impl TryFrom<Spelled> for Form {
    type Error = String;

    fn try_from(Spelled { schema, groups }: Spelled) -> Result<Self, String> {
        let schema = match schema {
            Value::Null => 1,
            value => value
                .as_u64()
                .filter(|schema| *schema > 0)
                .ok_or_else(|| format!("schema must be a whole number from 1, not {value}"))?,
        };
        let groups = match groups {
            Value::Null => return Ok(if schema < SCHEMA.into() { Self::Flat } else { Self::whole() }),
            _ if schema < SCHEMA.into() => return Err(format!("groups are those of \"schema\": {SCHEMA}")),
            Value::Array(groups) => groups,
            other => return Err(format!("groups must be a list of names, not {other}")),
        };
        let known = || Group::ALL.iter().map(|group| group.name()).collect::<Vec<_>>().join(", ");
        let group = |name: &Value| {
            let group = name.as_str().and_then(Group::named);
            group.ok_or_else(|| format!("there is no group {name}; there are {}", known()))
        };
        let mut groups = groups.iter().map(group).collect::<Result<Vec<_>, _>>()?;
        order::sort_by_key(&mut groups, |group| *group);
        groups.dedup();
        Ok(Self::Grouped(groups))
    }
}

/// What stands for every group on the command line.
const ALL: &str = "all";

/// The option of `nettopctl` for a form.
#[derive(Args)]
struct Groups {
    /// Only these groups, separated by commas, in the form that has them; `all` for every one [default: the flat form of nettop 3]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = PossibleValuesParser::new(group_names()))]
    groups: Vec<String>,
}

fn group_names() -> impl Iterator<Item = &'static str> {
    Group::ALL.iter().map(|group| group.name()).chain([ALL])
}

impl From<Groups> for Form {
    fn from(Groups { groups }: Groups) -> Self {
        match groups.as_slice() {
            [] => Self::Flat,
            names if names.iter().any(|name| name == ALL) => Self::whole(),
            names => Self::Grouped(names.iter().filter_map(|name| Group::named(name)).collect()),
        }
    }
}

impl FromArgMatches for Form {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Groups::from_arg_matches(matches).map(Self::from)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Form {
    fn augment_args(command: Command) -> Command {
        Groups::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Groups::augment_args_for_update(command)
    }
}
