//! Map keys: one 16-byte address for IPv4 and IPv6, and the pair of MAC addresses of a frame.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytemuck::{Pod, Zeroable};

/// The third word of an IPv4-mapped address (`::ffff:0:0/96`, RFC 4291 §2.5.5.2), as it lies in memory.
const V4_MAPPED: u32 = u32::from_ne_bytes([0, 0, 0xff, 0xff]);

/// An IP address as a map key: four words in network byte order; IPv4 is IPv4-mapped.
///
/// Words, not bytes: the kernel hashes a key written as words twice as fast as one written bytewise, because narrow
/// stores followed by wide loads stall.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Address(pub [u32; 4]);

impl Address {
    /// From the word of an IPv4 header, in network byte order.
    #[inline(always)]
    pub const fn from_v4_word(word: u32) -> Self {
        Self([0, 0, V4_MAPPED, word])
    }

    /// Whether this is an IPv4 address.
    #[inline(always)]
    pub const fn is_v4(self) -> bool {
        let Self([a, b, c, _]) = self;
        a == 0 && b == 0 && c == V4_MAPPED
    }

    /// The address in the form people read: IPv4 where it is IPv4-mapped.
    pub fn to_ip(self) -> IpAddr {
        let mut bytes = [0; 16];
        let Self(words) = self;
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(words) {
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        Ipv6Addr::from(bytes).to_canonical()
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => v6.into(),
        }
    }
}

impl From<Ipv4Addr> for Address {
    fn from(ip: Ipv4Addr) -> Self {
        Self::from_v4_word(u32::from_ne_bytes(ip.octets()))
    }
}

impl From<Ipv6Addr> for Address {
    fn from(ip: Ipv6Addr) -> Self {
        let octets = ip.octets();
        let word = |at: usize| u32::from_ne_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        Self([word(0), word(4), word(8), word(12)])
    }
}

impl core::fmt::Display for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.to_ip().fmt(f)
    }
}

/// The destination and source MAC of a frame, in the order they stand on the wire, as three words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct MacPair(pub [u32; 3]);

impl MacPair {
    /// The destination MAC, the first six bytes of the frame.
    pub fn destination(self) -> [u8; 6] {
        let bytes: [u8; 12] = bytemuck::cast(self);
        [bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]]
    }

    /// The source MAC, the second six bytes of the frame.
    pub fn source(self) -> [u8; 6] {
        let bytes: [u8; 12] = bytemuck::cast(self);
        [bytes[6], bytes[7], bytes[8], bytes[9], bytes[10], bytes[11]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_round_trip() {
        for text in ["0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::42", "fe80::1"] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(Address::from(ip).to_ip(), ip, "{text}");
            assert_eq!(Address::from(ip).is_v4(), ip.is_ipv4(), "{text}");
        }
    }

    #[test]
    fn a_mapped_v6_address_is_the_v4_address() {
        let mapped: Ipv6Addr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(Address::from(mapped), Address::from(Ipv4Addr::new(192, 0, 2, 1)));
    }

    #[test]
    fn mac_pairs_keep_wire_order() {
        let pair: MacPair = bytemuck::cast([1u8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(pair.destination(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(pair.source(), [7, 8, 9, 10, 11, 12]);
    }
}
