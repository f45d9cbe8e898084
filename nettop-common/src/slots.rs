//! Counters by key in slots: plain memory, of which every CPU has a part of its own, in two banks. While the program counts
//! in one bank, user space empties the other; then they change places. So nothing is ever read while it is written,
//! a look-up costs one cache line where a hash map costs three, and no key stays that is not seen any more.
//!
//! A key may lie in one bucket of eight slots, and a bucket has a word of tags, a byte for each of its slots: whether it is taken, and
//! seven bits of the hash of its key. So of the slots only the one that is probably the right one is touched, and none where there is
//! none; and user space empties them by clearing tags, without writing to the slots.
//!
//! The slots of a CPU are as many as stay in its second-level cache. Where the bucket of a key is full, what comes for it is appended to
//! the CPU's [log](crate::log).

use bytemuck::{Pod, Zeroable};

use crate::{Address, DestinationCounters, MacPair, PacketsBytes, SourceCounters, cold_path, counters::Table};

/// Slots in a bucket.
pub const WAYS: usize = 8;
/// log₂ of the buckets of a CPU in a bank that there are tags for, in each table.
pub const TAGS_BITS: u32 = 9;
/// Of those, how many are used at most, by [`Table`]: destinations have larger slots than others.
pub const MOST_BITS: [u32; Table::COUNT] = [TAGS_BITS, TAGS_BITS - 1, TAGS_BITS];
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
// SAFETY: as above.
unsafe impl Pod for Slot<DestinationCounters> {}

const _: () = assert!(size_of::<Slot<PacketsBytes>>() == 16 + 16);
const _: () = assert!(size_of::<Slot<SourceCounters>>() == 16 + 48);
const _: () = assert!(size_of::<Slot<DestinationCounters>>() == 16 + 112);

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

/// The tables of one CPU: how large they are, and where a key lies in them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Layout {
    /// Odd numbers from the kernel's random source, chosen when the program is loaded, so that nobody can send keys that all want the same bucket.
    pub multipliers: [u64; 2],
    /// By [`Table`]: how far a hash is shifted to be the number of a bucket.
    shifts: [u8; Table::COUNT],
    padding: [u8; 5],
}

impl Layout {
    /// With 2^`bits` buckets in a bank, by [`Table`]; at least one bit. `random`: two numbers.
    pub fn new(bits: [u32; Table::COUNT], random: [u64; 2]) -> Self {
        Self {
            multipliers: random.map(|number| number | 1),
            shifts: bits.map(|bits| (u64::BITS - bits) as u8),
            padding: [0; 5],
        }
    }

    /// The hash of a key: a universal one (multiply-shift: Dietzfelbinger et al., "A Reliable Randomized Algorithm for the
    /// Closest-Pair Problem", 1997), under which keys fall together no more often than by chance, whoever chose them; then
    /// mixed, so that the addresses of a network do not lie in a pattern either.
    #[inline(always)]
    pub const fn hash(&self, key: &Key) -> u64 {
        let ([high, low], [a, b]) = (*key, self.multipliers);
        mix(mix(high.wrapping_mul(a).wrapping_add(low.wrapping_mul(b))))
    }

    /// The same layout with another hash: where keys lie that have no slot by the first.
    #[inline(always)]
    const fn second(&self) -> Self {
        let [a, b] = self.multipliers;
        Self { multipliers: [b, a], ..*self }
    }

    /// The number of the bucket that a hash stands for.
    #[inline(always)]
    pub const fn bucket(&self, table: Table, hash: u64) -> usize {
        (hash >> (self.shifts[table as usize] as u32 & (u64::BITS - 1))) as usize
    }
}

/// A round of xor-shift and multiply, with a constant of splitmix64 (Steele, Lea, Flood 2014).
#[inline(always)]
const fn mix(hash: u64) -> u64 {
    (hash ^ (hash >> 32)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// What is known of a key that has no slot.
#[derive(Clone, Copy, Debug)]
pub struct Missed {
    /// Its hash.
    hash: u64,
    /// Another key has its tag, so that it cannot have a slot.
    same_tag: bool,
}

/// A key that has a slot.
#[derive(Debug)]
pub struct Found<'a, C> {
    /// Which one, as `slot` has it.
    pub at: usize,
    /// What was counted for it.
    pub counters: &'a mut C,
}

/// The slot of a key that has one; else what [`begin`] goes on with.
///
/// # Safety
/// As for [`begin`].
#[inline(always)]
pub unsafe fn find<'a, C>(
    layout: &Layout,
    table: Table,
    tags: &[Tags],
    key: &Key,
    slot: impl Fn(usize) -> Option<*mut Slot<C>>,
) -> Result<Found<'a, C>, Missed> {
    let hash = layout.hash(key);
    let bucket = layout.bucket(table, hash);
    let Some(way) = tags.get(bucket).and_then(|tags| tags.candidate(hash)) else {
        return Err(Missed { hash, same_tag: false });
    };
    let at = bucket * WAYS + way as usize;
    match slot(at) {
        // SAFETY: as the caller promises.
        Some(slot) if unsafe { (*slot).key == *key } => Ok(Found { at, counters: unsafe { &mut (*slot).counters } }),
        _ => Err(Missed { hash, same_tag: true }),
    }
}

