//! One sampled packet, as it travels through the ring buffer.

use bytemuck::{Pod, Zeroable};

use crate::{Address, MacPair, TrafficClass};

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
    pub protocol: u8,
    /// Which [`TrafficClass`] it is of: its place in [`TrafficClass::ALL`].
    pub class: u8,
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
            protocol: packet.protocol,
            class: packet.traffic_class() as u8,
        }
    }

    /// Which class it is of.
    pub fn traffic_class(&self) -> TrafficClass {
        TrafficClass::from_number(self.class.into())
    }
}

/// Whether a packet is an event, where one in `every` is one, at random distances so that no rhythm of the traffic can hide; 0:
/// none is. `until_event` are the packets still to let pass; `random` is any number.
#[inline(always)]
pub fn is_chosen(every: u32, until_event: &mut u32, random: impl FnOnce() -> u32) -> bool {
    if every == 0 {
        return false;
    }
    let farthest = 2 * (every as u64 - 1);
    if every > 1 && *until_event > 0 {
        // The distance was chosen when fewer were events, perhaps: it must not be waited for.
        let left = if *until_event as u64 > farthest { farthest as u32 } else { *until_event };
        *until_event = left - 1;
        return false;
    }
    // Uniform over 0..=farthest: every - 1 on average.
    *until_event = ((random() as u64 * (farthest + 1)) >> 32) as u32;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many packets pass until the next event, from this distance on.
    fn wait(every: u32, mut until_event: u32) -> u64 {
        (1..).find(|_| is_chosen(every, &mut until_event, || u32::MAX)).expect("an event")
    }

    #[test]
    fn a_distance_from_when_fewer_were_events_is_not_waited_for() {
        for (every, chosen_for, longest) in
            [(1, 1_000_000, 1), (2, 1_000_000, 3), (8, 1_000_000, 15), (512, 1 << 30, 1_023), (1_000, 1_000, 1_999)]
        {
            let mut until_event = 0;
            assert!(is_chosen(chosen_for, &mut until_event, || u32::MAX), "the first packet is an event");
            assert_eq!(wait(every, until_event), longest, "1:{chosen_for}, then 1:{every}");
        }
    }

    #[test]
    fn one_in_so_many_is_an_event() {
        let mut seed = 1_u32;
        for every in [1, 2, 3, 64, 1_000] {
            let mut until_event = 0;
            let mut random = || {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                seed
            };
            let events = (0..1_000_000).filter(|_| is_chosen(every, &mut until_event, &mut random)).count() as f64;
            let expected = 1e6 / f64::from(every);
            assert!((events - expected).abs() < expected * 0.1, "1:{every}: {events} of {expected}");
        }
        assert!(!is_chosen(0, &mut 0, || 0));
        assert!(!is_chosen(u32::MAX, &mut { u32::MAX }, || 0));
    }
}
