//! What calls on sockets moved, by process, since the start or the last reset; and the connections that ended lately.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    time::Duration,
};

use nettop_collect::sockets::{
    Process,
    calls::{Calls, Moved},
};
use nettop_common::PacketsBytes;
use nettop_model::snapshot::{CallsAccounting, Connection, Transferred};

use super::{
    by_socket::{self, SocketBook},
    elsewhere,
    state::Kind,
};
use crate::{heaviest::silent_longest, histories::Total};

/// Processes that are remembered.
const MOST: usize = 16_384;
/// And how many of them are forgotten at once, where there is no room.
const EVICTED: usize = MOST / 8;
/// For how long a process is listed that has no socket any more, nanoseconds.
const LATELY_NS: u64 = 60_000_000_000;
/// Connections that are listed after they have ended.
const MOST_ENDED: usize = 4096;

/// What identifies a process.
pub type Identity = (u32, u64);

/// One process.
#[derive(Default)]
pub struct Booked {
    /// Who.
    pub process: Process,
    /// What it has moved.
    pub moved: Moved,
    /// Bytes sent and received per second, in the newest reading.
    pub bps: (f64, f64),
    /// When it moved anything last, on the monotonic clock.
    last_ns: u64,
}

/// The sums.
#[derive(Default)]
pub struct CallBook {
    /// For how long a connection is listed that has ended.
    keep_ended: Duration,
    /// In order, so that those of one number stand together.
    processes: BTreeMap<Identity, Booked>,
    total: Moved,
    untracked: Moved,
    nested: Moved,
    /// Of processes that were forgotten.
    evicted: Moved,
    /// By socket, where no census tells it.
    sockets: SocketBook,
    /// When was read first, and until when; 0: nothing was.
    since_ns: u64,
    at_ns: u64,
    has_bytes: bool,
    /// Oldest first.
    ended: VecDeque<Connection>,
    /// How many ended, in every network namespace, and of those how many were not told one by one.
    ended_count: u64,
    ended_untracked: u64,
}

impl CallBook {
    /// Without anything counted; connections that have ended are listed for so long.
    pub fn new(keep_ended: Duration) -> Self {
        Self { keep_ended, ..Self::default() }
    }

    /// Enters a reading, and the connections of it that have ended.
    pub fn enter(&mut self, calls: Calls, ended: Vec<Connection>) {
        let now_ns = calls.at.monotonic_ns;
        let seconds = if self.at_ns == 0 { 0.0 } else { now_ns.saturating_sub(self.at_ns) as f64 / 1e9 };
        (self.at_ns, self.has_bytes) = (now_ns, calls.has_bytes);
        if self.since_ns == 0 {
            self.since_ns = now_ns;
        }
        let (untracked, ..) = calls.ended_untracked;
        self.sockets.enter(now_ns, seconds, calls.sockets);
        self.sockets.end(now_ns, ended.iter().map(|one| one.cookie), untracked == 0);
        self.total.add(calls.total);
        self.untracked.add(calls.untracked);
        self.nested.add(calls.nested);
        self.processes.values_mut().for_each(|booked| booked.bps = (0.0, 0.0));
        for (process, moved) in calls.processes {
            let identity = (process.pid, process.started);
            if self.processes.len() >= MOST && !self.processes.contains_key(&identity) {
                self.make_room();
            }
            let booked = self.processes.entry(identity).or_insert_with(|| Booked {
                process: process.clone(),
                moved: Moved::default(),
                bps: (0.0, 0.0),
                last_ns: now_ns,
            });
            booked.process = process;
            booked.moved.add(moved);
            if seconds > 0.0 {
                booked.bps = (moved.tx_bytes as f64 / seconds, moved.rx_bytes as f64 / seconds);
            }
            booked.last_ns = now_ns;
        }
        self.ended_untracked += untracked;
        self.ended_count += ended.len() as u64 + untracked;
        self.ended.extend(ended);
        let over = self.ended.len().saturating_sub(MOST_ENDED);
        self.ended.drain(..over);
        let until_ns = calls.at.unix_ns.saturating_sub(self.keep_ended.as_nanos() as u64);
        while self.ended.front().and_then(|one| one.ended_ns).is_some_and(|ended_ns| ended_ns < until_ns) {
            self.ended.pop_front();
        }
    }

    /// Starts anew.
    pub fn reset(&mut self) {
        let Self { keep_ended, at_ns, has_bytes, .. } = *self;
        // Nobody else knows whose sockets of other network namespaces are.
        let owners: HashSet<Identity> = self.elsewhere().map(|(booked, _)| booked.newest.process).collect();
        let (mut sockets, mut processes) = (std::mem::take(&mut self.sockets), std::mem::take(&mut self.processes));
        sockets.reset();
        processes.retain(|identity, _| owners.contains(identity));
        processes.values_mut().for_each(|booked| booked.moved = Moved::default());
        *self = Self { keep_ended, at_ns, since_ns: at_ns, has_bytes, sockets, processes, ..Self::default() };
    }

    /// Whether it is counted what calls move.
    pub fn has_bytes(&self) -> bool {
        self.has_bytes
    }

    /// The newest process of this number.
    pub fn of_pid(&self, pid: u32) -> Option<&Booked> {
        self.processes.range((pid, 0)..=(pid, u64::MAX)).next_back().map(|(_, booked)| booked)
    }

    /// A process.
    pub fn get(&self, identity: Identity) -> Option<&Booked> {
        self.processes.get(&identity)
    }

    /// What was moved by a socket of which no census tells it.
    pub fn socket(&self, cookie: u64) -> Option<&by_socket::Booked> {
        self.sockets.get(cookie)
    }

