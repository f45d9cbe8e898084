//! A sorted table of disjoint ranges that covers a whole address space.

/// One more than the number of different leading 16 bits.
const INDEX: usize = (1 << 16) + 1;

/// The start of a range, and a number that says what is there. Packed, or else every IPv6 range would take 32 bytes
/// instead of 20; side by side, because a look-up waits for memory more than for anything else.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
pub struct Range<A> {
    /// Its first address.
    pub start: A,
    /// What is there.
    pub value: u32,
}

/// Ranges of addresses; `A` is `u32` for IPv4 and `u128` for IPv6.
///
/// A range reaches to the start of the next one, and so its end need not be kept.
#[derive(Debug)]
pub struct Segments<A: Copy> {
    /// In order, the first one at 0.
    ranges: Vec<Range<A>>,
    /// For each leading 16 bits, how many ranges start below them.
    index: Vec<u32>,
}

impl<A: Copy + Ord + Into<u128>> Segments<A> {
    /// From ranges in order, which must be fewer than 2^32.
    pub fn new(mut ranges: Vec<Range<A>>) -> Self {
        debug_assert!(ranges.is_sorted_by_key(|range| range.start));
        ranges.shrink_to_fit();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let mut index = Vec::with_capacity(INDEX);
        for (at, range) in ranges.iter().enumerate() {
            index.resize((prefix(range.start) + 1).max(index.len()), count(at));
        }
        index.resize(INDEX, count(ranges.len()));
        Self { ranges, index }
    }

    /// What is at this address, or 0 in an empty table.
    pub fn at(&self, address: A) -> u32 {
        let prefix = prefix(address);
        let bound = |at: usize| self.index.get(at).map_or(0, |&bound| bound as usize);
        let (low, high) = (bound(prefix), bound(prefix + 1));
        let before =
            self.ranges.get(low..high).map_or(0, |near| near.partition_point(|range| { range.start } <= address));
        (low + before).checked_sub(1).and_then(|at| self.ranges.get(at)).map_or(0, |range| range.value)
    }

    /// Every range, in order.
    pub fn iter(&self) -> impl Iterator<Item = Range<A>> {
        self.ranges.iter().copied()
    }

    /// How many ranges there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }
}

/// The leading 16 bits of an address.
fn prefix<A: Into<u128>>(address: A) -> usize {
    (address.into() >> (size_of::<A>() * 8 - 16)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_in_the_range_that_starts_last_before_it() {
        let starts = [0, 1, 0xffff, 0x1_0000, 0x1_0001, 0x0a00_0000, 0x0a00_0100, 0xffff_ffff];
        let values: Vec<u32> = (10..).take(starts.len()).collect();
        let both = || starts.iter().zip(&values);
        let narrow = Segments::new(both().map(|(&start, &value)| Range { start, value }).collect());
        let wide =
            Segments::new(both().map(|(&start, &value)| Range { start: u128::from(start) << 96, value }).collect());
        for address in starts.iter().flat_map(|start: &u32| [start.saturating_sub(1), *start, start.saturating_add(1)])
        {
            let expected = values[starts.iter().rposition(|start| *start <= address).unwrap()];
            assert_eq!(narrow.at(address), expected, "{address:#x}");
            assert_eq!(wide.at(u128::from(address) << 96), expected, "{address:#x}");
        }
        assert_eq!(Segments::<u32>::new(Vec::new()).at(7), 0);
    }
}
