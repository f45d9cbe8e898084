//! The databases in force at one instant, and how a look-up goes through them.

use std::{borrow::Cow, iter, net::IpAddr, sync::Arc};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::{
    CountryCode, Location, Region,
    bundle::Bundle,
    file::{Layer, Loaded},
    special::{self, Kind},
};

/// One database in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Database {
    /// Its file, or `bundled`.
    pub name: String,
    /// `bundled`, `csv` or `mmdb`.
    pub kind: Cow<'static, str>,
    /// The date of its data, as 2026-01-31: what the database says of itself, or when its file was written.
    pub built: Option<String>,
    /// How many rows were taken; of an `mmdb` the number of nodes in its tree, which is what it tells of its size.
    pub rows: u64,
    /// How many rows could not be used.
    pub bad_rows: u64,
    /// The first of them, as `line 17: what is wrong`.
    pub problems: Vec<String>,
    /// What it can tell.
    pub provides: Provides,
}

/// What a database can tell of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Provides {
    /// Countries.
    pub country: bool,
    /// Cities.
    pub city: bool,
    /// Autonomous systems or their organisations.
    pub asn: bool,
}

impl Provides {
    /// Adds what one location tells.
    pub(crate) fn add(&mut self, location: &Location<'_>) {
        self.country |= !location.country_code.is_unknown() || !location.country.is_empty();
        self.city |= !location.city.is_empty();
        self.asn |= location.asn != 0 || !location.org.is_empty();
    }
}

/// The databases in force. It never changes: after a reload there is a new one.
#[derive(Debug)]
pub struct Geo {
    layers: Vec<Arc<Layer>>,
    bundle: &'static Bundle<'static>,
    databases: Vec<Database>,
}

impl Geo {
    /// The embedded data alone.
    ///
    /// # Errors
    /// When the program was built with damaged data.
    pub fn bundled() -> Result<Self> {
        Ok(Self::new(Bundle::embedded()?, iter::empty()))
    }

