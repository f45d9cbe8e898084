//! Rules that join lines of logs with what the kernel knows: one file each, and one row each in [`JOINS`]. The row of the rule itself is in
//! `detect/visits`.

mod many_conns;
mod syn_no_request;

use std::net::IpAddr;

use nettop_model::net::Net;

use super::{knocks::Knocks, visits::VisitTable};
use crate::detect::sockets::SocketFacts;

/// Every one.
pub const JOINS: &[Join] = &[syn_no_request::JOIN, many_conns::JOIN];

/// How a rule joins them.
pub struct Join {
    /// The kind of the rule.
    pub kind: &'static str,
    /// Finds whom it looks for, from the threshold on.
    pub find: fn(&Scene, f64) -> Vec<Found>,
}

/// What there is to be joined. Where logs are behind, or some of them cannot be read, there is none: that no line came tells nothing then.
pub struct Scene<'a> {
    /// What logs claim.
    pub visits: &'a VisitTable,
    /// Who asks for connections.
    pub knocks: &'a Knocks,
    /// Which logs are followed.
    pub follows: &'a dyn Fn(super::servers::Writes) -> bool,
    /// What else is known.
    pub around: &'a Around<'a>,
    /// When it is, Unix nanoseconds.
    pub now_ns: u64,
}

/// What is known beside lines and packets.
#[derive(Clone, Copy, Default)]
pub struct Around<'a> {
    /// What the newest census says; `None`: there is none.
    pub sockets: Option<&'a SocketFacts>,
    /// Whether an attack lasts: addresses may be forged.
    pub is_attacked: bool,
    /// Proxies that are believed who their clients are: lines are of those, connections of them.
    pub trusted: &'a [Net],
}

impl Around<'_> {
    /// Whether an address is that of a client, which leaves lines of its own.
    pub fn is_client(&self, ip: &IpAddr) -> bool {
        !ip.is_loopback() && !self.trusted.iter().any(|trusted| trusted.contains(*ip))
    }
}

/// Somebody who does what a rule looks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Who.
    pub ip: IpAddr,
    /// How much of it.
    pub value: f64,
    /// In words.
    pub text: String,
}
