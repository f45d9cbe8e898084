//! A sorted table of disjoint ranges that covers a whole address space.

/// One more than the number of different leading 16 bits.
const INDEX: usize = (1 << 16) + 1;

/// Ranges of addresses, each with a number that says what is there; `A` is `u32` for IPv4 and `u128` for IPv6.
///
/// A range reaches to the start of the next one, and so its end need not be kept.
#[derive(Debug)]
pub struct Segments<A> {
    /// Where each range starts; the first one at 0.
    starts: Vec<A>,
    /// What is there.
    values: Vec<u32>,
    /// For each leading 16 bits, how many ranges start below them. Without it a look-up in a big table spends its time
    /// on cache misses.
    index: Vec<u32>,
}

impl<A: Copy + Ord + Into<u128>> Segments<A> {
    /// From ranges in order, which must not be more than 2^32.
    pub fn new(mut starts: Vec<A>, mut values: Vec<u32>) -> Self {
        debug_assert!(starts.is_sorted() && starts.len() == values.len());
        starts.shrink_to_fit();
        values.shrink_to_fit();
        let mut index = Vec::with_capacity(INDEX);
        for (at, start) in starts.iter().enumerate() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            index.resize((Self::prefix(*start) + 1).max(index.len()), at);
        }
        index.resize(INDEX, u32::try_from(starts.len()).unwrap_or(u32::MAX));
        Self { starts, values, index }
    }

    /// The leading 16 bits.
    fn prefix(address: A) -> usize {
        let shift = size_of::<A>() * 8 - 16;
        let address: u128 = address.into();
        (address >> shift) as usize
    }

    /// What is at this address, or 0 in an empty table.
    pub fn at(&self, address: A) -> u32 {
        let prefix = Self::prefix(address);
        let bound = |at: usize| self.index.get(at).map_or(0, |&bound| bound as usize);
        let (low, high) = (bound(prefix), bound(prefix + 1));
        let before = self.starts.get(low..high).map_or(0, |starts| starts.partition_point(|start| *start <= address));
        (low + before).checked_sub(1).and_then(|at| self.values.get(at)).copied().unwrap_or(0)
    }

    /// Every range's start and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (A, u32)> {
        self.starts.iter().copied().zip(self.values.iter().copied())
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_in_the_range_that_starts_last_before_it() {
        let starts = [0, 1, 0xffff, 0x1_0000, 0x1_0001, 0x0a00_0000, 0x0a00_0100, 0xffff_ffff];
        let values: Vec<u32> = (10..).take(starts.len()).collect();
        let narrow = Segments::new(starts.to_vec(), values.clone());
        let wide = Segments::new(starts.map(|start| u128::from(start) << 96).to_vec(), values.clone());
        for address in starts.iter().flat_map(|start: &u32| [start.saturating_sub(1), *start, start.saturating_add(1)])
        {
            let expected = values[starts.iter().rposition(|start| *start <= address).unwrap()];
            assert_eq!(narrow.at(address), expected, "{address:#x}");
            assert_eq!(wide.at(u128::from(address) << 96), expected, "{address:#x}");
        }
        assert_eq!(Segments::<u32>::new(Vec::new(), Vec::new()).at(7), 0);
    }
}
