//! The end of a monitor: within seconds, whatever hangs; what could not be done by then is said.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use nettop_model::{flat::Flat, json, snapshot::Snapshot, visible::visible};
use nettop_process::cause;
use tokio::{task::JoinHandle, time::timeout};

use nettop_export::{
    atomic_file::AtomicFile,
    file,
    session::{OutputDir, Written},
    until::Until,
};

/// How long everything may take after a signal, the end of the process not counted: whoever sends one kills after ten seconds, or a
/// few more.
const SIGNALLED: Duration = Duration::from_secs(4);
/// The same where the user has asked for it and waits: a session may be a hundred megabytes, and its disk slow.
const ASKED: Duration = Duration::from_secs(30);
/// What a step is left in any case, however long those before it took.
const LEAST: Duration = Duration::from_millis(200);

/// Of that, what is kept for writing.
const KEEPING: Duration = Duration::from_millis(2000);
/// What the files hold where the engine did not end.
pub const ONLY_PUBLISHED: &str = "what was kept is what was published last, the busiest thousand of each list";

/// Why it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// By a signal.
    Signal,
    /// By a key, by a request, or with its source.
    Asked,
}

/// When everything has to be done.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    until: Instant,
}

impl Ending {
    /// Beginning now.
    pub fn begin(reason: Reason) -> Self {
        let whole = match reason {
            Reason::Signal => SIGNALLED,
            Reason::Asked => ASKED,
        };
        Self { until: Instant::now() + whole }
    }

    /// What is left until keeping has to begin, for what comes before it.
    pub fn before_keeping(self) -> Duration {
        self.left().saturating_sub(KEEPING).max(LEAST)
    }

    /// What is left for the next step.
    pub fn left(self) -> Duration {
        self.until.saturating_duration_since(Instant::now()).max(LEAST)
    }

    /// What a task returns.
    ///
    /// # Errors
    /// It does not end in time, or has panicked.
    pub async fn join<T>(self, name: &str, task: JoinHandle<T>) -> Result<T> {
        match timeout(self.before_keeping(), task).await {
            Ok(joined) => joined.with_context(|| format!("the {name} failed")),
            Err(_) => bail!("the {name} does not end in time; giving up"),
        }
    }

    /// Waits for a task, if there is one.
    ///
    /// # Errors
    /// As for [`join`](Self::join).
    pub async fn join_if(self, name: &str, task: Option<JoinHandle<()>>) -> Result<()> {
        match task {
            Some(task) => self.join(name, task).await,
            None => Ok(()),
        }
    }

    /// Starts to write what was to be kept, all of it at once.
    pub fn keep(self, session: Option<OutputDir>, snapshot: Option<AtomicFile>, last: &Arc<Snapshot>) -> Kept {
        // Whoever writes and is late has still to remove what was half written.
        let until = self.until.checked_sub(LEAST);
        let session = session.map(|place| {
            let last = last.clone();
            start("the session".into(), move || Ok(place.write(&last, until)?.iter().map(told).collect()))
        });
        let snapshot = snapshot.map(|place| {
            let (last, path) = (last.clone(), place.path().display().to_string());
            start(format!("the snapshot {path}"), move || {
                let kept = place.write(|out| json::pretty(&Flat::from(&*last), &mut Until::new(out, until))).with_context(|| {
                    format!("writing the snapshot {path} (nettop has no privileges by then: its folder must be its user's own)")
                })?;
                // Only what is not as it was asked for.
                Ok(kept.map_or(String::new(), |kept| told(&(place.path().to_path_buf(), Some(kept)))))
            })
        });
        Kept { ending: self, running: session.into_iter().chain(snapshot).collect() }
    }

    /// Prints the summary, unless nobody takes it.
    ///
    /// # Errors
    /// What the file system says, or that nobody does.
    pub fn print(self, text: String) -> Result<()> {
        let printing = start("the summary".into(), move || {
            file::print(text.as_bytes()).context("writing the summary to standard output").map(|()| String::new())
        });
        self.wait(printing).map(drop)
    }

