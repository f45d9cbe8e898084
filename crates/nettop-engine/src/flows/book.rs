//! Which flows live, from tables and events, in bounded memory; and what became of all others.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    time::Duration,
};

use foldhash::fast::RandomState;
use nettop_collect::flows::{FlowEvent, FlowKey, FlowRow, FlowSettings, FlowTable, MOST_FLOWS, Told, states};
use nettop_model::{clock::Moment, snapshot::FlowAccounting};

/// For how long it is spoken of that events were lost, nanoseconds.
const LATELY_NS: u64 = 10_000_000_000;
/// Flows that are listed after they have ended.
const MOST_ENDED: usize = 4096;
/// A flow has vanished when so many tables in a row are without it: one table may miss some, since it changes while it is read.
const ABSENT: u8 = 2;

/// One flow that lives, or did.
#[derive(Clone, Debug)]
pub struct Known {
    /// As it was told or read last.
    pub row: FlowRow,
    /// When it began, Unix nanoseconds, where that was told.
    pub began_ns: Option<u64>,
    /// Bytes per second each way, from the table before to the newest one.
    pub bps: Option<[f64; 2]>,
    /// For how long it is kept after a packet, seconds.
    pub timeout_s: Option<u32>,
    /// When its counters were read, or began at zero, on the monotonic clock.
    counted_ns: u64,
    /// Whether it was told that it began.
    is_told: bool,
    /// The number of the first and of the newest table that had it.
    tables: [u64; 2],
    /// How many tables were without it since.
    absent: u8,
}

/// One that has ended.
#[derive(Clone, Debug)]
pub struct EndedFlow {
    /// What it was.
    pub known: Known,
    /// When, Unix nanoseconds.
    pub at_ns: u64,
    /// Whether it has moved no more than that.
    pub is_whole: bool,
    /// When that was entered, on the monotonic clock.
    entered_ns: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub struct FlowBook {
    /// For how long a flow is listed that has ended.
    keep_ended: Duration,
    live: HashMap<FlowKey, Known, RandomState>,
    /// Oldest first.
    ended: VecDeque<EndedFlow>,
    /// Those that live, and there is no room for.
    passed: u64,
    /// How many tables there were.
    tables: u64,
    /// Whether events were lost since the newest table.
    is_estimated: bool,
    /// When that was noticed last, on the monotonic clock.
    lost_ns: Option<u64>,
    /// Those that live are not in it.
    counts: FlowAccounting,
}

impl FlowBook {
    /// Without any; those that have ended are listed for so long.
    pub fn new(keep_ended: Duration) -> Self {
        Self { keep_ended, ..Self::default() }
    }

    /// Enters what was told until `at`.
    pub fn tell(&mut self, told: &mut Told, at: Moment) {
        self.counts.overruns += told.overruns;
        self.counts.untold += told.untold;
        if told.lacks() {
            (self.is_estimated, self.lost_ns) = (true, Some(at.monotonic_ns));
        }
        for event in told.events.drain(..) {
            match event {
                FlowEvent::Began(row) => self.begin(row, at),
                FlowEvent::Ended(row) => self.end(row, at),
            }
        }
        let keep_ns = self.keep_ended.as_nanos() as u64;
        while self.ended.len() > MOST_ENDED
            || self.ended.front().is_some_and(|one| at.monotonic_ns.saturating_sub(one.entered_ns) > keep_ns)
        {
            self.ended.pop_front();
        }
    }

    /// Enters a table, which leaves nothing to guess.
    pub fn table(&mut self, table: FlowTable, settings: &FlowSettings) {
        self.tables += 1;
        let (at, is_whole, mut passed) = (table.at, table.left_out == 0, table.left_out);
        for row in table.flows {
            passed += u64::from(!self.read(row, at, settings));
        }
        // What there is no room for is told apart by its number alone.
        let came = passed.saturating_sub(self.passed);
        self.counts.found += came;
        self.counts.vanished += self.passed.saturating_sub(passed);
        self.passed = passed;
        if is_whole {
            self.miss(at);
        }
        self.is_estimated = false;
    }

    /// A flow as a table has it; whether there is room for it.
    fn read(&mut self, row: FlowRow, at: Moment, settings: &FlowSettings) -> bool {
        let is_full = self.live.len() >= MOST_FLOWS;
        let setting = states::timeout(row.key.protocol, row.state, row.assured);
        let timeout_s = settings.timeouts.get(setting).copied();
        match self.live.entry(row.key) {
            Entry::Vacant(_) if is_full => return false,
            Entry::Vacant(place) => {
                self.counts.found += 1;
                let mut known = Known::new(row, at, self.tables);
                known.timeout_s = timeout_s.max(known.row.timeout_s);
                place.insert(known);
            }
            // The table has it twice.
            Entry::Occupied(known) if known.get().tables[1] == self.tables => {}
            Entry::Occupied(mut known) => known.get_mut().update(row, at, self.tables, timeout_s),
        }
        true
    }

    /// Forgets those that the newest table is without, or remembers that it is.
    fn miss(&mut self, at: Moment) {
        // Where events were lost, one table is enough.
        let most = if self.is_estimated { 1 } else { ABSENT };
        let Self { live, ended, counts, tables, .. } = self;
        live.retain(|_, known| {
            known.absent = if known.tables[1] == *tables { 0 } else { known.absent + 1 };
            let stays = known.absent < most;
            if !stays {
                counts.vanished += 1;
                ended.push_back(EndedFlow::new(known.clone(), at, false));
            }
            stays
        });
    }

