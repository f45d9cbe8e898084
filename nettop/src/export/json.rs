//! JSON for people: indented, with a line break at the end.

use std::io::{self, Write};

use serde::Serialize;

/// Writes a value as indented JSON.
///
/// # Errors
/// What `out` says.
pub fn pretty(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")
}
