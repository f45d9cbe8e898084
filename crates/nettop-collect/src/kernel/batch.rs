//! Per-CPU hash maps, read many elements at once: a system call for each would cost more than all the rest.

use std::{
    io,
    marker::PhantomData,
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
};

use anyhow::Result;
use aya::maps::MapData;
use bytemuck::{Pod, zeroed_vec};
use nettop_common::slots::Key;

use super::{
    bpf::{self, Batch},
    capacity::possible_cpus,
};

/// Bytes of the values that are read at once.
const AT_ONCE: usize = 256 << 10;
/// Keys that are read at once, at least: as many as may lie in one place of the map.
const LEAST: usize = 64;

/// A map with values of one kind.
pub struct PerCpuHash<V> {
    map: Arc<OwnedFd>,
    /// How many values a key has: one for each possible CPU.
    cpus: usize,
    value: PhantomData<fn() -> V>,
}

impl<V> Clone for PerCpuHash<V> {
    fn clone(&self) -> Self {
        Self { map: self.map.clone(), ..*self }
    }
}

impl<V: Pod> PerCpuHash<V> {
    /// Over a map of the kernel's.
    ///
    /// # Errors
    /// No file descriptor is left; the kernel does not say how many CPUs there may be.
    pub fn new(map: &MapData) -> Result<Self> {
        let map = map.fd().as_fd().try_clone_to_owned()?;
        Ok(Self { map: map.into(), cpus: possible_cpus()?, value: PhantomData })
    }

    /// Calls `each` for every key, with its value on each CPU, until that says that it is enough.
    ///
    /// # Errors
    /// What the kernel says. What was not read by then stays as it is.
    pub fn each(&self, batch: Batch, mut each: impl FnMut(Key, &[V]) -> bool) -> io::Result<()> {
        let mut count = (AT_ONCE / (size_of::<V>() * self.cpus)).max(LEAST);
        let (mut keys, mut values) = (zeroed_vec(count), zeroed_vec(count * self.cpus));
        let mut from = None;
        loop {
            let (found, next) = match bpf::map_batch(self.map.as_fd(), batch, from, (&mut keys, &mut values, self.cpus))
            {
                Ok(found) => found,
                // More keys lie in one place.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                    count *= 2;
                    (keys, values) = (zeroed_vec(count), zeroed_vec(count * self.cpus));
                    continue;
                }
                Err(error) => return Err(error),
            };
            for (key, values) in keys.iter().zip(values.chunks(self.cpus)).take(found) {
                if !each(*key, values) {
                    return Ok(());
                }
            }
            match next {
                Some(next) => from = Some(next),
                None => return Ok(()),
            }
        }
    }
}
