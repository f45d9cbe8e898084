//! From a census to the lists of a snapshot.

use std::collections::{BTreeMap, HashSet};

use nettop_collect::sockets::{Census, Process, SocketProtocol, SocketRow, calls::Ended};
use nettop_model::snapshot::{CensusFacts, Connection, Connections, Name, ProcessRow, Processes};

use super::{
    Counted, Entered, by_socket,
    calls::{Booked, CallBook},
    elsewhere,
    state::{self, Kind},
    sums::{self, Country},
    takes::takes,
};
use crate::heaviest::{busiest, heaviest};

/// Digits of a container's id that tell it from others, as its tools show them.
const SHORT_ID: usize = 12;
/// Nanoseconds of a tick of the clock that starts of processes are told by.
const TICK_NS: u64 = 10_000_000;

/// The connections, with at most `limit` (0: all) rows in each list.
pub fn connections(entered: &Entered, calls: &CallBook, country: Country, limit: usize) -> Connections {
    let Entered { census, seconds, sockets, .. } = entered;
    let here = sockets.iter().map(|counted| (Socket::Here(counted), counted.kind));
    let all = here.chain(calls.elsewhere().map(|(booked, kind)| (Socket::Elsewhere(booked), kind)));
    let (live, listening): (Vec<_>, Vec<_>) = all.partition(|(_, kind)| *kind == Kind::Live);
    let mut left_out = census.left_out;
    let mut list = |all: Vec<(Socket, Kind)>| {
        let all = all.into_iter().map(|(socket, _)| socket).collect();
        let listed = heaviest(all, limit, &mut left_out, |one, other| {
            let weight = |socket: &Socket| socket.payload(census, calls).weight();
            busiest(weight(one), weight(other)).then(one.place().cmp(&other.place()))
        });
        listed.iter().filter_map(|socket| socket.row(census, calls)).map(|row| placed(row, country)).collect()
    };
    let (live, listening) = (list(live), list(listening));
    let ended = calls.ended().take(if limit == 0 { usize::MAX } else { limit });
    let ended: Vec<_> = ended.cloned().collect();
    left_out += (calls.ended().count() - ended.len()) as u64;
    Connections {
        census: CensusFacts {
            at_ns: census.at.unix_ns,
            seconds: *seconds,
            sockets: census.sockets.len() as u64,
            cost_us: census.cost_ns / 1000,
            rest: census.rest_ns as f64 / 1e9,
        },
        live,
        listening,
        ended,
        left_out,
        sums: sums::sums(entered, calls, country, limit),
        states: states(census),
        orphans: census.orphans,
        without_owner: without_owner(census),
    }
}

/// Where what is known of a socket comes from.
enum Socket<'a> {
    /// From the census.
    Here(&'a Counted),
    /// From its calls: it is of another network namespace.
    Elsewhere(&'a by_socket::Booked),
}

impl Socket<'_> {
    fn payload(&self, census: &Census, calls: &CallBook) -> Payload {
        match self {
            Self::Here(counted) => {
                let socket = census.sockets.get(counted.at as usize);
                socket.map(|socket| payload(socket, calls, counted)).unwrap_or_default()
            }
            Self::Elsewhere(booked) => elsewhere::payload(booked),
        }
    }

    /// Where it is listed among those that have moved the same.
    fn place(&self) -> (bool, u64) {
        match self {
            Self::Here(counted) => (false, counted.at.into()),
            Self::Elsewhere(booked) => (true, booked.newest.cookie),
        }
    }

    fn row(&self, census: &Census, calls: &CallBook) -> Option<Connection> {
        match self {
            Self::Here(counted) => row(census, calls, counted),
            Self::Elsewhere(booked) => Some(elsewhere::row(calls, booked)),
        }
    }
}

/// With the country of its other end.
pub fn placed(row: Connection, country: Country) -> Connection {
    Connection { country: row.remote.and_then(country), ..row }
}

