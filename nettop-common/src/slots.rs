//! Counters by key in slots: plain memory, of which every CPU has a part of its own, in two banks. While the program counts
//! in one bank, user space empties the other; then they change places. So nothing is ever read while it is written,
//! a look-up costs one cache line where a hash map costs three, and no key stays that is not seen any more.
//!
//! Slots are in buckets of eight, and a bucket has a word of tags, a byte for each of its slots: whether it is taken, and seven
//! bits of the hash of its key. Tags are few enough to stay close to the CPU. So of the slots themselves, which are far away in a
//! flood, only the one that is probably the right one is touched, and none where there is none; and user space empties
//! them by clearing tags, without writing to the slots.
//!
//! A key may lie in any of three buckets: in the next one where those before are full or have another key with the same tag, so
//! that in each there is one slot at most to look into. Half of all slots fill before one key in five thousand finds
//! none, and three quarters before one in two hundred.

use bytemuck::{Pod, Zeroable};

use crate::{
    Address, MacPair, PacketsBytes, SourceCounters,
    counters::{Counters, Table},
};

/// Slots in a bucket.
pub const WAYS: usize = 8;
/// Buckets that a key may lie in.
pub const CHOICES: usize = 3;
/// log₂ of the buckets of a CPU in a bank that there are tags for, by [`Table`]: more keys than fit into so many slots within the
/// tenth of a second until they are emptied are no traffic, but a flood.
pub const MOST_BITS: [u32; Table::COUNT] = [13, 11, 11];
/// Banks of slots (double buffering): one to count in, one to empty.
pub const BANKS: u32 = 2;

/// A key: an address, or a pair of MACs.
pub type Key = [u64; 2];

/// One key and its counters; what is in it means something while its tag says that it is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Zeroable)]
#[repr(C)]
pub struct Slot<C> {
    /// The key.
    pub key: Key,
    /// What was counted for it.
    pub counters: C,
}

// SAFETY: words all through: the sizes below leave no room for padding.
unsafe impl Pod for Slot<PacketsBytes> {}
// SAFETY: as above.
unsafe impl Pod for Slot<SourceCounters> {}

const _: () = assert!(size_of::<Slot<PacketsBytes>>() == 16 + 16);
const _: () = assert!(size_of::<Slot<SourceCounters>>() == 16 + 48);

/// The tags of a bucket, that of the first slot in the lowest byte; 0: free.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Tags(u64);

/// One in each byte.
const EACH: u64 = u64::from_ne_bytes([1; WAYS]);

impl Tags {
    /// The tag of a key with that hash.
    #[inline(always)]
    const fn of(hash: u64) -> u64 {
        // From the middle: the uppermost bits have chosen the bucket, and the lowest are the least mixed.
        hash >> 32 & 0x7f | 0x80
    }

    /// The slot that has the tag of a key with that hash: no other one can have the key.
    #[inline(always)]
    pub const fn candidate(self, hash: u64) -> Option<u32> {
        let tag = Self::of(hash);
        // Mostly so while the table is not crowded: then the CPU need not wait for the tags to look into the slot.
        let home = Self::home(hash);
        if self.0 >> (home * u8::BITS) & 0xff == tag {
            return Some(home);
        }
        let other = self.0 ^ (tag * EACH);
        // A byte of zero borrows (H. Warren, Hacker's Delight, 2nd ed. §6-1). So may one above it, but the lowest is true.
        lowest(other.wrapping_sub(EACH) & !other & EACH << 7)
    }

    /// The slot that a key with that hash gets if it is free, by bits that have chosen neither bucket nor tag.
    #[inline(always)]
    const fn home(hash: u64) -> u32 {
        (hash >> 40) as u32 % WAYS as u32
    }

    /// A slot that is free for a key with that hash.
    #[inline(always)]
    pub const fn free(self, hash: u64) -> Option<u32> {
        let home = Self::home(hash);
        if self.0 >> (home * u8::BITS) & 0x80 == 0 {
            return Some(home);
        }
        lowest(!self.0 & EACH << 7)
    }

    /// The slots that are taken.
    pub fn taken(self) -> impl Iterator<Item = u32> {
        (0..WAYS as u32).filter(move |way| self.0 >> (way * u8::BITS) & 0x80 != 0)
    }

    /// Takes a free slot for the key with that hash.
    #[inline(always)]
    pub const fn take(&mut self, way: u32, hash: u64) {
        self.0 |= Self::of(hash) << ((way * u8::BITS) & (u64::BITS - 1));
    }
}

/// The number of the lowest byte whose highest bit is set, where others are not.
#[inline(always)]
const fn lowest(bits: u64) -> Option<u32> {
    if bits == 0 {
        return None;
    }
    let lowest = bits & bits.wrapping_neg();
    // BPF has no instruction for it. Shifted so far, this factor has the number in its highest byte.
    Some(((lowest >> 7).wrapping_mul(0x0001_0203_0405_0607) >> 56) as u32)
}

