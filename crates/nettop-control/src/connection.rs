//! A client's connection to a monitor, for what comes in more than one line, and for clients that do other things meanwhile.

use std::{io, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpStream, UnixStream},
    time::{sleep, timeout},
};

use super::{
    accept::Stream,
    answer::{BOUNDS, Bounds},
    dial,
    endpoint::Endpoint,
    peer::peer,
    token::Token,
};

/// The longest line of a subscriber, bytes. A full one has about one or two million; sources with many ports each make it some
/// more.
pub const MAX_LINE: u64 = 32 << 20;
/// How long connecting and sending the request may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// Bytes read at once.
const BUFFER: usize = 64 << 10;
/// How long it takes until a monitor that says nothing is taken to be gone; beside it, some of its intervals.
const PATIENCE: Duration = Duration::from_secs(20);
const INTERVALS: f64 = 3.0;
/// The longest interval there is, seconds.
const LONGEST_INTERVAL: f64 = 3600.0;
/// Between two attempts to be accepted, where the queue is full.
const RETRY: Duration = Duration::from_millis(50);

/// A monitor to talk to.
#[derive(Clone)]
pub struct Monitor {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Whether it was found there, and not named: then only somebody known may answer.
    found: bool,
    /// The word that it wants, over tcp://.
    token: Option<Token>,
}

/// A connection on which a request was sent.
pub struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    /// The user at the other end; `None`: nobody can tell.
    pub user: Option<u32>,
}

impl Monitor {
    /// The one at `named`, whoever that is, or the one that is found.
    pub fn new(named: Option<Endpoint>, token: Option<Token>) -> Self {
        Self { found: named.is_none(), endpoint: named.unwrap_or_else(Endpoint::of_running), token }
    }

    /// Connects, and sends a request.
    ///
    /// # Errors
    /// There is nobody, or nobody that this user may talk to.
    pub async fn send(&self, mut request: Value) -> Result<Connection> {
        if let Some(token) = &self.token {
            request["token"] = token.text().into();
        }
        let send = async {
            let (mut stream, user) = self.connect().await?;
            // A monitor may refuse before it has read everything: its answer is there all the same.
            let sent = stream.write_all(format!("{request}\n").as_bytes()).await;
            sent.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })?;
            Ok(Connection { stream: BufReader::with_capacity(BUFFER, stream), user })
        };
        let late = || Err(anyhow!("it does not accept within {} s: it hangs", DEADLINE.as_secs()));
        let sent: Result<_> = timeout(DEADLINE, send).await.unwrap_or_else(|_| late());
        sent.with_context(|| format!("no running monitor at {}", self.endpoint))
    }

    async fn connect(&self) -> Result<(Box<dyn Stream>, Option<u32>)> {
        match &self.endpoint {
            Endpoint::Unix(path) => {
                let stream = loop {
                    match UnixStream::connect(path).await {
                        // The queue of those who want to be accepted is full.
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(RETRY).await,
                        connected => break connected?,
                    }
                };
                let peer = peer(&stream).context("asking who answers")?;
                if self.found {
                    dial::expect_known(&peer, path)?;
                }
                Ok((Box::new(stream), Some(peer.uid)))
            }
            Endpoint::Tcp(address) => Ok((Box::new(TcpStream::connect(address).await?), None)),
        }
    }
}

/// How long a monitor with this interval, seconds, may say nothing between two snapshots: it may be busy, or its machine.
pub fn patience(interval: f64) -> Duration {
    let interval = if interval.is_finite() { interval.clamp(0.0, LONGEST_INTERVAL) } else { 0.0 };
    PATIENCE + Duration::from_secs_f64(interval * INTERVALS)
}

impl Connection {
    /// The next line, without its end; `None`: there is none any more. It has to begin within `quiet`, and then to come as fast as
    /// any answer.
    ///
    /// # Errors
    /// It has more than `most` bytes, comes too slowly or not at all, or the connection is broken.
    pub async fn line(&mut self, most: u64, quiet: Duration) -> Result<Option<Vec<u8>>> {
        self.line_within(most, quiet, BOUNDS).await
    }

