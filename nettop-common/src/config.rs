//! What user space tells the program: pause, sampling, and the filter.

use bytemuck::{Pod, Zeroable};

use crate::{Address, Packet, opaque_read};

/// [`Config::filter`]: no filter, every packet is counted.
pub const NO_FILTER: u16 = 0;

/// The switches of the program. Every word is written by itself, so that a change is seen whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Config {
    /// [`NO_FILTER`], or 1 + the index into the map of filters. The program reads it together with the next one.
    pub filter: u16,
    /// [`NO_BLOCKS`](crate::blocks::NO_BLOCKS), or 1 + the index into the map of sets of blocks.
    pub blocks: u16,
    /// 1: every packet is filtered out.
    pub paused: u32,
    /// One packet in this many becomes an event; 0: none.
    pub sample: u32,
    /// Which bank of totals and slots is counted in: 0 or 1.
    pub bank: u32,
}

/// An address prefix: `address & mask == network`, in the 16-byte form of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Prefix {
    /// The network, already masked.
    pub network: Address,
    /// The mask.
    pub mask: Address,
}

impl Prefix {
    /// What the unused places of a list hold.
    const NONE: Self = Self { network: Address([0; 2]), mask: Address([0; 2]) };

    /// The prefix of `length` bits of the 16-byte form of `address`: 96 more than the IPv4 prefix length.
    pub fn new(address: Address, length: u8) -> Self {
        let mut mask = Address::default();
        let mut network = Address::default();
        for (word, (mask, network)) in mask.0.iter_mut().zip(&mut network.0).enumerate() {
            let bits = (length as u32).saturating_sub(64 * word as u32).min(64);
            *mask = u64::MAX.checked_shl(64 - bits).unwrap_or(0).to_be();
            *network = address.0[word] & *mask;
        }
        Self { network, mask }
    }

    /// Whether it is of IPv4: all its addresses are. An IPv6 prefix such as `::/0` holds the mapped form that IPv4 addresses have
    /// here, but is not meant to.
    fn is_v4(&self) -> bool {
        self.network.is_v4() && self.mask.0[1] as u32 == u32::MAX
    }

    /// Whether `address`, which is of the same family, lies in it.
    #[inline(always)]
    fn contains(&self, address: &Address) -> bool {
        let (Address([high, low]), Self { network, mask }) = (*address, *self);
        // One comparison: of two, the verifier would follow each through all the prefixes behind.
        opaque_read(&(((high & mask.0[0]) ^ network.0[0]) | ((low & mask.0[1]) ^ network.0[1]))) == 0
    }
}

/// How many prefixes one side of a filter holds: of IPv4 and of IPv6, accepted and rejected each.
pub const MAX_PREFIXES: usize = 16;

/// Prefixes of which an address must match one (or there is none), and prefixes it must not match.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct PrefixList {
    /// By [`Address::family`].
    families: [Family; 2],
    /// Accepted ones of both.
    accept_count: u64,
}

/// Those of one family.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
struct Family {
    accept: [Prefix; MAX_PREFIXES],
    reject: [Prefix; MAX_PREFIXES],
    accept_count: u32,
    reject_count: u32,
}

impl PrefixList {
    /// None.
    const NONE: Self = {
        let none = [Prefix::NONE; MAX_PREFIXES];
        Self { families: [Family { accept: none, reject: none, accept_count: 0, reject_count: 0 }; 2], accept_count: 0 }
    };

    /// Adds a prefix. False: there is no room for another of its family.
    #[must_use]
    pub fn push(&mut self, prefix: Prefix, negated: bool) -> bool {
        let family = &mut self.families[usize::from(!prefix.is_v4())];
        let (list, count) = match negated {
            false => (&mut family.accept, &mut family.accept_count),
            true => (&mut family.reject, &mut family.reject_count),
        };
        let Some(slot) = list.get_mut(*count as usize) else { return false };
        *slot = prefix;
        *count += 1;
        self.accept_count += u64::from(!negated);
        true
    }

    #[inline(always)]
    fn matches(&self, address: &Address) -> bool {
        let family = &self.families[address.family() & 1];
        if any_contains(&family.reject, family.reject_count, address) {
            return false;
        }
        self.accept_count == 0 || any_contains(&family.accept, family.accept_count, address)
    }
}

#[inline(always)]
fn any_contains(prefixes: &[Prefix; MAX_PREFIXES], count: u32, address: &Address) -> bool {
    for (index, prefix) in prefixes.iter().enumerate() {
        if index as u32 >= count {
            return false;
        }
        if prefix.contains(address) {
            return true;
        }
    }
    false
}

/// A set of numbers below `64 * WORDS`, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub struct BitSet<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> BitSet<WORDS> {
    /// The empty set.
    pub const EMPTY: Self = Self([0; WORDS]);
    /// The set of every number.
    pub const ALL: Self = Self([u64::MAX; WORDS]);

    /// Whether `number` is in it.
    #[inline(always)]
    pub fn contains(&self, number: usize) -> bool {
        match self.0.get(number / 64) {
            Some(word) => (*word >> (number % 64)) & 1 != 0,
            None => false,
        }
    }

    /// Adds or removes `number`.
    pub fn set(&mut self, number: usize, present: bool) {
        if let Some(word) = self.0.get_mut(number / 64) {
            let bit = 1 << (number % 64);
            *word = if present { *word | bit } else { *word & !bit };
        }
    }
}

