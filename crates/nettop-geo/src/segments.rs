//! A sorted table of disjoint ranges that covers a whole address space, in four bytes or so for each.
//!
//! Ranges lie in blocks. A look-up searches the blocks' first addresses, then one block, in which the distances from its
//! first address and the values are each as wide as that block needs. Nothing is unpacked: a look-up reads a few bits
//! here and there, and what is embedded in the program stays in its file until it is asked for.

use std::{borrow::Cow, marker::PhantomData, ops::Range};

use crate::{
    bits::{self, PackedRows, Writer},
    sections::{self, Sections},
};

/// How many different prefixes there are: a block or two for each, in the embedded table.
const PREFIXES: usize = 1 << 14;

/// Ranges in a block. With 16 the table is 5 % larger, with 64 as well 2 %.
const BLOCK: usize = 32;

/// Up to so many blocks are searched without an index, which would be larger than they are, and take longer to make.
const FEW: usize = 64;

/// An address of either family, as a number.
pub trait Address: Copy + Ord + From<u8> + Into<u128> + TryFrom<u128> {
    /// The last one of the family.
    const LAST: Self;

    /// From the first bytes of these, little-endian.
    fn read(bytes: &[u8]) -> Option<Self>;

    /// The 14 bits that tell most addresses apart; never less than those of a lower address.
    fn prefix(self) -> u16;
}

impl Address for u32 {
    const LAST: Self = Self::MAX;

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|bytes| Self::from_le_bytes(*bytes))
    }

    fn prefix(self) -> u16 {
        (self >> 18) as u16
    }
}

impl Address for u128 {
    const LAST: Self = Self::MAX;

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|bytes| Self::from_le_bytes(*bytes))
    }

    /// Of public addresses, 2000::/3, the bits that follow the first three.
    fn prefix(self) -> u16 {
        ((self >> 111) as u32).saturating_sub(1 << 14).min(PREFIXES as u32 - 1) as u16
    }
}

/// Ranges of addresses, each with a number that says what is there; `A` is `u32` for IPv4 and `u128` for IPv6.
///
/// A range reaches to the start of the next one, and so its end need not be kept.
#[derive(Debug)]
pub struct Segments<'a, A> {
    /// For each [prefix](Address::prefix), and for one more than there are, how many blocks start below it; nothing where there
    /// are [`FEW`] blocks.
    index: PackedRows<'a, 1>,
    /// The [`Head`] of each block, in order.
    heads: Cow<'a, [u8]>,
    /// The blocks, each from a whole byte on: first the distances, then the values.
    blocks: Cow<'a, [u8]>,
    family: PhantomData<A>,
}

/// How to read a block.
#[derive(Clone, Copy, Debug)]
struct Head<A> {
    /// Its first address; that of the first block is 0.
    start: A,
    /// Its first byte.
    at: u32,
    /// How many ranges it has.
    len: u8,
    /// Zeros at the end of every distance, which are left out.
    shift: u8,
    /// Bits of a distance without them.
    distance: u8,
    /// Bits of a value.
    value: u8,
}

impl<A: Address> Head<A> {
    /// Bytes of one.
    const SIZE: usize = size_of::<A>() + 8;

    fn write(&self, heads: &mut Vec<u8>) {
        let Self { start, at, len, shift, distance, value } = *self;
        let start: u128 = start.into();
        heads.extend(&start.to_le_bytes()[..size_of::<A>()]);
        heads.extend(at.to_le_bytes());
        heads.extend([len, shift, distance, value]);
    }

    fn read(heads: &[u8], block: usize) -> Option<Self> {
        let (start, rest) = heads.get(block * Self::SIZE..)?.split_at_checked(size_of::<A>())?;
        let [a, b, c, d, len, shift, distance, value] = *rest.first_chunk()?;
        Some(Self { start: A::read(start)?, at: u32::from_le_bytes([a, b, c, d]), len, shift, distance, value })
    }

    /// Where a distance is, in bits.
    fn distance_at(&self, range: usize) -> usize {
        self.at as usize * 8 + range * usize::from(self.distance)
    }

    /// Where a value is, in bits.
    fn value_at(&self, range: usize) -> usize {
        self.distance_at(self.len.into()) + range * usize::from(self.value)
    }
}

impl<'a, A: Address> Segments<'a, A> {
    /// What [`write`](Self::write) wrote.
    pub fn read(sections: &mut Sections<'a>) -> Option<Self> {
        let index = PackedRows::from_bytes(sections.next()?)?;
        let mut next = || sections.next().map(Cow::Borrowed);
        Some(Self { index, heads: next()?, blocks: next()?, family: PhantomData })
    }

