//! Sockets of other network namespaces, those of containers above all. No census lists them: what is known of them is what calls on them
//! moved, and of TCP, what the kernel told at the end. So they are listed once they have moved something: of TCP until they end, others
//! until they were silent for a minute.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use nettop_collect::sockets::{
    SocketProtocol, SocketRow,
    calls::{Moved, SocketCalls},
};
use nettop_model::snapshot::{Connection, Way};

use super::{
    by_socket::Booked,
    calls::{CallBook, Identity},
    rows::{Payload, unit},
    state::{self, ESTABLISHED, Kind},
    takes::takes,
};

/// Protocols by their numbers (linux/in.h) whose sockets have ports.
const WITH_PORTS: [(u16, SocketProtocol); 4] =
    [(6, SocketProtocol::Tcp), (17, SocketProtocol::Udp), (132, SocketProtocol::Sctp), (136, SocketProtocol::UdpLite)];
/// What is not told of a socket.
const UNKNOWN: &str = "?";

/// Of which protocol a socket is, as far as the number tells it: those that ping(8) uses are raw ones here.
pub fn protocol(socket: &SocketCalls) -> SocketProtocol {
    let found = WITH_PORTS.into_iter().find(|(number, _)| *number == socket.protocol);
    found.map_or(SocketProtocol::Raw, |(_, protocol)| protocol)
}

/// Whether it has another end; `None`: it is not listed. Of TCP it listens, and nobody would tell when it is closed.
pub fn kind(socket: &SocketCalls) -> Option<Kind> {
    match (protocol(socket), socket.remote_port) {
        (SocketProtocol::Tcp, 0) => None,
        (SocketProtocol::Raw, _) if socket.remote.is_unspecified() => Some(Kind::Listening),
        (SocketProtocol::Raw, _) => Some(Kind::Live),
        (_, 0) => Some(Kind::Listening),
        _ => Some(Kind::Live),
    }
}

/// What it has moved. Of TCP a call is no segment.
pub fn payload(booked: &Booked) -> Payload {
    let Booked { newest, moved: Moved { tx_bytes, rx_bytes, tx_calls, rx_calls }, bps: (tx_bps, rx_bps), .. } = booked;
    let packets = |calls: u64| Some(calls).filter(|_| protocol(newest) != SocketProtocol::Tcp);
    Payload {
        tx_bytes: Some(*tx_bytes),
        rx_bytes: Some(*rx_bytes),
        tx_packets: packets(*tx_calls),
        rx_packets: packets(*rx_calls),
        tx_bps: Some(*tx_bps),
        rx_bps: Some(*rx_bps),
    }
}

/// Its row.
pub fn row(calls: &CallBook, booked: &Booked) -> Connection {
    let SocketCalls { cookie, namespace, local, local_port, remote, remote_port, process, .. } = booked.newest;
    let (protocol, is_live) = (protocol(&booked.newest), kind(&booked.newest) == Some(Kind::Live));
    let state = if is_live { ESTABLISHED } else { 0 };
    let socket = SocketRow { cookie, protocol, state, local, local_port, remote, remote_port, ..SocketRow::default() };
    let silent_ns = Some(calls.silent_ns(cookie)).filter(|_| state::is_told_by_calls(&socket));
    let owner = calls.get(process).map(|booked| &booked.process);
    let Payload { tx_bytes, rx_bytes, tx_packets, rx_packets, tx_bps, rx_bps } = payload(booked);
    Connection {
        cookie,
        protocol: state::protocol(protocol).into(),
        namespace: Some(namespace),
        local: Some(local),
        local_port,
        takes: takes(&socket),
        remote: is_live.then_some(remote),
        remote_port: Some(remote_port).filter(|port| is_live && *port != 0),
        state: if protocol == SocketProtocol::Tcp { UNKNOWN } else { state::name(&socket, silent_ns) }.into(),
        silent: silent_ns.map(|silent_ns| silent_ns as f64 / 1e9),
        direction: is_live.then_some(Way::Unknown),
        pid: owner.map(|owner| owner.pid),
        process: owner.map(|owner| owner.name.clone()),
        unit: owner.and_then(unit),
        uid: owner.map(|owner| owner.uid).unwrap_or_default(),
        tx_bytes,
        rx_bytes,
        tx_packets,
        rx_packets,
        tx_bps,
        rx_bps,
        ..Connection::default()
    }
}

/// How many connections, and sockets without another end, each process has there.
pub fn by_process(calls: &CallBook) -> HashMap<Identity, (u64, u64), RandomState> {
    let mut counts: HashMap<Identity, (u64, u64), RandomState> = HashMap::default();
    for (booked, kind) in calls.elsewhere() {
        let (connections, listening) = counts.entry(booked.newest.process).or_default();
        match kind {
            Kind::Live => *connections += 1,
            Kind::Listening => *listening += 1,
        }
    }
    counts
}
