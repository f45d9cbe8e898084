//! `nettop update-db`: fetches DB-IP's free tables and makes the `location.csv` of them in which nettop looks addresses up.
//! The only part of nettop that ever touches the network.
//!
//! The file that is there is replaced at the very end, in one step, when everything received has been checked; whatever
//! goes wrong before leaves it as it is. The new one is written beside it under a name that only the main thread makes,
//! renames and removes, so that nothing stays behind when a signal ends the work in the other thread.

mod fetch;
mod merge;
mod month;
mod progress;
mod rows;

use std::{
    fmt::Write as _,
    fs::{self, File, Permissions},
    io::{self, BufWriter},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::{Args, ValueEnum};
use nettop_export::site::{self, Site};
use nettop_model::{clock::Moment, visible::visible};
use tempfile::NamedTempFile;
use tokio::signal::unix::{SignalKind, signal};

use self::{
    merge::{Location, city_row, country_row, network_row, rows_of},
    month::Month,
    progress::Progress,
    rows::RangeRows,
};

/// Where the table is made unless asked otherwise; the first place where nettop looks for it.
const DEFAULT_OUTPUT: &str = "/var/lib/nettop/location.csv";
/// DB-IP's own server.
const DEFAULT_URL: &str = "https://download.db-ip.com/free";
/// How many months to go back when the newest files are not there yet.
const MONTHS: usize = 4;
/// Fewer rows than this DB-IP's tables of countries have not had for years: whatever came from there is not whole. A mirror
/// may have any number.
const LEAST_ROWS: u64 = 100_000;
/// Whose data it is, as the licence asks us to say.
pub const ATTRIBUTION: &str = "IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0";

/// Options of `update-db`.
#[derive(Clone, Debug, Args)]
pub struct UpdateDbArgs {
    /// The file to make or to replace [default: /var/lib/nettop/location.csv]
    #[arg(long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// How exact: countries are small and quick to load, cities take many times as much
    #[arg(long, value_enum, default_value_t = Kind::Country)]
    pub kind: Kind,
    /// Where to keep what is fetched until it is checked [default: the folder of the output]
    #[arg(long, value_name = "DIR")]
    pub workdir: Option<PathBuf>,
    /// Where to fetch from: a mirror with files named as DB-IP names them
    #[arg(long, value_name = "BASE", default_value = DEFAULT_URL, value_parser = parse_url)]
    pub url: String,
}

/// Which of DB-IP's tables says where addresses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Countries and cities.
    City,
    /// Countries.
    Country,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::Country => "country",
        }
    }

    fn parser(self) -> fn(&[&str]) -> Option<Location> {
        match self {
            Self::City => city_row,
            Self::Country => country_row,
        }
    }
}

fn parse_url(text: &str) -> Result<String, String> {
    let base = text.trim_end_matches('/');
    match base.split_once("://") {
        Some(("http" | "https", rest)) if !rest.is_empty() => Ok(base.into()),
        _ => Err("a base is http://… or https://…".into()),
    }
}

/// How long, how much and how often is too much.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until a name is resolved, and until a connection is there.
    pub connect: Duration,
    /// Without a byte; and the time in which `least_per_stall` must come.
    pub stall: Duration,
    /// Bytes: a server that sends less in `stall` is stuck.
    pub least_per_stall: u64,
    /// Redirects.
    pub redirects: u32,
    /// Bytes of a file as it is fetched. DB-IP's largest has some 100 MB.
    pub packed: u64,
    /// Bytes of a file after unpacking.
    pub unpacked: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            least_per_stall: 30 << 10,
            redirects: 5,
            packed: 1 << 30,
            unpacked: 8 << 30,
        }
    }
}

/// Makes the table; returns what was done, in lines for the user.
///
/// # Errors
/// Name what failed, on what, and what to do. The file that was there is then unchanged.
pub fn run(args: &UpdateDbArgs, limits: &Limits) -> Result<String> {
    let target = target(args)?;
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let output = tempfile::Builder::new()
        .prefix(".location.csv.")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(&folder)
        .with_context(|| format!("making a file in {}; name another place with --output", folder.display()))?;
    let progress = Progress::new();
    let job = Job {
        base: args.url.clone(),
        kind: args.kind,
        newest: Month::of(Moment::now().unix_ns / 1_000_000_000).ok_or_else(|| anyhow!("the clock is wrong"))?,
        workdir: args.workdir.clone().unwrap_or_else(|| folder.clone()),
        least_rows: if args.url == DEFAULT_URL { LEAST_ROWS } else { 1 },
        limits: *limits,
        progress: progress.clone(),
    };
    let file = output.as_file().try_clone().context("duplicating a descriptor")?;
    let result = until_signal(move || job.run(file));
    progress.end();
    let mut text = result?;
    publish(output, &target, &folder).with_context(|| format!("replacing {}", target.display()))?;
    let _ = write!(text, "written to {}\n{ATTRIBUTION}\n", visible(&target.display().to_string()));
    Ok(text)
}

