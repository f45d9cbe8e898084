//! One sampled packet, as it travels through the ring buffer.

use bytemuck::{Pod, Zeroable};

use crate::{Address, MacPair};

/// [`Event::tcp_flags`] of a packet that has no TCP flags.
pub const NO_TCP_FLAGS: u16 = u16::MAX;

/// A packet that was sampled, and stands for [`Event::weight`] packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Event {
    /// When it came: nanoseconds of the coarse monotonic clock.
    pub at_ns: u64,
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// MAC addresses; zero where the link has none.
    pub macs: MacPair,
    /// Frame length in bytes.
    pub length: u32,
    /// How many packets this one stands for.
    pub weight: u32,
    /// Source port, 0 where there is none.
    pub source_port: u16,
    /// Destination port, 0 where there is none.
    pub destination_port: u16,
    /// TCP flag byte, or [`NO_TCP_FLAGS`].
    pub tcp_flags: u16,
    /// IP protocol number.
    pub protocol: u16,
}

const _: () = assert!(size_of::<Event>() == 72);

impl Event {
    /// The event of `packet`.
    #[inline(always)]
    pub fn new(packet: &crate::Packet, length: u64, at_ns: u64, weight: u32) -> Self {
        Self {
            at_ns,
            source: packet.source,
            destination: packet.destination,
            macs: packet.macs,
            length: length as u32,
            weight,
            source_port: packet.source_port,
            destination_port: packet.destination_port,
            tcp_flags: match packet.tcp_flags.get() {
                Some(flags) => flags as u16,
                None => NO_TCP_FLAGS,
            },
            protocol: packet.protocol as u16,
        }
    }
}
