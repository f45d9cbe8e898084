//! The books: everything that was ever read, by source, destination and MAC pair, with rates, since the start or the
//! last reset.

use std::{hash::Hash, io};

use nettop_common::{Address, MacPair, Outcome, SourceCounters, Tally, Totals, counters::Table, unique::Registers};

use crate::{
    detect::Notes,
    ledger::Ledger,
    rates::{History, Slots},
    reading::{Cumulative, Moment, Reading},
    snapshot::Accounting,
    source::Source,
    unique,
};

/// Destinations and MAC pairs remembered beyond their entry in the kernel.
const MOST_OTHERS: usize = 65_536;

/// The accounts.
pub struct Books {
    /// When counting began, or was last reset.
    pub started: Moment,
    /// Of all rates.
    pub slots: Slots,
    /// By source.
    pub sources: Ledger<Address, SourceCounters>,
    /// By destination.
    pub destinations: Ledger<Address, Tally>,
    /// By MAC pair.
    pub macs: Ledger<MacPair, Tally>,
    /// Counted packets.
    pub packets: History,
    /// Counted bytes.
    pub bytes: History,
    /// Where every packet went.
    pub accounting: Accounting,
    /// Distinct sources, and whether that is an estimate.
    pub unique: (u64, bool),
    /// What had been counted at the start.
    base: Base,
    /// Everything counted at the newest tick, the base included.
    counted: Tally,
    /// What the kernel's totals said at the end of the newest tick.
    kernel_counted: Tally,
    /// Counted by the totals, but missing from every source. The count of a packet is lost when its source is removed from
    /// the kernel's map in the very nanoseconds between its look-up and its count.
    unattributed: Tally,
}

/// Cumulative counters at the start or the last reset.
#[derive(Default)]
struct Base {
    totals: Totals,
    counted: Tally,
    unattributed: Tally,
    tcp_flags: Vec<u64>,
    dst_ports: Vec<u64>,
    src_ports: Vec<u64>,
}

impl Books {
    /// Empty ones.
    pub fn new(started: Moment) -> Self {
        Self {
            started,
            slots: Slots::new(started.monotonic_ns),
            sources: Ledger::new(),
            destinations: Ledger::new(),
            macs: Ledger::new(),
            packets: History::default(),
            bytes: History::default(),
            // Nothing seen is nothing missed.
            accounting: Accounting { holds: true, ..Accounting::default() },
            unique: (0, false),
            base: Base::default(),
            counted: Tally::default(),
            kernel_counted: Tally::default(),
            unattributed: Tally::default(),
        }
    }

    /// Enters what a reading says of each key, and notes what the rules want to know of it.
    pub fn enter(&mut self, reading: &Reading, notes: &mut Notes) {
        let slots = &mut self.slots;
        slots.reach(reading.at.monotonic_ns);
        if reading.changed {
            self.sources.enter_noting(&reading.sources, slots, |address, account, new| {
                notes.source(address, account.history.in_open(slots), new);
            });
            self.destinations.enter(&reading.destinations, slots);
            self.macs.enter_noting(&reading.macs, slots, |pair, _, new| {
                if new {
                    notes.new_macs(pair);
                }
            });
        }
    }

    /// Packets of a source in the newest whole second.
    pub fn pps(&self, address: &Address) -> f64 {
        self.sources.get(address).map_or(0.0, |account| account.history.rates(&self.slots, 1.0).current)
    }

    /// Ends a tick, after all of it was entered: draws up the accounts. Where a second, or a longer tick, is over with it,
    /// returns how many seconds that were.
    pub fn balance(&mut self, reading: &Reading) -> Option<f64> {
        // The totals as they were just before the sources were read: a packet counted since is in the sources already,
        // or will be at the next tick, but never twice.
        let mut counted = self.sources.lifetime();
        counted.add(reading.totals[0].untracked(Table::Sources));
        counted.add(self.unattributed);
        // What the totals had counted a tick ago is in the sources by now, or nowhere.
        let missing = Tally {
            packets: self.kernel_counted.packets.saturating_sub(counted.packets),
            bytes: self.kernel_counted.bytes.saturating_sub(counted.bytes),
        };
        self.unattributed.add(missing);
        counted.add(missing);
        self.kernel_counted = reading.totals[1].outcome(Outcome::Counted);
        let delta = counted.since(self.counted);
        self.counted = counted;
        self.packets.add(&self.slots, delta.packets);
        self.bytes.add(&self.slots, delta.bytes);
        self.account(reading);
        if reading.changed {
            self.count_unique(reading);
        }
        self.slots.close_if_due()
    }

