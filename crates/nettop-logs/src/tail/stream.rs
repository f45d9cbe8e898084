//! Lines that a process beside this one hands over: those of the journal. What is not taken waits with it, and at last in the journal.

use std::{
    io::{self, Read as _},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use super::split::{Line, Splitter};

/// What is read at once, and in one turn at most.
const CHUNK: usize = 64 << 10;
const MOST_TURN: usize = 1 << 20;
/// With this begins a line that is no entry, but says why there are none; nothing behind it: there are again.
pub const TROUBLE: u8 = b'!';

/// Where lines come from.
#[derive(Debug)]
pub struct Stream {
    input: UnixStream,
    buffer: Vec<u8>,
    /// What of it is not taken yet.
    waiting: std::ops::Range<usize>,
    splitter: Splitter,
    /// Since when more has come than was taken.
    since: Option<Instant>,
    /// Why nothing comes.
    trouble: Option<String>,
    /// Whether anything has been heard.
    is_heard: bool,
    is_over: bool,
}

impl Stream {
    /// Of what is written at the other end.
    ///
    /// # Errors
    /// The socket cannot be made one that nobody waits for.
    pub fn new(input: UnixStream) -> io::Result<Self> {
        input.set_nonblocking(true)?;
        Ok(Self {
            input,
            buffer: vec![0; CHUNK],
            waiting: 0..0,
            splitter: Splitter::default(),
            since: None,
            trouble: None,
            is_heard: false,
            is_over: false,
        })
    }

    /// Reads what has come, at most a mebibyte, until `each` says that it is enough. Returns whether there was anything.
    pub fn read(&mut self, now: Instant, each: &mut dyn FnMut(Line<'_>) -> bool) -> bool {
        let mut taken = 0;
        let is_all = loop {
            if self.waiting.is_empty() && !self.fill() {
                break true;
            }
            let Self { buffer, waiting, splitter, trouble, .. } = self;
            let (length, enough) = splitter.lines(&buffer[waiting.clone()], 0, &mut |line| match line {
                Line::Whole([TROUBLE, why @ ..], _) => {
                    *trouble = (!why.is_empty()).then(|| String::from_utf8_lossy(why).into_owned());
                    true
                }
                line => each(line),
            });
            self.waiting.start += length;
            taken += length;
            if enough || taken >= MOST_TURN {
                break false;
            }
        };
        self.is_heard |= taken > 0;
        self.since = if is_all { None } else { self.since.or(Some(now)) };
        taken > 0
    }

    /// Whether there was something to read.
    fn fill(&mut self) -> bool {
        if self.is_over {
            return false;
        }
        match self.input.read(&mut self.buffer) {
            Ok(0) => self.is_over = true,
            Ok(length) => {
                self.waiting = 0..length;
                return true;
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.is_over = true,
        }
        false
    }

    /// How long what has come has waited at most.
    pub fn behind(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    /// Whether it is known that what is written there comes.
    pub fn is_sure(&self) -> bool {
        self.is_heard && self.trouble().is_none()
    }

    /// Why nothing comes; `None`: nothing hinders it.
    pub fn trouble(&self) -> Option<&str> {
        match self.is_over {
            true => Some("the process that reads it has ended; start nettop again"),
            false => self.trouble.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn lines_are_entries_or_say_why_there_are_none() {
        let (mut theirs, ours) = UnixStream::pair().unwrap();
        let (mut stream, mut lines) = (Stream::new(ours).unwrap(), Vec::new());
        let mut now = Instant::now();
        let mut read = |stream: &mut Stream, now, most: usize| {
            let mut count = 0;
            stream.read(now, &mut |line| {
                count += 1;
                lines.push(match line {
                    Line::Whole(bytes, false) => String::from_utf8_lossy(bytes).into_owned(),
                    other => format!("{other:?}"),
                });
                count < most
            });
            std::mem::take(&mut lines)
        };
        assert_eq!(read(&mut stream, now, 9), [""; 0]);
        theirs.write_all(b"{\"a\":1}\n{\"b\":2}\n!it is gone; mend it\n{\"c\"").unwrap();
        assert!(!stream.is_sure());
        assert_eq!((read(&mut stream, now, 1), stream.is_sure()), (vec!["{\"a\":1}".into()], true));
        now += Duration::from_secs(11);
        assert_eq!((stream.behind(now), stream.trouble()), (Duration::from_secs(11), None));
        assert_eq!(read(&mut stream, now, 9), ["{\"b\":2}"]);
        assert_eq!((stream.behind(now), stream.trouble()), (Duration::ZERO, Some("it is gone; mend it")));
        assert!(!stream.is_sure());
        theirs.write_all(b":3}\n!\n").unwrap();
        assert_eq!((read(&mut stream, now, 9), stream.trouble()), (vec!["{\"c\":3}".into()], None));
        drop(theirs);
        assert_eq!(read(&mut stream, now, 9), [""; 0]);
        assert!(stream.trouble().is_some_and(|why| why.contains("has ended")));
    }
}
