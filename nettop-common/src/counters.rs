//! What is counted. All of it is plain sums: rates are made in user space.
//!
//! Sums and differences destructure exhaustively, so that a new field cannot be forgotten.

use bytemuck::{Pod, Zeroable};

use crate::{TrafficClass, packet::Flags};

/// Packets and bytes; bytes are frame lengths on the wire, without the frame check sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct PacketsBytes {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl PacketsBytes {
    /// Counts one packet of `length` bytes.
    #[inline(always)]
    pub fn count(&mut self, length: u64) {
        self.packets += 1;
        self.bytes += length;
    }

    /// Adds `other`.
    pub fn add(&mut self, other: Self) {
        let Self { packets, bytes } = other;
        self.packets += packets;
        self.bytes += bytes;
    }

    /// What was counted since `earlier`. A counter smaller than it was has been restarted: all of it is new.
    pub fn since(self, earlier: Self) -> Self {
        if self.packets < earlier.packets || self.bytes < earlier.bytes {
            return self;
        }
        Self { packets: self.packets - earlier.packets, bytes: self.bytes - earlier.bytes }
    }
}

/// Counters of one key.
pub trait Counters: Pod + Default {
    /// Adds what was counted elsewhere, or later, for the same key.
    fn add(&mut self, other: &Self);
    /// Packets and bytes.
    fn tally(&self) -> PacketsBytes;
}

impl Counters for PacketsBytes {
    fn add(&mut self, other: &Self) {
        PacketsBytes::add(self, *other);
    }

    #[inline(always)]
    fn tally(&self) -> PacketsBytes {
        *self
    }
}

/// A value for each [`TrafficClass`], by its number: packets and bytes, unless another is named.
pub type ByClass<T = PacketsBytes> = [T; TrafficClass::COUNT];

impl Counters for ByClass {
    fn add(&mut self, other: &Self) {
        self.iter_mut().zip(other).for_each(|(sum, tally)| PacketsBytes::add(sum, *tally));
    }

    fn tally(&self) -> PacketsBytes {
        let mut sum = PacketsBytes::default();
        self.iter().for_each(|tally| PacketsBytes::add(&mut sum, *tally));
        sum
    }
}

impl Counters for SourceCounters {
    fn add(&mut self, other: &Self) {
        SourceCounters::add(self, other);
    }

    #[inline(always)]
    fn tally(&self) -> PacketsBytes {
        SourceCounters::tally(self)
    }
}

/// Defines an enum whose variants are indices into an array of counters, with its size and names in one place.
macro_rules! indexed {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every variant, in index order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// How many there are: the length of the array of counters.
            pub const COUNT: usize = Self::ALL.len();

            /// The name shown on screen and used as a JSON key.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

pub(crate) use indexed;

indexed! {
    /// The transport protocols counted apart.
    Protocol {
        /// TCP, IP protocol 6.
        Tcp = "TCP",
        /// UDP, IP protocol 17.
        Udp = "UDP",
        /// ICMP, IP protocol 1.
        Icmp = "ICMP",
        /// ICMPv6, IP protocol 58.
        Icmpv6 = "ICMPV6",
        /// SCTP, IP protocol 132.
        Sctp = "SCTP",
        /// Every other IP protocol.
        Other = "OTHER",
    }
}

impl Protocol {
    /// From an IP protocol number (IANA "Assigned Internet Protocol Numbers").
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        BY_NUMBER[number as usize]
    }
}

/// A table rather than comparisons, each of which is two instructions per packet, and two ways for the verifier to follow.
static BY_NUMBER: [Protocol; 1 << u8::BITS] = {
    let mut table = [Protocol::Other; _];
    table[6] = Protocol::Tcp;
    table[17] = Protocol::Udp;
    table[1] = Protocol::Icmp;
    table[58] = Protocol::Icmpv6;
    table[132] = Protocol::Sctp;
    table
};

