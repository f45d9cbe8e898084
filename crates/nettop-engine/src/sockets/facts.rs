//! What the rules want to know of a census.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use foldhash::fast::RandomState;
use nettop_collect::sockets::{Census, SocketProtocol, SocketRow};
use nettop_model::{order, snapshot::Way};

use super::{
    Counted, Entered,
    state::{ESTABLISHED, Kind},
};
use crate::detect::{
    sockets::{FEW_BYTES, Listener, OLD_SECONDS, Resending, SocketFacts},
    takers::Takers,
};

/// Listeners that rules look at, connections and addresses that an alert names.
const LISTENERS: usize = 64;
const NAMED: usize = 3;

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
    let rows = sockets.iter().filter_map(|counted| Some((counted, census.sockets.get(counted.at as usize)?)));
    let tcp = rows.filter(|(_, row)| row.protocol == SocketProtocol::Tcp);
    for (counted, row) in tcp.clone().filter(|(counted, _)| counted.kind == Kind::Listening) {
        sums.listens(row, process(census, counted));
    }
    for (counted, row) in tcp.filter(|(counted, row)| counted.way == Way::In && row.state == ESTABLISHED) {
        if let Some(sum) = sums.of(row.local, row.local_port) {
            sum.connection(counted, row, census.at.monotonic_ns);
        }
    }
    for (local, port, count) in &census.half_open {
        if let Some(sum) = sums.of(*local, *port) {
            sum.listener.half_open += count;
            *sum.by_local.entry(*local).or_default() += count;
        }
    }
    SocketFacts { listeners: sums.worst(), resending: resending(census, *seconds, sockets), takers: Takers::of(census) }
}

impl Sum {
    fn of(row: &SocketRow) -> Self {
        let listener = Listener::at(row.local, row.local_port);
        Self { listener, v6_only: row.v6_only, idle_by_remote: HashMap::default(), by_local: HashMap::default() }
    }

    fn connection(&mut self, counted: &Counted, row: &SocketRow, now_ns: u64) {
        self.listener.established += 1;
        let moved = counted.tx_bytes.zip(counted.rx_bytes).map(|(tx, rx)| tx.saturating_add(rx));
        let age = now_ns.saturating_sub(counted.seen_ns) as f64 / 1e9;
        if moved.is_some_and(|moved| moved < FEW_BYTES) && age >= OLD_SECONDS {
            self.listener.idle += 1;
            *self.idle_by_remote.entry(row.remote).or_default() += 1;
            *self.by_local.entry(row.local).or_default() += 1;
        }
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
