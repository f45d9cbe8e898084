//! Opening a folder that nobody but its owner can write to, and making it where it is missing. All of it holds for the folder that
//! is open then, whatever happens to its name meanwhile.

use std::{
    ffi::OsStr,
    fmt::Display,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, accessat, chownat, fstat, mkdirat, openat, statat},
    io::Errno,
    process::{Uid, geteuid},
};

/// The last resort of every error here.
const ANOTHER: &str = "choose another folder with --state";

/// Absolute, and without a slash at the end, behind which the kernel would follow a link.
pub(super) fn whole(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|error| failed("looking for", path, &error))?;
    Ok(absolute.components().collect())
}

/// The folder above this one, and the name of this one in it.
pub(super) fn above(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other(format!("{} is no folder of nettop's own; {ANOTHER}", path.display())));
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(CWD, above, flags, Mode::empty()).map_err(|errno| {
        let error = io::Error::from(errno);
        if error.kind() == io::ErrorKind::PermissionDenied {
            return failed("looking for", path, &error);
        }
        let doing = format!("opening {}: looking for", path.display());
        io::Error::new(error.kind(), sentence(&doing, above, &error, &format!("make that folder first, or {ANOTHER}")))
    })?;
    Ok((opened, name))
}

/// By its path alone (`O_PATH`): that asks for no right that the sandbox does not leave.
pub(super) fn open_folder(above: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(above, name, flags, Mode::empty())
}

/// Why it could not be opened.
pub(super) fn not_opened(above: &OwnedFd, name: &OsStr, path: &Path, errno: Errno) -> io::Error {
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
pub(super) fn may_make(above: &OwnedFd, user: u32) -> io::Result<()> {
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

pub(super) fn make(above: &OwnedFd, name: &OsStr, user: u32) -> io::Result<OwnedFd> {
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
pub(super) fn check(folder: &OwnedFd, path: &Path, owner: u32) -> io::Result<()> {
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
pub(super) fn writable(folder: &OwnedFd, path: &Path) -> io::Result<()> {
    let access = Access::WRITE_OK | Access::EXEC_OK;
    match accessat(folder, ".", access, AtFlags::EACCESS) {
        // It cannot be asked: a write will tell.
        Ok(()) | Err(Errno::NOSYS) => Ok(()),
        Err(errno) => Err(failed("writing to", path, &errno.into())),
    }
}

/// What failed, on what, why, and what to do.
pub(super) fn failed(doing: &str, path: &Path, error: &io::Error) -> io::Error {
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

pub(super) fn sentence(doing: &str, path: &Path, error: &dyn Display, remedy: &str) -> String {
    format!("{doing} {}: {error}; {remedy}", path.display())
}
