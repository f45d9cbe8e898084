//! The aggregates: everything that was ever read, by source, destination and MAC pair, with rates, since the start or the
//! last reset.

use std::{mem, net::IpAddr, sync::Arc};

use bytemuck::Zeroable;
use nettop_collect::reading::{Reading, Tables, since};
use nettop_common::{
    Address, ClassTally, MacPair, Outcome, PacketsBytes, SourceCounters, Totals,
    counters::{ByClass, Table},
    unique::{Distinct, HashKey},
};
use nettop_geo::Geo;
use nettop_model::{
    clock::Moment,
    snapshot::{Accounting, Subject},
    totals::SourceTotal,
};

use super::{detail::Known, histories::Total, prefixes::PrefixSums, regions::Regions};
use crate::{
    detect::{Conversation, SecondStats},
    egress::EgressSums,
    hyperloglog,
    interface_sums::InterfaceSums,
    ledger::{Account, Ledger, Watch},
    rates::{History, TimeBuckets},
};

/// For how many seconds it is remembered who answered.
const LATELY: f64 = 10.0;
/// Destinations and MAC pairs remembered.
const MOST_OTHERS: usize = 65_536;
/// After so many seconds in which every source got an account, what was taken for a flood is given back.
const QUIET_SECONDS: u32 = 10;

/// The accounts.
pub struct Aggregates {
    /// When counting began, or was last reset.
    pub started: Moment,
    /// Of all rates.
    pub buckets: TimeBuckets,
    /// The totals.
    pub totals: Totals,
    /// By source.
    pub sources: Ledger<Address, SourceCounters>,
    /// By destination.
    pub destinations: Ledger<Address, ClassTally>,
    /// What came to all destinations, by class.
    pub classes: ByClass,
    /// Whether it is counted what comes to whom.
    pub has_destinations: bool,
    /// What came by each interface.
    pub interfaces: InterfaceSums,
    /// What is sent; `None`: it is not counted.
    pub egress: Option<EgressSums>,
    /// By MAC pair.
    pub macs: Ledger<MacPair, PacketsBytes>,
    /// Counted packets.
    pub packets: History,
    /// Counted bytes.
    pub bytes: History,
    /// Sources by country and by network.
    pub regions: Regions,
    /// Sources by prefix.
    pub prefixes: PrefixSums,
    /// Cumulative tables, and what they said at the start.
    pub tables: Tables,
    /// See `tables`.
    pub base: Tables,
    /// Distinct sources ever entered; the tables have those for which there was no slot.
    distinct: Box<Distinct>,
    /// Packets without account until the last second was over, and for how many seconds there were no more.
    unadmitted: u64,
    quiet_seconds: u32,
}

impl Aggregates {
    /// Empty ones, for at most so many sources, whose distinct ones are hashed with that key.
    pub fn new(started: Moment, max_sources: usize, regions: Regions, unique_key: HashKey) -> Self {
        let mut distinct: Box<Distinct> = bytemuck::zeroed_box();
        distinct.key = unique_key;
        Self {
            started,
            buckets: TimeBuckets::new(started.monotonic_ns),
            totals: Totals::default(),
            sources: Ledger::new(max_sources),
            destinations: Ledger::new(MOST_OTHERS),
            classes: Default::default(),
            has_destinations: true,
            interfaces: InterfaceSums::default(),
            egress: None,
            macs: Ledger::new(MOST_OTHERS),
            packets: History::default(),
            bytes: History::default(),
            regions,
            prefixes: PrefixSums::new(),
            tables: Tables::default(),
            base: Tables::default(),
            distinct,
            unadmitted: 0,
            quiet_seconds: QUIET_SECONDS,
        }
    }

    /// Enters a reading, and notes what the rules want to know of it. `forget` is told which sources are not remembered
    /// any more.
    pub fn enter(&mut self, reading: &Reading, notes: &mut SecondStats, forget: impl FnMut(&Address)) {
        let Self { buckets, regions, prefixes, .. } = self;
        let before_ns = buckets.now_ns();
        buckets.reach(reading.at.monotonic_ns);
        let seconds = reading.at.monotonic_ns.saturating_sub(before_ns) as f64 / 1e9;
        notes.begin_reading(reading.at.monotonic_ns);
        self.totals.add(&reading.totals);
        notes.totals(&reading.totals);
        for (address, counted) in &reading.destinations {
            notes.destination(address, *counted);
            self.classes[counted.class as usize].add(counted.tally);
        }
        notes.targets.end_reading(seconds);
        self.interfaces.enter(&reading.interfaces);
        if reading.egress.seen.packets > 0 {
            self.egress.get_or_insert_default().enter(reading, buckets, &mut notes.sent);
        }
        let PacketsBytes { packets, bytes } = reading.totals.outcome(Outcome::Counted);
        self.packets.add(buckets, packets);
        self.bytes.add(buckets, bytes);
        regions.next_reading();
        self.sources.enter_watched(
            &reading.sources,
            buckets,
            &mut SourceWatch { buckets, regions, prefixes, notes, forget },
        );
        // Also what the ledger had no room for.
        prefixes.enter(&reading.sources, buckets);
        reading.sources.iter().for_each(|(address, _)| self.distinct.insert(*address));
        self.destinations.enter(&reading.destinations, buckets);
        self.macs.enter_watched(&reading.macs, buckets, &mut MacWatch { notes });
    }

