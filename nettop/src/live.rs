//! The wiring of a monitor: open everything → load → attach → drop privileges → run.

use std::{fs::OpenOptions, os::unix::net::UnixListener, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use aya_log::EbpfLogger;
use nettop_geo::Watcher;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    cli::{CommonArgs, DemoArgs, RunArgs},
    control::{
        self, Request, Requests,
        server::{self, Listener},
        socket::{self, Endpoint, SocketFile},
    },
    engine::{Engine, Settings},
    export::{file, summary},
    privilege,
    snapshot::{Mode, Replay, Snapshot},
    source::{Source, demo::Demo, pcap::Pcap, xdp::Xdp},
};

/// Requests waiting for the engine; further ones wait with their senders.
const QUEUED_REQUESTS: usize = 64;
/// How long anything may take at the end.
const PATIENCE: Duration = Duration::from_secs(5);
/// `info` in aya-log's order: what the kernel program logs when there is a log.
const KERNEL_LOG_LEVEL: u8 = 3;
/// How often that is written out.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// The live monitor.
///
/// # Errors
/// Say what failed, on what, why, and what to do.
pub fn run(args: &RunArgs) -> Result<()> {
    if let Some(path) = &args.pcap {
        return replay(path, args);
    }
    let settings = args.common.settings(Mode::Live)?;
    let endpoint = Control::open(&args.common)?;
    let geo = args.common.geo()?;
    let log_level = open_log(args)?;
    let mut xdp = Xdp::open(&args.iface, args.map_memory_bytes(), log_level)?;
    let logger = match log_level {
        0 => None,
        _ => Some(EbpfLogger::init(xdp.ebpf_mut()).context("opening the log of the kernel program")?),
    };
    privilege::drop_all().context("dropping privileges")?;
    monitor(Source::Xdp(Box::new(xdp)), settings, geo, Some(endpoint), &args.common, logger)
}

/// The demonstration.
///
/// # Errors
/// Say what failed, on what, why, and what to do.
pub fn demo(args: &DemoArgs) -> Result<()> {
    let settings = args.common.settings(Mode::Demo)?;
    let endpoint = Control::open(&args.common)?;
    let geo = args.common.geo()?;
    let source = Source::Demo(Box::new(Demo::new(args.seed)));
    monitor(source, settings, geo, Some(endpoint), &args.common, None)
}

/// The replay of a capture.
fn replay(path: &Path, args: &RunArgs) -> Result<()> {
    let settings = args.common.settings(Mode::Replay)?;
    let source = Source::Pcap(Box::new(Pcap::open(path, args.pcap_speed)?));
    let control = match Control::open(&args.common) {
        // The usual socket may be that of the live monitor: no reason not to look at a file.
        Err(_) if args.common.control_socket.is_none() => None,
        opened => Some(opened?),
    };
    let geo = args.common.geo()?;
    privilege::drop_all().context("dropping privileges")?;
    monitor(source, settings, geo, control, &args.common, None)
}

/// The control channel, bound before any thread runs and any privilege is dropped.
enum Control {
    Unix(UnixListener, SocketFile),
    Tcp(std::net::TcpListener),
}

impl Control {
    fn open(args: &CommonArgs) -> Result<Self> {
        match args.control_socket.clone().unwrap_or_default() {
            Endpoint::Unix(path) => socket::listen(&path).map(|(listener, file)| Self::Unix(listener, file)),
            Endpoint::Tcp(address) => {
                let listener = std::net::TcpListener::bind(address)
                    .with_context(|| format!("listening on tcp://{address}; choose another with --control-socket"))?;
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(listener))
            }
        }
    }
}

/// Opens the log; returns the level for the kernel program.
fn open_log(args: &RunArgs) -> Result<u8> {
    let Some(path) = &args.log else { return Ok(0) };
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("opening the log {}; name another with --log", path.display()))?;
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Info)
        .target(env_logger::Target::Pipe(Box::new(file)))
        .init();
    Ok(KERNEL_LOG_LEVEL)
}

