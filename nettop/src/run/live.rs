//! The wiring of a monitor: open everything → load → attach → enter the sandbox → start threads → run.

mod actors;
mod ending;
mod readers;
mod scarcity;

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nettop_actor::firewall;
use nettop_collect::{
    collector::{Collector, Collectors},
    demo::Demo,
    drops::DropWatch,
    flows::Flows,
    host::Host,
    kernel::{Budget, Xdp},
    lifelines::LifelineWatch,
    logs::LogFiles,
    pcap::Pcap,
    sockets::{self, Sockets},
};
use nettop_control::{channel::Channel, server};
use nettop_engine::{
    Engine, Optional, Settings, blocks::Blocking, companion::Companion, overhead::Overhead, replay::Player,
    sinks::Sinks,
};
use nettop_export::{
    append_file::AppendFile,
    atomic_file::AtomicFile,
    log::Log,
    session::OutputDir,
    state::{StateDir, StateWriter},
    summary,
};
use nettop_geo::Watcher;
use nettop_logs::Logs;
use nettop_model::{
    clock::Moment,
    request::Request,
    snapshot::{Mode, Replay, Snapshot},
    visible::visible,
};
use nettop_process::heap;
use nettop_requests::Requests;
use nettop_sandbox::{self as sandbox, Folders, Invoker};
use nettop_tui::{self as tui, state::Options};
use rustix::process::geteuid;
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

use self::{
    actors::Actors,
    ending::{Ending, Reason},
    readers::Readers,
};
use crate::{
    cli::{CommonArgs, DemoArgs, Level, ReplayArgs, RunArgs},
    run::{
        audit,
        files::{Files, Hangup},
        sources::{self, Inputs},
        state, web,
    },
};

/// Requests waiting for the engine; further ones wait with their senders.
const QUEUED_REQUESTS: usize = 64;
/// How long anything may take at the end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long the last records of the log may take.
const LOG_PATIENCE: Duration = Duration::from_millis(300);

/// The live monitor.
///
/// # Errors
/// Say what failed, on what, why, and what to do.
pub fn run(args: &RunArgs) -> Result<()> {
    if let Some(path) = &args.pcap {
        return capture(path, args);
    }
    let blocking = args.blocking.blocking(&args.common.rules)?;
    let logs = args.logs.settings(&args.blocking.trusted_proxy)?;
    // Before there is anything that they could inherit.
    let actors = Actors::start(args, blocking.with)?;
    let readers = Readers::start(args, &logs)?;
    let mut settings = Settings { without: args.without.clone(), ..args.common.settings(Mode::Live)? };
    let mut opened = Opened::open(&args.common, args.log.as_deref().map(|path| (path, args.log_level)))?;
    opened.state = state::open(args.state.as_deref(), opened.invoker.as_ref(), &mut settings.found)?;
    if !args.is_without(Optional::Blocks) || !args.common.hooks.is_empty() {
        let (option, state) = (args.blocking.audit.as_deref(), opened.state.as_ref());
        opened.audit = audit::open(option, state, opened.invoker.as_ref(), &mut settings.found)?;
    }
    let record = Invoker::open_first(opened.invoker.as_ref(), || sources::open_record(args))?;
    let _last_records = LastRecords(opened.log.clone());
    // Databases are in memory by now.
    let budget = args.budget()?;
    scarcity::settle(&mut settings, &budget, args.common.max_sources);
    let mut xdp = Xdp::open(&args.iface, &args.load_options(&budget))?;
    let mut beside: Vec<Box<dyn Collector>> = vec![Box::new(Host::open())];
    if !args.is_without(Optional::Blocks) {
        let watch = LifelineWatch::open(args.common.control.port());
        settings.blocking = Blocking { urgency: watch.urgency(), in_use: firewall::in_use(), ..blocking };
        beside.push(Box::new(watch));
    }
    if !args.is_without(Optional::Connections) {
        let sockets = Sockets::open_with(xdp.take_open_files(), sockets::PATIENCE);
        beside.push(Box::new(sockets.with_hooks(xdp.take_sockets())));
        opened.processes = true;
    }
    if let Some(drops) = xdp.take_drops() {
        beside.push(Box::new(DropWatch::new(drops)));
    }
    if !args.is_without(Optional::Flows) {
        beside.extend(Flows::open().map(|flows| -> Box<dyn Collector> { Box::new(flows) }));
    }
    opened.logs = logs.folders().collect();
    opened.groups = logs.groups();
    if !logs.sources.is_empty() || readers.has_journal() {
        beside.push(Box::new(LogFiles::new(readers.beside(Logs::new(logs))?)));
    }
    heap::give_back();
    let inputs = Inputs { traffic: Box::new(xdp), beside, record, player: None };
    opened.actors = actors;
    monitor(inputs, settings, opened, &args.common)
}

