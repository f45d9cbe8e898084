//! Writing a file whole or not at all; writing to standard output.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// Writes through a temporary file beside the target, which it then replaces. Who reads the target sees the old content or
/// the new one.
///
/// # Errors
/// What the file system says; the target is then as it was.
pub fn replace(target: &Path, content: &[u8]) -> io::Result<()> {
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = name.to_os_string();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = target.with_file_name(temporary);
    let written = File::create_new(&temporary)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, target));
    if written.is_err() {
        // The first error is the one that tells.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Writes to standard output. A closed pipe is no error: whoever reads has seen enough.
///
/// # Errors
/// What the file system says.
pub fn print(text: &[u8]) -> io::Result<()> {
    match io::stdout().lock().write_all(text) {
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
        replace(&target, b"new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(replace(&directory.path().join("no/such/folder"), b"x").is_err());
    }
}
