//! Where sources are, and sums over places.

use nettop_geo::{CountryCode, Database, Location};
use serde::{Deserialize, Serialize};

/// Where an address is, as far as the databases know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// ISO 3166-1 alpha-2 code of the country; `LO`: not a public address; `??`: unknown.
    pub country_code: CountryCode,
    /// Its name, or what kind of address it is.
    pub country: String,
    /// City; empty: unknown.
    pub city: String,
    /// Number of the autonomous system; 0: unknown.
    pub asn: u32,
    /// Who runs that; empty: unknown.
    pub org: String,
}

impl From<Location<'_>> for Place {
    fn from(Location { country_code, country, city, asn, org }: Location<'_>) -> Self {
        Self { country_code, country: country.into(), city: city.into(), asn, org: org.into() }
    }
}

/// Where places come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeoView {
    /// The databases in force, that with the most say first.
    pub databases: Vec<Database>,
    /// What could not be loaded or reloaded, where what was read before stays in force; and databases in force that are damaged, or
    /// provide nothing.
    pub problems: Vec<String>,
}

/// What came from the sources of one place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Sources there, of those remembered.
    pub ips: u64,
    /// Their packets, those of sources since forgotten included.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets in the newest whole second.
    pub pps: f64,
    /// Packets of the last 60 s, over 60 or the time since the start.
    pub pps_60s: f64,
}

/// One country.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountryRow {
    /// See [`Place::country_code`].
    pub country_code: CountryCode,
    /// Its name.
    pub country: String,
    /// What came from there.
    pub sums: Sums,
}

/// One network: an autonomous system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkRow {
    /// Its number; 0: sources whose network is unknown.
    pub asn: u32,
    /// Who runs it.
    pub org: String,
    /// What came from there.
    pub sums: Sums,
}
