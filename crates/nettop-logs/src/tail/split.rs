//! From bytes that come in pieces to lines.

/// The longest line; what is longer is counted, and nothing else.
pub const MOST_LINE: usize = 64 << 10;

/// A line, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Its bytes, and whether it was there at the start.
    Whole(&'a [u8], bool),
    /// It is longer than any line.
    Overlong,
}

/// What is known of a line whose end has not come.
#[derive(Debug, Default)]
pub struct Splitter {
    partial: Vec<u8>,
    /// The rest of a line is skipped.
    pub skips: bool,
}

impl Splitter {
    /// Hands out the lines in `bytes`; one that ends within the first `old` was there at the start. Returns how many bytes were taken, and whether
    /// that is enough.
    pub fn lines(&mut self, mut bytes: &[u8], old: u64, each: &mut dyn FnMut(Line<'_>) -> bool) -> (usize, bool) {
        let mut taken = 0;
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let is_old = ((taken + end) as u64) < old;
            let wants_more = if std::mem::take(&mut self.skips) {
                true
            } else if self.partial.is_empty() {
                each(line(&bytes[..end], is_old))
            } else {
                self.partial.extend_from_slice(&bytes[..end]);
                let wants_more = each(line(&self.partial, is_old));
                self.partial.clear();
                wants_more
            };
            taken += end + 1;
            bytes = &bytes[end + 1..];
            if !wants_more {
                return (taken, true);
            }
        }
        if !self.skips {
            self.partial.extend_from_slice(bytes);
            if self.partial.len() > MOST_LINE {
                self.partial.clear();
                self.skips = true;
                each(Line::Overlong);
            }
        }
        (taken + bytes.len(), false)
    }

    /// The rest of a line whose end will not come is a line.
    pub fn finish(&mut self, each: &mut dyn FnMut(Line<'_>) -> bool) {
        if !self.partial.is_empty() {
            each(line(&self.partial, false));
        }
        self.partial.clear();
        self.skips = false;
    }
}

fn line(bytes: &[u8], is_old: bool) -> Line<'_> {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if bytes.len() > MOST_LINE { Line::Overlong } else { Line::Whole(bytes, is_old) }
}
