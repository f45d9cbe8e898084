//! The terminal as the screen needs it, and its return to what it was: at the end, after an error, in a panic, and while its shell has it.
//!
//! ```text
//! picture ─► Page: the bytes that differ ─► Line: a thread that writes ─► terminal
//!   ▲                                                                       │
//!   └── PicturePace: when the next one may come ◄── answers (input) ◄───────┘
//! ```

mod job;
mod line;
mod modes;
mod pace;
mod page;
mod turn;

use std::{
    fmt,
    io::{self, IsTerminal as _, stdout},
};

use anyhow::{Context as _, bail};
use crossterm::{Command, clipboard::CopyToClipboard, event::DisableMouseCapture};
use ratatui::{Terminal, layout::Size};
use tokio::time::Instant;

pub use self::{
    job::{Job, can_stop, is_foreground},
    modes::{is_stuck, keyboard},
    turn::is_ours,
};
use self::{line::Line, pace::PicturePace, page::Page, turn::Turn};
use super::{layout, panel::Picture};
use crate::winsize;

/// The screen; dropping it gives the terminal back.
pub struct Screen {
    terminal: Terminal<Page>,
    line: Line,
    pace: PicturePace,
    /// For the clipboard, with the next picture: the newest text only, so that a terminal that takes nothing costs no memory.
    copy: Option<String>,
    /// Whether to listen to the mouse, from the next picture on.
    mouse: Option<bool>,
    /// Whether the next picture is a whole one.
    repaint: bool,
    /// Whether the next picture has to have the terminal show pictures first.
    enter: bool,
    /// Of what the kernel makes SIGTSTP.
    suspend: Option<u8>,
    /// While the terminal is ours.
    turn: Option<Turn>,
    _guard: SandboxLayer,
}

struct SandboxLayer;

/// Has the terminal report buttons and the wheel, in the extended form (xterm's modes 1000 and 1006). Unlike crossterm's own command
/// not every movement: nobody wants these, least of all over a slow line.
struct ListenToButtons;

impl Command for ListenToButtons {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str("\x1b[?1000h\x1b[?1006h")
    }
}

impl Drop for SandboxLayer {
    fn drop(&mut self) {
        modes::give_back();
    }
}

impl Screen {
    /// Takes the terminal; of the byte `suspend` the kernel makes SIGTSTP.
    ///
    /// # Errors
    /// When standard output is not a terminal, or it does not obey.
    pub fn open(mouse: bool, suspend: Option<u8>) -> anyhow::Result<Self> {
        if !stdout().is_terminal() {
            bail!("standard output is not a terminal; run with --quiet to do without the screen");
        }
        modes::give_back_on_panic();
        let turn =
            modes::take(suspend).context("cannot switch the terminal to raw mode; --quiet does without the screen")?;
        let guard = SandboxLayer;
        let size = size().context("cannot learn the terminal's size")?;
        let terminal = Terminal::new(Page::new(size)).context("cannot draw")?;
        let line = Line::open().context("cannot start the thread that writes to the terminal")?;
        Ok(Self {
            terminal,
            line,
            pace: PicturePace::new(Instant::now()),
            copy: None,
            mouse: mouse.then_some(true),
            repaint: true,
            enter: true,
            suspend,
            turn: Some(turn),
            _guard: guard,
        })
    }

    /// Gives the terminal back to the shell, until [`Screen::come_back`].
    pub fn give_back(&mut self) {
        self.turn = None;
        modes::give_back();
    }

    /// Somebody else may have used the terminal, and may do so still. Takes it as it is now, if it is this process's turn; else
    /// leaves it alone, until [`Screen::come_back`].
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn check_turn(&mut self, mouse: bool) -> io::Result<()> {
        if job::is_foreground() {
            return self.take(mouse);
        }
        self.turn = None;
        modes::leave();
        Ok(())
    }