    fn wait(self, Running { name, result }: Running) -> Result<String> {
        match result.recv_timeout(self.left()) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => {
                bail!("writing {name}: whatever it goes to does not take it in time; giving up")
            }
            Err(RecvTimeoutError::Disconnected) => bail!("writing {name}: the thread that writes it has failed"),
        }
    }
}

/// Something that is being written by a thread of its own.
struct Running {
    name: String,
    result: Receiver<Result<String>>,
}

fn start(name: String, work: impl FnOnce() -> Result<String> + Send + 'static) -> Running {
    let (done, result) = sync_channel(1);
    let failed = done.clone();
    let started = thread::Builder::new().name("nettop-keep".into()).spawn(move || {
        // Whoever waits may have given up.
        let _ = done.send(work());
    });
    if let Err(error) = started {
        let _ = failed.send(Err(error).with_context(|| format!("starting a thread that writes {name}")));
    }
    Running { name, result }
}

/// A line that tells of a file that was written.
fn told((path, kept): &Written) -> String {
    let kept = kept.as_ref().map_or(String::new(), |kept| format!(": {kept}"));
    format!("  written      {}\n", visible(&format!("{}{kept}", path.display())))
}

/// What is being kept.
pub struct Kept {
    ending: Ending,
    running: Vec<Running>,
}

impl Kept {
    /// Waits for it: lines that tell what was written.
    ///
    /// # Errors
    /// Everything that was not, and why.
    pub fn wait(self) -> (String, Result<()>) {
        let ending = self.ending;
        let (mut lines, mut errors) = (String::new(), Vec::new());
        for running in self.running {
            match ending.wait(running) {
                Ok(written) => lines.push_str(&written),
                Err(error) => errors.push(error),
            }
        }
        (lines, all(errors.into_iter().map(Err)))
    }
}

/// Everything that went wrong, as one error.
///
/// # Errors
/// Something did.
pub fn all(results: impl IntoIterator<Item = Result<()>>) -> Result<()> {
    let mut errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    match errors.len() {
        0 | 1 => errors.pop().map_or(Ok(()), Err),
        _ => Err(anyhow!("{}", errors.iter().map(cause::told).collect::<Vec<_>>().join("; "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_went_wrong_is_said() {
        let failed = |what: &'static str| Err(anyhow!(what));
        for (results, said) in [
            (vec![], None),
            (vec![Ok(()), Ok(())], None),
            (vec![Ok(()), failed("one")], Some("one")),
            (vec![failed("one"), Ok(()), failed("two"), failed("three")], Some("one; two; three")),
        ] {
            assert_eq!(all(results).err().map(|error| error.to_string()).as_deref(), said);
        }
    }

    #[test]
    fn what_does_not_end_is_given_up_by_name_and_the_rest_is_done() {
        // Its time is over.
        let ending = Ending { until: Instant::now() };
        let (go_on, blocked) = std::sync::mpsc::channel::<()>();
        let hangs = start("the file x".into(), move || {
            // Until this test is over.
            let _ = blocked.recv();
            Ok(String::new())
        });
        let works = start("the file y".into(), || Ok("written y\n".into()));
        let fails = start("the file z".into(), || bail!("z is full"));
        let (lines, result) = Kept { ending, running: vec![hangs, works, fails] }.wait();
        assert_eq!(lines, "written y\n");
        let said = result.unwrap_err().to_string();
        assert!(said.contains("the file x") && said.contains("giving up") && said.contains("z is full"), "{said}");
        drop(go_on);
    }

    #[test]
    fn each_step_is_left_something() {
        let late = Ending { until: Instant::now() };
        assert_eq!((late.left(), late.before_keeping()), (LEAST, LEAST));
        for reason in [Reason::Signal, Reason::Asked] {
            let ending = Ending::begin(reason);
            assert!(ending.before_keeping() < ending.left() && ending.left() <= ASKED);
        }
    }
}
