//! What calls moved by each socket of which no census tells it, those of UDP above all: bytes, rates, and for how long it was silent.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use nettop_collect::sockets::{
    SocketProtocol,
    calls::{Moved, SocketCalls},
};

use super::elsewhere::protocol;
use crate::heaviest::silent_longest;

/// Sockets that are remembered.
const MOST: usize = 65_536;
/// And how many of them are forgotten at once, where there is no room.
const FORGOTTEN: usize = MOST / 8;
/// For how long one is remembered that no census has, nanoseconds: one that is opened may have moved something before the next census.
const LATELY_NS: u64 = 60_000_000_000;

/// One socket.
#[derive(Clone, Debug)]
pub struct Booked {
    /// Where it is, and the process that moved something by it last.
    pub newest: SocketCalls,
    /// Everything since it is remembered.
    pub moved: Moved,
    /// Bytes sent and received per second, in the newest reading.
    pub bps: (f64, f64),
    /// When it moved anything last, on the monotonic clock.
    pub last_ns: u64,
}

/// All of them.
#[derive(Default)]
pub struct SocketBook {
    /// By cookie.
    sockets: HashMap<u64, Booked, RandomState>,
    /// Those whose end the newest reading told: what a program on another CPU counted a moment before that may be in the next one.
    ended: HashSet<u64, RandomState>,
}

impl SocketBook {
    /// Enters a reading, `seconds` (0: not known) after the one before.
    pub fn enter(&mut self, now_ns: u64, seconds: f64, sockets: Vec<SocketCalls>) {
        self.sockets.values_mut().for_each(|booked| booked.bps = (0.0, 0.0));
        let rate = |bytes: u64| if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 };
        for newest in sockets {
            if self.ended.contains(&newest.cookie) {
                continue;
            }
            if self.sockets.len() >= MOST && !self.sockets.contains_key(&newest.cookie) {
                self.make_room();
            }
            let moved = newest.moved;
            let empty = || Booked { newest: newest.clone(), moved: Moved::default(), bps: (0.0, 0.0), last_ns: now_ns };
            let booked = self.sockets.entry(newest.cookie).or_insert_with(empty);
            booked.moved.add(moved);
            booked.bps.0 += rate(moved.tx_bytes);
            booked.bps.1 += rate(moved.rx_bytes);
            booked.last_ns = now_ns;
            // The kernel chooses the port after it is told that a connection is asked for; another CPU may have counted what followed.
            if newest.local_port != 0 || booked.newest.local_port == 0 {
                booked.newest = newest;
            }
        }
    }

    /// What is known of a socket.
    pub fn get(&self, cookie: u64) -> Option<&Booked> {
        self.sockets.get(&cookie)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Booked> {
        self.sockets.values()
    }

    /// Forgets those that have ended. Where more have than were told one by one, these may be any of TCP in other network namespaces: those
    /// are forgotten that moved nothing lately.
    pub fn end(&mut self, now_ns: u64, ended: impl Iterator<Item = u64>, is_whole: bool) {
        self.ended.clear();
        self.ended.extend(ended);
        let Self { sockets, ended } = self;
        ended.iter().for_each(|cookie| _ = sockets.remove(cookie));
        if !is_whole {
            sockets.retain(|_, booked| booked.is_lately(now_ns));
        }
    }

    /// Forgets those that a whole census has not, unless they moved something lately. No census has those of other network namespaces; of
    /// TCP their end is told.
    pub fn keep(&mut self, now_ns: u64, is_listed: impl Fn(u64) -> bool) {
        self.sockets.retain(|cookie, booked| {
            let is_told = booked.newest.namespace != 0 && protocol(&booked.newest) == SocketProtocol::Tcp;
            is_told || is_listed(*cookie) || booked.is_lately(now_ns)
        });
    }

    /// Begins anew to count what they move.
    pub fn reset(&mut self) {
        self.sockets.values_mut().for_each(|booked| booked.moved = Moved::default());
    }

    /// Forgets those that were silent for longest.
    fn make_room(&mut self) {
        let mut goes = silent_longest(self.sockets.values().map(|booked| booked.last_ns).collect(), FORGOTTEN);
        self.sockets.retain(|_, booked| !goes(booked.last_ns));
    }
}

