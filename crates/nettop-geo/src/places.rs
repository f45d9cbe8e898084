//! The different locations of a database, each kept once.

use anyhow::Result;
use indexmap::IndexSet;

use crate::{
    CountryCode, Location,
    bits::PackedRows,
    sections::{self, Sections},
    texts::{EMPTY, Texts},
};

/// A [`Location`] whose texts are numbers of texts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PackedLocation {
    pub code: CountryCode,
    pub country: u32,
    pub city: u32,
    pub asn: u32,
    pub org: u32,
}

/// Different texts and different places: more than any database has, and a bound for hostile files.
const MOST: usize = 4_000_000;
/// Bytes of all texts together.
const MOST_TEXT: usize = 128 << 20;

/// Packed locations in the making.
#[derive(Debug)]
pub struct Builder {
    texts: IndexSet<Box<str>, foldhash::fast::RandomState>,
    text_bytes: usize,
    places: IndexSet<PackedLocation, foldhash::fast::RandomState>,
}

/// A file with more different texts or places than fit.
#[derive(Debug)]
pub struct TooMany;

impl Builder {
    /// Text 0 is empty, place 0 is unknown.
    pub fn new() -> Self {
        let mut texts = IndexSet::default();
        texts.insert(Box::from(""));
        let mut places = IndexSet::default();
        places.insert(PackedLocation::default());
        Self { texts, text_bytes: 0, places }
    }

    /// The number of a text.
    pub fn text(&mut self, text: &str) -> Result<u32, TooMany> {
        if let Some(at) = self.texts.get_index_of(text) {
            return number(at);
        }
        self.text_bytes += text.len();
        if self.texts.len() >= MOST || self.text_bytes > MOST_TEXT {
            return Err(TooMany);
        }
        number(self.texts.insert_full(text.into()).0)
    }

    /// The number of a packed location.
    pub fn place(&mut self, place: PackedLocation) -> Result<u32, TooMany> {
        let (at, new) = self.places.insert_full(place);
        if new && at >= MOST { Err(TooMany) } else { number(at) }
    }

    /// The number of a location.
    pub fn location(&mut self, location: Location<'_>) -> Result<u32, TooMany> {
        let place = PackedLocation {
            code: location.country_code,
            country: self.text(location.country)?,
            city: self.text(location.city)?,
            asn: location.asn,
            org: self.text(location.org)?,
        };
        self.place(place)
    }

    /// The packed location of a number.
    pub fn get(&self, number: u32) -> PackedLocation {
        self.places.get_index(number as usize).copied().unwrap_or_default()
    }

    /// The finished locations; what finds their numbers is dropped.
    pub fn finish(self) -> PackedLocations<'static> {
        let mut texts = Texts::new(self.text_bytes + self.texts.len());
        let starts: Vec<_> = self.texts.iter().map(|text| texts.push(text)).collect();
        let start = |text: u32| starts.get(text as usize).copied().unwrap_or(EMPTY);
        let places = self.places.iter().map(|place| {
            let PackedLocation { code: CountryCode(code), country, city, asn, org } = *place;
            [packed(code), start(country), start(city), asn, start(org)]
        });
        PackedLocations { places: PackedRows::new(places), texts }
    }
}

/// Letters of a code.
const LETTERS: u32 = 26;
/// Codes of two letters, behind that of what is not known; codes of other characters are behind them.
const CODES: u32 = 1 + LETTERS * LETTERS;

/// A code in ten bits, if it is two letters, or nothing is known.
fn packed(code: [u8; 2]) -> u32 {
    match code.map(|letter| u32::from(letter).wrapping_sub(u32::from(b'A'))) {
        _ if code == CountryCode::UNKNOWN.0 => 0,
        [first, second] if first < LETTERS && second < LETTERS => 1 + first * LETTERS + second,
        _ => CODES + u32::from(u16::from_be_bytes(code)),
    }
}

/// The code that was [`packed`].
fn unpacked(packed: u32) -> CountryCode {
    match (packed.checked_sub(1), packed.checked_sub(CODES)) {
        (None, _) => CountryCode::UNKNOWN,
        (_, Some(other)) => CountryCode((other as u16).to_be_bytes()),
        (Some(letters), None) => CountryCode([letters / LETTERS, letters % LETTERS].map(|at| b'A' + at as u8)),
    }
}

fn number(at: usize) -> Result<u32, TooMany> {
    u32::try_from(at).map_err(|_| TooMany)
}

/// The locations of a database.
#[derive(Debug)]
pub struct PackedLocations<'a> {
    /// Of each place its code, where its country and its city stand, its number, and where its organisation stands.
    places: PackedRows<'a, 5>,
    texts: Texts<'a>,
}

impl<'a> PackedLocations<'a> {
    /// What [`write`](Self::write) wrote.
    pub fn read(sections: &mut Sections<'a>) -> Option<Self> {
        let places = PackedRows::from_bytes(sections.next()?)?;
        Some(Self { places, texts: Texts::read(sections)? })
    }

    /// Adds them to a file.
    pub fn write(&self, file: &mut Vec<u8>) -> Result<()> {
        sections::put(file, &self.places.bytes())?;
        self.texts.write(file)
    }

    /// The location of a number.
    pub fn location(&self, number: u32) -> Location<'_> {
        let Some([code, country, city, asn, org]) = self.places.get(number) else { return Location::default() };
        Location {
            country_code: unpacked(code),
            country: self.texts.get(country),
            city: self.texts.get(city),
            asn,
            org: self.texts.get(org),
        }
    }

    /// Country and AS number of that.
    pub fn region(&self, number: u32) -> (CountryCode, u32) {
        let place = self.places.get(number);
        place.map_or_else(Default::default, |[code, _, _, asn, _]| (unpacked(code), asn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_what_it_was() {
        for code in 0..=u16::MAX {
            let code = code.to_be_bytes();
            assert_eq!(unpacked(packed(code)), CountryCode(code));
            let is_short = code.iter().all(u8::is_ascii_uppercase) || code == CountryCode::UNKNOWN.0;
            assert_eq!(packed(code) < CODES, is_short, "{code:?}");
        }
    }
}
