//! The log of a CPU: what comes for keys that have no slot, packet by packet, in a ring that the program writes and user space
//! reads. A record costs the program the same whatever the number of keys, since it is written in sequence.
//!
//! The program moves the head, user space the tail; both only grow. A bank notes where its newest record ends, and records
//! lie in the order of banks, so that each belongs to one bank. User space reads up to there once the program has left the bank, as it does
//! with slots: no record is read while it is written. Where a ring is full, the packet is *untracked*.

use bytemuck::{Pod, Zeroable};

use crate::{
    Address, PacketsBytes, Protocol, SourceCounters, TrafficClass,
    counters::Table,
    neighbour::Message,
    packet::{Flags, tcp_flag},
    slots::Key,
};

/// What rings consist of. A record is one of them, or two.
pub type Unit = [u64; 2];

/// Where a ring is, and how far it is written and read, in units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Ring {
    /// Written by the program, since it was loaded.
    pub head: u64,
    /// Read by user space, since then.
    pub tail: u64,
    /// Where it begins in the array.
    pub first: u32,
    /// Its size less one, where the size is a power of two; 0: there is none.
    pub mask: u32,
}

impl Ring {
    /// Whether there is room for so many units.
    #[inline(always)]
    pub const fn has_room(head: u64, tail: u64, mask: u32, units: u64) -> bool {
        head.wrapping_sub(tail) + units <= mask as u64
    }

    /// Where in the array the unit is that has this number.
    #[inline(always)]
    pub const fn place(first: u32, mask: u32, number: u64) -> u32 {
        first + (number as u32 & mask)
    }
}

/// Bits of the length of a packet, or of the lower part of a sum of bytes.
const BYTES: u32 = 24;
/// Then, of a destination, those of the class,
const CLASS: u32 = BYTES;
const CLASS_MASK: u64 = 0xf;
/// and of a source three of the protocol,
const PROTOCOL: u32 = BYTES;
/// whether it is a SYN without ACK,
const SYN: u32 = 27;
/// whether it is a fragment,
const FRAGMENT: u32 = 28;
/// of all of them two of the table, of which there is one number more,
const TABLE: u32 = 29;
const NEIGHBOUR: u64 = 3;
/// and whether the key is in a unit of its own, behind: any but an IPv4 address.
const LONG: u32 = 31;

/// The first unit of a record. The lower half of the first word says what it is, the upper half is an IPv4 address as it lies in
/// memory. In the second word is when the packet of a source came, nanoseconds, or how many packets came for another key; of a message of a
/// neighbour the MAC that it is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Record(pub Unit);

impl Record {
    /// One packet of a source; of a longer one than 16 MiB, which no kernel has, the length is wrong.
    #[inline(always)]
    pub fn of_source(
        source: Address,
        protocol: Protocol,
        flags: Flags,
        fragment: bool,
        length: u64,
        now_ns: u64,
    ) -> Self {
        let is_syn = flags.is_syn() && protocol as u8 == Protocol::Tcp as u8;
        let kind = length & ((1 << BYTES) - 1)
            | (protocol as u64) << PROTOCOL
            | (is_syn as u64) << SYN
            | (fragment as u64) << FRAGMENT
            | (source.family() as u64) << LONG;
        // What of an IPv6 address is in there means nothing.
        Self([kind | source.0[1] >> 32 << 32, now_ns])
    }

    /// What came for a destination, of the class with this number in [`TrafficClass::ALL`].
    #[inline(always)]
    pub fn of_destination(key: &Key, class: usize, tally: PacketsBytes) -> Self {
        let class = (class as u64 & CLASS_MASK) << CLASS;
        if tally.bytes < 1 << BYTES && Address(*key).is_v4_opaque() {
            let kind = tally.bytes | class | (Table::Destinations as u64) << TABLE;
            return Self([kind | key[1] >> 32 << 32, tally.packets]);
        }
        Self::long(Table::Destinations, class, tally)
    }

    /// What came for a pair of MACs, since another one came.
    #[inline(always)]
    pub const fn of_macs(tally: PacketsBytes) -> Self {
        Self::long(Table::Macs, 0, tally)
    }

    /// A message of ARP or of neighbour discovery, and the MAC that it is from.
    #[inline(always)]
    pub const fn of_neighbour(message: Message, sender: u64) -> Self {
        Self([(message as u64) << CLASS | NEIGHBOUR << TABLE, sender])
    }

    /// What [`Record::of_neighbour`] was made of, if it was.
    #[inline(always)]
    pub fn neighbour(self) -> Option<(Message, u64)> {
        let Self([kind, sender]) = self;
        let message = Message::from_number((kind >> CLASS & CLASS_MASK) as usize)?;
        (kind >> TABLE & 3 == NEIGHBOUR).then_some((message, sender))
    }

    #[inline(always)]
    const fn long(table: Table, class: u64, tally: PacketsBytes) -> Self {
        let PacketsBytes { packets, bytes } = tally;
        let low = bytes & ((1 << BYTES) - 1) | class | (table as u64) << TABLE;
        // 56 bits of bytes: a link of 400 Gbit/s is two weeks older by then.
        Self([low | 1 << LONG | bytes >> BYTES << 32, packets])
    }

    /// Whether the next unit is its key.
    #[inline(always)]
    pub const fn is_long(self) -> bool {
        self.0[0] >> LONG & 1 == 1
    }

    /// Which table its key would have a slot in.
    #[inline(always)]
    pub fn table(self) -> Table {
        Table::ALL.get((self.0[0] >> TABLE & 3) as usize).copied().unwrap_or(Table::Sources)
    }

    /// Of which class what came for a destination is.
    #[inline(always)]
    pub fn class(self) -> TrafficClass {
        TrafficClass::from_number((self.0[0] >> CLASS & CLASS_MASK) as usize)
    }

