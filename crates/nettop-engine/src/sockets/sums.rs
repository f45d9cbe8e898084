//! Sums over all connections, those that no list has included, by what they have in common.

use std::{collections::HashMap, hash::Hash, net::IpAddr};

use foldhash::fast::RandomState;
use nettop_collect::sockets::calls::SocketCalls;
use nettop_geo::CountryCode;
use nettop_model::snapshot::{ConnectionSum, ConnectionSums, Way};

use super::{
    Entered,
    calls::CallBook,
    elsewhere,
    rows::{self, Payload, unit},
    state::Kind,
};
use crate::heaviest::{busiest, heaviest};

/// Where an address is.
pub type Country<'a> = &'a dyn Fn(IpAddr) -> Option<CountryCode>;

/// Sums by a key.
struct By<K>(HashMap<K, ConnectionSum, RandomState>);

impl<K: Hash + Eq> By<K> {
    fn new() -> Self {
        Self(HashMap::default())
    }

    fn add(&mut self, key: K, more: &ConnectionSum) {
        let sum = self.0.entry(key).or_default();
        sum.connections += more.connections;
        sum.tx_bytes = sum.tx_bytes.saturating_add(more.tx_bytes);
        sum.rx_bytes = sum.rx_bytes.saturating_add(more.rx_bytes);
        sum.tx_bps += more.tx_bps;
        sum.rx_bps += more.rx_bps;
        sum.retransmits = sum.retransmits.saturating_add(more.retransmits);
    }

    /// The first `limit` (0: all), the busiest first; the others are added to `left_out`.
    fn rows(self, limit: usize, left_out: &mut u64, name: impl Fn(&K) -> String) -> Vec<ConnectionSum> {
        let all = self.0.into_iter().map(|(key, sum)| ConnectionSum { name: name(&key), ..sum }).collect();
        heaviest(all, limit, left_out, |one: &ConnectionSum, other| {
            let weight = |sum: &ConnectionSum| (sum.tx_bps + sum.rx_bps, sum.tx_bytes.saturating_add(sum.rx_bytes));
            busiest(weight(one), weight(other))
                .then(other.connections.cmp(&one.connections))
                .then_with(|| one.name.cmp(&other.name))
        })
    }
}

/// The sums, with at most `limit` (0: all) rows each.
pub fn sums(
    Entered { census, sockets, .. }: &Entered,
    calls: &CallBook,
    country: Country,
    limit: usize,
) -> ConnectionSums {
    let (mut by_owner, mut by_remote, mut by_port) = (By::new(), By::new(), By::new());
    for counted in sockets.iter().filter(|counted| counted.kind == Kind::Live) {
        let Some(socket) = census.sockets.get(counted.at as usize) else { continue };
        let sum = one(&rows::payload(socket, calls, counted), socket.tcp.retransmits);
        by_owner.add(socket.owner, &sum);
        by_remote.add(socket.remote, &sum);
        // Raw sockets have no ports.
        if socket.remote_port != 0 {
            by_port.add(service(counted.way, socket.local_port, socket.remote_port), &sum);
        }
    }
    // Of owners and of other ends there are fewer than of connections.
    let (mut by_process, mut by_unit, mut by_country) = (By::new(), By::new(), By::new());
    for (booked, _) in calls.elsewhere().filter(|(_, kind)| *kind == Kind::Live) {
        let SocketCalls { process, local_port, remote, remote_port, .. } = booked.newest;
        let (sum, process) = (one(&elsewhere::payload(booked), None), calls.get(process).map(|booked| &booked.process));
        by_process.add(process.map(|process| process.name.as_str()), &sum);
        by_unit.add(process.and_then(unit), &sum);
        by_remote.add(remote, &sum);
        if remote_port != 0 {
            by_port.add(service(Way::Unknown, local_port, remote_port), &sum);
        }
    }
    for (owner, sum) in &by_owner.0 {
        let process = owner.and_then(|owner| census.processes.get(owner as usize));
        by_process.add(process.map(|process| process.name.as_str()), sum);
        by_unit.add(process.and_then(unit), sum);
    }
    by_remote.0.iter().for_each(|(remote, sum)| by_country.add(country(*remote), sum));
    let left_out = &mut 0;
    let known = |name: Option<&str>| name.unwrap_or_default().to_owned();
    ConnectionSums {
        process: by_process.rows(limit, left_out, |name| known(*name)),
        unit: by_unit.rows(limit, left_out, |unit| known(unit.as_deref())),
        remote: by_remote.rows(limit, left_out, IpAddr::to_string),
        port: by_port.rows(limit, left_out, u16::to_string),
        country: by_country.rows(limit, left_out, |code| code.map(|code| code.to_string()).unwrap_or_default()),
        left_out: *left_out,
    }
}

fn one(payload: &Payload, retransmits: Option<u32>) -> ConnectionSum {
    ConnectionSum {
        name: String::new(),
        connections: 1,
        tx_bytes: payload.tx_bytes.unwrap_or_default(),
        rx_bytes: payload.rx_bytes.unwrap_or_default(),
        tx_bps: payload.tx_bps.unwrap_or_default(),
        rx_bps: payload.rx_bps.unwrap_or_default(),
        retransmits: retransmits.unwrap_or_default().into(),
    }
}

/// The port that tells what a connection is for: that of the end which was asked. Where nobody knows who asked, the lower one.
fn service(way: Way, local: u16, remote: u16) -> u16 {
    match way {
        Way::In => local,
        Way::Out => remote,
        Way::Unknown => local.min(remote),
    }
}
