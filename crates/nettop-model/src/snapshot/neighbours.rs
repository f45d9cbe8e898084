//! The neighbours of this host.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    Snapshot,
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
    /// Those that the host sends to public addresses by way of, whether they are listed or not.
    pub gateways: Vec<IpAddr>,
    /// Neighbours, by interface and address.
    pub rows: Vec<NeighbourRow>,
    /// How many the list leaves out.
    pub left_out: u64,
    /// State → number of the neighbours that were read.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub states: Vec<(Name, u64)>,
    /// Where all messages of ARP and of neighbour discovery that came went; `None`: they are not counted.
    pub messages: Option<MessageAccounting>,
    /// Those that were sent, likewise.
    pub messages_sent: Option<MessageAccounting>,
}

/// Where all messages went by which neighbours ask for addresses and tell them, since the start or the last reset. Of each kind, always: `seen` =
/// `macs` + `groups` + `evicted` + `untracked`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageAccounting {
    /// All of them: `arp_requests`, `arp_answers`, `nd_requests`, `nd_answers`.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub seen: Vec<(Name, u64)>,
    /// From MACs that are remembered; of those that were sent, to them.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub macs: Vec<(Name, u64)>,
    /// Of those that were sent: to all or to many at once, by a broadcast or multicast address.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub groups: Vec<(Name, u64)>,
    /// Of MACs that were forgotten, because there was no room: of no neighbour.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub evicted: Vec<(Name, u64)>,
    /// For which the kernel had no room.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub untracked: Vec<(Name, u64)>,
    /// Whether they agree.
    pub holds: bool,
}

impl Neighbours {
    /// Whether all accounts hold.
    pub fn holds(&self) -> bool {
        [&self.messages, &self.messages_sent].into_iter().flatten().all(|messages| messages.holds)
    }
}

impl Snapshot {
    /// The default gateways.
    pub fn gateways(&self) -> &[IpAddr] {
        self.neighbours.as_deref().map_or(&[], |neighbours| &neighbours.gateways)
    }
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
    /// Whether the host sends to public addresses by way of it.
    #[serde(default)]
    pub gateway: bool,
    /// Requests that came from its MAC, by ARP of an IPv4 address and by neighbour discovery of an IPv6 address: it asked for somebody's MAC.
    /// `None`: its MAC is not known, or they are not counted.
    #[serde(default)]
    pub requests: Option<u64>,
    /// Answers, likewise.
    #[serde(default)]
    pub answers: Option<u64>,
    /// Requests that this host sent to its MAC alone, by which it looks whether the neighbour is still there; those for a MAC that is not known
    /// go to all. `None`: its MAC is not known, or they are not counted.
    #[serde(default)]
    pub requests_sent: Option<u64>,
    /// Answers, likewise.
    #[serde(default)]
    pub answers_sent: Option<u64>,
    /// Seconds since it was heard of last; of one that has not answered since the kernel asked, since before that. `None`: not known.
    pub confirmed: Option<f64>,
}
