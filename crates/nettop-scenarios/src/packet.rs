//! A packet as it is meant, before it is bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// TCP flags (RFC 9293 §3.1).
pub mod flags {
    #![expect(missing_docs, reason = "the names are those of the RFC")]
    pub use nettop_common::packet::tcp_flag::{ACK, FIN, RST, SYN};

    pub const PSH: u8 = 0x08;
    pub const URG: u8 = 0x20;
}

/// What it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// TCP with these flags.
    Tcp(u8),
    /// UDP.
    Udp,
    /// ICMP, or ICMPv6 between IPv6 addresses: type and code, each as the protocol of the addresses has them.
    Icmp(u8, u8),
    /// Another IP protocol.
    Protocol(u8),
    /// A fragment of a UDP datagram other than the first one.
    Fragment,
    /// An ARP request.
    Arp,
}

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Nanoseconds from the beginning of the scenario.
    pub at_ns: u64,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Source port; 0 where there is none.
    pub source_port: u16,
    /// Destination port; 0 where there is none.
    pub destination_port: u16,
    /// What it carries.
    pub what: What,
    /// Bytes behind the headers.
    pub payload: u16,
    /// Whether the host sends it; else it comes in.
    pub is_out: bool,
    /// Whether the sender's own MAC address is on the wire, and not a router's.
    pub is_local: bool,
    /// Whether it is of a conversation that a socket of the host takes part in.
    pub belongs: bool,
    /// Whether the host sends it again.
    pub again: bool,
}

impl Packet {
    /// A packet without payload that goes the other way, `later_ns` later.
    pub fn answer(&self, what: What, payload: u16, later_ns: u64) -> Self {
        Self {
            at_ns: self.at_ns + later_ns,
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            what,
            payload,
            is_out: !self.is_out,
            is_local: self.is_local,
            belongs: self.belongs,
            again: false,
        }
    }
}

/// The host that is watched.
pub fn host(ipv6: bool) -> IpAddr {
    if ipv6 {
        Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0x10).into()
    } else {
        Ipv4Addr::new(198, 51, 100, 10).into()
    }
}

/// A number that an address always has, whatever the seed: its round-trip time, its time to live and its MAC address come of it.
pub fn trait_of(address: IpAddr) -> u64 {
    let bits = match address {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits() as u64 ^ (address.to_bits() >> 64) as u64,
    };
    // A round of splitmix64.
    let mixed = (bits ^ (bits >> 30)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}
