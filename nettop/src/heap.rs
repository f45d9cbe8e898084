//! Settings of the C library's allocator, so that memory that is free is not kept.
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
