//! What the rules know of the host's sockets: what a census says of each port that takes connections, and of connections that lose
//! segments.

use std::net::{IpAddr, SocketAddr};

use nettop_model::{format, snapshot::Target};

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
