//! Writing everything, or the rows of a view, to files for the screen, without holding it up.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use nettop_export::{
    atomic_file::AtomicFile,
    session::{self, Written},
    site::Kept,
    table,
};
use nettop_model::{
    answer::Answer,
    json, request,
    snapshot::{Export, Snapshot},
};
use nettop_process::cause;
use nettop_requests::{Requests, ask};
use serde_json::{Map, Value};
use tokio::{sync::mpsc, task::spawn_blocking};

use super::state::State;

/// What the files are called, without extensions: beside the file of sampled packets where this process writes one, else in the
/// current folder.
pub fn path(snapshot: &Snapshot, unix_seconds: u64) -> PathBuf {
    let own = snapshot.monitor.exports.iter().filter(|_| snapshot.meta.link.is_none());
    let beside = own.into_iter().find(|row| row.kind == Export::Events).and_then(|row| Path::new(&row.path).parent());
    beside.unwrap_or(Path::new("")).join(session::name(unix_seconds))
}

/// Asks the engine for everything and writes it; then says where, or what went wrong.
pub async fn run(requests: Requests, path: PathBuf, exported: mpsc::Sender<Result<String, String>>) {
    let everything = request::Snapshot { limit: 0, form: request::Form::whole() };
    let result = match ask(&requests, everything.into()).await {
        Ok(Answer::Snapshot { snapshot, .. }) => spawn_blocking(move || session::write(&snapshot, &path))
            .await
            .map_err(|error| format!("the export failed: {error}"))
            .and_then(|written| written.map_err(|error| explain(&error))),
        Ok(Answer::Fields(_) | Answer::MapsReader(_) | Answer::Maps(_) | Answer::History(_)) => {
            Err("the engine answered with something else than a snapshot".into())
        }
        Err(error) => Err(error),
    };
    // The screen may have ended.
    let _ = exported.send(result.map(|written| names(&written))).await;
}

/// Writes rows in one form.
type Form<'a> = &'a dyn Fn(&mut dyn io::Write) -> io::Result<()>;

/// The rows of a view, as filtered and sorted, with everything that the snapshot has of them.
pub struct ViewRows {
    path: PathBuf,
    rows: Vec<Map<String, Value>>,
}

impl ViewRows {
    /// Of the view that is open; `path` is what the files are called, without the view and extensions.
    pub fn new(state: &State, snapshot: &Snapshot, path: &Path) -> Self {
        let listed = state.listed(snapshot);
        let rows = (0..listed.len()).map(|at| listed.fields(at)).collect();
        let mut name = path.as_os_str().to_os_string();
        name.push(format!("-{}", state.listing().name().to_lowercase()));
        Self { path: name.into(), rows }
    }

    /// Writes them as CSV and as JSON; then says where, or what went wrong.
    pub async fn write(self, exported: mpsc::Sender<Result<String, String>>) {
        let written =
            spawn_blocking(move || self.to_files()).await.map_err(|error| format!("the export failed: {error}"));
        let result = written.and_then(|written| written.map_err(|error| explain(&error)));
        // The screen may have ended.
        let _ = exported.send(result.map(|paths| names(&paths))).await;
    }

    fn to_files(&self) -> anyhow::Result<Vec<Written>> {
        let paths = ["csv", "json"].map(|extension| self.path.with_extension(extension));
        let forms: [Form; 2] = [&|out| table::of_maps(&self.rows, out), &|out| json::pretty(&self.rows, out)];
        let write = |(path, form): (PathBuf, Form)| {
            let destination = AtomicFile::new(path);
            let path = destination.path();
            let kept = destination.write(form).with_context(|| format!("writing {}", path.display()))?;
            Ok((path.to_path_buf(), kept))
        };
        paths.into_iter().zip(forms).map(write).collect()
    }
}

