//! [`Net`]: an address or a prefix, as people write it and as the kernel program has it.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use nettop_common::blocks::{BlockKey, WHOLE};
use nettop_geo::prefix;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// An address, or a prefix without bits beyond its length. What is IPv4-mapped is of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Net(IpNet);

impl Net {
    /// The prefix of this length that an address lies in; of more bits than it has, the address.
    pub fn around(ip: IpAddr, length: u8) -> Self {
        let whole = IpNet::from(ip.to_canonical());
        Self(IpNet::new(whole.addr(), length.min(whole.max_prefix_len())).unwrap_or(whole).trunc())
    }

    /// Its first address.
    pub fn first(&self) -> IpAddr {
        self.0.network()
    }

    /// Its last address.
    pub fn last(&self) -> IpAddr {
        self.0.broadcast()
    }

    /// How many leading bits its addresses share.
    pub fn length(&self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether it is one address.
    pub fn is_address(&self) -> bool {
        self.0.prefix_len() == self.0.max_prefix_len()
    }

    /// Whether an address lies in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.contains(&ip.to_canonical())
    }

    /// Whether some address lies in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.contains(&other.0) || other.0.contains(&self.0)
    }

    /// This, and every wider prefix that it lies in.
    pub fn supernets(&self) -> impl Iterator<Item = Self> + use<> {
        std::iter::successors(Some(self.0), IpNet::supernet).map(Self)
    }

    /// As the kernel program has it.
    pub fn key(&self) -> BlockKey {
        BlockKey::new(self.first().into(), WHOLE - (self.0.max_prefix_len() - self.0.prefix_len()))
    }
}

impl From<IpAddr> for Net {
    fn from(ip: IpAddr) -> Self {
        Self(IpNet::from(ip.to_canonical()))
    }
}

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net = prefix::parse(text.trim());
        net.map(|net| Self(net.trunc())).ok_or_else(|| format!("{text:?} is no address and no prefix"))
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_address() {
            true => self.first().fmt(f),
            false => self.0.fmt(f),
        }
    }
}

impl Serialize for Net {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Net {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_one_address_or_prefix() {
        for (text, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1/32", Some("192.0.2.1")),
            ("192.0.2.77/24", Some("192.0.2.0/24")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("::ffff:192.0.2.0/120", Some("192.0.2.0/24")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("2001:db8::1/48", Some("2001:db8::/48")),
            ("192.030.0.6", None),
            ("192.0.2.1;x", None),
            ("$(id)", None),
            ("[2001:db8::1]", None),
            ("192.0.2.0/33", None),
            ("", None),
        ] {
            let net = text.parse::<Net>().ok();
            assert_eq!(net.map(|net| net.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn addresses_lie_in_their_family_alone() {
        for (net, inside, outside) in [
            ("192.0.2.0/24", "::ffff:192.0.2.9", "192.0.3.0"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
            ("::/0", "2001:db8::1", "203.0.113.1"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
        ] {
            let net: Net = net.parse().unwrap();
            assert!(net.contains(inside.parse().unwrap()), "{inside} in {net}");
            assert!(!net.contains(outside.parse().unwrap()), "{outside} in {net}");
        }
        let net = |text: &str| text.parse::<Net>().unwrap();
        assert!(net("10.0.0.0/8").overlaps(&net("10.1.0.0/16")) && net("10.1.0.0/16").overlaps(&net("10.0.0.0/8")));
        assert!(!net("10.1.0.0/16").overlaps(&net("10.2.0.0/16")));
    }
}
