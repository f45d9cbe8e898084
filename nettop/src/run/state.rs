//! The folder for what is to outlive the monitor: which one it is, and opening it.

use std::{
    env, fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use anyhow::Result;
use nettop_export::state::StateDir;
use nettop_model::snapshot::Degraded;
use nettop_process::cause;
use nettop_sandbox::Invoker;

use crate::complain;

/// Set by systemd for a unit with `StateDirectory=` (systemd.exec(5)): its folders, separated by colons.
pub const VARIABLE: &str = "STATE_DIRECTORY";

/// Who named the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateFolder {
    /// The user, who wants it: without it the monitor does not start.
    Asked(PathBuf),
    /// The service manager. Without it the monitor starts all the same, and says so.
    Provided(PathBuf),
}

impl StateFolder {
    /// As the option has it, else the service manager; `None`: nothing is to be kept.
    pub fn choose(option: Option<&Path>) -> Option<Self> {
        option.map(|path| Self::Asked(path.into())).or_else(|| provided().map(Self::Provided))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Self::Asked(path) | Self::Provided(path) => path,
        }
    }

    /// Whether it can be used, for a monitor that is started by this process; see [`StateDir::try_out`].
    ///
    /// # Errors
    /// Why not, and the remedy behind the last semicolon.
    pub fn try_out(&self) -> Result<bool> {
        self.with(Invoker::of_sudo().ok().flatten().as_ref(), StateDir::try_out)
    }

    /// The content of a file there, of at most so many bytes; `None`: there is none.
    ///
    /// # Errors
    /// As for [`try_out`](Self::try_out), or it cannot be read.
    pub fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>> {
        let folder = self.with(Invoker::of_sudo().ok().flatten().as_ref(), StateDir::open)?;
        Ok(folder.read(name, most)?)
    }

    /// Has a look at it for the user that the monitor will run as.
    fn with<T>(&self, invoker: Option<&Invoker>, look: fn(&Path, u32) -> io::Result<T>) -> Result<T> {
        let user = invoker.map_or_else(|| rustix::process::geteuid().as_raw(), Invoker::uid);
        Invoker::open_first(invoker, || Ok(look(self.path(), user)?))
    }
}

/// Opens the folder, if there is to be one, for the user who called sudo, if somebody did. What keeps a provided one from being
/// used is added to `found`.
///
/// # Errors
/// The folder that was asked for cannot be used; names it, the reason and the remedy.
pub fn open(option: Option<&Path>, invoker: Option<&Invoker>, found: &mut Vec<Degraded>) -> Result<Option<StateDir>> {
    let Some(folder) = StateFolder::choose(option) else { return Ok(None) };
    match (folder.with(invoker, StateDir::open), &folder) {
        (Err(error), StateFolder::Provided(_)) => {
            let told = cause::told(&error);
            complain("nettop", &format!("warning: nothing is kept for the next start: ${VARIABLE}: {told}"));
            let (reason, remedy) = told.rsplit_once("; ").unwrap_or((&told, "name a folder with --state"));
            found.push(Degraded {
                badge: "state".into(),
                what: format!("nothing is kept for the next start: ${VARIABLE} cannot be used"),
                reason: reason.into(),
                remedy: remedy.into(),
            });
            Ok(None)
        }
        (opened, _) => opened.map(Some),
    }
}

/// The first folder of systemd's. With `DynamicUser=` that is a link of root's to a folder which the service alone can reach.
fn provided() -> Option<PathBuf> {
    let folders = env::var_os(VARIABLE)?;
    let first = folders.as_bytes().split(|byte| *byte == b':').next().filter(|first| !first.is_empty())?;
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(first));
    Some(end_of_link(&path).unwrap_or(path))
}

/// Where a link leads that root has made; of anything else an error.
fn end_of_link(path: &Path) -> io::Result<PathBuf> {
    let facts = fs::symlink_metadata(path)?;
    match facts.is_symlink() && facts.uid() == 0 {
        true => fs::canonicalize(path),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}
