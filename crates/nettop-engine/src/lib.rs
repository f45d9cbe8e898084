//! The engine: the one task that owns all mutable state. Several times in a second it reads the source and enters what is
//! new into its aggregates; each tick it publishes a [`Snapshot`]; in between it answers requests.

pub mod actors;
mod aggregates;
pub mod blocks;
pub mod companion;
#[cfg(test)]
mod cost;
mod detail;
pub mod detect;
mod drops;
mod egress;
pub mod flows;
mod heaviest;
mod histories;
mod hooks;
mod host;
pub mod hyperloglog;
mod index;
mod interface_sums;
mod interfaces;
mod ip_protocol;
pub mod ledger;
mod lines;
pub mod logs;
mod messages;
mod neighbours;
mod optional;
pub mod overhead;
mod prefixes;
mod publish;
pub mod rates;
mod regions;
pub mod replay;
mod sampler;
mod sight;
pub mod sinks;
pub mod sockets;
mod stall;
mod state;
mod tables;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use nettop_collect::{
    collector::{self, Collectors},
    reading::Reading,
    sockets::command_line,
    traffic::Traffic,
};
use nettop_common::{
    Address, Outcome, PacketsBytes, Protocol,
    counters::{Part, Table},
    unique,
};
use nettop_export::log::Log;
use nettop_geo::Watcher;
use nettop_model::{
    answer::{Answer, Reply},
    clock::{Calendar, Moment},
    filter::{FilterText, ParsedFilter},
    pulse::{Pulse, Pulses},
    request::{self, FilterChange, Form, Request, Status, Top},
    snapshot::{DEFAULT_LIMIT, Degraded, History, Mode, SandboxLayer, SelfStats, Snapshot, Subject, TOP_RANGE, Tick},
};
use nettop_process::{cause, random};
use nettop_requests::{Caller, Envelope};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at},
};

pub use self::optional::Optional;
use self::{
    actors::Actors,
    aggregates::Aggregates,
    blocks::{Blocking, Blocks},
    companion::Companion,
    detail::Details,
    drops::DropState,
    egress::EgressSums,
    flows::FlowState,
    histories::Histories,
    hooks::HookTimes,
    host::HostState,
    interfaces::Interfaces,
    logs::LogState,
    messages::MessageBooks,
    overhead::Overhead,
    publish::lists,
    regions::Regions,
    sampler::Sampler,
    sinks::Sinks,
    sockets::SocketState,
    stall::Missed,
};
use crate::detect::{Detector, OwnRule, Surroundings, Thresholds, own::Rows};

/// One tick comes before its time, so that there is something to see at once.
const EARLY_TICK: Duration = Duration::from_millis(250);
/// How long it may be busy with a source that has more at once, before it looks at requests.
const BUSY: Duration = Duration::from_millis(10);

/// How often snapshots are published because of requests that may come by the thousand.
const PUBLISH_PACE: Duration = Duration::from_millis(100);
/// How often what is usual is saved.
const SAVE_EVERY: Duration = Duration::from_secs(300);

/// Sources of a reading for which memory is kept when no flood is on: 4 MiB.
const MOST_AT_ONCE: usize = 65_536;

/// Why there are no maps to show.
const NO_MAPS: &str = "this monitor has no maps: its packets are not counted by the kernel";

/// What the engine is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether the traffic is real.
    pub mode: Mode,
    /// The filter at the start.
    pub filter: ParsedFilter,
    /// How many sources the screen shows.
    pub top: usize,
    /// Between ticks.
    pub interval: Duration,
    /// Sampled packets kept.
    pub max_events: usize,
    /// Sampled packets per second, about.
    pub event_rate: u32,
    /// Sources remembered.
    pub max_sources: usize,
    /// For how long a connection is listed that has ended.
    pub keep_ended: Duration,
    /// How blocks are wanted.
    pub blocking: Blocking,
    /// What is left out.
    pub without: Vec<Optional>,
    /// From where on rules raise alerts.
    pub thresholds: Thresholds,
    /// Rules of one's own.
    pub rules: Vec<OwnRule>,
    /// The number of the first alert: see [`detect::first_alert`].
    pub first_alert: u64,
    /// End when the source does; else what it brought stays on the screen.
    pub end_with_source: bool,
    /// The last snapshot lists every source, destination and MAC.
    pub whole_at_end: bool,
    /// What confines the monitor.
    pub sandbox: Arc<[SandboxLayer]>,
    /// The log, for what is wrong with it.
    pub log: Option<Log>,
    /// Processes beside this one.
    pub companions: Vec<Companion>,
    /// What the start found not to be as it should.
    pub found: Vec<Degraded>,
}

