//! The terminal as the screen needs it, and its return to what it was: at the end, after an error and in a panic.

use std::{
    io::{self, BufWriter, IsTerminal as _, Stdout, stdout},
    mem::ManuallyDrop,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, bail};
use crossterm::{
    cursor,
    event::{DisableBracketedPaste, EnableBracketedPaste},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Terminal, backend::CrosstermBackend};

use super::panel::{self, View};

/// Whether the terminal is ours at the moment. A panic hook has no other way to know.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The screen; dropping it gives the terminal back.
pub struct Screen {
    // Never dropped: ratatui would show the cursor, and if it cannot because the terminal is gone, print that to
    // standard error, which panics if that was the same terminal. The guard shows the cursor.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
    _guard: Guard,
}

struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When standard output is not a terminal, or it does not obey.
    pub fn open() -> anyhow::Result<Self> {
        if !stdout().is_terminal() {
            bail!("standard output is not a terminal; run with --quiet to do without the screen");
        }
        restore_on_panic();
        TAKEN.store(true, Ordering::SeqCst);
        let guard = Guard;
        enable_raw_mode().context("cannot switch the terminal to raw mode; --quiet does without the screen")?;
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)
            .context("cannot write to the terminal")?;
        // Buffered: one write for each picture, so that none is seen half painted.
        let terminal = Terminal::new(CrosstermBackend::new(BufWriter::new(stdout())))
            .context("cannot learn the terminal's size")?;
        Ok(Self { terminal: ManuallyDrop::new(terminal), _guard: guard })
    }

    /// Paints the picture; only what differs from the last one is written.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, view: &View) -> io::Result<()> {
        self.terminal.draw(|frame| panel::draw(frame, view)).map(|_| ())
    }

    /// Makes the next picture a whole one, should something else have written to the terminal.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn repaint(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    /// Whether a panic elsewhere has given the terminal back: nothing may be painted any more.
    pub fn is_lost(&self) -> bool {
        !TAKEN.load(Ordering::SeqCst)
    }
}

/// Gives the terminal back, once. Nothing can be done about errors: then the terminal is gone.
fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
    }
}

/// A panic's message would go down with the alternate screen: gives the terminal back first.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            next(info);
        }));
    });
}
