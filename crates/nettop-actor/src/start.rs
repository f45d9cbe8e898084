//! Starting an actor: the first thing that a monitor does, before it opens, loads or binds anything that a child could inherit.

use std::{
    env,
    io::Write as _,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nettop_model::snapshot::With;

use crate::{
    files::Files,
    job::{Done, Job, MOST_SETUP, Setup},
    link::Link,
};

/// How long one that is tried out may take to answer, and how often that is looked for.
const PATIENCE: Duration = Duration::from_secs(12);
const PAUSE: Duration = Duration::from_millis(5);

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

/// Starts one, has it asked for what nftables blocks, and lets it go: what it answers shows that it serves, whatever its role is.
///
/// # Errors
/// As for [`start`]; it does not answer.
pub fn try_out(setup: &Setup) -> Result<Done> {
    let mut link = start(setup)?.link()?;
    link.send(Job::List { with: With::Nft }).map_err(anyhow::Error::msg)?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(done) = link.done().next() {
            ensure!(!link.is_lost(), "it ends at once");
            return Ok(done);
        }
        thread::sleep(PAUSE);
    }
    bail!("it does not answer within {} s", PATIENCE.as_secs())
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
