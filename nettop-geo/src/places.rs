//! The different locations of a database, each kept once.

use indexmap::IndexSet;

use crate::{CountryCode, Location};

/// A [`Location`] whose texts are numbers of texts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Place {
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

/// Places in the making.
#[derive(Debug)]
pub struct Builder {
    texts: IndexSet<Box<str>, foldhash::fast::RandomState>,
    text_bytes: usize,
    places: IndexSet<Place, foldhash::fast::RandomState>,
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
        places.insert(Place::default());
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

    /// The number of a place.
    pub fn place(&mut self, place: Place) -> Result<u32, TooMany> {
        let (at, new) = self.places.insert_full(place);
        if new && at >= MOST { Err(TooMany) } else { number(at) }
    }

    /// The number of a location.
    pub fn location(&mut self, location: Location<'_>) -> Result<u32, TooMany> {
        let place = Place {
            code: location.country_code,
            country: self.text(location.country)?,
            city: self.text(location.city)?,
            asn: location.asn,
            org: self.text(location.org)?,
        };
        self.place(place)
    }

    /// The place of a number.
    pub fn get(&self, number: u32) -> Place {
        self.places.get_index(number as usize).copied().unwrap_or_default()
    }

    /// The finished places; what finds their numbers is dropped.
    pub fn finish(self) -> Places {
        Places::new(self.texts.iter().map(|text| &**text), self.places.into_iter().collect())
    }
}

fn number(at: usize) -> Result<u32, TooMany> {
    u32::try_from(at).map_err(|_| TooMany)
}

/// The places of a database.
#[derive(Debug)]
pub struct Places {
    /// All texts, one after the other.
    texts: Box<str>,
    /// Where each text ends.
    ends: Box<[u32]>,
    places: Box<[Place]>,
}

impl Places {
    /// From the texts, the first of which is empty, and the places, the first of which is unknown.
    pub fn new<'a>(texts: impl Iterator<Item = &'a str>, places: Box<[Place]>) -> Self {
        let mut all = String::new();
        let ends = texts.map(|text| {
            all.push_str(text);
            // The builder's limit on all texts is far below.
            u32::try_from(all.len()).unwrap_or(u32::MAX)
        });
        let ends = ends.collect();
        Self { texts: all.into(), ends, places }
    }

    /// The location of a number.
    pub fn location(&self, number: u32) -> Location<'_> {
        let place = self.get(number);
        Location {
            country_code: place.code,
            country: self.text(place.country),
            city: self.text(place.city),
            asn: place.asn,
            org: self.text(place.org),
        }
    }

    /// The place of a number.
    pub fn get(&self, number: u32) -> Place {
        self.places.get(number as usize).copied().unwrap_or_default()
    }

    /// The text of a number.
    pub fn text(&self, number: u32) -> &str {
        let end = |number: u32| self.ends.get(number as usize).map_or(0, |end| *end as usize);
        let start = number.checked_sub(1).map_or(0, end);
        self.texts.get(start..end(number)).unwrap_or("")
    }

    /// All places, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = Place> {
        self.places.iter().copied()
    }
}
