//! Writing that ends in time.

use std::{
    io::{self, Write},
    time::Instant,
};

/// Writes between two looks at the clock: serializers write a few bytes at once.
const SELDOM: u32 = 256;

/// Writes to another writer until it is too late; then every write is an error, so that whoever writes gives up.
pub struct Until<'a> {
    out: &'a mut dyn Write,
    /// `None`: it is never too late.
    until: Option<Instant>,
    writes: u32,
}

impl<'a> Until<'a> {
    /// Over this writer.
    pub fn new(out: &'a mut dyn Write, until: Option<Instant>) -> Self {
        Self { out, until, writes: 0 }
    }
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let looks = self.writes.is_multiple_of(SELDOM);
        self.writes = self.writes.wrapping_add(1);
        match self.until {
            Some(until) if looks && Instant::now() >= until => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "given up: it was not written by the time nettop has to end",
            )),
            _ => self.out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_late_is_given_up_and_nothing_else() {
        let now = Instant::now();
        for (until, written) in [(None, 1000), (Some(now + Duration::from_secs(3600)), 1000), (Some(now), 0)] {
            let mut out = Vec::new();
            let mut late = Until::new(&mut out, until);
            let count = (0..1000).take_while(|_| late.write_all(b"x").is_ok()).count();
            assert_eq!((count, out.len()), (written, written), "{until:?}");
        }
    }
}
