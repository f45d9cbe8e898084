//! What is to be read, as whoever starts it says.

use std::path::{Path, PathBuf};

use ipnet::IpNet;

use crate::{
    format::Choice,
    patterns::Patterns,
    tail::glob::{self, Glob},
};

/// What is to be read, and how.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// Files.
    pub sources: Vec<LogSource>,
    /// Proxies that are believed who their clients are.
    pub trusted: Vec<IpNet>,
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
