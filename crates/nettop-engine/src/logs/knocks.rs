//! Who asks for connections with ports that are logged, until a line of it comes.

use std::net::IpAddr;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use nettop_common::Event;

use super::minute::Minute;

/// Addresses.
const MOST: usize = 4096;
/// Of so many that are looked at the one goes that was silent for longest.
const LOOKED_AT: usize = 16;
/// SYN without ACK, among the flags of TCP.
const SYN: u16 = 0x02;
const ACK: u16 = 0x10;
const TCP: u8 = 6;

/// All of them.
#[derive(Debug, Default)]
pub struct Knocks {
    /// Ports that are logged.
    pub ports: Vec<u16>,
    rows: IndexMap<IpAddr, Knock, RandomState>,
}

/// One that has asked for connections since there was a line of it.
#[derive(Debug, Default)]
pub struct Knock {
    minute: Minute,
    /// When it began; when it did so last.
    pub since_ns: u64,
    last_ns: u64,
    /// With which port last.
    pub port: u16,
    /// Whether some were only sampled.
    pub is_estimated: bool,
}

impl Knock {
    /// SYNs in the last minute.
    pub fn syns(&self, now_ns: u64) -> u64 {
        self.minute.sums(now_ns).0
    }
}

impl Knocks {
    /// Looks at a packet that came at `at_ns`, by the clock on the wall.
    pub fn add(&mut self, event: &Event, at_ns: u64) {
        let asks = event.protocol == TCP && event.tcp_flags & (SYN | ACK) == SYN;
        if !asks || !self.ports.contains(&event.destination_port) {
            return;
        }
        let ip = event.source.to_ip();
        if ip.is_loopback() || ip.is_unspecified() {
            return;
        }
        if self.rows.len() >= MOST && !self.rows.contains_key(&ip) {
            let some = (0..LOOKED_AT).map(|_| fastrand::usize(..self.rows.len()));
            some.min_by_key(|at| self.rows[*at].last_ns).map(|at| self.rows.swap_remove_index(at));
        }
        let row = self.rows.entry(ip).or_default();
        // Those of a minute ago are another matter.
        if row.syns(at_ns) == 0 {
            (row.since_ns, row.is_estimated) = (at_ns, false);
        }
        row.minute.add(at_ns, event.weight.min(u16::MAX.into()) as u16, 0);
        row.is_estimated |= event.weight > 1;
        (row.last_ns, row.port) = (at_ns, event.destination_port);
    }

    /// A line of this address has come.
    pub fn answer(&mut self, ip: &IpAddr) {
        self.rows.swap_remove(ip);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&IpAddr, &Knock)> {
        self.rows.iter()
    }
}