/// Sockets that a process has, of which it is not known which.
pub fn without_owner(census: &Census) -> u64 {
    census.sockets.iter().filter(|socket| socket.inode != 0 && socket.owner.is_none()).count() as u64
}

/// How many TCP sockets are in which state, those included for which the census had no room; two states are counted by the kernel.
fn states(census: &Census) -> Vec<(Name, u64)> {
    let mut counts = [0; state::NAMES.len()];
    let listed = census.sockets.iter().filter(|socket| socket.protocol == SocketProtocol::Tcp);
    let left_out = census.left_out_by_state.iter().map(|(state, count)| (*state, *count));
    for (state, more) in listed.map(|socket| (socket.state, 1)).chain(left_out) {
        if let Some(count) = counts.get_mut(usize::from(state)) {
            *count += more;
        }
    }
    counts[state::TIME_WAIT] = census.time_wait.unwrap_or_default();
    counts[state::SYN_RECEIVED] = census.syn_recv.unwrap_or_default();
    let named = state::NAMES.into_iter().zip(counts).filter(|(name, count)| *count > 0 && !name.is_empty());
    named.map(|(name, count)| (name.into(), count)).collect()
}

fn owner<'a>(census: &'a Census, socket: &SocketRow) -> Option<&'a Process> {
    census.processes.get(socket.owner? as usize)
}

/// The interface that it is bound to; by its number where it is gone.
fn interface(census: &Census, socket: &SocketRow) -> Option<String> {
    let index = Some(socket.interface).filter(|index| *index != 0)?;
    let named = census.interfaces.iter().find(|(one, _)| *one == index).map(|(_, name)| name.clone());
    Some(named.unwrap_or_else(|| format!("if{index}")))
}

/// What a socket has moved, and how much a second; `None`: not known.
#[derive(Default)]
pub struct Payload {
    pub tx_bytes: Option<u64>,
    pub rx_bytes: Option<u64>,
    pub tx_packets: Option<u64>,
    pub rx_packets: Option<u64>,
    pub tx_bps: Option<f64>,
    pub rx_bps: Option<f64>,
}

impl Payload {
    /// Bytes per second and bytes, both ways: what lists are ordered by.
    fn weight(&self) -> (f64, u64) {
        let bytes = self.tx_bytes.unwrap_or_default().saturating_add(self.rx_bytes.unwrap_or_default());
        (self.tx_bps.unwrap_or_default() + self.rx_bps.unwrap_or_default(), bytes)
    }
}

/// TCP counts by itself what a socket moves. Of the others it is known from their calls, of which each moves a datagram.
pub fn payload(socket: &SocketRow, calls: &CallBook, counted: &Counted) -> Payload {
    let tcp = &socket.tcp;
    match socket.protocol {
        // Of one that listens these are not what they are of connections.
        SocketProtocol::Tcp if counted.kind == Kind::Listening => Payload::default(),
        SocketProtocol::Tcp => Payload {
            tx_bytes: counted.tx_bytes,
            rx_bytes: counted.rx_bytes,
            tx_packets: tcp.segs_out.map(u64::from),
            rx_packets: tcp.segs_in.map(u64::from),
            tx_bps: counted.tx_bps,
            rx_bps: counted.rx_bps,
        },
        _ if state::is_told_by_calls(socket) && calls.has_bytes() => {
            let booked = calls.socket(socket.cookie);
            let moved = booked.map(|booked| booked.moved).unwrap_or_default();
            let (tx_bps, rx_bps) = booked.map(|booked| booked.bps).unwrap_or_default();
            Payload {
                tx_bytes: Some(moved.tx_bytes),
                rx_bytes: Some(moved.rx_bytes),
                tx_packets: Some(moved.tx_calls),
                rx_packets: Some(moved.rx_calls),
                tx_bps: Some(tx_bps),
                rx_bps: Some(rx_bps),
            }
        }
        _ => Payload::default(),
    }
}

