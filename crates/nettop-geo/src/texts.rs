//! The texts of a table, one after the other. In a file they are deflated in pages, each of which is inflated when one of its
//! texts is asked for: names of networks are shown for a few rows, and are half as large so.

use std::{io::Write as _, sync::OnceLock};

use anyhow::Result;
use flate2::{Compression, Decompress, FlushDecompress, write::DeflateEncoder};

use crate::sections::{self, Sections};

/// Bytes of a page; a text lies in one. Larger ones are hardly smaller deflated: 32 KiB is all that deflate remembers.
const PAGE: usize = 1 << 15;

/// What ends a text: a control character, which none has.
const END: u8 = b'\n';

/// Where the empty text is.
pub const EMPTY: u32 = 0;

/// The texts.
#[derive(Debug)]
pub enum Texts<'a> {
    /// As they are.
    Plain(String),
    /// As they are in a file.
    Deflated(Pages<'a>),
}

/// Texts in a file.
#[derive(Debug)]
pub struct Pages<'a> {
    /// Where each page ends in `deflated`, 4 bytes each, little-endian.
    ends: &'a [u8],
    deflated: &'a [u8],
    /// Those that were asked for, as they are. What is damaged is empty.
    inflated: Box<[OnceLock<Box<str>>]>,
}

impl Texts<'static> {
    /// Only the empty one, which ends at once.
    pub fn new(bytes: usize) -> Self {
        let mut texts = String::with_capacity(bytes);
        texts.push(END.into());
        Self::Plain(texts)
    }
}

impl<'a> Texts<'a> {
    /// Adds a text, and returns where it is. One that is longer than a page, which no table has, is left out, as one that would end
    /// beyond 4 GiB.
    pub fn push(&mut self, text: &str) -> u32 {
        let Self::Plain(texts) = self else { return EMPTY };
        let left = PAGE - texts.len() % PAGE;
        if text.is_empty() || text.len() >= PAGE {
            return EMPTY;
        }
        if text.len() >= left {
            texts.extend(std::iter::repeat_n(char::from(END), left));
        }
        let Ok(start) = u32::try_from(texts.len()) else { return EMPTY };
        texts.push_str(text);
        texts.push(END.into());
        start
    }

    /// What [`write`](Self::write) wrote.
    pub fn read(sections: &mut Sections<'a>) -> Option<Self> {
        let (ends, deflated) = (sections.next()?, sections.next()?);
        let inflated = (0..ends.len() / 4).map(|_| OnceLock::new()).collect();
        Some(Self::Deflated(Pages { ends, deflated, inflated }))
    }

    /// Adds them to a file.
    ///
    /// # Errors
    /// They have 4 GiB or more.
    pub fn write(&self, file: &mut Vec<u8>) -> Result<()> {
        let (mut ends, mut deflated) = (Vec::new(), Vec::new());
        let pages = match self {
            Self::Plain(texts) => texts.as_bytes().chunks(PAGE),
            Self::Deflated(pages) => {
                sections::put(file, pages.ends)?;
                return sections::put(file, pages.deflated);
            }
        };
        for page in pages {
            let mut encoder = DeflateEncoder::new(deflated, Compression::best());
            encoder.write_all(page)?;
            deflated = encoder.finish()?;
            ends.extend(u32::try_from(deflated.len())?.to_le_bytes());
        }
        sections::put(file, &ends)?;
        sections::put(file, &deflated)
    }

    /// The text that is there; empty where none is.
    pub fn get(&self, at: u32) -> &str {
        // Most places have no city, and many nothing but a country.
        if at == EMPTY {
            return "";
        }
        let at = at as usize;
        let rest = match self {
            Self::Plain(texts) => texts.get(at..),
            Self::Deflated(pages) => pages.get(at / PAGE).and_then(|page| page.get(at % PAGE..)),
        };
        rest.and_then(|rest| rest.get(..memchr::memchr(END, rest.as_bytes())?)).unwrap_or_default()
    }
}

impl Pages<'_> {
    fn get(&self, page: usize) -> Option<&str> {
        Some(self.inflated.get(page)?.get_or_init(|| self.inflate(page).unwrap_or_default().into()))
    }

    fn inflate(&self, page: usize) -> Option<String> {
        let end =
            |page: usize| self.ends.get(page * 4..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize);
        let start = page.checked_sub(1).map_or(Some(0), end)?;
        let mut text = Vec::with_capacity(PAGE);
        let mut decompress = Decompress::new(false);
        decompress.decompress_vec(self.deflated.get(start..end(page)?)?, &mut text, FlushDecompress::Finish).ok()?;
        String::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(texts: &Texts<'_>) -> Vec<u8> {
        let mut file = Vec::new();
        texts.write(&mut file).unwrap();
        file
    }

    #[test]
    fn every_text_is_found_in_memory_and_in_a_file() {
        let names = || (0..10_000).map(|number| format!("Netz {number} {}", "ü".repeat(number % 97)));
        let mut texts = Texts::new(0);
        let places: Vec<_> = names().map(|name| texts.push(&name)).collect();
        for text in ["", &"x".repeat(PAGE)] {
            assert_eq!(texts.push(text), EMPTY);
        }
        let longest = "y".repeat(PAGE - 1);
        let last = texts.push(&longest);
        let file = written(&texts);
        let deflated = Texts::read(&mut Sections(&file)).unwrap();
        assert_eq!(written(&deflated), file);
        for texts in [&texts, &deflated] {
            for (place, name) in places.iter().zip(names()) {
                assert_eq!(texts.get(*place), name);
            }
            assert_eq!((texts.get(EMPTY), texts.get(last), texts.get(u32::MAX)), ("", &*longest, ""));
        }
    }

    #[test]
    fn what_is_damaged_is_empty() {
        let mut texts = Texts::new(0);
        let place = texts.push("Example");
        let file = written(&texts);
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut bent = file.clone();
                bent[at] ^= 1 << bit;
                if let Some(texts) = Texts::read(&mut Sections(&bent)) {
                    assert!(texts.get(place).len() <= PAGE);
                }
            }
        }
    }
}