    /// Adds it to a file.
    pub fn write(&self, file: &mut Vec<u8>) -> anyhow::Result<()> {
        sections::put(file, &self.index.bytes())?;
        [&self.heads, &self.blocks].into_iter().try_for_each(|part| sections::put(file, part))
    }

    /// What is at this address, or 0 in an empty table.
    pub fn at(&self, address: A) -> u32 {
        self.find(address).unwrap_or(0)
    }

    /// The same, and the last address up to which it is there too.
    pub fn until(&self, address: A) -> (u32, A) {
        let until = || {
            let (block, head, range) = self.locate(address)?;
            let next = if range + 1 < head.len.into() {
                let distance = bits::read(&self.blocks, head.distance_at(range + 1), head.distance.into())?;
                head.start.into().checked_add(distance.checked_shl(head.shift.into())?)?
            } else if let Some(next) = Head::<A>::read(&self.heads, block + 1) {
                next.start.into()
            } else {
                return Some((self.value(head, range)?, A::LAST));
            };
            Some((self.value(head, range)?, A::try_from(next.checked_sub(1)?).ok()?.max(address)))
        };
        // Where nothing is known, or something is damaged.
        until().unwrap_or((self.at(address), if self.heads.is_empty() { A::LAST } else { address }))
    }

    fn find(&self, address: A) -> Option<u32> {
        let (_, head, range) = self.locate(address)?;
        self.value(head, range)
    }

    fn value(&self, head: Head<A>, range: usize) -> Option<u32> {
        bits::read(&self.blocks, head.value_at(range), head.value.into()).map(|value| value as u32)
    }

    /// The block that an address is in, and which of its ranges.
    fn locate(&self, address: A) -> Option<(usize, Head<A>, usize)> {
        let block = self.block(address)?;
        let head = Head::<A>::read(&self.heads, block)?;
        let distance = address.into().checked_sub(head.start.into())?.checked_shr(head.shift.into())?;
        let is_above =
            |range| Some(bits::read(&self.blocks, head.distance_at(range), head.distance.into())? > distance);
        Some((block, head, last(0..head.len.into(), is_above)?))
    }

    /// The last block that starts at or below an address.
    fn block(&self, address: A) -> Option<usize> {
        let blocks = if self.index.is_empty() {
            0..self.heads.len() / Head::<A>::SIZE
        } else {
            let prefix = address.prefix().into();
            let ([below], [end]) = (self.index.get(prefix)?, self.index.get(prefix + 1)?);
            // That before the first one with this prefix may reach into it.
            (below as usize).saturating_sub(1)..end as usize
        };
        last(blocks, |block| Some(A::read(self.heads.get(block * Head::<A>::SIZE..)?)? > address))
    }

    /// The start and the value of every range, in order.
    pub fn iter(&self) -> impl Iterator<Item = (A, u32)> {
        (0..).map_while(|block| Head::<A>::read(&self.heads, block)).flat_map(|head| self.ranges(head))
    }

    fn ranges(&self, head: Head<A>) -> impl Iterator<Item = (A, u32)> {
        (0..usize::from(head.len)).map_while(move |range| {
            let distance = bits::read(&self.blocks, head.distance_at(range), head.distance.into())?;
            let value = bits::read(&self.blocks, head.value_at(range), head.value.into())?;
            let address = head.start.into().checked_add(distance.checked_shl(head.shift.into())?)?;
            Some((A::try_from(address).ok()?, value as u32))
        })
    }
}

/// The last of some numbers that `is_above` is not true of; the first one, if it is true of all. None where there are no
/// numbers, or no answer.
#[inline]
fn last(numbers: Range<usize>, is_above: impl Fn(usize) -> Option<bool>) -> Option<usize> {
    let (mut at, mut len) = (numbers.start, numbers.len());
    while len > 1 {
        let half = len / 2;
        // No jump: nobody could foretell where to.
        at += if is_above(at + half)? { 0 } else { half };
        len -= half;
    }
    (len == 1).then_some(at)
}

/// Ranges in the making.
#[derive(Debug)]
pub struct Builder<A> {
    heads: Vec<u8>,
    blocks: Writer,
    /// What is not in a block yet.
    pending: Vec<(A, u32)>,
    last: Option<u32>,
}

impl<A: Address> Default for Builder<A> {
    fn default() -> Self {
        Self { heads: Vec::new(), blocks: Writer::default(), pending: Vec::with_capacity(BLOCK), last: None }
    }
}

impl<A: Address> Builder<A> {
    /// Adds the range that starts above all others; the first one starts at 0. One that says the same as the one before
    /// goes on with it.
    pub fn push(&mut self, start: A, value: u32) {
        if self.last.replace(value) == Some(value) {
            return;
        }
        if self.pending.len() == BLOCK {
            self.close();
        }
        self.pending.push((start, value));
    }

