//! A file of lines, compressed, that is written by a thread of its own: readings as they come, which never wait for a disk.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use nettop_model::{json, snapshot::Degraded};
use serde::Serialize;

/// Lines that may wait for the disk. In a flood one has some megabytes.
const QUEUE: usize = 32;
/// How often what was compressed is brought to the disk: no more is lost when the process is killed.
const SYNC: Duration = Duration::from_secs(1);
/// How long the last lines may take at the end.
const LAST_WRITES: Duration = Duration::from_millis(1500);

/// The open file, before its thread is started.
#[derive(Debug)]
pub struct RecordFile {
    path: PathBuf,
    file: File,
    most: u64,
}

impl RecordFile {
    /// Opens a file to append to, and makes it, readable to its owner alone, where it is missing. It may grow to `most` bytes.
    ///
    /// # Errors
    /// What the file system says; it is no regular file.
    pub fn open(path: &Path, most: u64) -> io::Result<Self> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        Ok(Self { path: path.into(), file, most })
    }

    /// Starts the thread that writes.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start<T: Serialize + Send + 'static>(self, dropped: fn(u64) -> T) -> io::Result<Recorder<T>> {
        let Self { path, file, most } = self;
        let written = file.metadata()?.len();
        let (lines, received) = mpsc::sync_channel(QUEUE);
        let (ending, ended) = mpsc::channel();
        let status = Arc::new(Status::default());
        let out = Counted { file, written, status: Arc::clone(&status) };
        let mut writer = Writer { out: Some(GzEncoder::new(out, Compression::fast())), most, dropped };
        let told = Arc::clone(&status);
        thread::Builder::new().name("nettop-record".into()).spawn(move || {
            writer.run(&received, &told);
            drop::<mpsc::Sender<()>>(ending);
        })?;
        Ok(Recorder { path, status, lines: Mutex::new(Some(lines)), ended: Mutex::new(ended) })
    }
}

/// What the thread tells.
#[derive(Debug, Default)]
struct Status {
    lines: AtomicU64,
    bytes: AtomicU64,
    /// Lines that were not written.
    lost: AtomicU64,
    /// Of those, the ones that the file does not tell of yet.
    unsaid: AtomicU64,
    error: Mutex<Option<String>>,
}

/// Where lines are handed over, from any thread.
#[derive(Debug)]
pub struct Recorder<T> {
    path: PathBuf,
    status: Arc<Status>,
    lines: Mutex<Option<SyncSender<T>>>,
    ended: Mutex<Receiver<()>>,
}

impl<T> Recorder<T> {
    /// Hands over a line; never waits. What finds no room in the queue is dropped, and counted.
    pub fn push(&self, line: T) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.as_ref().is_none_or(|lines| lines.try_send(line).is_err()) {
            self.status.lost.fetch_add(1, Ordering::Relaxed);
            self.status.unsaid.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ends the file; waits a little until it is written.
    pub fn finish(&self) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).take();
        // What is not written by then is lost: the process ends.
        let _ = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LAST_WRITES);
    }

    /// Lines and bytes written, and lines lost.
    pub fn written(&self) -> (u64, u64, u64) {
        let Status { lines, bytes, lost, .. } = &*self.status;
        (lines.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed), lost.load(Ordering::Relaxed))
    }

    /// What is wrong with it.
    pub fn degraded(&self) -> Option<Degraded> {
        let error = self.status.error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (_, _, lost) = self.written();
        let (reason, remedy) = match error {
            Some(error) => (error, "make room, or name another file with --record; counting goes on"),
            None if lost > 0 => {
                ("the disk, or compressing, was too slow".into(), "a faster disk, or a lower --event-rate")
            }
            None => return None,
        };
        Some(Degraded {
            badge: "record".into(),
            what: format!("{lost} readings are missing from {}", self.path.display()),
            reason,
            remedy: remedy.into(),
        })
    }
}

