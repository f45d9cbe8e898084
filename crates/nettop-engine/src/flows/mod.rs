//! The flows that this host forwards or translates: which live, what became of the others, and what is not known of them.

mod badges;
mod book;
mod rows;
#[cfg(test)]
mod tests;

use std::{cell::OnceCell, cmp::Ordering, sync::Arc, time::Duration};

use nettop_collect::flows::{FlowReading, FlowSettings, FlowTable};
use nettop_model::{
    clock::Moment,
    snapshot::{DEFAULT_LIMIT, Flow, Flows},
};

use self::book::{FlowBook, Known};
use crate::heaviest::{busiest, heaviest};

/// The newest reading, and the book.
#[derive(Default)]
pub struct FlowState {
    newest: Option<Newest>,
    book: FlowBook,
    /// Made when somebody asks for the first time since anything was entered: events are read more often than that.
    published: OnceCell<Option<Arc<Flows>>>,
}

/// What of a reading is not in the book.
#[derive(Default)]
struct Newest {
    at: Moment,
    settings: FlowSettings,
    /// Why the only table is that of the start.
    unreadable: Option<String>,
    problems: Vec<String>,
    /// The newest table, without its flows, and seconds since the one before.
    table: Option<(FlowTable, f64)>,
}

impl FlowState {
    /// Without any; flows that have ended are listed for so long.
    pub fn new(keep_ended: Duration) -> Self {
        Self { book: FlowBook::new(keep_ended), ..Self::default() }
    }

    /// Enters a reading.
    pub fn enter(&mut self, reading: FlowReading) {
        let FlowReading { at, mut before, table, mut after, settings, unreadable, problems } = reading;
        self.book.tell(&mut before, at);
        let older = self.newest.take().and_then(|newest| newest.table);
        let table = match table {
            None => older,
            Some(mut table) => {
                let seconds = older.map_or(0.0, |(older, _)| table.at.seconds_since(&older.at));
                let flows = std::mem::take(&mut table.flows);
                self.book.table(FlowTable { flows, ..table.clone() }, &settings);
                Some((table, seconds))
            }
        };
        self.book.tell(&mut after, at);
        self.newest = Some(Newest { at, settings, unreadable, problems, table });
        self.published.take();
    }

    /// Counts anew.
    pub fn reset(&mut self) {
        self.book.reset();
        self.published.take();
    }

    /// What is published of it, with at most `limit` (0: all) rows in each list.
    pub fn group(&self, limit: usize) -> Option<Arc<Flows>> {
        if limit == DEFAULT_LIMIT {
            return self.published.get_or_init(|| self.made(limit)).clone();
        }
        self.made(limit)
    }

    fn made(&self, limit: usize) -> Option<Arc<Flows>> {
        let Newest { at, settings, unreadable, table, .. } = self.newest.as_ref()?;
        let most = if limit == 0 { usize::MAX } else { limit };
        let mut left_out = 0;
        let live = heaviest(self.book.live().collect(), limit, &mut left_out, |one, other| order(one, other));
        let ended: Vec<Flow> = self.book.ended().take(most).map(rows::ended).collect();
        left_out += (self.book.ended().count() - ended.len()) as u64;
        let (seconds, cost_us, rest, own) = table.as_ref().map_or((0.0, 0, 0.0, 0), |(table, seconds)| {
            (*seconds, table.cost_ns / 1000, table.rest_ns as f64 / 1e9, table.own)
        });
        Some(Arc::new(Flows {
            at_ns: at.unix_ns,
            table_ns: table.as_ref().map(|(table, _)| table.at.unix_ns),
            seconds,
            cost_us,
            rest,
            live: live.into_iter().map(|known| rows::live(known, unreadable.is_none())).collect(),
            ended,
            left_out,
            passed: self.book.passed(),
            own,
            count: settings.count,
            max: settings.max,
            dropped: settings.dropped,
            evicted: settings.evicted,
            acct: settings.acct,
            timestamp: settings.timestamp,
            estimated: self.book.is_estimated(),
            accounting: self.book.accounting(),
        }))
    }
}

/// The busiest first, then those that have moved most.
fn order(one: &Known, other: &Known) -> Ordering {
    let weight = |known: &Known| {
        let bps = known.bps.map_or(0.0, |[tx, rx]| tx + rx);
        (bps, known.row.moved.map_or(0, |[(_, tx), (_, rx)]| tx.saturating_add(rx)))
    };
    let ends = |known: &Known| (known.row.key.original.source, known.row.key.original.destination);
    busiest(weight(one), weight(other))
        .then_with(|| ends(one).cmp(&ends(other)))
        .then_with(|| one.row.key.original.ports.cmp(&other.row.key.original.ports))
}
