//! `cargo xtask data`: makes the location data that nettop carries from two packages of the npm registry.

use std::{
    collections::{BTreeMap, HashMap},
    fmt, fs,
    io::Read as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use flate2::read::GzDecoder;
use nettop_geo::{
    CountryCode,
    bundle::{Bundle, Encoder},
};
use serde::{Deserialize, Serialize};

use crate::{ebpf::sha256, process, workspace::Workspace};

/// The committed data, from the workspace's root.
pub const DATA: &str = "data/geo.bin";

/// The committed manifest, from the workspace's root.
pub const MANIFEST: &str = "data/geo.json";

/// The packages, first that of the countries, then that of the networks, each with its tables.
const PACKAGES: [(&str, [&str; 2]); 2] = [
    ("@ip-location-db/dbip-country", ["dbip-country-ipv4.csv", "dbip-country-ipv6.csv"]),
    ("@ip-location-db/asn", ["asn-ipv4.csv", "asn-ipv6.csv"]),
];

/// No table is bigger than this.
const MOST: u64 = 512 << 20;

/// How many addresses are compared with a search through every row, in each table.
const PROBES: usize = 100;

/// Make data/geo.bin, the location data that nettop carries, from the newest packages of the npm registry
#[derive(clap::Args)]
pub struct Args {
    /// Take the packages from this folder, as `npm pack` left them there, and not from the registry
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
}

/// What the committed data were made of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The SHA-256 of the data.
    pub data_sha256: String,
    /// The date of the older package, as 2026-01-31.
    pub built: String,
    /// The rows of all tables together.
    pub rows: u64,
    /// The packages.
    pub packages: Vec<Package>,
}

/// One package.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its name in the registry.
    pub name: String,
    /// Its version, which ends in the date and the hour of its making.
    pub version: String,
    /// The SHA-256 of the package as the registry sends it.
    pub sha256: String,
    /// The rows of each of its tables.
    pub rows: BTreeMap<String, u64>,
}

/// Makes the data and the manifest.
pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let downloads = tempfile::tempdir().context("cannot make a temporary folder")?;
    let folder = match &args.from {
        Some(folder) => folder.as_path(),
        None => {
            download(downloads.path())?;
            downloads.path()
        }
    };
    let mut encoder = Encoder::default();
    let mut packages = Vec::new();
    let mut tables = Vec::new();
    for (name, files) in PACKAGES {
        let (package, rows) = read(&find(folder, name)?, name, files)?;
        println!("{name} {}: {} rows", package.version, rows.len());
        for row in &rows {
            let added = match &row.value {
                Value::Country(code) => encoder.country(row.start, row.end, *code),
                Value::Network(asn, org) => encoder.network(row.start, row.end, *asn, org),
            };
            added.with_context(|| format!("{name} is not in the form we know"))?;
        }
        packages.push(package);
        tables.push(rows);
    }
    let dates = packages.iter().map(date).collect::<Result<Vec<_>>>()?;
    let built = dates.into_iter().min().context("no package")?;
    let data = encoder.finish(&built)?;
    let bundle = Bundle::read(&data).context("what was just made cannot be read")?;
    for rows in &tables {
        compare(&bundle, rows)?;
    }
    let rows = tables.iter().map(|rows| rows.len() as u64).sum();
    let manifest = Manifest { data_sha256: sha256(&data), built, rows, packages };
    write(&workspace.root.join(DATA), &data)?;
    write(&workspace.root.join(MANIFEST), (serde_json::to_string_pretty(&manifest)? + "\n").as_bytes())?;
    println!("{DATA}: {} bytes, {rows} rows of {}, compared with every row", data.len(), manifest.built);
    Ok(())
}

/// Fails unless the committed data are those that their manifest describes.
pub fn freshness(root: &Path) -> Result<()> {
    let read = |name| fs::read(root.join(name)).with_context(|| format!("cannot read {}", root.join(name).display()));
    let data = read(DATA)?;
    let manifest: Manifest =
        serde_json::from_slice(&read(MANIFEST)?).with_context(|| format!("{MANIFEST} is damaged"))?;
    ensure!(
        sha256(&data) == manifest.data_sha256,
        "{DATA} is not what {MANIFEST} describes; run `cargo xtask data` and commit both"
    );
    let bundle = Bundle::read(&data)?;
    let counted: u64 = manifest.packages.iter().flat_map(|package| package.rows.values()).sum();
    ensure!(
        (bundle.rows, bundle.built) == (manifest.rows, manifest.built.as_str()) && counted == manifest.rows,
        "{DATA} says {} rows of {}, {MANIFEST} says {} of {} and counts {counted}",
        bundle.rows,
        bundle.built,
        manifest.rows,
        manifest.built
    );
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

/// Lets npm fetch the packages.
fn download(folder: &Path) -> Result<()> {
    let npm = process::find("npm", &[])
        .context("npm is missing: install it, or give the packages with --from; on Debian: apt-get install npm")?;
    for (name, _) in PACKAGES {
        process::read(
            Command::new(&npm).args(["pack", "--loglevel=error", "--pack-destination"]).arg(folder).arg(name),
        )
        .with_context(|| format!("cannot fetch {name}; is the npm registry within reach?"))?;
    }
    Ok(())
}

/// The newest file of a package in a folder: `npm pack` names it after the package and its version.
fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let start = format!("{}-", name.trim_start_matches('@').replace('/', "-"));
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let rest = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(&start));
            rest.is_some_and(|rest| rest.ends_with(".tgz") && rest.starts_with(|first: char| first.is_ascii_digit()))
        })
        .max()
        .with_context(|| format!("{} has no {start}VERSION.tgz; `npm pack {name}` makes it", folder.display()))
}

