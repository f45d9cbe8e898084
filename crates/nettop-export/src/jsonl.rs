//! Appending rows to a file as JSON, one line each, without ever holding up whoever hands them over.
//!
//! [`Jsonl`] collects rows and hands them, in batches, to a thread of its own, which alone makes system calls that may
//! take long: a full disk, a pipe that nobody reads, a file system that hangs. What finds no room in the queue, or
//! cannot be written, is counted as lost.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use nettop_model::{
    json,
    snapshot::{Export, ExportRow},
};
use serde::Serialize;

use super::append_file::AppendFile;

/// Rows that are handed over at once, at most.
const BATCH: usize = 4096;
/// Batches that may wait for the disk: some seconds of packets.
const QUEUE: usize = 64;
/// Rows that may wait for room in the queue, of a file that each row is brought to the disk of.
const MAY_WAIT: usize = 65_536;
/// How often it is tried again to hand them over, where that may wait.
const PAUSE: Duration = Duration::from_millis(5);
/// How long the last rows may take at the end.
pub const LAST_WRITES: Duration = Duration::from_millis(1500);

/// What the thread tells, and is told.
#[derive(Debug, Default)]
struct Status {
    lines: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
    error: Mutex<Option<String>>,
    reopen: AtomicBool,
    /// The end is near: nobody waits for a slow disk any more.
    hurry: AtomicBool,
}

impl Status {
    fn set_error(&self, error: Option<String>) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// Asks for a file to be opened anew under its name, after it was renamed.
#[derive(Clone, Debug)]
pub struct Reopener(Arc<Status>);

impl Reopener {
    /// Does so before the next rows are written. While the file cannot be opened, the old one is used, and the error shown.
    pub fn reopen(&self) {
        self.0.reopen.store(true, Ordering::Relaxed);
    }

    /// From now on nobody waits for the file; what it does not take is lost.
    pub fn hurry(&self) {
        self.0.hurry.store(true, Ordering::Relaxed);
    }
}

/// Where rows are handed over.
#[derive(Debug)]
pub struct Jsonl<T> {
    export: Export,
    path: String,
    batch: Vec<T>,
    /// Rows ever handed over.
    rows: u64,
    batches: Option<SyncSender<Vec<T>>>,
    /// Waits for a slow disk, where nothing else is waiting.
    patient: bool,
    /// Rows that are kept while there is no room in the queue.
    may_wait: usize,
    ended: Receiver<()>,
    status: Arc<Status>,
}

/// What all of them have in common, whatever their rows are.
pub trait RowsFile {
    /// From now on waits for a slow disk rather than lose rows: for the replay of a capture, which can wait.
    fn be_patient(&mut self);
    /// Hands over what was added since the last time.
    fn flush(&mut self);
    /// Hands over the last rows; nothing comes after them.
    fn close(&mut self);
    /// Does so, and waits until then for them to be written. What then is not, is lost.
    fn finish_until(&mut self, until: Instant);
    /// What became of the rows so far.
    fn row(&self) -> ExportRow;
    /// For SIGHUP.
    fn reopener(&self) -> Reopener;
}

impl<T: Serialize + Send + 'static> Jsonl<T> {
    /// Starts the thread that writes, with the privileges of the calling one.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(export: Export, target: AppendFile) -> io::Result<Self> {
        Self::start_with(export, target, false)
    }

    /// The same; rows are on the disk before the next ones are written, and some wait for a slow one.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start_synced(export: Export, target: AppendFile) -> io::Result<Self> {
        Self::start_with(export, target, true)
    }

    fn start_with(export: Export, target: AppendFile, synced: bool) -> io::Result<Self> {
        let (batches, received) = sync_channel(QUEUE);
        let (ending, ended) = sync_channel(1);
        let status = Arc::new(Status::default());
        let path = target.path().display().to_string();
        let mut writer = Writer { target, synced, status: status.clone(), stale: None, text: Vec::new() };
        thread::Builder::new().name(format!("nettop-{}", export.label())).spawn(move || {
            writer.run(&received);
            // Nobody may be waiting any more.
            let _ = ending.try_send(());
        })?;
        let batches = Some(batches);
        let may_wait = if synced { MAY_WAIT } else { 0 };
        Ok(Self { export, path, batch: Vec::new(), rows: 0, batches, patient: false, may_wait, ended, status })
    }

    /// Adds a row.
    pub fn push(&mut self, row: T) {
        self.batch.push(row);
        if self.batch.len() >= BATCH {
            self.flush();
        }
    }

    /// Waits until there is room, or the end is near.
    fn send_patiently(&self, batches: &SyncSender<Vec<T>>, mut batch: Vec<T>) -> bool {
        loop {
            match batches.try_send(batch) {
                Err(TrySendError::Full(back)) if !self.status.hurry.load(Ordering::Relaxed) => {
                    batch = back;
                    thread::sleep(PAUSE);
                }
                sent => return sent.is_ok(),
            }
        }
    }
}

