//! What the rules want to know of a census.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use foldhash::fast::RandomState;
use nettop_collect::sockets::{Census, SocketProtocol, SocketRow};
use nettop_model::{
    order,
    snapshot::{Most, Way},
};

use super::{
    Counted, Entered,
    state::{ESTABLISHED, Kind},
};
use crate::{
    detect::{
        sockets::{FEW_BYTES, Held, Listener, OLD_SECONDS, Resending, SocketFacts},
        takers::Takers,
    },
    logs::servers::{self, Writes},
};

/// Listeners that rules look at, connections and addresses that an alert names.
const LISTENERS: usize = 64;
const NAMED: usize = 3;
/// Of a connection that is held, payload in both directions: a handshake of TLS, and no page.
const LITTLE_BYTES: u64 = 16 << 10;
/// Addresses that hold connections open, and how many are some.
const HOLDERS: usize = 256;
const SOME_HELD: u64 = 2;

/// What is summed up for a listener.
struct Sum {
    listener: Listener,
    v6_only: bool,
    idle_by_remote: HashMap<IpAddr, u64, RandomState>,
    /// Half-open and idle connections by the address of this host that they are at.
    by_local: HashMap<IpAddr, u64, RandomState>,
}

/// Those of a census, by address and port.
#[derive(Default)]
struct Sums(HashMap<(IpAddr, u16), Sum, RandomState>);

impl Sums {
    /// A socket that waits for connections.
    fn listens(&mut self, row: &SocketRow, process: Option<(String, u32)>) {
        let Sum { listener, .. } = self.0.entry((row.local, row.local_port)).or_insert_with(|| Sum::of(row));
        listener.backlog += u64::from(row.send_queue);
        listener.waiting += u64::from(row.receive_queue);
        listener.process = listener.process.take().or(process);
    }

    /// The one that takes connections to this address and port: the kernel prefers one that names the address, then one of its family.
    fn of(&mut self, local: IpAddr, port: u16) -> Option<&mut Sum> {
        let any_v4 = local.is_ipv4().then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let takes = |address: &IpAddr| {
            let sum = self.0.get(&(*address, port));
            sum.is_some_and(|sum| *address != any || !sum.v6_only || local.is_ipv6())
        };
        let address = [Some(local), any_v4, Some(any)].into_iter().flatten().find(takes)?;
        self.0.get_mut(&(address, port))
    }

    /// The worst of each port, and of these the worst.
    fn worst(self) -> Vec<Listener> {
        let mut listeners: Vec<_> = self.0.into_values().collect();
        let weight = |listener: &Listener| Reverse(listener.half_open + listener.idle + listener.waiting);
        order::sort_by_key(&mut listeners, |sum| (weight(&sum.listener), sum.listener.port, sum.listener.address));
        let mut ports = HashSet::new();
        listeners.retain(|sum| ports.insert(sum.listener.port));
        listeners.truncate(LISTENERS);
        listeners.into_iter().map(Sum::listener).collect()
    }
}

/// The facts of it.
pub fn facts(Entered { census, seconds, sockets, .. }: &Entered) -> SocketFacts {
    let mut sums = Sums::default();
    let mut by_remote: HashMap<IpAddr, u64, RandomState> = HashMap::default();
    let mut held: HashMap<(IpAddr, Writes), u64, RandomState> = HashMap::default();
    let rows = sockets.iter().filter_map(|counted| Some((counted, census.sockets.get(counted.at as usize)?)));
    let tcp = rows.filter(|(_, row)| row.protocol == SocketProtocol::Tcp);
    for (counted, row) in tcp.clone().filter(|(counted, _)| counted.kind == Kind::Listening) {
        sums.listens(row, process(census, counted));
    }
    for (counted, row) in tcp.filter(|(counted, row)| counted.way == Way::In && row.state == ESTABLISHED) {
        if !row.remote.is_loopback() && row.remote != row.local {
            *by_remote.entry(row.remote).or_default() += 1;
        }
        if let Some(sum) = sums.of(row.local, row.local_port) {
            let is_idle = sum.connection(counted, row, census.at.monotonic_ns, LITTLE_BYTES);
            // Of those that were there before, nobody knows what they asked for.
            if let Some(writes) = sum.writes().filter(|_| is_idle && counted.opened_ns.is_some()) {
                *held.entry((row.remote, writes)).or_default() += 1;
            }
        }
    }
    for (local, port, count) in &census.half_open {
        if let Some(sum) = sums.of(*local, *port) {
            sum.listener.half_open += count;
            *sum.by_local.entry(*local).or_default() += count;
        }
    }
    SocketFacts {
        logged: sums.0.values().filter_map(|sum| Some((sum.listener.port, sum.writes()?))).collect(),
        held: holders(held),
        most: most(by_remote),
        listeners: sums.worst(),
        resending: resending(census, *seconds, sockets),
        takers: Takers::of(census),
    }
}

