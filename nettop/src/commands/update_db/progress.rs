//! Telling how far it is: a line that is written over where somebody watches, a line for each step where it goes to a log.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nettop_model::{format, visible::visible};
use nettop_tui::winsize;

/// How often the line is written over, at most.
const PACE: Duration = Duration::from_millis(100);
/// Cells of the bar: beside the longest text there are eight left of 80.
const BAR: usize = 8;

/// On standard error. Clones write the same line.
#[derive(Clone)]
pub struct Progress {
    /// `None`: nobody watches. Within, `None`: no step has begun, or it has ended.
    watched: Option<Arc<Mutex<Option<Step>>>>,
}

/// What is being done.
struct Step {
    what: String,
    bytes: u64,
    /// How many there will be, if that is known.
    all: Option<u64>,
    began: Instant,
    shown: Instant,
}

impl Progress {
    /// A line that is written over if standard error is a terminal, else lines.
    pub fn new() -> Self {
        Self { watched: io::stderr().is_terminal().then(Arc::default) }
    }

    /// A step begins, of so many bytes if that is known.
    pub fn begin(&self, what: &str, bytes: Option<u64>) {
        let Some(mut step) = self.step() else { return say(what) };
        let now = Instant::now();
        let begun = step.insert(Step { what: visible(what), bytes: 0, all: bytes, began: now, shown: now });
        write_over(&begun.text(now), true);
    }

    /// So many bytes more.
    pub fn add(&self, bytes: u64) {
        let Some(mut step) = self.step() else { return };
        let Some(step) = step.as_mut() else { return };
        let now = Instant::now();
        step.bytes += bytes;
        if now - step.shown >= PACE {
            step.shown = now;
            write_over(&step.text(now), true);
        }
    }

    /// The step has ended, well or not: its line is for others.
    pub fn end(&self) {
        if self.step().is_some_and(|mut step| step.take().is_some()) {
            write_over("", false);
        }
    }

    /// Something worth knowing, which stays; said between two steps.
    pub fn note(&self, text: &str) {
        self.end();
        say(text);
    }

    fn step(&self) -> Option<MutexGuard<'_, Option<Step>>> {
        // Whoever panicked has left a step as it was.
        self.watched.as_ref().map(|step| step.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Step {
    fn text(&self, now: Instant) -> String {
        let Self { what, bytes, all, began, .. } = self;
        let rate = format::bytes((*bytes as f64 / (now - *began).as_secs_f64().max(1.0)) as u64);
        let bytes_text = format::bytes(*bytes);
        match all {
            Some(all) => {
                let bar = format::bar(*bytes as f64 / (*all).max(1) as f64, BAR);
                format!("{what} {bytes_text}/{} {rate}/s {bar}", format::bytes(*all))
            }
            None => format!("{what} {bytes_text} {rate}/s"),
        }
    }
}

/// Writes over the line that was written last; in as many columns as there are but one, after which terminals go to the next line.
fn write_over(text: &str, stays: bool) {
    let columns = winsize::of(io::stderr()).map_or(1, |(columns, _)| usize::from(columns)) - 1;
    let back = if stays { "" } else { "\r" };
    // Nobody has to read it.
    let _ = write!(io::stderr(), "\r{text:<columns$.columns$}{back}");
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", visible(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_tells_how_much_of_how_much_came_and_how_fast() {
        let began = Instant::now();
        let step = |all| Step { what: "fetching x".into(), bytes: 3 << 20, all, began, shown: began };
        let now = began + Duration::from_secs(2);
        let text = step(Some(6 << 20)).text(now);
        assert!(text.starts_with("fetching x 3.00 MiB/6.00 MiB 1.50 MiB/s ████"), "{text}");
        assert_eq!(step(None).text(now), "fetching x 3.00 MiB 1.50 MiB/s");
    }
}
