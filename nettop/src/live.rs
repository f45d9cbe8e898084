//! The wiring of a monitor: open everything → load → attach → drop privileges → run.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::net::UnixListener,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use aya_log::EbpfLogger;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};

use crate::{
    cli::{CommonArgs, DemoArgs, RunArgs},
    control::{
        self, Request, Requests,
        server::{self, Listener},
        socket::{self, Endpoint, SocketFile},
    },
    engine::{Engine, Settings},
    export::summary,
    privilege,
    snapshot::{Mode, Snapshot},
    source::{Source, demo::Demo, xdp::Xdp},
};

/// Requests waiting for the engine; further ones wait with their senders.
const QUEUED_REQUESTS: usize = 64;
/// `info` in aya-log's order: what the kernel program logs when there is a log.
const KERNEL_LOG_LEVEL: u8 = 3;
/// How often that is written out.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// The live monitor.
///
/// # Errors
/// Say what failed, on what, why, and what to do.
pub fn run(args: &RunArgs) -> Result<()> {
    let settings = args.common.settings(Mode::Live)?;
    let endpoint = Control::open(&args.common)?;
    let log_level = open_log(args)?;
    let mut xdp = Xdp::open(&args.iface, args.map_memory_bytes(), log_level)?;
    let logger = match log_level {
        0 => None,
        _ => Some(EbpfLogger::init(xdp.ebpf_mut()).context("opening the log of the kernel program")?),
    };
    privilege::drop_all().context("dropping privileges")?;
    monitor(Source::Xdp(Box::new(xdp)), settings, endpoint, args.common.quiet, logger)
}

/// The demonstration.
///
/// # Errors
/// Say what failed, on what, why, and what to do.
pub fn demo(args: &DemoArgs) -> Result<()> {
    let settings = args.common.settings(Mode::Demo)?;
    let endpoint = Control::open(&args.common)?;
    let source = Source::Demo(Box::new(Demo::new(args.seed)));
    monitor(source, settings, endpoint, args.common.quiet, None)
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
        .with_context(|| format!("opening the log {}", path.display()))?;
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
    control: Control,
    quiet: bool,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
) -> Result<()> {
    // One thread for the engine, which blocks while it reads; one for everybody else.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the async runtime")?;
    let (result, last) = runtime.block_on(async {
        let (listener, _socket) = match control {
            Control::Unix(listener, file) => (Listener::unix(listener)?, Some(file)),
            Control::Tcp(listener) => (Listener::Tcp(TcpListener::from_std(listener)?), None),
        };
        let (engine, snapshots) = Engine::new(source, settings);
        let (requests, received) = mpsc::channel(QUEUED_REQUESTS);
        let engine = tokio::spawn(engine.run(received));
        let server = tokio::spawn(server::serve(listener, requests.clone(), snapshots.clone()));
        if let Some(logger) = logger {
            tokio::spawn(forward_log(logger));
        }
        let result = watch(&requests, snapshots.clone(), quiet).await;
        // However it ended, the engine takes its last reading, and clients get their last answers.
        let _ = control::ask(&requests, Request::Stop).await;
        let engine = engine.await.context("the engine failed");
        let server = server.await.context("the control server failed");
        let last = snapshots.borrow().clone();
        anyhow::Ok((result.and(engine).and(server), last))
    })?;
    // On a terminal the summary is for the user; for a service it is for the log.
    if let Err(error) = io::stdout().write_all(summary::text(&last).as_bytes())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return result.and(Err(error).context("writing the summary to standard output"));
    }
    result
}

/// Until the user, a signal or a request ends it.
async fn watch(requests: &Requests, mut snapshots: watch::Receiver<Arc<Snapshot>>, quiet: bool) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let screen = async {
        if quiet {
            while snapshots.changed().await.is_ok() {}
            Ok(())
        } else {
            crate::tui::run(snapshots, requests.clone()).await
        }
    };
    tokio::select! {
        result = screen => result,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    }
}

/// Writes what the kernel program logs to the log. It logs little, and never in a hurry.
async fn forward_log(mut logger: EbpfLogger<&'static dyn log::Log>) {
    let mut ticks = tokio::time::interval(LOG_INTERVAL);
    loop {
        ticks.tick().await;
        logger.flush();
    }
}
