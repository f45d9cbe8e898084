//! Parts of a file, one after the other, each after its length in four bytes (little-endian).

use anyhow::Result;

/// What is left of a file.
#[derive(Clone, Copy, Debug)]
pub struct Sections<'a>(pub &'a [u8]);

impl<'a> Sections<'a> {
    /// Takes the next part; none where the file ends before.
    pub fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(part)
    }
}

/// Adds a part.
///
/// # Errors
/// It has 4 GiB or more.
pub fn put(file: &mut Vec<u8>, part: &[u8]) -> Result<()> {
    file.extend(u32::try_from(part.len())?.to_le_bytes());
    file.extend(part);
    Ok(())
}
