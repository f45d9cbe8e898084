//! Kernel arrays that are memory-mapped: read and written with no system call.

use std::{
    io,
    marker::PhantomData,
    os::fd::{AsFd as _, BorrowedFd},
    sync::atomic::{AtomicU32, Ordering},
};

use aya::maps::{Map, MapData};
use bytemuck::Pod;
use memmap2::{MmapOptions, MmapRaw};

/// An array map of `T`, shared with the kernel program, which writes while we read: a value that is larger than a word
/// may be half old and half new.
pub struct Mapped<T> {
    memory: MmapRaw,
    len: usize,
    value: PhantomData<T>,
}

impl<T: Pod> Mapped<T> {
    /// Maps an array of `len` elements.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new(map: &MapData, len: usize) -> io::Result<Self> {
        Self::part(map.fd().as_fd(), 0, len)
    }

    /// Maps `len` elements of an array, from `first` on.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn part(map: BorrowedFd<'_>, first: usize, len: usize) -> io::Result<Self> {
        // The kernel rounds an element up to eight bytes.
        const { assert!(size_of::<T>().is_multiple_of(8)) };
        let (offset, bytes) = ((first * size_of::<T>()) as u64, len * size_of::<T>());
        let memory = MmapOptions::new().offset(offset).len(bytes).map_raw(&map)?;
        Ok(Self { memory, len, value: PhantomData })
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.len
    }

    fn at(&self, index: usize) -> *mut T {
        assert!(index < self.len, "element {index} of {}", self.len);
        self.memory.as_mut_ptr().cast::<T>().wrapping_add(index)
    }

    /// The element at `index`.
    pub fn get(&self, index: usize) -> T {
        // SAFETY: `at` checked the bounds, a page is aligned for any `T`, as is every element counted from
        // there, and a `Pod` is valid for any bits.
        unsafe { self.at(index).read_volatile() }
    }

    /// Overwrites the element at `index`, which the program must not be using.
    pub fn set(&mut self, index: usize, value: &T) {
        // SAFETY: as in `get`.
        unsafe { self.at(index).write_volatile(*value) }
    }

    /// The eight bytes that are `offset` bytes into the element at `index`.
    pub fn word64(&self, index: usize, offset: usize) -> u64 {
        assert!(offset + 8 <= size_of::<T>() && offset.is_multiple_of(8));
        // SAFETY: they lie within the element, whose bounds `at` checked, and are aligned.
        unsafe { self.at(index).cast::<u8>().wrapping_add(offset).cast::<u64>().read_volatile() }
    }

    /// Every element.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        (0..self.len).map(|index| self.get(index))
    }

    /// The word of the first element that is `offset` bytes into it.
    pub fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset + 4 <= size_of::<T>() && offset.is_multiple_of(4));
        // SAFETY: the word lies within the first element, is aligned, and lives as long as the mapping; both sides
        // access it whole.
        unsafe { AtomicU32::from_ptr(self.at(0).cast::<u8>().wrapping_add(offset).cast()) }
    }

    /// Sets that word, seen by the program after all that was written before.
    pub fn set_word(&self, offset: usize, value: u32) {
        self.word(offset).store(value, Ordering::Release);
    }
}

/// Adds up the counters of every CPU: element `cpu × n + i` into `sums[i]`.
pub fn sum_cpus(counters: &Mapped<u64>, sums: &mut [u64]) {
    sums.fill(0);
    let width = sums.len();
    for start in (0..counters.len).step_by(width) {
        for (offset, sum) in sums.iter_mut().enumerate() {
            *sum += counters.get(start + offset);
        }
    }
}

/// The data of a map of any kind.
pub fn map_data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data) | Map::RingBuf(data) => Some(data),
        _ => None,
    }
}