/// Runs engine, control server and screen until one of them ends.
fn monitor(
    source: Source,
    settings: Settings,
    geo: Option<Watcher>,
    control: Option<Control>,
    args: &CommonArgs,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
) -> Result<()> {
    // One thread for the engine, which blocks while it reads; one for the screen, which blocks on a slow terminal; one
    // for everybody else.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .context("starting the async runtime")?;
    let ended = runtime.block_on(async {
        let (listener, _socket) = match control {
            Some(Control::Unix(listener, file)) => (Some(Listener::unix(listener)?), Some(file)),
            Some(Control::Tcp(listener)) => (Some(Listener::Tcp(TcpListener::from_std(listener)?)), None),
            None => (None, None),
        };
        let (engine, snapshots) = Engine::new(source, settings, geo);
        let (requests, received) = mpsc::channel(QUEUED_REQUESTS);
        let engine = tokio::spawn(engine.run(received));
        let server =
            listener.map(|listener| tokio::spawn(server::serve(listener, requests.clone(), snapshots.clone())));
        if let Some(logger) = logger {
            tokio::spawn(forward_log(logger));
        }
        let watched = watch(&requests, snapshots, args.quiet).await;
        // However it ended, the engine takes its last reading, and clients get their last answers.
        let _ = timeout(PATIENCE, control::ask(&requests, Request::Stop)).await;
        let engine = join("engine", engine).await;
        if let Some(server) = server {
            join("control server", server).await?;
        }
        let screen = watched?;
        anyhow::Ok((screen, engine?))
    });
    // Not waiting for a thread that hangs on a terminal nobody reads.
    runtime.shutdown_timeout(PATIENCE);
    let (screen, last) = ended?;
    if screen == Screen::Closed {
        file::print(summary::text(&last).as_bytes()).context("writing the summary to standard output")?;
    }
    if let Some(path) = &args.snapshot {
        let json = serde_json::to_vec_pretty(&*last).context("writing the snapshot as JSON")?;
        file::replace(path, &json).with_context(|| {
            let path = path.display();
            format!("writing the snapshot {path} (nettop has no privileges by then: its folder must be its user's own)")
        })?;
    }
    match &last.replay {
        Some(Replay { file, error: Some(error), .. }) => bail!("reading {file}: {error}"),
        _ => Ok(()),
    }
}

async fn join<T>(name: &str, task: JoinHandle<T>) -> Result<T> {
    match timeout(PATIENCE, task).await {
        Ok(joined) => joined.with_context(|| format!("the {name} failed")),
        Err(_) => bail!("the {name} does not end; giving up"),
    }
}

/// How the screen ended.
#[derive(PartialEq, Eq)]
enum Screen {
    /// The terminal is what it was.
    Closed,
    /// The terminal takes no more, so that nothing can be written to it.
    Stuck,
}

/// Until the user, a signal or a request ends it.
async fn watch(requests: &Requests, mut snapshots: watch::Receiver<Arc<Snapshot>>, quiet: bool) -> Result<Screen> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let requests = requests.clone();
    // A task of its own: while it writes to a slow terminal, signals are still seen.
    let mut screen = tokio::spawn(async move {
        if quiet {
            while snapshots.changed().await.is_ok() {}
            Ok(())
        } else {
            crate::tui::run(snapshots, requests).await
        }
    });
    tokio::select! {
        ended = &mut screen => return ended.context("the screen failed")?.map(|()| Screen::Closed),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    // Dropping the screen gives the terminal back.
    screen.abort();
    Ok(if timeout(PATIENCE, screen).await.is_ok() { Screen::Closed } else { Screen::Stuck })
}

/// Writes what the kernel program logs to the log. It logs little, and never in a hurry.
async fn forward_log(mut logger: EbpfLogger<&'static dyn log::Log>) {
    let mut ticks = tokio::time::interval(LOG_INTERVAL);
    loop {
        ticks.tick().await;
        logger.flush();
    }
}
