//! MaxMind databases (`.mmdb`): GeoLite2, GeoIP2, DB-IP, IPinfo and what is built like them.
//!
//! A small file is read into memory, a big one is mapped, so that it opens at once and costs no memory of its own.
//! Databases are to be replaced by renaming, which leaves the mapped file as it was. Where somebody truncates a mapped
//! file instead, reading beyond its end would kill the process with SIGBUS; its size is therefore compared before every
//! look-up, and a file of another size knows nothing until it is loaded anew. What remains is a truncation during the
//! microseconds of a look-up.

use std::{cell::OnceCell, fmt, fs::File, net::IpAddr, os::unix::fs::FileExt as _};

use anyhow::{Context as _, Result, anyhow};
use maxminddb::{LookupResult, MaxMindDbError, Metadata, PathElement, PathElement::Key, Reader, WithinOptions};
use memmap2::Mmap;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, Visitor},
};

use crate::{
    CountryCode, Location, Provides, Region,
    health::{self, Failures, Survey},
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

/// Networks that are walked through to find out whether records can be read, and what they tell; and the records that are enough.
const WALKED: usize = 65_536;
const ENOUGH: u64 = 2048;

/// An open database.
#[derive(Debug)]
pub struct Mmdb {
    data: Data,
    survey: Survey,
    failures: Failures,
}

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
    /// Opens a database of this size. Only its metadata are read, not its records.
    ///
    /// # Errors
    /// It is damaged, or cannot be read.
    pub fn open(file: File, size: u64) -> Result<Self> {
        let damaged = |error| anyhow!("it is a damaged MaxMind database: {error}");
        if size <= SMALL {
            let mut content = vec![0; usize::try_from(size)?];
            file.read_exact_at(&mut content, 0)?;
            return Reader::from_source(content).map(|reader| Self::new(Data::Memory(reader))).map_err(damaged);
        }
        // SAFETY: the mapping is read-only and private. Somebody may change the file under us: every use checks its
        // bounds and what it decodes again, and the module's documentation says what is done about truncation.
        let map = unsafe { Mmap::map(&file) }.context("it cannot be mapped")?;
        let reader = Reader::from_source(map).map_err(damaged)?;
        Ok(Self::new(Data::Mapped { reader, file, size }))
    }

    fn new(data: Data) -> Self {
        Self { data, survey: Survey::default(), failures: Failures::default() }
    }

    fn metadata(&self) -> &Metadata {
        match &self.data {
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

    /// What it can tell, once it was examined.
    pub fn provides(&self) -> Provides {
        self.survey.provides
    }

    /// What is wrong with it, once it was examined, by the name it has for the user.
    pub fn problem(&self, name: &str) -> Option<String> {
        health::problem(name, &self.metadata().database_type, &self.survey, &self.failures)
    }

    /// Reads its first records. What it can tell follows from them, from look-ups all over the address space, and, where there is
    /// more than was read, from its name.
    pub fn examine(&mut self) {
        let (mut survey, is_whole) = match &self.data {
            Data::Memory(reader) => walk(reader, || true),
            Data::Mapped { reader, .. } => walk(reader, || self.is_as_opened()),
        };
        for probe in 0..PROBES {
            // Every 2^21st IPv4 address, and every /14 of 2000::/3.
            survey.provides.add(&self.look_up(IpAddr::V4((probe << 21).into())));
            survey.provides.add(&self.look_up(IpAddr::V6((0x2000 << 112 | u128::from(probe) << 114).into())));
        }
        if !is_whole && survey.provides != Provides::default() {
            let kind = self.metadata().database_type.to_ascii_lowercase();
            let is = |words: &[&str]| words.iter().any(|word| kind.contains(word));
            survey.provides.country |= is(&["country", "city", "enterprise"]);
            survey.provides.city |= is(&["city", "enterprise"]);
            survey.provides.asn |= is(&["asn", "isp", "enterprise"]);
        }
        self.survey = survey;
        // Those were none that anybody asked for.
        self.failures = Failures::default();
    }

    /// Whether a mapped file is as long as it was.
    fn is_as_opened(&self) -> bool {
        match &self.data {
            Data::Memory(_) => true,
            Data::Mapped { file, size, .. } => file.metadata().is_ok_and(|now| now.len() == *size),
        }
    }

    /// What it knows of an address; of a damaged record, what can be read of it.
    pub fn look_up(&self, ip: IpAddr) -> Location<'_> {
        if !self.is_as_opened() {
            self.failures.note(|| "its file has another size than when it was opened".into());
            return Location::default();
        }
        self.look_up_until(ip).0
    }

    fn look_up_until(&self, ip: IpAddr) -> (Location<'_>, IpAddr) {
        let (location, damage, last) = match &self.data {
            Data::Memory(reader) => look_up(reader, ip),
            Data::Mapped { reader, .. } => look_up(reader, ip),
        };
        if let Some(damage) = damage {
            self.failures.note(|| format!("{ip}: {damage}"));
        }
        (location, last)
    }

    /// Country and AS number of an address, and the last address of the network that its record is of.
    pub fn region(&self, ip: IpAddr) -> Region {
        if !self.is_as_opened() {
            self.failures.note(|| "its file has another size than when it was opened".into());
            return Region::of(&Location::default(), ip);
        }
        let (location, last) = self.look_up_until(ip);
        Region::of(&location, last)
    }
}

/// Reads the records of its first networks, while `go_on` says so; and whether these are all.
fn walk<S: AsRef<[u8]>>(reader: &Reader<S>, go_on: impl Fn() -> bool) -> (Survey, bool) {
    let mut survey = Survey::default();
    // Whatever its tree is like, each step ends with a network then.
    let every = WithinOptions::default().include_networks_without_data().include_aliased_networks();
    let networks = match reader.networks(every) {
        Ok(networks) => networks,
        Err(damage) => {
            survey.fail(&damage);
            return (survey, false);
        }
    };
    let mut walked = 0;
    for network in networks.take(WALKED) {
        walked += 1;
        let (location, damage) = match network {
            Ok(record) if !record.has_data() => continue,
            _ if survey.records == ENOUGH || !go_on() => return (survey, false),
            Ok(record) => read(&record),
            Err(damage) => (Location::default(), Some(damage)),
        };
        survey.records += 1;
        survey.provides.add(&location);
        if let Some(damage) = damage {
            survey.fail(&damage);
        }
    }
    (survey, walked < WALKED)
}

/// What is known of an address, what is damaged of its record, and the last address of its network.
fn look_up<S: AsRef<[u8]>>(reader: &Reader<S>, ip: IpAddr) -> (Location<'_>, Option<MaxMindDbError>, IpAddr) {
    match reader.lookup(ip) {
        Ok(record) => {
            let (location, damage) = if record.has_data() { read(&record) } else { Default::default() };
            // A network of the other family says nothing of this one.
            let last =
                record.network().map(|network| network.broadcast()).ok().filter(|last| last.is_ipv4() == ip.is_ipv4());
            (location, damage, last.unwrap_or(ip))
        }
        // IPv6 is asked of a database of IPv4.
        Err(MaxMindDbError::InvalidInput { .. }) => (Location::default(), None, Region::unknown(ip).last),
        Err(damage) => (Location::default(), Some(damage), ip),
    }
}

/// What a record tells, and what of it is damaged.
fn read<'a, S: AsRef<[u8]>>(record: &LookupResult<'a, S>) -> (Location<'a>, Option<MaxMindDbError>) {
    let damage = OnceCell::new();
    let name = |path: &Path| text(record, path, &damage);
    let code = CODE.iter().filter_map(name).find_map(CountryCode::parse);
    // What is two letters is a code.
    let country = COUNTRY.iter().filter_map(name).find(|name| CountryCode::parse(name).is_none());
    let first = |paths: &[Path]| paths.iter().find_map(name).unwrap_or_default();
    let asn = ASN.iter().find_map(|path| decode(record, path, &damage)).map(|AsNumber(number)| number);
    let location = Location {
        country_code: code.unwrap_or_default(),
        country: country.unwrap_or_default(),
        city: first(&CITY),
        asn: asn.unwrap_or_default(),
        org: first(&ORG),
    };
    if location == Location::default() && damage.get().is_none() {
        // It may tell something else, or be no record at all.
        return (location, record.decode::<IgnoredAny>().err());
    }
    (location, damage.into_inner())
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
fn text<'a, S: AsRef<[u8]>>(
    record: &LookupResult<'a, S>,
    path: Path,
    damage: &OnceCell<MaxMindDbError>,
) -> Option<&'a str> {
    decode(record, path, damage).filter(|text: &&str| !text.is_empty() && text::is_clean(text))
}

