//! Collectors that write down what they read.

use std::{io, time::Duration};

use anyhow::Result;
use nettop_common::{Event, Filter, counters::Table, unique};
use nettop_model::{
    clock::Moment,
    kernel_maps::Reader,
    snapshot::{Degraded, MapRow, Replay},
};

use super::{Line, Sink, Tables, lines};
use crate::{
    blocker::Blocker,
    collector::{self, Collector},
    reading::{self, Reading, Watched},
    traffic::{Cost, Traffic},
};

/// A collector of packets whose readings go to a sink as well.
pub struct Recording {
    inner: Box<dyn Traffic>,
    sink: Sink,
    /// The tables as they were written last.
    written: Box<reading::Tables>,
    /// When counting began: asked for once, so that what is written is what the engine gets.
    begins: Moment,
    /// The same of a capture, until the engine asks for it.
    beginning: Option<Moment>,
}

impl Recording {
    /// Of this collector.
    pub fn new(inner: Box<dyn Traffic>, sink: Sink) -> Self {
        let begins = inner.begins();
        Self { inner, sink, written: Box::default(), begins, beginning: None }
    }

    fn write_tables(&mut self, tables: &reading::Tables) {
        if let Some(changed) = Tables::since(&self.written, tables) {
            (self.sink)(Line::Tables(Box::new(changed)));
            self.written.as_mut().clone_from(tables);
        }
    }
}

impl Traffic for Recording {
    fn read(&mut self, reading: &mut Reading) {
        self.inner.read(reading);
        let beginning = self.inner.take_beginning();
        self.beginning = beginning.or(self.beginning);
        let of_log = self.inner.log_fill().map(|row| row.entries);
        let entries = Table::ALL.iter().map(|table| self.inner.entries(*table)).chain(of_log).collect();
        (self.sink)(Line::Traffic(Box::new(lines::Traffic::of(reading, beginning, entries))));
    }

    fn read_tables(&mut self, tables: &mut reading::Tables) {
        self.inner.read_tables(tables);
        self.write_tables(tables);
    }

    fn read_tables_anew(&mut self, tables: &mut reading::Tables) {
        self.inner.read_tables_anew(tables);
        self.write_tables(tables);
    }

    fn note_base(&mut self, base: &reading::Tables) {
        self.write_tables(base);
    }

    fn drain_events(&mut self, each: &mut dyn FnMut(&Event)) {
        let mut events = Vec::new();
        self.inner.drain_events(&mut |event| {
            events.push(event.into());
            each(event);
        });
        if !events.is_empty() {
            (self.sink)(Line::Events(events));
        }
    }

    fn watched(&mut self) -> Option<Watched> {
        let watched = self.inner.watched();
        watched.iter().for_each(|watched| (self.sink)(Line::Watched(Box::new(watched.clone()))));
        watched
    }

    fn take_beginning(&mut self) -> Option<Moment> {
        self.beginning.take()
    }

    fn set_filter(&mut self, filter: Option<&Filter>) {
        self.inner.set_filter(filter);
    }

    fn blocker(&mut self) -> Option<&mut dyn Blocker> {
        self.inner.blocker()
    }

    fn set_paused(&mut self, paused: bool) {
        self.inner.set_paused(paused);
    }

    fn set_sampling(&mut self, every: u32) {
        self.inner.set_sampling(every);
    }

    fn interface_names(&self) -> Vec<String> {
        self.inner.interface_names()
    }

    fn set_interfaces(&mut self, names: &[String]) -> Result<()> {
        self.inner.set_interfaces(names)
    }

    fn pace(&self) -> Duration {
        self.inner.pace()
    }

    fn keeps_time(&self) -> bool {
        self.inner.keeps_time()
    }

    fn begins(&self) -> Moment {
        self.begins
    }

    fn has_more(&self) -> bool {
        self.inner.has_more()
    }

    fn has_ended(&self) -> bool {
        self.inner.has_ended()
    }

    fn replay(&self) -> Option<Replay> {
        self.inner.replay()
    }

    fn unique_key(&self) -> Option<unique::HashKey> {
        self.inner.unique_key()
    }

    fn clear_unique(&mut self) {
        self.inner.clear_unique();
    }

    fn capacity(&self, table: Table) -> Option<u64> {
        self.inner.capacity(table)
    }

    fn entries(&self, table: Table) -> u64 {
        self.inner.entries(table)
    }

    fn log_fill(&self) -> Option<MapRow> {
        self.inner.log_fill()
    }

    fn keys_stay(&self) -> bool {
        self.inner.keys_stay()
    }

    fn make_room(&mut self) {
        self.inner.make_room();
    }

    fn degraded(&self) -> Vec<Degraded> {
        self.inner.degraded()
    }

    fn cost(&self) -> Cost {
        self.inner.cost()
    }

    fn maps_reader(&self) -> io::Result<Option<Reader>> {
        self.inner.maps_reader()
    }

    fn explain_below(&mut self, indexes: Vec<u32>) {
        self.inner.explain_below(indexes);
    }
}

/// Another collector whose readings go to a sink as well.
pub struct RecordingCollector {
    /// Which.
    pub inner: Box<dyn Collector>,
    /// Where to.
    pub sink: Sink,
}

impl Collector for RecordingCollector {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn pace(&self) -> Duration {
        self.inner.pace()
    }

    fn rest(&self, took: Duration) -> Duration {
        self.inner.rest(took)
    }

    fn collect(&mut self) -> collector::Reading {
        let reading = self.inner.collect();
        let line = match &reading {
            collector::Reading::Host(reading) => Some(Line::Host(reading.clone())),
            collector::Reading::Sockets(census) => Some(Line::Sockets(census.clone())),
            collector::Reading::Calls(calls) => Some(Line::Calls(calls.clone())),
            collector::Reading::Drops(drops) => Some(Line::Drops(drops.clone())),
            collector::Reading::Flows(flows) => Some(Line::Flows(flows.clone())),
            collector::Reading::Logs(logs) => Some(Line::Logs(logs.clone())),
            // A replay blocks nothing.
            collector::Reading::Lifelines(_) => None,
        };
        line.into_iter().for_each(|line| (self.sink)(line));
        reading
    }
}
