//! What calls moved by each socket of which no census tells it, those of UDP above all: bytes, rates, and for how long it was silent.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use nettop_collect::sockets::calls::{Moved, SocketCalls};

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

/// All of them, by cookie.
#[derive(Default)]
pub struct SocketBook(HashMap<u64, Booked, RandomState>);

impl SocketBook {
    /// Enters a reading, `seconds` (0: not known) after the one before.
    pub fn enter(&mut self, now_ns: u64, seconds: f64, sockets: Vec<SocketCalls>) {
        self.0.values_mut().for_each(|booked| booked.bps = (0.0, 0.0));
        let rate = |bytes: u64| if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 };
        for newest in sockets {
            if self.0.len() >= MOST && !self.0.contains_key(&newest.cookie) {
                self.make_room();
            }
            let moved = newest.moved;
            let empty = || Booked { newest: newest.clone(), moved: Moved::default(), bps: (0.0, 0.0), last_ns: now_ns };
            let booked = self.0.entry(newest.cookie).or_insert_with(empty);
            booked.moved.add(moved);
            booked.bps.0 += rate(moved.tx_bytes);
            booked.bps.1 += rate(moved.rx_bytes);
            booked.last_ns = now_ns;
            booked.newest = newest;
        }
    }

    /// What is known of a socket.
    pub fn get(&self, cookie: u64) -> Option<&Booked> {
        self.0.get(&cookie)
    }

    /// Forgets those that a whole census has not, unless they moved something lately.
    pub fn keep(&mut self, now_ns: u64, is_listed: impl Fn(u64) -> bool) {
        self.0.retain(|cookie, booked| is_listed(*cookie) || now_ns.saturating_sub(booked.last_ns) <= LATELY_NS);
    }

    /// Forgets those that were silent for longest.
    fn make_room(&mut self) {
        let mut goes = silent_longest(self.0.values().map(|booked| booked.last_ns).collect(), FORGOTTEN);
        self.0.retain(|_, booked| !goes(booked.last_ns));
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
        assert_eq!(book.0.len(), 100);
        book.keep(LATELY_NS + 2, |cookie| cookie < 10);
        assert_eq!(book.0.len(), 10);
        book.enter(2, 0.0, (0..2 * MOST as u64).map(|cookie| calls(cookie, 1, 1)).collect());
        assert!(book.0.len() <= MOST);
    }
}