impl Booked {
    /// Whether it moved anything lately.
    fn is_lately(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.last_ns) <= LATELY_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(cookie: u64, tx_bytes: u64, rx_bytes: u64) -> SocketCalls {
        let moved = Moved { tx_bytes, rx_bytes, tx_calls: 1, rx_calls: 1 };
        let nowhere = [0, 0, 0, 0].into();
        let (namespace, protocol, process) = (0, 17, (1, 1));
        SocketCalls {
            cookie,
            namespace,
            protocol,
            local: nowhere,
            local_port: 53,
            remote: nowhere,
            remote_port: 0,
            process,
            moved,
        }
    }

    #[test]
    fn a_socket_has_sums_over_its_processes_and_rates_of_the_newest_reading() {
        let mut book = SocketBook::default();
        for (name, second, sockets, expected) in [
            ("the first", 1, vec![calls(7, 100, 10)], Some((100, 10, (50.0, 5.0)))),
            ("two processes", 3, vec![calls(7, 60, 0), calls(7, 40, 4)], Some((200, 14, (50.0, 2.0)))),
            ("another one", 5, vec![calls(8, 1, 1)], Some((200, 14, (0.0, 0.0)))),
        ] {
            book.enter(second * 1_000_000_000, 2.0, sockets);
            let found = book.get(7).map(|booked| (booked.moved.tx_bytes, booked.moved.rx_bytes, booked.bps));
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(book.get(7).map(|booked| booked.last_ns), Some(3_000_000_000));
    }

    #[test]
    fn what_no_census_has_goes_after_a_minute_and_memory_is_bounded() {
        let mut book = SocketBook::default();
        book.enter(1, 0.0, (0..100).map(|cookie| calls(cookie, 1, 1)).collect());
        book.keep(LATELY_NS, |_| false);
        assert_eq!(book.sockets.len(), 100);
        book.keep(LATELY_NS + 2, |cookie| cookie < 10);
        assert_eq!(book.sockets.len(), 10);
        book.enter(2, 0.0, (0..2 * MOST as u64).map(|cookie| calls(cookie, 1, 1)).collect());
        assert!(book.sockets.len() <= MOST);
    }

    #[test]
    fn those_of_other_namespaces_go_when_their_end_is_told() {
        let one = |cookie, namespace, protocol| SocketCalls { namespace, protocol, ..calls(cookie, 1, 1) };
        let all = vec![one(1, 77, 6), one(2, 77, 6), one(3, 77, 17), one(4, 0, 17)];
        for (name, ended, is_whole, later, expected) in [
            ("none has ended", vec![], true, 0, vec![1, 2, 3, 4]),
            ("silent for long", vec![], true, LATELY_NS, vec![1, 2]),
            ("one has ended", vec![1], true, LATELY_NS, vec![2]),
            ("and more than were told", vec![1], false, LATELY_NS, vec![]),
            ("and more than were told, lately", vec![1], false, 0, vec![2, 3, 4]),
        ] {
            let mut book = SocketBook::default();
            book.enter(1, 0.0, all.clone());
            let now_ns = 2 + later;
            book.end(now_ns, ended.into_iter(), is_whole);
            book.keep(now_ns, |_| false);
            let mut found: Vec<_> = book.all().map(|booked| booked.newest.cookie).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{name}");
        }
        let mut book = SocketBook::default();
        for (local_port, expected) in [(0, 0), (50_000, 50_000), (0, 50_000)] {
            book.enter(1, 0.0, vec![SocketCalls { local_port, ..one(1, 77, 6) }]);
            assert_eq!(book.get(1).map(|booked| booked.newest.local_port), Some(expected));
        }
        let mut book = SocketBook::default();
        book.end(1, [1].into_iter(), true);
        book.enter(2, 1.0, all.clone());
        assert_eq!(book.get(1).map(|booked| booked.last_ns), None, "it came late");
        book.end(2, [].into_iter(), true);
        book.enter(3, 1.0, all);
        book.reset();
        assert!(book.get(1).is_some_and(|booked| booked.moved == Moved::default()));
    }
}
