//! The floor of a tick: what reading as many keys out of a hash map costs alone.

use std::{hint::black_box, time::Duration};

use anyhow::{Context as _, Result};
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_PERCPU_HASH;
use nettop_common::{Address, SourceCounters, slots::Key};
use nettop_tests::bpf::map::Map;

use crate::cpu;

/// Elements read or written by one system call: more is no faster.
const BATCH: u32 = 4096;

/// A per-CPU hash of as many keys as there are sources, as nettop would need if it did not count in slots.
pub struct Floor {
    map: Map,
    keys: u32,
}

impl Floor {
    /// Makes and fills it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new(keys: u32) -> Result<Self> {
        let room = keys + keys / 10;
        let map = Map::new(BPF_MAP_TYPE_PERCPU_HASH, size_of::<Key>(), size_of::<SourceCounters>(), room);
        let map = map.context("making a per-CPU hash")?;
        for first in (0..keys).step_by(BATCH as usize) {
            let some: Vec<Key> = (first..keys.min(first + BATCH)).map(|key| Address::from_v4_word(key).0).collect();
            let values = vec![1; some.len() * map.value_size()];
            map.set_many(&some, &values).context("filling a per-CPU hash")?;
        }
        Ok(Self { map, keys })
    }

    /// Reads all of it, and returns the CPU time it took.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn read(&self) -> Result<Duration> {
        let mut keys = 0;
        let (read, _, used) = cpu::time(|| {
            self.map.read_all(BATCH as usize, |some, values| {
                keys += black_box(some).len() / size_of::<Key>();
                black_box(values);
            })
        });
        read.context("reading a per-CPU hash")?;
        anyhow::ensure!(keys == self.keys as usize, "{keys} keys of {}", self.keys);
        Ok(used)
    }
}