    /// Packets of a source in the newest whole second.
    pub fn pps(&self, address: &Address) -> f64 {
        self.sources.get(address).map_or(0.0, |account| account.history.rates(&self.buckets, 1.0).current)
    }

    /// Packets from and to an address in the last ten seconds.
    pub fn conversation(&self, address: &Address) -> Conversation {
        let lately = |history: &History| history.rates(&self.buckets, LATELY).ten_seconds * LATELY;
        let received = self.sources.get(address).map_or(0.0, |account| {
            let SourceTotal { packets, icmp, .. } = account.total;
            let other = packets.saturating_sub(icmp.get()) as f64 / packets.max(1) as f64;
            lately(&account.history) * other
        });
        let sent = self.egress.as_ref().and_then(|egress| egress.history(address)).map_or(0.0, lately);
        Conversation { sent, received }
    }

    /// What decides whether a source has detail; `None`: it has no account.
    pub fn known(&self, address: &Address) -> Option<Known> {
        let Account { total, history, .. } = self.sources.get(address)?;
        Some(Known {
            packets: total.packets,
            lately: history.last_minute(&self.buckets),
            first_ns: total.first_ns,
            silent: history.silent(&self.buckets),
        })
    }

    /// Everything counted of one key; `None`: it has no account.
    pub fn total(&self, subject: &Subject) -> Option<Total> {
        match *subject {
            Subject::Source(ip) => {
                let sent = self.egress.as_ref().map(|egress| egress.tally(&ip.into()));
                Some(Total { received: self.sources.get(&ip.into())?.tally(), sent })
            }
            Subject::Destination(ip) => Some(self.destinations.get(&ip.into())?.tally().into()),
            Subject::Prefix(prefix) => self.prefixes.total(prefix).map(Total::from),
            Subject::Port(port) => {
                let at = |tables: &Tables| tables.dst_ports.get(usize::from(port)).copied().unwrap_or_default();
                Some(PacketsBytes { packets: at(&self.tables).wrapping_sub(at(&self.base)), bytes: 0 }.into())
            }
            // These are no packets: see the sockets.
            Subject::Process(_) | Subject::Connection(_) => None,
        }
    }

    /// What came of each class for a destination; `None`: it has no account.
    pub fn classes(&self, destination: IpAddr) -> Option<ByClass> {
        Some(self.destinations.get(&destination.into())?.total.classes())
    }

    /// Ends what was entered. Where a second, or a longer tick, is over with it, returns how many seconds that were.
    pub fn close(&mut self) -> Option<f64> {
        if self.buckets.is_due(self.buckets.now_ns()) {
            self.settle();
            self.look_for_quiet();
        }
        self.buckets.close_if_due()
    }

    /// A second is over: gives memory back once the flood is that it was taken for.
    fn look_for_quiet(&mut self) {
        let before = mem::replace(&mut self.unadmitted, self.sources.unadmitted().packets);
        if before != self.unadmitted {
            self.quiet_seconds = 0;
        } else if !self.is_quiet() {
            self.quiet_seconds += 1;
            if self.is_quiet() {
                self.sources.shrink();
                self.regions.shrink();
                self.prefixes.shrink();
                self.egress.iter_mut().for_each(EgressSums::shrink);
            }
        }
    }

    /// Whether there is no flood, nor was lately.
    pub fn is_quiet(&self) -> bool {
        self.quiet_seconds >= QUIET_SECONDS
    }

    /// Brings sums up to what was entered: what is shown needs them, and the end of a second. At each reading of a flood from
    /// everywhere, a hundred thousand regions would be as much work as its packets.
    pub fn settle(&mut self) {
        self.regions.enter_sums(&self.buckets);
    }

    /// Puts other databases of places in force.
    pub fn replace_geo(&mut self, geo: Arc<Geo>) {
        self.regions.replace(geo, &mut self.sources, &self.buckets);
    }

    /// Starts anew.
    pub fn reset(&mut self, now: Moment) {
        self.started = now;
        self.buckets = TimeBuckets::new(now.monotonic_ns);
        self.totals = Totals::default();
        self.sources.reset();
        self.destinations.reset();
        self.classes = Default::default();
        self.interfaces.reset();
        self.egress.iter_mut().for_each(EgressSums::reset);
        self.macs.reset();
        self.packets.clear();
        self.bytes.clear();
        self.regions.reset();
        self.prefixes.reset();
        self.base = self.tables.clone();
        self.distinct.registers = Zeroable::zeroed();
        self.unadmitted = 0;
    }

