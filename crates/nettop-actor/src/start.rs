//! Starting an actor: the first thing that a monitor does, before it opens, loads or binds anything that a child could inherit.

use std::{
    env,
    io::Write as _,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    files::Files,
    job::{MOST_SETUP, Setup},
    link::Link,
};

/// The hidden command of `nettop` that serves.
pub const COMMAND: &str = "actor";

/// An actor that waits for jobs.
#[derive(Debug)]
pub struct Started {
    socket: UnixStream,
}

/// Starts one.
///
/// # Errors
/// The program cannot be started again, or what it is for cannot be told.
pub fn start(setup: &Setup) -> Result<Started> {
    let (ours, theirs) = UnixStream::pair().context("making a pair of sockets for an actor")?;
    // The program that runs, even where its file was replaced meanwhile.
    Command::new("/proc/self/exe")
        .arg0(env::args_os().next().unwrap_or_else(|| "nettop".into()))
        .arg(COMMAND)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        // Of its own: Ctrl-C is for the monitor, at whose end it ends.
        .process_group(0)
        .spawn()
        .context("starting a process beside the monitor")?;
    let mut line = serde_json::to_vec(setup)?;
    ensure!(line.len() < MOST_SETUP, "what an actor is for is too long: {} bytes of at most {MOST_SETUP}", line.len());
    line.push(b'\n');
    (&ours).write_all(&line).context("telling an actor what it is for")?;
    Ok(Started { socket: ours })
}

impl Started {
    /// Starts the thread that speaks with it, with the privileges of the calling one.
    ///
    /// # Errors
    /// There can be no thread.
    pub fn link(self) -> Result<Link> {
        Link::start(self.socket)
    }

    /// The lines that one hands over whose role is the journal.
    pub fn socket(self) -> UnixStream {
        self.socket
    }

    /// Has one open files whose role that is. To be called before the sandbox is entered.
    ///
    /// # Errors
    /// Nothing can be set for its socket.
    pub fn files(self) -> Result<Files> {
        Files::new(self.socket)
    }
}