/// The whole filter: all parts must match.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Filter {
    /// Source addresses.
    pub sources: PrefixList,
    /// Destination addresses.
    pub destinations: PrefixList,
    /// IP protocol numbers.
    pub protocols: BitSet<4>,
    /// Destination ports; a packet without ports has port 0.
    pub ports: BitSet<1024>,
}

impl Filter {
    /// The filter that everything passes.
    pub const fn pass_all() -> Self {
        let prefixes = PrefixList::NONE;
        Self { sources: prefixes, destinations: prefixes, protocols: BitSet::ALL, ports: BitSet::ALL }
    }

    /// Whether `packet` is to be counted.
    #[inline(always)]
    pub fn matches(&self, packet: &Packet) -> bool {
        self.protocols.contains(packet.protocol as usize)
            && self.ports.contains(packet.destination_port as usize)
            && self.sources.matches(&packet.source)
            && self.destinations.matches(&packet.destination)
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::*;

    fn address(text: &str) -> Address {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn prefixes_contain_what_they_should() {
        for (network, length, inside, outside) in [
            ("10.0.0.0", 96 + 8, "10.255.1.2", "11.0.0.0"),
            ("192.0.2.129", 96 + 32, "192.0.2.129", "192.0.2.128"),
            ("192.0.2.128", 96 + 25, "192.0.2.255", "192.0.2.127"),
            ("2001:db8::", 32, "2001:db8:ffff::1", "2001:db9::"),
            ("2001:db8::8000", 113, "2001:db8::ffff", "2001:db8::7fff"),
            ("0.0.0.0", 96, "203.0.113.9", "2001:db8::"),
            ("::", 0, "2001:db8::1", "0.0.0.0"),
            ("::", 0, "::1", "255.255.255.255"),
            ("::", 80, "::1:0:0", "192.0.2.1"),
            ("::", 95, "::1.2.3.4", "1.2.3.4"),
            ("::ffff:0:0", 96, "1.2.3.4", "::1.2.3.4"),
            ("::fffe:0:0", 95, "::fffe:1.2.3.4", "1.2.3.4"),
        ] {
            let mut prefixes = PrefixList::default();
            assert!(prefixes.push(Prefix::new(address(network), length), false));
            assert!(prefixes.matches(&address(inside)), "{inside} in {network}/{length}");
            assert!(!prefixes.matches(&address(outside)), "{outside} not in {network}/{length}");
            let mut prefixes = PrefixList::default();
            assert!(prefixes.push(Prefix::new(address(network), length), true));
            assert!(!prefixes.matches(&address(inside)), "{inside} in !{network}/{length}");
            assert!(prefixes.matches(&address(outside)), "{outside} not in !{network}/{length}");
        }
    }

    #[test]
    fn rejected_prefixes_win_over_accepted_ones() {
        let mut prefixes = PrefixList::default();
        assert!(prefixes.matches(&address("192.0.2.1")), "an empty list accepts everything");
        assert!(prefixes.push(Prefix::new(address("10.0.0.0"), 104), false));
        assert!(prefixes.push(Prefix::new(address("10.1.0.0"), 112), true));
        assert!(prefixes.matches(&address("10.2.0.1")));
        assert!(!prefixes.matches(&address("10.1.0.1")));
        assert!(!prefixes.matches(&address("192.0.2.1")));
    }

    #[test]
    fn a_full_list_says_so() {
        let mut prefixes = PrefixList::default();
        for _ in 0..MAX_PREFIXES {
            assert!(prefixes.push(Prefix::default(), false));
        }
        assert!(!prefixes.push(Prefix::default(), false));
        assert!(prefixes.push(Prefix::default(), true), "rejected prefixes have their own room");
        assert!(prefixes.push(Prefix::new(address("10.0.0.0"), 104), false), "and so has the other family");
    }

    #[test]
    fn every_part_of_a_filter_has_to_match() {
        let packet = Packet {
            source: address("192.0.2.1"),
            destination: address("2001:db8::1"),
            protocol: 6,
            destination_port: 443,
            ..Packet::default()
        };
        assert!(Filter::pass_all().matches(&packet));
        type Change = fn(&mut Filter);
        let changes: [(&str, Change); 4] = [
            ("protocol", |filter| filter.protocols.set(6, false)),
            ("port", |filter| filter.ports.set(443, false)),
            ("source", |filter| assert!(filter.sources.push(Prefix::new(address("192.0.2.0"), 120), true))),
            ("destination", |filter| assert!(filter.destinations.push(Prefix::new(address("::"), 0), true))),
        ];
        for (name, change) in changes {
            let mut filter = Filter::pass_all();
            change(&mut filter);
            assert!(!filter.matches(&packet), "{name}");
        }
    }

    #[test]
    fn bit_sets_hold_their_edges() {
        let mut set = BitSet::<1024>::EMPTY;
        for port in [0, 63, 64, 65_535] {
            set.set(port, true);
            assert!(set.contains(port));
        }
        set.set(64, false);
        assert!(!set.contains(64));
        assert!(!set.contains(65_536), "outside of the bank");
    }
}
