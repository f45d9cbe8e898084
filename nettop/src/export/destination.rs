//! A file that is written when the monitor ends: by then it may not be allowed any more to make it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::file;

/// Where it is, and what is left of the privilege to write it.
#[derive(Debug)]
pub struct Destination {
    path: PathBuf,
    held: Option<File>,
}

impl Destination {
    /// A file that whoever writes it may make.
    pub fn new(path: PathBuf) -> Self {
        Self { path, held: None }
    }

    /// A file that a user will write. Where root's privileges are what allows it, as in a folder of somebody else's, it is
    /// opened now: later these are gone.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(path: PathBuf, user: u32) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !rustix::process::geteuid().is_root() || folder.metadata()?.uid() == user {
            return Ok(Self::new(path));
        }
        // A link in somebody else's folder must not lead root to another file.
        let held =
            OpenOptions::new().write(true).create(true).truncate(false).custom_flags(libc::O_NOFOLLOW).open(&path)?;
        Ok(Self { path, held: Some(held) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// What the file system or `write` says.
    pub fn write(&self, write: impl Fn(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        match (file::replace(&self.path, &write), &self.held) {
            // The second best: what was in it is gone first.
            (Err(error), Some(held)) if error.kind() == io::ErrorKind::PermissionDenied => {
                held.set_len(0).and_then(|()| file::overwrite(held, write))
            }
            (result, _) => result,
        }
    }
}
