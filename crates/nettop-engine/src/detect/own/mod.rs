//! Rules of one's own: each is a filter over the rows of one table, looked at every second.
//!
//! Looked at is what the second has at hand anyway: the destinations that are told apart (`Targets`), the ports to which something
//! came, and the sources that sent enough for some rule, noted while they were entered ([`Noted`]). Accounts of those that sent
//! nothing are never walked.

mod noted;
mod rule;

use foldhash::{HashMap, HashMapExt as _};
use nettop_common::Address;
use nettop_model::{
    format, order,
    query::{Fact, Quantity, Verdict},
    snapshot::{DestinationRow, Origin, SourceRow, Subject, Target},
};

pub use self::{
    noted::Noted,
    rule::{OwnRule, Table, Wrong},
};
use super::{Effect, Finding, targets::Targets};

/// Rows of one rule that are followed, the busiest: how long each matches has to be known.
const FOLLOWED: usize = 1024;
/// Seconds are not all of the same length.
const JITTER: f64 = 0.5;

/// The rows that rules are about, as views have them.
pub struct Rows<'a> {
    /// A source; `None`: it has no account.
    pub source: &'a dyn Fn(&Address) -> Option<SourceRow>,
    /// A destination; likewise.
    pub destination: &'a dyn Fn(&Address) -> Option<DestinationRow>,
    /// Packets to each port, ever.
    pub ports: &'a [u64],
    /// The same when counting began anew.
    pub ports_before: &'a [u64],
}

/// The rules, and for how long which rows match them.
#[derive(Debug, Default)]
pub struct OwnRules {
    rules: Vec<OwnRule>,
    /// For each rule: seconds in a row, by row.
    lasting: Vec<HashMap<Subject, f64>>,
    /// Packets to each port when the second before was over; empty: there was none, or no rule asks.
    ports: Vec<u64>,
}

/// A row that matches.
struct Match {
    row: Subject,
    pps: f64,
}

impl OwnRules {
    /// These, of which nothing was found yet.
    pub fn new(rules: Vec<OwnRule>) -> Self {
        let lasting = rules.iter().map(|_| HashMap::new()).collect();
        Self { rules, lasting, ports: Vec::new() }
    }

    /// They.
    pub fn rules(&self) -> &[OwnRule] {
        &self.rules
    }

    /// Notes the sources of a second that they have to look at.
    pub fn noted(&self) -> Noted {
        Noted::new(self.floor(Table::Sources))
    }

    /// Counting begins anew: nothing has matched yet.
    pub fn reset(&mut self) {
        self.lasting.iter_mut().for_each(HashMap::clear);
    }

    /// A row of a table with fewer packets per second matches no rule; `None`: no rule is about the table.
    fn floor(&self, table: Table) -> Option<f64> {
        self.about(table).map(|(_, rule)| rule.floor).reduce(f64::min)
    }

    fn about(&self, table: Table) -> impl Iterator<Item = (usize, &OwnRule)> {
        self.rules.iter().enumerate().filter(move |(_, rule)| rule.table == table)
    }

    /// What each rule finds in a second of that length, or in a longer time in which nothing was read.
    pub fn find(
        &mut self,
        seconds: f64,
        stalled: bool,
        targets: &Targets,
        noted: &Noted,
        rows: &Rows,
    ) -> Vec<Vec<Finding>> {
        let mut matches: Vec<Vec<Match>> = self.rules.iter().map(|_| Vec::new()).collect();
        self.sources(noted, rows, &mut matches);
        self.destinations(seconds, targets, rows, &mut matches);
        self.ports(seconds, rows, &mut matches);
        // Of a time in which nothing was read only the average is known: that is one second, however long it was.
        let step = if stalled { 1.0 } else { seconds };
        let of_rules = self.rules.iter().zip(&mut self.lasting).zip(matches);
        of_rules.map(|((rule, lasting), matches)| findings(rule, lasting, matches, step)).collect()
    }

    fn sources(&self, noted: &Noted, rows: &Rows, matches: &mut [Vec<Match>]) {
        for row in noted.all().iter().filter_map(|address| (rows.source)(address)) {
            for (at, _) in self.about(Table::Sources).filter(|(_, rule)| rule.finds_source(&row)) {
                matches[at].push(Match { row: Subject::Source(row.ip), pps: row.pps });
            }
        }
    }

