//! Looking for the block of a source.

use nettop_common::{Address, blocks::BlockKey, cpu::State};

use crate::{
    account::clock_ns,
    maps::{BLOCK_SETS, BLOCKS, DROPPED},
};

/// Whether a packet from `source` is to be dropped now, by a set of blocks; then counts it for its block.
/// `first`: where this CPU's counters begin.
// No function of its own, whose return some processors take longer for than for all of this (safe RET, against Spectre).
#[inline(always)]
pub fn is_blocked(set: u32, source: &Address, state: &mut State, first: u32) -> bool {
    let Some(set) = BLOCK_SETS.get(set) else { return false };
    set.candidates(source, |key| drops(key, state, first))
}

#[inline(always)]
fn drops(key: &BlockKey, state: &mut State, first: u32) -> bool {
    let Some(block) = BLOCKS.get_ptr(key) else { return false };
    // SAFETY: a map value stays valid while the program runs; user space replaces it whole, or each of its words.
    let (until_ns, id) = unsafe { ((&raw const (*block).until_ns).read_volatile(), (*block).id) };
    if until_ns <= clock_ns(state) {
        return false;
    }
    if let Some(dropped) = DROPPED.get_ptr_mut(first.wrapping_add(id)) {
        // SAFETY: as above, and this CPU alone counts there.
        unsafe { *dropped += 1 };
    }
    true
}