/// The demonstration.
///
/// # Errors
/// Say what failed, on what, why, and what to do.
pub fn demo(args: &DemoArgs) -> Result<()> {
    let mut settings = args.common.settings(Mode::Demo)?;
    let opened = Opened::open(&args.common, None)?;
    scarcity::settle(&mut settings, &Budget::without_maps(), args.common.max_sources);
    let inputs = Inputs::only(Box::new(Demo::new(args.synthetic.seed)));
    monitor(inputs, settings, opened, &args.common)
}

/// The replay of a recording.
///
/// # Errors
/// Say what failed, on what, why, and what to do.
pub fn replay(args: &ReplayArgs) -> Result<()> {
    let mut settings = args.common.settings(Mode::Replay)?;
    let (player, recorded) = Player::open(&args.file, args.speed, &mut settings)?;
    let opened = Opened::open_for(&args.common, None, Mode::Replay)?;
    scarcity::settle(&mut settings, &Budget::without_maps(), args.common.max_sources);
    let inputs = Inputs { player: Some(player), ..Inputs::only(Box::new(recorded)) };
    monitor(inputs, settings, opened, &args.common)
}

/// The replay of a capture.
fn capture(path: &Path, args: &RunArgs) -> Result<()> {
    let mut settings = args.common.settings(Mode::Replay)?;
    let inputs = Inputs::only(Box::new(Pcap::open(path, args.pcap_speed)?));
    let opened = Opened::open_for(&args.common, None, Mode::Replay)?;
    scarcity::settle(&mut settings, &Budget::without_maps(), args.common.max_sources);
    monitor(inputs, settings, opened, &args.common)
}

/// What is open before any thread runs and any privilege is given up.
struct Opened {
    /// Who called sudo, and gets the process back.
    invoker: Option<Invoker>,
    control: Option<Channel>,
    geo: Option<Watcher>,
    files: Files,
    log: Option<Log>,
    /// Of the live monitor alone: made up and recorded traffic must not teach what is usual here.
    state: Option<StateDir>,
    /// Likewise.
    audit: Option<AppendFile>,
    /// Whether processes are named.
    processes: bool,
    /// The processes beside this one.
    actors: Actors,
    /// Those that only have to live.
    companions: Vec<Companion>,
    /// Folders of logs that are followed.
    logs: Vec<PathBuf>,
    /// Groups that may read these.
    groups: BTreeSet<u32>,
}

impl Opened {
    fn open(args: &CommonArgs, log: Option<(&Path, Level)>) -> Result<Self> {
        Self::open_for(args, log, Mode::Live)
    }

    fn open_for(args: &CommonArgs, log: Option<(&Path, Level)>, mode: Mode) -> Result<Self> {
        let invoker = match args.sandbox() {
            sandbox::Mode::Off => None,
            sandbox::Mode::BestEffort | sandbox::Mode::Strict => Invoker::of_sudo()?,
        };
        let user = invoker.as_ref().map_or(geteuid().as_raw(), Invoker::uid);
        let control = match Invoker::open_first(invoker.as_ref(), || Channel::open(&args.control, user)) {
            // The usual socket may be that of the live monitor: no reason not to look at a file.
            Err(_) if mode == Mode::Replay && args.control.control_socket.is_none() => None,
            opened => Some(opened?),
        };
        let companions = web::start(args, control.as_ref(), invoker.as_ref())?.into_iter().collect();
        let geo = args.geo()?;
        let files = Invoker::open_first(invoker.as_ref(), || Files::open(args, user))?;
        let level = log.map(|(_, level)| level.filter());
        let log = log.map(|(path, _)| Invoker::open_first(invoker.as_ref(), || open_log(path))).transpose()?;
        if let (Some(log), Some(level)) = (&log, level) {
            env_logger::Builder::new()
                .filter_level(level)
                .target(env_logger::Target::Pipe(Box::new(log.clone())))
                .format(|out, record| {
                    let text = record.args().to_string();
                    // What a line break brings begins with blanks: nobody can make it look like a record of its own.
                    let lines: Vec<_> = text.lines().map(visible).collect();
                    writeln!(out, "[{:<5} {}] {}", record.level(), record.target(), lines.join("\n    "))
                })
                .init();
        }
        Ok(Self {
            invoker,
            control,
            geo,
            files,
            log,
            state: None,
            audit: None,
            processes: false,
            logs: Vec::new(),
            groups: BTreeSet::new(),
            actors: Actors::default(),
            companions,
        })
    }

