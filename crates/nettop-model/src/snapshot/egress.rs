//! What this host sends by the interfaces that are watched.

use std::net::IpAddr;

use nettop_common::TrafficClass;
use serde::{Deserialize, Serialize};

use super::{
    Amount, History, Others,
    json::{from_map, labelled},
};

/// What is sent. Packets are those on the wire, whether the host or its interface cut them up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Egress {
    /// IP packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets in the newest whole second.
    pub pps: f64,
    /// Bytes in the newest whole second.
    pub bps: f64,
    /// By class of traffic.
    #[serde(serialize_with = "labelled", deserialize_with = "from_map")]
    pub classes: Vec<(TrafficClass, Amount)>,
    /// Where all of it went.
    pub accounting: EgressAccounting,
    /// The remote addresses that were sent most packets.
    pub remotes: Vec<RemoteRow>,
    /// The others.
    pub rest: Others,
    /// The last minutes.
    pub history: History,
}

/// Where every packet went. Always: `seen` = `not_ip` + `remotes` + `evicted` + `untracked`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EgressAccounting {
    /// Every packet that left.
    pub seen: Amount,
    /// Not IP, malformed IP included.
    pub not_ip: Amount,
    /// To remote addresses that are remembered.
    pub remotes: Amount,
    /// To remote addresses that were forgotten, or never remembered, because there was no room.
    pub evicted: Amount,
    /// To remote addresses for which there was no slot in the kernel.
    pub untracked: Amount,
    /// Whether the totals, the sums by class and those by remote address, which are counted apart, agree.
    pub holds: bool,
}

/// One remote address.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RemoteRow {
    /// The address.
    pub ip: IpAddr,
    /// What it was sent.
    pub sent: Sent,
}

/// What an address was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sent {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets in the newest whole second.
    pub pps: f64,
    /// Whether packets and bytes are lower bounds: it was forgotten, or not remembered at once, because there was no room.
    pub at_least: bool,
}
