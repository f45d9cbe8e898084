//! Writing everything to files for the screen, without holding it up.

use std::{
    io,
    path::{Path, PathBuf},
};

use tokio::{sync::mpsc, task::spawn_blocking};

use crate::{
    control::{Answer, Request, Requests, ask},
    export::session,
    snapshot::{Export, ExportRow},
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
        Ok(Answer::Fields(_) | Answer::Maps(_)) => {
            Err("the engine answered with something else than a snapshot".into())
        }
        Err(error) => Err(error),
    };
    // The screen may have ended.
    let _ = exported.send(result.map(|written| names(&written))).await;
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
