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

/// The MAC that a frame is to, likewise.
#[inline(always)]
pub const fn receiver(macs: &MacPair) -> u64 {
    let MacPair([destination_and_two, _]) = *macs;
    destination_and_two & MAC
}

/// The bits of a MAC in a word.
const MAC: u64 = (1 << 48) - 1;

/// MACs that a CPU tells apart, of those it sent to in a bank.
pub const PLACES: usize = 64;
/// How many places are looked at for a MAC.
const WAYS: usize = 8;

/// What a CPU has sent in a bank. Of each message: *seen = groups + all places + untracked*.
///
/// A table that is searched, rather than a log as for what comes: a host sends few of them, to as many as it has neighbours, and only
/// who asks it in the name of many has it send to many.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct SentNeighbours {
    /// All that was sent.
    pub seen: Messages,
    /// Of those, the ones to all or to many: to broadcast and multicast addresses.
    pub groups: Messages,
    /// The ones to a MAC for which there was no place.
    pub untracked: Messages,
    padding: [u64; 4],
    /// By MAC.
    pub places: [Place; PLACES],
}

/// What was sent to one MAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Place {
    /// The MAC, and a bit more, so that zeros are a free place.
    taken_by: u64,
    messages: Messages,
}

impl Place {
    const TAKEN: u64 = 1 << 48;

    /// The MAC as [`receiver`] has it, and what was sent to it; nothing, if the place is free.
    pub fn taken(&self) -> Option<(u64, &Messages)> {
        (self.taken_by != 0).then_some((self.taken_by & MAC, &self.messages))
    }
}

impl Default for SentNeighbours {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl SentNeighbours {
    /// Counts one.
    #[inline(always)]
    pub fn count(&mut self, message: Message, receiver: u64) {
        let number = message as usize % Message::COUNT;
        self.seen[number] += 1;
        // The first bit on the wire.
        if receiver & 1 != 0 {
            self.groups[number] += 1;
            return;
        }
        let wanted = receiver | Place::TAKEN;
        // Multiplied by 2⁶⁴ / φ (Knuth, TAOCP vol. 3, 6.4), of which the uppermost bits are the best mixed.
        let first = (receiver.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize;
        for way in 0..WAYS {
            let place = &mut self.places[(first + way) % PLACES];
            if place.taken_by == 0 || place.taken_by == wanted {
                place.taken_by = wanted;
                place.messages[number] += 1;
                return;
            }
        }
        self.untracked[number] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_told_by_receiver_and_what_has_no_place_is_counted() {
        let mac = |number: u64| 2 | number << 8;
        for (name, receivers, told) in [
            ("one", vec![mac(1)], 1),
            ("the MAC of zeros", vec![0], 1),
            ("two, one of them twice", vec![mac(1), mac(2), mac(1)], 2),
            ("to all", vec![MAC, 0x3333 | 7 << 16], 0),
            ("to more than there are places for", (0..1000).map(mac).collect(), PLACES),
        ] {
            let mut sent = SentNeighbours::default();
            receivers.iter().for_each(|receiver| sent.count(Message::ArpAnswer, *receiver));
            let places: Vec<_> = sent.places.iter().filter_map(Place::taken).collect();
            assert_eq!(places.len(), told, "{name}");
            for (receiver, messages) in &places {
                let count = receivers.iter().filter(|mac| *mac == receiver).count() as u64;
                assert_eq!(**messages, [0, count, 0, 0], "{name}");
            }
            let mut sum = sent.groups;
            add(&mut sum, &sent.untracked);
            places.iter().for_each(|(_, messages)| add(&mut sum, messages));
            assert_eq!((sum, sent.seen), ([0, receivers.len() as u64, 0, 0], sum), "{name}");
        }
    }

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
    fn the_receiver_is_the_first_and_the_sender_the_second_of_both() {
        let bytes: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0, 0, 0];
        let macs = MacPair(bytemuck::cast(bytes));
        assert_eq!(sender(&macs).to_le_bytes(), [7, 8, 9, 10, 11, 12, 0, 0]);
        assert_eq!(receiver(&macs).to_le_bytes(), [1, 2, 3, 4, 5, 6, 0, 0]);
    }
}
