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

/// Numbers of a column that are wider than it, at most.
const MOST_WIDE: u64 = 64;
/// Bytes of one of these in a file.
const WIDE: usize = 9;

/// Rows of `N` numbers. Each column is as wide as its widest number, but for a few that would make all others wider.
#[derive(Debug)]
pub struct PackedRows<'a, const N: usize> {
    widths: [u8; N],
    /// Bits of a row.
    stride: usize,
    /// Numbers that are wider than their column, by row and column, in order; there the column has nothing but ones.
    wide: Vec<((u32, u8), u32)>,
    bits: Cow<'a, [u8]>,
}

impl<'a, const N: usize> PackedRows<'a, N> {
    /// Packs rows.
    pub fn new(rows: impl Iterator<Item = [u32; N]> + Clone) -> Self {
        let mut of_width = [[0_u64; 33]; N];
        for row in rows.clone() {
            of_width.iter_mut().zip(row).for_each(|(counts, number)| counts[width(number.into()) as usize] += 1);
        }
        let (widths, stride) = widths(of_width.map(|counts| narrowest(&counts)));
        let (mut writer, mut wide) = (Writer::default(), Vec::new());
        for (at, row) in (0_u32..).zip(rows) {
            for ((number, bits), column) in row.into_iter().zip(widths).zip(0_u8..) {
                let most = ones(bits);
                if number > most {
                    wide.push(((at, column), number));
                }
                writer.push(number.min(most).into(), bits.into());
            }
        }
        Self { widths, stride, wide, bits: writer.finish().into() }
    }

    /// What [`bytes`](Self::bytes) was given.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first_chunk()?;
        let (&count, rest) = rest.split_first_chunk()?;
        let (wide, bits) = rest.split_at_checked(usize::from(u16::from_le_bytes(count)) * WIDE)?;
        let wide = wide.as_chunks().0.iter().map(|&[a, b, c, d, column, e, f, g, h]: &[u8; WIDE]| {
            ((u32::from_le_bytes([a, b, c, d]), column), u32::from_le_bytes([e, f, g, h]))
        });
        let (widths, stride) = widths(*first);
        Some(Self { widths, stride, wide: wide.collect(), bits: bits.into() })
    }

    /// The widths, the wide numbers after how many they are, and the bits.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.widths.to_vec();
        // Of each column there are few.
        bytes.extend((self.wide.len() as u16).to_le_bytes());
        for ((row, column), number) in &self.wide {
            bytes.extend(row.to_le_bytes());
            bytes.push(*column);
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.bits);
        bytes
    }

    /// Whether it holds nothing but zeros, or nothing.
    pub fn is_empty(&self) -> bool {
        self.stride == 0
    }

    /// A row, or none where there is none.
    pub fn get(&self, row: u32) -> Option<[u32; N]> {
        let mut at = self.stride * row as usize;
        let mut numbers = [0; N];
        for ((number, width), column) in numbers.iter_mut().zip(self.widths).zip(0_u8..) {
            *number = read(&self.bits, at, width.into())? as u32;
            at += usize::from(width);
            if *number == ones(width)
                && let Ok(found) = self.wide.binary_search_by_key(&(row, column), |(at, _)| *at)
            {
                *number = self.wide[found].1;
            }
        }
        Some(numbers)
    }
}

/// The most that so many bits hold.
fn ones(width: u8) -> u32 {
    u32::MAX.checked_shr(u32::BITS - u32::from(width).min(u32::BITS)).unwrap_or(0)
}

/// Of a column, in which there are so many numbers of each width, the width that takes the fewest bytes.
fn narrowest(counts: &[u64; 33]) -> u8 {
    let rows: u64 = counts.iter().sum();
    let bytes = |width: u8| {
        let wide: u64 = counts[usize::from(width) + 1..].iter().sum();
        (wide <= MOST_WIDE).then_some((rows * u64::from(width) / 8 + wide * WIDE as u64, wide, width))
    };
    (0..=32).filter_map(bytes).min().map_or(32, |(.., width)| width)
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
    #[test]
    fn a_few_wide_numbers_make_no_column_wider() {
        for (wide, expected) in [(0, 3), (1, 3), (64, 3), (65, 32)] {
            let numbers =
                (0..10_000_u32).map(|row| [if row % 100 == 7 && row / 100 < wide { u32::MAX - row } else { row % 8 }]);
            let rows = PackedRows::new(numbers.clone());
            assert_eq!(rows.widths, [expected], "{wide}");
            let bytes = rows.bytes();
            let again = PackedRows::<1>::from_bytes(&bytes).unwrap();
            assert!(
                (0..).zip(numbers).all(|(row, number)| rows.get(row) == Some(number) && again.get(row) == Some(number))
            );
            assert_eq!(again.get(10_000), None);
        }
    }
}
