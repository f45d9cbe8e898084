//! Whom sessions had a reason to suspect: what outlives the monitor, a line of JSON for each address.

use std::{collections::BTreeSet, net::IpAddr};

use foldhash::fast::RandomState;
use indexmap::{IndexMap, map::Entry};
use nettop_model::{
    format,
    snapshot::{Name, Severity},
};
use serde::{Deserialize, Serialize};

use crate::{
    Engine,
    detect::{Finds, RULES},
};

/// The name of the file.
pub const FILE: &str = "flagged.jsonl";
/// Room for all addresses, and all kinds of rules about each.
pub const MOST_BYTES: u64 = 8 << 20;
/// Addresses.
const MOST: usize = 8192;
/// Of so many that are looked at the one goes that was found least lately.
const LOOKED_AT: usize = 16;
/// So long they are remembered.
const KEPT_NS: u64 = 90 * 86_400 * 1_000_000_000;
/// Between two times that the file is written, nanoseconds.
const PACE_NS: u64 = 60_000_000_000;
/// Kinds of rules that are remembered of one address.
const MOST_KINDS: usize = 16;

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Who.
    pub ip: IpAddr,
    /// When it was found last, Unix nanoseconds.
    pub last_ns: u64,
    /// In how many sessions.
    pub sessions: u64,
    /// By which rules.
    pub kinds: BTreeSet<Name>,
    /// Whether it was found in this session.
    #[serde(skip)]
    is_new: bool,
    /// Whether it was told that it is back.
    #[serde(skip)]
    is_told: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Flagged {
    rows: IndexMap<IpAddr, Row, RandomState>,
    is_changed: bool,
    written_ns: u64,
}

impl Flagged {
    /// Takes what was kept. Returns how many lines could not be read.
    pub fn load(&mut self, bytes: &[u8], now_ns: u64) -> usize {
        let mut broken = 0;
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<Row>(line) {
                Ok(row) if self.rows.len() < MOST && now_ns.saturating_sub(row.last_ns) < KEPT_NS => {
                    self.rows.insert(row.ip, Row { is_new: false, is_told: false, ..row });
                }
                Ok(_) => {}
                Err(_) => broken += 1,
            }
        }
        broken
    }

    /// A rule has found an address.
    pub fn note(&mut self, ip: IpAddr, kind: &'static str, at_ns: u64) {
        // Each line may find the same one again.
        if let Some(row) = self.rows.get_mut(&ip).filter(|row| row.is_new && row.kinds.contains(kind)) {
            row.last_ns = row.last_ns.max(at_ns);
            self.is_changed = true;
            return;
        }
        if !is_remembered(kind) {
            return;
        }
        if self.rows.len() >= MOST && !self.rows.contains_key(&ip) {
            let some = (0..LOOKED_AT).map(|_| fastrand::usize(..self.rows.len()));
            some.min_by_key(|at| self.rows[*at].last_ns).map(|at| self.rows.swap_remove_index(at));
        }
        let row = match self.rows.entry(ip) {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(place) => {
                place.insert(Row { ip, last_ns: 0, sessions: 0, kinds: BTreeSet::new(), is_new: false, is_told: false })
            }
        };
        if !std::mem::replace(&mut row.is_new, true) {
            row.sessions = row.sessions.saturating_add(1);
        }
        row.last_ns = row.last_ns.max(at_ns);
        if row.kinds.len() < MOST_KINDS {
            row.kinds.insert(Name::Borrowed(kind));
        }
        self.is_changed = true;
    }

    /// A line of an address has come: in how many earlier sessions it was found, and that in words, where that is to be told now.
    pub fn returns(&mut self, ip: &IpAddr, at_ns: u64, threshold: u64) -> Option<(u64, String)> {
        let row = self.rows.get_mut(ip)?;
        let earlier = row.sessions;
        if threshold == 0 || earlier < threshold || row.is_new || std::mem::replace(&mut row.is_told, true) {
            return None;
        }
        let kinds = row.kinds.iter().map(|kind| format::visible(kind)).collect::<Vec<_>>().join(", ");
        let sessions = if earlier == 1 { "an earlier session".into() } else { format!("{earlier} earlier sessions") };
        Some((earlier, format!("found in {sessions}, the last time {} ago: {kinds}", format::ago(at_ns, row.last_ns))))
    }

    /// As a file, if something has changed and it is time, or the `end` of the monitor.
    pub fn file(&mut self, now_ns: u64, end: bool) -> Option<Vec<u8>> {
        let is_due = end || now_ns.abs_diff(self.written_ns) >= PACE_NS;
        if !is_due || !std::mem::take(&mut self.is_changed) {
            return None;
        }
        self.written_ns = now_ns;
        let mut bytes = Vec::new();
        for row in self.rows.values().filter(|row| now_ns.saturating_sub(row.last_ns) < KEPT_NS) {
            // All of it can be written.
            if serde_json::to_writer(&mut bytes, row).is_ok() {
                bytes.push(b'\n');
            }
        }
        Some(bytes)
    }
}

/// Whether whom a rule finds is remembered: where that is a warning or worse. Who returns is not found anew by that.
fn is_remembered(kind: &str) -> bool {
    let rule = RULES.iter().find(|rule| rule.kind == kind);
    matches!(rule.map(|rule| rule.finds), Some(Finds::Each(each)) if each.severity > Some(Severity::Info))
}

impl Engine {
    /// Takes whom earlier monitors have found.
    pub(crate) fn load_flagged(&mut self) {
        let Some(bytes) = self.sinks.state().and_then(|state| state.read(FILE, MOST_BYTES)) else { return };
        let broken = self.logs.flagged.load(&bytes, self.reading.at.unix_ns);
        if broken > 0 {
            log::warn!("{FILE}: {broken} lines cannot be read, and are left out");
        }
    }

    /// Has those written, if that is due.
    pub(crate) fn keep_flagged(&mut self, end: bool) {
        if let Some(state) = self.sinks.state()
            && let Some(bytes) = self.logs.flagged.file(self.reading.at.unix_ns, end)
        {
            state.write(FILE, bytes);
        }
    }
}
