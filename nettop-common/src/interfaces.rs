//! What came by each interface, by class of traffic.
//!
//! A program is attached to several interfaces and shares its maps; which of them a packet came by is an index that the kernel chooses, of
//! any size. So user space gives each interface that it attaches to a place, and tells the program which index has which.

use crate::counters::ByClass;

/// Places. The last is for packets of interfaces that have none.
pub const PLACES: usize = 16;
/// What came by interfaces that have no place of their own.
pub const OTHERS: usize = PLACES - 1;

/// By place: the index of the interface that has it. 0, which no interface has: nobody, as for [`OTHERS`] always.
pub type Indexes = [u32; PLACES];

/// By place: what came.
pub type ByPlace = [ByClass; PLACES];

/// The place of the interface with this index.
#[inline(always)]
pub fn place(index: u32, told: impl Fn(usize) -> u32) -> usize {
    (0..OTHERS).find(|place| told(*place) == index).unwrap_or(OTHERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_has_its_place_or_that_of_all_others() {
        let mut indexes: Indexes = [0; PLACES];
        (indexes[0], indexes[1], indexes[OTHERS - 1]) = (2, 70_000, 9);
        for (name, index, expected) in
            [("the first", 2, 0), ("a large index", 70_000, 1), ("the last", 9, OTHERS - 1), ("none", 3, OTHERS)]
        {
            assert_eq!(place(index, |place| indexes[place]), expected, "{name}");
        }
    }
}