    /// Takes the terminal again, once it is this process's turn. Whether it has done so.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn come_back(&mut self, mouse: bool) -> io::Result<bool> {
        let comes = self.is_away() && job::is_foreground();
        if comes {
            self.take(mouse)?;
        }
        Ok(comes)
    }

    fn take(&mut self, mouse: bool) -> io::Result<()> {
        self.turn = Some(modes::take(self.suspend)?);
        self.pace.forget();
        self.terminal.backend_mut().forget();
        self.enter = true;
        self.mouse = mouse.then_some(true);
        self.repaint = true;
        self.resize();
        Ok(())
    }

    /// Whether the terminal is somebody else's, and nothing may be written to it or read from it.
    pub fn is_away(&self) -> bool {
        self.turn.is_none()
    }

    /// Whether the terminal is ours, and nobody else reads what it answers.
    pub fn has_keyboard(&self) -> bool {
        !self.is_away() && job::is_foreground()
    }

    /// Columns and lines.
    pub fn size(&self) -> (u16, u16) {
        self.terminal.size().map(|size| (size.width, size.height)).unwrap_or_default()
    }

    /// Asks the terminal for its size again.
    pub fn resize(&mut self) {
        // Without an answer it is gone, which the next picture finds out.
        if let Ok(size) = size() {
            self.terminal.backend_mut().resize(size);
            self.repaint = true;
        }
    }

    /// Has the terminal report clicks and the wheel, or keep them to itself, as it must for its user to select text.
    pub fn listen_to_mouse(&mut self, on: bool) {
        self.mouse = Some(on);
    }

    /// Gives a text to the clipboard of the terminal's user, by OSC 52; whether it takes it, no terminal tells.
    pub fn copy(&mut self, text: String) {
        self.copy = Some(text);
    }

    /// Makes the next picture a whole one, should something else have written to the terminal.
    pub fn repaint(&mut self) {
        self.repaint = true;
    }

    /// When the next picture may be drawn; `None`: not before [`Screen::written`], or [`Screen::come_back`]. `awaited`: somebody
    /// waits for it.
    pub fn ready(&self, awaited: bool) -> Option<Instant> {
        (!self.line.is_busy() && !self.is_away()).then(|| self.pace.next(awaited))
    }

    /// Draws the picture; only what differs from the last one is written, and nothing where nothing does. Not before
    /// [`Screen::ready`] says so.
    ///
    /// # Errors
    /// When it cannot be drawn.
    pub fn draw(&mut self, picture: &Picture) -> io::Result<()> {
        let Some(turn) = self.turn else { return Ok(()) };
        let mut bytes = if std::mem::take(&mut self.enter) { modes::entrance() } else { Vec::new() };
        match self.mouse.take() {
            Some(true) => bytes.extend(sequence(&[&ListenToButtons])),
            Some(false) => bytes.extend(sequence(&[&DisableMouseCapture])),
            None => {}
        }
        if let Some(text) = self.copy.take() {
            bytes.extend(sequence(&[&CopyToClipboard::to_clipboard_from(text)]));
        }
        if std::mem::take(&mut self.repaint) {
            self.terminal.clear()?;
        }
        self.terminal.draw(|frame| layout::draw(frame, picture))?;
        bytes.extend(self.terminal.backend_mut().take());
        if !bytes.is_empty() {
            self.pace.sent(bytes.len(), Instant::now());
            bytes.extend(pace::QUESTION);
            self.line.write(turn, bytes);
        }
        Ok(())
    }

    /// Waits until the kernel has taken the picture; for ever, where it has.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub async fn written(&mut self) -> io::Result<()> {
        self.line.written().await?;
        self.pace.taken(Instant::now());
        Ok(())
    }

    /// The terminal has answered that it has shown a picture.
    pub fn answered(&mut self) {
        self.pace.answered(Instant::now());
    }

    /// Whether answers are, or may be, on their way.
    pub fn waits_for_answers(&self) -> bool {
        self.pace.waits_for_answers(Instant::now())
    }

    /// Whether answers that should be here are not.
    pub fn misses_answers(&self) -> bool {
        !self.is_away() && self.pace.misses_answers(Instant::now())
    }

    /// Whether a panic elsewhere has given the terminal back: nothing may be painted any more.
    pub fn is_lost(&self) -> bool {
        self.turn.is_some_and(|turn| !turn.lasts())
    }
}

fn size() -> io::Result<Size> {
    winsize::of(stdout()).map(|(columns, lines)| Size::new(columns, lines))
}

/// The bytes of commands.
fn sequence(commands: &[&dyn Ansi]) -> Vec<u8> {
    let mut text = String::new();
    for command in commands {
        // Writing to a string does not fail.
        let _ = command.write(&mut text);
    }
    text.into_bytes()
}

/// [`Command`], for lists of them.
trait Ansi {
    fn write(&self, text: &mut String) -> fmt::Result;
}

impl<C: Command> Ansi for C {
    fn write(&self, text: &mut String) -> fmt::Result {
        self.write_ansi(text)
    }
}
