//! Map keys: one 16-byte address for IPv4 and IPv6, and the pair of MAC addresses of a frame.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytemuck::{Pod, Zeroable};

use crate::opaque_read;

/// What an IPv4-mapped address (`::ffff:0:0/96`, RFC 4291 §2.5.5.2) has before its last four bytes, as it lies in memory.
const V4_MAPPED: u64 = 0xffff_0000;

const _: () = assert!(cfg!(target_endian = "little"), "words below are put together from narrower ones");

/// An IP address as a map key: two words in network byte order; IPv4 is IPv4-mapped.
///
/// Words as wide as the kernel program's registers: of narrower ones it would need more than it has, and each load and store
/// is an instruction per packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Address(pub [u64; 2]);

impl Address {
    /// From the word of an IPv4 header, in network byte order.
    #[inline(always)]
    pub const fn from_v4_word(word: u32) -> Self {
        Self([0, (word as u64) << 32 | V4_MAPPED])
    }

    /// Whether this is an IPv4 address.
    #[inline(always)]
    pub const fn is_v4(self) -> bool {
        self.beyond_v4() == 0
    }

    /// What is beyond the mapped form of an IPv4 address; 0: nothing.
    #[inline(always)]
    const fn beyond_v4(self) -> u64 {
        let Self([high, low]) = self;
        high | (low as u32 as u64 ^ V4_MAPPED)
    }

    /// [`is_v4`](Self::is_v4) as one comparison, of what neither the compiler takes apart nor the verifier looks into: each half would be
    /// another way through all that follows.
    #[inline(always)]
    pub fn is_v4_opaque(self) -> bool {
        opaque_read(&self.beyond_v4()) == 0
    }

    /// 0: IPv4, 1: IPv6. Without a comparison, for the same reason.
    #[inline(always)]
    pub fn family(self) -> usize {
        let beyond = opaque_read(&self.beyond_v4());
        let negative = opaque_read(&beyond.wrapping_neg());
        ((beyond | negative) >> (u64::BITS - 1)) as usize
    }

    /// The address in the form people read: IPv4 where it is IPv4-mapped.
    pub fn to_ip(self) -> IpAddr {
        let bytes: [u8; 16] = bytemuck::cast(self);
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
        bytemuck::cast(ip.octets())
    }
}

impl core::fmt::Display for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.to_ip().fmt(f)
    }
}

/// The destination and source MAC of a frame, in the order they stand on the wire, then four bytes of zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct MacPair(pub [u64; 2]);

impl MacPair {
    /// Of two MACs.
    pub fn new(destination: [u8; 6], source: [u8; 6]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&destination);
        bytes[6..12].copy_from_slice(&source);
        bytemuck::cast(bytes)
    }

    /// The destination MAC, the first six bytes of the frame.
    pub fn destination(self) -> [u8; 6] {
        let bytes: [u8; 16] = bytemuck::cast(self);
        [bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]]
    }

    /// The source MAC, the second six bytes of the frame.
    pub fn source(self) -> [u8; 6] {
        let bytes: [u8; 16] = bytemuck::cast(self);
        [bytes[6], bytes[7], bytes[8], bytes[9], bytes[10], bytes[11]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_round_trip() {
        for text in [
            "0.0.0.0",
            "192.0.2.1",
            "255.255.255.255",
            "::",
            "::fffe:1.2.3.4",
            "::1:ffff:1.2.3.4",
            "1::ffff:1.2.3.4",
            "ffff::",
            "::1",
            "2001:db8::42",
            "fe80::1",
        ] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(Address::from(ip).to_ip(), ip, "{text}");
            let address = Address::from(ip);
            assert_eq!(address.to_string(), ip.to_string());
            assert_eq!([address.is_v4(), address.is_v4_opaque(), address.family() == 0], [ip.is_ipv4(); 3], "{text}");
        }
    }

    #[test]
    fn a_mapped_v6_address_is_the_v4_address() {
        let mapped: Ipv6Addr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(Address::from(mapped), Address::from(Ipv4Addr::new(192, 0, 2, 1)));
    }

    #[test]
    fn mac_pairs_keep_wire_order() {
        let pair = MacPair::new([1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]);
        assert_eq!(bytemuck::bytes_of(&pair)[..12], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(pair.destination(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(pair.source(), [7, 8, 9, 10, 11, 12]);
    }
}
