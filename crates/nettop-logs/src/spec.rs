//! What is to be read, as whoever starts it says.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nettop_model::net::Net;

use crate::{
    format::Choice,
    patterns::Patterns,
    tail::{
        MOST_FILES,
        glob::{self, Glob},
    },
};

/// What is to be read, and how.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// Files.
    pub sources: Vec<LogSource>,
    /// Proxies that are believed who their clients are.
    pub trusted: Vec<Net>,
    /// Bytes at the end of each file that are read at the start.
    pub backfill: u64,
    /// Whether queries of requests are kept.
    pub query: bool,
    /// What is notable in requests.
    pub patterns: Patterns,
}

impl LogSettings {
    /// The folders that files are in, now and after they were rotated.
    pub fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.sources.iter().map(|source| glob::folder(&source.glob))
    }

    /// The groups, but root's, that may read what is there and not everybody may: whoever gives up root's rights has to be in them to go on reading after
    /// files were rotated. Group adm, in most cases.
    pub fn groups(&self) -> BTreeSet<u32> {
        const GROUP_READS: u32 = 0o040;
        const OTHERS_READ: u32 = 0o004;
        let files = self.sources.iter().flat_map(|source| source.glob.files(MOST_FILES).0);
        let facts = self.folders().chain(files).filter_map(|path| fs::symlink_metadata(path).ok());
        let closed = facts.filter(|facts| facts.mode() & (GROUP_READS | OTHERS_READ) == GROUP_READS);
        closed.map(|facts| facts.gid()).filter(|gid| *gid != 0).collect()
    }
}

/// Files that are read alike.
#[derive(Clone, Debug)]
pub struct LogSource {
    /// Their names.
    pub glob: Glob,
    /// What they are.
    pub reads: Reads,
    /// Whether somebody asked for them: then it is said if there are none.
    pub asked: bool,
}

/// What files are.
#[derive(Clone, Debug)]
pub enum Reads {
    /// Access logs of web servers.
    Access(Choice),
    /// Logs of whoever logs in.
    Auth,
}

impl LogSource {
    /// One that somebody asked for.
    pub fn new(path: &Path, reads: Reads) -> Self {
        Self { glob: Glob::new(path), reads, asked: true }
    }
}
