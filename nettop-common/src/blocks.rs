//! Blocks: addresses and prefixes whose packets the program drops, each until a time that the program checks itself.
//!
//! A block is an entry of a hash map. Before that is asked, a bit says whether any entry can be there, so that packets of everybody else
//! cost a bit for each prefix length in force.

use core::mem::offset_of;

use bytemuck::{Pod, Zeroable};

use crate::{Address, config::Prefix, opaque_read};

/// Blocks at most.
pub const MOST: usize = 1 << MOST_BITS;
/// log₂ of that.
pub const MOST_BITS: u32 = 14;
/// Prefix lengths at most that are in force at once in a family, and whole addresses beside them.
pub const MOST_LENGTHS: usize = 4;
/// Lengths that are looked for in a family: those of prefixes, and that of whole addresses.
const LENGTHS: usize = MOST_LENGTHS + 1;
/// The length of a whole address, in the 16-byte form.
pub const WHOLE: u8 = 128;
/// Bits that say whether there can be a block.
const BITS: usize = 1 << 17;

/// [`Config::blocks`](crate::Config::blocks): nothing is blocked.
pub const NO_BLOCKS: u16 = 0;

/// In readings: the number of no block, for what a CPU dropped that was offline when the program was loaded.
pub const OF_NONE: u32 = u32::MAX;

/// What an entry is found by: two lengths of one network are two blocks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct BlockKey {
    /// The network, already masked.
    pub network: Address,
    /// Its length in the 16-byte form.
    pub length: u64,
}

impl BlockKey {
    /// Of `length` bits of the 16-byte form of `address`: 96 more than the IPv4 prefix length.
    pub fn new(address: Address, length: u8) -> Self {
        Self { network: Prefix::new(address, length).network, length: length.into() }
    }

    /// 0: IPv4, 1: IPv6. A network that is wider than all of IPv4 is one of IPv6, and holds no address of IPv4.
    pub fn family(&self) -> usize {
        if self.length < 96 { 1 } else { self.network.family() }
    }
}

/// What an entry says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Block {
    /// Until when, nanoseconds of the coarse monotonic clock.
    pub until_ns: u64,
    /// Where what it drops is counted.
    pub id: u32,
    padding: u32,
}

impl Block {
    /// One that ends at that time.
    pub const fn new(until_ns: u64, id: u32) -> Self {
        Self { until_ns, id, padding: 0 }
    }
}

/// The lengths in force in a family.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
struct Lengths {
    masks: [Address; LENGTHS],
    lengths: [u64; LENGTHS],
    /// What each length adds to a hash.
    terms: [u64; LENGTHS],
    count: u64,
}

/// What is looked at before the hash map. There are two, of which one is in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct BlockSet {
    /// Odd numbers from the kernel's random source, so that nobody can choose addresses whose bits are all set.
    multipliers: [u64; 3],
    families: [Lengths; 2],
    bits: [u64; BITS / u64::BITS as usize],
}

impl BlockSet {
    /// One of nothing. `random`: three numbers.
    pub fn new(random: [u64; 3]) -> Self {
        Self { multipliers: random.map(|number| number | 1), ..Self::zeroed() }
    }

    /// Adds a key. False: as many lengths are in force as there can be.
    #[must_use]
    pub fn insert(&mut self, key: &BlockKey) -> bool {
        let term = key.length.wrapping_mul(self.multipliers[2]);
        let Lengths { masks, lengths, terms, count } = &mut self.families[key.family()];
        let known = *count as usize;
        if !lengths[..known].contains(&key.length) {
            let is_whole = key.length == u64::from(WHOLE);
            let prefixes = lengths[..known].iter().filter(|length| **length != u64::from(WHOLE)).count();
            if !is_whole && prefixes == MOST_LENGTHS {
                return false;
            }
            masks[known] = Prefix::new(Address::default(), key.length as u8).mask;
            (lengths[known], terms[known]) = (key.length, term);
            *count += 1;
        }
        let bit = self.bit(key);
        self.bits[bit / 64] |= 1 << (bit % 64);
        true
    }

    /// Whether the length of a key is looked for.
    pub fn has_length(&self, key: &BlockKey) -> bool {
        let Lengths { lengths, count, .. } = &self.families[key.family()];
        lengths[..*count as usize].contains(&key.length)
    }

    /// The word with the bit of a key, and how far it is from the beginning, bytes.
    pub fn word(&self, key: &BlockKey) -> (usize, u64) {
        let at = self.bit(key) / 64;
        (offset_of!(Self, bits) + at * size_of::<u64>(), self.bits[at])
    }

