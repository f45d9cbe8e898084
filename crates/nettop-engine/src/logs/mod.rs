//! What logs tell, by address: visits, the newest lines, and who does what rules look for. A log claims and the kernel knows: what is known of the
//! address stands beside when it is published.

mod badges;
mod buckets;
mod lines;
mod measures;
mod rows;
#[cfg(test)]
mod tests;
mod visits;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use nettop_collect::logs::{Entry, FileFacts, Lines, LogReading};
use nettop_model::{
    clock::Moment,
    snapshot::{LogAccounting, LogFile, LogLines, Visits},
};

pub use self::rows::Known;
use self::{
    lines::Newest,
    measures::Measured,
    visits::{Visit, VisitTable},
};
use crate::{
    detect::{Suspect, Thresholds},
    heaviest::heaviest,
};

/// Addresses that are remembered.
const MOST_VISITS: usize = 65_536;
/// How long ago a line proves something, as for packets that are seen.
const LATELY_NS: u64 = 600_000_000_000;
const HOUR_NS: u64 = 3_600_000_000_000;

/// The state.
pub struct LogState {
    visits: VisitTable,
    newest: Newest,
    measured: Measured,
    /// What the newest reading says beside its lines; `None`: there was none.
    told: Option<Told>,
    /// What had become of all lines at the last reset.
    base: Lines,
}

/// Whether lines of the last ten minutes name an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// None does.
    Nowhere,
    /// As the other end of a connection.
    Itself,
    /// Only as somebody behind this trusted proxy.
    Behind(IpAddr),
}

/// What a reading says beside its lines.
#[derive(Default)]
struct Told {
    at: Moment,
    files: Vec<FileFacts>,
    problems: Vec<String>,
    behind: f64,
}

impl Default for LogState {
    fn default() -> Self {
        Self {
            visits: VisitTable::new(MOST_VISITS),
            newest: Newest::default(),
            measured: Measured::default(),
            told: None,
            base: Lines::default(),
        }
    }
}

impl LogState {
    /// Enters a reading; the rules that look at lines find something from these thresholds on. Returns whether somebody has logged in.
    pub fn enter(&mut self, reading: LogReading, thresholds: &Thresholds) -> bool {
        let LogReading { at, entries, files, problems, behind } = reading;
        for entry in &entries {
            if let Some(ip) = entry.client {
                let visit = self.visits.enter(ip, entry);
                if !entry.old {
                    let place = if entry.peer.is_none() { &mut visit.itself_ns } else { &mut visit.behind_ns };
                    *place = at.monotonic_ns;
                    self.measured.enter(ip, entry, visit, thresholds);
                }
            }
        }
        let has_login = entries.iter().any(Entry::is_accepted);
        self.newest.enter(entries, &files);
        self.told = Some(Told { at, files, problems, behind });
        has_login
    }

    /// Whether lines of the last ten minutes name it, and how. What was in a file before the start is none of these.
    pub fn named(&self, ip: &IpAddr, now: Moment) -> Named {
        let Some(visit) = self.visits.get(ip) else { return Named::Nowhere };
        let is_late = |at_ns: u64| at_ns != 0 && now.monotonic_ns.saturating_sub(at_ns) <= LATELY_NS;
        let proxy = visit.more().and_then(|more| more.peers[0]);
        match proxy {
            _ if is_late(visit.itself_ns) => Named::Itself,
            Some(proxy) if is_late(visit.behind_ns) => Named::Behind(proxy),
            _ => Named::Nowhere,
        }
    }

    /// Whether logins of it failed, and none was accepted.
    pub fn has_only_failed(&self, ip: &IpAddr) -> bool {
        self.visits.get(ip).is_some_and(|visit| visit.failures > 0 && visit.accepted == 0)
    }

    /// Who makes ordinary requests, or logs in: addresses that logs name, in order, without those for which there is a reason and those of
    /// which no line came in the last hour. Whoever comes through a proxy is there by that proxy's address. `None`: no logs are followed.
    pub fn ordinary(&self) -> Option<Vec<(IpAddr, u64)>> {
        let now_ns = self.told.as_ref().filter(|told| !told.files.is_empty())?.at.unix_ns;
        let is_ordinary = |visit: &Visit| {
            !visit.is_suspicious()
                && (visit.requests > 0 || visit.accepted > 0)
                && now_ns.saturating_sub(visit.last_ns) <= HOUR_NS
        };
        let all = self.visits.iter().filter(|(_, visit)| is_ordinary(visit));
        let mut by_address: BTreeMap<IpAddr, u64> = BTreeMap::new();
        for (ip, visit) in all {
            let proxy = visit.more().and_then(|more| more.peers[0]).filter(|_| visit.itself_ns == 0);
            *by_address.entry(proxy.unwrap_or(*ip)).or_default() += 1;
        }
        Some(by_address.into_iter().collect())
    }

    /// Who does what rules look for, at the end of a second.
    pub fn suspects(&mut self, now: Moment, thresholds: &Thresholds) -> Vec<Suspect> {
        self.measured.suspects(&self.visits, now.unix_ns, thresholds)
    }

    /// Counts anew.
    pub fn reset(&mut self) {
        self.base = self.all();
        let told = self.told.take();
        *self = Self { base: self.base, told, newest: std::mem::take(&mut self.newest), ..Self::default() };
    }

    /// What became of all lines since the start.
    fn all(&self) -> Lines {
        let mut all = Lines::default();
        self.told.iter().flat_map(|told| &told.files).for_each(|file| all.add(&file.lines));
        all
    }

    /// The same, since the last reset, and whether it adds up.
    pub fn accounting(&self) -> LogAccounting {
        let all = self.all();
        let lines = all.since(&self.base);
        let (visits, evicted) = (self.visits.lines(), self.visits.evicted());
        let files = self.told.iter().flat_map(|told| &told.files).all(|file| file.lines.holds());
        let holds = files && all.holds() && lines.attributed == visits + evicted;
        LogAccounting { lines, visits, evicted, holds }
    }

    /// What is published of visits, with at most `limit` (0: all) rows; `known` tells what is known of an address beside.
    pub fn visits(&self, limit: usize, known: &dyn Fn(IpAddr) -> Known) -> Option<Arc<Visits>> {
        let told = self.told.as_ref()?;
        let now_ns = told.at.unix_ns;
        let mut left_out = 0;
        let rows =
            heaviest(self.visits.iter().collect(), limit, &mut left_out, |one, other| rows::order(one, other, now_ns));
        Some(Arc::new(Visits {
            at_ns: now_ns,
            rows: rows.into_iter().map(|(ip, visit)| rows::row(*ip, visit, now_ns, known(*ip))).collect(),
            left_out,
            suspicious: self.visits.iter().filter(|(_, visit)| visit.is_suspicious()).count() as u64,
            files: told.files.iter().map(file).collect(),
            behind: told.behind,
            accounting: self.accounting(),
        }))
    }

    /// What is published of lines, with at most `limit` (0: all) rows.
    pub fn log(&self, limit: usize) -> Option<Arc<LogLines>> {
        self.told.is_some().then(|| Arc::new(self.newest.group(limit)))
    }

    /// Whether the accounts hold.
    pub fn holds(&self) -> bool {
        self.told.is_none() || self.accounting().holds
    }
}

fn file(facts: &FileFacts) -> LogFile {
    let FileFacts { path, format, lines } = facts;
    LogFile {
        path: path.clone(),
        format: format.clone(),
        lines: lines.lines,
        parsed: lines.parsed,
        attributed: lines.attributed,
        lost_bytes: lines.lost_bytes,
        holds: lines.holds(),
    }
}
