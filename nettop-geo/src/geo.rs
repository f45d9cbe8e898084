//! The databases in force at one instant, and how a look-up goes through them.

use std::net::IpAddr;

use anyhow::Result;
use serde::Serialize;

use crate::{
    CountryCode, Location,
    bundle::Bundle,
    special::{self, Kind},
};

/// One database in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Database {
    /// Its file, or `bundled`.
    pub name: String,
    /// `bundled`, `csv` or `mmdb`.
    pub kind: &'static str,
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
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
    bundle: &'static Bundle,
    databases: Vec<Database>,
}

impl Geo {
    /// The embedded data alone.
    ///
    /// # Errors
    /// When the program was built with damaged data.
    pub fn bundled() -> Result<Self> {
        let bundle = Bundle::embedded()?;
        let database = Database {
            name: "bundled".into(),
            kind: "bundled",
            built: Some(bundle.built.clone()),
            rows: bundle.rows,
            bad_rows: 0,
            problems: Vec::new(),
            provides: Provides { country: true, city: false, asn: true },
        };
        Ok(Self { bundle, databases: vec![database] })
    }

    /// The databases, that with the most say first.
    pub fn databases(&self) -> &[Database] {
        &self.databases
    }

    /// Where an address is. An IPv4-mapped IPv6 address is the IPv4 address.
    pub fn look_up(&self, ip: IpAddr) -> Location<'_> {
        let ip = ip.to_canonical();
        let mut location = Location::default();
        match special::find(ip).map(|special| special.kind) {
            Some(Kind::Local(kind)) => {
                location.fill(Location { country_code: CountryCode::LOCAL, country: kind, ..Location::default() });
            }
            Some(Kind::Embedded(inner)) => location.fill(self.look_up(inner(ip).into())),
            Some(Kind::Public) | None => location.fill(self.bundle.look_up(ip)),
        }
        if location.country.is_empty() {
            location.country = location.country_code.name().unwrap_or_default();
        }
        location
    }
}
