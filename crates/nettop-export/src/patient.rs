//! Writing to somebody who may not read: a full pipe, a terminal that is stopped.

use std::{
    io,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// Bytes written at once: so many a pipe takes without waiting when it says that it takes any (pipe(7), `PIPE_BUF`).
const PIECE: usize = 4096;

/// Writes all of it, but waits no longer than this.
///
/// # Errors
/// What the kernel says; or that nobody reads.
pub fn write(to: impl AsFd, bytes: &[u8], patience: Duration) -> io::Result<()> {
    let until = Instant::now() + patience;
    let mut rest = bytes;
    while !rest.is_empty() {
        match some(&to, rest, Some(until))? {
            None => return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads it")),
            Some(0) => return Err(io::ErrorKind::WriteZero.into()),
            Some(written) => rest = &rest[written..],
        }
    }
    Ok(())
}

/// Writes some of it, once there is room; how many bytes. `None`: there was none `until` then. Without `until`, it waits for ever.
///
/// # Errors
/// What the kernel says.
pub fn some(to: impl AsFd, bytes: &[u8], until: Option<Instant>) -> io::Result<Option<usize>> {
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&to, PollFlags::OUT)], timeout.as_ref()) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match rustix::io::write(&to, &bytes[..bytes.len().min(PIECE)]) {
            // Somebody else has filled it.
            Err(Errno::INTR | Errno::AGAIN) => {}
            other => return Ok(Some(other?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_is_given_up() {
        let (mut reader, writer) = io::pipe().unwrap();
        let text = vec![b'x'; 1 << 20];
        let error = write(&writer, &text, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // What was taken is there; and who reads gets everything.
        let writing = std::thread::spawn(move || write(writer, &text, Duration::from_secs(20)));
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert!(writing.join().unwrap().is_ok() && all.len() > 1 << 20);
    }

    #[test]
    fn files_and_closed_pipes_are_no_reason_to_wait() {
        let mut file = tempfile::tempfile().unwrap();
        write(&file, b"text", Duration::ZERO).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        assert_eq!(io::read_to_string(file).unwrap(), "text");
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        assert_eq!(write(writer, b"x", Duration::ZERO).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
