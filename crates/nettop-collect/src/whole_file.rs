//! Reading a small file anew from its beginning: one that was opened before the sandbox, as those of `/proc` are.

use std::{
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::FileExt as _,
};

/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;

/// Reads it into `buffer`, at most `most` bytes. Whether that is all of it.
///
/// # Errors
/// What the kernel says; `buffer` has what was read by then.
pub fn read(file: &File, buffer: &mut Vec<u8>, most: usize) -> io::Result<bool> {
    buffer.clear();
    while buffer.len() < most {
        let at = buffer.len();
        buffer.resize((at + CHUNK).min(most), 0);
        let read = file.read_at(&mut buffer[at..], at as u64);
        buffer.truncate(at + read.as_ref().copied().unwrap_or_default());
        match read {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_is_read_again_and_again_as_far_as_there_is_room() {
        let mut file = tempfile::tempfile().expect("a file");
        let mut buffer = vec![7; 3];
        for (name, length, most, expected) in [
            ("empty", 0, 1, (true, 0)),
            ("cut within a piece", 10, 7, (false, 7)),
            ("small", 10, 100, (true, 10)),
            ("in pieces", 3 * CHUNK, 1 << 20, (true, 3 * CHUNK)),
            ("too large", 4 * CHUNK, 2 * CHUNK, (false, 2 * CHUNK)),
        ] {
            file.set_len(0).expect("emptying it");
            let written: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let at = io::Seek::seek(&mut file, io::SeekFrom::Start(0)).and_then(|_| file.write_all(&written));
            at.expect("writing it");
            for _ in 0..2 {
                let is_whole = read(&file, &mut buffer, most).expect("reading it");
                assert_eq!((is_whole, buffer.len()), expected, "{name}");
                assert_eq!(buffer, written[..buffer.len()], "{name}");
            }
        }
    }
}
