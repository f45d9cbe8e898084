//! Telling how far it is: a bar where somebody watches, a line for each step where it goes to a log.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use nettop_model::visible::visible;

/// On standard error. Clones draw the same bar.
#[derive(Clone)]
pub struct Progress {
    /// `None`: nobody watches.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A bar if standard error is a terminal, else lines.
    pub fn new() -> Self {
        let hidden = || ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { bar: io::stderr().is_terminal().then(hidden) }
    }

    /// A step begins, of so many bytes if that is known.
    pub fn begin(&self, what: &str, bytes: Option<u64>) {
        let Some(bar) = &self.bar else { return say(what) };
        let template = match bytes {
            Some(_) => "{wide_msg} {bar:20} {bytes}/{total_bytes} {bytes_per_sec}",
            None => "{wide_msg} {spinner} {bytes} {bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        match bytes {
            Some(bytes) => bar.set_length(bytes),
            None => bar.unset_length(),
        }
        bar.set_message(visible(what));
        bar.reset();
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }

    /// So many bytes more.
    pub fn add(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    /// The step has ended, well or not: its line is for others.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Something worth knowing, which stays.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }
}

fn say(text: &str) {
    // Nobody has to read it.
    let _ = writeln!(io::stderr(), "{}", visible(text));
}