    fn begin(&mut self, row: FlowRow, at: Moment) {
        let is_full = self.live.len() >= MOST_FLOWS;
        let tables = self.tables;
        self.counts.began += 1;
        match self.live.entry(row.key) {
            // The table, which was read meanwhile, had it already: it is the same.
            Entry::Occupied(mut known) if !known.get().is_told && known.get().tables[0] == tables => {
                self.counts.found -= 1;
                let known = known.get_mut();
                known.is_told = true;
                known.began_ns = known.row.began_ns.or(Some(at.unix_ns));
            }
            // The end of the one before was not told.
            Entry::Occupied(mut known) => {
                self.counts.vanished += 1;
                let before = known.insert(Known::told(row, at));
                self.ended.push_back(EndedFlow::new(before, at, false));
            }
            Entry::Vacant(_) if is_full => self.passed += 1,
            Entry::Vacant(place) => _ = place.insert(Known::told(row, at)),
        }
    }

    fn end(&mut self, row: FlowRow, at: Moment) {
        self.counts.ended += 1;
        let is_whole = row.moved.is_some();
        let ended = match self.live.remove(&row.key) {
            Some(known) => known.ended(&row),
            None => {
                match self.passed.checked_sub(1) {
                    Some(others) => self.passed = others,
                    None => self.counts.found += 1,
                }
                Known::new(row, at, 0)
            }
        };
        self.ended.push_back(EndedFlow::new(ended, at, is_whole));
    }

    /// Counts anew from now on; what lives was found there.
    pub fn reset(&mut self) {
        self.ended.clear();
        self.counts = FlowAccounting { found: self.live.len() as u64 + self.passed, ..FlowAccounting::default() };
    }

    /// Those that live.
    pub fn live(&self) -> impl Iterator<Item = &Known> {
        self.live.values()
    }

    /// Those that ended lately, the newest first.
    pub fn ended(&self) -> impl Iterator<Item = &EndedFlow> {
        self.ended.iter().rev()
    }

    /// Those that live, and there is no room for.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// Whether events were lost since the newest table.
    pub fn is_estimated(&self) -> bool {
        self.is_estimated
    }

    /// Whether it was noticed lately that events were lost.
    pub fn has_lost(&self, now: Moment) -> bool {
        self.lost_ns.is_some_and(|lost| now.monotonic_ns.saturating_sub(lost) <= LATELY_NS)
    }

    /// Where all of them went.
    pub fn accounting(&self) -> FlowAccounting {
        let live = self.live.len() as u64 + self.passed;
        let FlowAccounting { found, began, ended, vanished, .. } = self.counts;
        FlowAccounting { live, holds: found + began == live + ended + vanished, ..self.counts }
    }
}

impl Known {
    /// One of which nothing was known, in the table with this number.
    fn new(row: FlowRow, at: Moment, table: u64) -> Self {
        Self {
            began_ns: row.began_ns,
            bps: None,
            timeout_s: None,
            counted_ns: at.monotonic_ns,
            is_told: false,
            tables: [table; 2],
            absent: 0,
            row,
        }
    }

    /// One that begins.
    fn told(row: FlowRow, at: Moment) -> Self {
        let began_ns = row.began_ns.or(Some(at.unix_ns));
        Self { is_told: true, began_ns, ..Self::new(row, at, 0) }
    }

    fn update(&mut self, row: FlowRow, at: Moment, table: u64, timeout_s: Option<u32>) {
        let seconds = at.monotonic_ns.saturating_sub(self.counted_ns) as f64 / 1e9;
        // Of one that was told to begin nothing was counted yet.
        let before = self.row.moved.or((self.tables[0] == 0).then_some([(0, 0); 2]));
        let moved = before.zip(row.moved).filter(|_| seconds > 0.0);
        self.bps =
            moved.map(|(before, now)| [0, 1].map(|way| now[way].1.saturating_sub(before[way].1) as f64 / seconds));
        // A rule may keep flows for longer than the setting says.
        let longest = self.timeout_s.filter(|_| self.row.state == row.state && self.row.assured == row.assured);
        self.timeout_s = timeout_s.max(row.timeout_s).max(longest);
        self.began_ns = self.began_ns.or(row.began_ns);
        self.tables[1] = table;
        if self.tables[0] == 0 {
            self.tables[0] = table;
        }
        (self.row, self.counted_ns, self.absent) = (row, at.monotonic_ns, 0);
    }

    /// As its end was told: what that does not say stays.
    fn ended(self, last: &FlowRow) -> Self {
        let row = FlowRow {
            state: last.state.or(self.row.state),
            moved: last.moved.or(self.row.moved),
            replied: last.replied || self.row.replied,
            assured: last.assured || self.row.assured,
            ..last.clone()
        };
        Self { began_ns: row.began_ns.or(self.began_ns), row, ..self }
    }
}

impl EndedFlow {
    fn new(known: Known, at: Moment, is_whole: bool) -> Self {
        Self { at_ns: known.row.ended_ns.unwrap_or(at.unix_ns), known, is_whole, entered_ns: at.monotonic_ns }
    }
}