/// One range, both ends included.
#[derive(Debug)]
struct Row {
    start: IpAddr,
    end: IpAddr,
    value: Value,
}

#[derive(Debug, PartialEq)]
enum Value {
    Country(CountryCode),
    Network(u32, String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Country(code) => write!(f, "{code}"),
            Self::Network(asn, org) => write!(f, "AS{asn} {org}"),
        }
    }
}

/// Reads the tables of a package.
fn read(path: &Path, name: &str, tables: [&str; 2]) -> Result<(Package, Vec<Row>)> {
    #[derive(Deserialize)]
    struct Description {
        name: String,
        version: String,
    }
    let packed = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut files = unpack(&packed, &[&["package.json"], tables.as_slice()].concat())
        .with_context(|| format!("cannot unpack {}", path.display()))?;
    let mut file = |name: &str| files.remove(name).with_context(|| format!("{} has no {name}", path.display()));
    let description: Description = serde_json::from_slice(&file("package.json")?)?;
    ensure!(description.name == name, "{} is {}, not {name}", path.display(), description.name);

    let mut rows = Vec::new();
    let mut counts = BTreeMap::new();
    for table in tables {
        let before = rows.len();
        let content = file(table)?;
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(content.as_slice());
        for (number, record) in reader.records().enumerate() {
            let place = || format!("{table}, row {}", number + 1);
            rows.push(row(&record.with_context(place)?).with_context(place)?);
        }
        counts.insert(table.to_owned(), (rows.len() - before) as u64);
    }
    let package =
        Package { name: name.to_owned(), version: description.version, sha256: sha256(&packed), rows: counts };
    Ok((package, rows))
}

fn row(record: &csv::StringRecord) -> Result<Row> {
    let mut fields = record.iter();
    let mut field = || fields.next().context("a field is missing");
    let (start, end, value) = (field()?.parse()?, field()?.parse()?, field()?);
    let value = match fields.next() {
        None => Value::Country(CountryCode::parse(value).with_context(|| format!("{value} is not a country"))?),
        Some(org) => Value::Network(value.parse()?, org.chars().filter(|c| !c.is_control()).collect()),
    };
    Ok(Row { start, end, value })
}

/// The wanted files of a package.
fn unpack(packed: &[u8], wanted: &[&str]) -> Result<HashMap<String, Vec<u8>>> {
    let mut files = HashMap::new();
    for entry in tar::Archive::new(GzDecoder::new(packed)).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let Some(name) = path.strip_prefix("package").ok().and_then(Path::to_str) else { continue };
        if wanted.contains(&name) {
            let mut content = Vec::new();
            entry.by_ref().take(MOST).read_to_end(&mut content)?;
            files.insert(name.to_owned(), content);
        }
    }
    Ok(files)
}

/// The date in a version such as 2.3.2026013107.
fn date(package: &Package) -> Result<String> {
    let stamp = package.version.rsplit('.').next().unwrap_or_default();
    if stamp.len() != 10 || !stamp.bytes().all(|byte| byte.is_ascii_digit()) {
        bail!("{} has the version {}, which does not end in a date", package.name, package.version);
    }
    let (year, month, day) = (&stamp[..4], &stamp[4..6], &stamp[6..8]);
    Ok(format!("{year}-{month}-{day}"))
}

/// Looks up the first, the middle and the last address of every row, and addresses beside and between them, which are
/// searched for in every row.
fn compare(bundle: &Bundle<'_>, rows: &[Row]) -> Result<()> {
    let check = |ip: IpAddr, row: Option<&Row>| -> Result<()> {
        let found = bundle.look_up(ip);
        let is = |row: Option<&Row>| match row.map(|row| &row.value) {
            Some(Value::Country(code)) => found.country_code == *code,
            Some(Value::Network(asn, org)) => (found.asn, found.org) == (*asn, org),
            // No row has it, and all rows are of one kind.
            None => match rows.first().map(|row| &row.value) {
                Some(Value::Country(_)) => found.country_code.is_unknown(),
                _ => found.asn == 0,
            },
        };
        if row.is_some() && is(row) {
            return Ok(());
        }
        let smallest = rows
            .iter()
            .filter(|row| row.start.is_ipv4() == ip.is_ipv4() && (row.start..=row.end).contains(&ip))
            .min_by_key(|row| bits(row.end) - bits(row.start));
        let expected = smallest.map_or("nothing".to_owned(), |row| row.value.to_string());
        ensure!(is(smallest), "{ip} should be {expected} but is {found:?}");
        Ok(())
    };
    for row in rows {
        for ip in [row.start, row.end, like(row.start, bits(row.start) + (bits(row.end) - bits(row.start)) / 2)] {
            check(ip, Some(row))?;
        }
    }
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..PROBES {
        let Some(row) = random.choice(rows) else { break };
        check(like(row.start, bits(row.start).saturating_sub(1)), None)?;
        check(like(row.start, bits(row.end).saturating_add(1)), None)?;
        check(like(row.start, random.u128(..)), None)?;
    }
    Ok(())
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// An address of the same family.
fn like(ip: IpAddr, bits: u128) -> IpAddr {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::from_bits(bits as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
    }
}
