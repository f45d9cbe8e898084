//! A scenario through the engine.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Result, anyhow, ensure};
use nettop_collect::{
    counter::FrameCounter,
    kernel::{DEFAULT_EVENT_RATE, MOST_SOURCES},
    reading::{Reading, Tables},
    traffic::Traffic,
};
use nettop_common::{Event, Filter, Frame, LinkLayer, packet};
use nettop_engine::{Engine, Settings, detect::Thresholds, overhead::Overhead, rates::SECOND_NS, sinks::Sinks};
use nettop_model::{
    clock::Moment,
    filter::FilterText,
    snapshot::{Alert, Mode},
};

use crate::{
    recipe::{Recipes, Scenario},
    render::Renderer,
    this_host::ThisHost,
    world::{STEP_NS, World},
};

/// When every scenario begins.
const BEGIN: Moment = Moment { monotonic_ns: 1_000 * SECOND_NS, unix_ns: 1_700_000_000 * SECOND_NS };
/// So long after that.
fn moment(passed_ns: u64) -> Moment {
    Moment { monotonic_ns: BEGIN.monotonic_ns + passed_ns, unix_ns: BEGIN.unix_ns + passed_ns }
}

/// How long after the start of an attack its alert is judged by what it says then.
const SETTLED_NS: u64 = 3 * SECOND_NS;

/// What of the traffic is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Both directions, and every packet is sampled: a capture.
    Both,
    /// What comes in, sampled as usual: the kernel program.
    In,
    /// The same, with what the host sends, its sockets and its counters: nettop as it is started.
    Host,
}

impl Form {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Both, Self::In, Self::Host];

    /// What recipes' readers call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::In => "in",
            Self::Host => "host",
        }
    }
}

/// An alert as it was seen.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// When a snapshot showed it first, nanoseconds from the beginning.
    pub first_ns: u64,
    /// How it was when 3 s of the attack were over, or first, if that was later.
    pub settled: Alert,
    /// How it was in the last snapshot that had it.
    pub last: Alert,
}

/// What came of a scenario.
#[derive(Debug)]
pub struct Played {
    /// When what it is about began, nanoseconds from the beginning.
    pub begins_ns: u64,
    /// Every alert, in the order in which they came.
    pub alerts: Vec<Sighting>,
}

/// The traffic of a scenario, as a collector of packets reads it.
struct Made {
    world: World,
    form: Form,
    renderer: Renderer,
    counter: FrameCounter,
    /// What the host knows beside what comes in, in the form that has it.
    host: Option<Arc<Mutex<ThisHost>>>,
    steps: u64,
}

impl Traffic for Made {
    fn read(&mut self, reading: &mut Reading) {
        let Self { world, form, renderer, counter, host, steps } = self;
        let mut host = host.as_ref().map(|host| host.lock().expect("nobody panics"));
        for packet in world.next_step().unwrap_or_default() {
            if packet.is_out && *form == Form::In {
                continue;
            }
            let (frame, length) = renderer.render(packet);
            let parsed = packet::parse(Frame::from(frame), LinkLayer::Ethernet);
            if let Some(host) = &mut host {
                host.meet(packet, parsed.as_ref().ok().map(nettop_common::Packet::traffic_class), length);
            }
            if *form != Form::Host || !packet.is_out {
                counter.count_parsed(parsed, length, BEGIN.monotonic_ns + packet.at_ns);
            }
        }
        *steps += 1;
        counter.read(moment(*steps * STEP_NS), reading);
        if let Some(host) = &mut host {
            host.drain(reading);
        }
    }

    fn counts_egress(&self) -> bool {
        self.host.is_some()
    }

    fn read_tables(&mut self, tables: &mut Tables) {
        self.counter.read_tables(tables);
    }

    fn drain_events(&mut self, each: &mut dyn FnMut(&Event)) {
        self.counter.drain_events(each);
    }

    fn set_filter(&mut self, filter: Option<&Filter>) {
        self.counter.set_filter(filter.map(|filter| Box::new(*filter)));
    }

    fn set_paused(&mut self, paused: bool) {
        self.counter.set_paused(paused);
    }

    fn set_sampling(&mut self, every: u32) {
        self.counter.set_sampling(every);
    }

    fn interface_names(&self) -> Vec<String> {
        vec!["scenario".into()]
    }

    fn set_interfaces(&mut self, _: &[String]) -> Result<()> {
        Ok(())
    }

    fn begins(&self) -> Moment {
        BEGIN
    }
}

/// As nettop is started without any option.
fn settings(form: Form) -> Result<Settings> {
    let (mode, event_rate) = match form {
        Form::Both => (Mode::Replay, u32::MAX),
        Form::In | Form::Host => (Mode::Live, DEFAULT_EVENT_RATE),
    };
    Ok(Settings {
        mode,
        filter: FilterText::default().parse().map_err(|error| anyhow!("{error}"))?,
        top: 10,
        interval: Duration::from_secs(1),
        max_events: 0,
        event_rate,
        max_sources: MOST_SOURCES,
        keep_ended: Duration::from_secs(10),
        blocking: Default::default(),
        without: Vec::new(),
        thresholds: Thresholds::default(),
        rules: Vec::new(),
        first_alert: 1,
        end_with_source: true,
        whole_at_end: false,
        sandbox: Arc::default(),
        log: None,
        companions: Vec::new(),
        found: Vec::new(),
    })
}

/// Plays a scenario to its end.
///
/// # Errors
/// The recipe says what has no meaning, or the engine lost packets.
pub fn play(scenario: &Scenario, recipes: &Recipes, form: Form) -> Result<Played> {
    // What is sampled is a matter of chance, and the same every time.
    fastrand::seed(1);
    let world = World::new(scenario, recipes)?;
    let (begins_ns, steps) = (world.begins_ns, world.steps);
    let host = (form == Form::Host).then(|| Arc::new(Mutex::new(ThisHost::new(scenario))));
    let (renderer, counter) = (Renderer::default(), FrameCounter::default());
    let made = Made { world, form, renderer, counter, host: host.clone(), steps: 0 };
    let overhead = Overhead::new(Moment::now());
    let (mut engine, snapshots) = Engine::new(Box::new(made), settings(form)?, None, Sinks::default(), overhead);
    let mut seen: BTreeMap<u64, Sighting> = BTreeMap::new();
    for step in 1..=steps {
        let now_ns = step * STEP_NS;
        if !now_ns.is_multiple_of(SECOND_NS) {
            engine.drain();
            continue;
        }
        engine.tick();
        if let Some(host) = &host {
            let readings = host.lock().expect("nobody panics").readings(moment(now_ns));
            readings.into_iter().for_each(|reading| engine.enter_beside(reading));
        }
        for alert in &snapshots.borrow().alerts {
            let sighting = seen.entry(alert.id).or_insert_with(|| Sighting {
                first_ns: now_ns,
                settled: alert.clone(),
                last: alert.clone(),
            });
            sighting.last = alert.clone();
            if now_ns <= begins_ns + SETTLED_NS {
                sighting.settled = alert.clone();
            }
        }
    }
    let sent = snapshots.borrow().egress.as_ref().is_none_or(|egress| egress.accounting.holds);
    let accounting = snapshots.borrow().traffic.accounting;
    ensure!(sent && accounting.holds && accounting.seen.packets > 0, "{}: {accounting:?}", scenario.name);
    Ok(Played { begins_ns, alerts: seen.into_values().collect() })
}