    /// The IPv4 address, in host byte order.
    #[inline(always)]
    pub const fn v4(self) -> u32 {
        u32::from_be((self.0[0] >> 32) as u32)
    }

    /// Adds the packet to the counters of its source; of several CPUs the records are in no order of time.
    #[inline(always)]
    pub fn count_in(self, counters: &mut SourceCounters) {
        let Self([kind, at_ns]) = self;
        let SourceCounters { packets, first_ns, last_ns, .. } = *counters;
        let protocol = Protocol::ALL.get((kind >> PROTOCOL & 7) as usize).copied().unwrap_or(Protocol::Other);
        let flags = if kind >> SYN & 1 == 1 { Flags::from(tcp_flag::SYN) } else { Flags::default() };
        counters.count(protocol, flags, kind >> FRAGMENT & 1 == 1, kind & ((1 << BYTES) - 1), at_ns);
        counters.first_ns = if packets == 0 { at_ns } else { first_ns.min(at_ns) };
        counters.last_ns = last_ns.max(at_ns);
    }

    /// The packets and bytes of a destination or pair of MACs.
    #[inline(always)]
    pub const fn tally(self) -> PacketsBytes {
        let Self([kind, packets]) = self;
        let high = if self.is_long() { kind >> 32 << BYTES } else { 0 };
        PacketsBytes { packets, bytes: high | kind & ((1 << BYTES) - 1) }
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::*;

    #[test]
    fn a_record_says_what_counting_would_have() {
        for (name, source, protocol, flags, fragment, length) in [
            ("a SYN", "192.0.2.1", Protocol::Tcp, Flags::from(0x02), false, 60),
            ("an ACK", "0.0.0.0", Protocol::Tcp, Flags::from(0x10), false, 1514),
            ("UDP in fragments", "255.255.255.255", Protocol::Udp, Flags::default(), true, 65_550),
            ("ICMP", "10.0.0.9", Protocol::Icmp, Flags::default(), false, 98),
            ("ICMPv6", "2001:db8::1", Protocol::Icmpv6, Flags::default(), false, 0xff_ffff),
            ("a SYN over IPv6", "fe80::ffff:ffff", Protocol::Tcp, Flags::from(0xc2), false, 0),
            ("SCTP", "::1", Protocol::Sctp, Flags::default(), true, 64),
            ("no SYN", "::2", Protocol::Other, Flags::from(0x02), false, 64),
        ] {
            let source: IpAddr = source.parse().unwrap();
            let record = Record::of_source(source.into(), protocol, flags, fragment, length, 7);
            assert_eq!((record.is_long(), record.table()), (source.is_ipv6(), Table::Sources), "{name}");
            if let IpAddr::V4(v4) = source {
                assert_eq!(record.v4(), v4.to_bits(), "{name}");
            }
            let (mut told, mut counted) =
                (SourceCounters::default(), SourceCounters { first_ns: 7, ..Default::default() });
            record.count_in(&mut told);
            counted.count(protocol, flags, fragment, length, 7);
            assert_eq!(told, counted, "{name}");
        }
    }

    #[test]
    fn a_ring_is_full_before_it_overtakes_itself() {
        for (name, head, tail, units, expected) in [
            ("empty", 0, 0, 1, true),
            ("empty, far along", u64::MAX - 3, u64::MAX - 3, 2, true),
            ("one left", 8, 2, 1, true),
            ("one left for two", 8, 2, 2, false),
            ("full", 9, 2, 1, false),
        ] {
            assert_eq!(Ring::has_room(head, tail, 7, units), expected, "{name}");
        }
        assert!(!Ring::has_room(0, 0, 0, 1), "no ring");
        assert_eq!([7, 8, 9].map(|number| Ring::place(16, 7, number)), [23, 16, 17]);
    }

    #[test]
    fn a_tally_is_as_it_was() {
        let v4 = |text: &str| Address::from(text.parse::<IpAddr>().unwrap()).0;
        for (name, key, packets, bytes, is_long) in [
            ("one packet", v4("192.0.2.1"), 1, 60, false),
            ("as much as fits", v4("255.0.0.1"), u64::MAX, 0xff_ffff, false),
            ("more", v4("255.0.0.1"), 20_000, 0x100_0000, true),
            ("much more", v4("0.0.0.0"), u64::MAX, (1 << 56) - 1, true),
            ("IPv6", v4("2001:db8::1"), 1, 60, true),
        ] {
            for class in TrafficClass::ALL {
                let record = Record::of_destination(&key, *class as usize, PacketsBytes { packets, bytes });
                assert_eq!((record.table(), record.is_long()), (Table::Destinations, is_long), "{name}");
                assert_eq!((record.class(), record.tally()), (*class, PacketsBytes { packets, bytes }), "{name}");
                if !is_long {
                    assert_eq!(Address::from_v4_word(record.v4().to_be()).0, key, "{name}");
                }
            }
        }
        for message in Message::ALL {
            let record = Record::of_neighbour(*message, 0xffff_0000_0102);
            assert_eq!((record.neighbour(), record.is_long()), (Some((*message, 0xffff_0000_0102)), false));
        }
        let record = Record::of_macs(PacketsBytes { packets: 3, bytes: 180 });
        assert_eq!(record.neighbour(), None);
        assert_eq!((record.table(), record.is_long()), (Table::Macs, true));
        assert_eq!(record.tally(), PacketsBytes { packets: 3, bytes: 180 });
    }

    #[test]
    fn every_class_has_a_number_of_four_bits() {
        assert!(TrafficClass::COUNT as u64 <= CLASS_MASK + 1);
    }
}
