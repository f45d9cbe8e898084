//! What detection tells apart among the packets to a destination.

use crate::{
    PacketsBytes, Protocol,
    counters::{ByClass, indexed},
    packet::{
        Flags,
        tcp_flag::{ACK, FIN, RST, SYN},
    },
};

indexed! {
    /// The kinds of packets that floods consist of. Every counted packet is of exactly one; those that are most common come first.
    TrafficClass {
        /// TCP that asks for a connection: SYN without ACK, RST and FIN.
        Syn = "SYN",
        /// TCP with ACK and without data, SYN and RST: an acknowledgment, or the end of a connection.
        Ack = "ACK",
        /// The same with data.
        Data = "DATA",
        /// UDP.
        Udp = "UDP",
        /// ICMP and ICMPv6.
        Icmp = "ICMP",
        /// Every other IP protocol, SCTP too.
        Other = "OTHER",
        /// TCP that answers to a SYN: SYN and ACK.
        SynAck = "SYN-ACK",
        /// TCP that resets a connection.
        Rst = "RST",
        /// TCP with flags that no connection has (none, FIN alone, Xmas, SYN and FIN, …), or whose flags are cut off.
        Flags = "FLAGS",
        /// Fragments, the first ones included, of any protocol.
        Fragment = "FRAG",
    }
}

impl TrafficClass {
    /// The name as a JSON key.
    pub const fn json_name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::Ack => "ack",
            Self::Data => "data",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Other => "other",
            Self::SynAck => "syn_ack",
            Self::Rst => "rst",
            Self::Flags => "flags",
            Self::Fragment => "fragments",
        }
    }

    /// The class with this number; one that a newer program has is none of these.
    #[inline(always)]
    pub fn from_number(number: usize) -> Self {
        Self::ALL.get(number).copied().unwrap_or(Self::Other)
    }

    /// The class of a packet with this IP protocol number, in which parsing found the rest; only TCP has flags.
    #[inline(always)]
    pub const fn of(protocol: u8, flags: Flags, fragment: bool, payload: bool) -> Self {
        if fragment {
            return Self::Fragment;
        }
        match flags.get() {
            Some(flags) if payload => WITH_DATA[flags as usize],
            Some(flags) => BY_FLAGS[flags as usize],
            None => BY_PROTOCOL[protocol as usize],
        }
    }
}

/// Packets of one class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClassTally {
    /// The class.
    pub class: TrafficClass,
    /// How many, and their bytes.
    pub tally: PacketsBytes,
}

impl ClassTally {
    /// One for each class of which anything came.
    pub fn each(classes: ByClass) -> impl Iterator<Item = Self> {
        let came = TrafficClass::ALL.iter().zip(classes).filter(|(_, tally)| tally.packets > 0);
        came.map(|(class, tally)| Self { class: *class, tally })
    }
}

/// Of TCP without data. A table rather than comparisons, as for protocols.
static BY_FLAGS: [TrafficClass; 1 << u8::BITS] = by_flags(TrafficClass::Ack);
/// And with data.
static WITH_DATA: [TrafficClass; 1 << u8::BITS] = by_flags(TrafficClass::Data);

/// `ack`: of ACK, alone or with FIN.
const fn by_flags(ack: TrafficClass) -> [TrafficClass; 1 << u8::BITS] {
    let mut table = [TrafficClass::Flags; _];
    let mut flags = 0;
    while flags < table.len() {
        table[flags] = match flags as u8 & (SYN | ACK | RST | FIN) {
            SYN => TrafficClass::Syn,
            bits if bits == SYN | ACK => TrafficClass::SynAck,
            bits if bits & !ACK == RST => TrafficClass::Rst,
            bits if bits & !FIN == ACK => ack,
            _ => TrafficClass::Flags,
        };
        flags += 1;
    }
    table
}

/// Of everything that has no TCP flags.
static BY_PROTOCOL: [TrafficClass; 1 << u8::BITS] = {
    let mut table = [TrafficClass::Other; _];
    let mut number = 0;
    while number < table.len() {
        table[number] = match Protocol::from_number(number as u8) {
            Protocol::Tcp => TrafficClass::Flags,
            Protocol::Udp => TrafficClass::Udp,
            Protocol::Icmp | Protocol::Icmpv6 => TrafficClass::Icmp,
            Protocol::Sctp | Protocol::Other => TrafficClass::Other,
        };
        number += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_packet_is_of_the_class_that_its_headers_say() {
        let tcp = |flags: u8| (6, Flags::from(flags));
        for (name, (protocol, flags), fragment, payload, expected) in [
            ("SYN", tcp(0x02), false, false, TrafficClass::Syn),
            ("SYN with ECN", tcp(0xc2), false, false, TrafficClass::Syn),
            ("SYN with data (TCP Fast Open)", tcp(0x02), false, true, TrafficClass::Syn),
            ("SYN and ACK", tcp(0x12), false, false, TrafficClass::SynAck),
            ("ACK", tcp(0x10), false, false, TrafficClass::Ack),
            ("FIN and ACK", tcp(0x11), false, false, TrafficClass::Ack),
            ("PSH and ACK without data", tcp(0x18), false, false, TrafficClass::Ack),
            ("PSH and ACK", tcp(0x18), false, true, TrafficClass::Data),
            ("FIN and ACK with data", tcp(0x19), false, true, TrafficClass::Data),
            ("RST", tcp(0x04), false, false, TrafficClass::Rst),
            ("RST and ACK", tcp(0x14), false, false, TrafficClass::Rst),
            ("RST with a reason", tcp(0x04), false, true, TrafficClass::Rst),
            ("null", tcp(0x00), false, false, TrafficClass::Flags),
            ("null with data", tcp(0x00), false, true, TrafficClass::Flags),
            ("FIN", tcp(0x01), false, false, TrafficClass::Flags),
            ("Xmas", tcp(0x29), false, false, TrafficClass::Flags),
            ("all", tcp(0xff), false, false, TrafficClass::Flags),
            ("SYN and FIN", tcp(0x03), false, false, TrafficClass::Flags),
            ("SYN and RST", tcp(0x06), false, false, TrafficClass::Flags),
            ("PSH", tcp(0x08), false, true, TrafficClass::Flags),
            ("TCP cut short", (6, Flags::default()), false, false, TrafficClass::Flags),
            ("a fragment of TCP", (6, Flags::default()), true, false, TrafficClass::Fragment),
            ("the first fragment", tcp(0x02), true, false, TrafficClass::Fragment),
            ("UDP", (17, Flags::default()), false, false, TrafficClass::Udp),
            ("a fragment of UDP", (17, Flags::default()), true, false, TrafficClass::Fragment),
            ("ICMP", (1, Flags::default()), false, false, TrafficClass::Icmp),
            ("ICMPv6", (58, Flags::default()), false, false, TrafficClass::Icmp),
            ("SCTP", (132, Flags::default()), false, false, TrafficClass::Other),
            ("GRE", (47, Flags::default()), false, false, TrafficClass::Other),
        ] {
            assert_eq!(TrafficClass::of(protocol, flags, fragment, payload), expected, "{name}");
        }
    }
}
