//! `nettopctl connections`, `processes` and `flows`: one list of the snapshot, filtered here, since a monitor knows no filters of rows.

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use nettop_export::table;
use nettop_model::{
    flat::Row,
    json,
    request::{Form, Request, Snapshot as Asked},
    snapshot::{Group, Snapshot},
};
use serde_json::{Map, Value, value::RawValue};

use crate::{cli::Wanted, commands::sockets};

/// Which rows, and how they are printed.
#[derive(Clone, Debug, Args)]
pub struct ListOf<const VIEW: usize> {
    #[command(flatten)]
    wanted: Wanted<VIEW>,
    /// json for everything, csv for the rows
    #[arg(long, value_enum, default_value_t = ListFormat::Json)]
    format: ListFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    Json,
    Csv,
}

impl<const VIEW: usize> ListOf<VIEW> {
    /// Asks for all rows where it is not known which will pass.
    pub fn request(&self, group: Group) -> Value {
        let limit = if self.wanted.filter.is_some() { 0 } else { self.wanted.limit };
        Request::from(Asked { limit, form: Form::Grouped(vec![group]) }).to_json()
    }

    /// What is to be printed of the snapshot in an answer.
    ///
    /// # Errors
    /// It is no snapshot, or has no such list.
    pub fn print(&self, snapshot: &RawValue, group: Group) -> Result<Vec<u8>> {
        let mut snapshot: Snapshot =
            json::read(snapshot.get().as_bytes()).context("the answer has a snapshot that cannot be read")?;
        sockets::keep(&mut snapshot, &self.wanted);
        let mut out = Vec::new();
        let (json, rows) = match group {
            Group::Processes => {
                let processes = snapshot.processes.as_deref().context(NONE)?;
                (serde_json::to_value(processes), maps(&processes.rows))
            }
            Group::Flows => {
                let flows = snapshot.flows.as_deref().context(NO_FLOWS)?;
                (serde_json::to_value(flows), maps(flows.live.iter().chain(&flows.ended)))
            }
            _ => {
                let connections = snapshot.connections.as_deref().context(NONE)?;
                (serde_json::to_value(connections), maps(connections.all()))
            }
        };
        match self.format {
            ListFormat::Json => json::pretty(&json?, &mut out),
            ListFormat::Csv => table::of_maps(&rows, &mut out),
        }
        .context("writing the list")?;
        Ok(out)
    }
}

const NONE: &str = "this monitor lists no sockets: it was started with --without connections, has only begun, is a demonstration or \
                    a replay, or is older";

const NO_FLOWS: &str = "this monitor lists no flows: its kernel kept track of none when it started, or it was started with --without flows, \
                        has only begun, is a demonstration or a replay, or is older";

fn maps<'a, R: Row + 'a>(rows: impl IntoIterator<Item = &'a R>) -> Vec<Map<String, Value>> {
    let map = |row: &R| match row.to_flat() {
        Ok(Value::Object(fields)) => fields,
        // Every row is a struct that can be written.
        _ => Map::new(),
    };
    rows.into_iter().map(map).collect()
}
