//! A session in files: one in each form there is.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::{FORMATS, file};
use crate::snapshot::Snapshot;

/// Sorts by time. In UTC: the local offset cannot be read safely once threads run.
const STAMP: &[BorrowedFormatItem] = format_description!("nettop-[year][month][day]-[hour][minute][second]");

/// Writes the files beside `path`, each whole or not at all; returns where.
///
/// # Errors
/// Say which one could not be written, and why.
pub fn write(snapshot: &Snapshot, path: &Path) -> Result<Vec<PathBuf>> {
    Place { path: path.into(), held: None }.write(snapshot)
}

/// Where a session ends up.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    /// The files, opened while there was the privilege to.
    held: Option<Vec<File>>,
}

impl Place {
    /// Beside `path`. Where root's privileges are what allows it, as in the home of whoever called sudo, the files are opened
    /// now: later these are gone.
    ///
    /// # Errors
    /// What the file system says.
    pub fn beside(path: &Path) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // SAFETY: no arguments, no failure.
        let root = unsafe { libc::geteuid() } == 0;
        let held = if root && folder.metadata()?.uid() != 0 {
            // Nobody named these files: a link in somebody else's folder must not lead root to another.
            let open = |path: PathBuf| {
                OpenOptions::new().write(true).create(true).truncate(false).custom_flags(libc::O_NOFOLLOW).open(path)
            };
            Some(paths(path).into_iter().map(open).collect::<io::Result<_>>()?)
        } else {
            None
        };
        Ok(Self { path: path.into(), held })
    }

    /// Writes the files; returns where.
    ///
    /// # Errors
    /// Say which one could not be written, and why.
    pub fn write(&self, snapshot: &Snapshot) -> Result<Vec<PathBuf>> {
        let paths = paths(&self.path);
        for (at, (path, format)) in paths.iter().zip(FORMATS).enumerate() {
            let write = |out: &mut dyn Write| (format.write)(snapshot, out);
            let written = match (file::replace(path, write), &self.held) {
                // The second best: what was in it is gone first.
                (Err(error), Some(held)) if error.kind() == io::ErrorKind::PermissionDenied => {
                    held[at].set_len(0).and_then(|()| file::overwrite(&held[at], write))
                }
                (result, _) => result,
            };
            written.with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(paths)
    }
}

/// What follows the name takes the place of its extension, as the classic has it.
fn paths(path: &Path) -> Vec<PathBuf> {
    FORMATS.iter().map(|format| path.with_extension(format.extension)).collect()
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
    fn the_files_take_the_place_of_the_extension() {
        let folder = tempfile::tempdir().unwrap();
        for (given, names) in [
            ("a.jsonl", ["a.snapshot.json", "a.top.csv", "a.prefixes.csv"]),
            ("a.b.jsonl", ["a.b.snapshot.json", "a.b.top.csv", "a.b.prefixes.csv"]),
            ("plain", ["plain.snapshot.json", "plain.top.csv", "plain.prefixes.csv"]),
        ] {
            let written = write(&Snapshot::default(), &folder.path().join(given)).unwrap();
            assert_eq!(written, names.map(|name| folder.path().join(name)));
            assert!(written.iter().all(|path| path.is_file()));
        }
        let error = write(&Snapshot::default(), &folder.path().join("no/a.jsonl")).unwrap_err();
        assert!(format!("{error:#}").contains("no/a.snapshot.json"), "{error:#}");
    }
}
