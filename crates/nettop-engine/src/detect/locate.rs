//! Where most of something goes: a host, or the smallest prefix of those that share it.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use nettop_common::Address;
use nettop_model::{order, snapshot::Target};

/// The part of a prefix that has this share of it stands for the whole: the rest is noise of the day.
const NEARLY_ALL: f64 = 0.85;
/// Shorter prefixes are no target: hosts all over.
const SHORTEST_V4: u8 = 16;
const SHORTEST_V6: u8 = 32;
/// Of hosts all over, each part with this share is looked at by itself.
const PART: f64 = 0.2;
/// Bits in front of an IPv4 address when it is written as an IPv6 one (RFC 4291, section 2.5.5.2).
const MAPPED: u8 = 96;

/// Some addresses that have their leading bits in common; all bits: one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Net {
    bits: u128,
    length: u8,
}

impl Net {
    /// One address.
    pub fn host(address: &Address) -> Self {
        Self { bits: bits(address), length: 128 }
    }

    /// Whether it is one address.
    pub fn is_host(self) -> bool {
        self.length == 128
    }

    /// Whether it has this address.
    pub fn contains(self, address: &Address) -> bool {
        self.holds(Self::host(address))
    }

    fn holds(self, other: Self) -> bool {
        self.length <= other.length && (self.length == 0 || (self.bits ^ other.bits) >> (128 - self.length) == 0)
    }

    /// Whether one has the other.
    pub fn overlaps(self, other: Self) -> bool {
        self.holds(other) || other.holds(self)
    }

    /// The smallest one that has both, unless these are hosts all over.
    pub fn with(self, other: Self) -> Option<Self> {
        let length = ((self.bits ^ other.bits).leading_zeros() as u8).min(self.length).min(other.length);
        let net = Self { bits: masked(self.bits, length), length };
        net.is_target().then_some(net)
    }

    /// Of a network, the larger one around it that may turn out to be meant.
    pub fn around(self) -> Self {
        const BITS: u8 = 8;
        let length = if self.is_host() { self.length } else { self.length.saturating_sub(BITS) };
        Self { bits: masked(self.bits, length), length }
    }

    /// The /24 or /48 that it is in.
    pub fn network(self) -> Self {
        let length = if self.ip().is_ipv4() { MAPPED + 24 } else { 48 };
        Self { bits: masked(self.bits, length), length }
    }

    fn is_target(self) -> bool {
        if self.bits >> 32 == 0xffff { self.length >= MAPPED + SHORTEST_V4 } else { self.length >= SHORTEST_V6 }
    }

    fn ip(self) -> IpAddr {
        std::net::Ipv6Addr::from_bits(self.bits).to_canonical()
    }

    /// As it is told.
    pub fn target(self, port: Option<u16>) -> Target {
        let v4 = if self.ip().is_ipv4() { MAPPED } else { 0 };
        let prefix = || IpNet::new(self.ip(), self.length.saturating_sub(v4)).ok();
        Target { ip: self.ip(), port, prefix: (!self.is_host()).then(prefix).flatten() }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target(None).fmt(f)
    }
}

fn bits(address: &Address) -> u128 {
    match address.to_ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn masked(bits: u128, length: u8) -> u128 {
    if length == 0 { 0 } else { bits >> (128 - length) << (128 - length) }
}

/// What was found somewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Where.
    pub net: Net,
    /// Its share: 1 is all.
    pub share: f64,
    /// To how many hosts.
    pub hosts: usize,
}

/// Where most of this goes: one place, or several that have nothing in common; none, where it goes to hosts all over.
pub fn locate(weights: impl Iterator<Item = (Address, f64)>) -> Vec<Place> {
    locate_nets(weights.map(|(address, weight)| (Net::host(&address), weight)))
}

/// The same of hosts that are known as nets.
pub fn locate_nets(weights: impl Iterator<Item = (Net, f64)>) -> Vec<Place> {
    let mut weights: Vec<_> = weights.map(|(net, weight)| (net.bits, weight)).collect();
    weights.sort_unstable_by_key(|(bits, _)| *bits);
    let all: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let mut places = Vec::new();
    if all > 0.0 {
        descend(&weights, 0, all, &mut places);
    }
    order::sort_by(&mut places, |a, b| b.share.total_cmp(&a.share));
    places
}