/// Where the slots of the bucket numbered `bucket` of a CPU's part of a bank begin in the whole array, where each part has
/// 2^`bits` buckets.
#[inline(always)]
pub const fn index(cpu: u32, bank: u32, bits: u32, bucket: u32) -> u32 {
    (((cpu * BANKS + bank) << bits) | bucket) * WAYS as u32
}

/// Groups that the buckets of one CPU in one bank are divided into, to find those in use without looking at all.
pub const GROUPS: usize = 256;

/// log₂ of the buckets in a group.
#[inline(always)]
pub const fn group_shift(bits: u32) -> u32 {
    bits.saturating_sub(GROUPS.ilog2())
}

/// The tables of one CPU: how large they are, and where a key may lie in them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Layout {
    /// Odd numbers from the kernel's random source, chosen when the program is loaded, so that nobody can send keys that all want the same bucket.
    pub multipliers: [u64; 2],
    /// By [`Table`]: how far a hash is shifted to be the number of a bucket ...
    shifts: [u8; Table::COUNT],
    /// ... and of its group.
    group_shifts: [u8; Table::COUNT],
    padding: [u8; 2],
}

impl Layout {
    /// With 2^`bits` buckets in a bank, by [`Table`]; at least one bit. `random`: two numbers.
    pub fn new(bits: [u32; Table::COUNT], random: [u64; 2]) -> Self {
        Self {
            multipliers: random.map(|number| number | 1),
            shifts: bits.map(|bits| (u64::BITS - bits) as u8),
            group_shifts: bits.map(|bits| (u64::BITS - bits + group_shift(bits)) as u8),
            padding: [0; 2],
        }
    }

    /// The hash of a key: a universal one (multiply-shift: Dietzfelbinger et al., "A Reliable Randomized Algorithm for the
    /// Closest-Pair Problem", 1997), under which keys fall together no more often than by chance, whoever chose them; then
    /// mixed, so that the addresses of a network do not lie in a pattern either.
    #[inline(always)]
    pub const fn hash(&self, key: &Key) -> u64 {
        let ([high, low], [a, b]) = (*key, self.multipliers);
        next_hash(next_hash(high.wrapping_mul(a).wrapping_add(low.wrapping_mul(b))))
    }

    /// The number of the bucket that a hash stands for.
    #[inline(always)]
    pub const fn bucket(&self, table: Table, hash: u64) -> usize {
        (hash >> (self.shifts[table as usize] as u32 & (u64::BITS - 1))) as usize
    }

    /// The group of the bucket that a hash stands for.
    #[inline(always)]
    pub const fn group(&self, table: Table, hash: u64) -> usize {
        (hash >> (self.group_shifts[table as usize] as u32 & (u64::BITS - 1))) as usize % GROUPS
    }
}

/// The hash for the next of the buckets that a key may lie in: a round of xor-shift and multiply, with a constant of splitmix64
/// (Steele, Lea, Flood 2014).
#[inline(always)]
const fn next_hash(hash: u64) -> u64 {
    (hash ^ (hash >> 32)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// What is known of a key that is not in the first of its buckets.
#[derive(Clone, Copy, Debug)]
pub struct Missed {
    /// Its hash.
    hash: u64,
    /// Another key has its tag there, so that it cannot lie there.
    same_tag: bool,
}

/// The counters of a key where it mostly is, in the first of its buckets; else what [`find_further`] goes on with.
///
/// # Safety
/// As for [`find_further`].
#[inline(always)]
pub unsafe fn find_first<'a, C: Counters>(
    layout: &Layout,
    table: Table,
    tags: &[Tags],
    key: &Key,
    slot: impl Fn(usize) -> Option<*mut Slot<C>>,
) -> Result<&'a mut C, Missed> {
    let hash = layout.hash(key);
    let bucket = layout.bucket(table, hash);
    let Some(way) = tags.get(bucket).and_then(|tags| tags.candidate(hash)) else {
        return Err(Missed { hash, same_tag: false });
    };
    match slot(bucket * WAYS + way as usize) {
        // SAFETY: as the caller promises.
        Some(slot) if unsafe { (*slot).key == *key } => Ok(unsafe { &mut (*slot).counters }),
        _ => Err(Missed { hash, same_tag: true }),
    }
}

