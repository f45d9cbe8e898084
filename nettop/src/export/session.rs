//! A session in two files: the whole snapshot as JSON, and the table of its sources as CSV.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::{file, table};
use crate::snapshot::Snapshot;

/// What follows the name, in place of its extension, as the classic has it.
const JSON: &str = "snapshot.json";
const CSV: &str = "top.csv";
/// Sorts by time. In UTC: the local offset cannot be read safely once threads run.
const STAMP: &[BorrowedFormatItem] = format_description!("nettop-[year][month][day]-[hour][minute][second]");

/// Writes both files beside `path`, each whole or not at all; returns where.
///
/// # Errors
/// Say which one could not be written, and why.
pub fn write(snapshot: &Snapshot, path: &Path) -> Result<[PathBuf; 2]> {
    let paths = [JSON, CSV].map(|extension| path.with_extension(extension));
    let mut json = serde_json::to_vec_pretty(snapshot).context("writing the snapshot as JSON")?;
    json.push(b'\n');
    let mut csv = Vec::new();
    table::write_sources(&snapshot.ips, &mut csv).context("making a table of the sources")?;
    for (path, content) in paths.iter().zip([json, csv]) {
        file::replace(path, &content).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(paths)
}

/// A name for what is written at this time: `nettop-20260131-235959`.
pub fn name(unix_seconds: u64) -> String {
    i64::try_from(unix_seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(STAMP).ok())
        .unwrap_or_else(|| format!("nettop-{unix_seconds}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time() {
        assert_eq!([name(0), name(1_700_000_000)], ["nettop-19700101-000000", "nettop-20231114-221320"]);
        assert_eq!(name(u64::MAX), format!("nettop-{}", u64::MAX));
    }

    #[test]
    fn both_files_take_the_place_of_the_extension() {
        let folder = tempfile::tempdir().unwrap();
        for (given, names) in [
            ("a.jsonl", ["a.snapshot.json", "a.top.csv"]),
            ("a.b.jsonl", ["a.b.snapshot.json", "a.b.top.csv"]),
            ("plain", ["plain.snapshot.json", "plain.top.csv"]),
        ] {
            let written = write(&Snapshot::default(), &folder.path().join(given)).unwrap();
            assert_eq!(written, names.map(|name| folder.path().join(name)));
            assert!(written.iter().all(|path| path.is_file()));
        }
        let error = write(&Snapshot::default(), &folder.path().join("no/a.jsonl")).unwrap_err();
        assert!(format!("{error:#}").contains("no/a.snapshot.json"), "{error:#}");
    }
}
