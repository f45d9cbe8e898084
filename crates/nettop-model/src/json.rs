//! JSON that a terminal can be shown: valid UTF-8, in which everything that would not stand on the screen as itself is
//! escaped. Whoever parses it gets the text as it was.

mod indented;
mod objects;

use std::io::{self, BufWriter, Write};

use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};

use self::{indented::Indented, objects::Objects};
use crate::visible::is_unseen;

/// The one character of ASCII that JSON leaves to itself, and is not seen.
const DELETE: u8 = 0x7f;

/// Reads a value. A struct is an object.
///
/// # Errors
/// It is no JSON, or none of such a value.
pub fn read<'a, T: Deserialize<'a>>(text: &'a [u8]) -> serde_json::Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = T::deserialize(Objects(&mut deserializer))?;
    deserializer.end()?;
    Ok(value)
}

/// Writes a value for people: indented, with a line break at the end.
///
/// # Errors
/// What `out` says.
pub fn pretty(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    buffered(out, |out| long_line(value, &mut Indented::new(out)))
}

/// Writes a value as one line.
///
/// # Errors
/// What `out` says.
pub fn line(value: &impl Serialize, mut out: impl Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut out, Escaping))?;
    out.write_all(b"\n")
}

/// Writes a large value as one line, by way of a buffer: its code exists once, whatever `out` is, and as fast as for memory.
///
/// # Errors
/// What `out` says, which is then given no more.
pub fn long_line(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    buffered(out, |buffer| line(value, buffer))
}

fn buffered(
    out: &mut dyn Write,
    write: impl FnOnce(&mut BufWriter<&mut dyn Write>) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = BufWriter::new(out);
    let written = write(&mut buffer).and_then(|()| buffer.flush());
    // Dropped by itself, it would try once more.
    let _ = buffer.into_parts();
    written
}

/// Without blanks; what JSON leaves to itself of control characters (U+007F, U+0080 to U+009F) and of others that are not seen
/// is escaped too.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        // Nearly all text is ASCII, and has none of them.
        if fragment.is_ascii() && !fragment.as_bytes().contains(&DELETE) {
            return out.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, unseen)) = rest.char_indices().find(|(_, character)| is_unseen(*character)) {
            out.write_all(&rest.as_bytes()[..at])?;
            for unit in unseen.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + unseen.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_escaped_and_parses_back() {
        let hostile = "\u{1b}[2J\u{7f}\u{9b}31m\u{202e}\u{e0041}\n\"é日本🇩🇪";
        let value = serde_json::json!({hostile: [hostile, 1, null, {}], "plain": true});
        let (mut indented, mut one) = (Vec::new(), Vec::new());
        pretty(&value, &mut indented).unwrap();
        line(&value, &mut one).unwrap();
        for text in [indented, one].map(|bytes| String::from_utf8(bytes).unwrap()) {
            assert!(!text.replace('\n', "").chars().any(is_unseen), "{text:?}");
            assert!(text.contains(r#"[2J\u007f\u009b31m\u202e\udb40\udc41\n\"é日本🇩🇪"#), "{text}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn the_forms_are_serde_jsons() {
        let value = serde_json::json!({"a": [1, {"b": []}], "c": {}, "d": "é"});
        let (mut indented, mut one) = (Vec::new(), Vec::new());
        pretty(&value, &mut indented).unwrap();
        line(&value, &mut one).unwrap();
        assert_eq!(indented, (serde_json::to_string_pretty(&value).unwrap() + "\n").into_bytes());
        assert_eq!(one, (value.to_string() + "\n").into_bytes());
    }
}
