//! The engine: the one task that owns all mutable state. Each tick it reads the source, enters what is new into its
//! books, and publishes a [`Snapshot`]; in between it answers requests and drains events.

mod books;
mod detail;
pub mod outlets;
mod publish;
mod sampler;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use nettop_common::{Address, counters::Table};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at},
};

use self::{books::Books, detail::Details, outlets::Outlets, sampler::Sampler};
use crate::{
    control::{Answer, Envelope, FilterChange, Reply, Request},
    detect::{Detector, Thresholds},
    filter::{FilterText, ParsedFilter},
    reading::{InterfaceRow, Moment, Reading},
    snapshot::{DEFAULT_LIMIT, Mode, Snapshot, Tick},
    source::Source,
};

/// How many sources the screen may be asked to show.
pub const TOP_RANGE: std::ops::RangeInclusive<i64> = 1..=500;
/// One tick comes before its time, so that there is something to see at once.
const EARLY_TICK: Duration = Duration::from_millis(250);
/// How often events are drained, at least.
const DRAIN: Duration = Duration::from_millis(100);

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
    /// Sources remembered beyond their entry in the kernel.
    pub max_sources: usize,
    /// From where on rules raise alerts.
    pub thresholds: Thresholds,
}

/// The engine's state.
pub struct Engine {
    source: Source,
    settings: Settings,
    reading: Reading,
    books: Books,
    details: Details,
    sampler: Sampler,
    detector: Detector,
    outlets: Outlets,
    paused: bool,
    message: String,
    /// Tables that the kernel found full in the newest tick.
    full: Vec<Table>,
    /// Why the newest reading failed.
    failure: Option<String>,
    interfaces: Vec<InterfaceRow>,
    tick: Tick,
    snapshots: watch::Sender<Arc<Snapshot>>,
}

impl Engine {
    /// An engine over a source, and where its snapshots appear.
    pub fn new(mut source: Source, settings: Settings, outlets: Outlets) -> (Self, watch::Receiver<Arc<Snapshot>>) {
        let now = Moment::now();
        source.set_filter(settings.filter.filter.as_deref());
        source.set_sampling(u32::from(settings.event_rate > 0));
        let (snapshots, receiver) = watch::channel(Arc::default());
        let mut engine = Self {
            books: Books::new(now),
            details: Details::new(settings.max_events),
            sampler: Sampler::new(settings.event_rate),
            detector: Detector::new(settings.thresholds),
            outlets,
            reading: Reading { at: now, ..Reading::default() },
            paused: false,
            message: String::new(),
            full: Vec::new(),
            failure: None,
            interfaces: source.interfaces(),
            tick: Tick { interval: settings.interval.as_secs_f64(), ..Tick::default() },
            snapshots,
            source,
            settings,
        };
        engine.publish();
        (engine, receiver)
    }

