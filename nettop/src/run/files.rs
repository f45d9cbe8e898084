//! The files that a monitor writes: opened before privileges are given up; those that it appends to are opened anew on
//! SIGHUP, so that they can be rotated.

use std::{fs::File, path::PathBuf};

use anyhow::{Context as _, Result};
use nettop_export::{append_file::AppendFile, atomic_file::AtomicFile, jsonl::Reopener, log::Log, session::OutputDir};

use crate::cli::CommonArgs;

/// Those of `--jsonl`, `--alerts`, `--connections` and `--snapshot`.
#[derive(Debug)]
pub struct Files {
    /// Sampled packets.
    pub events: Option<AppendFile>,
    /// Alerts.
    pub alerts: Option<AppendFile>,
    /// Connections that have ended.
    pub connections: Option<AppendFile>,
    /// Beside which file a session ends up; none where packets go into a pipe or a device.
    pub session: Option<OutputDir>,
    /// The last snapshot.
    pub snapshot: Option<AtomicFile>,
}

impl Files {
    /// Opens them, for a user who will write them.
    ///
    /// # Errors
    /// Name the file and the option.
    pub fn open(args: &CommonArgs, user: u32) -> Result<Self> {
        let open = |path: &Option<PathBuf>, option| match path {
            None => Ok(None),
            Some(path) => AppendFile::open(path)
                .map(Some)
                .with_context(|| format!("opening {} to append to; name another with {option}", path.display())),
        };
        let (events, alerts) = (open(&args.jsonl, "--jsonl")?, open(&args.alerts, "--alerts")?);
        let connections = open(&args.connections, "--connections")?;
        let beside = args.jsonl.as_ref().filter(|_| events.as_ref().is_some_and(AppendFile::is_regular));
        let session = beside
            .map(|path| {
                OutputDir::beside(path, user)
                    .with_context(|| format!("opening the files for the end of the session beside {}", path.display()))
            })
            .transpose()?;
        let snapshot = args.snapshot.as_ref().map(|path| {
            AtomicFile::open(path.clone(), user)
                .with_context(|| format!("opening {}; name another file with --snapshot", path.display()))
        });
        Ok(Self { events, alerts, connections, session, snapshot: snapshot.transpose()? })
    }
}

/// What SIGHUP means: the terminal is gone, or files were renamed.
#[derive(Debug)]
pub struct Hangup {
    had_terminal: bool,
    files: Vec<Reopener>,
    log: Option<Log>,
}

impl Hangup {
    /// Looks whether there is a terminal to lose.
    pub fn new(files: Vec<Reopener>, log: Option<Log>) -> Self {
        Self { had_terminal: has_terminal(), files, log }
    }

    /// The end is near: nobody waits any more for what is slow to be written.
    pub fn hurry(&self) {
        self.files.iter().for_each(Reopener::hurry);
    }

    /// The signal came: opens the files anew. False where it means the end instead: the controlling terminal is gone, or there
    /// is no file.
    pub fn reopens(&self) -> bool {
        if self.had_terminal && !has_terminal() || self.files.is_empty() && self.log.is_none() {
            return false;
        }
        self.files.iter().for_each(Reopener::reopen);
        self.log.iter().for_each(Log::reopen);
        true
    }
}

/// Whether this process has a controlling terminal (tty(4): opening `/dev/tty` fails with `ENXIO` where it has none).
fn has_terminal() -> bool {
    match File::open("/dev/tty") {
        Ok(_) => true,
        Err(error) => !matches!(error.raw_os_error(), Some(libc::ENXIO | libc::ENOENT)),
    }
}
