//! Sorting hundreds of thousands of small records by a number, as floods bring them.

use std::mem;

/// Bits of a digit: two of them are an IPv4 prefix of 24 bits.
const DIGIT: u32 = 12;
const DIGITS: usize = 1 << DIGIT;
/// Fewer records are sorted sooner by comparing them than all possible digits are counted.
const FEW: usize = 512;

/// Sorts by numbers of which only the lowest `bits` may be set; equal records stay in their order. `spare` is room for as many
/// records, and holds nothing of use before or after.
pub fn sort_by_key<T: Copy + Default>(records: &mut Vec<T>, spare: &mut Vec<T>, bits: u32, key: impl Fn(&T) -> u64) {
    if records.len() < FEW {
        return records.sort_by_key(key);
    }
    spare.resize(records.len(), T::default());
    // By the lowest digit first: each pass keeps the order of the one before (Knuth, volume 3, 5.2.5).
    for shift in (0..bits).step_by(DIGIT as usize) {
        let digit = |record: &T| (key(record) >> shift) as usize % DIGITS;
        let mut starts = [0_u32; DIGITS];
        records.iter().for_each(|record| starts[digit(record)] += 1);
        let mut next = 0;
        starts.iter_mut().for_each(|start| next += mem::replace(start, next));
        for record in records.iter() {
            let place = &mut starts[digit(record)];
            spare[*place as usize] = *record;
            *place += 1;
        }
        mem::swap(records, spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_where_the_library_puts_them() {
        let mut state = 1_u64;
        for (name, bits, length) in [
            ("none", 32, 0),
            ("one", 32, 1),
            ("few records", 32, FEW as u32 - 1),
            ("a few more", 32, FEW as u32),
            ("few numbers", 3, 1000),
            ("a /24", 24, 9000),
            ("a /48", 48, 9000),
            ("all bits", 64, 999),
        ] {
            let mut next = || {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                state >> (64 - bits)
            };
            let records: Vec<(u64, u32)> = (0..length).map(|at| (next(), at)).collect();
            let (mut ours, mut theirs) = (records.clone(), records);
            sort_by_key(&mut ours, &mut vec![(7, 7); 3], bits, |(number, _)| *number);
            theirs.sort_by_key(|(number, _)| *number);
            assert_eq!(ours, theirs, "{name}");
        }
    }
}
