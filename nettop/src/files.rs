//! The files that a monitor writes: opened before privileges are given up; those that it appends to are opened anew on
//! SIGHUP, so that they can be rotated.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};

use crate::{
    cli::CommonArgs,
    export::{destination::Destination, jsonl::Reopener, session::Place, target::Target},
};

/// Those of `--jsonl`, `--alerts` and `--snapshot`.
#[derive(Debug)]
pub struct Files {
    /// Sampled packets.
    pub events: Option<Target>,
    /// Alerts.
    pub alerts: Option<Target>,
    /// Beside which file a session ends up; none where packets go into a pipe or a device.
    pub session: Option<Place>,
    /// The last snapshot.
    pub snapshot: Option<Destination>,
}

impl Files {
    /// Opens them, for a user who will write them.
    ///
    /// # Errors
    /// Name the file and the option.
    pub fn open(args: &CommonArgs, user: u32) -> Result<Self> {
        let open = |path: &Option<PathBuf>, option| match path {
            None => Ok(None),
            Some(path) => Target::open(path)
                .map(Some)
                .with_context(|| format!("opening {} to append to; name another with {option}", path.display())),
        };
        let (events, alerts) = (open(&args.jsonl, "--jsonl")?, open(&args.alerts, "--alerts")?);
        let beside = args.jsonl.as_ref().filter(|_| events.as_ref().is_some_and(Target::is_regular));
        let session = beside
            .map(|path| {
                Place::beside(path, user)
                    .with_context(|| format!("opening the files for the end of the session beside {}", path.display()))
            })
            .transpose()?;
        let snapshot = args.snapshot.as_ref().map(|path| {
            Destination::open(path.clone(), user)
                .with_context(|| format!("opening {}; name another file with --snapshot", path.display()))
        });
        Ok(Self { events, alerts, session, snapshot: snapshot.transpose()? })
    }
}

/// The log of `--log`.
#[derive(Clone, Debug)]
pub struct LogFile {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

impl LogFile {
    /// Opens it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.into(), file: Arc::new(Mutex::new(append(path)?)) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it anew under its name; where that fails, the old file stays, and says why.
    pub fn reopen(&self) {
        match append(&self.path) {
            Ok(file) => *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file,
            Err(error) => log::error!("opening {} anew: {error}; this file is still written to", self.path.display()),
        }
    }
}

impl Write for LogFile {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// What SIGHUP means: the terminal is gone, or files were renamed.
#[derive(Debug)]
pub struct Hangup {
    had_terminal: bool,
    files: Vec<Reopener>,
    log: Option<LogFile>,
}

impl Hangup {
    /// Looks whether there is a terminal to lose.
    pub fn new(files: Vec<Reopener>, log: Option<LogFile>) -> Self {
        Self { had_terminal: has_terminal(), files, log }
    }

    /// The signal came: opens the files anew. False where it means the end instead: the controlling terminal is gone, or there
    /// is no file.
    pub fn reopens(&self) -> bool {
        if self.had_terminal && !has_terminal() || self.files.is_empty() && self.log.is_none() {
            return false;
        }
        self.files.iter().for_each(Reopener::reopen);
        if let Some(log) = self.log.clone() {
            // Not here: a file system may hang.
            tokio::task::spawn_blocking(move || log.reopen());
        }
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
