//! What lies where a file is to be written. Only a file is ever replaced: a link stays, and what it leads to is written; a device
//! or a pipe stays, and is written to; anything else is refused.
//!
//! ```text
//! nothing, a file     replaced whole
//! a link              followed, if this user or root made it: others could lead to files that are not theirs to write
//! /dev/stdout, …      written to, as the shell has opened it
//! a device, a pipe    written to; a pipe needs a reader
//! a folder, a socket, a block device, somebody else's link: refused
//! ```

use std::{
    ffi::OsString,
    fmt,
    fs::{self, File},
    io::{self, BufWriter, Write},
    os::{
        fd::{FromRawFd as _, OwnedFd},
        unix::ffi::OsStringExt as _,
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fstat, openat, readlinkat},
    io::Errno,
    process::geteuid,
};

use super::{file, patient};

/// Links in a row: as many as the kernel follows.
const LINKS: usize = 40;
/// Bytes gathered before they are written.
const BUFFER: usize = 256 << 10;
/// This process's descriptors.
const DESCRIPTORS: &str = "/proc/self/fd";

/// What lies there.
#[derive(Debug)]
pub enum Site {
    /// A file, or nothing yet; at the end of links, if there are any.
    File(PathBuf),
    /// A device or a pipe, in words.
    Node(PathBuf, &'static str),
    /// A descriptor that whoever started this process has opened.
    Inherited(OwnedFd),
}

/// What is written to.
#[derive(Debug)]
pub struct Stream {
    kind: &'static str,
    open: OwnedFd,
}

/// How something was written, where it was not a file that was replaced; for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A link stayed; this file was replaced.
    Link(PathBuf),
    /// What lay there was written to; in words, what it is.
    Stream(&'static str),
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Link(file) => write!(f, "a link, through which {} was written", file.display()),
            Self::Stream(kind) => write!(f, "{kind}, which was written to"),
        }
    }
}

/// Looks what lies there, and opens nothing: whoever reads a pipe would take the end of that for the end of what is written.
///
/// # Errors
/// It is nothing that can be written to, or what the file system says.
pub fn find(path: &Path) -> io::Result<Site> {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS {
        if let Some(open) = own_descriptor(&path)? {
            return Ok(Site::Inherited(open));
        }
        // Held, so that what is looked at is what is followed.
        let looked = openat(CWD, &path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let there = match looked {
            Err(Errno::NOENT) => return Ok(Site::File(path)),
            other => other?,
        };
        let facts = fstat(&there)?;
        match FileType::from_raw_mode(facts.st_mode) {
            FileType::RegularFile => return Ok(Site::File(path)),
            FileType::CharacterDevice => return Ok(Site::Node(path, "a device")),
            FileType::Fifo => return Ok(Site::Node(path, "a pipe")),
            FileType::Symlink if [0, geteuid().as_raw()].contains(&facts.st_uid) => {
                let end = OsString::from_vec(readlinkat(&there, "", Vec::new())?.into_bytes());
                path = folder(&path).join(end);
            }
            FileType::Symlink => {
                return Err(refused(&format!("it is a link of user {}, which is not followed", facts.st_uid)));
            }
            FileType::Directory => return Err(refused("it is a folder")),
            FileType::Socket => return Err(refused("it is a socket, to which nothing is written by name")),
            FileType::BlockDevice => return Err(refused("it is a block device, which would be destroyed")),
            FileType::Unknown => return Err(refused("it is neither a file nor a device nor a pipe")),
        }
    }
    Err(Errno::LOOP.into())
}

/// Writes whatever lies there. `patience`: how long somebody who reads may take nothing; `None`: for ever. What was not replaced, if
/// it was not.
///
/// # Errors
/// As for [`find`]; nobody reads the pipe; what `write` says.
pub fn write(
    path: &Path,
    patience: Option<Duration>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Option<Kept>> {
    match find(path)? {
        Site::File(end) => {
            file::replace(&end, write)?;
            Ok((end != path).then_some(Kept::Link(end)))
        }
        Site::Node(node, kind) => Stream::open(&node, kind)?.write(patience, write).map(Some),
        Site::Inherited(open) => Stream::inherited(open).write(patience, write).map(Some),
    }
}

/// The folder that a file is in.
pub fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// That something is not done, and why.
pub fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("{why}; name a file"))
}