    fn destinations(&self, seconds: f64, targets: &Targets, rows: &Rows, matches: &mut [Vec<Match>]) {
        let Some(floor) = self.floor(Table::Destinations) else { return };
        let all: u64 = targets.all().iter().map(|tally| tally.packets).sum();
        if all == 0 || (all as f64 / seconds) < floor {
            return;
        }
        let mut sums = HashMap::new();
        for (address, _, tally) in targets.iter() {
            *sums.entry(address).or_insert(0) += tally.packets;
        }
        let mut busy: Vec<(Address, f64)> =
            sums.into_iter().map(|(one, packets)| (one, packets as f64 / seconds)).collect();
        busy.retain(|(_, pps)| *pps >= floor && *pps > 0.0);
        order::sort_by_key(&mut busy, |(address, _)| *address);
        for (address, pps) in busy {
            let row = (rows.destination)(&address);
            // Where there was no room for its account, only this second is known of it.
            let row = row.map(|row| DestinationRow { pps, ..row }).unwrap_or_else(|| DestinationRow {
                ip: address.to_ip(),
                packets: (pps * seconds).round() as u64,
                bytes: 0,
                pps,
                pps_60s: pps,
                peak_pps: pps,
                at_least: true,
                classes: Vec::new(),
            });
            for (at, _) in self.about(Table::Destinations).filter(|(_, rule)| rule.finds_destination(&row)) {
                matches[at].push(Match { row: Subject::Destination(row.ip), pps });
            }
        }
    }

    fn ports(&mut self, seconds: f64, rows: &Rows, matches: &mut [Vec<Match>]) {
        let Some(floor) = self.floor(Table::Ports) else { return };
        for (port, packets) in rows.ports.iter().enumerate() {
            let base = rows.ports_before.get(port).copied().unwrap_or_default();
            let before = self.ports.get(port).copied().unwrap_or_default().max(base);
            let pps = packets.saturating_sub(before) as f64 / seconds;
            if pps == 0.0 || pps < floor {
                continue;
            }
            let facts = |see: &mut dyn FnMut(Fact)| {
                see(Fact::Port(port as u16));
                see(Fact::Number(Quantity::Packets, packets.saturating_sub(base) as f64));
                see(Fact::Number(Quantity::Pps, pps));
            };
            for (at, rule) in self.about(Table::Ports) {
                if pps >= rule.floor && rule.when.judge(facts) == Verdict::Passes {
                    matches[at].push(Match { row: Subject::Port(port as u16), pps });
                }
            }
        }
        self.ports.clear();
        self.ports.extend_from_slice(rows.ports);
    }
}

/// What a rule finds, the busiest first: what has matched for long enough begins, what has not yet only goes on.
fn findings(rule: &OwnRule, lasting: &mut HashMap<Subject, f64>, mut matches: Vec<Match>, step: f64) -> Vec<Finding> {
    order::sort_by(&mut matches, |one, other| other.pps.total_cmp(&one.pps));
    matches.truncate(FOLLOWED);
    let before = std::mem::take(lasting);
    let found = matches.into_iter().map(|Match { row, pps }| {
        let lasted = before.get(&row).copied().unwrap_or_default() + step;
        lasting.insert(row, lasted);
        let source = if let Subject::Source(ip) = row { Some(Origin::Ip(ip)) } else { None };
        let target = if let Subject::Destination(ip) = row { Some(Target::host(ip)) } else { None };
        let effect = if lasted + JITTER >= f64::from(rule.seconds) { Effect::Raise } else { Effect::Hold };
        Finding { source, value: pps, count: 1, effect, target, row: Some(row), ..Finding::default() }
    });
    found.collect()
}

/// Puts a finding of a rule into words; `peak` is the highest value so far.
pub fn tell(rule: &OwnRule, finding: &Finding, peak: f64) -> String {
    let row = match finding.row {
        Some(Subject::Port(0)) => "what has no port gets".into(),
        Some(Subject::Port(port)) => format!("port {port} gets"),
        Some(Subject::Destination(ip)) => format!("{ip} gets"),
        Some(Subject::Source(ip)) => format!("{ip} sends"),
        Some(Subject::Prefix(_) | Subject::Process(_) | Subject::Connection(_)) | None => {
            let plural = if finding.count == 1 { "" } else { "s" };
            let more = format::count(finding.count, 11);
            return format!("{}: and {more} more {}{plural} (when {})", rule.name, rule.table.one(), rule.text());
        }
    };
    let now = format::pps(finding.value);
    let most = format::pps(peak);
    let most = if most == now { String::new() } else { format!(", at most {most}") };
    format!("{}: {row} {now} pps{most} (when {})", rule.name, rule.text())
}

#[cfg(test)]
mod tests;
