//! Logs, as a collector: what is in a file waits there until the engine has taken what was read before.

use std::time::{Duration, Instant};

use nettop_logs::Logs;
pub use nettop_logs::{
    AuthEvent, Entry, FileFacts, Lines, LogReading, Login, MOST_ENTRIES, Marks, Request, What, format::cut,
};

use crate::collector::{Collector, Reading};

/// How often files are looked at.
const PACE: Duration = Duration::from_millis(250);

/// Reads them.
pub struct LogFiles {
    logs: Logs,
    any: bool,
}

impl LogFiles {
    /// What follows them: made before the sandbox is entered, so that what is there now can be opened.
    pub fn new(logs: Logs) -> Self {
        Self { logs, any: false }
    }
}

impl Collector for LogFiles {
    fn name(&self) -> &'static str {
        "logs"
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn rest(&self, took: Duration) -> Duration {
        Logs::rest(took, self.any)
    }

    fn collect(&mut self) -> Reading {
        let reading = self.logs.read(Instant::now());
        self.any = !reading.entries.is_empty();
        Reading::Logs(Box::new(reading))
    }
}
