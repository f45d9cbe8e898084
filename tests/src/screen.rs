//! A program at a terminal, as the person in front of it sees it. Killed when dropped.

use std::{
    io::Write as _,
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rustix::termios::{LocalModes, tcgetattr};
use vt100::{MouseProtocolMode, Parser};

use crate::{
    program::{self, wait_for},
    terminal::{self, Terminal},
};

/// After so long nothing more comes of a program that has ended.
const SETTLED: Duration = Duration::from_millis(500);

/// A program at a terminal of its own.
pub struct Screen {
    child: Child,
    terminal: Terminal,
    drawn: Arc<Mutex<Parser>>,
}

/// How a program has set its terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes {
    /// What is shown goes away with the program.
    pub alternate: bool,
    /// Clicks are reported.
    pub mouse: bool,
    /// What is pasted is marked.
    pub paste: bool,
    /// The cursor cannot be seen.
    pub no_cursor: bool,
    /// Every key is given as it is typed, and shown by nobody.
    pub raw: bool,
}

/// As every shell wants it.
pub const PLAIN: Modes = Modes { alternate: false, mouse: false, paste: false, no_cursor: false, raw: false };
/// As nettop's screen wants it.
pub const TAKEN: Modes = Modes { alternate: true, mouse: true, paste: true, no_cursor: true, raw: true };

impl Screen {
    /// Starts it at a terminal of so many columns and rows.
    pub fn start(mut command: Command, columns: u16, rows: u16) -> Self {
        Self::prepare(&mut command, columns, rows, |_, _| ())
    }

    /// The same, at a terminal that is its controlling one, in a session of its own.
    pub fn start_session(mut command: Command, columns: u16, rows: u16) -> Self {
        Self::prepare(&mut command, columns, rows, Terminal::control)
    }

    fn prepare(command: &mut Command, columns: u16, rows: u16, prepare: fn(&Terminal, &mut Command)) -> Self {
        // What a terminal shows that reports no size.
        let size = |reported: u16, usual: u16| if reported == 0 { usual } else { reported };
        let drawn = Arc::new(Mutex::new(Parser::new(size(rows, 24), size(columns, 80), 0)));
        let seen = drawn.clone();
        let see = move |bytes: &[u8]| seen.lock().expect("no panic").process(bytes);
        let terminal = Terminal::watched(command, columns, rows, see).expect("making a terminal");
        prepare(&terminal, command);
        Self { child: program::spawn(command), terminal, drawn }
    }

    /// Its terminal.
    pub fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// Gives its terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.drawn.lock().expect("no panic").screen_mut().set_size(rows, columns);
        terminal::resize(&self.terminal.keyboard, columns, rows);
    }

    /// How its terminal is set.
    pub fn modes(&self) -> Modes {
        let settings = tcgetattr(&self.terminal.keyboard).expect("the settings of a terminal");
        let drawn = self.drawn.lock().expect("no panic");
        let screen = drawn.screen();
        Modes {
            alternate: screen.alternate_screen(),
            mouse: screen.mouse_protocol_mode() != MouseProtocolMode::None,
            paste: screen.bracketed_paste(),
            no_cursor: screen.hide_cursor(),
            raw: !settings.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO),
        }
    }

    /// Waits until its terminal is set so.
    #[track_caller]
    pub fn wait_until_set(&self, modes: Modes) {
        let found = program::wait_for(|| (self.modes() == modes).then_some(()));
        assert!(found.is_some(), "{:?}, not {modes:?}:\n{}", self.modes(), self.text());
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
        (&self.terminal.keyboard).write_all(keys.as_bytes()).expect("typing");
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
