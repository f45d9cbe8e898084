//! A large array of the kernel's, of which only what is in use is mapped.
//!
//! The kernel enters every page of an array into the page table when it is mapped, so that all of it is resident at once. Nor
//! can pages be given back by madvise(2): there is no handler that would bring them in again, and touching one is SIGBUS.

use std::{
    io,
    marker::PhantomData,
    ops::Range,
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
};

use aya::maps::MapData;
use bytemuck::Pod;

use super::mapped::Mapped;

/// Bytes of a window at least: less than a page saves nothing.
const LEAST: usize = 4096;
/// Windows of an array at most: a process may have 65,530 mappings.
const MOST: usize = 4096;

/// An array in windows, each of which is mapped when something in it is asked for.
pub struct Windows<T> {
    array: Array<T>,
    /// Elements in a window.
    width: usize,
    windows: Vec<Option<Window<T>>>,
}

/// Such an array, of which nothing is mapped: for whoever maps what he needs.
pub struct Array<T> {
    map: Arc<OwnedFd>,
    /// Elements.
    len: usize,
    element: PhantomData<T>,
}

impl<T> Clone for Array<T> {
    fn clone(&self) -> Self {
        Self { map: self.map.clone(), len: self.len, element: PhantomData }
    }
}

impl<T: Pod> Array<T> {
    /// Maps a range for the caller alone.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn map(&self, range: Range<usize>) -> io::Result<Mapped<T>> {
        assert!(range.end <= self.len, "{range:?} of {}", self.len);
        Mapped::part(self.map.as_fd(), range.start, range.len())
    }
}

struct Window<T> {
    mapped: Mapped<T>,
    /// Asked for since the newest call of [`Windows::rest`].
    used: bool,
}

impl<T: Pod> Windows<T> {
    /// Over an array of `len` elements, none of them mapped yet. No range that will be asked for crosses a multiple of
    /// `group`, a power of two.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub fn new(map: &MapData, len: usize, group: usize) -> io::Result<Self> {
        let map = map.fd().as_fd().try_clone_to_owned()?;
        let width = group.max(LEAST / size_of::<T>()).max(len.div_ceil(MOST)).next_power_of_two();
        let windows = (0..len.div_ceil(width)).map(|_| None).collect();
        Ok(Self { array: Array { map: Arc::new(map), len, element: PhantomData }, width, windows })
    }

    /// What has this range, and where in it the range is.
    ///
    /// # Errors
    /// When the kernel refuses to map it.
    pub fn get(&mut self, range: &Range<usize>) -> io::Result<(&mut Mapped<T>, Range<usize>)> {
        let (at, first) = (range.start / self.width, range.start / self.width * self.width);
        let len = self.array.len;
        assert!(range.end <= len.min(first + self.width), "{range:?} of {len}, in windows of {}", self.width);
        let window = match &mut self.windows[at] {
            Some(window) => window,
            none => {
                let mapped = self.array.map(first..len.min(first + self.width))?;
                none.insert(Window { mapped, used: false })
            }
        };
        window.used = true;
        Ok((&mut window.mapped, range.start - first..range.end - first))
    }

    /// The array itself.
    pub fn array(&self) -> Array<T> {
        self.array.clone()
    }

    /// Unmaps what was not asked for since the last call.
    pub fn rest(&mut self) {
        for window in &mut self.windows {
            *window = window.take().filter(|window| window.used);
            if let Some(window) = window {
                window.used = false;
            }
        }
    }
}
