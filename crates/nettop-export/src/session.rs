//! A session in files: one in each form there is.

use std::{
    io,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result};
use nettop_model::snapshot::Snapshot;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::{FORMATS, atomic_file::AtomicFile, site::Kept, until::Until};

/// Sorts by time. In UTC: the local offset cannot be read safely once threads run.
const STAMP: &[BorrowedFormatItem] = format_description!("nettop-[year][month][day]-[hour][minute][second]");

/// A file that was written, and what was not replaced there, if it was not.
pub type Written = (PathBuf, Option<Kept>);

/// Writes the files beside `path`, each whole or not at all; returns where.
///
/// # Errors
/// Say which one could not be written, and why.
pub fn write(snapshot: &Snapshot, path: &Path) -> Result<Vec<Written>> {
    OutputDir(paths(path).into_iter().map(AtomicFile::new).collect()).write(snapshot, None)
}

/// Where a session ends up: a file for each form.
#[derive(Debug)]
pub struct OutputDir(Vec<AtomicFile>);

impl OutputDir {
    /// Beside `path`, for a user who will write it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn beside(path: &Path, user: u32) -> io::Result<Self> {
        let open = |path| AtomicFile::open(path, user);
        Ok(Self(paths(path).into_iter().map(open).collect::<io::Result<_>>()?))
    }

    /// Writes the files, also those after one that cannot be written, and none after `until`; returns where.
    ///
    /// # Errors
    /// Say which one could not be written first, and why.
    pub fn write(&self, snapshot: &Snapshot, until: Option<Instant>) -> Result<Vec<Written>> {
        let write = |(destination, format): (&AtomicFile, &super::Format)| {
            let path = destination.path();
            let kept = destination
                .write(|out| (format.write)(snapshot, &mut Until::new(out, until)))
                .with_context(|| format!("writing {}", path.display()))?;
            Ok((path.to_path_buf(), kept))
        };
        let all: Vec<_> = self.0.iter().zip(FORMATS).map(write).collect();
        all.into_iter().collect()
    }

    /// The files that will be made or replaced.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.0.iter().filter_map(AtomicFile::file)
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
            assert_eq!(written, names.map(|name| (folder.path().join(name), None)));
            assert!(written.iter().all(|(path, _)| path.is_file()));
        }
        let error = write(&Snapshot::default(), &folder.path().join("no/a.jsonl")).unwrap_err();
        assert!(format!("{error:#}").contains("no/a.snapshot.json"), "{error:#}");

        // One that cannot be written costs no other.
        std::fs::create_dir(folder.path().join("b.snapshot.json")).unwrap();
        let error = write(&Snapshot::default(), &folder.path().join("b.jsonl")).unwrap_err();
        assert!(format!("{error:#}").contains("b.snapshot.json: it is a folder"), "{error:#}");
        assert!(folder.path().join("b.top.csv").is_file());
    }
}
