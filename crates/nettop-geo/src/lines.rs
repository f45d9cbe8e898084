//! Lines of a file that may be anything, in bounded memory.

use std::io::{self, BufRead};

/// Bytes of a line. A row has seven short fields.
pub const LONGEST: usize = 64 << 10;

/// A line of more bytes than this is the end: `/proc/kcore` and files with holes have lines of terabytes.
const ENDLESS: u64 = 256 << 20;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// With a line feed at its end, even where the file's last line has none.
    Whole(&'a [u8]),
    /// Longer than [`LONGEST`], and passed over.
    TooLong,
}

/// Reads lines one after the other into one buffer.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// The number of the newest line, from 1.
    pub number: u64,
}

impl<R: BufRead> Lines<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), number: 0 }
    }

    /// The next line; none at the end.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let mut too_long = false;
        let mut length = 0;
        loop {
            let available = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if available.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', available);
            let part = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
            too_long |= self.buffer.len() + part.len() > LONGEST;
            if !too_long {
                self.buffer.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            length += used as u64;
            if length > ENDLESS {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it has a line without end"));
            }
            if end.is_some() {
                break;
            }
        }
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.buffer.push(b'\n');
        Ok(Some(if too_long { Line::TooLong } else { Line::Whole(&self.buffer) }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read as _};

    use super::*;

    #[test]
    fn lines_end_in_many_ways() {
        let mut lines = Lines::new(&b"a\r\n\nb\nlast"[..]);
        for expected in [&b"a\r\n"[..], b"\n", b"b\n", b"last\n"] {
            assert_eq!(lines.next().unwrap(), Some(Line::Whole(expected)));
        }
        assert_eq!(lines.next().unwrap(), None);
        assert_eq!(lines.number, 4);
    }

    #[test]
    fn a_line_without_end_is_passed_over_in_bounded_memory() {
        let mut lines = Lines::new(BufReader::new(io::repeat(b'x').take(100 << 20).chain(&b"\nnext\n"[..])));
        assert_eq!(lines.next().unwrap(), Some(Line::TooLong));
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"next\n")));
        assert!(lines.buffer.capacity() <= 2 * LONGEST);

        let mut lines = Lines::new(BufReader::with_capacity(1 << 20, io::repeat(0)));
        assert!(lines.next().unwrap_err().to_string().contains("without end"));
    }
}