/// The engine's state.
pub struct Engine {
    source: Box<dyn Traffic>,
    settings: Settings,
    reading: Reading,
    aggregates: Aggregates,
    details: Details,
    histories: Histories,
    sampler: Sampler,
    detector: Detector,
    sinks: Sinks,
    /// What the clock on the wall showed.
    calendar: Calendar,
    missed: Missed,
    paused: bool,
    message: String,
    /// Tables that had no slot for some key since the newest tick.
    full: Vec<Table>,
    /// Packets that were only added to the sums until the newest tick.
    unadmitted: u64,
    /// Packets counted since the start, whatever was reset.
    counted: u64,
    /// Of these, those of TCP.
    counted_tcp: u64,
    /// Packets seen since the start, too.
    seen: u64,
    interfaces: Interfaces,
    /// What is collected beside packets.
    collectors: Collectors,
    host: HostState,
    sockets: SocketState,
    drops: DropState,
    flows: FlowState,
    logs: LogState,
    blocks: Blocks,
    actors: Actors,
    hook_times: HookTimes,
    messages: MessageBooks,
    /// How many blocks there can be.
    room_for_blocks: usize,
    /// Where places come from; `None`: geography is off.
    geo: Option<Watcher>,
    /// When what is usual was saved last.
    saved: Instant,
    tick: Tick,
    overhead: Overhead,
    self_stats: SelfStats,
    snapshots: watch::Sender<Arc<Snapshot>>,
    /// When the newest one was published.
    published: Instant,
    /// The next reading has one published.
    is_unpublished: bool,
    pulses: watch::Sender<Pulses>,
    /// Tables of ports and flags are as new as the totals.
    has_tables: bool,
}

impl Engine {
    /// An engine over a source, and where its snapshots appear.
    pub fn new(
        mut source: Box<dyn Traffic>,
        settings: Settings,
        geo: Option<Watcher>,
        sinks: Sinks,
        overhead: Overhead,
    ) -> (Self, watch::Receiver<Arc<Snapshot>>) {
        let now = source.begins();
        source.set_filter(settings.filter.filter.as_deref());
        source.set_sampling(u32::from(settings.event_rate > 0));
        let (snapshots, receiver) = watch::channel(Arc::default());
        let counts_macs = !settings.without.contains(&Optional::Counted(Part::Macs));
        let mut engine = Self {
            aggregates: Aggregates::new(
                now,
                settings.max_sources,
                Regions::new(geo.as_ref().map(Watcher::current)),
                source.unique_key().unwrap_or_else(|| unique::HashKey(random::words())),
            ),
            details: Details::new(settings.max_events),
            histories: Histories::new(),
            sampler: Sampler::new(settings.event_rate),
            detector: Detector::new(settings.thresholds)
                .with_rules(settings.rules.clone())
                .numbered_from(settings.first_alert),
            sinks,
            calendar: Calendar::new(now),
            missed: Missed::default(),
            reading: Reading::new(now),
            paused: false,
            message: String::new(),
            full: Vec::new(),
            unadmitted: 0,
            counted: 0,
            counted_tcp: 0,
            seen: 0,
            interfaces: Interfaces::default(),
            collectors: Collectors::default(),
            host: HostState::default(),
            sockets: SocketState::new(settings.keep_ended),
            drops: DropState::default(),
            flows: FlowState::new(settings.keep_ended),
            logs: LogState::default(),
            blocks: Blocks::new(settings.blocking.clone()),
            actors: Actors::default(),
            hook_times: HookTimes::default(),
            messages: MessageBooks::new(counts_macs, counts_macs && source.counts_egress()),
            room_for_blocks: source.blocker().map_or(0, |blocker| blocker.room()),
            geo,
            saved: Instant::now(),
            tick: Tick { interval: settings.interval.as_secs_f64(), ..Tick::default() },
            overhead,
            self_stats: SelfStats::default(),
            snapshots,
            published: Instant::now(),
            is_unpublished: false,
            pulses: watch::Sender::default(),
            has_tables: false,
            source,
            settings,
        };
        engine.aggregates.has_destinations = !engine.settings.without.contains(&Optional::Counted(Part::Destinations));
        engine.aggregates.egress = engine.source.counts_egress().then(EgressSums::default);
        engine.load_usual();
        engine.load_blocks();
        engine.load_flagged();
        engine.look();
        engine.publish();
        (engine, receiver)
    }

