//! The terminal as the screen needs it, and its return to what it was: at the end, after an error and in a panic.

use std::{
    fmt,
    io::{self, BufWriter, IsTerminal as _, Stdout, stdout},
    mem::ManuallyDrop,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, bail};
use crossterm::{
    Command,
    clipboard::CopyToClipboard,
    cursor,
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Terminal, backend::CrosstermBackend};

use super::panel::{self, Picture};

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

/// Has the terminal report buttons and the wheel, in the extended form (xterm's modes 1000 and 1006). Unlike crossterm's own command
/// not every movement: nobody wants these, least of all over a slow line.
struct ListenToButtons;

impl Command for ListenToButtons {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str("\x1b[?1000h\x1b[?1006h")
    }
}

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
    pub fn open(mouse: bool) -> anyhow::Result<Self> {
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
        let mut screen = Self { terminal: ManuallyDrop::new(terminal), _guard: guard };
        if mouse {
            screen.listen_to_mouse(true).context("cannot write to the terminal")?;
        }
        Ok(screen)
    }

    /// Columns and lines.
    pub fn size(&self) -> (u16, u16) {
        self.terminal.size().map(|size| (size.width, size.height)).unwrap_or_default()
    }

    /// Has the terminal report clicks and the wheel, or keep them to itself, as it must for its user to select text.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn listen_to_mouse(&mut self, on: bool) -> io::Result<()> {
        if on { execute!(stdout(), ListenToButtons) } else { execute!(stdout(), DisableMouseCapture) }
    }

    /// Gives a text to the clipboard of the terminal's user, by OSC 52; whether it takes it, no terminal tells.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(stdout(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Paints the picture; only what differs from the last one is written.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, picture: &Picture) -> io::Result<()> {
        self.terminal.draw(|frame| panel::draw(frame, picture)).map(|_| ())
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
        let _ = execute!(stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
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