    /// What of the file system is needed from now on.
    fn folders(&self, args: &CommonArgs) -> Folders {
        let mut folders = Folders::default();
        self.geo.iter().flat_map(Watcher::folders).for_each(|folder| folders.read(&folder));
        if self.processes {
            folders.read("/proc".as_ref());
        }
        self.logs.iter().for_each(|folder| folders.list(folder));
        self.groups.iter().for_each(|group| folders.join(*group));
        self.control.iter().flat_map(Channel::files).for_each(|file| folders.remove(file));
        let outputs =
            [&args.jsonl, &args.alerts, &args.connections, &args.snapshot].into_iter().flatten().map(PathBuf::as_path);
        let audit = self.audit.as_ref().map(AppendFile::path);
        outputs.chain(self.log.as_ref().map(Log::path)).chain(audit).for_each(|path| folders.output(path));
        // At the end of a link there may be nothing yet.
        let ends = self.files.snapshot.iter().filter_map(AtomicFile::file);
        let ends = ends.chain(self.files.session.iter().flat_map(OutputDir::files));
        ends.for_each(|path| folders.output(&path));
        self.state.iter().for_each(|state| folders.write(state.path()));
        if args.screen().is_some() {
            folders.write_here();
        }
        folders
    }
}

/// So many threads for tasks, beside those for what blocks.
///
/// # Errors
/// When the kernel gives none.
pub fn runtime(threads: usize) -> Result<Runtime> {
    spare_descriptors().context("looking for descriptors that are free")?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads).enable_all().build().context("starting the async runtime")
}

/// Whether there are as many as the runtime takes, and some for clients: where it gets none for signals, it panics.
fn spare_descriptors() -> io::Result<()> {
    const SPARE: usize = 24;
    let first = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC)?;
    let spare: Result<Vec<_>, _> = (1..SPARE).map(|_| rustix::io::fcntl_dupfd_cloexec(&first, 0)).collect();
    Ok(spare.map(drop)?)
}

/// Has the log written out at the end, also of a start that fails.
struct LastRecords(Option<Log>);

impl Drop for LastRecords {
    fn drop(&mut self) {
        self.0.iter().for_each(|log| log.finish(LOG_PATIENCE));
    }
}

fn open_log(path: &Path) -> Result<Log> {
    Log::open(path).with_context(|| format!("opening the log {}; name another with --log", path.display()))
}

/// Runs engine, control server and screen until one of them ends.
fn monitor(inputs: Inputs, mut settings: Settings, opened: Opened, args: &CommonArgs) -> Result<()> {
    heap::keep_small();
    let cost = Overhead::new(Moment::now());
    settings.sandbox = sandbox::enter(args.sandbox(), opened.invoker.as_ref(), &opened.folders(args))?.into();
    let Opened { control, mut geo, files, log, state, audit, actors, companions, .. } = opened;
    settings.companions = companions;
    // Only now: a thread keeps the privileges it began with.
    if let Some(log) = &log {
        log.start().context("starting the thread that writes the log")?;
    }
    settings.log.clone_from(&log);
    let actors = actors.link()?;
    if let Some(geo) = &mut geo {
        geo.start().context("watching the databases of places")?;
    }
    let mut sinks =
        Sinks::start(files.events, files.alerts, files.connections).context("starting a thread that writes a file")?;
    if settings.mode == Mode::Replay {
        sinks.be_patient();
    }
    if let Some(state) = state {
        sinks.keep_state(
            StateWriter::start(state).context("starting the thread that keeps what the next start is to find")?,
        );
    }
    if let Some(audit) = audit {
        sinks.keep_audit(audit).context("starting the thread that writes the audit")?;
    }
    let (inputs, recorder) = inputs.recorded(&settings).context("starting the thread that records")?;
    recorder.into_iter().for_each(|recorder| sinks.record(recorder));
    let hangup = Hangup::new(sinks.reopeners(), log);
    // One thread for the engine, which blocks while it reads; one for the screen, which calculates for some milliseconds; one
    // for everybody else.
    let runtime = runtime(3)?;
    let ended = runtime.block_on(async {
        // Before anybody can know that the monitor runs, and send it one.
        let signals = Signals::listen()?;
        let (listener, _socket) = control.map(Channel::listener).transpose()?.unzip();
        let (engine, snapshots) = Engine::new(inputs.traffic, settings, geo, sinks, cost);
        let engine = engine.with_collectors(Collectors::start(inputs.beside)).with_actors(actors);
        let (requests, received) = mpsc::channel(QUEUED_REQUESTS);
        let pulses = engine.pulses();
        let engine = match inputs.player {
            Some(player) => tokio::spawn(engine.replay(player, received)),
            None => tokio::spawn(engine.run(received)),
        };
        let server =
            listener.map(|listener| tokio::spawn(server::serve(listener, requests.clone(), snapshots.clone(), pulses)));
        let published = snapshots.clone();
        let watched = watch(&requests, snapshots, args.screen(), signals, &hangup).await;
        let ending = Ending::begin(watched.reason);
        if watched.reason == Reason::Signal {
            hangup.hurry();
        }
        // However it ended, the engine takes its last reading, and clients get their last answers. Meanwhile the terminal is given
        // back.
        let (screen, (engine, server)) = tokio::join!(watched.closed(ending.before_keeping()), async {
            let _ = timeout(ending.before_keeping(), nettop_requests::ask(&requests, Request::Stop)).await;
            let engine = ending.join("engine", engine).await;
            (engine, ending.join_if("control server", server).await)
        });
        let (last, engine) = match engine {
            Ok(last) => (last, Ok(())),
            // Better than nothing: what everybody has seen.
            Err(error) => (published.borrow().clone(), Err(error.context(ending::ONLY_PUBLISHED))),
        };
        anyhow::Ok((screen, last, ending, [engine, server]))
    });
    let (screen, last, ending, [engine, server]) = match ended {
        Ok(ended) => ended,
        Err(error) => {
            runtime.shutdown_background();
            return Err(error);
        }
    };
    // First what was asked to be kept: the terminal, or whoever takes the summary, may be gone.
    let kept = ending.keep(files.session, files.snapshot, &last);
    // Not waiting for a thread that hangs on a terminal nobody reads.
    runtime.shutdown_timeout(if engine.is_ok() { ending.left().min(PATIENCE) } else { Duration::ZERO });
    let (written, kept) = kept.wait();
    let (screen, closed) = match screen {
        Ok(screen) => (screen, Ok(())),
        Err(error) => (Screen::Stuck, Err(error)),
    };
    let printed = match screen {
        Screen::Closed => ending.print(summary::text(&last) + &written),
        Screen::Stuck => Ok(()),
    };
    // The kernel takes a hundred thousand rows back faster than they are freed one by one.
    std::mem::forget(last.clone());
    ending::all([engine, closed, kept, printed, server])?;
    match &last.monitor.replay {
        Some(Replay { file, error: Some(error), .. }) => bail!("reading {file}: {error}"),
        _ => Ok(()),
    }
}

