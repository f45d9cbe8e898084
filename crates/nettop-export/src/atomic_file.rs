//! A file that is written when the monitor ends: by then it may not be allowed any more to make it.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    file,
    site::{self, Kept, Site, Stream},
};

/// How long somebody who reads a pipe may take nothing: whoever waits for the end does not wait for that.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where it is, and what is left of the privilege to write it.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    held: Option<Held>,
}

/// What was opened with privileges that are gone later.
#[derive(Debug)]
enum Held {
    File(File),
    Stream(Stream),
}

impl AtomicFile {
    /// A file that whoever writes it may make.
    pub fn new(path: PathBuf) -> Self {
        Self { path, held: None }
    }

    /// A file that a user will write. Where root's privileges are what allows it, as in a folder of somebody else's, it is
    /// opened now: later these are gone.
    ///
    /// # Errors
    /// It is nothing that can be written to, or what the file system says.
    pub fn open(path: PathBuf, user: u32) -> io::Result<Self> {
        let with_privileges = rustix::process::geteuid().is_root() && site::folder(&path).metadata()?.uid() != user;
        let held = match site::find(&path) {
            Ok(Site::Inherited(open)) => Some(Held::Stream(Stream::inherited(open))),
            // A link in somebody else's folder must not lead root to another file.
            _ if with_privileges => Some(match site::open_here(&path)? {
                Ok(file) => Held::File(file),
                Err(stream) => Held::Stream(stream),
            }),
            Ok(Site::Node(node, kind)) => match Stream::open(&node, kind) {
                // Its reader may come later.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => None,
                opened => Some(Held::Stream(opened?)),
            },
            found => found.map(|_| None)?,
        };
        Ok(Self { path, held })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that will be made or replaced, at the end of links; `None`: it is none.
    pub fn file(&self) -> Option<PathBuf> {
        match site::find(&self.path) {
            Ok(Site::File(file)) => Some(file),
            _ => None,
        }
    }

    /// Writes it: a file whole or not at all. What was not replaced, if it was not.
    ///
    /// # Errors
    /// What the file system or `write` says.
    pub fn write(&self, write: impl Fn(&mut dyn Write) -> io::Result<()>) -> io::Result<Option<Kept>> {
        if let Some(Held::Stream(stream)) = &self.held {
            return stream.write(Some(PATIENCE), write).map(Some);
        }
        let refused = [io::ErrorKind::PermissionDenied, io::ErrorKind::Unsupported];
        match (site::write(&self.path, Some(PATIENCE), &write), &self.held) {
            // The second best: what was in it is gone first.
            (Err(error), Some(Held::File(file))) if refused.contains(&error.kind()) => {
                file.set_len(0).and_then(|()| file::overwrite(file, write)).map(|()| None)
            }
            (result, _) => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, openat};

    use super::*;

    #[test]
    fn a_reader_of_a_pipe_gets_what_is_written_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let read = || File::from(openat(CWD, &pipe, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap());
        let user = rustix::process::geteuid().as_raw();
        // From the beginning on, and only at the end.
        for from_the_beginning in [true, false] {
            let early = from_the_beginning.then(read);
            let destination = AtomicFile::open(pipe.clone(), user).unwrap();
            assert_eq!(destination.file(), None);
            let mut reader = early.unwrap_or_else(read);
            let waits = reader.read(&mut [0]);
            assert_eq!(waits.is_err(), from_the_beginning, "it has not come to an end: {waits:?}");
            assert_eq!(destination.write(|out| out.write_all(b"last")).unwrap(), Some(Kept::Stream("a pipe")));
            drop(destination);
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "last");
        }
        // Nobody at all.
        let destination = AtomicFile::open(pipe.clone(), user).unwrap();
        let error = destination.write(|out| out.write_all(b"last")).unwrap_err();
        assert!(error.to_string().contains("nobody reads it"), "{error}");
    }

    #[test]
    fn what_cannot_be_written_is_told_at_the_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let user = rustix::process::geteuid().as_raw();
        let error = AtomicFile::open(folder.path().to_path_buf(), user).unwrap_err();
        assert!(error.to_string().contains("a folder"), "{error}");
        let destination = AtomicFile::open(folder.path().join("file"), user).unwrap();
        assert_eq!(destination.file(), Some(folder.path().join("file")));
        assert_eq!(destination.write(|out| out.write_all(b"last")).unwrap(), None);
    }
}