fn decode<'a, T: Deserialize<'a>, S: AsRef<[u8]>>(
    record: &LookupResult<'a, S>,
    path: Path,
    damage: &OnceCell<MaxMindDbError>,
) -> Option<T> {
    match record.decode_path(path) {
        Ok(value) => value,
        Err(error @ MaxMindDbError::InvalidDatabase { .. }) => {
            // The first is told.
            let _ = damage.set(error);
            None
        }
        // It is of another kind there: every maker has ways of their own.
        Err(_) => None,
    }
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

    fn examined(content: &[u8]) -> Mmdb {
        let mut database = open(content).unwrap();
        database.examine();
        database
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
        assert_eq!(examined(&asn).provides(), Provides { country: false, city: false, asn: true });
        assert_eq!(examined(&geolite()).provides(), Provides { country: true, city: true, asn: false });
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

    /// The whole data section, which begins 16 bytes behind the tree and ends with the metadata, set to a byte.
    fn overwritten(mut content: Vec<u8>, byte: u8) -> Vec<u8> {
        let (nodes, marker) =
            (open(&content).unwrap().nodes() as usize, memchr::memmem::rfind(&content, MARKER).unwrap());
        content[nodes * 6 + 16..marker].fill(byte);
        content
    }

    #[test]
    fn what_is_damaged_or_provides_nothing_is_told() {
        let nothing = Value::Map(vec![("connection_type", text("Corporate"))]);
        let rows = |value| vec![("192.0.2.0/24", value)];
        let (damaged, useless) = (Some("is damaged: "), Some("provides nothing: "));
        let mut cut = geolite();
        let nodes = open(&cut).unwrap().nodes() as usize;
        let marker = memchr::memmem::rfind(&cut, MARKER).unwrap();
        cut.drain(nodes * 6 + 16..marker);
        let mut bent = geolite();
        // Of one record only: a map of more than there is.
        let city = memchr::memmem::find(&bent, b"Berlin").unwrap();
        bent[city - 1] = 0xff;
        let mut pointing_beyond = geolite();
        let last = nodes * 6 - 3;
        pointing_beyond[last..last + 3].copy_from_slice(&[0xff, 0xff, 0xff]);
        let mut circle = geolite();
        circle[..nodes * 6].fill(0);
        for (name, content, expected, part) in [
            ("whole", geolite(), None, ""),
            ("overwritten with ones", overwritten(geolite(), 0xff), damaged, "4 of the first 4 records"),
            ("overwritten with zeros", overwritten(geolite(), 0), useless, "neither country"),
            ("data cut out", cut, damaged, "records cannot be read"),
            ("one name bent", bent, damaged, "1 of the first 4 records"),
            ("a node that points beyond", pointing_beyond, damaged, "of the first"),
            ("a tree in a circle", circle, damaged, "cannot be read"),
            (
                "no network",
                mmdb("GeoLite2-City", &[]),
                useless,
                "no record was found in it, its type is \"GeoLite2-City\"",
            ),
            ("another type", mmdb("GeoIP2-Connection-Type", &rows(nothing)), useless, "\"GeoIP2-Connection-Type\""),
            ("empty records", mmdb("GeoLite2-Country", &rows(Value::Map(Vec::new()))), useless, "neither country"),
            ("an array", mmdb("GeoLite2-ASN", &rows(Value::Nothing)), useless, "neither country"),
        ] {
            let database = examined(&content);
            let problem = database.problem("x.mmdb");
            match expected {
                None => assert_eq!(problem, None, "{name}"),
                Some(expected) => {
                    let problem = problem.unwrap_or_else(|| panic!("{name} has no problem"));
                    assert!(problem.contains(expected) && problem.contains(part), "{name}: {problem}");
                    assert!(problem.len() < 500, "{name}: {problem}");
                }
            }
            if part.starts_with("4 of") || expected == useless {
                assert_eq!(database.provides(), Provides::default(), "{name}");
            }
        }
    }

    #[test]
    fn look_ups_that_fail_are_counted() {
        let database = examined(&overwritten(geolite(), 0xff));
        for _ in 0..3 {
            assert_eq!(database.look_up("192.0.2.1".parse().unwrap()), Location::default());
        }
        // This is in none of its networks.
        database.look_up("10.0.0.1".parse().unwrap());
        let problem = database.problem("x").unwrap();
        assert!(problem.contains("3 look-ups have failed"), "{problem}");
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
        let problem = database.problem("x").unwrap();
        assert!(problem.contains("1 look-ups have failed (its file has another size"), "{problem}");
    }
}