/// How the screen ended.
#[derive(PartialEq, Eq)]
pub(crate) enum Screen {
    /// The terminal is what it was.
    Closed,
    /// The terminal takes no more, so that nothing can be written to it.
    Stuck,
}

impl Screen {
    /// As it left the terminal.
    fn left() -> Self {
        if tui::is_stuck() { Self::Stuck } else { Self::Closed }
    }
}

/// The signals that it listens to.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// A file has reached the limit of `ulimit -f`. The failed write says so; unless listened to, the signal would kill.
    _file_too_large: Signal,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            _file_too_large: signal(SignalKind::from_raw(libc::SIGXFSZ))?,
        })
    }

    /// Waits for one that ends a process without files and without a screen.
    pub(crate) async fn ended(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Why a monitor, or its screen, ends, and the screen.
pub(crate) struct Watched {
    reason: Reason,
    screen: Closing,
}

enum Closing {
    Ended(Result<Screen>),
    /// It was told to.
    Ending(JoinHandle<Result<()>>),
}

impl Watched {
    /// Waits until the screen has given the terminal back, but not longer than this.
    pub(crate) async fn closed(self, patience: Duration) -> Result<Screen> {
        match self.screen {
            Closing::Ended(screen) => screen,
            Closing::Ending(screen) => {
                Ok(if timeout(patience, screen).await.is_ok() { Screen::left() } else { Screen::Stuck })
            }
        }
    }
}

/// Until the user, a signal or a request ends it.
pub(crate) async fn watch(
    requests: &Requests,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    screen: Option<Options>,
    mut signals: Signals,
    files: &Hangup,
) -> Watched {
    let requests = requests.clone();
    // A task of its own: while it draws, signals are still seen.
    let mut screen = tokio::spawn(async move {
        match screen {
            Some(options) => tui::run(snapshots, requests, options).await,
            None => {
                while snapshots.changed().await.is_ok() {}
                Ok(())
            }
        }
    });
    loop {
        tokio::select! {
            ended = &mut screen => {
                let ended = ended.context("the screen failed").and_then(|ended| ended).map(|()| Screen::left());
                return Watched { reason: Reason::Asked, screen: Closing::Ended(ended) };
            }
            _ = signals.interrupt.recv() => break,
            _ = signals.terminate.recv() => break,
            _ = signals.hangup.recv() => if !files.reopens() { break },
        }
    }
    // Dropping the screen gives the terminal back.
    screen.abort();
    Watched { reason: Reason::Signal, screen: Closing::Ending(screen) }
}