    /// What was loaded from files, that with the most say first, and the embedded data.
    pub(crate) fn new<'a>(bundle: &'static Bundle<'static>, files: impl Iterator<Item = &'a Loaded>) -> Self {
        let (layers, mut databases): (Vec<_>, Vec<_>) =
            files.map(|file| (Arc::clone(&file.layer), file.database.clone())).unzip();
        databases.push(Database {
            name: "bundled".into(),
            kind: "bundled".into(),
            built: Some(bundle.built.into()),
            rows: bundle.rows,
            bad_rows: 0,
            problems: Vec::new(),
            provides: Provides { country: true, city: false, asn: true },
        });
        Self { layers, bundle, databases }
    }

    /// The databases, that with the most say first.
    pub fn databases(&self) -> &[Database] {
        &self.databases
    }

    /// What is wrong with those in force: look-ups that fail, and databases that provide nothing.
    pub fn problems(&self) -> Vec<String> {
        // The embedded one is the last, and no file.
        self.layers.iter().zip(&self.databases).filter_map(|(layer, database)| layer.problem(&database.name)).collect()
    }

    /// Whether look-ups take less than a microsecond each: those in MaxMind databases take several.
    pub fn is_quick(&self) -> bool {
        self.layers.iter().all(|layer| matches!(**layer, Layer::Csv(_)))
    }

    /// Where an address is. An IPv4-mapped IPv6 address is the IPv4 address.
    ///
    /// Files have the first say, even on private ranges: users may name the parts of their own network. Then come the
    /// special ranges, and for public addresses the embedded data.
    pub fn look_up(&self, ip: IpAddr) -> Location<'_> {
        let mut location = Location::default();
        self.fill(&mut location, ip.to_canonical());
        if location.country.is_empty() {
            location.country = location.country_code.name().unwrap_or_default();
        }
        location
    }

    /// Country and network of an address, and how far they reach: for whoever goes through many addresses in order. The same as
    /// [`look_up`](Self::look_up) tells.
    pub fn region(&self, ip: IpAddr) -> Region {
        let canonical = ip.to_canonical();
        let mut region = Region::unknown(canonical);
        self.layers.iter().for_each(|layer| region.fill(layer.region(canonical)));
        let (special, last) = special::find_until(canonical);
        region.fill(match special.map(|special| special.kind) {
            Some(Kind::Local(_)) => Region { country_code: CountryCode::LOCAL, asn: 0, last },
            // Where neighbours are does not follow.
            Some(Kind::Embedded(inner)) => Region { last: canonical, ..self.region(inner(canonical).into()) },
            Some(Kind::Public) | None => self.bundle.region(canonical),
        });
        // Beyond the special range, or before it, everything is different.
        region.last = region.last.min(last);
        if ip == canonical { region } else { Region { last: ip, ..region } }
    }

    fn fill<'a>(&'a self, location: &mut Location<'a>, ip: IpAddr) {
        for layer in &self.layers {
            if location.is_complete() {
                return;
            }
            location.fill(layer.look_up(ip));
        }
        match special::find(ip).map(|special| special.kind) {
            Some(Kind::Local(kind)) => {
                location.fill(Location { country_code: CountryCode::LOCAL, country: kind, ..Location::default() });
            }
            // No IPv4 address stands for another one: this ends here.
            Some(Kind::Embedded(inner)) => self.fill(location, inner(ip).into()),
            Some(Kind::Public) | None => location.fill(self.bundle.look_up(ip)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_and_special_addresses() {
        let geo = Geo::bundled().unwrap();
        for (ip, code, country, asn, org) in [
            ("8.8.8.8", b"US", "United States", 15169, "Google LLC"),
            ("1.1.1.1", b"AU", "Australia", 13335, "Cloudflare, Inc."),
            ("200.160.0.1", b"BR", "Brazil", 22548, "Nucleo de Inf. e Coord. do Ponto BR - NIC.BR"),
            ("196.216.2.1", b"ZA", "South Africa", 33764, "African Network Information Center - ( AfriNIC Ltd. )"),
            ("193.0.6.139", b"NL", "Netherlands", 3333, "Reseaux IP Europeens Network Coordination Centre (RIPE NCC)"),
            ("::ffff:8.8.8.8", b"US", "United States", 15169, "Google LLC"),
            // NAT64, 6to4 and Teredo of 8.8.8.8.
            ("64:ff9b::808:808", b"US", "United States", 15169, "Google LLC"),
            ("2002:808:808::1", b"US", "United States", 15169, "Google LLC"),
            ("2001:0:1234::f7f7:f7f7", b"US", "United States", 15169, "Google LLC"),
            ("2001:4860:4860::8888", b"CA", "Canada", 15169, "Google LLC"),
            ("2001:dc3::35", b"JP", "Japan", 7500, "WIDE Project"),
            ("2001:12ff::1", b"BR", "Brazil", 22548, "Nucleo de Inf. e Coord. do Ponto BR - NIC.BR"),
            ("2001:43f8::1", b"TZ", "Tanzania", 0, ""),
            ("10.1.2.3", b"LO", "Private", 0, ""),
            ("::ffff:127.0.0.1", b"LO", "Loopback", 0, ""),
            ("2002:0a00:0001::1", b"LO", "Private", 0, ""),
            ("fe80::1", b"LO", "Link-local", 0, ""),
        ] {
            let expected = Location { country_code: CountryCode(*code), country, city: "", asn, org };
            assert_eq!(geo.look_up(ip.parse().unwrap()), expected, "{ip}");
        }
    }

    /// From range to range, and at both ends of each.
    #[test]
    fn regions_reach_as_far_as_they_say_and_are_those_of_the_look_up() {
        let geo = Geo::bundled().unwrap();
        for (name, first, last, least) in [
            ("special ranges", "9.255.0.0", "11.1.0.0", 3),
            ("to the end of IPv4", "223.255.0.0", "255.255.255.255", 3),
            ("of IPv6", "2001:db7:ffff::", "2001:e00::", 3),
            ("NAT64, whose addresses are those of IPv4", "64:ff9b::808:700", "64:ff9b::808:900", 500),
        ] {
            let (mut ip, last): (IpAddr, IpAddr) = (first.parse().unwrap(), last.parse().unwrap());
            let mut ranges = 0;
            loop {
                let region = geo.region(ip);
                assert!(region.last >= ip, "{name}: {ip}");
                for one in [ip, region.last] {
                    let location = geo.look_up(one);
                    let expected = (location.country_code, location.asn);
                    assert_eq!(
                        (region.country_code, region.asn),
                        expected,
                        "{name}: {one}, of {ip} to {}",
                        region.last
                    );
                }
                ranges += 1;
                if region.last >= last {
                    break;
                }
                ip = match region.last {
                    IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() + 1).into()),
                    IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() + 1).into()),
                };
            }
            assert!(ranges >= least, "{name}: {ranges}");
        }
    }

    #[test]
    fn every_country_of_the_embedded_data_has_a_name() {
        for code in Bundle::embedded().unwrap().countries() {
            assert!(code.name().is_some() && code.flag().is_some(), "{code}");
        }
    }
}
