//! `nettop attach`: the screen over a monitor that runs elsewhere, as a service for example. It reads the snapshots that the
//! monitor publishes (`follow`), and carries keys to it as requests (`relay`).

use std::{
    fs,
    io::{IsTerminal as _, stdout},
    os::unix::fs::MetadataExt as _,
    sync::Arc,
};

use anyhow::{Result, bail};
use nettop_control::{
    connection::Monitor,
    endpoint::Endpoint,
    remote::{follow, looks::Looks, relay},
    token::Token,
};
use nettop_model::snapshot::SandboxLayer;
use nettop_process::heap;
use nettop_sandbox::{self as sandbox, Folders, Invoker};
use tokio::sync::{mpsc, watch};

use crate::{
    cli::AttachArgs,
    run::{
        files::Hangup,
        live::{self, Signals},
    },
};

/// Requests on their way; further ones wait with the screen's messenger.
const QUEUED_REQUESTS: usize = 16;

/// Shows the screen until its user, or a signal, ends it; the monitor goes on.
///
/// # Errors
/// Say what failed, on what, why, and what to do.
pub fn run(args: &AttachArgs) -> Result<()> {
    if !stdout().is_terminal() {
        bail!("standard output is not a terminal; nettopctl subscribe prints what a monitor publishes, for scripts");
    }
    let token = args.control_token.as_deref().map(Token::read).transpose()?;
    let monitor = Monitor::new(args.socket.clone().or_else(|| args.control_socket.clone()), token);
    heap::keep_small();
    let mut folders = Folders::default();
    folders.write_here();
    confine(&monitor.endpoint, &folders)?;
    // One thread for what comes, one for the screen, which blocks on a slow terminal.
    let runtime = live::runtime(2)?;
    let ended = runtime.block_on(async {
        let signals = Signals::listen()?;
        let monitor = Arc::new(monitor);
        let (feed, first) = follow::start(&monitor).await?;
        let (publish, snapshots) = watch::channel(first);
        let (requests, received) = mpsc::channel(QUEUED_REQUESTS);
        let looks = Looks::default();
        // The screen looks as long as it is there.
        let _looking = looks.stay();
        tokio::spawn(follow::run(monitor.clone(), feed, publish, looks));
        tokio::spawn(relay::run(monitor, received));
        let options = Some(args.screen.options(args.preferences.clone()));
        let watched = live::watch(&requests, snapshots, options, signals, &Hangup::new(Vec::new(), None)).await;
        watched.closed(live::PATIENCE).await
    });
    // Not waiting for a thread that hangs on a terminal nobody reads.
    runtime.shutdown_background();
    ended.map(drop)
}

/// Gives up what is not needed to look at a monitor, before anything is read from it: it may be somebody else.
///
/// # Errors
/// What has to be given up cannot be.
pub fn confine(endpoint: &Endpoint, folders: &Folders) -> Result<Vec<SandboxLayer>> {
    let owner = match endpoint {
        Endpoint::Unix(path) => fs::metadata(path).ok().map(|facts| facts.uid()),
        Endpoint::Tcp(_) => None,
    };
    // Called by sudo for the caller's own monitor, it needs no more than the caller has.
    let invoker = Invoker::of_sudo()?.filter(|invoker| owner == Some(invoker.uid()));
    let port = match endpoint {
        Endpoint::Unix(_) => None,
        Endpoint::Tcp(address) => Some(address.port()),
    };
    sandbox::enter_client(invoker.as_ref(), folders, port, owner)
}