impl Stream {
    /// What was open when this process began.
    pub fn inherited(open: OwnedFd) -> Self {
        Self { kind: "an open descriptor", open }
    }

    /// Opens what is there, and no link; without waiting, for a reader or for a modem.
    ///
    /// # Errors
    /// Nobody reads the pipe, or what the file system says.
    pub fn open(path: &Path, kind: &'static str) -> io::Result<Self> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(CWD, path, flags, Mode::empty()) {
            Ok(open) => Self::of(open, kind),
            Err(Errno::NXIO) => {
                Err(io::Error::new(io::ErrorKind::NotConnected, format!("it is {kind}, and nobody reads it")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What is open already, unless it is something else by now.
    ///
    /// # Errors
    /// It is neither a device nor a pipe.
    pub fn of(open: OwnedFd, kind: &'static str) -> io::Result<Self> {
        match FileType::from_raw_mode(fstat(&open)?.st_mode) {
            FileType::CharacterDevice | FileType::Fifo => Ok(Self { kind, open }),
            _ => Err(refused("it was replaced meanwhile")),
        }
    }

    /// Writes to it; who reads may take nothing for so long.
    ///
    /// # Errors
    /// It takes nothing any more, or what `write` says.
    pub fn write(
        &self,
        patience: Option<Duration>,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<Kept> {
        let mut buffered = BufWriter::with_capacity(BUFFER, Patient { stream: self, patience });
        let written = write(&mut buffered).and_then(|()| buffered.flush());
        // What is left in it could not be written, and is not to be tried again.
        let _ = buffered.into_parts();
        written.map(|()| Kept::Stream(self.kind))
    }
}

/// Waits for who reads, but not for ever.
struct Patient<'a> {
    stream: &'a Stream,
    patience: Option<Duration>,
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Stream { kind, open } = self.stream;
        patient::some(open, bytes, self.patience.map(|patience| Instant::now() + patience))?.ok_or_else(|| {
            let seconds = self.patience.unwrap_or_default().as_secs();
            let what = format!("{kind} whose reader has taken nothing for {seconds} s; giving up");
            io::Error::new(io::ErrorKind::TimedOut, what)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `/dev/stdout` and its like lead to: not opened anew, which for a socket cannot be, and of a file would write over what is
/// there already.
fn own_descriptor(path: &Path) -> io::Result<Option<OwnedFd>> {
    let number: Option<i32> = path.file_name().and_then(|name| name.to_str()?.parse().ok());
    let Some(number) = number.filter(|number| *number >= 0) else { return Ok(None) };
    let is_here =
        fs::canonicalize(folder(path)).is_ok_and(|folder| fs::canonicalize(DESCRIPTORS).is_ok_and(|own| own == folder));
    if !is_here {
        return Ok(None);
    }
    // SAFETY: plain integers; the kernel says where there is no such descriptor.
    match unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: new, and nobody else's.
        copy => Ok(Some(unsafe { OwnedFd::from_raw_fd(copy) })),
    }
}

/// Opens what a user's rights are not enough for, and no link; makes a file where nothing is.
///
/// # Errors
/// As for [`find`]; nor is any link followed.
pub fn open_here(path: &Path) -> io::Result<Result<File, Stream>> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = match openat(CWD, path, flags, Mode::from_raw_mode(0o666)) {
        Ok(open) => open,
        Err(Errno::LOOP) => {
            return Err(refused(
                "it is a link, which is not followed with root's rights in a folder of somebody else's",
            ));
        }
        Err(Errno::NXIO) => {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "it is a socket, or a pipe that nobody reads"));
        }
        Err(error) => return Err(error.into()),
    };
    match FileType::from_raw_mode(fstat(&open)?.st_mode) {
        FileType::RegularFile => Ok(Ok(open.into())),
        FileType::CharacterDevice => Stream::of(open, "a device").map(Err),
        FileType::Fifo => Stream::of(open, "a pipe").map(Err),
        _ => Err(refused("it is neither a file nor a device nor a pipe")),
    }
}

#[cfg(test)]
mod tests;