    /// Makes what is pending a block.
    fn close(&mut self) {
        let Some(&(start, _)) = self.pending.first() else { return };
        let distance = |range: &(A, u32)| range.0.into() - start.into();
        let (mut distances, mut values) = (0, 0);
        for range in &self.pending {
            distances |= distance(range);
            values |= range.1;
        }
        let shift = if distances == 0 { 0 } else { distances.trailing_zeros() };
        let widths = [bits::width(distances >> shift), bits::width(values.into())];
        // Blocks have a byte for every 32 bits of the rows they were made of, of which there are fewer than 2^32.
        let at = u32::try_from(self.blocks.align()).unwrap_or(u32::MAX);
        for range in &self.pending {
            self.blocks.push(distance(range) >> shift, widths[0]);
        }
        for range in &self.pending {
            self.blocks.push(range.1.into(), widths[1]);
        }
        let [distance, value] = widths.map(|width| width as u8);
        let head = Head { start, at, len: self.pending.len() as u8, shift: shift as u8, distance, value };
        head.write(&mut self.heads);
        self.pending.clear();
    }

    /// How many blocks start below each prefix.
    fn index(&self) -> Vec<u32> {
        let mut below = vec![0; PREFIXES + 1];
        let heads = (0..).map_while(|block| Head::<A>::read(&self.heads, block));
        heads.for_each(|head| below[usize::from(head.start.prefix()) + 1] += 1);
        for prefix in 1..below.len() {
            below[prefix] += below[prefix - 1];
        }
        below
    }

    /// The table.
    pub fn finish(mut self) -> Segments<'static, A> {
        self.close();
        self.heads.shrink_to_fit();
        let few = self.heads.len() <= FEW * Head::<A>::SIZE;
        let index = if few { Vec::new() } else { self.index() };
        Segments {
            index: PackedRows::new(index.iter().map(|below| [*below])),
            heads: self.heads.into(),
            blocks: self.blocks.finish().into(),
            family: PhantomData,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table<A: Address>(ranges: impl Iterator<Item = (A, u32)>) -> Segments<'static, A> {
        let mut builder = Builder::default();
        ranges.for_each(|(start, value)| builder.push(start, value));
        builder.finish()
    }

    #[test]
    fn every_address_is_in_the_range_that_starts_last_before_it() {
        let mut random = fastrand::Rng::with_seed(1);
        let some: Vec<u32> = vec![0, 1, 0xffff, 0x1_0000, 0x1_0001, 0x0a00_0000, 0x0a00_0100, 0xffff_ffff];
        // Full blocks and one that is not, of distances of all widths.
        let mut many: Vec<u32> = (0..4 * FEW * BLOCK + 7).map(|_| random.u32(..) >> random.u32(..32)).collect();
        many.push(0);
        many.sort_unstable();
        many.dedup();
        for starts in [some, many] {
            let value = |at: usize| (at as u32) << (at % 23);
            let both = || starts.iter().enumerate().map(|(at, start)| (*start, value(at)));
            let widen = |address: u32| u128::from(address) << 96 | u128::from(address) >> 5;
            let narrow = table(both());
            let wide = table(both().map(|(start, value)| (widen(start), value)));
            for address in
                starts.iter().flat_map(|start: &u32| [start.saturating_sub(1), *start, start.saturating_add(1)])
            {
                let expected = value(starts.iter().rposition(|start| *start <= address).unwrap());
                assert_eq!(narrow.at(address), expected, "{address:#x}");
                assert_eq!(wide.at(widen(address)), expected, "{address:#x}");
                let next = starts.iter().copied().find(|start| *start > address);
                assert_eq!(narrow.until(address), (expected, next.map_or(u32::MAX, |next| next - 1)), "{address:#x}");
                let last = next.map_or(u128::MAX, |next| widen(next) - 1);
                assert_eq!(wide.until(widen(address)), (expected, last), "{address:#x}");
            }
            assert!(narrow.iter().eq(both()), "nothing is lost");
            let few = starts.len() <= FEW * BLOCK;
            assert_eq!((narrow.index.is_empty(), wide.index.is_empty()), (few, few));
        }
        let empty = table::<u32>(std::iter::empty());
        assert_eq!((empty.at(7), empty.until(7)), (0, (0, u32::MAX)));
    }

    #[test]
    fn ranges_that_say_the_same_are_one() {
        let joined = table([(0_u32, 1), (10, 1), (20, 2), (30, 1)].into_iter());
        assert!(joined.iter().eq([(0, 1), (20, 2), (30, 1)]));
    }
}