fn row(census: &Census, calls: &CallBook, counted: &Counted) -> Option<Connection> {
    let socket = census.sockets.get(counted.at as usize)?;
    let owner = owner(census, socket);
    let is_live = counted.kind == Kind::Live;
    let tcp = Some(&socket.tcp).filter(|_| is_live);
    let is_silent = state::is_told_by_calls(socket) && calls.has_bytes();
    let silent_ns = is_silent.then(|| calls.silent_ns(socket.cookie));
    let Payload { tx_bytes, rx_bytes, tx_packets, rx_packets, tx_bps, rx_bps } = payload(socket, calls, counted);
    Some(Connection {
        cookie: socket.identity(),
        protocol: state::protocol(socket.protocol).into(),
        namespace: None,
        local: Some(socket.local).filter(|_| !socket.protocol.is_packet()),
        local_port: socket.local_port,
        takes: takes(socket),
        interface: interface(census, socket),
        remote: is_live.then_some(socket.remote),
        country: None,
        remote_port: Some(socket.remote_port).filter(|port| is_live && *port != 0),
        state: state::name(socket, silent_ns).into(),
        silent: silent_ns.map(|silent_ns| silent_ns as f64 / 1e9),
        direction: is_live.then_some(counted.way),
        pid: owner.map(|owner| owner.pid),
        process: owner.map(|owner| owner.name.clone()),
        unit: owner.and_then(unit),
        uid: socket.uid,
        tx_bytes,
        rx_bytes,
        tx_packets,
        rx_packets,
        tx_bps,
        rx_bps,
        rtt_us: tcp.and_then(|tcp| tcp.rtt_us),
        retransmits: tcp.and_then(|tcp| tcp.retransmits),
        out_of_order: tcp.and_then(|tcp| tcp.out_of_order),
        cwnd: tcp.and_then(|tcp| tcp.cwnd),
        rx_queue: socket.receive_queue,
        tx_queue: socket.send_queue,
        drops: socket.drops,
        opened_ns: counted.opened_ns,
        ended_ns: None,
    })
}

/// The container that it runs in, or else the unit.
pub fn unit(process: &Process) -> Option<String> {
    let container = process.container.as_ref().map(|id| id.chars().take(SHORT_ID).collect());
    container.or_else(|| process.unit.clone())
}

