//! Indents JSON that is written in one line. So the code that writes a value exists once, however it is to look.

use std::io::{self, Write};

/// A level.
const INDENT: &str = "  ";

/// Writes what it is given to another writer, indented. It has to be JSON without blanks.
pub struct Indented<'a> {
    out: &'a mut dyn Write,
    /// Lists and objects that are open.
    depth: usize,
    /// Whether the innermost has just been opened.
    is_empty: bool,
    /// Whether this is within a text, and whether after a backslash there.
    in_text: bool,
    is_escaped: bool,
}

impl<'a> Indented<'a> {
    /// Writes to `out`, a few bytes at a time.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, depth: 0, is_empty: false, in_text: false, is_escaped: false }
    }

    fn new_line(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| self.out.write_all(INDENT.as_bytes()))
    }

    /// What stands outside of texts.
    fn mark(&mut self, byte: u8) -> io::Result<()> {
        let was_empty = std::mem::take(&mut self.is_empty);
        if matches!(byte, b']' | b'}') {
            self.depth = self.depth.saturating_sub(1);
        }
        if matches!(byte, b']' | b'}') != was_empty {
            self.new_line()?;
        }
        self.out.write_all(&[byte])?;
        match byte {
            b'[' | b'{' => (self.depth, self.is_empty) = (self.depth + 1, true),
            b',' => self.new_line()?,
            b':' => self.out.write_all(b" ")?,
            b'"' => self.in_text = true,
            _ => {}
        }
        Ok(())
    }
}

impl Write for Indented<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            if !self.in_text {
                self.mark(*first)?;
                rest = after;
                continue;
            }
            let ends = |byte: &u8| {
                let is_plain = !std::mem::replace(&mut self.is_escaped, false);
                self.is_escaped = is_plain && *byte == b'\\';
                is_plain && *byte == b'"'
            };
            let end = rest.iter().position(ends);
            self.in_text = end.is_none();
            let (text, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            self.out.write_all(text)?;
            rest = after;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_as_the_library_indents_it_wherever_it_is_cut() {
        let value = serde_json::json!({
            "": [], "a\\": {}, "b\"": [1, -2.5e9, [[], {}], {"c": null, "d:,[": true}], "e": "\\\\\"{}[],:\n", "f": [[[0]]],
        });
        for value in [value, serde_json::json!([]), serde_json::json!("x"), serde_json::json!(7)] {
            let (compact, expected) = (value.to_string(), serde_json::to_string_pretty(&value).unwrap());
            for size in 1..9 {
                let mut text = Vec::new();
                let mut indented = Indented::new(&mut text);
                compact.as_bytes().chunks(size).for_each(|part| indented.write_all(part).unwrap());
                assert_eq!(String::from_utf8(text).unwrap(), expected);
            }
        }
    }
}
