//! The different locations of a database, each kept once.

use std::borrow::Cow;

use anyhow::Result;
use indexmap::IndexSet;

use crate::{
    CountryCode, Location,
    bits::PackedRows,
    sections::{self, Sections},
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

/// What ends a text: a control character, which none has.
const END: u8 = b'\n';

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
    fn text(&mut self, text: &str) -> Result<u32, TooMany> {
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
        let mut texts = String::with_capacity(self.text_bytes + self.texts.len());
        let mut starts = Vec::with_capacity(self.texts.len());
        for text in &self.texts {
            // The limit on all texts is far below.
            starts.push(u32::try_from(texts.len()).unwrap_or(u32::MAX));
            texts.push_str(text);
            texts.push(END.into());
        }
        let start = |text: u32| starts.get(text as usize).copied().unwrap_or(0);
        let places = self.places.iter().map(|place| {
            let PackedLocation { code: CountryCode(code), country, city, asn, org } = *place;
            [u16::from_be_bytes(code).into(), start(country), start(city), asn, start(org)]
        });
        PackedLocations { places: PackedRows::new(places), texts: texts.into() }
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
    /// All texts, each with an [`END`]; the first one is empty.
    texts: Cow<'a, str>,
}

impl<'a> PackedLocations<'a> {
    /// What [`write`](Self::write) wrote.
    pub fn read(sections: &mut Sections<'a>) -> Option<Self> {
        let places = PackedRows::from_bytes(sections.next()?)?;
        Some(Self { places, texts: str::from_utf8(sections.next()?).ok()?.into() })
    }

    /// Adds them to a file.
    pub fn write(&self, file: &mut Vec<u8>) -> Result<()> {
        sections::put(file, &self.places.bytes())?;
        sections::put(file, self.texts.as_bytes())
    }

    /// The location of a number.
    pub fn location(&self, number: u32) -> Location<'_> {
        let Some([code, country, city, asn, org]) = self.places.get(number) else { return Location::default() };
        Location {
            country_code: CountryCode((code as u16).to_be_bytes()),
            country: self.text(country),
            city: self.text(city),
            asn,
            org: self.text(org),
        }
    }

    /// Country and AS number of that.
    pub fn region(&self, number: u32) -> (CountryCode, u32) {
        let place = self.places.get(number);
        place.map_or_else(Default::default, |[code, _, _, asn, _]| (CountryCode((code as u16).to_be_bytes()), asn))
    }

    /// The text that stands there.
    fn text(&self, at: u32) -> &str {
        // Most places have no city, and many nothing but a country.
        let rest = self.texts.get(at as usize..).filter(|_| at > 0);
        let text = rest.and_then(|rest| rest.get(..memchr::memchr(END, rest.as_bytes())?));
        text.unwrap_or_default()
    }
}
