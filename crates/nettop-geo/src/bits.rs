//! Numbers of any width up to 128 bits, one after the other, least significant bit first.
//!
//! They are read where they lie: a table of them is used without being unpacked, whatever its alignment and whatever
//! machine it was written on.

use std::borrow::Cow;

/// The number of `width` bits that begins `at` bits into `bytes`, or none where they end before.
#[inline]
pub fn read(bytes: &[u8], at: usize, width: u32) -> Option<u128> {
    let (bytes, shift) = (bytes.get(at / 8..)?, at as u32 % 8);
    match bytes.first_chunk() {
        Some(word) if shift + width <= u64::BITS => {
            let mask = u64::MAX.checked_shr(u64::BITS - width).unwrap_or(0);
            Some((u64::from_le_bytes(*word) >> shift & mask).into())
        }
        _ => read_wide(bytes, shift, width),
    }
}

/// A wide number, or one near the end.
#[cold]
fn read_wide(bytes: &[u8], shift: u32, width: u32) -> Option<u128> {
    let mask = u128::MAX.checked_shr(u128::BITS.checked_sub(width)?).unwrap_or(0);
    let needed = bytes.get(..(shift + width).div_ceil(8) as usize)?;
    let (low, high) = needed.split_at(needed.len().min(16));
    let mut word = [0; 16];
    word.get_mut(..low.len())?.copy_from_slice(low);
    // A number that does not begin with a byte may end in a seventeenth.
    let high = high.first().map_or(0, |byte| u128::from(*byte) << (u128::BITS - shift));
    Some((u128::from_le_bytes(word) >> shift | high) & mask)
}

/// How many bits a number takes.
pub fn width(number: u128) -> u32 {
    u128::BITS - number.leading_zeros()
}

/// Bits in the making.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    /// Bits of the last byte that are not used yet.
    free: u32,
}

impl Writer {
    /// Adds the low `width` bits of a number, which must not have others.
    pub fn push(&mut self, mut number: u128, mut width: u32) {
        debug_assert!(self::width(number) <= width);
        while width > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let taken = width.min(self.free);
            if let Some(last) = self.bytes.last_mut() {
                *last |= (number as u8) << (8 - self.free);
            }
            number >>= taken;
            width -= taken;
            self.free -= taken;
        }
    }

    /// Leaves free what the last byte has left; returns how many bytes there are.
    pub fn align(&mut self) -> usize {
        self.free = 0;
        self.bytes.len()
    }

    /// All bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.shrink_to_fit();
        self.bytes
    }
}

/// Rows of `N` numbers, each column as wide as its widest number.
#[derive(Debug)]
pub struct PackedRows<'a, const N: usize> {
    widths: [u8; N],
    /// Bits of a row.
    stride: usize,
    bits: Cow<'a, [u8]>,
}

impl<'a, const N: usize> PackedRows<'a, N> {
    /// Packs rows.
    pub fn new(rows: impl Iterator<Item = [u32; N]> + Clone) -> Self {
        let mut most = [0; N];
        for row in rows.clone() {
            most.iter_mut().zip(row).for_each(|(most, number)| *most |= number);
        }
        let (widths, stride) = widths(most.map(|most| width(most.into()) as u8));
        let mut writer = Writer::default();
        for (number, width) in rows.flat_map(|row| row.into_iter().zip(widths)) {
            writer.push(number.into(), width.into());
        }
        Self { widths, stride, bits: writer.finish().into() }
    }

    /// What [`bytes`](Self::bytes) was given.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let (first, bits) = bytes.split_first_chunk()?;
        let (widths, stride) = widths(*first);
        Some(Self { widths, stride, bits: bits.into() })
    }

    /// The widths, and the bits.
    pub fn bytes(&self) -> Vec<u8> {
        [self.widths.as_slice(), &self.bits].concat()
    }

    /// Whether it holds nothing but zeros, or nothing.
    pub fn is_empty(&self) -> bool {
        self.stride == 0
    }

    /// A row, or none where there is none.
    pub fn get(&self, row: u32) -> Option<[u32; N]> {
        let mut at = self.stride * row as usize;
        let mut numbers = [0; N];
        for (number, width) in numbers.iter_mut().zip(self.widths) {
            *number = read(&self.bits, at, width.into())? as u32;
            at += usize::from(width);
        }
        Some(numbers)
    }
}

/// The widths of the numbers of a row, and of all of it.
fn widths<const N: usize>(widths: [u8; N]) -> ([u8; N], usize) {
    (widths, widths.iter().map(|width| usize::from(*width)).sum())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(numbers: Vec<(u128, u8)>) {
            let numbers: Vec<_> = numbers.iter().map(|(number, shift)| number >> (shift % 128)).collect();
            let mut writer = Writer::default();
            numbers.iter().for_each(|number| writer.push(*number, width(*number)));
            let bytes = writer.finish();
            let mut at = 0;
            for number in numbers {
                prop_assert_eq!(read(&bytes, at, width(number)), Some(number));
                at += width(number) as usize;
            }
            prop_assert_eq!(read(&bytes, bytes.len() * 8, 1), None);
        }

        #[test]
        fn hostile_widths_are_harmless(bytes: Vec<u8>, row: u32) {
            if let Some(rows) = PackedRows::<2>::from_bytes(&bytes) {
                rows.get(row);
            }
        }
    }

    #[test]
    fn rows_are_as_wide_as_their_numbers() {
        let numbers = [[1, 0, 300], [0, 0, u32::MAX], [1, 0, 0]];
        let rows = PackedRows::new(numbers.into_iter());
        assert_eq!((rows.widths, rows.bits.len()), ([1, 0, 32], (33 * 3_usize).div_ceil(8)));
        let again =
            PackedRows::from_bytes(&rows.bytes()).map(|rows| (0..4).map(|row| rows.get(row)).collect::<Vec<_>>());
        let [first, second, third] = numbers.map(Some);
        assert_eq!(again, Some(vec![first, second, third, None]));
    }
}