    /// How many lengths of prefixes and addresses are looked for, in both families.
    pub fn lengths(&self) -> u64 {
        self.families.iter().map(|family| family.count).sum()
    }

    /// The keys under which `source` can be blocked.
    #[inline(always)]
    pub fn candidates(&self, source: &Address, mut each: impl FnMut(&BlockKey) -> bool) -> bool {
        let Lengths { masks, lengths, terms, count } = &self.families[usize::from(!source.is_v4_opaque())];
        let ([high, low], [a, b, _], count) = (source.0, self.multipliers, opaque_read(count));
        for nth in 0..LENGTHS {
            if nth as u64 >= count {
                return false;
            }
            let network = Address([high & masks[nth].0[0], low & masks[nth].0[1]]);
            let bit = bit(&network, a, b, terms[nth]);
            if self.bits[bit / 64 % (BITS / 64)] >> (bit % 64) & 1 != 0
                && each(&BlockKey { network, length: lengths[nth] })
            {
                return true;
            }
        }
        false
    }

    fn bit(&self, BlockKey { network, length }: &BlockKey) -> usize {
        let [a, b, c] = self.multipliers;
        bit(network, a, b, length.wrapping_mul(c))
    }
}

/// The number of the bit of a network: the uppermost bits of a universal hash (multiply-shift, as [`Layout::hash`](crate::slots::Layout::hash)),
/// which need no mixing where nothing but one of so many bits is wanted.
#[inline(always)]
const fn bit(Address([high, low]): &Address, a: u64, b: u64, term: u64) -> usize {
    (high.wrapping_mul(a).wrapping_add(low.wrapping_mul(b)).wrapping_add(term) >> (u64::BITS - BITS.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::*;

    fn key(text: &str) -> BlockKey {
        let (address, length) = text.split_once('/').unwrap_or((text, "128"));
        let address: IpAddr = address.parse().unwrap();
        let whole = if text.contains('/') && address.is_ipv4() { 96 } else { 0 };
        BlockKey::new(address.into(), whole + length.parse::<u8>().unwrap())
    }

    fn has(set: &BlockSet, keys: &[BlockKey], source: &str) -> bool {
        let source: IpAddr = source.parse().unwrap();
        set.candidates(&source.into(), |key| keys.contains(key))
    }

    #[test]
    fn an_address_is_found_by_what_it_lies_in() {
        for (name, blocks, inside, outside) in [
            ("an address", &["192.0.2.1"][..], "192.0.2.1", "192.0.2.2"),
            ("an address of IPv6", &["2001:db8::1"], "2001:db8::1", "2001:db8::2"),
            ("a prefix", &["192.0.2.0/24"], "192.0.2.255", "192.0.3.0"),
            ("a prefix of IPv6", &["2001:db8::/48"], "2001:db8:0:1::1", "2001:db8:1::"),
            ("bits of the host are nothing", &["192.0.2.77/24"], "192.0.2.1", "192.0.1.255"),
            ("a mapped address is that of IPv4", &["::ffff:192.0.2.1"], "192.0.2.1", "::192.0.2.1"),
            ("two lengths of one network", &["10.0.0.0/24", "10.0.0.0/16"], "10.0.1.1", "10.1.0.0"),
            ("a host is not its network", &["10.0.0.0/24"], "10.0.0.0", "10.0.1.0"),
            ("all of IPv4", &["0.0.0.0/0"], "203.0.113.1", "2001:db8::1"),
            ("all of IPv6 is not IPv4", &["::/0"], "2001:db8::1", "203.0.113.1"),
        ] {
            let keys: Vec<_> = blocks.iter().map(|text| key(text)).collect();
            let mut set = BlockSet::new([1, 2, 3]);
            assert!(keys.iter().all(|key| set.insert(key)), "{name}");
            assert!(has(&set, &keys, inside), "{name}: {inside}");
            assert!(!has(&set, &keys, outside), "{name}: {outside}");
        }
    }

    #[test]
    fn only_so_many_lengths_are_in_force_in_a_family() {
        let mut set = BlockSet::new([1, 2, 3]);
        let mut insert = |text| set.insert(&key(text));
        for prefix in ["10.0.0.0/16", "10.0.0.0/20", "10.0.0.0/24", "10.0.0.0/28", "10.1.0.0/16"] {
            assert!(insert(prefix), "{prefix}");
        }
        assert!(!insert("10.0.0.0/30"), "a fifth one");
        assert!(insert("10.0.0.1"), "an address is not a prefix");
        assert!(insert("2001:db8::/48"), "the other family has its own");
        assert_eq!(set.lengths(), 6);
    }
}
