//! Reading what the kernel program counts, and telling it what to count.

use std::{io, sync::Arc, time::Duration};

use anyhow::{Result, anyhow};
use nettop_common::{
    ClassTally, Config, Event, Filter, Outcome,
    blocks::{BlockKey, NO_BLOCKS, OF_NONE},
    config::NO_FILTER,
    counters::Table,
    neighbour::{self, Neighbours},
    unique,
};
use nettop_model::{
    clock::{Moment, asleep_ns},
    kernel_maps::Reader,
    snapshot::{Degraded, MapRow},
};

use super::{Xdp, blocks::Blocks, egress::Egress, names};
use crate::{
    blocker::Blocker,
    reading::{Reading, Tables, Watched},
    traffic::{Cost, Traffic},
};

/// Events taken at once: a few milliseconds of work.
const MOST_EVENTS: usize = 16_384;
/// Seconds after which memory that is not in use any more is given back.
const REST: f64 = 5.0;

impl Traffic for Xdp {
    /// Has the program count in the other bank, waits until none of its runs counts in the one before, and moves what is in that
    /// into `reading`. Where nothing was counted, nothing is done.
    fn read(&mut self, reading: &mut Reading) {
        reading.clear();
        reading.at = Moment::now();
        self.read_until = reading.at;
        self.keys.begin(reading.at);
        if self.blocks.as_mut().is_some_and(Blocks::refresh) {
            self.tell_blocks();
        }
        if reading.at.seconds_since(&self.rested) > REST {
            self.rest(reading.at);
        }
        let config = self.cpus.config();
        let sent = self.egress.as_ref().is_some_and(|egress| egress.has_any(config.bank));
        if !sent && (0..self.cpus.count()).all(|cpu| self.cpus.seen(cpu, config.bank) == 0) {
            return;
        }
        self.cpus.tell(Config { bank: 1 - config.bank, ..config });
        self.egress.iter().for_each(|egress| egress.set_bank(1 - config.bank));
        self.asleep_ns = asleep_ns();
        self.grace.wait();
        let places = self.programs.places.names();
        for cpu in 0..self.cpus.count() {
            self.empty(cpu, config.bank, &places, reading);
        }
        self.keys.finish(config.bank, reading);
        let dropped = reading.totals.outcome(Outcome::Blocked).packets;
        self.blocks.iter_mut().for_each(|blocks| blocks.read(config.bank, dropped > 0, reading));
        self.egress.iter_mut().for_each(|egress| egress.read(config.bank, reading));
        // The program's clock stands still while the machine is suspended.
        if self.asleep_ns > 0 {
            for (_, counters) in &mut reading.sources {
                counters.first_ns += self.asleep_ns;
                counters.last_ns += self.asleep_ns;
            }
        }
    }

    fn pace(&self) -> Duration {
        self.keys.pace()
    }

    fn read_tables_anew(&mut self, tables: &mut Tables) {
        // They may have changed since the newest reading.
        self.has_news = true;
        self.read_tables(tables);
    }

    /// Reads the cumulative tables. They are those of the last call, which is spared where no packet came since: what a quiet
    /// monitor costs is this, most of all.
    fn read_tables(&mut self, tables: &mut Tables) {
        if !std::mem::take(&mut self.has_news) {
            return;
        }
        self.cpus.read_tables(tables);
    }

    /// Calls `each` for the events that came before the banks were last flipped, which the reading before is of: so many at most that
    /// a flood, which brings more while these are taken, cannot keep us here.
    fn drain_events(&mut self, each: &mut dyn FnMut(&Event)) {
        for _ in 0..MOST_EVENTS {
            let next = || bytemuck::try_pod_read_unaligned::<Event>(&self.events.next()?).ok();
            let Some(event) = self.early.take().or_else(next) else { return };
            let at_ns = event.at_ns + self.asleep_ns;
            if at_ns > self.read_until.monotonic_ns {
                self.early = Some(event);
                return;
            }
            each(&Event { at_ns, ..event });
        }
    }

    fn counts_egress(&self) -> bool {
        self.egress.is_some()
    }

    fn capacity(&self, table: Table) -> Option<u64> {
        Some(self.keys.capacity(table))
    }

    fn entries(&self, table: Table) -> u64 {
        self.keys.entries(table)
    }

    fn keys_stay(&self) -> bool {
        self.keys.stay()
    }

    /// Where keys stay until they are forgotten, that is done now. What comes meanwhile is filtered, as in a pause: it belongs to
    /// what is before the reset.
    fn make_room(&mut self) {
        if !self.keys.stay() {
            return;
        }
        let config = self.cpus.config();
        self.cpus.tell(Config { paused: 1, ..config });
        self.grace.wait();
        self.keys.forget();
        self.cpus.tell(config);
    }

    fn degraded(&self) -> Vec<Degraded> {
        let mut rows = Vec::new();
        let mut push = |badge: &str, what: String, reason: String, remedy: &str| {
            rows.push(Degraded { badge: badge.into(), what, reason, remedy: remedy.into() });
        };
        if let Some(error) = self.grace.refused() {
            push(
                "read after a delay",
                "what is counted is read some milliseconds after counting has gone on elsewhere".into(),
                format!(
                    "membarrier: {error}; a CPU that the hypervisor stops for longer may count where it is read, and be miscounted"
                ),
                "start the kernel without nohz_full, or let the container call membarrier",
            );
        }
        if !self.late.is_empty() {
            let cpus: Vec<_> = self.late.iter().map(ToString::to_string).collect();
            push(
                "CPU without tables",
                format!("sources and ports of packets on CPU {} are not counted", cpus.join(", ")),
                "it was offline when the program was loaded".into(),
                "start nettop again",
            );
        }
        rows
    }

