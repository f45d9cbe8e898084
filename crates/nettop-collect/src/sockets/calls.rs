//! What calls on sockets moved, by process, and which connections ended, since the reading before.

use std::net::IpAddr;

use nettop_common::sockets;
use nettop_model::clock::Moment;
use serde::{Deserialize, Serialize};

use super::reading::Process;

/// What was counted since the reading before: *total = all processes + untracked*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calls {
    /// Until when.
    pub at: Moment,
    /// Whether bytes are counted at all: an older kernel only tells what ended, and who opened and closed a socket.
    pub has_bytes: bool,
    /// Everything, in every network namespace.
    pub total: Moved,
    /// What had no slot in the kernel.
    pub untracked: Moved,
    /// What was counted in the middle of another count: it is not in the total, and of no process.
    pub nested: Moved,
    /// Each process once.
    pub processes: Vec<(Process, Moved)>,
    /// Of that, what was moved by sockets that no census tells the bytes of: those that are not of TCP, and all of other network namespaces.
    /// One may be there more than once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sockets: Vec<SocketCalls>,
    /// Connections that ended, in every network namespace.
    pub ended: Vec<Ended>,
    /// How many ended that there was no room for, and the payload that these had sent and received.
    pub ended_untracked: (u64, u64, u64),
}

/// Connections that are told one by one, of readings that nobody took meanwhile.
const MOST_ENDED: usize = 65_536;
/// Likewise, sockets.
const MOST_SOCKETS: usize = 65_536;

impl Calls {
    /// Adds what was counted since.
    pub fn add(&mut self, newer: Self) {
        let Self { at, has_bytes, total, untracked, nested, processes, sockets, ended, ended_untracked } = newer;
        (self.at, self.has_bytes) = (at, has_bytes);
        self.total.add(total);
        self.untracked.add(untracked);
        self.nested.add(nested);
        for (process, moved) in processes {
            let same = |one: &&mut (Process, Moved)| (one.0.pid, one.0.started) == (process.pid, process.started);
            match self.processes.iter_mut().find(same) {
                Some((_, sum)) => sum.add(moved),
                None => self.processes.push((process, moved)),
            }
        }
        let room = MOST_SOCKETS.saturating_sub(self.sockets.len());
        self.sockets.extend(sockets.into_iter().take(room));
        let (count, tx, rx) = &mut self.ended_untracked;
        *count += ended_untracked.0;
        *tx += ended_untracked.1;
        *rx += ended_untracked.2;
        for one in ended {
            if self.ended.len() < MOST_ENDED {
                self.ended.push(one);
            } else {
                *count += 1;
                *tx += one.tx_bytes;
                *rx += one.rx_bytes;
            }
        }
    }
}

/// What one process moved by one socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SocketCalls {
    /// Of the socket.
    pub cookie: u64,
    /// The network namespace of the socket, by its inode; 0: this one.
    #[serde(default)]
    pub namespace: u32,
    /// The IP protocol.
    pub protocol: u16,
    /// The address at this end; IPv4-mapped ones are IPv4.
    pub local: IpAddr,
    /// The port at this end.
    pub local_port: u16,
    /// The address at the other end; unspecified: there is none.
    pub remote: IpAddr,
    /// The port at the other end.
    pub remote_port: u16,
    /// The process: its number, and when it began, as in [`Process`].
    pub process: (u32, u64),
    /// What was moved.
    pub moved: Moved,
}

/// Bytes and calls that moved any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Moved {
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Calls that sent any.
    pub tx_calls: u64,
    /// Calls that received any.
    pub rx_calls: u64,
}

impl Moved {
    /// Adds others.
    pub fn add(&mut self, other: Self) {
        let Self { tx_bytes, rx_bytes, tx_calls, rx_calls } = other;
        self.tx_bytes += tx_bytes;
        self.rx_bytes += rx_bytes;
        self.tx_calls += tx_calls;
        self.rx_calls += rx_calls;
    }
}

impl From<sockets::Moved> for Moved {
    fn from(moved: sockets::Moved) -> Self {
        let sockets::Moved { tx_bytes, rx_bytes, tx_calls, rx_calls } = moved;
        Self { tx_bytes, rx_bytes, tx_calls: tx_calls.into(), rx_calls: rx_calls.into() }
    }
}

/// A connection of TCP that has ended, with all that it had moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Of its socket.
    pub cookie: u64,
    /// The network namespace, by its inode; 0: this one.
    #[serde(default)]
    pub namespace: u32,
    /// When, on the monotonic clock, nanoseconds.
    pub at_ns: u64,
    /// The address at this end; IPv4-mapped ones are IPv4.
    pub local: IpAddr,
    /// The port at this end.
    pub local_port: u16,
    /// The address at the other end.
    pub remote: IpAddr,
    /// The port at the other end.
    pub remote_port: u16,
    /// Payload sent, what was sent again not included.
    pub tx_bytes: u64,
    /// Payload received.
    pub rx_bytes: u64,
    /// Segments sent.
    pub tx_packets: u32,
    /// Segments received.
    pub rx_packets: u32,
    /// Smoothed round-trip time, µs.
    pub rtt_us: u32,
    /// Segments sent again.
    pub retransmits: u32,
    /// Segments received out of order.
    #[serde(default)]
    pub out_of_order: u32,
    /// Whose it was, where that is known.
    pub owner: Option<Process>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(pids: &[(u32, u64)], ended: usize) -> Calls {
        let one = Ended {
            cookie: 1,
            namespace: 0,
            at_ns: 0,
            local: [127, 0, 0, 1].into(),
            local_port: 1,
            remote: [127, 0, 0, 1].into(),
            remote_port: 2,
            tx_bytes: 3,
            rx_bytes: 4,
            tx_packets: 0,
            rx_packets: 0,
            rtt_us: 0,
            retransmits: 0,
            out_of_order: 0,
            owner: None,
        };
        let moved = |tx_bytes| Moved { tx_bytes, tx_calls: 1, ..Moved::default() };
        let process = |(pid, bytes): &(u32, u64)| (Process { pid: *pid, ..Process::default() }, moved(*bytes));
        let mut total = Moved::default();
        pids.iter().for_each(|(_, bytes)| total.add(moved(*bytes)));
        let processes = pids.iter().map(process).collect();
        Calls { total, processes, ended: vec![one; ended], ..Calls::default() }
    }

    #[test]
    fn readings_that_nobody_took_are_added_up_and_bounded() {
        let mut sum = calls(&[(1, 10), (2, 20)], 3);
        sum.add(calls(&[(2, 5), (3, 7)], 4));
        let moved: Vec<_> = sum.processes.iter().map(|(process, moved)| (process.pid, moved.tx_bytes)).collect();
        assert_eq!(moved, [(1, 10), (2, 25), (3, 7)]);
        assert_eq!((sum.total.tx_bytes, sum.total.tx_calls, sum.ended.len()), (42, 4, 7));
        sum.add(calls(&[], MOST_ENDED));
        assert_eq!(sum.ended.len(), MOST_ENDED);
        assert_eq!(sum.ended_untracked, (7, 21, 28));
    }
}
