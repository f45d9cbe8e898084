//! The folder: who may use it, and how a file in it is read and replaced. It is never listed: whatever else lies there is
//! nobody's business.

use std::{
    fmt::Display,
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, Stat, fstat, openat, renameat_with, statat, unlinkat},
    io::Errno,
};

use super::folder::{above, check, failed, make, may_make, not_opened, open_folder, sentence, whole, writable};
use crate::file;

/// A folder that only its owner can write to, held open: what is written later goes into the folder that was looked at.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    owner: u32,
    /// Another one after the folder was removed and made anew.
    folder: Mutex<Arc<OwnedFd>>,
}

impl StateDir {
    /// Opens the folder, for a user who will read and write there; it is made where it is missing, with mode 0700, but not
    /// the folders above it. Root makes it for another user only where nobody but root could put something else in its place.
    ///
    /// # Errors
    /// What is wrong, with which folder, and the remedy behind the last semicolon. `PermissionDenied`: this process may not
    /// look there, or make it.
    pub fn open(path: &Path, user: u32) -> io::Result<Self> {
        let path = whole(path)?;
        let (above, name) = above(&path)?;
        let folder = match open_folder(&above, name) {
            Err(Errno::NOENT) => make(&above, name, user).map_err(|error| failed("making", &path, &error))?,
            other => other.map_err(|errno| not_opened(&above, name, &path, errno))?,
        };
        check(&folder, &path, user)?;
        writable(&folder, &path)?;
        Ok(Self { path, owner: user, folder: Mutex::new(Arc::new(folder)) })
    }

    /// Whether it could be opened. Changes nothing: `false` means that it would have to be made first.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn try_out(path: &Path, user: u32) -> io::Result<bool> {
        let path = whole(path)?;
        let (above, name) = above(&path)?;
        match open_folder(&above, name) {
            Err(Errno::NOENT) => {
                may_make(&above, user).map_err(|error| failed("making", &path, &error))?;
                writable(&above, &path).map(|()| false)
            }
            Err(errno) => Err(not_opened(&above, name, &path, errno)),
            Ok(folder) => {
                check(&folder, &path, user)?;
                writable(&folder, &path).map(|()| true)
            }
        }
    }

    /// Where it is; absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content of a file; `None`: there is none. `name` is that of a file in the folder, without a leading dot.
    ///
    /// # Errors
    /// It has more than `most` bytes; it is a link, or anything else but a file; or what the file system says. With the file
    /// and a remedy.
    pub fn read(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let file = self.path.join(plain(name)?);
        let told = |error: &dyn Display, remedy: &str| io::Error::other(sentence("reading", &file, error, remedy));
        let folder = self.folder()?;
        // Who opens a pipe would else wait for somebody who writes to it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let open = match openat(&*folder, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO) => return Err(told(&NO_FILE, REMOVE)),
            other => File::from(other.map_err(|errno| failed("reading", &file, &errno.into()))?),
        };
        if !open.metadata()?.is_file() {
            return Err(told(&NO_FILE, REMOVE));
        }
        let mut content = Vec::new();
        let length = open.take(most.saturating_add(1)).read_to_end(&mut content);
        if length.map_err(|error| failed("reading", &file, &error))? as u64 > most {
            return Err(told(&format!("it has more than the {most} bytes that are read of it"), REMOVE));
        }
        Ok(Some(content))
    }

    /// Replaces a file whole, or leaves it as it was; its mode is 0600. What a crash has left of an earlier attempt is
    /// removed.
    ///
    /// # Errors
    /// What the file system says, with the file and a remedy.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let file = self.path.join(plain(name)?);
        let folder = self.folder()?;
        replace(folder.as_fd(), name, content).map_err(|error| failed("writing", &file, &error))
    }

    /// The folder that is there now. Someone may have moved it away since, or put another in its place.
    fn folder(&self) -> io::Result<Arc<OwnedFd>> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |there: &Stat| fstat(&*folder).is_ok_and(|held| is_same(&held, there));
        match statat(CWD, &self.path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if same(&there) => {}
            // The folders above are not for this user to look into: the open one is all there is.
            Err(Errno::ACCESS) => {}
            Err(errno) => {
                let remedy = "make it again, and start nettop anew: its sandbox knows the old folder alone";
                return Err(io::Error::new(
                    io::Error::from(errno).kind(),
                    sentence("looking for", &self.path, &io::Error::from(errno), remedy),
                ));
            }
            Ok(_) => {
                let (above, name) = above(&self.path)?;
                let anew = open_folder(&above, name).map_err(|errno| not_opened(&above, name, &self.path, errno))?;
                check(&anew, &self.path, self.owner)?;
                *folder = Arc::new(anew);
            }
        }
        Ok(Arc::clone(&folder))
    }
}

const NO_FILE: &str = "it is no regular file";
const REMOVE: &str = "remove it, and start nettop anew";

/// Writes a file beside the target, brings it to the disk, and puts it in the place of the target.
fn replace(folder: BorrowedFd, name: &str, content: &[u8]) -> io::Result<()> {
    let temporary = format!(".{name}.tmp");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let create = || openat(folder, &temporary, flags, Mode::from_raw_mode(0o600));
    let open = match create() {
        Err(Errno::EXIST) => match unlinkat(folder, &temporary, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => create().map_err(|errno| busy(errno, Errno::EXIST))?,
            Err(errno) => return Err(errno.into()),
        },
        other => other?,
    };
    let open = File::from(open);
    let written = file::overwrite(&open, |out| out.write_all(content)).and_then(|()| {
        let there = statat(folder, &temporary, AtFlags::SYMLINK_NOFOLLOW);
        match there.map_err(|errno| busy(errno, Errno::NOENT))? {
            // Not renameat, which the sandbox does not have.
            there if is_same(&fstat(&open)?, &there) => {
                renameat_with(folder, &temporary, folder, name, RenameFlags::empty())
                    .map_err(|errno| busy(errno, Errno::NOENT))
            }
            _ => Err(busy(Errno::EXIST, Errno::EXIST)),
        }
    });
    if written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::ResourceBusy) {
        // The first error is the one that tells.
        let _ = unlinkat(folder, &temporary, AtFlags::empty());
    }
    written
}

/// What an error means that says `sign` where another process uses the same temporary file.
fn busy(errno: Errno, sign: Errno) -> io::Error {
    if errno != sign {
        return errno.into();
    }
    io::Error::new(io::ErrorKind::ResourceBusy, "another process writes it at the same time")
}

/// A name of a file in the folder itself, and not one of the temporary files.
fn plain(name: &str) -> io::Result<&str> {
    let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    is_plain.then_some(name).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name")))
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

#[cfg(test)]
mod tests;
