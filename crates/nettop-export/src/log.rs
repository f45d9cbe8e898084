//! The log of `--log`: records are handed over to a thread of their own, which alone waits for the file. Whoever logs never does: not
//! for a full disk, a pipe that nobody reads, a terminal that is stopped. What finds no room in the queue is counted, and said in the
//! log itself as soon as it takes something again.

use std::{
    collections::VecDeque,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use nettop_model::snapshot::Degraded;

use super::append_file::AppendFile;

/// Records that may wait, and bytes of them; one record by itself may be longer, as the verifier's log is.
const MOST_RECORDS: usize = 1024;
const MOST_BYTES: usize = 1 << 20;

/// Where records are handed over.
#[derive(Clone, Debug)]
pub struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    queue: Mutex<Queue>,
    /// There is something to do for the thread.
    more: Condvar,
    /// The thread has done something.
    done: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Records that were lost since the start, and those of which the log does not tell yet.
    lost: u64,
    untold: u64,
    /// Why the newest record could not be written, or the file not be opened anew.
    error: Option<String>,
    reopen: bool,
    /// The thread has records in its hands.
    writing: bool,
    /// The file, until the thread has it.
    file: Option<AppendFile>,
}

impl Log {
    /// Opens it; records wait until [`start`](Self::start).
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let queue = Queue { file: Some(AppendFile::open(path)?), ..Queue::default() };
        Ok(Self(Arc::new(Shared {
            path: path.into(),
            queue: Mutex::new(queue),
            more: Condvar::new(),
            done: Condvar::new(),
        })))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Starts the thread that writes, with the privileges of the calling one; once.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(&self) -> io::Result<()> {
        let Some(file) = self.queue().file.take() else { return Ok(()) };
        let shared = self.0.clone();
        thread::Builder::new().name("nettop-log".into()).spawn(move || shared.write_for_ever(file)).map(drop)
    }

    /// Has the file opened anew under its name, after it was renamed; where that fails, the old file stays, and says why.
    pub fn reopen(&self) {
        self.queue().reopen = true;
        self.0.more.notify_one();
    }

    /// Waits until everything is written, but not longer than this; starts the thread if it was not needed until now.
    pub fn finish(&self, patience: Duration) {
        if self.start().is_err() {
            return;
        }
        let is_busy = |queue: &mut Queue| queue.writing || !queue.records.is_empty();
        // In time or not: nothing else can be done.
        let _ = self.0.done.wait_timeout_while(self.queue(), patience, is_busy);
    }