    async fn line_within(&mut self, most: u64, quiet: Duration, bounds: Bounds) -> Result<Option<Vec<u8>>> {
        const READING: &str = "reading from the monitor";
        let Bounds { least, window, .. } = bounds;
        let silent = || format!("nothing came within {} s: the monitor hangs, or is none", quiet.as_secs_f32());
        if timeout(quiet, self.stream.fill_buf()).await.with_context(silent)?.context(READING)?.is_empty() {
            return Ok(None);
        }
        let mut line = Vec::new();
        loop {
            let before = line.len();
            let mut piece = (&mut self.stream).take((most + 1).saturating_sub(before as u64).min(least as u64));
            let Ok(read) = timeout(window, piece.read_until(b'\n', &mut line)).await else {
                let (came, seconds) = (line.len() - before, window.as_secs_f32());
                bail!("of a line, {came} bytes came within {seconds} s: the monitor hangs, or is none");
            };
            let count = read.context(READING)?;
            match line.last() {
                Some(b'\n') => {
                    line.pop();
                    return Ok(Some(line));
                }
                _ if line.len() as u64 > most => bail!("a line of more than {most} bytes: that is no monitor"),
                _ if count == 0 => bail!("the monitor has ended, within a line"),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    /// What comes from one that writes each of `pieces` so many milliseconds after the one before, and then hangs up, or does not.
    async fn line(pieces: &'static [(u64, &'static str)], hangs_up: bool) -> Result<Option<Vec<u8>>> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let sender = tokio::spawn(async move {
            for (after, piece) in pieces.iter().cycle().take(if hangs_up { pieces.len() } else { 10_000 }) {
                sleep(Duration::from_millis(*after)).await;
                if theirs.write_all(piece.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
        let stream: Box<dyn Stream> = Box::new(ours);
        let mut connection = Connection { stream: BufReader::new(stream), user: None };
        let bounds = Bounds { least: 8, window: Duration::from_millis(300), ..BOUNDS };
        let line = connection.line_within(40, Duration::from_millis(600), bounds).await;
        sender.abort();
        line
    }

    #[tokio::test]
    async fn lines_come_in_time() {
        for (name, pieces, expected) in [
            ("at once", &[(0, "one\ntwo\n")][..], Some("one")),
            ("after a silence that is allowed", &[(400, "one\n")], Some("one")),
            ("in parts", &[(0, "12345678"), (200, "12345678"), (200, "12\n")], Some("123456781234567812")),
            ("not at all", &[(0, "")], None),
        ] {
            assert_eq!(line(pieces, true).await.unwrap().as_deref(), expected.map(str::as_bytes), "{name}");
        }
    }

    #[tokio::test]
    async fn who_is_silent_drips_or_does_not_end_a_line_is_left() {
        for (name, pieces, hangs_up, told) in [
            ("silent", &[(5000, "x")][..], false, "nothing came within 0.6 s"),
            ("drips", &[(100, "x")], false, "bytes came within 0.3 s"),
            ("stops", &[(0, "1234567"), (5000, "8\n")], false, "7 bytes came within 0.3 s"),
            ("stops after a part", &[(0, "12345678"), (5000, "\n")], false, "0 bytes came within 0.3 s"),
            ("ends within a line", &[(0, "123")], true, "ended, within a line"),
            ("never ends", &[(10, "12345678")], false, "more than 40 bytes"),
        ] {
            let began = Instant::now();
            let error = format!("{:#}", line(pieces, hangs_up).await.unwrap_err());
            assert!(error.contains(told), "{name}: {error}");
            assert!(began.elapsed() < Duration::from_secs(4), "{name}");
        }
    }

    #[test]
    fn patience_lasts_as_long_as_the_monitor_s_pauses() {
        for (interval, seconds) in
            [(0.0, 20), (1.0, 23), (3600.0, 10_820), (1e300, 10_820), (-1.0, 20), (f64::NAN, 20), (f64::INFINITY, 20)]
        {
            assert_eq!(patience(interval).as_secs(), seconds, "{interval}");
        }
    }
}
