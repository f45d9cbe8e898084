//! What is known of processes that log: a message without an address is of that whom the process talks with.

use std::{collections::VecDeque, net::IpAddr};

use foldhash::HashMap;

/// Processes that are remembered, and for how long.
const MOST: usize = 4096;
const KEPT_NS: u64 = 600 * 1_000_000_000;

/// One of them.
#[derive(Clone, Debug, Default)]
struct Known {
    at_ns: u64,
    address: Option<IpAddr>,
    /// Failures before its address was known.
    pending: u32,
    /// Whether one of these is without a doubt.
    is_strong: bool,
    user: Box<str>,
    /// Whether it has said that there is no such user: what it says next of that one is the same failure.
    is_invalid: bool,
}

/// Failures that it told before its address was known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pending {
    /// How many.
    pub times: u32,
    /// Whether one of them is without a doubt.
    pub is_strong: bool,
    /// As whom.
    pub user: Box<str>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Pids {
    known: HashMap<u32, Known>,
    order: VecDeque<u32>,
}

impl Pids {
    /// The process talks with this address; returns failures of it that nobody could be told of before.
    pub fn address(&mut self, pid: u32, ip: IpAddr, now_ns: u64) -> Pending {
        let known = self.of(pid, now_ns);
        // A process that talks with another one by now has a new number's past.
        if known.address.is_some_and(|before| before != ip) {
            *known = Known { at_ns: now_ns, ..Known::default() };
        }
        known.address = Some(ip);
        Pending {
            times: std::mem::take(&mut known.pending),
            is_strong: std::mem::take(&mut known.is_strong),
            user: std::mem::take(&mut known.user),
        }
    }

    /// It says that there is no such user.
    pub fn is_invalid(&mut self, pid: u32) {
        self.known.entry(pid).and_modify(|known| known.is_invalid = true);
    }

    /// Whether it has said so before, and nothing of that user since.
    pub fn take_invalid(&mut self, pid: u32) -> bool {
        self.known.get_mut(&pid).is_some_and(|known| std::mem::take(&mut known.is_invalid))
    }

    /// Whom it talks with; where nobody knows, the failure waits until it is told.
    pub fn failed(&mut self, pid: u32, pending: Pending, now_ns: u64) -> Option<IpAddr> {
        let known = self.of(pid, now_ns);
        if known.address.is_none() {
            known.pending = known.pending.saturating_add(pending.times);
            known.is_strong |= pending.is_strong;
            known.user = pending.user;
        }
        known.address
    }

    /// It has ended, or has let somebody in.
    pub fn forget(&mut self, pid: u32) {
        self.known.remove(&pid);
    }

    fn of(&mut self, pid: u32, now_ns: u64) -> &mut Known {
        if !self.known.contains_key(&pid) {
            if self.order.len() >= MOST
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
            self.order.push_back(pid);
        }
        let known = self.known.entry(pid).or_default();
        // Also of what is older: lines of several files, or of a clock that was set, are not of one process.
        if now_ns.abs_diff(known.at_ns) > KEPT_NS {
            *known = Known::default();
        }
        known.at_ns = now_ns;
        known
    }
}
