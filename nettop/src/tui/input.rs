//! The keyboard, read by a thread of its own.
//!
//! Not by crossterm's `EventStream`: when the terminal vanishes, or an escape sequence never ends, crossterm reads on
//! without returning (`UnixInternalEventSource::try_read` takes end of file for "no event yet"). In a stream that
//! would hold the task that polls it; here it holds only this thread, and the screen learns from its next picture
//! that the terminal is gone.

use std::{io, thread, time::Duration};

use crossterm::event::{self, Event};
use tokio::sync::mpsc;

/// How soon the thread ends once nobody listens: until then it would swallow what is typed for the shell.
const LISTEN: Duration = Duration::from_millis(200);
/// Events that may wait; a keyboard is slower, a paste is one event.
const WAITING: usize = 64;

/// Starts to listen. The last event is the error that ended it; it also ends when the receiver is dropped.
///
/// # Errors
/// When no thread can be started.
pub fn listen() -> io::Result<mpsc::Receiver<io::Result<Event>>> {
    let (events, receiver) = mpsc::channel(WAITING);
    thread::Builder::new().name("nettop-keys".into()).spawn(move || {
        while !events.is_closed() {
            let event = match event::poll(LISTEN) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let failed = event.is_err();
            if events.blocking_send(event).is_err() || failed {
                return;
            }
        }
    })?;
    Ok(receiver)
}
