//! The flows that this host forwards or translates, and exchanges of ICMP, as conntrack keeps track of them. Its own flows are connections,
//! and only counted.
//!
//! Births and ends are told by events, over a socket that was bound before the sandbox was entered. How the flows that live are is read in
//! the text that only root opens; where it cannot be opened, they are listed once, while there is a capability for that.

mod events;
mod message;
mod own;
mod reading;
mod settings;
pub mod states;
mod text;

use std::{
    io,
    time::{Duration, Instant},
};

use netlink_sys::protocols::NETLINK_NETFILTER;
use nettop_model::clock::{self, Moment};

use self::{events::Events, text::Text};
pub use self::{
    events::events,
    message::row as row_of_message,
    own::Own,
    reading::{
        FlowEvent, FlowKey, FlowReading, FlowRow, FlowSettings, FlowTable, MOST_EVENTS, MOST_FLOWS, Told, Tuple,
    },
    settings::Settings,
    text::row as row_of_line,
};
use crate::{
    collector::{self, Collector, Reading},
    netlink::kept::Kept,
};

/// How often events are read, and how often where many come.
const PACE: Duration = Duration::from_secs(1);
const BUSY: Duration = Duration::from_millis(100);
/// So many at once are many: the socket's buffer has room for some ten thousand.
const MANY: usize = 1000;
/// How often the table is read, where that costs little; where nothing has moved since; and at least.
const TABLE: Duration = Duration::from_secs(1);
const QUIET: Duration = Duration::from_secs(3);
const SLOWEST: Duration = Duration::from_secs(300);
/// How often it is asked which addresses are this host's, where no table is read.
const LOOK: Duration = Duration::from_secs(10);
/// What problems are about.
const EVENTS: &str = "the events of conntrack";
const ADDRESSES: &str = "the addresses of this host";
/// So many pieces of the table are read until it is looked for events.
const PIECES: u32 = 256;

/// Reads them.
pub struct Flows {
    settings: Settings,
    events: io::Result<Events>,
    text: io::Result<Text>,
    own: Own,
    /// The table of the start, where that is the only one.
    first: Option<FlowTable>,
    /// What could not be opened, in words.
    problems: Vec<String>,
    /// Not before this the next table is due.
    next: Instant,
    /// What the newest table had moved.
    moved: Option<u64>,
    rest: Duration,
}

impl Flows {
    /// Opens what is read: to be called before the sandbox is entered. `None`: this kernel does not keep track of connections.
    ///
    /// It asks for nothing that would have the kernel load what it is without.
    pub fn open() -> Option<Self> {
        let settings = Settings::open()?;
        // Before the table is read, so that no birth is missed in between.
        let events = Events::open();
        let (text, mut own) = (Text::open(), Own::default());
        let mut problems = Vec::new();
        let mut note = |what: &str, error: &io::Error| problems.push(format!("{what}: {error}"));
        if let Err(error) = &events {
            note(EVENTS, error);
        }
        if let Err(error) = own.look() {
            note(ADDRESSES, &error);
        }
        let mut first = None;
        if text.is_err() {
            match listed(&own) {
                Ok(table) => first = Some(table),
                Err(error) => note("the flows there are", &error),
            }
        }
        Some(Self { settings, events, text, own, first, problems, next: Instant::now(), moved: None, rest: PACE })
    }

    /// Reads what has come since, and the table where it is due.
    pub fn read(&mut self) -> FlowReading {
        let began = clock::thread_cpu_ns();
        let mut reading =
            FlowReading { settings: self.settings.read(), problems: self.problems.clone(), ..FlowReading::default() };
        reading.unreadable = self.text.as_ref().err().map(ToString::to_string);
        let mut came = take_events(&mut self.events, &self.own, &mut reading.before);
        reading.table = self.first.take();
        if Instant::now() >= self.next {
            self.next = Instant::now() + LOOK;
            if let Err(error) = self.own.look() {
                reading.problems.push(format!("{ADDRESSES}: {error}"));
            }
            came += self.read_table(&mut reading);
        }
        came += take_events(&mut self.events, &self.own, &mut reading.after);
        // The table is paced by itself.
        let of_table = reading.table.as_ref().map_or(0, |table| table.cost_ns);
        let cost_ns = clock::thread_cpu_ns().saturating_sub(began).saturating_sub(of_table);
        self.rest = collector::rest(cost_ns).max(if came >= MANY { BUSY } else { PACE });
        reading.at = Moment::now();
        reading
    }

