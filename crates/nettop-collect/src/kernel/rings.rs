//! Reading the logs of the CPUs.

use std::{io, time::Duration};

use aya::maps::MapData;
use nettop_common::{
    PacketsBytes, SourceCounters,
    counters::{Counters, Table},
    log::{Record, Ring, Unit},
    slots::Key,
};
use nettop_model::{clock::Moment, snapshot::MapRow};

use super::{
    capacity::{Capacity, CpuList},
    cold::Cold,
    cpus::Cpus,
    messages::NotedMessages,
    windows::Windows,
};
use crate::{
    reading::Reading,
    traffic::{LOG, PACE},
};

/// Units that are mapped at once: 256 KiB, so that only what is in use of a log is resident.
const WINDOW: usize = 1 << 14;

/// A log is read when so much of it is full: what comes while it is read and entered must find room, too.
const SHARE: f64 = 0.3;
/// But not sooner: reading has its own cost.
const LEAST_PACE: Duration = Duration::from_millis(20);

/// The logs, and what was read of them.
pub struct Rings {
    windows: Windows<Unit>,
    /// log₂ of the units of one CPU.
    bits: u32,
    /// By CPU: units read since the program was loaded.
    tails: Vec<u64>,
    /// By [`Table`].
    cold: [Cold; Table::COUNT],
    messages: NotedMessages,
    /// Units that the newest reading had of the fullest log.
    fullest: u64,
    /// When that began, and how long after the one before, seconds.
    began: Moment,
    seconds: f64,
    pace: Duration,
}

/// How many units of a log with 2^`bits` of them are mapped at once.
fn window(bits: u32) -> usize {
    WINDOW.min(1 << bits)
}

impl Rings {
    /// Over the map of all of them.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub fn new(map: &MapData, capacity: Capacity, cpus: &CpuList) -> io::Result<Self> {
        let (bits, len) = (capacity.log_bits, cpus.parts() << capacity.log_bits);
        let windows = Windows::new(map, len, window(bits))?;
        Ok(Self {
            windows,
            bits,
            tails: vec![0; cpus.count()],
            cold: Default::default(),
            messages: NotedMessages::default(),
            fullest: 0,
            began: Moment::now(),
            seconds: 0.0,
            pace: PACE,
        })
    }

    /// Reads what belongs to an idle bank of a CPU, and makes room for as much.
    ///
    /// # Errors
    /// A part cannot be mapped; it is read with the bank that comes next.
    pub fn read(&mut self, cpus: &Cpus, cpu: usize, bank: u32) -> io::Result<()> {
        let Self { windows, bits, tails, cold, messages, fullest, .. } = self;
        let (end, tail) = (cpus.end(cpu, bank), &mut tails[cpu]);
        let Ring { first, mask, .. } = cpus.ring(cpu);
        if end <= *tail || mask == 0 {
            return Ok(());
        }
        let began = *tail;
        let window = window(*bits) as u64;
        let mut begun: Option<Record> = None;
        while *tail < end {
            let at = Ring::place(first, mask, *tail) as usize;
            let count = (window - *tail % window).min(end - *tail) as usize;
            let (units, range) = match windows.get(&(at..at + count)) {
                Ok(window) => window,
                Err(error) => {
                    *tail -= u64::from(begun.is_some());
                    return Err(error);
                }
            };
            for unit in range {
                let unit = units.get(unit);
                match begun.take() {
                    None if let Some((message, sender)) = Record(unit).neighbour() => {
                        messages.note(message, sender);
                    }
                    Some(record) => cold[record.table() as usize].push(record, unit),
                    None if Record(unit).is_long() => begun = Some(Record(unit)),
                    None => cold[Record(unit).table() as usize].push(Record(unit), Key::default()),
                }
            }
            *tail += count as u64;
        }
        cpus.set_tail(cpu, *tail);
        *fullest = (*fullest).max(*tail - began);
        Ok(())
    }

    /// Adds what was read to a reading.
    pub fn add_to(&mut self, reading: &mut Reading) {
        self.messages.add_to(&mut reading.neighbours);
        let [sources, destinations, macs] = &mut self.cold;
        sources.add_up(&mut reading.sources, |record, counters: &mut SourceCounters| record.count_in(counters));
        destinations.add_up_classes(&mut reading.destinations);
        macs.add_up(&mut reading.macs, |record, sum: &mut PacketsBytes| Counters::add(sum, &record.tally()));
    }

    /// A reading begins at this time, which may have nothing of them.
    pub fn begin(&mut self, at: Moment) {
        self.fullest = 0;
        self.seconds = at.seconds_since(&self.began);
        self.began = at;
        self.pace = PACE;
    }

    /// After a reading: chooses when the next one is due, by how fast the fullest log filled since the one before began.
    pub fn adapt(&mut self) {
        let share = (1_u64 << self.bits) as f64 * SHARE;
        // Of an empty log: never, which is the longest.
        let due = self.seconds * share / self.fullest as f64;
        self.pace = Duration::from_secs_f64(due.min(PACE.as_secs_f64()).max(LEAST_PACE.as_secs_f64()));
    }

    /// How full the fullest log was when it was read.
    pub fn fill(&self) -> MapRow {
        MapRow { table: LOG.into(), entries: self.fullest, capacity: 1 << self.bits }
    }

    /// How long after a reading the next one is due.
    pub fn pace(&self) -> Duration {
        self.pace
    }

    /// Gives memory back that no flood needs any more.
    pub fn rest(&mut self) {
        self.windows.rest();
        self.cold.iter_mut().for_each(Cold::rest);
    }
}
