//! The terminal as the screen needs it, and its return to what it was: at the end, after an error and in a panic.
//!
//! ```text
//! picture ─► Page: the bytes that differ ─► Line: a thread that writes ─► terminal
//!   ▲                                                                       │
//!   └────── Pace: when the next one may come ◄── answers (input) ◄──────────┘
//! ```

mod line;
mod pace;
mod page;

use std::{
    fmt,
    io::{self, IsTerminal as _, stdout},
    os::fd::AsFd as _,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use crossterm::{
    Command,
    clipboard::CopyToClipboard,
    cursor,
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste},
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Terminal, layout::Size};
use rustix::termios::{QueueSelector, tcflush, tcgetwinsize};
use tokio::time::Instant;

use self::{line::Line, pace::Pace, page::Page};
use super::panel::{self, Picture};

/// Whether the terminal is ours at the moment. A panic hook has no other way to know.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether it took nothing when it was to be given back.
static STUCK: AtomicBool = AtomicBool::new(false);

/// How long the terminal may take to be given back; a terminal of 9600 baud still has some kilobytes before it.
const PATIENCE: Duration = Duration::from_secs(3);
/// Ends whatever was broken off when the rest was thrown away (ST).
const END_OF_SEQUENCE: &str = "\x1b\\";

/// The screen; dropping it gives the terminal back.
pub struct Screen {
    terminal: Terminal<Page>,
    line: Line,
    pace: Pace,
    /// For the clipboard, with the next picture: the newest text only, so that a terminal that takes nothing costs no memory.
    copy: Option<String>,
    /// Whether to listen to the mouse, from the next picture on.
    mouse: Option<bool>,
    /// Whether the next picture is a whole one.
    repaint: bool,
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
        let size = size().context("cannot learn the terminal's size")?;
        let terminal = Terminal::new(Page::new(size)).context("cannot draw")?;
        let mut line = Line::open(is_ours).context("cannot start the thread that writes to the terminal")?;
        line.write(sequence(&[&EnterAlternateScreen, &EnableBracketedPaste, &cursor::Hide]));
        let (pace, mouse) = (Pace::new(Instant::now()), mouse.then_some(true));
        Ok(Self { terminal, line, pace, copy: None, mouse, repaint: true, _guard: guard })
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

    /// When the next picture may be drawn; `None`: not before [`Screen::written`]. `awaited`: somebody waits for it.
    pub fn ready(&self, awaited: bool) -> Option<Instant> {
        (!self.line.is_busy()).then(|| self.pace.next(awaited))
    }

    /// Draws the picture; only what differs from the last one is written, and nothing where nothing does. Not before
    /// [`Screen::ready`] says so.
    ///
    /// # Errors
    /// When it cannot be drawn.
    pub fn draw(&mut self, picture: &Picture) -> io::Result<()> {
        let mut bytes = match self.mouse.take() {
            Some(true) => sequence(&[&ListenToButtons]),
            Some(false) => sequence(&[&DisableMouseCapture]),
            None => Vec::new(),
        };
        if let Some(text) = self.copy.take() {
            bytes.extend(sequence(&[&CopyToClipboard::to_clipboard_from(text)]));
        }
        if std::mem::take(&mut self.repaint) {
            self.terminal.clear()?;
        }
        self.terminal.draw(|frame| panel::draw(frame, picture))?;
        bytes.extend(self.terminal.backend_mut().take());
        if !bytes.is_empty() {
            self.pace.sent(bytes.len(), Instant::now());
            bytes.extend(pace::QUESTION);
            self.line.write(bytes);
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
        self.pace.answered();
    }

    /// Whether answers are on their way, as far as it answers at all.
    pub fn waits_for_answers(&self) -> bool {
        self.pace.waits_for_answers()
    }

    /// Whether a panic elsewhere has given the terminal back: nothing may be painted any more.
    pub fn is_lost(&self) -> bool {
        !is_ours()
    }
}

/// Whether the terminal took nothing when it was to be given back: nobody should write to it then, and wait.
pub fn is_stuck() -> bool {
    STUCK.load(Ordering::SeqCst)
}

fn is_ours() -> bool {
    TAKEN.load(Ordering::SeqCst)
}

fn size() -> io::Result<Size> {
    let size = tcgetwinsize(stdout().as_fd())?;
    Ok(Size::new(size.ws_col, size.ws_row))
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

/// Gives the terminal back, once. What it was sent and has not read is thrown away first. Nothing can be done about errors:
/// then the terminal is gone; and a terminal that takes nothing is not waited for.
fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = tcflush(stdout().as_fd(), QueueSelector::OFlush);
        let mut bytes = END_OF_SEQUENCE.as_bytes().to_vec();
        bytes.extend(sequence(&[&DisableMouseCapture, &DisableBracketedPaste, &LeaveAlternateScreen, &cursor::Show]));
        let (done, written) = channel();
        let writer = thread::Builder::new().name("nettop-restore".into());
        let started = writer.spawn(move || {
            let _ = line::write_out(&bytes, || true);
            let _ = done.send(());
        });
        let given_back = started.is_ok() && written.recv_timeout(PATIENCE).is_ok();
        STUCK.store(!given_back, Ordering::SeqCst);
        // What it has answered since is not for the shell.
        let _ = tcflush(stdout().as_fd(), QueueSelector::IFlush);
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
