//! What the rules want to know of a census.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use foldhash::fast::RandomState;
use nettop_collect::sockets::{Census, SocketProtocol, SocketRow};
use nettop_model::snapshot::Way;

use super::{
    Counted, Entered,
    listeners::takes,
    state::{ESTABLISHED, Kind},
};
use crate::detect::sockets::{FEW_BYTES, Listener, OLD_SECONDS, Resending, SocketFacts};

/// Listeners that rules look at, connections and addresses that an alert names.
const LISTENERS: usize = 64;
const NAMED: usize = 3;

/// What is summed up for a listener.
struct Sum {
    listener: Listener,
    v6_only: bool,
    idle_by_remote: HashMap<IpAddr, u64, RandomState>,
    /// Half-open and idle connections by the address of this host that they are at; none where all are at that of the listener.
    by_local: HashMap<IpAddr, u64, RandomState>,
}

/// The facts of it.
pub fn facts(Entered { census, seconds, sockets }: &Entered) -> SocketFacts {
    let mut sums: Vec<Sum> = Vec::new();
    // By port: few listen at one.
    let mut at_port: HashMap<u16, Vec<usize>, RandomState> = HashMap::default();
    let rows = sockets.iter().filter_map(|counted| Some((counted, census.sockets.get(counted.at as usize)?)));
    let tcp = rows.filter(|(_, row)| row.protocol == SocketProtocol::Tcp);
    for (counted, row) in tcp.clone().filter(|(counted, _)| counted.kind == Kind::Listening) {
        let places = at_port.entry(row.local_port).or_default();
        let same = places.iter().find(|place| sums[**place].listener.address == row.local).copied();
        let place = same.unwrap_or_else(|| {
            places.push(sums.len());
            sums.push(Sum::of(row));
            sums.len() - 1
        });
        let listener = &mut sums[place].listener;
        listener.backlog += u64::from(row.send_queue);
        listener.waiting += u64::from(row.receive_queue);
        listener.process = listener.process.take().or_else(|| process(census, counted));
    }
    let find = |sums: &[Sum], local: IpAddr, port: u16| {
        let places = at_port.get(&port)?;
        // The kernel prefers the one that names the address.
        let exact = places.iter().find(|place| sums[**place].listener.address == local);
        let any = || places.iter().find(|place| takes(&(sums[**place].listener.address, sums[**place].v6_only), local));
        exact.or_else(any).copied()
    };
    for (counted, row) in tcp.clone().filter(|(counted, row)| counted.way == Way::In && row.state == ESTABLISHED) {
        if let Some(place) = find(&sums, row.local, row.local_port) {
            sums[place].connection(counted, row, census.at.monotonic_ns);
        }
    }
    for (local, port, count) in &census.half_open {
        if let Some(place) = find(&sums, *local, *port) {
            sums[place].listener.half_open += count;
            *sums[place].by_local.entry(*local).or_default() += count;
        }
    }
    SocketFacts { listeners: listeners(sums), resending: resending(census, *seconds, sockets) }
}

impl Sum {
    fn of(row: &SocketRow) -> Self {
        let listener = Listener {
            address: row.local,
            port: row.local_port,
            process: None,
            backlog: 0,
            waiting: 0,
            half_open: 0,
            established: 0,
            idle: 0,
            remotes: 0,
            busiest: Vec::new(),
            local: None,
        };
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
        busiest.sort_unstable_by_key(|(ip, count)| (Reverse(*count), *ip));
        busiest.truncate(NAMED);
        let local = self.by_local.into_iter().max_by_key(|(ip, count)| (*count, Reverse(*ip))).map(|(ip, _)| ip);
        Listener { remotes, busiest, local, ..self.listener }
    }
}

/// The worst of each port, and of these the worst.
fn listeners(mut sums: Vec<Sum>) -> Vec<Listener> {
    let weight = |listener: &Listener| Reverse(listener.half_open + listener.idle + listener.waiting);
    sums.sort_by_key(|sum| (weight(&sum.listener), sum.listener.port, sum.listener.address));
    let mut ports = HashSet::new();
    sums.retain(|sum| ports.insert(sum.listener.port));
    sums.truncate(LISTENERS);
    sums.into_iter().map(Sum::listener).collect()
}

/// The connections that sent most segments again since the census before.
fn resending(census: &Census, seconds: f64, sockets: &[Counted]) -> Vec<Resending> {
    let mut most: Vec<&Counted> = sockets.iter().filter(|counted| counted.resent > 0 && seconds > 0.0).collect();
    most.sort_unstable_by_key(|counted| (Reverse(counted.resent), counted.at));
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