/// Looks at addresses, in order, that have their first `length` bits in common.
fn descend(mut some: &[(u128, f64)], mut length: u8, all: f64, places: &mut Vec<Place>) {
    let mut weight: f64 = some.iter().map(|(_, weight)| weight).sum();
    loop {
        if length == 128 {
            break;
        }
        let ones = some.partition_point(|(bits, _)| bits >> (127 - length) & 1 == 0);
        let (low, high) = some.split_at(ones);
        let low_weight: f64 = low.iter().map(|(_, weight)| weight).sum();
        let (part, its) = if low_weight * 2.0 >= weight { (low, low_weight) } else { (high, weight - low_weight) };
        let net = Net { bits: masked(some[0].0, length), length };
        if its >= weight * NEARLY_ALL {
            (some, weight, length) = (part, its, length + 1);
        } else if net.is_target() {
            break;
        } else {
            for part in [low, high] {
                let its: f64 = part.iter().map(|(_, weight)| weight).sum();
                if its >= all * PART {
                    descend(part, length + 1, all, places);
                }
            }
            return;
        }
    }
    let net = Net { bits: masked(some[0].0, length), length };
    places.push(Place { net, share: weight / all, hosts: some.len() });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(weights: &[(&str, f64)], carpets: &[(&str, u32)]) -> Vec<(String, usize)> {
        let single = weights.iter().map(|(ip, weight)| (Address::from(ip.parse::<IpAddr>().unwrap()), *weight));
        let carpet = carpets.iter().flat_map(|(ip, hosts)| {
            let IpAddr::V4(first) = ip.parse().unwrap() else { panic!("{ip}") };
            (0..*hosts)
                .map(move |n| (Address::from(IpAddr::from(std::net::Ipv4Addr::from_bits(first.to_bits() + n))), 1.0))
        });
        locate(single.chain(carpet)).into_iter().map(|place| (place.net.to_string(), place.hosts)).collect()
    }

    #[test]
    fn a_target_is_as_narrow_as_it_can_be() {
        let expect = |found: Vec<(String, usize)>, expected: &[(&str, usize)], name: &str| {
            let expected: Vec<_> = expected.iter().map(|(net, hosts)| (net.to_string(), *hosts)).collect();
            assert_eq!(found, expected, "{name}");
        };
        expect(place(&[], &[]), &[], "nothing");
        expect(place(&[("192.0.2.7", 5.0)], &[]), &[("192.0.2.7", 1)], "a host");
        expect(place(&[("192.0.2.7", 99.0), ("10.0.0.1", 1.0)], &[]), &[("192.0.2.7", 1)], "a host amid noise");
        expect(place(&[("2001:db8::7", 5.0)], &[]), &[("2001:db8::7", 1)], "IPv6");
        expect(place(&[], &[("198.18.4.0", 1024)]), &[("198.18.4.0/22", 1024)], "a /22");
        expect(place(&[("10.0.0.1", 20.0)], &[("198.18.4.0", 1024)]), &[("198.18.4.0/22", 1024)], "amid noise");
        expect(place(&[], &[("198.18.4.0", 256)]), &[("198.18.4.0/24", 256)], "a /24");
        expect(place(&[], &[("198.18.4.64", 16)]), &[("198.18.4.64/28", 16)], "a /28");
        expect(
            place(&[], &[("198.18.4.0", 256), ("203.0.113.0", 256)]),
            &[("198.18.4.0/24", 256), ("203.0.113.0/24", 256)],
            "two networks",
        );
        expect(place(&[("192.0.2.7", 5.0), ("10.0.0.1", 5.0)], &[]), &[("10.0.0.1", 1), ("192.0.2.7", 1)], "two hosts");
        let everywhere: Vec<_> = (0..=255).map(|n| (format!("{n}.1.2.3"), 1.0)).collect();
        let everywhere: Vec<_> = everywhere.iter().map(|(ip, weight)| (ip.as_str(), *weight)).collect();
        expect(place(&everywhere, &[]), &[], "everywhere");
    }

    #[test]
    fn nets_are_told_apart() {
        let host = |ip: &str| Net::host(&Address::from(ip.parse::<IpAddr>().unwrap()));
        let net = host("198.18.4.1").with(host("198.18.7.9")).unwrap();
        assert_eq!(net.to_string(), "198.18.4.0/22");
        assert!(
            net.overlaps(host("198.18.5.5")) && host("198.18.5.5").overlaps(net) && !net.overlaps(host("198.18.8.0"))
        );
        assert_eq!(host("10.0.0.1").with(host("198.18.7.9")), None);
        assert_eq!(net.target(Some(53)).to_string(), "198.18.4.0/22:53");
        assert_eq!(host("2001:db8::1").with(host("2001:db8:0:1::")).unwrap().to_string(), "2001:db8::/63");
    }
}
