//! Writing everything, or the rows of a view, to files for the screen, without holding it up.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::{Map, Value};
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{
    state::State,
    table::{Cell, Key},
};
use crate::{
    control::{Answer, Request, Requests, ask},
    export::{self, file, session},
    snapshot::{Export, ExportRow, Snapshot},
};

/// What the files are called, without extensions: beside the file of sampled packets where there is one, else in the
/// current folder.
pub fn path(exports: &[ExportRow], unix_seconds: u64) -> PathBuf {
    let beside = exports.iter().find(|row| row.kind == Export::Events).and_then(|row| Path::new(&row.path).parent());
    beside.unwrap_or(Path::new("")).join(session::name(unix_seconds))
}

/// Asks the engine for everything and writes it; then says where, or what went wrong.
pub async fn run(requests: Requests, path: PathBuf, exported: mpsc::Sender<Result<String, String>>) {
    let result = match ask(&requests, Request::Snapshot { limit: 0 }).await {
        Ok(Answer::Snapshot { snapshot, .. }) => spawn_blocking(move || session::write(&snapshot, &path))
            .await
            .map_err(|error| format!("the export failed: {error}"))
            .and_then(|written| written.map_err(|error| explain(&error))),
        Ok(Answer::Fields(_) | Answer::Maps(_) | Answer::History(_)) => {
            Err("the engine answered with something else than a snapshot".into())
        }
        Err(error) => Err(error),
    };
    // The screen may have ended.
    let _ = exported.send(result.map(|written| names(&written))).await;
}

/// The rows of a view, as filtered and sorted, in the columns that are wanted: numbers as such, everything else as text.
pub struct ViewRows {
    path: PathBuf,
    heads: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl ViewRows {
    /// Of the view that is open; `path` is what the files are called, without the view and extensions.
    pub fn new(state: &State, snapshot: &Snapshot, path: &Path) -> Self {
        let (heads, listed) = (state.listing().heads(), state.listed(snapshot));
        let wanted: Vec<_> = (0..heads.len()).filter(|at| !state.table().without.contains(at)).collect();
        let value = |row, column: usize| match listed.key(row, column) {
            Some(Key::Number(number) | Key::Rate(number)) => {
                serde_json::Number::from_f64(number).map_or(Value::Null, |number| {
                    // Counts are whole.
                    number
                        .as_f64()
                        .filter(|n| n.fract() == 0.0 && *n < 2f64.powi(53))
                        .map_or(number.into(), |n| (n as u64).into())
                })
            }
            Some(Key::Ip(_)) | None => listed.cell(row, column, &cell(state, snapshot, row)).trim().into(),
            Some(Key::Text(text)) => text.into(),
        };
        let rows = (0..listed.len()).map(|row| wanted.iter().map(|column| value(row, *column)).collect()).collect();
        let mut name = path.as_os_str().to_os_string();
        name.push(format!("-{}", state.listing().name().to_lowercase()));
        Self { path: name.into(), heads: wanted.iter().map(|at| heads[*at].title).collect(), rows }
    }

    /// Writes them as CSV and as JSON; then says where, or what went wrong.
    pub async fn write(self, exported: mpsc::Sender<Result<String, String>>) {
        let written =
            spawn_blocking(move || self.to_files()).await.map_err(|error| format!("the export failed: {error}"));
        // The screen may have ended.
        let _ = exported
            .send(written.and_then(|written| written.map_err(|error| explain(&error))).map(|all| names(&all)))
            .await;
    }

    fn to_files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let paths = ["csv", "json"].map(|extension| self.path.with_extension(extension));
        let [csv, json] = &paths;
        file::replace(csv, |out| self.to_csv(out)).with_context(|| format!("writing {}", csv.display()))?;
        let object = |row: &Vec<Value>| -> Map<String, Value> {
            self.heads.iter().map(|head| head.to_string()).zip(row.iter().cloned()).collect()
        };
        let objects: Vec<_> = self.rows.iter().map(object).collect();
        file::replace(json, |out| export::json::pretty(&objects, out))
            .with_context(|| format!("writing {}", json.display()))?;
        Ok(paths.into())
    }

    fn to_csv(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(&self.heads)?;
        for row in &self.rows {
            csv.write_record(row.iter().map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            }))?;
        }
        csv.flush()
    }
}

/// A cell without limits.
fn cell<'a>(state: &'a State, snapshot: &Snapshot, row: usize) -> Cell<'a> {
    Cell {
        now_ns: snapshot.now_ns,
        packets: snapshot.total_packets,
        place: row + 1,
        // Whole words, and no bar behind a share.
        width: usize::from(u16::MAX),
        flags: false,
        numeric: true,
        units: state.units,
        attention: &state.attention,
    }
}

/// The first file whole, of the others, which are in the same folder, their names.
fn names(written: &[PathBuf]) -> String {
    let Some((first, others)) = written.split_first() else { return String::new() };
    let others = others.iter().filter_map(|path| path.file_name()).map(|name| format!(" and {}", name.display()));
    first.display().to_string() + &others.collect::<String>()
}

fn explain(error: &anyhow::Error) -> String {
    let refused = |cause: &io::Error| cause.kind() == io::ErrorKind::PermissionDenied;
    let hint = if error.root_cause().downcast_ref().is_some_and(refused) {
        "; nettop has given up its privileges: nettopctl export has yours"
    } else {
        ""
    };
    format!("{error:#}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stand_beside_the_packets_or_here() {
        let row = |kind, path: &str| ExportRow { kind, path: path.into(), lines: 0, bytes: 0, lost: 0, error: None };
        for (rows, expected) in [
            (vec![], "nettop-19700101-000000"),
            (vec![row(Export::Alerts, "/var/log/alerts")], "nettop-19700101-000000"),
            (vec![row(Export::Events, "packets.jsonl")], "nettop-19700101-000000"),
            (vec![row(Export::Events, "/var/log/packets.jsonl")], "/var/log/nettop-19700101-000000"),
        ] {
            assert_eq!(path(&rows, 0), Path::new(expected), "{rows:?}");
        }
    }
}
