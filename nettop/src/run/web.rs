//! The dashboard as a process: `nettop web` over any monitor, and the one that a monitor starts beside itself.
//!
//! What a monitor starts is this program again: it gets the listening socket as standard output, and as standard input one end of a pair
//! of sockets over which its settings come. For as long as the other end is open the monitor lives; a dashboard that fails says there
//! why, and closes it.

use std::{
    env,
    future::Future,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    os::{
        fd::{AsFd as _, FromRawFd as _, OwnedFd},
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result, bail};
use nettop_control::{
    channel::Channel,
    connection::Monitor,
    endpoint::Endpoint,
    remote::{follow, looks::Looks, pulses, relay},
    token::Token,
};
use nettop_engine::companion::Companion;
use nettop_model::{pulse::Pulses, snapshot::Degraded};
use nettop_process::{cause, heap};
use nettop_sandbox::{self as sandbox, Folders, Invoker};
use nettop_web::{Feeds, Web, WebArgs, WebToken};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use crate::{
    cli::{CommonArgs, Sandbox, WebCommandArgs},
    run::{
        attach,
        live::{self, Signals},
    },
};

/// The hidden command that a monitor starts.
pub const COMMAND: &str = "web-process";
/// Requests on their way; further ones wait with who asks.
const QUEUED_REQUESTS: usize = 64;
/// The first socket that systemd hands over.
const FIRST_OF_SYSTEMD: i32 = 3;
/// What a monitor is told of why a dashboard ended, bytes.
const LONGEST_REASON: u64 = 4096;

/// What a dashboard is told that a monitor starts.
#[derive(Serialize, Deserialize)]
struct Told {
    /// Where the monitor is.
    endpoint: String,
    /// The word that it wants, over tcp://.
    control_token: Option<String>,
    /// That of the dashboard.
    token: String,
    options: WebArgs,
    /// Whether the whole sandbox has to hold.
    strict: bool,
}

/// `nettop web`.
///
/// # Errors
/// Say what failed, on what, why, and what to do.
pub fn run(args: &WebCommandArgs) -> Result<()> {
    let options = &args.web_options;
    let listener = match of_systemd() {
        Some(listener) => listener,
        None => {
            let usual = nettop_web::args::address(nettop_web::DEFAULT_ADDRESS).map_err(anyhow::Error::msg)?;
            nettop_web::bind(args.web.unwrap_or(usual), options)?
        }
    };
    let token = token(options)?;
    let word = args.control_token.as_deref().map(Token::read).transpose()?;
    let monitor = Monitor::new(args.socket.clone().or_else(|| args.control_socket.clone()), word);
    heap::keep_small();
    confine(&monitor.endpoint, args.sandbox == Sandbox::Strict)?;
    let address = listener.local_addr().context("asking where the dashboard listens")?;
    serve(monitor, listener, options, &token, signalled, || announce(address, options, &token))
}

/// Starts a dashboard beside a monitor, if one was asked for. To be called before the monitor's sandbox, and before any thread.
///
/// # Errors
/// Say what failed, on what, why, and what to do.
pub fn start(args: &CommonArgs, control: Option<&Channel>, invoker: Option<&Invoker>) -> Result<Option<Companion>> {
    let Some(address) = args.dashboard.web else { return Ok(None) };
    let options = &args.dashboard.web_options;
    let Some(endpoint) = control.map(Channel::endpoint).transpose()? else {
        bail!("--web needs a control socket, and the usual one is taken; name another with --control-socket");
    };
    let listener = Invoker::open_first(invoker, || nettop_web::bind(address, options))?;
    let address = listener.local_addr().context("asking where the dashboard listens")?;
    let token = Invoker::open_first(invoker, || token(options))?;
    let control_token = args.control.control_token.as_deref().map(Token::read).transpose()?;
    let told = Told {
        endpoint: endpoint.to_string(),
        control_token: control_token.map(|token| token.text().into()),
        token: token.text().into(),
        options: options.clone(),
        strict: args.sandbox == Sandbox::Strict,
    };
    let (mut ours, theirs) = UnixStream::pair().context("making a pair of sockets for the dashboard")?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("nettop")
        .arg(COMMAND)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::from(OwnedFd::from(listener)));
    // Not in the way of the screen; and not stopped or ended with it by a key.
    command.stderr(Stdio::null()).process_group(0);
    // It ends with the other end of the pair; whoever started nettop waits for it.
    drop(command.spawn().context("starting the dashboard's process")?);
    let mut text = serde_json::to_vec(&told).context("writing the dashboard's settings")?;
    text.push(b'\n');
    ours.write_all(&text).context("telling the dashboard its settings")?;
    ours.set_nonblocking(true).context("watching the dashboard's process")?;
    announce(address, options, &token);
    Ok(Some(watched(ours)))
}

/// Whose other end is a dashboard: where it has closed it, it has ended.
fn watched(ours: UnixStream) -> Companion {
    let reason = Mutex::new(None);
    Companion::new(move || {
        let mut reason = reason.lock().unwrap_or_else(PoisonError::into_inner);
        if reason.is_none() {
            *reason = ended(&ours);
        }
        let reason = reason.clone()?;
        Some(Degraded {
            badge: "WEB LOST".into(),
            what: "the dashboard has ended".into(),
            reason,
            remedy: "nettop web starts another one over this monitor; counting goes on".into(),
        })
    })
}

