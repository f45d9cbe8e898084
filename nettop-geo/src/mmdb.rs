//! MaxMind databases (`.mmdb`): GeoLite2, GeoIP2, DB-IP, IPinfo and what is built like them.
//!
//! A small file is read into memory, a big one is mapped, so that it opens at once and costs no memory of its own.
//! Databases are to be replaced by renaming, which leaves the mapped file as it was. Where somebody truncates a mapped
//! file instead, reading beyond its end would kill the process with SIGBUS; its size is therefore compared before every
//! look-up, and a file of another size knows nothing until it is loaded anew. What remains is a truncation during the
//! microseconds of a look-up.

use std::{fmt, fs::File, net::IpAddr, os::unix::fs::FileExt as _};

use anyhow::{Context as _, Result, anyhow};
use maxminddb::{LookupResult, Metadata, PathElement, PathElement::Key, Reader};
use memmap2::Mmap;
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use crate::{
    CountryCode, Location, Provides,
    text::{self, as_number},
};

/// Files up to this size are read into memory: country databases are.
const SMALL: u64 = 16 << 20;

/// Where the metadata begin, within the last [`METADATA`] bytes of the file (MaxMind DB file format 2.0).
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
const METADATA: u64 = 128 << 10;

/// Addresses of each family that are looked up to find out what a database can tell.
const PROBES: u32 = 2048;

type Path = &'static [PathElement<'static>];

/// Where databases keep the code of the country; where the address is comes before where its owner is.
const CODE: [Path; 4] = [
    &[Key("country"), Key("iso_code")],
    &[Key("country_code")],
    &[Key("country")],
    &[Key("registered_country"), Key("iso_code")],
];
const COUNTRY: [Path; 3] = [&[Key("country"), Key("names"), Key("en")], &[Key("country_name")], &[Key("country")]];
const CITY: [Path; 2] = [&[Key("city"), Key("names"), Key("en")], &[Key("city")]];
const ASN: [Path; 3] =
    [&[Key("autonomous_system_number")], &[Key("asn")], &[Key("traits"), Key("autonomous_system_number")]];
const ORG: [Path; 5] = [
    &[Key("autonomous_system_organization")],
    &[Key("as_name")],
    &[Key("traits"), Key("autonomous_system_organization")],
    &[Key("org")],
    &[Key("name")],
];

/// An open database.
#[derive(Debug)]
pub struct Mmdb(Data);

#[derive(Debug)]
enum Data {
    Memory(Reader<Vec<u8>>),
    Mapped { reader: Reader<Mmap>, file: File, size: u64 },
}

/// Whether a file has what marks a MaxMind database, whatever its name.
pub fn is_mmdb(file: &File, size: u64) -> std::io::Result<bool> {
    let start = size.saturating_sub(METADATA);
    let mut end = vec![0; usize::try_from(size - start).unwrap_or(0)];
    file.read_exact_at(&mut end, start)?;
    Ok(memchr::memmem::rfind(&end, MARKER).is_some())
}

impl Mmdb {
    /// Opens a database of this size. Only its metadata are read, not every record.
    ///
    /// # Errors
    /// It is damaged, or cannot be read.
    pub fn open(file: File, size: u64) -> Result<Self> {
        let damaged = |error| anyhow!("it is a damaged MaxMind database: {error}");
        if size <= SMALL {
            let mut content = vec![0; usize::try_from(size)?];
            file.read_exact_at(&mut content, 0)?;
            return Reader::from_source(content).map(|reader| Self(Data::Memory(reader))).map_err(damaged);
        }
        // SAFETY: the mapping is read-only and private. Somebody may change the file under us: every use checks its
        // bounds and what it decodes again, and the module's documentation says what is done about truncation.
        let map = unsafe { Mmap::map(&file) }.context("it cannot be mapped")?;
        let reader = Reader::from_source(map).map_err(damaged)?;
        Ok(Self(Data::Mapped { reader, file, size }))
    }

    fn metadata(&self) -> &Metadata {
        match &self.0 {
            Data::Memory(reader) => reader.metadata(),
            Data::Mapped { reader, .. } => reader.metadata(),
        }
    }

    /// When it was built, in seconds since 1970.
    pub fn built(&self) -> i64 {
        i64::try_from(self.metadata().build_epoch).unwrap_or(0)
    }

