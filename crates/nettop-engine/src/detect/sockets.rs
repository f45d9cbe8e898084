//! What the rules know of the host's sockets: what a census says of each port that takes connections, and of connections that lose
//! segments.

use std::net::{IpAddr, SocketAddr};

use nettop_model::{
    format, order,
    snapshot::{Most, Target},
};

use super::{
    DetectInput, Finding, HOLDS, rule,
    takers::Takers,
    usual::{Of, Rate},
};
use crate::logs::servers::Writes;

/// Payload in both directions, of which a connection that does anything moves more: a request and an answer.
pub const FEW_BYTES: u64 = 2048;
/// For how long it may be new.
pub const OLD_SECONDS: f64 = 5.0;

/// What follows from one census.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SocketFacts {
    /// Sockets that wait for TCP connections, of those at one port the worst, those with most half-open or idle connections first.
    pub listeners: Vec<Listener>,
    /// Connections that sent most segments again since the census before, those with most first.
    pub resending: Vec<Resending>,
    /// Which socket takes a packet.
    pub takers: Takers,
    /// Ports whose visitors leave lines in a log, and in which.
    pub logged: Vec<(u16, Writes)>,
    /// Who holds connections open there, those with most first.
    pub held: Vec<Held>,
    /// Who has most established connections that this host did not open, itself left out.
    pub most: Option<Most>,
}

/// Connections of one address that began while this monitor looked, are established and older than some seconds, at ports whose visitors leave lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose.
    pub remote: IpAddr,
    /// In which log these lines would be.
    pub writes: Writes,
    /// How many.
    pub count: u64,
}

/// A socket that waits for TCP connections; those with the same address and port, of SO_REUSEPORT, are one.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Its address, which may be unspecified: any.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The name and the number of the process that has it, where they are known.
    pub process: Option<(String, u32)>,
    /// How many connections may wait to be accepted.
    pub backlog: u64,
    /// How many do.
    pub waiting: u64,
    /// Connections that were asked for and not confirmed yet.
    pub half_open: u64,
    /// Established connections.
    pub established: u64,
    /// Of these, those that are older than some seconds and have moved next to nothing.
    pub idle: u64,
    /// Remote addresses that the idle ones are from.
    pub remotes: u64,
    /// Those of them with most, and how many they have.
    pub busiest: Vec<(IpAddr, u64)>,
    /// The address of this host that they are at, where that is known.
    pub local: Option<IpAddr>,
}

impl Listener {
    /// One at which nothing is.
    pub const fn at(address: IpAddr, port: u16) -> Self {
        Self {
            address,
            port,
            process: None,
            backlog: 0,
            waiting: 0,
            half_open: 0,
            established: 0,
            idle: 0,
            remotes: 0,
            busiest: Vec::new(),
            local: None,
        }
    }

    /// Whether no more connections may wait to be accepted. The kernel lets one more wait than it was asked for.
    pub const fn is_full(&self) -> bool {
        self.backlog > 0 && self.waiting >= self.backlog
    }

    /// Address and port.
    pub fn name(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    /// Where connections to it go; `None`: to any address of this host, and none is known.
    pub fn target(&self) -> Option<Target> {
        let address = Some(self.address).filter(|address| !address.is_unspecified()).or(self.local)?;
        Some(Target { port: Some(self.port), ..Target::host(address) })
    }
}

/// What a rule finds at the listeners: those that are over what can be, by `times`, the worst first.
pub fn find(
    scene: &DetectInput,
    times: fn(&DetectInput, &Listener) -> f64,
    finding: fn(&DetectInput, f64, &Listener) -> Finding,
) -> Vec<Finding> {
    let mut found: Vec<_> = listeners(scene).iter().map(|listener| (times(scene, listener), listener)).collect();
    found.retain(|(times, _)| *times >= HOLDS);
    order::sort_by(&mut found, |a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|(times, listener)| finding(scene, times, listener)).collect()
}

/// What is learned for a rule at each listener: how many of something there are.
pub fn learned(scene: &DetectInput, kind: &str, count: fn(&Listener) -> u64) -> Vec<Rate> {
    let (threshold, place) = (scene.threshold_of(kind), rule::place(kind).unwrap_or_default());
    let rate = |listener: &Listener| {
        let count = count(listener) as f64;
        ((Of::Port(listener.port), place), count, count >= threshold)
    };
    listeners(scene).iter().map(rate).collect()
}

fn listeners<'a>(scene: &DetectInput<'a>) -> &'a [Listener] {
    scene.sockets.map(|sockets| sockets.listeners.as_slice()).unwrap_or_default()
}

/// A connection that sends segments again.
#[derive(Clone, Debug, PartialEq)]
pub struct Resending {
    /// The port at this end.
    pub local_port: u16,
    /// The other end.
    pub remote: (IpAddr, u16),
    /// The name and the number of its process, where they are known.
    pub process: Option<(String, u32)>,
    /// Segments sent again, per second.
    pub rate: f64,
}

/// A process as it is named in a sentence: ` of nginx (pid 12)`; nothing where it is not known.
pub fn of_process(process: Option<&(String, u32)>) -> String {
    process.map_or(String::new(), |(name, pid)| format!(" of {} (pid {pid})", format::visible(name)))
}