    /// Removes the idlest entries from tables that are nearly full. What they had counted stays here.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn make_room(&mut self, reading: &Reading, source: &mut Source) -> io::Result<()> {
        if !reading.changed {
            return Ok(());
        }
        let slots = &self.slots;
        let fill = |table| Some((source.capacity(table)?, source.is_full(table)));
        let (sources, destinations, macs) = (fill(Table::Sources), fill(Table::Destinations), fill(Table::Macs));
        make_room(&mut self.sources, &reading.sources, sources, slots, |key| source.take_source(key))?;
        make_room(&mut self.destinations, &reading.destinations, destinations, slots, |key| {
            source.take_destination(key)
        })?;
        make_room(&mut self.macs, &reading.macs, macs, slots, |key| source.take_macs(key))
    }

    /// Forgets the idlest accounts beyond `max_sources`. Returns the sources forgotten.
    pub fn evict(&mut self, max_sources: usize) -> Vec<Address> {
        self.destinations.evict(MOST_OTHERS);
        self.macs.evict(MOST_OTHERS);
        self.sources.evict(max_sources)
    }

    /// Starts anew from a reading that has been entered.
    pub fn reset(&mut self, reading: &Reading) {
        self.started = reading.at;
        self.slots = Slots::new(reading.at.monotonic_ns);
        self.sources.reset();
        self.destinations.reset();
        self.macs.reset();
        self.packets.clear();
        self.bytes.clear();
        self.unique = (0, false);
        self.base = Base {
            totals: reading.totals[0],
            counted: self.counted,
            unattributed: self.unattributed,
            tcp_flags: reading.tcp_flags.clone(),
            dst_ports: reading.dst_ports.clone(),
            src_ports: reading.src_ports.clone(),
        };
        self.account(reading);
    }

    /// The totals since the start.
    pub fn totals(&self, reading: &Reading) -> Totals {
        reading.totals[0].since(&self.base.totals)
    }

    /// Non-zero packets by TCP flag byte since the start.
    pub fn tcp_flags<'a>(&'a self, reading: &'a Reading) -> impl Iterator<Item = (usize, u64)> + 'a {
        nonzero_since(&reading.tcp_flags, &self.base.tcp_flags)
    }

    /// Non-zero packets by destination port since the start.
    pub fn dst_ports<'a>(&'a self, reading: &'a Reading) -> impl Iterator<Item = (usize, u64)> + 'a {
        nonzero_since(&reading.dst_ports, &self.base.dst_ports)
    }

    /// Non-zero packets by source port since the start.
    pub fn src_ports<'a>(&'a self, reading: &'a Reading) -> impl Iterator<Item = (usize, u64)> + 'a {
        nonzero_since(&reading.src_ports, &self.base.src_ports)
    }

    /// Draws up where every packet went, and checks it against the kernel's own totals.
    fn account(&mut self, reading: &Reading) {
        let [before, after] = &reading.totals;
        let since = before.since(&self.base.totals);
        let mut sources = Tally::default();
        self.sources.iter().for_each(|(_, account)| sources.add(account.total.tally()));
        let counted = self.counted.since(self.base.counted);
        let mut not_ip = since.outcome(Outcome::NotIp);
        not_ip.add(since.outcome(Outcome::Malformed));
        let mut seen = counted;
        seen.add(since.outcome(Outcome::Filtered));
        seen.add(not_ip);
        let mut untracked = since.untracked(Table::Sources);
        untracked.add(self.unattributed.since(self.base.unattributed));
        let mut attributed = sources;
        attributed.add(self.sources.evicted());
        attributed.add(untracked);
        self.accounting = Accounting {
            seen: seen.into(),
            counted: counted.into(),
            filtered: since.outcome(Outcome::Filtered).into(),
            not_ip: not_ip.into(),
            malformed: since.outcome(Outcome::Malformed).into(),
            sources: sources.into(),
            evicted: self.sources.evicted().into(),
            untracked: untracked.into(),
            untracked_destinations: since.untracked(Table::Destinations).into(),
            untracked_macs: since.untracked(Table::Macs).into(),
            in_flight: after.outcome(Outcome::Counted).since(before.outcome(Outcome::Counted)).packets,
            holds: attributed == counted && self.agrees_with_kernel(before, after),
        };
    }

    /// Whether what the sources say lies between what the kernel's totals said before and after they were read. A packet
    /// in the middle of the program, one per CPU at most, may be in the one and not yet in the other.
    fn agrees_with_kernel(&self, before: &Totals, after: &Totals) -> bool {
        let in_program = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let lies_between = |tally: Tally, low: Tally, high: Tally| {
            tally.packets + in_program >= low.packets
                && tally.packets <= high.packets + in_program
                && tally.bytes + (in_program << 16) >= low.bytes
                && tally.bytes <= high.bytes + (in_program << 16)
        };
        let mut seen = self.counted;
        for outcome in [Outcome::Filtered, Outcome::NotIp, Outcome::Malformed] {
            seen.add(before.outcome(outcome));
        }
        lies_between(self.counted, before.outcome(Outcome::Counted), after.outcome(Outcome::Counted))
            && lies_between(seen, before.seen, after.seen)
    }

    /// Counts the distinct sources: exactly while every one of them has an account, else by estimate.
    fn count_unique(&mut self, reading: &Reading) {
        let untracked = self.totals(reading).untracked(Table::Sources);
        self.unique = if untracked.packets == 0 && self.sources.evicted().packets == 0 {
            (self.sources.iter().count() as u64, false)
        } else {
            let mut registers: Box<Registers> = reading.unique.clone();
            self.sources.iter().for_each(|(address, _)| registers.insert(*address));
            (unique::estimate(&registers).round() as u64, true)
        };
    }
}

/// Above three quarters of its capacity, brings a table down to a half by removing keys that were silent in this tick; any
/// keys, if the program found the table full.
fn make_room<K: Copy + Eq + Hash + Ord, C: Cumulative>(
    ledger: &mut Ledger<K, C>,
    entries: &[(K, C)],
    fill: Option<(u64, bool)>,
    slots: &Slots,
    mut take: impl FnMut(&K) -> io::Result<Option<C>>,
) -> io::Result<()> {
    let Some((capacity, full)) = fill else { return Ok(()) };
    let capacity = capacity as usize;
    if entries.len() <= capacity / 4 * 3 {
        return Ok(());
    }
    for key in ledger.idlest(entries, entries.len() - capacity / 2, full) {
        if let Some(last) = take(&key)? {
            ledger.removed(key, &last, slots);
        }
    }
    Ok(())
}

fn nonzero_since<'a>(now: &'a [u64], base: &'a [u64]) -> impl Iterator<Item = (usize, u64)> + 'a {
    now.iter()
        .enumerate()
        .map(|(index, count)| (index, count.wrapping_sub(base.get(index).copied().unwrap_or(0))))
        .filter(|(_, count)| *count > 0)
}
