//! A collector of packets that reads what was recorded.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use nettop_common::{Event, Filter, counters::Table, unique};
use nettop_model::{
    clock::Moment,
    snapshot::{MapRow, Replay},
};

use super::{Begin, Line, lines};
use crate::{
    collector,
    reading::{self, Reading, Watched},
    traffic::{LOG, Traffic, no_interfaces},
};

/// What a recording has the engine do next.
#[derive(Debug)]
pub enum Step {
    /// Read: what there is to read is in the [`Recorded`] by then.
    Drain,
    /// Enter what another collector has read.
    Beside(collector::Reading),
    /// Publish a snapshot.
    Tick,
    /// Answer a request, in the words of the control protocol.
    Request(serde_json::Value),
}

/// What belongs to one reading.
#[derive(Debug, Default)]
struct Group {
    /// Another recording begins in the same file.
    begin: Option<Begin>,
    traffic: lines::Traffic,
    tables: Vec<lines::Tables>,
    events: Vec<Event>,
    watched: Option<Watched>,
}

/// The groups that were not read yet, and how far the replay is.
#[derive(Debug, Default)]
struct Shared {
    groups: VecDeque<Group>,
    replay: Replay,
}

/// Puts lines into steps, and what packets they have into a [`Recorded`].
#[derive(Debug, Default)]
pub struct Feed {
    group: Option<Group>,
    shared: Arc<Mutex<Shared>>,
}

impl Feed {
    /// Takes a line; returns what the engine is to do, in this order.
    pub fn take(&mut self, line: Line) -> Vec<Step> {
        match line {
            Line::Begin(begin) => {
                let steps = self.flush();
                self.open().begin = Some(*begin);
                steps
            }
            Line::Traffic(traffic) => {
                let steps = self.flush();
                self.group = Some(Group { traffic: *traffic, ..Group::default() });
                steps
            }
            Line::Tables(tables) => {
                self.open().tables.push(*tables);
                Vec::new()
            }
            Line::Events(events) => {
                self.open().events.extend(events.iter().map(Event::from));
                Vec::new()
            }
            Line::Watched(watched) => {
                self.open().watched = Some(*watched);
                Vec::new()
            }
            Line::Host(reading) => self.after(Step::Beside(collector::Reading::Host(reading))),
            Line::Sockets(census) => self.after(Step::Beside(collector::Reading::Sockets(census))),
            Line::Calls(calls) => self.after(Step::Beside(collector::Reading::Calls(calls))),
            Line::Drops(drops) => self.after(Step::Beside(collector::Reading::Drops(drops))),
            Line::Flows(flows) => self.after(Step::Beside(collector::Reading::Flows(flows))),
            Line::Logs(logs) => self.after(Step::Beside(collector::Reading::Logs(logs))),
            Line::Tick => self.after(Step::Tick),
            Line::Request(request) => self.after(Step::Request(request)),
            Line::Dropped(lines) => {
                let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
                let missing = format!("{lines} lines are missing: they were dropped while it was recorded");
                shared.replay.error.get_or_insert(missing);
                Vec::new()
            }
        }
    }

    /// How far the replay is.
    pub fn note(&self, change: impl FnOnce(&mut Replay)) {
        change(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner).replay);
    }

    /// The last group, at the end.
    pub fn flush(&mut self) -> Vec<Step> {
        let Some(group) = self.group.take() else { return Vec::new() };
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.replay.packets += group.traffic.packets();
        shared.groups.push_back(group);
        vec![Step::Drain]
    }

    fn after(&mut self, step: Step) -> Vec<Step> {
        let mut steps = self.flush();
        steps.push(step);
        steps
    }

    fn open(&mut self) -> &mut Group {
        self.group.get_or_insert_default()
    }
}

/// A collector of packets that reads what was recorded.
pub struct Recorded {
    begin: Begin,
    shared: Arc<Mutex<Shared>>,
    tables: Box<reading::Tables>,
    events: Vec<Event>,
    watched: Option<Watched>,
    beginning: Option<Moment>,
    /// Keys in the kernel's tables at the newest reading.
    entries: Vec<u64>,
    at: Moment,
}

impl Recorded {
    /// Of a recording that begins so, and what is fed with its lines.
    pub fn new(begin: Begin, replay: Replay) -> (Self, Feed) {
        let shared = Arc::new(Mutex::new(Shared { groups: VecDeque::new(), replay }));
        let feed = Feed { group: None, shared: Arc::clone(&shared) };
        let at = begin.at;
        let recorded = Self {
            begin,
            shared,
            tables: Box::default(),
            events: Vec::new(),
            watched: None,
            beginning: None,
            entries: Vec::new(),
            at,
        };
        (recorded, feed)
    }
}

impl Traffic for Recorded {
    fn read(&mut self, reading: &mut Reading) {
        let group = self.shared.lock().unwrap_or_else(PoisonError::into_inner).groups.pop_front();
        let Some(Group { begin, mut traffic, tables, events, watched }) = group else {
            reading.clear();
            reading.at = self.at;
            return;
        };
        if let Some(begin) = begin {
            (self.at, self.beginning) = (begin.at, Some(begin.at));
            *self.tables = reading::Tables::default();
            self.begin = begin;
        }
        // Lines without a reading of their own came before the first one.
        if traffic.at() == Moment::default() {
            traffic.fill(reading);
            reading.at = self.at;
        } else {
            self.beginning = traffic.beginning.or(self.beginning);
            self.at = traffic.at();
            self.entries = mem::take(&mut traffic.entries);
            traffic.fill(reading);
        }
        tables.iter().for_each(|changed| changed.apply(&mut self.tables));
        self.events.extend(events);
        self.watched = watched.or(self.watched.take());
    }

    fn read_tables(&mut self, tables: &mut reading::Tables) {
        tables.clone_from(&self.tables);
    }

    fn drain_events(&mut self, each: &mut dyn FnMut(&Event)) {
        self.events.drain(..).for_each(|event| each(&event));
    }

    fn watched(&mut self) -> Option<Watched> {
        self.watched.take()
    }

    fn take_beginning(&mut self) -> Option<Moment> {
        self.beginning.take()
    }

    /// What was filtered is not in the recording any more.
    fn set_filter(&mut self, _: Option<&Filter>) {}

    fn set_paused(&mut self, _: bool) {}

    fn set_sampling(&mut self, _: u32) {}

    fn interface_names(&self) -> Vec<String> {
        self.begin.interfaces.clone()
    }

    fn set_interfaces(&mut self, _: &[String]) -> Result<()> {
        no_interfaces("a replay", "without `replay`")
    }

    fn begins(&self) -> Moment {
        self.begin.at
    }

    fn replay(&self) -> Option<Replay> {
        Some(self.shared.lock().unwrap_or_else(PoisonError::into_inner).replay.clone())
    }

    fn has_ended(&self) -> bool {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).replay.ended
    }

    fn unique_key(&self) -> Option<unique::HashKey> {
        self.begin.unique_key.map(unique::HashKey)
    }

    fn capacity(&self, table: Table) -> Option<u64> {
        self.begin.capacity.get(table as usize).copied().flatten()
    }

    fn log_fill(&self) -> Option<MapRow> {
        let of_log = Table::COUNT;
        let capacity = self.begin.capacity.get(of_log).copied().flatten()?;
        let entries = self.entries.get(of_log).copied().unwrap_or_default();
        Some(MapRow { table: LOG.into(), entries, capacity })
    }

    fn keys_stay(&self) -> bool {
        self.begin.keys_stay
    }

    fn entries(&self, table: Table) -> u64 {
        self.entries.get(table as usize).copied().unwrap_or_default()
    }
}
