//! A program at a terminal, as the person in front of it sees it. Killed when dropped.

use std::{
    fs::File,
    io::Write as _,
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use vt100::Parser;

use crate::{
    program::{self, wait_for},
    terminal::Terminal,
};

/// After so long nothing more comes of a program that has ended.
const SETTLED: Duration = Duration::from_millis(500);

/// A program at a terminal of its own.
pub struct Screen {
    child: Child,
    keyboard: File,
    drawn: Arc<Mutex<Parser>>,
}

impl Screen {
    /// Starts it at a terminal of so many columns and rows.
    pub fn start(mut command: Command, columns: u16, rows: u16) -> Self {
        let drawn = Arc::new(Mutex::new(Parser::new(rows, columns, 0)));
        let seen = drawn.clone();
        let see = move |bytes: &[u8]| seen.lock().expect("no panic").process(bytes);
        let terminal = Terminal::watched(&mut command, columns, rows, see).expect("making a terminal");
        Self { child: program::spawn(&mut command), keyboard: terminal.keyboard, drawn }
    }

    /// What stands on it, line by line.
    pub fn text(&self) -> String {
        self.drawn.lock().expect("no panic").screen().contents()
    }

    /// Waits until there stands what `condition` wants, and returns it.
    #[track_caller]
    pub fn wait_until(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let found = wait_for(|| Some(self.text()).filter(|text| condition(text)));
        found.unwrap_or_else(|| panic!("never {what}:\n{}", self.text()))
    }

    /// Types.
    pub fn press(&self, keys: &str) {
        (&self.keyboard).write_all(keys.as_bytes()).expect("typing");
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; returns how it ended, and what stands there then.
    #[track_caller]
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = program::wait(&mut self.child).unwrap_or_else(|| panic!("it does not end:\n{}", self.text()));
        // What it wrote last, if anything, is read by another thread.
        let (mut last, ended) = (self.text(), Instant::now());
        wait_for(|| {
            let now = self.text();
            let settled = now == last && (!now.is_empty() || ended.elapsed() > SETTLED);
            last = now;
            settled.then_some(())
        });
        (status, last)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
