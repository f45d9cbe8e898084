//! Which files there are, and reading them: of hostile ones, not much.

use std::{
    env,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{getegid, geteuid, getgid, getuid};

use nettop_sandbox::Invoker;

/// The system's.
const SYSTEM: &str = "/etc/nettop/config.toml";
/// More is no configuration.
const LONGEST: u64 = 256 << 10;

/// A file that was looked for.
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// What is in it; `None`: it is not there.
    pub text: Option<String>,
    /// Whether it is of somebody who called sudo, so that it may say only what cannot do harm.
    pub limited: bool,
}

/// The one that was asked for.
///
/// # Errors
/// It cannot be read.
pub fn named(path: &Path) -> Result<Found> {
    let text = Invoker::open_first(Invoker::of_sudo().ok().flatten().as_ref(), || read(path, None))
        .with_context(|| format!("reading the configuration {}; see --config, --no-config", path.display()))?;
    Ok(Found { path: path.into(), text: Some(text), limited: false })
}

/// The usual ones, each with more to say than the one before.
///
/// # Errors
/// One is there, but cannot be read, or others than its owner could have written it.
pub fn usual() -> Result<Vec<Found>> {
    let mut found = vec![look(SYSTEM.into(), 0, false)?];
    // Where it cannot be told who called sudo, nobody's: the home in the environment may be the caller's.
    let Ok(invoker) = Invoker::of_sudo() else { return Ok(found) };
    if let Some(invoker) = invoker {
        // The environment is root's, or the caller's, as sudo is configured; the home is known for certain.
        if let Some(home) = invoker.home() {
            let path = below(&home.join(".config"));
            let acted = invoker.act(|| look(path, invoker.uid(), true));
            found.push(acted.with_context(|| invoker.becoming())??);
        }
    } else if (getuid(), getgid()) == (geteuid(), getegid()) {
        // Otherwise whoever started it chooses the environment, but not whose rights it has.
        let own = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let usual = || env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".config"));
        if let Some(folder) = own.or_else(usual) {
            found.push(look(below(&folder), geteuid().as_raw(), false)?);
        }
    }
    Ok(found)
}

fn below(folder: &Path) -> PathBuf {
    folder.join("nettop").join("config.toml")
}

/// Reads a file that should be of the user `owner`, if it is there.
fn look(path: PathBuf, owner: u32, limited: bool) -> Result<Found> {
    // What is in a folder that is closed to us is not for us: sudo -u may leave somebody else's home in the environment.
    let text = match fs::symlink_metadata(&path) {
        Err(_) => None,
        Ok(_) => Some(
            read(&path, Some(owner))
                .with_context(|| format!("reading the configuration {}; --no-config does without", path.display()))?,
        ),
    };
    Ok(Found { path, text, limited })
}

/// Reads a file; with an `owner`, only if nobody else could have written it.
fn read(path: &Path, owner: Option<u32>) -> Result<String> {
    // Neither waits for whoever may write to a pipe, nor takes a terminal.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let metadata = file.metadata()?;
    ensure!(!metadata.is_dir(), "it is a folder");
    ensure!(metadata.is_file(), "it is a pipe or a device, not a regular file");
    if let Some(owner) = owner {
        // A file of root's that everybody can read tells nothing that is not known.
        let is_known = metadata.uid() == 0 && metadata.mode() & 0o004 != 0;
        ensure!(
            (metadata.uid() == owner || is_known) && metadata.mode() & 0o022 == 0,
            "others may have written it; `chown` it to its user and `chmod go-w` it, or give it with --config"
        );
    }
    ensure!(metadata.len() <= LONGEST, "it is longer than {} KiB", LONGEST >> 10);
    let mut text = String::new();
    match file.take(LONGEST + 1).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => anyhow::bail!("it is not UTF-8"),
        read => read?,
    };
    // It may have grown meanwhile.
    ensure!(text.len() as u64 <= LONGEST, "it is longer than {} KiB", LONGEST >> 10);
    Ok(text)
}
