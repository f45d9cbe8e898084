//! Where many addresses are, for whoever needs no names: country and network, and how far they reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{CountryCode, Location};

/// Country and network of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// The country.
    pub country_code: CountryCode,
    /// The number of the autonomous system; 0: unknown.
    pub asn: u32,
    /// The last address of the same family, itself or a higher one, up to which all others have the same answer; there may be more
    /// beyond.
    pub last: IpAddr,
}

impl Region {
    /// Nothing is known of an address yet, nor of any up to the last of its family.
    pub(crate) fn unknown(ip: IpAddr) -> Self {
        let last = match ip {
            IpAddr::V4(_) => Ipv4Addr::BROADCAST.into(),
            IpAddr::V6(_) => Ipv6Addr::from_bits(u128::MAX).into(),
        };
        Self { country_code: CountryCode::default(), asn: 0, last }
    }

    /// What a location tells up to an address.
    pub(crate) fn of(location: &Location<'_>, last: IpAddr) -> Self {
        Self { country_code: location.country_code, asn: location.asn, last }
    }

    /// Takes from `below`, which has less say, what is unknown here, as [`Location`] does.
    pub(crate) fn fill(&mut self, below: Self) {
        if self.country_code.is_unknown() {
            self.country_code = below.country_code;
        }
        if self.asn == 0 {
            self.asn = below.asn;
        }
        self.last = self.last.min(below.last);
    }
}
