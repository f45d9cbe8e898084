//! The data that nettop carries: country and network of every public address.
//!
//! `cargo xtask data` writes them to `data/geo.bin`: their date, how many rows they were made of (4 bytes, little-endian),
//! and the parts of a `RangeTable`. Ranges are searched where they lie in the program's file; nothing is unpacked at the start,
//! and only what is looked at takes memory.

use std::{net::IpAddr, sync::OnceLock};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::{
    CountryCode, Location, Region,
    sections::Sections,
    table::{Builder, Order, RangeTable},
};

/// The file's first bytes: its name and the version of its layout.
const MAGIC: &[u8; 8] = b"NTGEO\0\0\x04";

/// `data/geo.bin`.
static EMBEDDED: &[u8] = include_bytes!("../../../data/geo.bin");

/// The length of a date such as 2026-01-31.
const DATE: usize = 10;

/// The embedded data.
#[derive(Debug)]
pub struct Bundle<'a> {
    /// The date of the older of both tables, as 2026-01-31.
    pub built: &'a str,
    /// The rows that it was made of.
    pub rows: u64,
    table: RangeTable<'a>,
}

impl Bundle<'static> {
    /// The embedded data.
    ///
    /// # Errors
    /// When the program was built with a damaged file.
    pub fn embedded() -> Result<&'static Self> {
        static BUNDLE: OnceLock<Result<Bundle<'static>, String>> = OnceLock::new();
        BUNDLE
            .get_or_init(|| Self::read(EMBEDDED).map_err(|error| error.to_string()))
            .as_ref()
            .map_err(|error| anyhow!("the embedded location data are damaged, build nettop again: {error}"))
    }
}

impl<'a> Bundle<'a> {
    /// Reads what [`Encoder::finish`] made. Only its parts are looked for; damage within them makes look-ups wrong, or find
    /// nothing.
    ///
    /// # Errors
    /// It is something else, or ends early.
    pub fn read(file: &'a [u8]) -> Result<Self> {
        let file = file.strip_prefix(MAGIC).context("they do not begin as location data do")?;
        let (date, file) = file.split_first_chunk::<DATE>().context("they end early")?;
        let (rows, file) = file.split_first_chunk().context("they end early")?;
        let mut sections = Sections(file);
        let table = RangeTable::read(&mut sections).context("they end early")?;
        ensure!(sections.0.is_empty(), "something follows them");
        let built = str::from_utf8(date).context("their date is not text")?;
        Ok(Self { built, rows: u32::from_le_bytes(*rows).into(), table })
    }

    /// Every country that it knows, many times.
    #[cfg(test)]
    pub(crate) fn countries(&self) -> impl Iterator<Item = CountryCode> {
        self.table.locations().map(|location| location.country_code).filter(|code| !code.is_unknown())
    }

    /// Country and network of an address; IPv4-mapped addresses are to be given as IPv4.
    pub fn look_up(&self, ip: IpAddr) -> Location<'_> {
        self.table.look_up(ip)
    }

    /// Country and AS number of an address, and how far they reach; likewise.
    pub fn region(&self, ip: IpAddr) -> Region {
        self.table.region(ip)
    }
}

/// Makes the embedded data.
#[derive(Debug)]
pub struct Encoder {
    table: Builder,
    rows: u32,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { table: Builder::new(Order::Any), rows: 0 }
    }
}

impl Encoder {
    /// Adds the country of a range, both ends included.
    ///
    /// # Errors
    /// A range that runs backwards or has two families.
    pub fn country(&mut self, start: IpAddr, end: IpAddr, code: CountryCode) -> Result<()> {
        self.push(start, end, Location { country_code: code, ..Location::default() })
    }

    /// Adds the network of a range, as [`country`](Self::country).
    ///
    /// # Errors
    /// As there.
    pub fn network(&mut self, start: IpAddr, end: IpAddr, asn: u32, org: &str) -> Result<()> {
        self.push(start, end, Location { asn, org, ..Location::default() })
    }

    fn push(&mut self, start: IpAddr, end: IpAddr, location: Location<'_>) -> Result<()> {
        ensure!(start <= end && start.is_ipv4() == end.is_ipv4(), "{start}-{end} is not a range");
        self.rows += 1;
        self.table.push(start, end, location).map_err(|refused| anyhow!("{refused}"))
    }

    /// The file's content; the same rows always make the same bytes. `built` is their date, as 2026-01-31.
    ///
    /// # Errors
    /// A date of another form, or more than a file can hold.
    pub fn finish(self, built: &str) -> Result<Vec<u8>> {
        ensure!(built.len() == DATE, "{built} is not a date like 2026-01-31");
        let table = self.table.finish().and_then(|table| Ok(table.compact()?));
        let mut file = [MAGIC, built.as_bytes(), &self.rows.to_le_bytes()].concat();
        table.map_err(|refused| anyhow!("{refused}"))?.write(&mut file)?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small bundle, to be cut and bent.
    fn small() -> Vec<u8> {
        let mut encoder = Encoder::default();
        let ip = |text: &str| text.parse().unwrap();
        encoder.network(ip("2001:db8::"), ip("2001:db8::ffff"), 64500, "Example").unwrap();
        encoder.country(ip("1.0.0.0"), ip("1.0.0.255"), CountryCode(*b"AU")).unwrap();
        encoder.network(ip("1.0.0.128"), ip("255.255.255.255"), u32::MAX, "").unwrap();
        encoder.country(ip("::"), ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), CountryCode(*b"JP")).unwrap();
        encoder.finish("2026-01-31").unwrap()
    }

    #[test]
    fn what_was_encoded_is_found() {
        let file = small();
        let bundle = Bundle::read(&file).unwrap();
        assert_eq!((bundle.rows, bundle.built), (4, "2026-01-31"));
        for (ip, code, asn, org) in [
            ("0.255.255.255", b"??", 0, ""),
            ("1.0.0.0", b"AU", 0, ""),
            ("1.0.0.128", b"AU", u32::MAX, ""),
            ("1.0.1.0", b"??", u32::MAX, ""),
            ("255.255.255.255", b"??", u32::MAX, ""),
            ("::", b"JP", 0, ""),
            ("2001:db8::ffff", b"JP", 64500, "Example"),
            ("2001:db8::1:0", b"JP", 0, ""),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", b"JP", 0, ""),
        ] {
            let expected = Location { country_code: CountryCode(*code), asn, org, ..Location::default() };
            assert_eq!(bundle.look_up(ip.parse().unwrap()), expected, "{ip}");
        }
    }

    #[test]
    fn damaged_data_are_refused_or_read_without_a_panic() {
        let whole = small();
        for length in 0..whole.len() {
            assert!(Bundle::read(&whole[..length]).is_err(), "{length} bytes");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bent = whole.clone();
                bent[at] ^= 1 << bit;
                if let Ok(bundle) = Bundle::read(&bent) {
                    bundle.look_up("1.0.0.1".parse().unwrap());
                    bundle.look_up("2001:db8::1".parse().unwrap());
                }
            }
        }
    }

    #[test]
    fn ranges_that_are_none_are_refused() {
        let mut encoder = Encoder::default();
        let ip = |text: &str| text.parse().unwrap();
        assert!(encoder.country(ip("1.0.0.1"), ip("1.0.0.0"), CountryCode::LOCAL).is_err());
        assert!(encoder.network(ip("1.0.0.1"), ip("::1"), 1, "").is_err());
        assert!(encoder.finish("today").is_err());
    }
}
