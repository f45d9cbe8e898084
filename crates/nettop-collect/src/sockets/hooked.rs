//! Whose sockets are, and what is moved by them, from the programs at the kernel's tracepoints: of all processes, those included
//! that live for milliseconds, and without looking at anybody's files.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
    sync::Arc,
};

use foldhash::fast::RandomState;
use nettop_common::sockets::{CallCounters, EndedConnection, Ends, process};
use nettop_model::clock::Moment;

use super::{
    calls::{Calls, Ended, Moved, SocketCalls},
    groups::Groups,
    process::{self, TICK_NS},
    reading::{Census, Process},
};
use crate::kernel::{
    calls::{Counted, Hooks},
    open_files::network_namespace,
};

/// Sockets whose owners are remembered at most, and processes of which is known what `/proc` told of them.
const MOST: usize = 131_072;
const MOST_PROCESSES: usize = 16_384;
/// `AF_INET` (linux/socket.h).
const INET: u16 = 2;
/// `IPPROTO_TCP`.
const TCP: u16 = 6;

/// What identifies a process: its number, and when it began in ticks.
type Identity = (u32, u64);

/// The programs' counters, and what was learned from them.
pub struct Hooked {
    hooks: Hooks,
    /// Whether bytes are counted, and not only who opens and closes, and what ends.
    has_bytes: bool,
    /// The inode of this network namespace; 0: not known.
    namespace: u32,
    processes: HashMap<Identity, Arc<Process>, RandomState>,
    groups: Groups,
    /// By cookie; and the number of the newest census before it was noted.
    owners: HashMap<u64, (Arc<Process>, u64), RandomState>,
    censuses: u64,
    /// How full the programs' tables were at the newest reading.
    pub fill: f64,
}

impl Hooked {
    /// Over the maps of the programs.
    pub fn new(hooks: Hooks, has_bytes: bool) -> Self {
        Self {
            hooks,
            has_bytes,
            namespace: network_namespace(),
            processes: HashMap::default(),
            groups: Groups::default(),
            owners: HashMap::default(),
            censuses: 0,
            fill: 0.0,
        }
    }

    /// Reads what was counted.
    pub fn read(&mut self) -> Calls {
        let at = Moment::now();
        let Counted { total, untracked, nested, sockets, ended, ended_count, ended_untracked, fill } =
            self.hooks.read();
        self.fill = fill;
        let mut by_process: HashMap<Identity, Moved, RandomState> = HashMap::default();
        let mut by_socket = Vec::new();
        for (key, counters) in &sockets {
            let owner = self.process(process(*key), counters);
            let identity = (owner.pid, owner.started);
            by_process.entry(identity).or_default().add(counters.moved.into());
            // 0: there was no slot for the socket.
            if key[0] != 0 {
                self.note_owner(key[0], owner, counters);
                if self.elsewhere(counters.namespace) != 0 || counters.ends.protocol != TCP {
                    by_socket.push(self.by_socket(key[0], identity, counters));
                }
            }
        }
        let listed = ended.len() as u64;
        let ended = ended.iter().map(|one| self.ended(one)).collect();
        let moved = by_process.into_iter();
        let processes =
            moved.filter_map(|(identity, moved)| Some((Process::clone(self.processes.get(&identity)?), moved)));
        let (tx, rx) = ended_untracked;
        let calls = Calls {
            at,
            has_bytes: self.has_bytes,
            total: total.into(),
            untracked: untracked.into(),
            nested: nested.into(),
            processes: processes.collect(),
            sockets: by_socket,
            ended,
            ended_untracked: (ended_count - listed, tx, rx),
        };
        if self.processes.len() > MOST_PROCESSES {
            // What has a socket is known by that, and the others are looked at again where they come again.
            self.processes.retain(|_, process| Arc::strong_count(process) > 1);
        }
        calls
    }

    /// The inode of a network namespace; 0: it is this one, as far as that is known.
    fn elsewhere(&self, namespace: u32) -> u32 {
        if self.namespace == 0 || self.namespace == namespace { 0 } else { namespace }
    }

    fn by_socket(&self, cookie: u64, process: Identity, counters: &CallCounters) -> SocketCalls {
        let CallCounters { moved, ends, namespace, .. } = *counters;
        let Ends { local, remote, local_port, remote_port, family, protocol } = ends;
        SocketCalls {
            cookie,
            namespace: self.elsewhere(namespace),
            protocol,
            local: address(local, family),
            local_port,
            remote: address(remote, family),
            remote_port,
            process,
            moved: moved.into(),
        }
    }