    /// The nodes of its tree.
    pub fn nodes(&self) -> u64 {
        self.metadata().node_count.into()
    }

    /// What it can tell, as far as its name and a number of look-ups show.
    pub fn provides(&self) -> Provides {
        let kind = self.metadata().database_type.to_ascii_lowercase();
        let is = |words: &[&str]| words.iter().any(|word| kind.contains(word));
        let mut provides = Provides {
            country: is(&["country", "city", "enterprise"]),
            city: is(&["city", "enterprise"]),
            asn: is(&["asn", "isp", "enterprise"]),
        };
        for probe in 0..PROBES {
            // Every 2^21st IPv4 address, and every /14 of 2000::/3.
            provides.add(&self.look_up(IpAddr::V4((probe << 21).into())));
            provides.add(&self.look_up(IpAddr::V6((0x2000 << 112 | u128::from(probe) << 114).into())));
        }
        provides
    }

    /// What it knows of an address; nothing where it is damaged.
    pub fn look_up(&self, ip: IpAddr) -> Location<'_> {
        match &self.0 {
            Data::Memory(reader) => look_up(reader, ip),
            Data::Mapped { reader, file, size } => match file.metadata() {
                Ok(now) if now.len() == *size => look_up(reader, ip),
                _ => Location::default(),
            },
        }
    }
}

fn look_up<S: AsRef<[u8]>>(reader: &Reader<S>, ip: IpAddr) -> Location<'_> {
    let Ok(record) = reader.lookup(ip) else { return Location::default() };
    if !record.has_data() {
        return Location::default();
    }
    let code = CODE.iter().filter_map(|path| text(&record, path)).find_map(CountryCode::parse);
    // What is two letters is a code.
    let country = COUNTRY.iter().filter_map(|path| text(&record, path)).find(|name| CountryCode::parse(name).is_none());
    let first = |paths: &[Path]| paths.iter().find_map(|path| text(&record, path)).unwrap_or_default();
    let asn = ASN.iter().find_map(|path| decode(&record, path)).map(|AsNumber(number)| number);
    Location {
        country_code: code.unwrap_or_default(),
        country: country.unwrap_or_default(),
        city: first(&CITY),
        asn: asn.unwrap_or_default(),
        org: first(&ORG),
    }
}

/// The number of an autonomous system in any of the forms in use: a number of any width, `AS13335` or `13335`.
struct AsNumber(u32);

impl<'de> Deserialize<'de> for AsNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl Visitor<'_> for Forms {
            type Value = AsNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number of an autonomous system")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<AsNumber, E> {
                u32::try_from(number).map(AsNumber).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<AsNumber, E> {
                u32::try_from(number).map(AsNumber).map_err(E::custom)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<AsNumber, E> {
                as_number(text).map(AsNumber).ok_or_else(|| E::custom("not a number"))
            }
        }

        deserializer.deserialize_any(Forms)
    }
}

/// A text that is there and fit for a screen.
fn text<'a, S: AsRef<[u8]>>(record: &LookupResult<'a, S>, path: Path) -> Option<&'a str> {
    decode(record, path).filter(|text: &&str| !text.is_empty() && text::is_clean(text))
}