    /// What is wrong with it.
    pub fn degraded(&self) -> Option<Degraded> {
        let queue = self.queue();
        let path = self.path().display();
        let reason = match (&queue.error, queue.lost) {
            (None, 0) => return None,
            (None, lost) => format!("{lost} records lost: they came faster than the file takes them"),
            (Some(error), lost) => format!("{lost} records lost: {error}"),
        };
        Some(Degraded {
            badge: "log".into(),
            what: format!("records are missing from {path}"),
            reason,
            remedy: "make room, have somebody read the pipe, or name another file with --log".into(),
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One record at a time, as `env_logger` writes them.
impl Write for Log {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let mut queue = self.queue();
        let has_room = queue.records.len() < MOST_RECORDS && queue.bytes + record.len() <= MOST_BYTES;
        if has_room || queue.records.is_empty() {
            let mut told = queue.tell();
            told.extend(record);
            queue.bytes += told.len();
            queue.records.push_back(told);
            drop(queue);
            self.0.more.notify_one();
        } else {
            queue.lost += 1;
            queue.untold += 1;
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    /// The line that tells of records lost before the next one.
    fn tell(&mut self) -> Vec<u8> {
        match std::mem::take(&mut self.untold) {
            0 => Vec::new(),
            lost => format!("[WARN  nettop] {lost} records of this log were lost here\n").into_bytes(),
        }
    }
}

impl Shared {
    fn write_for_ever(&self, mut file: AppendFile) {
        let mut stale = None;
        loop {
            let mut queue = self.lock();
            while queue.records.is_empty() && !queue.reopen {
                queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            let reopen = std::mem::take(&mut queue.reopen);
            let mut text = queue.records.pop_front().unwrap_or_default();
            queue.bytes -= text.len();
            if queue.records.is_empty() {
                // Nobody may log anything further that could tell it.
                text.extend(queue.tell());
            }
            queue.writing = true;
            drop(queue);
            if reopen {
                match AppendFile::open(&self.path) {
                    Ok(anew) => (file, stale) = (anew, None),
                    Err(error) => {
                        let told =
                            format!("opening {} anew: {error}; this file is still written to", self.path.display());
                        text.splice(..0, format!("[ERROR nettop] {told}\n").into_bytes());
                        stale = Some(told);
                    }
                }
            }
            let (_, bytes, result) = file.append(&text);
            let mut queue = self.lock();
            queue.writing = false;
            queue.error = result.err().map(|error| error.to_string()).or_else(|| stale.clone());
            if bytes < text.len() as u64 {
                queue.lost += 1;
                queue.untold += 1;
            }
            drop(queue);
            self.done.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    /// More than a queue and a pipe hold together.
    const MANY: usize = 40_000;
    const SOON: Duration = Duration::from_secs(20);

    fn log_many(log: &Log) {
        let mut log = log.clone();
        let record = |number| format!("record {number} {}\n", "x".repeat(80)).into_bytes();
        (0..MANY).for_each(|number| log.write_all(&record(number)).unwrap());
    }

    #[test]
    fn records_are_written_in_their_order_and_those_before_the_thread_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::open(&path).unwrap();
        log.write_all(b"early\n").unwrap();
        log.start().unwrap();
        log.write_all(b"later\n").unwrap();
        log.finish(SOON);
        assert_eq!(fs::read_to_string(&path).unwrap(), "early\nlater\n");
        assert_eq!(log.degraded(), None);
    }

    #[test]
    fn a_pipe_that_nobody_reads_holds_up_nobody_and_what_is_lost_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        // Opening it does not wait for a reader either.
        let log = Log::open(&path).unwrap();
        log.start().unwrap();
        log_many(&log);
        let lost = log.queue().lost;
        assert!(lost > MANY as u64 / 2 && lost < MANY as u64, "{lost}");
        assert!(log.degraded().unwrap().reason.contains("records lost"));
        log.finish(Duration::from_millis(1));
        // Then somebody reads, and finds all of them told, each where it was lost.
        let (tell, told) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let reader = fs::File::open(&path).unwrap();
            let mut sum = 0;
            for line in io::BufRead::lines(io::BufReader::new(reader)).map_while(Result::ok) {
                let Some(lost) = line.strip_prefix("[WARN  nettop] ") else { continue };
                sum += lost.split(' ').next().unwrap().parse::<u64>().unwrap();
                tell.send(sum).unwrap();
            }
        });
        while told.recv_timeout(SOON).unwrap() < lost {}
        assert_eq!(log.queue().lost, lost);
    }

    #[test]
    fn a_full_disk_is_said_and_costs_no_time() {
        let log = Log::open("/dev/full".as_ref()).unwrap();
        log.start().unwrap();
        log.clone().write_all(b"a record\n").unwrap();
        log.finish(SOON);
        let degraded = log.degraded().unwrap();
        assert!(degraded.reason.contains("1 records lost: No space"), "{degraded:?}");
    }

    #[test]
    fn one_record_may_be_longer_than_the_queue() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::open(&path).unwrap();
        let long = [&[b'x'; 2 * MOST_BYTES][..], b"\n"].concat();
        log.write_all(&long).unwrap();
        log.write_all(b"lost\n").unwrap();
        log.finish(SOON);
        let text = fs::read(&path).unwrap();
        assert!(text.starts_with(&long) && text.ends_with(b"1 records of this log were lost here\n"));
    }

    #[test]
    fn a_renamed_file_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, renamed) = (folder.path().join("log"), folder.path().join("log.1"));
        let mut log = Log::open(&path).unwrap();
        log.write_all(b"old\n").unwrap();
        log.finish(SOON);
        fs::rename(&path, &renamed).unwrap();
        log.reopen();
        log.write_all(b"new\n").unwrap();
        log.finish(SOON);
        assert_eq!([renamed, path].map(|path| fs::read_to_string(path).unwrap()), ["old\n", "new\n"]);
    }
}
