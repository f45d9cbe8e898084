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

/// Bits of modes.
const GROUP_READS: u32 = 0o040;
const OTHERS_READ: u32 = 0o004;

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

    /// The patterns that somebody asked for, if a folder or a file of theirs is closed to everybody but an owner who is not `user`, so that no group helps to
    /// open what comes after a rotation; those that nobody asked for are empty. `None`: there is nothing like that.
    pub fn closed(&self, user: u32) -> Option<Vec<Glob>> {
        let is_closed = |glob: &Glob| {
            let paths = glob.files(MOST_FILES).0.into_iter().chain([glob::folder(glob)]);
            paths.filter_map(|path| fs::symlink_metadata(path).ok()).any(|facts| {
                let readers = facts.mode() & (GROUP_READS | OTHERS_READ);
                facts.uid() != user && (readers == 0 || readers == GROUP_READS && facts.gid() == 0)
            })
        };
        let of = |source: &LogSource| if source.asked { source.glob.clone() } else { Glob::default() };
        let asked: Vec<_> = self.sources.iter().map(of).collect();
        asked.iter().any(is_closed).then_some(asked)
    }

    /// The groups, but root's, that may read what is there and not everybody may: whoever gives up root's rights has to be in them to go on reading after
    /// files were rotated. Group adm, in most cases.
    pub fn groups(&self) -> BTreeSet<u32> {
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