    /// Runs until told to stop, or until nobody can ask any more.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Envelope>) {
        let interval = self.settings.interval;
        let mut ticks = interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let early = tokio::time::sleep(EARLY_TICK);
        tokio::pin!(early);
        let mut drains = tokio::time::interval(DRAIN.min(interval));
        drains.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = &mut early, if self.tick.count == 0 => tokio::task::block_in_place(|| self.tick()),
                scheduled = ticks.tick() => {
                    if scheduled.elapsed() > interval / 5 {
                        self.tick.late += 1;
                    }
                    tokio::task::block_in_place(|| self.tick());
                }
                _ = drains.tick() => tokio::task::block_in_place(|| self.drain()),
                envelope = requests.recv() => {
                    let Some(Envelope { request, reply }) = envelope else { break };
                    let stop = request == Request::Stop;
                    let answer = tokio::task::block_in_place(|| self.handle(request));
                    // Whoever asked may have gone meanwhile.
                    let _ = reply.send(answer);
                    if stop {
                        break;
                    }
                }
            }
        }
        self.tick();
        // After the last reading the files get their last lines, and beside packets goes the whole snapshot.
        self.outlets.finish();
        let last = self.snapshot(if self.outlets.has_events() { 0 } else { DEFAULT_LIMIT });
        self.snapshots.send_replace(Arc::new(last));
    }

    /// Reads, enters, makes room, publishes.
    fn tick(&mut self) {
        let started = Instant::now();
        self.failure = self.read().err().map(|error| format!("reading the kernel's maps: {error}"));
        self.drain();
        self.interfaces = self.source.interfaces();
        self.tick.count += 1;
        self.tick.took_ms = started.elapsed().as_secs_f64() * 1e3;
        self.publish();
    }

    fn read(&mut self) -> std::io::Result<()> {
        let Self { source, reading, books, details, detector, outlets, .. } = self;
        source.read(reading)?;
        books.enter(reading, &mut detector.notes);
        let made_room = books.make_room(reading, source);
        for evicted in books.evict(self.settings.max_sources) {
            details.forget(&evicted);
        }
        self.full = Table::ALL.iter().copied().filter(|table| source.clear_full(*table)).collect();
        // Making room brought news of the entries removed.
        reading.totals[1] = source.totals();
        if let Some(slot) = books.balance(reading) {
            let pps = |address: &Address| books.pps(address);
            detector.judge(reading.at, slot, pps).into_iter().for_each(|alert| outlets.alert(alert));
        }
        made_room
    }

    /// Takes the events that have come, and keeps their number within the budget.
    fn drain(&mut self) {
        let Self { source, reading, details, outlets, .. } = self;
        let offset = reading.at.unix_offset_ns();
        source.drain_events(|event| {
            details.record(event);
            outlets.event(event, offset);
        });
        outlets.flush();
        let totals = source.totals();
        if let Some(every) = self.sampler.adapt(Moment::now(), totals.events) {
            source.set_sampling(every);
        }
        details.note_loss(totals.events_lost);
    }

    fn publish(&mut self) {
        let snapshot = self.snapshot(DEFAULT_LIMIT);
        self.snapshots.send_replace(Arc::new(snapshot));
    }

    fn handle(&mut self, request: Request) -> Reply {
        let answer = match request {
            Request::Set(change) => self.set(&change).map_err(|error| format!("{error:#}"))?,
            Request::Top(top) => {
                self.settings.top = top.clamp(*TOP_RANGE.start(), *TOP_RANGE.end()) as usize;
                self.message = format!("showing the top {}", self.settings.top);
                Answer::field("top", self.settings.top)
            }
            Request::Pause(paused) => {
                self.paused = paused;
                self.source.set_paused(paused);
                self.message = if paused { "paused: packets pass uncounted" } else { "counting again" }.into();
                Answer::field("paused", paused)
            }
            Request::Reset => {
                self.reset();
                Answer::field("reset", true)
            }
            Request::Status { limit } => {
                return Ok(Answer::Snapshot { snapshot: self.limited(limit), runtime: true });
            }
            Request::Snapshot { limit } => {
                return Ok(Answer::Snapshot { snapshot: self.limited(limit), runtime: false });
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
    fn limited(&self, limit: usize) -> Arc<Snapshot> {
        if limit == DEFAULT_LIMIT { self.snapshots.borrow().clone() } else { Arc::new(self.snapshot(limit)) }
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
            let names: Vec<_> =
                names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_string).collect();
            self.source.set_interfaces(&names)?;
            self.interfaces = self.source.interfaces();
        }
        self.source.set_filter(parsed.filter.as_deref());
        self.settings.filter = parsed;
        self.message = "filter changed".into();
        let view = self.settings.filter.view(&self.source.interface_names());
        Ok(Answer::field("filter", serde_json::to_value(view)?))
    }

    fn reset(&mut self) {
        // What has come until now belongs to what is forgotten.
        self.tick();
        self.books.reset(&self.reading);
        self.details.reset();
        self.detector.reset(self.reading.at).into_iter().for_each(|alert| self.outlets.alert(alert));
        self.source.clear_unique();
        self.message = "counters reset".into();
    }
}
