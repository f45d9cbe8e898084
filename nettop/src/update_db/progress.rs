//! Telling how far it is: a bar where somebody watches, a line for each step where it goes to a log.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// On standard error.
pub struct Progress {
    watched: bool,
    bar: ProgressBar,
}

impl Progress {
    /// A bar if standard error is a terminal, else lines.
    pub fn new() -> Self {
        Self { watched: io::stderr().is_terminal(), bar: ProgressBar::hidden() }
    }

    /// A step begins, of so many bytes if that is known.
    pub fn begin(&mut self, what: &str, bytes: Option<u64>) {
        if !self.watched {
            say(what);
            return;
        }
        let template = match bytes {
            Some(_) => "{wide_msg} {bar:20} {bytes}/{total_bytes} {bytes_per_sec}",
            None => "{wide_msg} {spinner} {bytes} {bytes_per_sec}",
        };
        self.bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.set_message(what.to_string());
    }

    /// So many bytes more.
    pub fn add(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// The step has ended.
    pub fn end(&mut self) {
        self.bar.finish_and_clear();
    }

    /// Something worth knowing, which stays.
    pub fn note(&self, text: &str) {
        self.bar.suspend(|| say(text));
    }
}

fn say(text: &str) {
    // Nobody has to read it.
    let _ = writeln!(io::stderr(), "{text}");
}
