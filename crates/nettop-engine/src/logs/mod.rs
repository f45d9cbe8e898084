//! What logs tell, by address: visits, the newest lines, and who does what rules look for. A log claims and the kernel knows: what is known of the
//! address stands beside when it is published.

mod badges;
mod buckets;
mod flagged;
mod joined;
mod knocks;
mod lately;
mod lines;
mod measures;
mod minute;
mod rings;
mod rows;
pub mod servers;
#[cfg(test)]
mod tests;
mod visits;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use nettop_collect::logs::{Entry, FileFacts, Lines, LogReading, What};
use nettop_common::Event;
use nettop_model::{
    clock::Moment,
    snapshot::{Lately, LogAccounting, LogFile, LogLines, Most, Visitor, Visits},
};

use self::{
    flagged::Flagged,
    joined::{Found, JOINS, Scene},
    knocks::Knocks,
    lately::PerSecond,
    lines::Newest,
    measures::{MOST_RAISED, Measured},
    visits::{Visit, VisitTable},
};
pub use self::{joined::Around, rows::Known};
use crate::{
    detect::{Suspect, Thresholds, visits::RETURNS},
    heaviest::heaviest,
};

/// From how many seconds on what waits to be read is late.
const BEHIND: f64 = 10.0;
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
    knocks: Knocks,
    /// Whom this session and earlier ones had a reason to suspect.
    flagged: Flagged,
    lately: PerSecond,
    /// Who is back, since the last second.
    returned: Vec<Found>,
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
            knocks: Knocks::default(),
            flagged: Flagged::default(),
            lately: PerSecond::default(),
            returned: Vec::new(),
            told: None,
            base: Lines::default(),
        }
    }
}

impl LogState {
    /// Enters a reading; the rules that look at lines find something from these thresholds on. Returns whether somebody has logged in.
    pub fn enter(&mut self, reading: LogReading, thresholds: &Thresholds) -> bool {
        let LogReading { at, entries, files, problems, behind } = reading;
        let (mut requests, mut newcomers) = (0, 0);
        for entry in &entries {
            if let Some(ip) = entry.client {
                let visit = self.visits.enter(ip, entry);
                self.knocks.answer(&ip);
                if entry.old {
                    continue;
                }
                let place = if entry.peer.is_none() { &mut visit.itself_ns } else { &mut visit.behind_ns };
                *place = at.monotonic_ns;
                requests += u64::from(matches!(entry.what, What::Request(_)));
                newcomers += u64::from(visit.lines == 1);
                if let Some((earlier, text)) = self.flagged.returns(&ip, entry.at_ns, thresholds.of(RETURNS.kind)) {
                    visit.note(RETURNS.kind, text.clone(), entry.at_ns);
                    if self.returned.len() < MOST_RAISED {
                        self.returned.push(Found { ip, value: earlier as f64, text });
                    }
                }
                self.measured.enter(ip, entry, visit, &mut self.flagged, thresholds);
            }
        }
        let has_login = entries.iter().any(Entry::is_accepted);
        self.lately.add(at.unix_ns, [requests, newcomers]);
        self.newest.enter(entries, &files, &self.visits);
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

    /// Looks at a sampled packet, which belongs to no attack and came at `at_ns` by the clock on the wall.
    pub fn sample(&mut self, event: &Event, at_ns: u64) {
        self.knocks.add(event, at_ns);
    }

    /// Who does what rules look for, at the end of a second.
    pub fn suspects(&mut self, now: Moment, thresholds: &Thresholds, around: &Around) -> Vec<Suspect> {
        let mut suspects = self.measured.suspects(&self.visits, now.unix_ns, thresholds);
        let returned = std::mem::take(&mut self.returned);
        suspects.extend(returned.into_iter().map(|found| suspect(RETURNS.kind, found)));
        let files = self.told.as_ref().map(|told| &told.files[..]).unwrap_or_default();
        let follows = |writes| servers::is_followed(files, writes);
        let logged = around.sockets.map_or(servers::USUAL, |sockets| &sockets.logged);
        self.knocks.ports = logged.iter().filter(|(_, writes)| follows(*writes)).map(|(port, _)| *port).collect();
        // Else it tells nothing that no line came.
        if !self.told.as_ref().is_some_and(|told| told.behind <= BEHIND && told.problems.is_empty()) {
            return suspects;
        }
        let Self { visits, knocks, .. } = self;
        let scene = Scene { visits, knocks, follows: &follows, around, now_ns: now.unix_ns };
        let wanted = JOINS.iter().map(|join| (join, thresholds.of(join.kind))).filter(|(_, threshold)| *threshold > 0);
        let found = wanted.flat_map(|(join, threshold)| {
            let found = (join.find)(&scene, threshold as f64);
            found.into_iter().take(MOST_RAISED).map(|found| (join.kind, found))
        });
        for (kind, found) in found.collect::<Vec<_>>() {
            self.visits.note(found.ip, kind, found.text.clone(), now.unix_ns);
            self.flagged.note(found.ip, kind, now.unix_ns);
            suspects.push(suspect(kind, found));
        }
        suspects
    }

    /// Counts anew.
    pub fn reset(&mut self) {
        self.base = self.all();
        let told = self.told.take();
        let (newest, flagged) = (std::mem::take(&mut self.newest), std::mem::take(&mut self.flagged));
        *self = Self { base: self.base, told, newest, flagged, ..Self::default() };
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

    /// What is published of visits, with at most `limit` (0: all) rows; `known` tells what is known of an address beside, `most_connections` who has
    /// most of them.
    pub fn visits(
        &self,
        limit: usize,
        known: &dyn Fn(IpAddr) -> Known,
        most_connections: Option<Most>,
    ) -> Option<Arc<Visits>> {
        let told = self.told.as_ref()?;
        let now_ns = told.at.unix_ns;
        let mut left_out = 0;
        let [requests_per_s, new_per_s] = self.lately.rates(now_ns);
        let lately = Lately { requests_per_s, new_per_s, most_requests: self.most_requests(now_ns), most_connections };
        let rows =
            heaviest(self.visits.iter().collect(), limit, &mut left_out, |one, other| rows::order(one, other, now_ns));
        Some(Arc::new(Visits {
            at_ns: now_ns,
            rows: rows.into_iter().map(|(ip, visit)| rows::row(*ip, visit, now_ns, known(*ip))).collect(),
            left_out,
            suspicious: self.visits.iter().filter(|(_, visit)| visit.is_suspicious()).count() as u64,
            files: told.files.iter().map(file).collect(),
            behind: told.behind,
            lately,
            accounting: self.accounting(),
        }))
    }

    /// Who has most requests in the last minute.
    fn most_requests(&self, now_ns: u64) -> Option<Most> {
        let counts = self.visits.iter().map(|(ip, visit)| Most { ip: *ip, count: visit.minute(now_ns).0 });
        counts.filter(|most| most.count > 0).max_by_key(|most| (most.count, std::cmp::Reverse(most.ip)))
    }

    /// Somebody looks at an address: what is claimed of it; `known` is what is known of it beside. `None`: no log is followed.
    pub fn visitor(&mut self, ip: IpAddr, known: Known) -> Option<Box<Visitor>> {
        let now_ns = self.told.as_ref()?.at.unix_ns;
        let visit = self.visits.get(&ip).map(|visit| rows::row(ip, visit, now_ns, known));
        Some(Box::new(Visitor { visit, lines: self.newest.of(ip) }))
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

fn suspect(kind: &'static str, Found { ip, value, text }: Found) -> Suspect {
    Suspect { kind, ip, value, is_over: true, text }
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