fn most(by_remote: HashMap<IpAddr, u64, RandomState>) -> Option<Most> {
    let counts = by_remote.into_iter().map(|(ip, count)| Most { ip, count });
    counts.max_by_key(|most| (most.count, Reverse(most.ip)))
}

/// Who holds most connections.
fn holders(held: HashMap<(IpAddr, Writes), u64, RandomState>) -> Vec<Held> {
    let some = held.into_iter().filter(|(_, count)| *count >= SOME_HELD);
    let mut held: Vec<_> = some.map(|((remote, writes), count)| Held { remote, writes, count }).collect();
    order::sort_by_key(&mut held, |held| (Reverse(held.count), held.remote, held.writes));
    held.truncate(HOLDERS);
    held
}

impl Sum {
    fn of(row: &SocketRow) -> Self {
        let listener = Listener::at(row.local, row.local_port);
        Self { listener, v6_only: row.v6_only, idle_by_remote: HashMap::default(), by_local: HashMap::default() }
    }

    /// Which log has its visitors.
    fn writes(&self) -> Option<Writes> {
        servers::writes(self.listener.port, self.listener.process.as_ref().map(|(name, _)| &**name))
    }

    /// Adds a connection. Returns whether it is older than some seconds and has moved less than `little`.
    fn connection(&mut self, counted: &Counted, row: &SocketRow, now_ns: u64, little: u64) -> bool {
        self.listener.established += 1;
        let moved = counted.tx_bytes.zip(counted.rx_bytes).map(|(tx, rx)| tx.saturating_add(rx));
        let is_old = now_ns.saturating_sub(counted.seen_ns) as f64 / 1e9 >= OLD_SECONDS;
        if is_old && moved.is_some_and(|moved| moved < FEW_BYTES) {
            self.listener.idle += 1;
            *self.idle_by_remote.entry(row.remote).or_default() += 1;
            *self.by_local.entry(row.local).or_default() += 1;
        }
        is_old && moved.is_some_and(|moved| moved < little)
    }

    fn listener(self) -> Listener {
        let mut busiest: Vec<_> = self.idle_by_remote.into_iter().collect();
        let remotes = busiest.len() as u64;
        order::sort_by_key(&mut busiest, |(ip, count)| (Reverse(*count), *ip));
        busiest.truncate(NAMED);
        let local = self.by_local.into_iter().max_by_key(|(ip, count)| (*count, Reverse(*ip))).map(|(ip, _)| ip);
        Listener { remotes, busiest, local, ..self.listener }
    }
}

/// The connections that sent most segments again since the census before.
fn resending(census: &Census, seconds: f64, sockets: &[Counted]) -> Vec<Resending> {
    let mut most: Vec<&Counted> = sockets.iter().filter(|counted| counted.resent > 0 && seconds > 0.0).collect();
    order::sort_by_key(&mut most, |counted| (Reverse(counted.resent), counted.at));
    let told = most.into_iter().take(NAMED).filter_map(|counted| {
        let row = census.sockets.get(counted.at as usize)?;
        Some(Resending {
            local_port: row.local_port,
            remote: (row.remote, row.remote_port),
            process: process(census, counted),
            rate: f64::from(counted.resent) / seconds,
        })
    });
    told.collect()
}

fn process(census: &Census, counted: &Counted) -> Option<(String, u32)> {
    let owner = census.sockets.get(counted.at as usize)?.owner?;
    census.processes.get(owner as usize).map(|process| (process.name.clone(), process.pid))
}
