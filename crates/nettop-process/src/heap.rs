//! How memory is taken: by the C library's allocator, so that what is free is not kept, and by what may become large.
//!
//! A flood has tables grow to tens of megabytes and be copied when they do. By default glibc then takes every large block,
//! once one was freed, from the heap, where what is freed stays; and gives every thread a heap of its own. Measured
//! under a flood from random sources: 161 MiB resident as it comes, 116 MiB so.

/// Blocks from this size on, in bytes, are mapped one by one, and unmapped when they are freed.
#[cfg(target_env = "gnu")]
const MAPPED: libc::c_int = 256 << 10;

/// Sets them. To be called before there are threads.
#[cfg(target_env = "gnu")]
pub fn keep_small() {
    for (setting, value) in [(libc::M_MMAP_THRESHOLD, MAPPED), (libc::M_ARENA_MAX, 1)] {
        // SAFETY: plain integers. Where it does not know a setting, nothing changes.
        unsafe { libc::mallopt(setting, value) };
    }
}

/// Other C libraries have no such settings.
#[cfg(not(target_env = "gnu"))]
pub fn keep_small() {}

/// Gives back what is free between what is in use: after the types of the kernel were read, eleven MiB of small blocks.
#[cfg(target_env = "gnu")]
pub fn give_back() {
    // SAFETY: it takes no pointer, and leaves what is in use as it is.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries cannot be told to.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}

/// Makes room for one more in what may become large: for a sixteenth more, not for twice as many. The kernel moves a large
/// block by its page table, so that growing more often costs little.
pub fn make_room<T>(rows: &mut Vec<T>) {
    if rows.len() == rows.capacity() {
        rows.reserve_exact((rows.len() / 16).max(4));
    }
}