    fn log_fill(&self) -> Option<MapRow> {
        self.keys.log_fill()
    }

    /// Puts a filter in force, or none. The program sees either the old or the new one, never a mixture.
    fn set_filter(&mut self, filter: Option<&Filter>) {
        let config = self.cpus.config();
        let slot = match filter {
            None => NO_FILTER,
            Some(filter) => {
                let idle = if config.filter == 1 { 1 } else { 0 };
                self.filters.set(idle, filter);
                1 + idle as u16
            }
        };
        self.cpus.tell(Config { filter: slot, ..config });
    }

    fn blocker(&mut self) -> Option<&mut dyn Blocker> {
        self.blocks.is_some().then_some(self)
    }

    fn set_paused(&mut self, paused: bool) {
        self.cpus.tell(Config { paused: u32::from(paused), ..self.cpus.config() });
        self.egress.iter().for_each(|egress| egress.set_paused(paused));
    }

    fn set_sampling(&mut self, every: u32) {
        self.cpus.tell(Config { sample: every, ..self.cpus.config() });
    }

    fn unique_key(&self) -> Option<unique::HashKey> {
        Some(self.cpus.unique_key())
    }

    fn clear_unique(&mut self) {
        self.cpus.clear_unique();
        self.has_news = true;
    }

    fn set_interfaces(&mut self, names: &[String]) -> Result<()> {
        self.watcher.set(names)
    }

    /// The interfaces asked for, as they can be asked for again.
    fn interface_names(&self) -> Vec<String> {
        self.watcher.names().map(names::listed).collect()
    }

    /// What is watched, when somebody has looked since the last time: a thread looks each second, attaches to interfaces that have
    /// come back, and goes where the default route leads; nobody waits for it.
    fn watched(&mut self) -> Option<Watched> {
        self.watcher.news()
    }

    fn explain_below(&mut self, indexes: Vec<u32>) {
        self.watcher.explain_below(indexes);
    }

    fn cost(&self) -> Cost {
        self.measure()
    }

    fn maps_reader(&self) -> io::Result<Option<Reader>> {
        self.dump_reader().map(Some)
    }
}

impl Blocker for Xdp {
    fn room(&self) -> usize {
        self.blocks.as_ref().map_or(0, Blocks::room)
    }

    fn block(&mut self, key: BlockKey, until_ns: u64) -> Result<u32> {
        let (number, changed) = self.blocks.as_mut().ok_or_else(no_blocks)?.insert(&key, until_ns)?;
        if changed {
            self.tell_blocks();
        }
        Ok(number)
    }

    fn unblock(&mut self, key: &BlockKey) -> Result<()> {
        self.blocks.as_mut().ok_or_else(no_blocks)?.remove(key)
    }
}

fn no_blocks() -> anyhow::Error {
    anyhow!("this monitor drops nothing: it was started with --without blocks; start it without that")
}

impl Xdp {
    /// Has the program look at the set that is in force. It may still be looking at the other one, which is written next: so until no run
    /// does.
    fn tell_blocks(&mut self) {
        let blocks = self.blocks.as_ref().map_or(NO_BLOCKS, Blocks::in_force);
        self.cpus.tell(Config { blocks, ..self.cpus.config() });
        self.grace.wait();
    }

    /// Empties one CPU's part of a bank.
    fn empty(&mut self, cpu: usize, bank: u32, places: &[(usize, Arc<str>)], reading: &mut Reading) {
        if self.cpus.seen(cpu, bank) == 0 {
            return;
        }
        self.has_news = true;
        let totals = self.cpus.totals(cpu, bank);
        reading.totals.add(&totals);
        let blocked = totals.outcome(Outcome::Blocked).packets;
        if blocked > 0 && self.cpus.part(cpu).is_none() {
            reading.dropped.push((OF_NONE, blocked));
        }
        let neighbours = self.cpus.neighbours(cpu, bank);
        let of_neighbours = neighbours != Neighbours::default();
        if of_neighbours {
            let Neighbours { seen, untracked } = neighbours;
            neighbour::add(&mut reading.neighbours.seen, &seen);
            neighbour::add(&mut reading.neighbours.untracked, &untracked);
        }
        if totals.outcome(Outcome::Counted).packets > 0 || of_neighbours {
            if self.cpus.part(cpu).is_none() {
                self.late.insert(cpu);
            }
            self.keys.read(&self.cpus, cpu, bank, reading);
            for (place, name) in places {
                let came = ClassTally::each(self.cpus.interface(cpu, bank, *place));
                reading.interfaces.extend(came.map(|tally| (Arc::clone(name), tally)));
                self.cpus.clear_interface(cpu, bank, *place);
            }
        }
        self.cpus.clear_totals(cpu, bank);
    }

    /// Gives memory back that is not in use any more.
    fn rest(&mut self, now: Moment) {
        self.rested = now;
        self.keys.rest();
        self.egress.iter_mut().for_each(Egress::rest);
        self.blocks.iter_mut().for_each(Blocks::rest);
    }
}
