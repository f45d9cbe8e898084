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

    /// What is `offset` bytes into the element at `index`.
    pub fn field<F: Pod>(&self, index: usize, offset: usize) -> F {
        // SAFETY: `field_at` checked that it lies within the element, and is aligned; a `Pod` is valid for any bits.
        unsafe { self.field_at::<F>(index, offset).read_volatile() }
    }

    /// Overwrites that, which the program must not be using.
    pub fn set_field<F: Pod>(&self, index: usize, offset: usize, value: &F) {
        // SAFETY: as in `field`.
        unsafe { self.field_at::<F>(index, offset).write_volatile(*value) }
    }

    /// Sets the word that is `offset` bytes into the element at `index`, seen by the program after all that was written before.
    pub fn set_word(&self, index: usize, offset: usize, value: u32) {
        // SAFETY: as in `field`; it lives as long as the mapping, and both sides access it whole.
        unsafe { AtomicU32::from_ptr(self.field_at(index, offset)) }.store(value, Ordering::Release);
    }

    fn field_at<F>(&self, index: usize, offset: usize) -> *mut F {
        assert!(offset + size_of::<F>() <= size_of::<T>() && offset.is_multiple_of(align_of::<F>()));
        self.at(index).cast::<u8>().wrapping_add(offset).cast()
    }
}

/// The data of a map of any kind.
pub fn map_data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data) | Map::HashMap(data) | Map::PerCpuHashMap(data) | Map::RingBuf(data) => Some(data),
        _ => None,
    }
}