indexed! {
    /// Frame sizes, in the classic's four buckets.
    SizeBucket {
        /// Under 128 bytes.
        Small = "<128B",
        /// 128 to 511 bytes.
        Medium = "128-511B",
        /// 512 to 1499 bytes.
        Large = "512-1499B",
        /// 1500 bytes and more.
        Full = ">=1500B",
    }
}

impl SizeBucket {
    /// The bucket of a frame of `length` bytes.
    #[inline(always)]
    pub const fn of(length: u64) -> Self {
        match length {
            0..128 => Self::Small,
            128..512 => Self::Medium,
            512..1500 => Self::Large,
            _ => Self::Full,
        }
    }
}

indexed! {
    /// What became of a packet. Every packet seen has exactly one outcome.
    Outcome {
        /// Passed the filter and was counted.
        Counted = "counted",
        /// Rejected by the filter, or by pause.
        Filtered = "filtered",
        /// Not IP: ARP, LLDP, a frame too short for an Ethernet header, …
        NotIp = "not_ip",
        /// Claims to be IP but its header is cut short or contradicts itself.
        Malformed = "malformed",
        /// IPv6 from or to an IPv4-mapped address, which no packet on a wire may have.
        Martian = "martian",
        /// From a source that is blocked: dropped.
        Blocked = "blocked",
    }
}

indexed! {
    /// The tables of slots, any of which can be full.
    Table {
        /// Source addresses.
        Sources = "sources",
        /// Destination addresses.
        Destinations = "destinations",
        /// MAC pairs.
        Macs = "macs",
    }
}

indexed! {
    /// The parts of counting that can be left out when the program is loaded, and then cost nothing.
    Part {
        /// By source address: what all the rest is about, left out only to measure what it costs.
        Sources = "sources",
        /// Distinct sources, where not every source could be tracked.
        Unique = "unique",
        /// By destination address.
        Destinations = "destinations",
        /// By MAC pair.
        Macs = "macs",
        /// By protocol and frame size.
        Protocols = "protocols",
        /// By source and destination port.
        Ports = "ports",
        /// By TCP flags.
        Flags = "flags",
        /// Sampled packets.
        Events = "events",
    }
}

impl Part {
    /// The bits of all of them.
    pub const EVERY: u32 = (1 << Self::COUNT) - 1;

    /// Its bit among the parts that are counted.
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What one CPU counted for one source address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct SourceCounters {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// When the first packet came: nanoseconds of the coarse monotonic clock; 0 = none yet.
    pub first_ns: u64,
    /// When the newest packet came, on the same clock.
    pub last_ns: u64,
    /// TCP segments with SYN and without ACK. This and the next three wrap.
    pub syn: u32,
    /// UDP datagrams.
    pub udp: u32,
    /// ICMP and ICMPv6 messages.
    pub icmp: u32,
    /// Fragments, the first ones included.
    pub fragments: u32,
}

const _: () = assert!(size_of::<SourceCounters>() == 48);

impl SourceCounters {
    /// Counts one packet; when the first came is left to whoever knows that it is.
    #[inline(always)]
    pub fn count(&mut self, protocol: Protocol, flags: Flags, fragment: bool, length: u64, now_ns: u64) {
        self.packets += 1;
        self.bytes += length;
        self.last_ns = now_ns;
        if fragment {
            self.fragments = self.fragments.wrapping_add(1);
        }
        // One after the other: of a `match`, LLVM makes more comparisons.
        if protocol == Protocol::Udp {
            self.udp = self.udp.wrapping_add(1);
        } else if protocol == Protocol::Tcp {
            if flags.is_syn() {
                self.syn = self.syn.wrapping_add(1);
            }
        } else if protocol == Protocol::Icmp || protocol == Protocol::Icmpv6 {
            self.icmp = self.icmp.wrapping_add(1);
        }
    }

    /// Adds what another CPU counted for the same source.
    pub fn add(&mut self, other: &Self) {
        let Self { packets, bytes, first_ns, last_ns, syn, udp, icmp, fragments } = *other;
        self.packets += packets;
        self.bytes += bytes;
        if first_ns != 0 && (self.first_ns == 0 || first_ns < self.first_ns) {
            self.first_ns = first_ns;
        }
        self.last_ns = self.last_ns.max(last_ns);
        self.syn = self.syn.wrapping_add(syn);
        self.udp = self.udp.wrapping_add(udp);
        self.icmp = self.icmp.wrapping_add(icmp);
        self.fragments = self.fragments.wrapping_add(fragments);
    }