/// The counters of such a key, found or, in the first bucket that has a slot for it, begun; and, if they were begun, the hash that
/// stands for the bucket. `None`: its buckets belong to other keys, or a slot is out of reach.
///
/// # Safety
/// `slot` has for each number below eight times the number of `tags` the same valid slot, which nobody else uses for `'a`,
/// or none.
#[inline(always)]
pub unsafe fn find_further<'a, C: Counters>(
    layout: &Layout,
    table: Table,
    tags: &mut [Tags],
    key: &Key,
    missed: Missed,
    slot: impl Fn(usize) -> Option<*mut Slot<C>>,
) -> Option<(&'a mut C, Option<u64>)> {
    let Missed { mut hash, mut same_tag } = missed;
    for choice in 0..CHOICES {
        let bucket = layout.bucket(table, hash);
        let tags = tags.get_mut(bucket)?;
        if choice > 0 {
            let candidate = tags.candidate(hash);
            same_tag = candidate.is_some();
            if let Some(way) = candidate {
                // SAFETY: as the caller promises.
                let slot = unsafe { &mut *slot(bucket * WAYS + way as usize)? };
                if slot.key == *key {
                    return Some((&mut slot.counters, None));
                }
            }
        }
        if !same_tag && let Some(way) = tags.free(hash) {
            // SAFETY: as the caller promises.
            let slot = unsafe { &mut *slot(bucket * WAYS + way as usize)? };
            tags.take(way, hash);
            *slot = Slot { key: *key, counters: C::zeroed() };
            return Some((&mut slot.counters, Some(hash)));
        }
        hash = next_hash(hash);
    }
    None
}

impl From<Key> for Address {
    fn from(key: Key) -> Self {
        Self(key)
    }
}

impl From<Key> for MacPair {
    fn from(key: Key) -> Self {
        Self(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BITS: u32 = 10;

    /// A bank of one table, as the kernel program has it.
    struct One {
        layout: Layout,
        tags: Vec<Tags>,
        slots: Vec<Slot<PacketsBytes>>,
    }

    impl One {
        fn new() -> Self {
            let layout = Layout::new([BITS; Table::COUNT], [0x1234_5678_9abc_def1, 0x0fed_cba9_8765_4321]);
            let slots = vec![Slot::zeroed(); WAYS << BITS];
            Self { layout, tags: vec![Tags::default(); 1 << BITS], slots }
        }

        fn find(&mut self, key: &Key) -> Option<&mut PacketsBytes> {
            let Self { layout, tags, slots } = self;
            assert_eq!(slots.len(), tags.len() * WAYS);
            let first = slots.as_mut_ptr();
            // SAFETY: all of them are there, as was just seen, and borrowed for as long as what is returned.
            unsafe {
                let slot = |at| Some(first.add(at));
                match find_first(layout, Table::Sources, tags, key, slot) {
                    Ok(tally) => Some(tally),
                    Err(missed) => Some(find_further(layout, Table::Sources, tags, key, missed, slot)?.0),
                }
            }
        }

        /// Counts a packet for each key in turn; returns how many found no slot.
        fn fill(&mut self, keys: impl Iterator<Item = u32>) -> usize {
            keys.filter(|key| self.find(&Address::from_v4_word(key.to_be()).0).map(|tally| tally.count(60)).is_none())
                .count()
        }

        fn used(&self) -> usize {
            self.tags.iter().map(|tags| tags.taken().count()).sum()
        }
    }

    #[test]
    fn a_key_keeps_its_slot() {
        let mut table = One::new();
        assert_eq!(table.fill((0..1000).chain(0..1000)), 0);
        assert_eq!(table.used(), 1000);
        assert_eq!(table.slots.iter().filter(|slot| slot.counters.packets == 2).count(), 1000);
    }

    #[test]
    fn most_slots_fill_before_many_keys_find_none() {
        let slots = (WAYS << BITS) as u32;
        for (keys, most) in [(slots / 2, slots / 2 / 5000), (slots / 4 * 3, slots / 4 * 3 / 200)] {
            let without = One::new().fill(0..keys);
            assert!(without <= most as usize, "{without} of {keys}");
        }
        let mut table = One::new();
        let without = table.fill(0..slots * 4);
        assert_eq!(table.used() + without, slots as usize * 4);
        assert!(table.used() > slots as usize / 100 * 99, "{} of {slots}", table.used());
    }

    #[test]
    fn ways_are_numbered_from_the_lowest_byte() {
        let hash = |tag: u64| tag << 32;
        let mut tags = Tags::default();
        for way in 0..WAYS as u32 {
            assert_eq!((tags.free(hash(1)), tags.candidate(hash(1))), (Some(way), None));
            tags.take(way, hash(u64::from(100 + way)));
        }
        assert_eq!(tags.free(hash(1)), None);
        for way in 0..WAYS as u32 {
            assert_eq!(tags.candidate(hash(u64::from(100 + way))), Some(way));
        }
        let mut some = Tags::default();
        some.take(2, hash(5));
        some.take(6, hash(7));
        assert_eq!(some.taken().collect::<Vec<_>>(), [2, 6]);
    }

    #[test]
    fn a_key_gets_its_own_slot_or_the_lowest() {
        let hash = |home: u64, tag: u64| home << 40 | tag << 32;
        let mut tags = Tags::default();
        for (home, expected) in [(5, 5), (1, 1), (5, 0), (5, 2), (2, 3)] {
            assert_eq!(tags.free(hash(home, 1)), Some(expected), "{home}");
            tags.take(expected, hash(home, u64::from(expected)));
            assert_eq!(tags.candidate(hash(home, u64::from(expected))), Some(expected), "{home}");
        }
    }
}
