//! One database file: whether it may be read, what it is, and reading it.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, BufReader},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::OFlags;
use time::OffsetDateTime;

use crate::{
    Database, Location, Region,
    csv::Csv,
    mmdb::{self, Mmdb},
};

/// Bytes read at once.
const BUFFER: usize = 1 << 18;

/// What tells one state of a file from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds of the newest change of the content and of the file's entry.
    changed: [i64; 4],
}

impl Stamp {
    /// The state of the file at a path now.
    pub fn of(path: &Path) -> io::Result<Self> {
        path.metadata().map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()],
        }
    }
}

/// Whom a file may come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Anyone: it was named, or its folder belongs to the system.
    Anyone,
    /// The user or root, and nobody else may write it: it merely happened to be in the current or the home folder, which
    /// for root may be a stranger's.
    Owner,
}

/// A database in force.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub layer: Arc<Layer>,
    pub database: Database,
    pub stamp: Stamp,
}

/// What a file holds.
#[derive(Debug)]
pub enum Layer {
    Csv(Csv),
    Mmdb(Mmdb),
}

impl Layer {
    pub fn look_up(&self, ip: std::net::IpAddr) -> Location<'_> {
        match self {
            Self::Csv(csv) => csv.table.look_up(ip),
            Self::Mmdb(mmdb) => mmdb.look_up(ip),
        }
    }

    /// Country and AS number of an address, and how far they are known to reach.
    pub fn region(&self, ip: std::net::IpAddr) -> Region {
        match self {
            Self::Csv(csv) => csv.table.region(ip),
            Self::Mmdb(mmdb) => mmdb.region(ip),
        }
    }

    /// Why it is of no use, or of less than it seems, by the name it has for the user.
    pub fn problem(&self, name: &str) -> Option<String> {
        match self {
            Self::Csv(csv) => csv.problem(name),
            Self::Mmdb(mmdb) => mmdb.problem(name),
        }
    }
}

/// A file that is open.
pub struct Opened {
    file: File,
    metadata: Metadata,
    is_mmdb: bool,
}

impl Opened {
    /// Opens a regular file; neither a pipe nor a device makes it wait.
    pub fn open(path: &Path, trust: Trust) -> Result<Self> {
        let flags = match trust {
            Trust::Anyone => OFlags::NONBLOCK,
            Trust::Owner => OFlags::NONBLOCK | OFlags::NOFOLLOW,
        };
        let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
        let metadata = file.metadata()?;
        let kind = metadata.file_type();
        ensure!(!kind.is_dir(), "it is a folder, not a file");
        ensure!(!kind.is_fifo(), "it is a pipe, not a regular file");
        ensure!(kind.is_file(), "it is a device, not a regular file");
        if trust == Trust::Owner {
            let is_ours = [rustix::process::geteuid().as_raw(), 0].contains(&metadata.uid());
            ensure!(
                is_ours && metadata.mode() & 0o022 == 0,
                "it was found there by chance and others may have written it; give it with --location-db if you trust it, \
                 or else `chown` it to you and `chmod go-w` it"
            );
        }
        let is_mmdb = mmdb::is_mmdb(&file, metadata.len())?;
        Ok(Self { file, metadata, is_mmdb })
    }

    /// Whether reading it takes long.
    pub fn is_long(&self) -> bool {
        /// Bytes of a CSV that take about 0.1 s.
        const LONG: u64 = 4 << 20;
        !self.is_mmdb && self.metadata.len() > LONG
    }

    /// Looks at its beginning only.
    pub fn probe(self) -> Result<()> {
        if self.is_mmdb { Ok(()) } else { Csv::probe(BufReader::new(self.file)) }
    }

    /// Reads it, until `stop` is set.
    pub fn load(self, path: &Path, stop: &AtomicBool) -> Result<Loaded> {
        let Self { file, metadata, is_mmdb } = self;
        let stamp = Stamp::from(&metadata);
        let mut database = Database {
            name: path.display().to_string(),
            kind: if is_mmdb { "mmdb" } else { "csv" }.into(),
            built: date(metadata.mtime()),
            rows: 0,
            bad_rows: 0,
            problems: Vec::new(),
            provides: Default::default(),
        };
        let layer = if is_mmdb {
            let mut mmdb = Mmdb::open(file, metadata.len())?;
            mmdb.examine();
            database.built = date(mmdb.built());
            database.rows = mmdb.nodes();
            database.provides = mmdb.provides();
            Layer::Mmdb(mmdb)
        } else {
            let named_mmdb = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("mmdb"));
            let mut csv = Csv::read(BufReader::with_capacity(BUFFER, &file), stop)
                .with_context(|| if named_mmdb { "it is no MaxMind database" } else { "it is no location.csv" })?;
            database.rows = csv.rows;
            database.bad_rows = csv.bad_rows;
            database.problems = std::mem::take(&mut csv.problems);
            database.provides = csv.provides;
            Layer::Csv(csv)
        };
        if Stamp::of(path).ok() != Some(stamp) {
            bail!("it changed while it was read");
        }
        Ok(Loaded { layer: Arc::new(layer), database, stamp })
    }
}

fn date(seconds: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(seconds).ok().map(|time| time.date().to_string())
}