    /// Reads the table, where it can be read, and the events that come meanwhile; returns how many these were.
    fn read_table(&mut self, reading: &mut FlowReading) -> usize {
        let began = clock::thread_cpu_ns();
        let Self { text: Ok(text), events, own, .. } = self else { return 0 };
        let mut table = FlowTable { at: Moment::now(), ..FlowTable::default() };
        let (now_ns, mut pieces, mut came) = (table.at.unix_ns, 0_u32, 0);
        // That it is empty is known by its number: to go through it takes milliseconds all the same.
        if reading.settings.count != Some(0) {
            let read = text.lines(
                &mut |line| match text::row(line, now_ns) {
                    Some(row) => take(&mut table, own, row),
                    None => table.unread += 1,
                },
                &mut || {
                    pieces += 1;
                    if pieces.is_multiple_of(PIECES) {
                        came += take_events(events, own, &mut reading.after);
                    }
                },
            );
            if let Err(error) = read {
                reading.problems.push(format!("/proc/net/nf_conntrack: {error}"));
                return came;
            }
        }
        table.cost_ns = clock::thread_cpu_ns().saturating_sub(began);
        let moved = moved(&table);
        let rest = rest(table.cost_ns, self.moved == Some(moved));
        (self.moved, self.next) = (Some(moved), Instant::now() + rest);
        table.rest_ns = rest.as_nanos() as u64;
        reading.table = Some(table);
        came
    }
}

/// Reads the events that wait; returns how many.
fn take_events(events: &mut io::Result<Events>, own: &Own, told: &mut Told) -> usize {
    // Why there is no socket is told once, with what is wrong at the start.
    let Ok(events) = events else { return 0 };
    let came = events.read(&mut |event| {
        let (FlowEvent::Began(row) | FlowEvent::Ended(row)) = &event;
        if own.lists(row) {
            told.push(event);
        }
    });
    told.overruns += came.overruns;
    came.events
}

/// All flows as netlink lists them, which takes CAP_NET_ADMIN.
fn listed(own: &Own) -> io::Result<FlowTable> {
    let began = clock::thread_cpu_ns();
    let mut table = FlowTable { at: Moment::now(), ..FlowTable::default() };
    let mut kept = Kept::open(NETLINK_NETFILTER)?;
    kept.dump(message::GET, &[0; message::HEADER], &mut |body| match message::row(body) {
        Some(row) => take(&mut table, own, row),
        None => table.unread += 1,
    })?;
    table.cost_ns = clock::thread_cpu_ns().saturating_sub(began);
    Ok(table)
}

/// Takes a flow into the table, if it is one that is listed and there is room.
fn take(table: &mut FlowTable, own: &Own, row: FlowRow) {
    match own.lists(&row) {
        false => table.own += 1,
        true if table.flows.len() < MOST_FLOWS => table.flows.push(row),
        true => table.left_out += 1,
    }
}

impl Collector for Flows {
    fn name(&self) -> &'static str {
        "flows"
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn rest(&self, _: Duration) -> Duration {
        self.rest
    }

    fn collect(&mut self) -> Reading {
        Reading::Flows(Box::new(self.read()))
    }
}

/// How long to wait after a table that took so much of a CPU, and in which something had moved or not.
fn rest(cost_ns: u64, is_quiet: bool) -> Duration {
    collector::rest(cost_ns).clamp(if is_quiet { QUIET } else { TABLE }, SLOWEST)
}

/// A number that is another one when a flow came or went, or one moved anything.
fn moved(table: &FlowTable) -> u64 {
    let of = |row: &FlowRow| row.moved.map_or(1, |[(tx, _), (rx, _)]| tx.wrapping_add(rx).wrapping_add(1));
    table.flows.iter().map(of).fold(table.left_out, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_a_bounded_share_of_a_cpu() {
        for (cost_ms, is_quiet, expected_ms) in [
            (0, false, 1000),
            (20, false, 1000),
            (137, false, 6850),
            (0, true, 3000),
            (137, true, 6850),
            (60_000, false, 300_000),
            (u64::MAX / 1_000_000, true, 300_000),
        ] {
            assert_eq!(
                rest(cost_ms * 1_000_000, is_quiet),
                Duration::from_millis(expected_ms),
                "{cost_ms} ms {is_quiet}"
            );
        }
    }
}
