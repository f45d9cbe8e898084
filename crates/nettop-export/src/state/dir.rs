//! The folder: who may use it, and how a file in it is read and replaced. It is never listed: whatever else lies there is
//! nobody's business.

use std::{
    ffi::OsStr,
    fmt::Display,
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::{
    fs::{
        Access, AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, Stat, accessat, chownat, fstat, mkdirat, openat,
        renameat_with, statat, unlinkat,
    },
    io::Errno,
    process::{Uid, geteuid},
};

use crate::file;

/// The last resort of every error here.
const ANOTHER: &str = "choose another folder with --state";

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
        Err(Errno::EXIST) => unlinkat(folder, &temporary, AtFlags::empty()).and_then(|()| create()),
        other => other,
    };
    let open = File::from(open?);
    let written = file::overwrite(&open, |out| out.write_all(content)).and_then(|()| {
        let there = statat(folder, &temporary, AtFlags::SYMLINK_NOFOLLOW)?;
        if !is_same(&fstat(&open)?, &there) {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process writes it at the same time"));
        }
        // Not renameat, which the sandbox does not have.
        Ok(renameat_with(folder, &temporary, folder, name, RenameFlags::empty())?)
    });
    if written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::ResourceBusy) {
        // The first error is the one that tells.
        let _ = unlinkat(folder, &temporary, AtFlags::empty());
    }
    written
}

/// A name of a file in the folder itself, and not one of the temporary files.
fn plain(name: &str) -> io::Result<&str> {
    let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    is_plain.then_some(name).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name")))
}

/// Absolute, and without a slash at the end, behind which the kernel would follow a link.
fn whole(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|error| failed("looking for", path, &error))?;
    Ok(absolute.components().collect())
}

/// The folder above this one, and the name of this one in it.
fn above(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other(format!("{} is no folder of nettop's own; {ANOTHER}", path.display())));
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(CWD, above, flags, Mode::empty()).map_err(|errno| {
        let error = io::Error::from(errno);
        let remedy = format!("make that folder first, or {ANOTHER}");
        let doing = format!("making {}: looking for", path.display());
        io::Error::new(error.kind(), sentence(&doing, above, &error, &remedy))
    })?;
    Ok((opened, name))
}

/// By its path alone (`O_PATH`): that asks for no right that the sandbox does not leave.
fn open_folder(above: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(above, name, flags, Mode::empty())
}

/// Why it could not be opened.
fn not_opened(above: &OwnedFd, name: &OsStr, path: &Path, errno: Errno) -> io::Error {
    let kind = statat(above, name, AtFlags::SYMLINK_NOFOLLOW).map(|facts| FileType::from_raw_mode(facts.st_mode));
    let shown = path.display();
    match (errno, kind) {
        (Errno::NOTDIR, Ok(FileType::Symlink)) => io::Error::other(format!(
            "{shown} is a symbolic link, which is not followed; name the folder that it leads to with --state"
        )),
        (Errno::NOTDIR, Ok(_)) => io::Error::other(format!("{shown} is in the way and no folder; {ANOTHER}")),
        _ => failed("opening", path, &errno.into()),
    }
}

/// That root, making something for another user, does so where nobody else could exchange it meanwhile.
fn may_make(above: &OwnedFd, user: u32) -> io::Result<()> {
    if !geteuid().is_root() || user == 0 {
        return Ok(());
    }
    let facts = fstat(above)?;
    if facts.st_uid == 0 && facts.st_mode & 0o022 == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("user {user} may not make it, and the folder above it is not root's alone"),
    ))
}

fn make(above: &OwnedFd, name: &OsStr, user: u32) -> io::Result<OwnedFd> {
    may_make(above, user)?;
    let made = match mkdirat(above, name, Mode::from_raw_mode(0o700)) {
        Err(Errno::EXIST) => false,
        other => other.map(|()| true)?,
    };
    let folder = open_folder(above, name)?;
    if made && fstat(&folder)?.st_uid != user {
        chownat(&folder, "", Some(Uid::from_raw(user)), None, AtFlags::EMPTY_PATH)?;
    }
    Ok(folder)
}

/// That nobody else could have written what lies there, or could take it away.
fn check(folder: &OwnedFd, path: &Path, owner: u32) -> io::Result<()> {
    let facts = fstat(folder)?;
    let shown = path.display();
    let (wrong, remedy) = if facts.st_uid != owner {
        let wrong = format!("{shown} belongs to user {}, and not to {owner}, who is to write there", facts.st_uid);
        (wrong, "give it to that user with chown")
    } else if facts.st_mode & 0o022 != 0 {
        (format!("others may write to {shown}"), "take that right from them with chmod go-w")
    } else if facts.st_mode & 0o700 != 0o700 {
        (format!("the owner of {shown} may not read, write and enter it"), "give these rights back with chmod u+rwx")
    } else {
        return Ok(());
    };
    Err(io::Error::other(format!("{wrong}; {ANOTHER}, or {remedy}")))
}

/// That files can be made there, as far as that can be seen without making one.
fn writable(folder: &OwnedFd, path: &Path) -> io::Result<()> {
    let access = Access::WRITE_OK | Access::EXEC_OK;
    accessat(folder, ".", access, AtFlags::EACCESS).map_err(|errno| failed("writing to", path, &errno.into()))
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// What failed, on what, why, and what to do.
fn failed(doing: &str, path: &Path, error: &io::Error) -> io::Error {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room there".to_string(),
        io::ErrorKind::ReadOnlyFilesystem => format!("mount it so that it can be written, or {ANOTHER}"),
        io::ErrorKind::ResourceBusy => "give each nettop a folder of its own with --state".into(),
        io::ErrorKind::PermissionDenied => format!(
            "give its user the right to, or {ANOTHER}; if the folder was made anew while nettop ran, start nettop anew"
        ),
        _ => ANOTHER.into(),
    };
    io::Error::new(error.kind(), sentence(doing, path, error, &remedy))
}

fn sentence(doing: &str, path: &Path, error: &dyn Display, remedy: &str) -> String {
    format!("{doing} {}: {error}; {remedy}", path.display())
}

#[cfg(test)]
mod tests;