/// The file, with what was written to it.
#[derive(Debug)]
struct Counted {
    file: File,
    written: u64,
    status: Arc<Status>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.written += count as u64;
        self.status.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The thread's own.
struct Writer<T> {
    /// `None`: it is full, or broken.
    out: Option<GzEncoder<Counted>>,
    most: u64,
    dropped: fn(u64) -> T,
}

impl<T: Serialize> Writer<T> {
    fn run(&mut self, lines: &Receiver<T>, status: &Status) {
        let mut synced = Instant::now();
        loop {
            match lines.recv_timeout(SYNC) {
                Ok(line) => self.write(&line, status),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if synced.elapsed() >= SYNC {
                synced = Instant::now();
                let flushed = self.out.as_mut().map(GzEncoder::flush);
                self.note(flushed.transpose().map(|_| ()), status);
            }
        }
        let finished = self.out.take().map(GzEncoder::finish);
        self.note(finished.transpose().map(|_| ()), status);
    }

    fn write(&mut self, line: &T, status: &Status) {
        let Some(out) = &mut self.out else {
            status.lost.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let unsaid = status.unsaid.swap(0, Ordering::Relaxed);
        let told = if unsaid > 0 { json::line(&(self.dropped)(unsaid), &mut *out) } else { Ok(()) };
        let written = told.and_then(|()| json::line(line, &mut *out));
        if written.is_ok() {
            status.lines.fetch_add(1, Ordering::Relaxed);
        } else {
            status.lost.fetch_add(1, Ordering::Relaxed);
        }
        let full = out.get_ref().written >= self.most;
        self.note(written, status);
        if full && let Some(out) = self.out.take() {
            let ended = out.finish().map(|_| ());
            let full = io::Error::other(format!("it has {} MiB, as --record-max allows", self.most >> 20));
            self.note(ended.and(Err(full)), status);
        }
    }

    /// After an error nothing more is written: what follows it could not be read.
    fn note(&mut self, result: io::Result<()>, status: &Status) {
        if let Err(error) = result {
            self.out = None;
            *status.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read as _, os::unix::fs::PermissionsExt as _};

    use flate2::read::MultiGzDecoder;

    use super::*;

    fn text(path: &Path) -> String {
        let mut text = String::new();
        MultiGzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn lines_are_appended_to_what_is_there_and_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.gz");
        for lines in [[1, 2], [3, 4]] {
            let recorder = RecordFile::open(&path, 1 << 20).unwrap().start(|lost| lost).unwrap();
            lines.iter().for_each(|line| recorder.push(*line));
            recorder.finish();
            assert_eq!((recorder.written().0, recorder.written().2, recorder.degraded()), (2, 0, None));
        }
        assert_eq!(text(&path), "1\n2\n3\n4\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_does_not_fit_is_counted_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.gz");
        let recorder = RecordFile::open(&path, 2_000).unwrap().start(|lost| vec![lost]).unwrap();
        for number in 0..200_u64 {
            // Numbers that cannot be compressed.
            recorder.push((0..200).map(|at| (number * 977 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect());
            thread::sleep(Duration::from_millis(1));
        }
        recorder.finish();
        let (lines, bytes, lost) = recorder.written();
        assert_eq!(lines + lost, 200);
        assert!(lost > 0 && bytes < 40_000, "{lines} {bytes} {lost}");
        let degraded = recorder.degraded().unwrap();
        assert!(degraded.reason.contains("--record-max"), "{degraded:?}");
        // What was written can be read.
        assert_eq!(text(&path).lines().count() as u64, lines);
    }

    #[test]
    fn only_files_are_recorded_to() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("end"), &link).unwrap();
        for (path, part) in
            [(folder.path(), "directory"), (&link, "symbolic links"), (Path::new("/dev/null"), "regular")]
        {
            let error = RecordFile::open(path, 1).unwrap_err().to_string();
            assert!(error.contains(part), "{}: {error}", path.display());
        }
    }
}
