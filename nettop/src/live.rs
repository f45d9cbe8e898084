//! The wiring of a monitor: open everything → load → attach → drop privileges → run.

use std::{
    io::{self, Write as _},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    sync::{Arc, mpsc as std_mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use aya_log::EbpfLogger;
use nettop_geo::Watcher;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
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
    engine::{Engine, Settings, outlets::Outlets},
    export::{file, json, session::Place, summary},
    files::{Files, Hangup, LogFile},
    heap, privilege,
    snapshot::{Mode, Replay, Snapshot},
    source::{
        Source,
        demo::Demo,
        pcap::Pcap,
        xdp::{self, Xdp},
    },
    tui::state::Options,
    visible::visible,
};

/// Requests waiting for the engine; further ones wait with their senders.
const QUEUED_REQUESTS: usize = 64;
/// How long anything may take at the end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a disk may take for the session, which may be some tens of megabytes.
const SESSION_PATIENCE: Duration = Duration::from_secs(30);
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
    let settings = Settings { without: args.without.clone(), ..args.common.settings(Mode::Live)? };
    let endpoint = Control::open(&args.common)?;
    let geo = args.common.geo()?;
    let files = Files::open(&args.common)?;
    let log = open_log(args)?;
    let log_level = if log.is_some() { KERNEL_LOG_LEVEL } else { 0 };
    let options = xdp::Options { log_level, ..args.load_options() };
    let mut xdp = Xdp::open(&args.iface, &options)?;
    let log = match log {
        None => None,
        Some(file) => Some((file, EbpfLogger::init(xdp.ebpf_mut()).context("opening the log of the kernel program")?)),
    };
    privilege::drop_all().context("dropping privileges")?;
    monitor(Source::Xdp(Box::new(xdp)), settings, geo, Some(endpoint), &args.common, files, log)
}

/// The demonstration.
///
/// # Errors
/// Say what failed, on what, why, and what to do.
pub fn demo(args: &DemoArgs) -> Result<()> {
    let settings = args.common.settings(Mode::Demo)?;
    let endpoint = Control::open(&args.common)?;
    let geo = args.common.geo()?;
    let files = Files::open(&args.common)?;
    let source = Source::Demo(Box::new(Demo::new(args.seed)));
    monitor(source, settings, geo, Some(endpoint), &args.common, files, None)
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
    let files = Files::open(&args.common)?;
    privilege::drop_all().context("dropping privileges")?;
    monitor(source, settings, geo, control, &args.common, files, None)
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

/// Opens the log.
fn open_log(args: &RunArgs) -> Result<Option<LogFile>> {
    let Some(path) = &args.log else { return Ok(None) };
    let file =
        LogFile::open(path).with_context(|| format!("opening the log {}; name another with --log", path.display()))?;
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Info)
        .target(env_logger::Target::Pipe(Box::new(file.clone())))
        .format(|out, record| {
            let text = record.args().to_string();
            // What a line break brings begins with blanks: nobody can make it look like a record of its own.
            let lines: Vec<_> = text.lines().map(visible).collect();
            writeln!(out, "[{:<5} {}] {}", record.level(), record.target(), lines.join("\n    "))
        })
        .init();
    Ok(Some(file))
}

/// Runs engine, control server and screen until one of them ends.
fn monitor(
    source: Source,
    settings: Settings,
    mut geo: Option<Watcher>,
    control: Option<Control>,
    args: &CommonArgs,
    files: Files,
    log: Option<(LogFile, EbpfLogger<&'static dyn log::Log>)>,
) -> Result<()> {
    heap::keep_small();
    // Only now: a thread keeps the privileges it began with.
    if let Some(geo) = &mut geo {
        geo.start().context("watching the databases of places")?;
    }
    let mut outlets = Outlets::start(files.events, files.alerts).context("starting a thread that writes a file")?;
    if settings.mode == Mode::Replay {
        outlets.be_patient();
    }
    let (log_file, logger) = log.unzip();
    let hangup = Hangup::new(outlets.reopeners(), log_file);
    // One thread for the engine, which blocks while it reads; one for the screen, which blocks on a slow terminal; one
    // for everybody else.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .context("starting the async runtime")?;
    let ended = runtime.block_on(async {
        // Before anybody can know that the monitor runs, and send it one.
        let signals = Signals::listen()?;
        let (listener, _socket) = match control {
            Some(Control::Unix(listener, file)) => (Some(Listener::unix(listener)?), Some(file)),
            Some(Control::Tcp(listener)) => (Some(Listener::Tcp(TcpListener::from_std(listener)?)), None),
            None => (None, None),
        };
        let (engine, snapshots) = Engine::new(source, settings, geo, outlets);
        let (requests, received) = mpsc::channel(QUEUED_REQUESTS);
        let engine = tokio::spawn(engine.run(received));
        let server =
            listener.map(|listener| tokio::spawn(server::serve(listener, requests.clone(), snapshots.clone())));
        if let Some(logger) = logger {
            tokio::spawn(forward_log(logger));
        }
        let watched = watch(&requests, snapshots, args.screen(), signals, &hangup).await;
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
    let session = files.session.map(|place| write_session(place, last.clone())).transpose();
    if screen == Screen::Closed {
        let mut text = summary::text(&last);
        for path in session.iter().flatten().flatten() {
            text.push_str(&format!("  written      {}\n", visible(&path.display().to_string())));
        }
        file::print(text.as_bytes()).context("writing the summary to standard output")?;
    }
    session?;
    if let Some(path) = &args.snapshot {
        file::replace(path, |out| json::pretty(&*last, out)).with_context(|| {
            let path = path.display();
            format!("writing the snapshot {path} (nettop has no privileges by then: its folder must be its user's own)")
        })?;
    }
    match &last.replay {
        Some(Replay { file, error: Some(error), .. }) => bail!("reading {file}: {error}"),
        _ => Ok(()),
    }
}

/// Writes the session, unless the file system hangs.
fn write_session(place: Place, last: Arc<Snapshot>) -> Result<Vec<PathBuf>> {
    let (done, result) = std_mpsc::channel();
    // Whoever waits may have given up.
    thread::spawn(move || drop(done.send(place.write(&last))));
    result.recv_timeout(SESSION_PATIENCE).context("writing the session: the file system does not answer; giving up")?
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

/// The signals that it listens to.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// A file has reached the limit of `ulimit -f`. The failed write says so; unless listened to, the signal would kill.
    _file_too_large: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            _file_too_large: signal(SignalKind::from_raw(libc::SIGXFSZ))?,
        })
    }
}

/// Until the user, a signal or a request ends it.
async fn watch(
    requests: &Requests,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    screen: Option<Options>,
    mut signals: Signals,
    files: &Hangup,
) -> Result<Screen> {
    let requests = requests.clone();
    // A task of its own: while it writes to a slow terminal, signals are still seen.
    let mut screen = tokio::spawn(async move {
        match screen {
            Some(options) => crate::tui::run(snapshots, requests, options).await,
            None => {
                while snapshots.changed().await.is_ok() {}
                Ok(())
            }
        }
    });
    loop {
        tokio::select! {
            ended = &mut screen => return ended.context("the screen failed")?.map(|()| Screen::Closed),
            _ = signals.interrupt.recv() => break,
            _ = signals.terminate.recv() => break,
            _ = signals.hangup.recv() => if !files.reopens() { break },
        }
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