impl<T: Serialize + Send + 'static> RowsFile for Jsonl<T> {
    fn be_patient(&mut self) {
        self.patient = true;
    }

    fn flush(&mut self) {
        if self.batch.is_empty() && !self.status.reopen.load(Ordering::Relaxed) {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        let rows = batch.len() as u64;
        let taken = match &self.batches {
            None => false,
            Some(batches) if self.patient => self.send_patiently(batches, batch),
            // An empty batch only wakes the thread; where the queue is full it is awake.
            Some(batches) => match batches.try_send(batch) {
                Err(TrySendError::Full(back)) if back.len() < self.may_wait => {
                    self.batch = back;
                    return;
                }
                sent => sent.is_ok(),
            },
        };
        self.rows += rows;
        if !taken {
            self.status.lost.fetch_add(rows, Ordering::Relaxed);
        }
    }

    fn close(&mut self) {
        self.flush();
        if self.batch.is_empty() {
            self.batches = None;
        }
    }

    fn finish_until(&mut self, until: Instant) {
        self.close();
        while self.batches.is_some() && Instant::now() < until {
            thread::sleep(PAUSE);
            self.close();
        }
        self.rows += self.batch.len() as u64;
        self.batches = None;
        if self.ended.recv_timeout(until.saturating_duration_since(Instant::now())) == Err(RecvTimeoutError::Timeout) {
            let written = self.status.lines.load(Ordering::Relaxed);
            self.status.lost.store(self.rows.saturating_sub(written), Ordering::Relaxed);
        }
    }

    fn row(&self) -> ExportRow {
        let Status { lines, bytes, lost, error, reopen: _, hurry: _ } = &*self.status;
        ExportRow {
            kind: self.export,
            path: self.path.clone(),
            lines: lines.load(Ordering::Relaxed),
            bytes: bytes.load(Ordering::Relaxed),
            lost: lost.load(Ordering::Relaxed),
            error: error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn reopener(&self) -> Reopener {
        Reopener(self.status.clone())
    }
}

/// The thread's own.
struct Writer {
    target: AppendFile,
    /// Each batch is brought to the disk.
    synced: bool,
    status: Arc<Status>,
    /// Why the file could not be opened anew: it is still the old one.
    stale: Option<String>,
    text: Vec<u8>,
}

impl Writer {
    fn run<T: Serialize>(&mut self, batches: &Receiver<Vec<T>>) {
        for rows in batches {
            if self.status.reopen.swap(false, Ordering::Relaxed) {
                self.reopen();
            }
            if !rows.is_empty() {
                self.write(&rows);
            }
        }
    }

    fn write<T: Serialize>(&mut self, rows: &[T]) {
        self.text.clear();
        for row in rows {
            let start = self.text.len();
            if json::line(row, &mut self.text).is_err() {
                // It counts as lost.
                self.text.truncate(start);
            }
        }
        let (lines, bytes, result) = self.target.append(&self.text);
        self.status.lines.fetch_add(lines, Ordering::Relaxed);
        self.status.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.status.lost.fetch_add(rows.len() as u64 - lines, Ordering::Relaxed);
        let result = result.and_then(|()| if self.synced { self.target.sync() } else { Ok(()) });
        self.status.set_error(match result {
            Ok(()) => self.stale.clone(),
            Err(error) => Some(error.to_string()),
        });
    }

    fn reopen(&mut self) {
        match self.target.reopened() {
            Ok(target) => {
                self.target = target;
                self.stale = None;
            }
            Err(error) => self.stale = Some(format!("opening it anew: {error}; the old file is still written to")),
        }
        self.status.set_error(self.stale.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

    use super::*;

    fn target(path: &Path) -> AppendFile {
        AppendFile::open(path).unwrap()
    }

    fn finished(mut jsonl: Jsonl<u32>, rows: std::ops::Range<u32>) -> ExportRow {
        rows.for_each(|row| jsonl.push(row));
        jsonl.finish_until(Instant::now() + LAST_WRITES);
        jsonl.row()
    }

    #[test]
    fn rows_become_lines_behind_those_that_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.jsonl");
        for (before, after) in [("", "7\n8\n"), ("1\n", "1\n7\n8\n"), ("torn", "torn\n7\n8\n")] {
            fs::write(&path, before).unwrap();
            let row = finished(Jsonl::start(Export::Events, target(&path)).unwrap(), 7..9);
            assert_eq!(fs::read_to_string(&path).unwrap(), after, "after {before:?}");
            assert_eq!((row.lines, row.bytes, row.lost, row.error), (2, 4, 0, None));
        }
    }

    #[test]
    fn what_cannot_be_written_is_lost_and_said() {
        let row = finished(Jsonl::start(Export::Events, target("/dev/full".as_ref())).unwrap(), 0..5000);
        assert_eq!((row.lines, row.lost), (0, 5000));
        assert!(row.error.is_some_and(|error| error.contains("No space")));
    }

    #[test]
    fn rows_that_are_brought_to_the_disk_wait_for_room() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.jsonl");
        let mut jsonl = Jsonl::start_synced(Export::Audit, AppendFile::open_private(&path).unwrap()).unwrap();
        // Handed over one by one, faster than a disk takes them.
        for row in 0..5_000u32 {
            jsonl.push(row);
            jsonl.flush();
        }
        jsonl.finish_until(Instant::now() + Duration::from_secs(60));
        let expected: String = (0..5_000).map(|row| format!("{row}\n")).collect();
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_eq!((jsonl.row().lines, jsonl.row().lost, jsonl.row().error), (5_000, 0, None));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // What nobody takes is lost in the end, and said.
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut jsonl = Jsonl::start_synced(Export::Audit, target(&pipe)).unwrap();
        (0..100_000u32).for_each(|row| jsonl.push(row));
        jsonl.finish_until(Instant::now() + Duration::from_millis(200));
        let row = jsonl.row();
        assert!(row.lost > 0 && row.lines + row.lost == 100_000, "{row:?}");
    }

    #[test]
    fn who_waits_for_a_pipe_that_nobody_reads_can_be_hurried() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let mut jsonl = Jsonl::start(Export::Events, target(&path)).unwrap();
        jsonl.be_patient();
        let reopener = jsonl.reopener();
        let rows = 2 * (BATCH * QUEUE) as u32;
        let waiting = thread::spawn(move || finished(jsonl, 0..rows));
        thread::sleep(Duration::from_millis(200));
        assert!(!waiting.is_finished(), "it waits for somebody to read");
        reopener.hurry();
        let row = waiting.join().unwrap();
        assert_eq!(row.lost + row.lines, u64::from(rows));
        assert!(row.lost > 0);
    }

    #[test]
    fn a_renamed_file_is_made_anew_and_no_line_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let (path, renamed) = (directory.path().join("rows.jsonl"), directory.path().join("rows.jsonl.1"));
        let mut jsonl = Jsonl::start(Export::Events, target(&path)).unwrap();
        jsonl.push(1u32);
        jsonl.flush();
        fs::rename(&path, &renamed).unwrap();
        jsonl.reopener().reopen();
        let row = finished(jsonl, 2..3);
        let both = [renamed, path].map(|path| fs::read_to_string(path).unwrap()).concat();
        assert_eq!((both.as_str(), row.lines, row.lost), ("1\n2\n", 2, 0));
    }

    #[test]
    fn a_file_that_cannot_be_opened_anew_stays_open() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let mut jsonl = Jsonl::start(Export::Events, target(&folder.join("rows"))).unwrap();
        let moved = directory.path().join("moved");
        fs::rename(&folder, &moved).unwrap();
        jsonl.reopener().reopen();
        jsonl.push(1u32);
        let row = finished(jsonl, 2..3);
        assert_eq!(fs::read_to_string(moved.join("rows")).unwrap(), "1\n2\n");
        assert!(row.error.is_some_and(|error| error.contains("opening it anew")), "still said after a good write");
    }
}
