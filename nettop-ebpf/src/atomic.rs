//! `BPF_ATOMIC | BPF_ADD` (Linux, Documentation/bpf/standardization): the target has it, but not all that Rust's atomics need.

use core::arch::asm;

/// Adds to a word.
///
/// # Safety
/// The word is valid, and only counted in so.
#[inline(always)]
pub unsafe fn add(word: *mut u64, number: u64) {
    // SAFETY: as the caller promises.
    unsafe { asm!("lock *(u64 *)({word} + 0) += {number}", word = in(reg) word, number = in(reg) number) };
}

/// Adds to a word, and returns what it was before.
///
/// # Safety
/// As for [`add`].
#[inline(always)]
pub unsafe fn fetch_add(word: *mut u64, number: u64) -> u64 {
    let mut before = number;
    // SAFETY: as the caller promises.
    unsafe {
        asm!("{before} = atomic_fetch_add((u64 *)({word} + 0), {before})", word = in(reg) word, before = inout(reg) before);
    }
    before
}