    /// The sockets of other network namespaces that are listed.
    pub fn elsewhere(&self) -> impl Iterator<Item = (&by_socket::Booked, Kind)> {
        let others = self.sockets.all().filter(|booked| booked.newest.namespace != 0);
        others.filter_map(|booked| Some((booked, elsewhere::kind(&booked.newest)?)))
    }

    /// For how long a socket has moved nothing, nanoseconds: at least, where it has not since this is counted.
    pub fn silent_ns(&self, cookie: u64) -> u64 {
        let last_ns = self.socket(cookie).map_or(self.since_ns, |booked| booked.last_ns);
        self.at_ns.saturating_sub(last_ns)
    }

    /// Forgets sockets that a whole census has not.
    pub fn keep(&mut self, is_listed: impl Fn(u64) -> bool) {
        self.sockets.keep(self.at_ns, is_listed);
    }

    /// Whether a process has moved anything lately.
    pub fn is_lately(&self, booked: &Booked) -> bool {
        self.at_ns.saturating_sub(booked.last_ns) <= LATELY_NS
    }

    /// All of them, where it is counted what they move.
    pub fn processes(&self) -> impl Iterator<Item = (&Identity, &Booked)> {
        self.processes.iter().filter(|_| self.has_bytes)
    }

    /// The connections that ended lately, the newest first.
    pub fn ended(&self) -> impl Iterator<Item = &Connection> {
        self.ended.iter().rev()
    }

    /// How many have ended that were not told one by one.
    pub fn ended_untracked(&self) -> u64 {
        self.ended_untracked
    }

    /// Where all of it went.
    pub fn accounting(&self) -> CallsAccounting {
        let mut processes = Moved::default();
        self.processes.values().for_each(|booked| processes.add(booked.moved));
        let mut sum = processes;
        [self.evicted, self.untracked].into_iter().for_each(|part| sum.add(part));
        let bytes = |Moved { tx_bytes, rx_bytes, .. }| Transferred { tx_bytes, rx_bytes };
        CallsAccounting {
            total: bytes(self.total),
            processes: bytes(processes),
            evicted: bytes(self.evicted),
            untracked: bytes(self.untracked),
            nested: bytes(self.nested),
            ended: self.ended_count,
            ended_untracked: self.ended_untracked,
            holds: sum == self.total,
        }
    }

    /// Forgets those that were silent for longest.
    fn make_room(&mut self) {
        let mut goes = silent_longest(self.processes.values().map(|booked| booked.last_ns).collect(), EVICTED);
        let evicted = &mut self.evicted;
        self.processes.retain(|_, booked| {
            let goes = goes(booked.last_ns);
            if goes {
                evicted.add(booked.moved);
            }
            !goes
        });
    }
}

impl From<Moved> for Total {
    fn from(Moved { tx_bytes, rx_bytes, tx_calls, rx_calls }: Moved) -> Self {
        let amount = |packets, bytes| PacketsBytes { packets, bytes };
        Self { received: amount(rx_calls, rx_bytes), sent: Some(amount(tx_calls, tx_bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use nettop_model::clock::Moment;

    use super::*;

    fn calls(second: u64, moved: &[(u32, u64)], untracked: u64) -> Calls {
        let sum = |tx_bytes| Moved { tx_bytes, tx_calls: 1, ..Moved::default() };
        let mut total = sum(untracked);
        let processes: Vec<_> =
            moved.iter().map(|(pid, bytes)| (Process { pid: *pid, ..Process::default() }, sum(*bytes))).collect();
        processes.iter().for_each(|(_, moved)| total.add(*moved));
        let at = Moment { monotonic_ns: second * 1_000_000_000, ..Moment::default() };
        Calls { at, has_bytes: true, total, untracked: sum(untracked), processes, ..Calls::default() }
    }

    #[test]
    fn processes_have_sums_and_rates_and_are_listed_for_a_minute() {
        let mut book = CallBook::default();
        for (name, reading, expected) in [
            ("the first", calls(1, &[(7, 100)], 0), vec![(7, 100, 0.0)]),
            ("two seconds later", calls(3, &[(7, 100), (8, 10)], 3), vec![(7, 200, 50.0), (8, 10, 5.0)]),
            ("one alone", calls(50, &[(8, 47)], 0), vec![(7, 200, 0.0), (8, 57, 1.0)]),
            ("after a minute", calls(70, &[], 0), vec![(8, 57, 0.0)]),
        ] {
            book.enter(reading, Vec::new());
            let lately = book.processes().filter(|(_, booked)| book.is_lately(booked));
            let rows: Vec<_> = lately.map(|((pid, _), booked)| (*pid, booked.moved.tx_bytes, booked.bps.0)).collect();
            assert_eq!(rows, expected, "{name}");
            assert!(book.accounting().holds, "{name}");
        }
        assert_eq!(book.accounting().untracked.tx_bytes, 3);
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_is_in_the_sums() {
        let mut book = CallBook::default();
        for second in 1..5_u64 {
            let from = second as u32 * 10_000;
            let moved: Vec<_> = (from..from + 10_000).map(|pid| (pid, 2)).collect();
            book.enter(calls(second, &moved, 0), Vec::new());
        }
        assert!(book.processes.len() <= MOST);
        let accounting = book.accounting();
        assert!(accounting.holds && accounting.evicted.tx_bytes > 0);
        assert_eq!(accounting.total.tx_bytes, 80_000);
        book.total.add(Moved { tx_bytes: 1, ..Moved::default() });
        assert!(!book.accounting().holds, "a byte that nobody has moved");
    }
}
