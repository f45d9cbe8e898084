//! The neighbours of this host.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    json::{as_map, from_map},
    names::Name,
    values::Mac,
};

/// Whoever is on a link of this host, as the kernel's tables of ARP and ND have it at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Neighbours {
    /// When it was read, Unix nanoseconds.
    pub at_ns: u64,
    /// Neighbours, by interface and address.
    pub rows: Vec<NeighbourRow>,
    /// How many the list leaves out.
    pub left_out: u64,
    /// State → number of the neighbours that were read.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub states: Vec<(Name, u64)>,
}

/// One neighbour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeighbourRow {
    /// Its address.
    pub ip: IpAddr,
    /// Its MAC address; `None`: it is not known, or is none of Ethernet.
    pub mac: Option<Mac>,
    /// The interface that it is at.
    pub interface: String,
    /// As ip-neighbour(8) names it: `REACHABLE`, `STALE`, `DELAY`, `PROBE`, `INCOMPLETE`, `FAILED`, `PERMANENT`.
    pub state: Name,
    /// Whether it says that it is a router, as ND tells.
    pub router: bool,
    /// Seconds since it was heard of last; of one that has not answered since the kernel asked, since before that. `None`: not known.
    pub confirmed: Option<f64>,
}