    /// A connection that has ended, and whose it was.
    fn ended(&self, one: &EndedConnection) -> Ended {
        let Ends { local, remote, local_port, remote_port, family, .. } = one.ends;
        Ended {
            cookie: one.cookie,
            namespace: self.elsewhere(one.namespace),
            at_ns: one.at_ns,
            local: address(local, family),
            local_port,
            remote: address(remote, family),
            remote_port,
            tx_bytes: one.tx_bytes,
            rx_bytes: one.rx_bytes,
            tx_packets: one.tx_segments,
            rx_packets: one.rx_segments,
            rtt_us: one.round_trip >> 3,
            retransmits: one.retransmits,
            out_of_order: one.out_of_order,
            owner: self.owners.get(&one.cookie).map(|(owner, _)| Process::clone(owner)),
        }
    }

    /// Gives memory back that is not in use any more.
    pub fn rest(&mut self) {
        self.hooks.rest();
    }

    /// Tells the sockets of a census their owners, where these are known here: better than by open files, for those are looked at
    /// once.
    pub fn own(&mut self, census: &mut Census) {
        let mut places: HashMap<Identity, u32, RandomState> = HashMap::default();
        for (place, process) in (0..).zip(&census.processes) {
            places.insert((process.pid, process.started), place);
        }
        for socket in &mut census.sockets {
            let Some((owner, newest)) = self.owners.get_mut(&socket.cookie) else { continue };
            *newest = self.censuses + 1;
            let place = places.entry((owner.pid, owner.started)).or_insert_with(|| {
                census.processes.push(Process::clone(owner));
                census.processes.len() as u32 - 1
            });
            socket.owner = Some(*place);
        }
    }

    /// Forgets owners of sockets that neither this census nor the one before had, unless they were noted since: to be called once for each
    /// census that has all sockets.
    pub fn forget(&mut self) {
        self.censuses += 1;
        let censuses = self.censuses;
        self.owners.retain(|_, (_, newest)| *newest >= censuses);
    }

    /// Whose a socket is: of those who move something by it the newest, and else who opened it.
    fn note_owner(&mut self, cookie: u64, owner: Arc<Process>, counters: &CallCounters) {
        if self.owners.len() >= MOST {
            let censuses = self.censuses;
            self.owners.retain(|_, (_, newest)| *newest > censuses);
        }
        let moves = counters.moved.tx_bytes | counters.moved.rx_bytes != 0;
        let noted = (owner, self.censuses + 1);
        match self.owners.entry(cookie) {
            Entry::Occupied(mut known) if moves => _ = known.insert(noted),
            Entry::Occupied(mut known) => known.get_mut().1 = noted.1,
            Entry::Vacant(place) => _ = place.insert(noted),
        }
    }

    /// A process by what the programs say of it, and by what `/proc` does, if it is still there.
    fn process(&mut self, pid: u32, counters: &CallCounters) -> Arc<Process> {
        let identity = (pid, counters.began_ns / TICK_NS);
        let Self { processes, groups, .. } = self;
        let known = processes.entry(identity).or_insert_with(|| {
            let CallCounters { began_ns, comm, uid, cgroup, .. } = counters;
            let proc = Path::new("/proc");
            let mut process = process::told(proc, pid, *began_ns, comm, *uid);
            groups.meet(proc, *cgroup, &mut process);
            Arc::new(process)
        });
        Arc::clone(known)
    }
}

/// An address as the kernel has it.
fn address(words: [u64; 2], family: u16) -> IpAddr {
    let bytes: [u8; 16] = bytemuck::cast(words);
    match family {
        INET => Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into(),
        _ => Ipv6Addr::from(bytes).to_canonical(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_as_they_are_written() {
        let v6 = |text: &str| bytemuck::cast(text.parse::<Ipv6Addr>().expect("an address").octets());
        for (name, words, family, expected) in [
            ("IPv4", [u64::from(u32::from_ne_bytes([192, 0, 2, 7])), 0], 2, "192.0.2.7"),
            ("IPv6", v6("2001:db8::7"), 10, "2001:db8::7"),
            ("IPv4-mapped", v6("::ffff:192.0.2.7"), 10, "192.0.2.7"),
            ("none", [0, 0], 2, "0.0.0.0"),
        ] {
            assert_eq!(address(words, family).to_string(), expected, "{name}");
        }
    }
}