fn decode<'a, T: Deserialize<'a>, S: AsRef<[u8]>>(record: &LookupResult<'a, S>, path: Path) -> Option<T> {
    record.decode_path(path).ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::testing::{Value, mmdb};

    fn open(content: &[u8]) -> Result<Mmdb> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Mmdb::open(file, content.len() as u64)
    }

    fn text(value: &'static str) -> Value {
        Value::Text(value)
    }

    fn geolite() -> Vec<u8> {
        let names = |name| Value::Map(vec![("names", Value::Map(vec![("de", text("x")), ("en", text(name))]))]);
        let country = Value::Map(vec![
            ("geoname_id", Value::Number(1)),
            ("iso_code", text("DE")),
            ("names", Value::Map(vec![("en", text("Germany"))])),
        ]);
        let owner = Value::Map(vec![("registered_country", Value::Map(vec![("iso_code", text("US"))]))]);
        mmdb(
            "GeoLite2-City",
            &[
                ("192.0.2.0/24", Value::Map(vec![("city", names("Berlin")), ("country", country)])),
                ("198.51.100.0/24", owner),
                ("203.0.113.0/24", Value::Map(vec![("city", names("Be\x1brlin"))])),
                ("2001:db8::/32", Value::Map(vec![("city", text("Paris")), ("country", text("FR"))])),
            ],
        )
    }

    #[test]
    fn databases_of_several_makers_are_understood() {
        let ipinfo = mmdb(
            "ipinfo generic_lite.mmdb",
            &[(
                "192.0.2.0/24",
                Value::Map(vec![
                    ("country", text("Germany")),
                    ("country_code", text("DE")),
                    ("asn", text("AS64500")),
                    ("as_name", text("Example")),
                ]),
            )],
        );
        let asn = mmdb(
            "GeoLite2-ASN",
            &[
                (
                    "192.0.2.0/24",
                    Value::Map(vec![
                        ("autonomous_system_number", Value::Number(64500)),
                        ("autonomous_system_organization", text("An organisation with a long name")),
                    ]),
                ),
                ("198.51.100.0/24", Value::Map(vec![("autonomous_system_number", Value::Short(64501))])),
                ("203.0.113.0/24", Value::Map(vec![("autonomous_system_number", Value::Long(4_200_000_000))])),
            ],
        );
        let nothing = ("??", "", "", 0, "");
        for (name, file, ip, (code, country, city, asn, org)) in [
            ("GeoLite2", &geolite(), "192.0.2.1", ("DE", "Germany", "Berlin", 0, "")),
            ("another range", &geolite(), "192.0.3.1", nothing),
            ("only an owner", &geolite(), "198.51.100.1", ("US", "", "", 0, "")),
            ("an unfit name", &geolite(), "203.0.113.1", nothing),
            ("flat", &geolite(), "2001:db8::1", ("FR", "", "Paris", 0, "")),
            ("IPinfo", &ipinfo, "192.0.2.1", ("DE", "Germany", "", 64500, "Example")),
            ("a short number", &asn, "198.51.100.1", ("??", "", "", 64501, "")),
            ("a long number", &asn, "203.0.113.1", ("??", "", "", 4_200_000_000, "")),
            ("ASN", &asn, "192.0.2.255", ("??", "", "", 64500, "An organisation with a long name")),
        ] {
            let country_code = CountryCode::parse(code).unwrap();
            let database = open(file).unwrap();
            let expected = Location { country_code, country, city, asn, org };
            assert_eq!(database.look_up(ip.parse().unwrap()), expected, "{name}");
        }
        assert_eq!(open(&asn).unwrap().provides(), Provides { country: false, city: false, asn: true });
        assert_eq!(open(&geolite()).unwrap().provides(), Provides { country: true, city: true, asn: false });
        assert_eq!(open(&asn).unwrap().built(), 1_769_817_600);
    }

    #[test]
    fn damaged_files_are_refused_or_read_without_a_panic() {
        let whole = geolite();
        let look = |content: &[u8]| {
            if let Ok(database) = open(content) {
                for ip in ["192.0.2.1", "2001:db8::1", "255.255.255.255", "::"] {
                    database.look_up(ip.parse().unwrap());
                }
            }
        };
        for length in 0..whole.len() {
            look(&whole[..length]);
            look(&whole[length..]);
        }
        for at in 0..whole.len() {
            for byte in [0, 0x1f, 0x20, 0x3f, 0x7f, 0xff, whole[at] ^ 1, whole[at] ^ 0x80] {
                let mut bent = whole.clone();
                bent[at] = byte;
                look(&bent);
            }
        }
    }

    #[test]
    fn a_mapped_file_that_is_truncated_knows_nothing() {
        let mut content = geolite();
        // The tree comes first and the metadata last: what is between may be anything.
        let marker = memchr::memmem::rfind(&content, MARKER).unwrap();
        content.splice(marker..marker, vec![0; SMALL as usize]);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        assert!(is_mmdb(&file, content.len() as u64).unwrap());
        let database = Mmdb::open(file.try_clone().unwrap(), content.len() as u64).unwrap();
        let ip = "192.0.2.1".parse().unwrap();
        assert_eq!(database.look_up(ip).city, "Berlin");
        file.set_len(0).unwrap();
        assert_eq!(database.look_up(ip), Location::default());
    }
}
