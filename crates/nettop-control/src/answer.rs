//! What comes back from a monitor, or from whoever else answers: in bounded time and memory.

use std::{
    io::{self, Read},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// How much of an answer there may be, and how slowly it may come.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// So many bytes, or the end, have to come within each `window`.
    pub least: usize,
    /// See `least`.
    pub window: Duration,
    /// How long all of it may take.
    pub whole: Duration,
    /// Bytes, at most.
    pub most: usize,
}

/// Of what `nettopctl` asks. A monitor, which may be busy for some seconds, sends pieces of 64 KiB, each at once, and gives up
/// after ten minutes. A source takes about 700 bytes, so that three million of them fit; by default there are up to 131,072.
pub const BOUNDS: Bounds =
    Bounds { least: PIECE, window: Duration::from_secs(30), whole: Duration::from_secs(630), most: 2 << 30 };

/// A stream whose reads can be told to end.
pub trait Timed: Read {
    /// How long a read may take; not zero.
    ///
    /// # Errors
    /// What the kernel says.
    fn patience(&self, patience: Duration) -> io::Result<()>;
}

impl Timed for UnixStream {
    fn patience(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }
}

impl Timed for TcpStream {
    fn patience(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }
}

/// Reads an answer to its end.
///
/// # Errors
/// It is too long, comes too slowly or not at all.
pub fn receive(stream: &mut impl Timed, bounds: Bounds) -> Result<Vec<u8>> {
    let Bounds { least, window, whole, most } = bounds;
    let (mut answer, mut piece) = (Vec::new(), vec![0; PIECE]);
    let began = Instant::now();
    let (mut since, mut counted) = (began, 0);
    loop {
        if answer.len() - counted >= least {
            (since, counted) = (Instant::now(), answer.len());
        }
        if began.elapsed() >= whole {
            bail!(
                "the answer is not at its end after {} s ({} bytes); ask for less with --limit",
                whole.as_secs(),
                answer.len()
            );
        }
        let Some(left) = window.checked_sub(since.elapsed()).filter(|left| !left.is_zero()) else {
            let came = answer.len() - counted;
            bail!("of the answer, {came} bytes came within {} s: the monitor hangs, or is none", window.as_secs_f32());
        };
        stream.patience(left.min(whole)).context("setting a deadline")?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) if answer.len() + count > most => {
                bail!("the answer is longer than {} MiB; ask for less with --limit", most >> 20);
            }
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            // The loop knows whether that is too late.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A monitor may refuse before it has read everything: its answer is there all the same.
            Err(_) if !answer.is_empty() => break,
            Err(error) => return Err(error).context("reading the answer"),
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, thread};

    use super::*;

    const SHORT: Bounds =
        Bounds { least: 10, window: Duration::from_millis(300), whole: Duration::from_millis(1500), most: 1 << 20 };

    /// What is received from one that writes `bytes` again and again, so many times.
    fn from_one_that_sends(bytes: &'static [u8], every: Duration, times: usize) -> Result<Vec<u8>> {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let sender = thread::spawn(move || {
            for _ in 0..times {
                if theirs.write_all(bytes).is_err() {
                    return;
                }
                thread::sleep(every);
            }
        });
        let received = receive(&mut ours, SHORT);
        drop(ours);
        sender.join().unwrap();
        received
    }

    #[test]
    fn what_comes_in_time_is_received_whole() {
        assert_eq!(from_one_that_sends(b"0123456789", Duration::from_millis(20), 5).unwrap().len(), 50);
        assert_eq!(from_one_that_sends(b"x", Duration::ZERO, 1).unwrap(), b"x");
    }

    #[test]
    fn whoever_drips_stops_or_does_not_end_is_left() {
        let ms = Duration::from_millis;
        for (bytes, every, times, told) in [
            (&b"x"[..], ms(100), 1000, "bytes came within 0.3 s"),
            (b"x", ms(2000), 2, "1 bytes came within 0.3 s"),
            (b"", ms(2000), 1, "0 bytes came within"),
            (b"0123456789", ms(100), 1000, "not at its end"),
            (&[b'['; 4096], ms(0), 1000, "longer than 1 MiB"),
        ] {
            let began = Instant::now();
            let error = from_one_that_sends(bytes, every, times).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
            assert!(began.elapsed() < Duration::from_secs(10));
        }
    }
}