    /// Non-zero packets by TCP flag byte since the start.
    pub fn tcp_flags(&self) -> impl Iterator<Item = (usize, u64)> {
        nonzero_since(&self.tables.tcp_flags, &self.base.tcp_flags)
    }

    /// Non-zero packets by destination port since the start.
    pub fn dst_ports(&self) -> impl Iterator<Item = (usize, u64)> {
        nonzero_since(&self.tables.dst_ports, &self.base.dst_ports)
    }

    /// Non-zero packets by source port since the start.
    pub fn src_ports(&self) -> impl Iterator<Item = (usize, u64)> {
        nonzero_since(&self.tables.src_ports, &self.base.src_ports)
    }

    /// Where every packet went. The sums over sources and the totals are counted apart, so that they can be checked
    /// against each other.
    pub fn accounting(&self) -> Accounting {
        let Self { totals, sources, .. } = self;
        let [counted, filtered, other, malformed, martian, blocked] = [
            Outcome::Counted,
            Outcome::Filtered,
            Outcome::NotIp,
            Outcome::Malformed,
            Outcome::Martian,
            Outcome::Blocked,
        ]
        .map(|part| totals.outcome(part));
        let untracked = totals.untracked(Table::Sources);
        let sum = |parts: &[PacketsBytes]| {
            let mut sum = PacketsBytes::default();
            parts.iter().for_each(|part| sum.add(*part));
            sum
        };
        let not_ip = sum(&[other, malformed]);
        Accounting {
            seen: totals.seen.into(),
            counted: counted.into(),
            filtered: filtered.into(),
            not_ip: not_ip.into(),
            malformed: malformed.into(),
            martian: martian.into(),
            blocked: blocked.into(),
            sources: sources.entered().since(sources.evicted()).into(),
            evicted: sources.evicted().into(),
            unadmitted: sources.unadmitted().into(),
            untracked: untracked.into(),
            untracked_destinations: totals.untracked(Table::Destinations).into(),
            untracked_macs: totals.untracked(Table::Macs).into(),
            incomplete_sources: sources.lacking() as u64,
            holds: sum(&[counted, filtered, not_ip, martian, blocked]) == totals.seen
                && sum(&[sources.entered(), untracked]) == counted
                && (sum(&[sum(&self.classes), totals.untracked(Table::Destinations)]) == counted
                    || !self.has_destinations)
                && self.interfaces.all().is_none_or(|classes| sum(&classes) == counted),
        }
    }

    /// Distinct sources, and whether that is an estimate: exact while every one of them has an account.
    pub fn unique(&self) -> (u64, bool) {
        if self.totals.untracked(Table::Sources).packets == 0 && self.sources.evicted().packets == 0 {
            return (self.sources.count() as u64, false);
        }
        let mut registers = Box::new(self.distinct.registers);
        registers.merge(&self.tables.unique);
        (hyperloglog::estimate(&registers).round() as u64, true)
    }
}

/// What becomes of sources.
struct SourceWatch<'a, F> {
    buckets: &'a TimeBuckets,
    regions: &'a mut Regions,
    prefixes: &'a mut PrefixSums,
    notes: &'a mut SecondStats,
    forget: F,
}

impl<F: FnMut(&Address)> Watch<Address, SourceCounters> for SourceWatch<'_, F> {
    fn entered(
        &mut self,
        address: &Address,
        account: &mut Account<SourceCounters>,
        counted: &SourceCounters,
        new: bool,
    ) {
        self.regions.enter(address, &mut account.note, counted.tally(), new);
        if new {
            self.prefixes.join(address);
        }
        let in_second = account.history.in_open(self.buckets);
        self.notes.source(address, counted, in_second, account.total.packets, new);
    }

    fn unadmitted(&mut self, address: &Address, counted: &SourceCounters, new: bool) {
        self.regions.enter_unadmitted(address, counted.tally());
        self.notes.unadmitted(address, counted, new);
    }

    fn evicted(&mut self, address: &Address, account: &Account<SourceCounters>) {
        self.regions.leave(account.note);
        self.prefixes.leave(address);
        (self.forget)(address);
    }
}

/// What becomes of MAC pairs.
struct MacWatch<'a> {
    notes: &'a mut SecondStats,
}

impl Watch<MacPair, PacketsBytes> for MacWatch<'_> {
    fn entered(&mut self, pair: &MacPair, _: &mut Account<PacketsBytes>, _: &PacketsBytes, new: bool) {
        if new {
            self.notes.new_macs(pair);
        }
    }
}

/// Non-zero counts, with their index.
fn nonzero_since<'a>(now: &'a [u64], base: &'a [u64]) -> impl Iterator<Item = (usize, u64)> + 'a {
    since(now, base).enumerate().filter(|(_, count)| *count > 0)
}

#[cfg(test)]
mod tests;
