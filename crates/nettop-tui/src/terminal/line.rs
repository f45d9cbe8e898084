//! The line to the terminal: what writes to it, and waits for it, is a thread of its own, which has one thing to write at a time.

use std::{
    io::{self, stdout},
    os::fd::AsFd as _,
    sync::mpsc::{Sender, channel},
    thread,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, write},
};
use tokio::sync::mpsc;

use super::{job, turn::Turn};

/// Bytes written at once: when the terminal is to be given back, what has begun has to end first.
const CHUNK: usize = 512;

/// The line.
#[derive(Debug)]
pub struct Line {
    pages: Sender<(Turn, Vec<u8>)>,
    written: mpsc::Receiver<io::Result<()>>,
    busy: bool,
}

impl Line {
    /// Starts the thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn open() -> io::Result<Self> {
        let (pages, received) = channel::<(Turn, Vec<u8>)>();
        let (tell, written) = mpsc::channel(1);
        thread::Builder::new().name("nettop-screen".into()).spawn(move || {
            for (turn, page) in received {
                // Looked at each time: whoever is stopped within a page, and goes on in the background, has not been told yet.
                let may_go_on = || turn.lasts() && job::is_foreground();
                if tell.blocking_send(write_out(&page, may_go_on)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { pages, written, busy: false })
    }

    /// Whether it is still at what it was given last.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Has this written, as long as the terminal is ours for this turn; not while it is busy.
    pub fn write(&mut self, turn: Turn, bytes: Vec<u8>) {
        debug_assert!(!self.busy, "one thing at a time");
        // Without a receiver the thread has ended; `written` says so.
        self.busy = self.pages.send((turn, bytes)).is_ok();
    }

    /// Waits until the kernel has taken what was written; for ever, where nothing was.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub async fn written(&mut self) -> io::Result<()> {
        if !self.busy {
            return std::future::pending().await;
        }
        let result = self.written.recv().await.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()));
        self.busy = false;
        result
    }
}

/// Writes all of it to standard output, and waits as long as it takes and `goes_on` says so.
///
/// # Errors
/// When the terminal is gone.
pub fn write_out(bytes: &[u8], goes_on: impl Fn() -> bool) -> io::Result<()> {
    let mut left = bytes;
    while !left.is_empty() && goes_on() {
        match write(stdout().as_fd(), &left[..left.len().min(CHUNK)]) {
            Ok(count) => left = &left[count..],
            Err(Errno::INTR) => {}
            // Somebody else has made the terminal one that does not wait.
            Err(Errno::AGAIN) => drop(poll(&mut [PollFd::new(&stdout().as_fd(), PollFlags::OUT)], None)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
