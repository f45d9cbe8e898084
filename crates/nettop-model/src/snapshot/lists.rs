//! The lists of a snapshot, and for each the sums over what it leaves out.

use serde::{Deserialize, Serialize};

use super::{
    CountryRow, DestinationRow, GeoView, MacRow, NetworkRow, Others, PortRow, PrefixRest, PrefixRow, SourceRows,
    json::{as_map, from_map},
};

/// Source addresses, most packets first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceList {
    /// Those listed.
    pub rows: SourceRows,
    /// The others: listed + rest = `accounting.sources`.
    pub rest: Others,
}

/// Destination addresses, most packets first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DestinationList {
    /// Those listed.
    pub rows: Vec<DestinationRow>,
    /// The others.
    pub rest: Others,
}

/// Ports, of TCP, UDP and SCTP together; 0 stands for packets without ports.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PortList {
    /// Those that are busy in one direction at least, most packets to them first.
    pub rows: Vec<PortRow>,
    /// Packets by destination port: the busiest, in order of port.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub to: Vec<(u16, u64)>,
    /// The other destination ports.
    pub rest_to: Others,
    /// Packets by source port: the busiest, in order of port.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub from: Vec<(u16, u64)>,
    /// The other source ports.
    pub rest_from: Others,
}

/// MAC addresses, most packets first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MacList {
    /// Those listed.
    pub rows: Vec<MacRow>,
    /// The others; a packet counts for two.
    pub rest: Others,
}

/// Where the sources are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Places {
    /// Where places come from; `None`: geography is off.
    pub geo: Option<GeoView>,
    /// Countries, most packets first.
    pub countries: Vec<CountryRow>,
    /// The other countries.
    pub rest_countries: Others,
    /// Networks, most packets first.
    pub networks: Vec<NetworkRow>,
    /// The other networks.
    pub rest_networks: Others,
}

/// Prefixes of the sources.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PrefixLists {
    /// By length: 24 and 16 of IPv4, 48 and 32 of IPv6; most packets first.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub lengths: Vec<(u8, Vec<PrefixRow>)>,
    /// What these leave out, by length.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub rest: Vec<(u8, PrefixRest)>,
    /// The top prefixes of any length: those that no shorter one says as much about, most packets first.
    pub top: Vec<PrefixRow>,
}