/// The processes, with at most `limit` (0: all) rows.
pub fn processes(Entered { census, sockets, .. }: &Entered, calls: &CallBook, limit: usize) -> Processes {
    let mut known: Vec<_> = census.processes.iter().map(of_process(census)).collect();
    // Of those that are not known, by user.
    let mut unknown: BTreeMap<u32, ProcessRow> = BTreeMap::new();
    for counted in sockets {
        let Some(socket) = census.sockets.get(counted.at as usize) else { continue };
        // Without a file it is of no process.
        if socket.inode == 0 {
            continue;
        }
        let row = match socket.owner.and_then(|owner| known.get_mut(owner as usize)) {
            Some(row) => row,
            None => {
                unknown.entry(socket.uid).or_insert_with(|| ProcessRow { uid: socket.uid, ..ProcessRow::default() })
            }
        };
        match counted.kind {
            Kind::Listening => row.listening += 1,
            Kind::Live => {
                row.connections += 1;
                row.tx_bytes += counted.tx_bytes.unwrap_or_default();
                row.rx_bytes += counted.rx_bytes.unwrap_or_default();
                row.tx_bps += counted.tx_bps.unwrap_or_default();
                row.rx_bps += counted.rx_bps.unwrap_or_default();
                row.retransmits += u64::from(socket.tcp.retransmits.unwrap_or_default());
            }
        }
    }
    let mut elsewhere = elsewhere::by_process(calls);
    let mut add_elsewhere = |row: &mut ProcessRow, identity| {
        let (connections, listening) = elsewhere.remove(&identity).unwrap_or_default();
        row.connections += connections;
        row.listening += listening;
    };
    for (process, row) in census.processes.iter().zip(&mut known) {
        add_elsewhere(row, (process.pid, process.started));
    }
    let mut left_out = 0;
    let has_sockets = |row: &ProcessRow| row.connections + row.listening > 0;
    let mut rows: Vec<_> = unknown.into_values().filter(has_sockets).collect();
    for (process, mut row) in census.processes.iter().zip(known).filter(|(_, row)| has_sockets(row)) {
        match calls.get((process.pid, process.started)) {
            _ if !calls.has_bytes() => {}
            Some(booked) => book(&mut row, booked),
            // It has called for nothing since this is counted.
            None => book(&mut row, &Booked::default()),
        }
        rows.push(row);
    }
    let listed: HashSet<_> = census.processes.iter().map(|process| (process.pid, process.started)).collect();
    let of_process = of_process(census);
    let others = calls.processes().filter(|(identity, _)| !listed.contains(*identity));
    rows.extend(others.filter_map(|(identity, booked)| {
        let mut row = of_process(&booked.process);
        add_elsewhere(&mut row, *identity);
        book(&mut row, booked);
        (has_sockets(&row) || calls.is_lately(booked)).then_some(row)
    }));
    let rows = heaviest(rows, limit, &mut left_out, |one, other| {
        let weight = |row: &ProcessRow| (row.tx_bps + row.rx_bps, row.tx_bytes.saturating_add(row.rx_bytes));
        busiest(weight(one), weight(other))
            .then(other.connections.cmp(&one.connections))
            .then((one.pid, one.uid).cmp(&(other.pid, other.uid)))
    });
    let accounting = calls.has_bytes().then(|| calls.accounting());
    Processes { at_ns: census.at.unix_ns, rows, left_out, accounting }
}

/// What a process has moved by its calls, instead of the sums over its connections.
fn book(row: &mut ProcessRow, booked: &Booked) {
    (row.tx_bytes, row.rx_bytes) = (booked.moved.tx_bytes, booked.moved.rx_bytes);
    (row.tx_bps, row.rx_bps) = booked.bps;
}

/// A connection that has ended, as far as the kernel tells; `offset_ns`: of the clock on the wall, from the monotonic one.
pub fn of_ended(one: &Ended, offset_ns: u64) -> Connection {
    let owner = one.owner.as_ref();
    Connection {
        cookie: one.cookie,
        namespace: Some(one.namespace).filter(|inode| *inode != 0),
        protocol: state::protocol(SocketProtocol::Tcp).into(),
        local: Some(one.local),
        local_port: one.local_port,
        remote: Some(one.remote),
        remote_port: Some(one.remote_port),
        state: "CLOSED".into(),
        pid: owner.map(|owner| owner.pid),
        process: owner.map(|owner| owner.name.clone()),
        unit: owner.and_then(unit),
        uid: owner.map(|owner| owner.uid).unwrap_or_default(),
        tx_bytes: Some(one.tx_bytes),
        rx_bytes: Some(one.rx_bytes),
        tx_packets: Some(one.tx_packets.into()),
        rx_packets: Some(one.rx_packets.into()),
        rtt_us: Some(one.rtt_us),
        retransmits: Some(one.retransmits),
        out_of_order: Some(one.out_of_order),
        ended_ns: Some(one.at_ns.wrapping_add(offset_ns)),
        ..Connection::default()
    }
}

/// The row of a process without any socket yet.
fn of_process(census: &Census) -> impl Fn(&Process) -> ProcessRow {
    let offset_ns = census.at.unix_offset_ns();
    move |process| ProcessRow {
        pid: Some(process.pid),
        process: Some(process.name.clone()),
        parent: Some(process.parent).filter(|parent| *parent != 0),
        unit: process.unit.clone(),
        container: process.container.clone(),
        executable: process.executable.clone(),
        uid: process.uid,
        started_ns: Some(process.started.saturating_mul(TICK_NS).wrapping_add(offset_ns)),
        ..ProcessRow::default()
    }
}