/// The file to make, at the end of links. Its default folder is made too.
fn target(args: &UpdateDbArgs) -> Result<PathBuf> {
    if let Some(path) = &args.output {
        ensure!(!path.is_dir(), "{} is a folder; --output names a file", path.display());
        return regular(path);
    }
    let target = PathBuf::from(DEFAULT_OUTPUT);
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).with_context(|| {
            format!("making {}; run as root, or name another place with --output", folder.display())
        })?;
    }
    regular(&target)
}

/// That only a file is ever replaced.
fn regular(path: &Path) -> Result<PathBuf> {
    match site::find(path) {
        Ok(Site::File(file)) => Ok(file),
        Ok(Site::Node(..) | Site::Inherited(_)) => {
            bail!("{}: it is a device or a pipe; --output names a file", path.display())
        }
        Err(error) => Err(error).with_context(|| format!("{}; --output names a file", path.display())),
    }
}

/// Puts the finished file in its place: after a power cut there is the old one or the new one, whole.
fn publish(output: NamedTempFile, target: &Path, folder: &Path) -> Result<()> {
    // The umask has no say: everybody may read it.
    output.as_file().set_permissions(Permissions::from_mode(0o644))?;
    output.as_file().sync_all()?;
    ensure!(regular(target)? == target, "something else has been put there meanwhile");
    output.persist(target)?;
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Does the work in a thread of its own, which nobody waits for once a signal has come.
fn until_signal<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting a runtime")?;
    let result = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            done = tokio::task::spawn_blocking(work) => return done.context("the work failed")?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        bail!("ended by a signal; nothing was changed")
    });
    runtime.shutdown_background();
    result
}

/// What the other thread has to do, all but the last step.
struct Job {
    base: String,
    kind: Kind,
    newest: Month,
    workdir: PathBuf,
    least_rows: u64,
    limits: Limits,
    progress: Progress,
}

/// A file that was fetched.
struct Fetched {
    file: File,
    name: String,
}

impl Job {
    fn run(self, output: File) -> Result<String> {
        let agent = fetch::agent(&self.base, &self.limits)?;
        let Some(location) = self.fetch_newest(&agent, self.kind.name())? else {
            bail!(
                "{}: it has no dbip-{}-lite of the last {MONTHS} months, {} and before; is --url right?",
                self.base,
                self.kind.name(),
                self.newest
            );
        };
        let network = self.fetch_newest(&agent, "asn")?;
        if network.is_none() {
            self.progress
                .note("there is no table of networks (dbip-asn-lite): going on without their numbers and names");
        }
        self.merge(location, network, output)
    }

    fn fetch_newest(&self, agent: &ureq::Agent, table: &str) -> Result<Option<Fetched>> {
        for month in self.newest.backwards().take(MONTHS) {
            let name = format!("dbip-{table}-lite-{month}.csv.gz");
            let url = format!("{}/{name}", self.base);
            if let Some(file) = fetch::fetch(agent, &url, &self.workdir, &self.limits, &self.progress)? {
                return Ok(Some(Fetched { file, name }));
            }
        }
        Ok(None)
    }

    fn merge(&self, location: Fetched, network: Option<Fetched>, output: File) -> Result<String> {
        let mut locations = RangeRows::new(location.name.clone(), location.file, &self.limits, self.kind.parser());
        let mut networks = network.map(|network| {
            (network.name.clone(), RangeRows::new(network.name, network.file, &self.limits, network_row))
        });
        self.progress.begin("checking and merging", None);
        let rows = merge::merge(
            rows_of(Some(&mut locations)),
            rows_of(networks.as_mut().map(|(_, rows)| rows)),
            Counted { output: BufWriter::new(output), progress: &self.progress },
        )?;
        self.progress.end();
        let (good, least) = (locations.good(), self.least_rows);
        ensure!(good >= least, "{}: only {good} rows, of at least {least}; it is not whole", location.name);
        let mut text = describe(&location.name, &locations);
        if let Some((name, networks)) = &networks {
            text += &describe(name, networks);
        }
        let _ = writeln!(text, "{rows} rows made of them");
        Ok(text)
    }
}

fn describe<T>(name: &str, rows: &RangeRows<T>) -> String {
    match rows.bad() {
        0 => format!("{name}: {} rows\n", rows.good()),
        bad => format!("{name}: {} rows, and {bad} that cannot be read were left out\n", rows.good()),
    }
}

/// Tells how much was written.
struct Counted<'a, W> {
    output: W,
    progress: &'a Progress,
}

impl<W: io::Write> io::Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.progress.add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