/// The first file whole, of the others, which are in the same folder, their names; and what was not replaced.
fn names(written: &[Written]) -> String {
    let Some((first, others)) = written.split_first() else { return String::new() };
    let name = |name: &dyn std::fmt::Display, kept: &Option<Kept>| match kept {
        Some(kept) => format!("{name} ({kept})"),
        None => name.to_string(),
    };
    let others = others.iter().filter_map(|(path, kept)| Some((path.file_name()?, kept)));
    let others = others.map(|(path, kept)| format!(" and {}", name(&path.display(), kept)));
    name(&first.0.display(), &first.1) + &others.collect::<String>()
}

fn explain(error: &anyhow::Error) -> String {
    let refused = |cause: &io::Error| cause.kind() == io::ErrorKind::PermissionDenied;
    let hint = if error.root_cause().downcast_ref().is_some_and(refused) {
        "; nettop has given up its privileges: nettopctl export has yours"
    } else {
        ""
    };
    cause::told(error) + hint
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::busy;
    use nettop_model::{
        query,
        snapshot::{ExportRow, Remote},
    };
    use nettop_views::view::SOURCES;

    #[test]
    fn the_rows_of_a_view_are_written_as_they_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State { view: SOURCES, ..State::default() };
        state.table_mut().filter = query::parse("country:DE packets>1M").unwrap();
        let written = ViewRows::new(&state, &busy(), &folder.path().join("a")).to_files().unwrap();
        assert_eq!(written, ["a-sources.csv", "a-sources.json"].map(|name| (folder.path().join(name), None)));
        let text = std::fs::read_to_string(&written[0].0).unwrap();
        let mut lines = text.lines();
        let heads: Vec<_> = lines.next().unwrap().split(',').collect();
        let fields: Vec<_> = lines.next().unwrap().split(',').collect();
        let of = |name| fields[heads.iter().position(|head| *head == name).unwrap()];
        assert_eq!(
            [of("ip"), of("packets"), of("city")],
            ["2001:db8:1234:5678:9abc:def0:1234:5601", "4200000", "Frankfurt am Main"]
        );
        assert_eq!(lines.next(), None);
        let json: Value = serde_json::from_str(&std::fs::read_to_string(&written[1].0).unwrap()).unwrap();
        assert_eq!(json[0]["tcp_flags"], serde_json::json!({}), "lists are in the JSON only");
    }

    #[test]
    fn what_is_not_replaced_is_told() {
        let path = |name: &str| Path::new("/a").join(name);
        assert_eq!(names(&[(path("b.csv"), None), (path("b.json"), None)]), "/a/b.csv and b.json");
        let kept = [Some(Kept::Stream("a pipe")), Some(Kept::Link(path("c")))];
        assert_eq!(
            names(&[(path("b.csv"), kept[0].clone()), (path("b.json"), kept[1].clone())]),
            "/a/b.csv (a pipe, which was written to) and b.json (a link, through which /a/c was written)"
        );
    }

    #[test]
    fn files_stand_beside_the_packets_or_here() {
        let row = |kind, path: &str| ExportRow { kind, path: path.into(), lines: 0, bytes: 0, lost: 0, error: None };
        for (rows, expected) in [
            (vec![], "nettop-19700101-000000"),
            (vec![row(Export::Alerts, "/var/log/alerts")], "nettop-19700101-000000"),
            (vec![row(Export::Events, "packets.jsonl")], "nettop-19700101-000000"),
            (vec![row(Export::Events, "/var/log/packets.jsonl")], "/var/log/nettop-19700101-000000"),
        ] {
            let mut snapshot = Snapshot::default();
            snapshot.monitor.exports = rows;
            assert_eq!(path(&snapshot, 0), Path::new(expected), "{:?}", snapshot.monitor.exports);
            snapshot.meta.link = Some(Remote::default().into());
            assert_eq!(path(&snapshot, 0), Path::new("nettop-19700101-000000"), "the monitor's paths are not ours");
        }
    }
}
