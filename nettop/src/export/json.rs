//! JSON for people: indented, with a line break at the end.

use anyhow::{Context as _, Result};
use serde::Serialize;

/// A value as indented JSON.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn pretty(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value).context("writing JSON")?;
    text.push(b'\n');
    Ok(text)
}
