//! Writing a file whole or not at all; writing to standard output.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

/// Bytes written at once.
const BUFFER: usize = 256 << 10;

/// Writes through a temporary file beside the target, which it then replaces. Who reads the target sees the old content or
/// the new one.
///
/// # Errors
/// What the file system or `write` says; the target is then as it was.
pub fn replace(target: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = name.to_os_string();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = target.with_file_name(temporary);
    let written = File::create_new(&temporary)
        .and_then(|file| overwrite(&file, write))
        .and_then(|()| fs::rename(&temporary, target));
    if written.is_err() {
        // The first error is the one that tells.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Writes to an open file, in large pieces, until all of it is on the disk.
///
/// # Errors
/// What the file system or `write` says.
pub fn overwrite(file: &File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut buffered = BufWriter::with_capacity(BUFFER, file);
    write(&mut buffered)?;
    buffered.flush()?;
    file.sync_all()
}

/// Writes to standard output. A closed pipe is no error: whoever reads has seen enough.
///
/// # Errors
/// What the file system says.
pub fn print(text: &[u8]) -> io::Result<()> {
    print_with(|out| out.write_all(text))
}

/// The same, for what is written piece by piece.
///
/// # Errors
/// What the file system or `write` says.
pub fn print_with(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut buffered = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let written = write(&mut buffered).and_then(|()| buffered.flush());
    // What is left in it could not be written, and is not to be tried again.
    let _ = buffered.into_parts();
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_replaced_and_nothing_else_stays() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("top.csv");
        fs::write(&target, "old").unwrap();
        replace(&target, |out| out.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(replace(&directory.path().join("no/such/folder"), |out| out.write_all(b"x")).is_err());
    }
}
