//! A file that lines are appended to, and that stays whole: no line of it is ever half written.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek as _, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Who may read it, less the umask: everybody ...
const MODE: u32 = 0o644;
/// ... or its owner alone.
const PRIVATE: u32 = 0o600;

/// A file opened for appending, before anything else is: what cannot be opened is told at once.
#[derive(Debug)]
pub struct AppendFile {
    path: PathBuf,
    file: File,
    mode: u32,
    /// The file ends within a line, which somebody else left there.
    torn: bool,
}

impl AppendFile {
    /// Opens it, and makes it where it is missing.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_with(path, MODE)
    }

    /// The same; where it is missing, only its owner will be able to read it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open_private(path: &Path) -> io::Result<Self> {
        Self::open_with(path, PRIVATE)
    }

    /// The file that is there now under its name.
    ///
    /// # Errors
    /// What the file system says.
    pub fn reopened(&self) -> io::Result<Self> {
        Self::open_with(&self.path, self.mode)
    }

    fn open_with(path: &Path, mode: u32) -> io::Result<Self> {
        // Readable too: to see how the file ends; and a pipe is then opened whether or not it has a reader.
        // Should it be a terminal, it must not become the one whose end is ours.
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(mode)
            .custom_flags(libc::O_NOCTTY)
            .open(path)?;
        let length = file.metadata()?.len();
        let mut last = [b'\n'];
        if length > 0 && file.metadata()?.is_file() {
            file.read_exact_at(&mut last, length - 1)?;
        }
        Ok(Self { path: path.into(), file, mode, torn: last != [b'\n'] })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a file in a folder, and not a pipe or a device.
    pub fn is_regular(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.is_file())
    }

    /// Brings what was appended to the disk; a pipe or a device has none.
    ///
    /// # Errors
    /// What the file system says.
    pub fn sync(&self) -> io::Result<()> {
        if self.is_regular() { self.file.sync_all() } else { Ok(()) }
    }

    /// Appends whole lines. Returns how many lines and bytes of them are in the file: if not all, its end is made good
    /// again.
    pub fn append(&mut self, text: &[u8]) -> (u64, u64, io::Result<()>) {
        if self.torn {
            match self.file.write_all(b"\n") {
                Ok(()) => self.torn = false,
                Err(error) => return (0, 0, Err(error)),
            }
        }
        let (written, result) = write_all(&mut self.file, text);
        let whole = text[..written].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < written {
            self.torn = self.take_back((written - whole) as u64).is_err();
        }
        let lines = text[..whole].iter().filter(|byte| **byte == b'\n').count();
        (lines as u64, whole as u64, result)
    }

    /// Removes the beginning of a line from the end of the file, unless it is no regular file, or somebody else has
    /// written since.
    fn take_back(&mut self, bytes: u64) -> io::Result<()> {
        let end = self.file.stream_position()?;
        if !self.is_regular() || self.file.metadata()?.len() != end {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.file.set_len(end.saturating_sub(bytes))
    }
}

/// As `Write::write_all`, but tells how much was written before an error.
fn write_all(file: &mut File, text: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < text.len() {
        match file.write(&text[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_beginning_of_a_line_is_taken_back_or_ended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.jsonl");
        for (others, expected) in [("", "1\n3\n"), ("theirs\n", "1\n{\"halftheirs\n\n3\n")] {
            let _ = fs::remove_file(&path);
            let mut target = AppendFile::open(&path).unwrap();
            assert_eq!(target.append(b"1\n").0, 1);
            target.file.write_all(b"{\"half").unwrap();
            OpenOptions::new().append(true).open(&path).unwrap().write_all(others.as_bytes()).unwrap();
            target.torn = target.take_back(6).is_err();
            assert_eq!(target.append(b"3\n").0, 1);
            assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        }
    }
}
