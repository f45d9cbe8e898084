//! Writing files of the state folder by a thread of its own: whoever hands one over never waits for a disk.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::Instant,
};

use nettop_model::snapshot::Degraded;

use super::StateDir;

/// Where files are handed over, from any thread.
#[derive(Debug)]
pub struct StateWriter {
    dir: Arc<StateDir>,
    desk: Arc<Desk>,
    ended: Mutex<Receiver<()>>,
}

/// What the writer and its thread share.
#[derive(Debug, Default)]
struct Desk {
    work: Mutex<Work>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    /// By the name of the file, the newest content alone: so this is bounded by the number of names.
    waiting: BTreeMap<&'static str, Vec<u8>>,
    /// What could not be read or written, and why, until it is written.
    failed: BTreeMap<&'static str, String>,
    closed: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next file to write; `None`: there will be none.
    fn next(&self) -> Option<(&'static str, Vec<u8>)> {
        let waits = |work: &mut Work| work.waiting.is_empty() && !work.closed;
        self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner).waiting.pop_first()
    }
}

impl StateWriter {
    /// Starts the thread that writes, with the privileges of the calling one.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(dir: StateDir) -> io::Result<Self> {
        let (dir, desk) = (Arc::new(dir), Arc::new(Desk::default()));
        let (ending, ended) = channel::<()>();
        let (to, from) = (Arc::clone(&dir), Arc::clone(&desk));
        thread::Builder::new().name("nettop-state".into()).spawn(move || {
            while let Some((name, content)) = from.next() {
                let written = to.write(name, &content);
                let mut work = from.lock();
                match written {
                    Ok(()) => work.failed.remove(name),
                    Err(error) => work.failed.insert(name, error.to_string()),
                };
            }
            drop(ending);
        })?;
        Ok(Self { dir, desk, ended: Mutex::new(ended) })
    }

    /// What was written under this name, by an earlier process or by this one; `None`: nothing, or it cannot be used, which
    /// [`degraded`](Self::degraded) then tells. Waits for the disk: for the start.
    pub fn read(&self, name: &'static str, most_bytes: u64) -> Option<Vec<u8>> {
        self.dir.read(name, most_bytes).unwrap_or_else(|error| {
            self.desk.lock().failed.insert(name, error.to_string());
            None
        })
    }

    /// Has a file replaced, soon; never waits. What is still waiting under the same name is not written any more.
    pub fn write(&self, name: &'static str, content: Vec<u8>) {
        self.desk.lock().waiting.insert(name, content);
        self.desk.changed.notify_one();
    }

    /// From now on only what is waiting is written.
    pub fn close(&self) {
        self.desk.lock().closed = true;
        self.desk.changed.notify_one();
    }

    /// Waits until it is, but no longer than `until`.
    pub fn finish_until(&self, until: Instant) {
        self.close();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(until.saturating_duration_since(Instant::now())) == Err(RecvTimeoutError::Timeout) {
            let work = &mut *self.desk.lock();
            let late =
                work.waiting.keys().map(|name| (*name, "not written in time at the end; use a faster disk".into()));
            work.failed.extend(late);
        }
    }

    /// What could not be kept.
    pub fn degraded(&self) -> Vec<Degraded> {
        let row = |(name, error): (&&str, &String)| {
            let (reason, remedy) = error.rsplit_once("; ").unwrap_or((error, "see the reason"));
            Degraded {
                badge: "state".into(),
                what: format!("{name} is not kept for the next start"),
                reason: reason.into(),
                remedy: remedy.into(),
            }
        };
        self.desk.lock().failed.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn started(folder: &std::path::Path) -> StateWriter {
        let user = rustix::process::geteuid().as_raw();
        StateWriter::start(StateDir::open(folder, user).unwrap()).unwrap()
    }

    #[test]
    fn the_newest_content_of_each_name_is_on_the_disk_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let writer = started(&path);
        assert_eq!(writer.read("usual", 100), None);
        for round in 0..100 {
            writer.write("usual", format!("usual {round}").into());
            writer.write("blocks", format!("blocks {round}").into());
        }
        writer.finish_until(Instant::now() + SOON);
        assert_eq!(writer.degraded(), []);
        // The next process.
        let writer = started(&path);
        assert_eq!(writer.read("usual", 100).as_deref(), Some(&b"usual 99"[..]));
        assert_eq!(writer.read("blocks", 100).as_deref(), Some(&b"blocks 99"[..]));
    }

    #[test]
    fn a_failure_is_told_until_a_later_write_succeeds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let writer = started(&path);
        fs::create_dir(path.join("usual")).unwrap();
        // It cannot be read either.
        assert_eq!(writer.read("usual", 100), None);
        let told = |part: &str| {
            let deadline = Instant::now() + SOON;
            loop {
                match &writer.degraded()[..] {
                    [] if part.is_empty() => return,
                    [row] if !part.is_empty() && row.reason.contains(part) => {
                        assert_eq!((row.badge.as_str(), row.remedy.is_empty()), ("state", false), "{row:?}");
                        assert!(row.reason.contains("state/usual"), "{row:?}");
                        return;
                    }
                    rows => assert!(Instant::now() < deadline, "not {part:?}: {rows:?}"),
                }
                thread::sleep(Duration::from_millis(5));
            }
        };
        told("reading");
        writer.write("usual", b"1".into());
        told("writing");
        fs::remove_dir(path.join("usual")).unwrap();
        writer.write("usual", b"2".into());
        told("");
        assert_eq!(fs::read(path.join("usual")).unwrap(), b"2");
    }
}