    /// What was counted since it was `earlier`, where nothing came between then and `from_ns`. Sums do not tell when the first of it came:
    /// of several packets that is taken to be `from_ns`. A counter smaller than it was has been restarted.
    pub fn since(&self, earlier: &Self, from_ns: u64) -> Self {
        let Self { packets, bytes, first_ns, last_ns, syn, udp, icmp, fragments } = *self;
        if packets < earlier.packets || bytes < earlier.bytes {
            return *self;
        }
        let packets = packets - earlier.packets;
        let first_ns = match packets {
            _ if earlier.packets == 0 => first_ns,
            1 => last_ns,
            _ => from_ns.min(last_ns),
        };
        Self {
            packets,
            bytes: bytes - earlier.bytes,
            first_ns,
            last_ns,
            syn: syn.wrapping_sub(earlier.syn),
            udp: udp.wrapping_sub(earlier.udp),
            icmp: icmp.wrapping_sub(earlier.icmp),
            fragments: fragments.wrapping_sub(earlier.fragments),
        }
    }

    /// Packets and bytes.
    #[inline(always)]
    pub fn tally(&self) -> PacketsBytes {
        PacketsBytes { packets: self.packets, bytes: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_counter_is_a_restart() {
        let earlier = PacketsBytes { packets: 10, bytes: 1000 };
        assert_eq!(PacketsBytes { packets: 12, bytes: 1100 }.since(earlier), PacketsBytes { packets: 2, bytes: 100 });
        assert_eq!(PacketsBytes { packets: 3, bytes: 200 }.since(earlier), PacketsBytes { packets: 3, bytes: 200 });
    }

    #[test]
    fn what_has_been_restarted_is_all_new_in_either_count() {
        let earlier = PacketsBytes { packets: 10, bytes: 1000 };
        for (packets, bytes, expected) in
            [(10, 1000, (0, 0)), (11, 1000, (1, 0)), (10, 999, (10, 999)), (9, 2000, (9, 2000)), (10, 1001, (0, 1))]
        {
            let PacketsBytes { packets, bytes } = PacketsBytes { packets, bytes }.since(earlier);
            assert_eq!((packets, bytes), expected);
        }
    }

    #[test]
    fn each_packet_of_a_source_is_counted_in_what_it_is() {
        let syn = Flags::from(0x02);
        for (name, protocol, flags, fragment, expected) in [
            ("a SYN", Protocol::Tcp, syn, false, [1, 0, 0, 0]),
            ("a SYN with ECN", Protocol::Tcp, Flags::from(0xc2), false, [1, 0, 0, 0]),
            ("a SYN with ACK", Protocol::Tcp, Flags::from(0x12), false, [0, 0, 0, 0]),
            ("an ACK", Protocol::Tcp, Flags::from(0x10), false, [0, 0, 0, 0]),
            ("TCP without flags in sight", Protocol::Tcp, Flags::default(), true, [0, 0, 0, 1]),
            ("UDP", Protocol::Udp, Flags::default(), false, [0, 1, 0, 0]),
            ("a fragment of UDP", Protocol::Udp, Flags::default(), true, [0, 1, 0, 1]),
            ("ICMP", Protocol::Icmp, Flags::default(), false, [0, 0, 1, 0]),
            ("ICMPv6", Protocol::Icmpv6, Flags::default(), false, [0, 0, 1, 0]),
            ("SCTP", Protocol::Sctp, Flags::default(), false, [0, 0, 0, 0]),
            ("anything else", Protocol::Other, syn, false, [0, 0, 0, 0]),
        ] {
            let mut source = SourceCounters { first_ns: 5, ..SourceCounters::default() };
            source.count(protocol, flags, fragment, 60, 7);
            source.count(protocol, flags, fragment, 40, 9);
            let SourceCounters { packets, bytes, first_ns, last_ns, syn, udp, icmp, fragments } = source;
            assert_eq!((packets, bytes, first_ns, last_ns), (2, 100, 5, 9), "{name}");
            assert_eq!([syn, udp, icmp, fragments], expected.map(|count| 2 * count), "{name}");
            assert_eq!(Counters::tally(&source), PacketsBytes { packets: 2, bytes: 100 }, "{name}");
        }
    }

    #[test]
    fn what_came_since_is_what_came_later() {
        let (old, new) = (5_u64, 8_u64);
        let counters = |packets: u64, first_ns, last_ns, wrapping: u32| SourceCounters {
            packets,
            bytes: 10 * packets,
            first_ns,
            last_ns,
            syn: wrapping,
            udp: wrapping,
            icmp: wrapping,
            fragments: wrapping,
        };
        for (name, earlier, now, expected) in [
            ("a new one", counters(0, 0, 0, 0), counters(new, 3, 90, 8), counters(new, 3, 90, 8)),
            ("nothing", counters(old, 3, 40, 5), counters(old, 3, 40, 5), counters(0, 40, 40, 0)),
            ("one packet", counters(old, 3, 40, 5), counters(old + 1, 3, 90, 6), counters(1, 90, 90, 1)),
            ("several", counters(old, 3, 40, 5), counters(new, 3, 90, 8), counters(3, 70, 90, 3)),
            ("within a tick of the clock", counters(old, 3, 40, 5), counters(new, 3, 69, 8), counters(3, 69, 69, 3)),
            ("wrapped", counters(old, 3, 40, u32::MAX), counters(new, 3, 90, 2), counters(3, 70, 90, 3)),
            ("restarted", counters(new, 3, 40, 8), counters(old, 60, 90, 5), counters(old, 60, 90, 5)),
        ] {
            assert_eq!(now.since(&earlier, 70), expected, "{name}");
        }
    }

    #[test]
    fn what_two_cpus_counted_adds_up() {
        let counters = |first_ns, last_ns, count| SourceCounters {
            packets: count,
            bytes: 10 * count,
            first_ns,
            last_ns,
            syn: count as u32,
            udp: 2 * count as u32,
            icmp: 3 * count as u32,
            fragments: 4 * count as u32,
        };
        for (name, one, two, first_ns, last_ns) in [
            ("the other was there before", (5, 9), (3, 7), 3, 9),
            ("the other came later", (3, 7), (5, 9), 3, 9),
            ("nothing yet", (0, 0), (5, 9), 5, 9),
            ("nothing on the other", (5, 9), (0, 0), 5, 9),
        ] {
            let mut sum = counters(one.0, one.1, 2);
            Counters::add(&mut sum, &counters(two.0, two.1, 3));
            assert_eq!(sum, counters(first_ns, last_ns, 5), "{name}");
        }
        let mut tally = PacketsBytes { packets: 1, bytes: 2 };
        Counters::add(&mut tally, &PacketsBytes { packets: 3, bytes: 4 });
        assert_eq!(Counters::tally(&tally), PacketsBytes { packets: 4, bytes: 6 });
    }

    #[test]
    fn every_part_has_a_bit_of_its_own() {
        let bits = [
            Part::Sources,
            Part::Unique,
            Part::Destinations,
            Part::Macs,
            Part::Protocols,
            Part::Ports,
            Part::Flags,
            Part::Events,
        ]
        .map(Part::bit);
        assert_eq!(bits, [1, 2, 4, 8, 16, 32, 64, 128]);
        assert_eq!(Part::EVERY, 255);
    }

    #[test]
    fn size_buckets_meet_without_gaps() {
        for (length, label) in
            [(0, "<128B"), (127, "<128B"), (128, "128-511B"), (511, "128-511B"), (512, "512-1499B"), (1500, ">=1500B")]
        {
            assert_eq!(SizeBucket::of(length).label(), label, "{length}");
        }
    }
}