/// Why the process at the other end has ended; `None`: it has not.
fn ended(ours: &UnixStream) -> Option<String> {
    let mut said = Vec::new();
    match ours.take(LONGEST_REASON).read_to_end(&mut said) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Ok(_) if !said.is_empty() => Some(String::from_utf8_lossy(&said).trim().to_string()),
        Ok(_) => Some("its process was killed, or failed".into()),
        Err(error) => Some(format!("its process cannot be heard: {error}")),
    }
}

/// The process that a monitor starts.
///
/// # Errors
/// It was started by nobody else than a monitor; or as for [`run`].
pub fn process() -> Result<()> {
    // What ps(1) and the view of processes call it: it was started by a link.
    let _ = rustix::thread::set_name(c"nettop-web");
    let own = io::stdin().as_fd().try_clone_to_owned().context("taking over standard input")?;
    let lifeline = UnixStream::from(own);
    let told = serve_for_monitor(&lifeline);
    if let Err(error) = &told {
        let _ = (&lifeline).write_all(cause::told(error).as_bytes());
    }
    told
}

fn serve_for_monitor(lifeline: &UnixStream) -> Result<()> {
    const STARTED_BY: &str = "this command is for nettop run --web, which starts it; nettop web is for people";
    let mut line = String::new();
    BufReader::new(lifeline).read_line(&mut line).context(STARTED_BY)?;
    let told: Told = serde_json::from_str(&line).context(STARTED_BY)?;
    let listener = TcpListener::from(io::stdout().as_fd().try_clone_to_owned().context(STARTED_BY)?);
    let endpoint: Endpoint = told.endpoint.parse().map_err(anyhow::Error::msg)?;
    let monitor = Monitor::new(Some(endpoint), told.control_token.as_deref().map(Token::new));
    heap::keep_small();
    confine(&monitor.endpoint, told.strict)?;
    lifeline.set_nonblocking(true)?;
    let lifeline = lifeline.try_clone()?;
    let gone = move || async move {
        let Ok(lifeline) = tokio::net::UnixStream::from_std(lifeline) else { return };
        // Nothing is said there any more: readable means closed.
        let _ = lifeline.readable().await;
    };
    serve(monitor, listener, &told.options, &WebToken::new(&told.token), gone, || {})
}

/// Follows the monitor, and serves until `ends`.
fn serve<F: Future<Output = ()>>(
    monitor: Monitor,
    listener: TcpListener,
    options: &WebArgs,
    token: &WebToken,
    ends: impl FnOnce() -> F,
    ready: impl FnOnce(),
) -> Result<()> {
    let address = listener.local_addr().context("asking where the dashboard listens")?;
    // One thread for what comes, one for who asks.
    let runtime = live::runtime(2)?;
    let ended = runtime.block_on(async {
        let ended = ends();
        tokio::pin!(ended);
        let monitor = Arc::new(monitor);
        let (feed, first) = tokio::select! {
            started = follow::start(&monitor) => started?,
            () = &mut ended => return Ok(()),
        };
        let (publish, snapshots) = watch::channel(first);
        let (pulse, heard) = watch::channel(Pulses::default());
        let (requests, received) = mpsc::channel(QUEUED_REQUESTS);
        let looks = Looks::default();
        tokio::spawn(follow::run(monitor.clone(), feed, publish, looks.clone()));
        tokio::spawn(pulses::run(monitor.clone(), pulse));
        tokio::spawn(relay::run(monitor.clone(), received));
        let feeds = Feeds { monitor, requests, snapshots, pulses: heard, looks };
        let web = Arc::new(Web::new(options, token.clone(), address, feeds));
        ready();
        nettop_web::serve(listener, web, ended).await.context("serving the dashboard")
    });
    runtime.shutdown_background();
    ended
}

/// Until a signal ends it.
async fn signalled() {
    let Ok(mut signals) = Signals::listen() else { return };
    signals.ended().await;
}

/// What is not needed any more is given up, before anything is read from whoever connects.
fn confine(endpoint: &Endpoint, strict: bool) -> Result<()> {
    let layers = attach::confine(endpoint, &Folders::default())?;
    if strict { sandbox::demand_all(&layers) } else { Ok(()) }
}

fn token(options: &WebArgs) -> Result<WebToken> {
    match &options.web_token {
        Some(path) => Ok(WebToken::new(Token::read(path)?.text())),
        None => WebToken::random().context("reading the kernel's random numbers for a token"),
    }
}

/// Says where the dashboard is, once; the token with it, unless it is in a file.
fn announce(address: SocketAddr, options: &WebArgs, token: &WebToken) {
    let token = match &options.web_token {
        Some(path) => format!(" (the token is in {})", path.display()),
        None => format!("/#t={}", token.text()),
    };
    // Nobody may be there to read it.
    let _ = writeln!(io::stderr(), "nettop: the dashboard is at http://{address}{token}");
}

/// The socket that systemd hands over to this process, if it does.
fn of_systemd() -> Option<TcpListener> {
    let number = |name: &str| env::var(name).ok()?.parse::<u32>().ok();
    if number("LISTEN_PID")? != std::process::id() || number("LISTEN_FDS")? == 0 {
        return None;
    }
    // SAFETY: systemd opened this descriptor for this process (sd_listen_fds(3)), and nothing else here takes it.
    let socket = unsafe { OwnedFd::from_raw_fd(FIRST_OF_SYSTEMD) };
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC).ok()?;
    Some(TcpListener::from(socket))
}
