//! Country codes.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ISO 3166-1 alpha-2 code in capitals (`XK` for Kosovo too), or one of the two codes that stand for no country.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CountryCode(pub [u8; 2]);

impl CountryCode {
    /// Not known.
    pub const UNKNOWN: Self = Self(*b"??");
    /// Not on the public Internet: private, loopback, multicast and other special ranges.
    pub const LOCAL: Self = Self(*b"LO");

    /// Reads a code as databases write it: two letters of any case. Nothing at all, `-`, `??` and `ZZ` mean unknown.
    /// `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [] | b"-" | b"??" => Some(Self::UNKNOWN),
            [first, second] if first.is_ascii_alphabetic() && second.is_ascii_alphabetic() => {
                let code = [first.to_ascii_uppercase(), second.to_ascii_uppercase()];
                Some(if code == *b"ZZ" { Self::UNKNOWN } else { Self(code) })
            }
            _ => None,
        }
    }

    /// Whether it says nothing.
    pub fn is_unknown(self) -> bool {
        self == Self::UNKNOWN
    }

    /// The two letters.
    fn text(&self) -> &str {
        // The field is public, so that it may hold anything.
        str::from_utf8(&self.0).unwrap_or("??")
    }

    /// The flag as a pair of regional indicators; only codes of countries have one.
    pub fn flag(self) -> Option<String> {
        country_emoji::code_to_flag(self.text())
    }

    /// The country's short English name.
    pub fn name(self) -> Option<&'static str> {
        country_emoji::code_to_name(self.text())
    }
}

impl Default for CountryCode {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

impl Serialize for CountryCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl<'de> Deserialize<'de> for CountryCode {
    /// What is no code is unknown.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&Cow::<str>::deserialize(deserializer)?).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_in_any_case() {
        for (text, expected) in [
            ("DE", Some(*b"DE")),
            ("de", Some(*b"DE")),
            ("", Some(*b"??")),
            ("-", Some(*b"??")),
            ("zz", Some(*b"??")),
            ("lo", Some(*b"LO")),
            ("D", None),
            ("DEU", None),
            ("D1", None),
            ("é", None),
        ] {
            assert_eq!(CountryCode::parse(text), expected.map(CountryCode), "{text:?}");
        }
    }

    #[test]
    fn countries_have_a_short_name_and_a_flag() {
        for (code, name, flag) in [
            (b"DE", "Germany", "🇩🇪"),
            (b"US", "United States", "🇺🇸"),
            (b"GB", "United Kingdom", "🇬🇧"),
            (b"XK", "Kosovo", "🇽🇰"),
            (b"KR", "South Korea", "🇰🇷"),
            (b"VN", "Vietnam", "🇻🇳"),
            (b"BO", "Bolivia", "🇧🇴"),
        ] {
            let code = CountryCode(*code);
            assert_eq!((code.name(), code.flag().as_deref()), (Some(name), Some(flag)), "{code}");
        }
        for code in [CountryCode::UNKNOWN, CountryCode::LOCAL, CountryCode(*b"QQ"), CountryCode([0xff, 0])] {
            assert_eq!((code.name(), code.flag()), (None, None), "{code}");
        }
        assert_eq!(CountryCode([0xff, 0]).to_string(), "??");
        assert_eq!(serde_json::to_string(&CountryCode::LOCAL).unwrap(), "\"LO\"");
        for (json, code) in
            [("\"LO\"", CountryCode::LOCAL), ("\"??\"", CountryCode::UNKNOWN), ("\"2J\"", CountryCode::UNKNOWN)]
        {
            assert_eq!(serde_json::from_str::<CountryCode>(json).unwrap(), code);
        }
    }
}
