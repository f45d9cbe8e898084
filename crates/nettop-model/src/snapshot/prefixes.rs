//! Sums over prefixes of source addresses.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Amount, Others, Sums,
    json::{MapKey, from_text},
};

/// The leading bits that addresses have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The address of which all other bits are zero.
    pub ip: IpAddr,
    /// How many bits.
    pub length: u8,
}

impl Prefix {
    /// Whether an address has these leading bits.
    pub fn contains(self, ip: IpAddr) -> bool {
        let differ = match (self.ip, ip) {
            (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
            (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
            _ => return false,
        };
        differ >= self.length.into()
    }
}

impl FromStr for Prefix {
    type Err = ();

    /// Of one of the lengths that are counted, its other bits zero.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (ip, length) = text.split_once('/').ok_or(())?;
        let ip: IpAddr = ip.parse().map_err(|_| ())?;
        let (length, lengths, rest) = match (length.parse().map_err(|_| ())?, ip) {
            (length, IpAddr::V4(ip)) => (length, [24, 16], u128::from(ip.to_bits()) << 96),
            (length, IpAddr::V6(ip)) => (length, [48, 32], ip.to_bits()),
        };
        let counted = lengths.contains(&length) && rest << length == 0;
        counted.then_some(Self { ip, length }).ok_or(())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.length)
    }
}

impl MapKey for Prefix {
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One prefix.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrefixRow {
    /// Which.
    pub prefix: Prefix,
    /// What came from there, of packets whose source was counted.
    pub sums: Sums,
    /// Whether that is a lower bound: packets came from there before it was remembered.
    #[serde(default)]
    pub at_least: bool,
}

/// What the prefixes of one length leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixRest {
    /// Prefixes that the list had no room for.
    pub others: Others,
    /// What came from prefixes that are not remembered.
    pub evicted: Amount,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_read_as_they_are_written() {
        for text in ["192.0.2.0/24", "10.1.0.0/16", "2001:db8::/32", "2001:db8:1::/48"] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
        for text in ["192.0.2.1/24", "10.0.0.0/8", "2001:db8::1/48", "10.1.0.0", "x/24", "10.1.0.0/999", "::/24"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_contains_what_shares_its_bits() {
        let contains =
            |ip: &str, length, other: &str| Prefix { ip: ip.parse().unwrap(), length }.contains(other.parse().unwrap());
        assert!(contains("10.1.0.0", 16, "10.1.255.9") && !contains("10.1.0.0", 16, "10.2.0.0"));
        assert!(contains("2001:db8::", 32, "2001:db8:1::1") && !contains("2001:db8::", 32, "2001:db9::"));
        assert!(contains("0.0.0.0", 0, "255.0.0.0") && !contains("0.0.0.0", 0, "::1"));
    }
}
