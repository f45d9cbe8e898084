//! What the lists of a snapshot leave out.

use serde::{Deserialize, Serialize};

use super::{
    PrefixRest,
    json::{as_map, from_map},
};

/// What the lists of a snapshot had no room for. The first three are of the sources, with those of accounting: listed +
/// rest = `accounting.sources`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// How many sources.
    pub sources: u64,
    /// Their packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Countries.
    pub countries: Others,
    /// Networks.
    pub networks: Others,
    /// Prefixes, by length.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub prefixes: Vec<(u8, PrefixRest)>,
    /// MAC addresses; a packet counts for two.
    pub macs: Others,
    /// Destinations.
    pub dst_ips: Others,
    /// Destination ports.
    pub dst_ports: Others,
    /// Source ports.
    pub src_ports: Others,
}

/// Sums over the rows that a list leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Others {
    /// How many.
    pub rows: u64,
    /// Their packets.
    pub packets: u64,
    /// Their bytes, where those are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}
