//! What is known of an address, and how two sources of knowledge are put together.

use crate::CountryCode;

/// Where an address is. Empty texts and 0 mean unknown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Location<'a> {
    /// The country.
    pub country_code: CountryCode,
    /// The country's English name; for [`CountryCode::LOCAL`] the kind of range, such as `Private`.
    pub country: &'a str,
    /// The city.
    pub city: &'a str,
    /// The number of the autonomous system.
    pub asn: u32,
    /// The organisation that runs it.
    pub org: &'a str,
}

impl<'a> Location<'a> {
    /// Takes from `below`, which has less say, what is unknown here, but nothing that belongs to another country or to
    /// another autonomous system than what is known.
    pub(crate) fn fill(&mut self, below: Location<'a>) {
        let (mine, theirs) = (self.country_code, below.country_code);
        if mine.is_unknown() || theirs.is_unknown() || mine == theirs {
            if mine.is_unknown() {
                self.country_code = theirs;
            }
            fill_text(&mut self.country, below.country);
            fill_text(&mut self.city, below.city);
        }
        if self.asn == 0 || below.asn == 0 || self.asn == below.asn {
            if self.asn == 0 {
                self.asn = below.asn;
            }
            fill_text(&mut self.org, below.org);
        }
    }

    /// Whether nothing is left to be filled.
    pub(crate) fn is_complete(&self) -> bool {
        let Self { country_code, country, city, asn, org } = *self;
        !country_code.is_unknown() && !country.is_empty() && !city.is_empty() && asn != 0 && !org.is_empty()
    }
}

fn fill_text<'a>(text: &mut &'a str, below: &'a str) {
    if text.is_empty() {
        *text = below;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(
        code: &[u8; 2],
        country: &'static str,
        city: &'static str,
        asn: u32,
        org: &'static str,
    ) -> Location<'static> {
        Location { country_code: CountryCode(*code), country, city, asn, org }
    }

    #[test]
    fn gaps_are_filled_but_nothing_is_mixed() {
        let below = location(b"US", "United States", "New York", 64500, "Example");
        for (name, mut above, expected) in [
            ("nothing known", Location::default(), below),
            ("all known", location(b"DE", "Germany", "Berlin", 1, "A"), location(b"DE", "Germany", "Berlin", 1, "A")),
            ("another country", location(b"DE", "", "", 0, ""), location(b"DE", "", "", 64500, "Example")),
            (
                "the same country",
                location(b"US", "USA", "", 0, ""),
                location(b"US", "USA", "New York", 64500, "Example"),
            ),
            ("another network", location(b"??", "", "", 1, ""), location(b"US", "United States", "New York", 1, "")),
            (
                "an own name",
                location(b"??", "", "", 0, "Mine"),
                location(b"US", "United States", "New York", 64500, "Mine"),
            ),
        ] {
            above.fill(below);
            assert_eq!(above, expected, "{name}");
        }
    }
}
