//! What comes from the terminal, read by a thread of its own: keys, the mouse, pastes, and answers.
//!
//! Not by crossterm, whose events these are: it keeps to itself what terminals answer, which is how the screen knows what has
//! been shown ([`super::terminal`]), and reads on for ever once the terminal has vanished. The size of the terminal is not in
//! here: the kernel tells of a new one by a signal.

mod parse;

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
    thread,
    time::Duration,
};

use crossterm::event::Event;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read},
};
use tokio::sync::mpsc;

use super::terminal;

/// How soon the thread ends once nobody listens: until then it would swallow what is typed for the shell.
const LISTEN: Duration = Duration::from_millis(200);
/// How long the rest of an escape sequence may take: then the Escape key was pressed.
const ESCAPE: Duration = Duration::from_millis(25);
/// How soon it notices that the terminal is ours again.
const AWAY: Duration = Duration::from_millis(50);
/// Events that may wait; a keyboard is slower, a paste is one event.
const WAITING: usize = 64;
/// Bytes read at once.
const CHUNK: usize = 4096;

/// Something from the terminal.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Somebody did something.
    Event(Event),
    /// The terminal has come to a question (DSR 5), and so has shown all that was written before it.
    Answer,
}

/// Starts to listen. The last thing is the error that ended it; it also ends when the receiver is dropped.
///
/// # Errors
/// When there is no terminal to read from, or no thread can be started.
pub fn listen() -> io::Result<mpsc::Receiver<io::Result<Input>>> {
    let keyboard = terminal::keyboard()?;
    let (inputs, receiver) = mpsc::channel(WAITING);
    thread::Builder::new().name("nettop-keys".into()).spawn(move || {
        // No receiver: nobody wants to know how it ended.
        if let Err(error) = forward(keyboard.as_fd(), &inputs) {
            let _ = inputs.blocking_send(Err(error));
        }
    })?;
    Ok(receiver)
}

/// Reads until nobody listens.
fn forward(keyboard: BorrowedFd, inputs: &mpsc::Sender<io::Result<Input>>) -> io::Result<()> {
    let mut parser = parse::Parser::default();
    let mut buffer = [0; CHUNK];
    while !inputs.is_closed() {
        // What is typed then is for somebody else; and whoever reads in the background is stopped (SIGTTIN).
        if !terminal::is_ours() {
            parser = parse::Parser::default();
            thread::sleep(AWAY);
            continue;
        }
        let patience = if parser.is_within() { ESCAPE } else { LISTEN };
        if wait(keyboard, patience)? {
            // Looked at each time: whoever is stopped, and goes on in the background, has not been told yet.
            if !terminal::is_ours() || !terminal::is_foreground() {
                thread::sleep(AWAY);
                continue;
            }
            let count = match read(keyboard, &mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(Errno::INTR | Errno::AGAIN) => continue,
                Err(error) => return Err(error.into()),
            };
            parser.take(&buffer[..count]);
        } else {
            parser.give_up();
        }
        while let Some(input) = parser.next() {
            if inputs.blocking_send(Ok(input)).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether something can be read, within this time.
fn wait(keyboard: BorrowedFd, patience: Duration) -> io::Result<bool> {
    let timeout = Timespec::try_from(patience).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(&keyboard, PollFlags::IN)], Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