    /// The same, with what these collectors read.
    #[must_use]
    pub fn with_collectors(self, collectors: Collectors) -> Self {
        Self { collectors, ..self }
    }

    /// Where what was counted in all appears after each reading.
    pub fn pulses(&self) -> watch::Receiver<Pulses> {
        self.pulses.subscribe()
    }

    /// Runs until told to stop, or until nobody can ask any more. Returns the last snapshot.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Envelope>) -> Arc<Snapshot> {
        let interval = self.settings.interval;
        let mut ticks = interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let early = tokio::time::sleep(EARLY_TICK);
        tokio::pin!(early);
        let drain = tokio::time::sleep(self.source.pace().min(interval));
        tokio::pin!(drain);
        while !(self.settings.end_with_source && self.source.has_ended()) {
            tokio::select! {
                () = tokio::task::yield_now(), if self.source.has_more() => {
                    tokio::task::block_in_place(|| self.catch_up());
                }
                () = &mut early, if self.tick.count == 0 => tokio::task::block_in_place(|| self.tick()),
                scheduled = ticks.tick() => {
                    if scheduled.elapsed() > interval / 5 {
                        self.tick.late += 1;
                    }
                    tokio::task::block_in_place(|| self.tick());
                }
                () = &mut drain => {
                    let started = Instant::now();
                    tokio::task::block_in_place(|| {
                        self.drain();
                        if self.look() | self.hear_actors() || self.is_unpublished {
                            self.publish();
                        }
                    });
                    drain.as_mut().reset(started + self.source.pace().min(interval));
                }
                envelope = requests.recv() => {
                    let Some(Envelope { request, caller, reply }) = envelope else { break };
                    let stop = request == Request::Stop;
                    tokio::task::block_in_place(|| self.serve(&caller, request, reply));
                    if stop {
                        break;
                    }
                }
            }
        }
        self.tick();
        self.last()
    }

    /// Gives the files their last lines, after the last reading; returns the last snapshot.
    fn last(mut self) -> Arc<Snapshot> {
        self.save_usual();
        self.write_blocks(true);
        self.keep_flagged(true);
        self.audit_last();
        self.audit_unfinished_hooks();
        self.sinks.finish();
        Arc::new(self.newest(if self.settings.whole_at_end { 0 } else { DEFAULT_LIMIT }))
    }

    /// Enters what a source has at once, for a while.
    fn catch_up(&mut self) {
        let started = Instant::now();
        while self.source.has_more() && started.elapsed() < BUSY {
            self.drain();
        }
    }

    /// Reads and publishes: what [`run`](Self::run) does at each interval.
    pub fn tick(&mut self) {
        let started = Instant::now();
        self.drain();
        let beside: Vec<_> = self.collectors.readings().collect();
        beside.into_iter().for_each(|reading| self.enter_beside(reading));
        self.hear_actors();
        self.tend_blocks();
        self.look();
        self.tick.count += 1;
        self.sinks.tick();
        self.keep_flagged(false);
        if self.saved.elapsed() >= SAVE_EVERY {
            self.save_usual();
        }
        self.self_stats = self.overhead.measure(&*self.source, Moment::now());
        self.tick.took_ms = started.elapsed().as_secs_f64() * 1e3;
        self.publish();
        self.full.clear();
        self.unadmitted = self.aggregates.sources.unadmitted().packets;
    }

    /// Enters what a collector beside the one of packets has read: what each tick does.
    pub fn enter_beside(&mut self, reading: collector::Reading) {
        match reading {
            collector::Reading::Host(reading) => {
                self.messages.know(&reading);
                let Self { host, messages, .. } = self;
                host.enter(*reading, messages, DEFAULT_LIMIT);
            }
            collector::Reading::Sockets(census) => self.sockets.enter(*census),
            collector::Reading::Lifelines(lifelines) => self.blocks.enter_lifelines(*lifelines),
            collector::Reading::Calls(calls) => {
                let Self { sockets, sinks, aggregates, .. } = self;
                sockets.enter_calls(*calls, &|ip| aggregates.regions.country(ip), |ended| sinks.connection(ended));
            }
            collector::Reading::Drops(drops) => self.drops.enter(*drops),
            collector::Reading::Flows(reading) => self.flows.enter(*reading),
            collector::Reading::Logs(reading) => {
                if self.logs.enter(*reading, self.detector.thresholds()) {
                    self.blocks.note_login();
                }
            }
        }
    }

    /// Takes what is known of the interfaces by now; returns whether there is anything new to say of them. However long the
    /// interval is, that is not left until it is over.
    fn look(&mut self) -> bool {
        let before = self.interfaces.change().map(str::to_string);
        let is_new = self.interfaces.update(&mut *self.source, Moment::now(), self.seen);
        if let Some(change) = self.interfaces.change().filter(|change| before.as_deref() != Some(change)) {
            self.message = change.into();
        }
        is_new
    }

    /// Enters what has come since the last time, and keeps the number of events within the budget: what [`run`](Self::run) does
    /// several times between ticks. Where a second is over with it, the rules look at it.
    pub fn drain(&mut self) {
        let started = Instant::now();
        let Self { source, reading, aggregates, details, histories, detector, geo, full, calendar, missed, .. } = self;
        let (blocks, has_tables) = (&mut self.blocks, &mut self.has_tables);
        if let Some(geo) = geo.as_ref().map(Watcher::current).filter(|geo| !aggregates.regions.has(geo)) {
            aggregates.replace_geo(geo);
        }
        let before = reading.at;
        source.read(reading);
        calendar.note(reading.at);
        // The time of a capture passes as it will.
        if source.keeps_time()
            && let Some(seconds) = missed.read(before, reading.at)
        {
            detector.stats.stalled(seconds);
        }
        missed.lose(reading.totals.events_lost, reading.at);
        if let Some(beginning) = source.take_beginning() {
            aggregates.reset(beginning);
            *histories = Histories::new();
        }
        // Before entering takes its time, so that they are of the same second.
        let second_over = aggregates.buckets.is_due(reading.at.monotonic_ns);
        if second_over {
            source.read_tables(&mut aggregates.tables);
        }
        *has_tables = second_over;
        let ended = blocks.enter(&reading.dropped);
        self.messages.enter(reading);
        aggregates.enter(reading, &mut detector.stats, |source| details.forget(source));
        full.extend(Table::ALL.iter().filter(|table| reading.totals.untracked(**table).packets > 0));
        self.audit_ended(ended);
        self.drain_events();
        self.judge();
        self.write_blocks(false);
        self.sinks.flush();
        self.pulse();
        self.overhead.note(started.elapsed(), self.reading.totals.seen.packets);
    }

    fn pulse(&self) {
        let Self { aggregates, reading, pulses, .. } = self;
        let PacketsBytes { packets, bytes } = aggregates.totals.outcome(Outcome::Counted);
        let sent = aggregates.egress.as_ref().map(|egress| egress.sent().into());
        let seconds = reading.at.seconds_since(&aggregates.started);
        let pulse = Pulse { at_ns: reading.at.unix_ns, seconds, packets, bytes, sent };
        pulses.send_modify(|pulses| pulses.push(pulse));
    }

    /// Where a second is over, the rules look at it.
    fn judge(&mut self) {
        let Self { aggregates, detector, sinks, reading, histories, details, host, sockets, logs, calendar, .. } = self;
        if let Some(seconds) = aggregates.close() {
            self.blocks.close(seconds);
            // What a flood brings at once is tens of megabytes.
            if aggregates.is_quiet() && reading.sources.capacity() > 2 * MOST_AT_ONCE {
                reading.sources.shrink_to(MOST_AT_ONCE);
            }
            details.close(|source| aggregates.known(source));
            let counted = aggregates.totals.outcome(Outcome::Counted);
            let sent = aggregates.egress.as_ref().map(EgressSums::sent).unwrap_or_default();
            let total = |subject: &Subject| aggregates.total(subject).or_else(|| sockets.total(subject));
            histories.close(seconds, [counted, sent], total, |ip| aggregates.classes(ip));
            let place = |address: &Address| aggregates.regions.names(address);
            let host = host.host();
            let sockets = sockets.facts(reading.at);
            let (is_attacked, trusted) = (detector.is_attacked(), self.blocks.trusted_proxies());
            let beside = logs::Around { sockets, is_attacked, trusted };
            let suspects = logs.suspects(reading.at, detector.thresholds(), &beside);
            self.blocks.note_suspects(&suspects);
            let around = Surroundings {
                pps: &|address| aggregates.pps(address),
                place: &place,
                host: host.as_deref(),
                conversation: &|address| aggregates.conversation(address),
                counts_egress: aggregates.egress.is_some(),
                sockets,
                suspects: &suspects,
            };
            let rows = Rows {
                source: &|address| {
                    let detail = details.get(address).map(Arc::clone);
                    lists::source(aggregates, reading.at, calendar, address, detail)
                },
                destination: &|address| lists::destination(aggregates, reading.at, address),
                ports: &aggregates.tables.dst_ports,
                ports_before: &aggregates.base.dst_ports,
            };
            let mut changes = detector.judge_own(reading.at, seconds, &rows);
            changes.extend(detector.judge(reading.at, seconds, &around));
            let hooked: Vec<_> = changes.iter().filter(|alert| self.actors.has_hook_of(alert)).cloned().collect();
            changes.into_iter().for_each(|alert| sinks.alert(alert));
            self.run_hooks_of(&hooked);
        }
    }

    fn drain_events(&mut self) {
        let Self { source, reading, aggregates, details, detector, sinks, calendar, logs, .. } = self;
        source.drain_events(&mut |event| {
            details.record(event, |source| aggregates.known(source));
            if detector.sample(event) {
                logs.sample(event, event.at_ns.saturating_add(calendar.offset_ns(event.at_ns)));
            }
            sinks.event(event, calendar.offset_ns(event.at_ns));
        });
        if self.sampler.every() > 1 {
            details.note_thinning(reading.at.monotonic_ns);
        }
        self.counted += reading.totals.outcome(Outcome::Counted).packets;
        self.counted_tcp += reading.totals.protocol(Protocol::Tcp).packets;
        self.seen += reading.totals.seen.packets;
        if let Some(every) = self.sampler.adapt(reading.at, self.counted) {
            source.set_sampling(every);
        }
        if reading.totals.events_lost > 0 {
            details.note_loss(reading.at.monotonic_ns);
        }
    }

    /// A snapshot of which all parts are of the newest reading, with at most `limit` (0: all) rows in each list.
    fn newest(&mut self, limit: usize) -> Snapshot {
        if !std::mem::replace(&mut self.has_tables, true) {
            self.source.read_tables(&mut self.aggregates.tables);
        }
        self.aggregates.settle();
        self.snapshot(limit)
    }

    fn publish(&mut self) {
        let snapshot = self.newest(DEFAULT_LIMIT);
        self.histories.follow(&snapshot);
        self.snapshots.send_replace(Arc::new(snapshot));
        self.published = Instant::now();
        self.is_unpublished = false;
    }

    /// Publishes, or leaves that to the next reading where it was done a moment ago: a thousand blocks are not a thousand snapshots.
    fn publish_soon(&mut self) {
        let has_readings = self.room_for_blocks > 0;
        match has_readings && self.published.elapsed() < PUBLISH_PACE {
            true => self.is_unpublished = true,
            false => self.publish(),
        }
    }

    /// Does what the screen asks for, or says why not.
    ///
    /// # Errors
    /// In words for whoever asked.
    pub fn handle(&mut self, request: Request) -> Reply {
        self.handle_for(&Caller::screen(), request)
    }

    /// The same for somebody else: what [`run`](Self::run) does with each request.
    ///
    /// # Errors
    /// In words for whoever asked.
    pub fn handle_for(&mut self, caller: &Caller, request: Request) -> Reply {
        if let Some(why) = &caller.refused {
            self.audit_stranger(&request, caller, why);
            return Err(why.clone());
        }
        let asked = (request.effect() == request::Effect::Changes).then(|| request.clone());
        let reply = self.answer(request, caller);
        // Behind the readings that it brought about.
        asked.into_iter().for_each(|request| self.sinks.request(&request));
        reply
    }

    fn answer(&mut self, request: Request, caller: &Caller) -> Reply {
        let answer = match request {
            Request::Set(change) => self.set(&change).map_err(|error| cause::told(&error))?,
            Request::Top(Top { count }) => {
                self.settings.top = count.clamp(*TOP_RANGE.start(), *TOP_RANGE.end()) as usize;
                self.message = format!("showing the top {}", self.settings.top);
                Answer::field("top", self.settings.top)
            }
            Request::Pause => self.pause(true),
            Request::Resume => self.pause(false),
            Request::Reset => {
                self.reset();
                Answer::field("reset", true)
            }
            Request::Status(Status { limit }) => {
                return Ok(Answer::Snapshot { snapshot: self.limited(limit), form: Form::Flat, runtime: true });
            }
            Request::Snapshot(request::Snapshot { limit, form }) => {
                return Ok(Answer::Snapshot { snapshot: self.limited(limit), form, runtime: false });
            }
            Request::Subscribe(_) | Request::Pulse => return Err("only over the control socket".into()),
            Request::Maps(_) => {
                let reader =
                    self.source.maps_reader().map_err(|error| format!("holding the kernel's maps: {error}"))?;
                return reader.map(Answer::MapsReader).ok_or_else(|| NO_MAPS.into());
            }
            Request::History(subject) => {
                if let Subject::Source(ip) = subject {
                    self.details.want(ip.into());
                }
                let total = self.aggregates.total(&subject).or_else(|| self.sockets.total(&subject));
                self.histories.want(subject, total.unwrap_or_default());
                if let Subject::Destination(ip) = subject {
                    self.histories.want_classes(ip, self.aggregates.classes(ip).unwrap_or_default());
                }
                let visitor = match subject {
                    Subject::Source(ip) => self.logs.visitor(ip, self.known_of(ip)),
                    _ => None,
                };
                let history = History { visitor, ..self.histories.get(&subject).unwrap_or_default() };
                return Ok(Answer::History(Box::new(history)));
            }
            Request::Process(request::Process { pid }) => {
                let arguments = command_line::read(pid)?;
                return Ok(Answer::field("command", arguments));
            }
            Request::Block(request) => return self.block(&request, caller).inspect(|_| self.publish_soon()),
            Request::Unblock(request) => return self.unblock(request, caller).inspect(|_| self.publish_soon()),
            Request::Allow(request) => return self.allow(request, caller).inspect(|_| self.publish_soon()),
            Request::Blocks => return self.list_blocks(),
            Request::Cover => return self.cover(),
            Request::Hook(_) => return Err("hooks are run by a live monitor alone".into()),
            Request::Hooks => {
                return Ok(Answer::field("hooks", serde_json::to_value(&*self.actors.rows).unwrap_or_default()));
            }
            Request::Stop => {
                self.message = "ending".into();
                Answer::field("stopping", true)
            }
        };
        self.publish();
        Ok(answer)
    }

    /// The published snapshot, or one of another size.
    fn limited(&mut self, limit: usize) -> Arc<Snapshot> {
        if limit == DEFAULT_LIMIT {
            return self.snapshots.borrow().clone();
        }
        Arc::new(self.newest(limit))
    }

    /// Changes all of it, or nothing.
    fn set(&mut self, change: &FilterChange) -> Result<Answer> {
        let old = &self.settings.filter.text;
        let part = |new: &Option<String>, old: &String| new.as_ref().unwrap_or(old).clone();
        let text = FilterText {
            dst: part(&change.dst, &old.dst),
            src: part(&change.src, &old.src),
            port: part(&change.port, &old.port),
            proto: part(&change.proto, &old.proto),
        };
        let parsed = text.parse().map_err(anyhow::Error::msg)?;
        if let Some(names) = &change.iface {
            let names = names.trim();
            let names = if names.is_empty() { Vec::new() } else { vec![names.to_string()] };
            self.source.set_interfaces(&names)?;
            self.look();
        }
        self.source.set_filter(parsed.filter.as_deref());
        self.settings.filter = parsed;
        self.message = "filter changed".into();
        let view = self.settings.filter.view(&self.source.interface_names());
        Ok(Answer::field("filter", serde_json::to_value(view)?))
    }

    fn pause(&mut self, paused: bool) -> Answer {
        self.paused = paused;
        self.source.set_paused(paused);
        self.message = match (paused, self.settings.mode) {
            (true, Mode::Replay) => "paused: the replay waits",
            (false, Mode::Replay) => "replaying again",
            (true, Mode::Live | Mode::Demo) => "paused: packets pass uncounted",
            (false, Mode::Live | Mode::Demo) => "counting again",
        }
        .into();
        Answer::field("paused", paused)
    }

    fn reset(&mut self) {
        // What has come until now belongs to what is forgotten.
        self.source.make_room();
        let base = self.tables_at_reading();
        self.source.note_base(&base);
        self.aggregates.reset(self.reading.at);
        self.aggregates.base = base;
        self.unadmitted = 0;
        self.details.reset();
        self.sockets.reset();
        self.drops.reset();
        self.flows.reset();
        self.messages.reset();
        self.logs.reset();
        self.blocks.reset();
        self.histories = Histories::new();
        self.detector.reset(self.reading.at).into_iter().for_each(|alert| self.sinks.alert(alert));
        self.source.clear_unique();
        self.message = "counters reset".into();
    }
}
