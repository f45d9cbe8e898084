//! Who asks for and tells the addresses of neighbours: messages of ARP (RFC 826) and of neighbour discovery (RFC 4861).

use bytemuck::{Pod, Zeroable};

use crate::{
    address::MacPair,
    counters::indexed,
    packet::{ETHERNET, Frame, ether_type},
};

indexed! {
    /// What is told apart of them.
    Message {
        /// Who has this IPv4 address?
        ArpRequest = "arp_requests",
        /// I have it.
        ArpAnswer = "arp_answers",
        /// Who has this IPv6 address?
        Solicitation = "nd_requests",
        /// I have it.
        Advertisement = "nd_answers",
    }
}

/// How many of each came.
pub type Messages = [u64; Message::COUNT];

/// Adds them to others.
pub fn add(sums: &mut Messages, others: &Messages) {
    sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
}

/// Types of ICMPv6 (RFC 4861, sections 4.3 and 4.4), and the bytes that such a message has at least.
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
pub(crate) const DISCOVERY: i64 = 24;

impl Message {
    /// That of ICMPv6 with this type.
    #[inline(always)]
    pub(crate) const fn of_icmp(kind: u8) -> Option<Self> {
        match kind {
            SOLICITATION => Some(Self::Solicitation),
            ADVERTISEMENT => Some(Self::Advertisement),
            _ => None,
        }
    }

    /// That of ARP that a frame holds, behind two VLAN tags at most. Each length is compared by itself: a cursor that moves is to LLVM a
    /// difference to the end, which the verifier refuses.
    #[inline(always)]
    pub fn of_arp(frame: Frame<'_>) -> Option<Self> {
        let is_tag = |ether_type: u16| {
            matches!(ether_type, ether_type::VLAN | ether_type::SERVICE_VLAN | ether_type::OLD_SERVICE_VLAN)
        };
        // Behind the EtherType are kinds and lengths of both addresses, then what it is.
        let operation = match frame.header::<ETHERNET>()?.short::<12>() {
            ether_type::ARP => frame.header::<22>()?.short::<20>(),
            tag if is_tag(tag) => match frame.header::<18>()?.short::<16>() {
                ether_type::ARP => frame.header::<26>()?.short::<24>(),
                tag if is_tag(tag) => {
                    let header = frame.header::<30>()?;
                    if header.short::<20>() != ether_type::ARP {
                        return None;
                    }
                    header.short::<28>()
                }
                _ => return None,
            },
            _ => return None,
        };
        match operation {
            1 => Some(Self::ArpRequest),
            2 => Some(Self::ArpAnswer),
            _ => None,
        }
    }

    /// The one with this number.
    #[inline(always)]
    pub fn from_number(number: usize) -> Option<Self> {
        Self::ALL.get(number).copied()
    }
}

/// What a CPU counted of them in a bank.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Neighbours {
    /// All that came.
    pub seen: Messages,
    /// Of those, the ones for which the log had no room, so that it is not known whose they are.
    pub untracked: Messages,
}

/// The MAC that a frame is from, in the lower 48 bits, as it lies in memory.
#[inline(always)]
pub const fn sender(macs: &MacPair) -> u64 {
    let MacPair([destination_and_two, four]) = *macs;
    destination_and_two >> 48 | four << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_arp_are_told_apart_behind_tags_too() {
        let ethernet = [&[0xff; 6][..], &[2, 0, 0, 0, 1, 7]].concat();
        let arp = |operation: u8| [&[0, 1, 8, 0, 6, 4, 0, operation][..], &[0; 20]].concat();
        for (name, rest, expected) in [
            ("a request", [&[8, 6][..], &arp(1)].concat(), Some(Message::ArpRequest)),
            ("an answer", [&[8, 6][..], &arp(2)].concat(), Some(Message::ArpAnswer)),
            ("with a tag", [&[0x81, 0, 0, 5, 8, 6][..], &arp(2)].concat(), Some(Message::ArpAnswer)),
            ("with two", [&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 6][..], &arp(1)].concat(), Some(Message::ArpRequest)),
            ("reverse ARP", [&[8, 6][..], &arp(3)].concat(), None),
            ("cut short", vec![8, 6, 0, 1, 8, 0, 6, 4, 0], None),
            ("another protocol", [&[0x88, 0xcc][..], &arp(1)].concat(), None),
            ("nothing", vec![], None),
        ] {
            let frame = [&ethernet[..], &rest].concat();
            assert_eq!(Message::of_arp(Frame::from(&frame[..])), expected, "{name}");
        }
    }

    #[test]
    fn the_sender_is_the_second_of_both() {
        let bytes: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0, 0, 0];
        let macs = MacPair(bytemuck::cast(bytes));
        assert_eq!(sender(&macs).to_le_bytes(), [7, 8, 9, 10, 11, 12, 0, 0]);
    }
}