/// Begins a slot for such a key, if its bucket has one left.
///
/// # Safety
/// `slot` has for each number below eight times the number of `tags` the same valid slot, which nobody else uses for `'a`,
/// or none.
#[inline(always)]
pub unsafe fn begin<'a, C: Zeroable>(
    layout: &Layout,
    table: Table,
    tags: &mut [Tags],
    key: &Key,
    missed: Missed,
    slot: impl Fn(usize) -> Option<*mut Slot<C>>,
) -> Option<Found<'a, C>> {
    let Missed { hash, same_tag } = missed;
    let bucket = layout.bucket(table, hash);
    let tags = tags.get_mut(bucket)?;
    let way = tags.free(hash).filter(|_| !same_tag)?;
    let at = bucket * WAYS + way as usize;
    // SAFETY: as the caller promises.
    let slot = unsafe { &mut *slot(at)? };
    tags.take(way, hash);
    *slot = Slot { key: *key, counters: C::zeroed() };
    Some(Found { at, counters: &mut slot.counters })
}

/// The slot of a key: the one that it has, else one that is begun, and handed to `begun` first; `None`: its bucket has none left.
///
/// # Safety
/// As for [`begin`].
#[inline(always)]
pub unsafe fn find_or_begin<'a, C: Zeroable>(
    layout: &Layout,
    table: Table,
    tags: &mut [Tags],
    key: &Key,
    slot: impl Fn(usize) -> Option<*mut Slot<C>>,
    begun: impl FnOnce(&mut C),
) -> Option<Found<'a, C>> {
    // SAFETY: as the caller promises.
    match unsafe { find(layout, table, tags, key, &slot) } {
        Ok(found) => Some(found),
        Err(missed) => {
            cold_path();
            // SAFETY: likewise.
            let found = unsafe { begin(layout, table, tags, key, missed, slot) }?;
            begun(found.counters);
            Some(found)
        }
    }
}

/// As [`find_or_begin`], with a second bucket for keys that the first has no slot for: another key there has their tag, or it is full. Of 50 keys
/// in 256 buckets one has no slot in one table of thirty by one bucket, and in one of some ten thousand by two. What the first bucket has
/// refused it refuses until the bank is emptied, so each key has one slot.
///
/// # Safety
/// As for [`begin`].
#[inline(always)]
pub unsafe fn find_or_begin_in_two<'a, C: Zeroable>(
    layout: &Layout,
    table: Table,
    tags: &mut [Tags],
    key: &Key,
    slot: impl Fn(usize) -> Option<*mut Slot<C>>,
    begun: impl Fn(&mut C),
) -> Option<Found<'a, C>> {
    // SAFETY: as the caller promises.
    if let Some(found) = unsafe { find_or_begin(layout, table, tags, key, &slot, &begun) } {
        return Some(found);
    }
    cold_path();
    // SAFETY: likewise.
    unsafe { find_or_begin(&layout.second(), table, tags, key, slot, begun) }
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
                Some(find_or_begin(layout, Table::Sources, tags, key, slot, |_| {})?.counters)
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
        let without = table.fill((0..1000).chain(0..1000));
        assert!(without <= 20, "{without} of 2,000 packets");
        assert_eq!(table.slots.iter().filter(|slot| slot.counters.packets == 2).count(), table.used());
        assert_eq!(2 * table.used() + without, 2000);
    }

    #[test]
    fn few_keys_find_none_before_a_quarter_is_taken_and_all_are_used_in_a_flood() {
        let slots = (WAYS << BITS) as u32;
        let without = One::new().fill(0..slots / 4);
        assert!(without <= slots as usize / 4 / 50, "{without}");
        let mut table = One::new();
        let without = table.fill(0..slots * 8);
        assert_eq!(table.used() + without, slots as usize * 8);
        assert!(table.used() > slots as usize / 100 * 99, "{} of {slots}", table.used());
    }

    #[test]
    fn keys_of_two_buckets_have_one_slot_each_and_next_to_none_has_no_slot() {
        const BITS: u32 = 8;
        for (keys, most_of_100_000) in [(50, 2), (400, 10), (1_000, 250)] {
            let tables = 200;
            let without: usize = (1..=tables)
                .map(|table: u64| {
                    let random =
                        [0x9e37_79b9_7f4a_7c15_u64, 0xd1b5_4a32_d192_ed03].map(|odd| mix(odd.wrapping_mul(table)));
                    let layout = Layout::new([BITS; Table::COUNT], random);
                    let (mut tags, mut slots) = (vec![Tags::default(); 1 << BITS], vec![Slot::zeroed(); WAYS << BITS]);
                    let (first, tags) = (slots.as_mut_ptr(), tags.as_mut_slice());
                    // Sockets of one process have numbers that follow each other.
                    let mut count = |key: Key| {
                        // SAFETY: there are as many slots, borrowed for as long as what is found.
                        let found = unsafe {
                            let slot = |at| Some(first.add(at));
                            find_or_begin_in_two(&layout, Table::Sources, tags, &key, slot, |_| {})
                        };
                        found.map(|Found { counters, .. }: Found<'_, PacketsBytes>| counters.count(60)).is_none()
                    };
                    let without = [0, 1].map(|_| (0..keys).filter(|key| count([5_000 + key, 77 << 32])).count());
                    assert_eq!(without[0], without[1], "what has no slot gets none later");
                    let twice = slots.iter().filter(|slot| slot.counters.packets == 2).count();
                    assert_eq!(twice + without[0], keys as usize, "each has one slot");
                    without[0]
                })
                .sum();
            let of_100_000 = without * 100_000 / (tables as usize * keys as usize);
            assert!(of_100_000 <= most_of_100_000, "{keys} keys: {of_100_000} of 100,000 have none");
        }
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
