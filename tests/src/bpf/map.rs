//! Maps that belong to no object file.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use aya_obj::generated::{bpf_cmd, bpf_map_type};
use bytemuck::Pod;

use super::{bpf, empty_attr, owned};

/// A map, until it is dropped.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
    /// Bytes.
    key_size: usize,
    /// Bytes, as user space sees it: one after the other for each possible CPU, in maps that have one for each.
    value_size: usize,
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Map {
    /// A new map; sizes in bytes.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new(kind: bpf_map_type, key_size: usize, value_size: usize, entries: u32) -> io::Result<Self> {
        let mut attr = empty_attr();
        // SAFETY: writing to a field of plain integers in a zeroed union.
        let create = unsafe { &mut attr.__bindgen_anon_1 };
        create.map_type = kind as u32;
        create.key_size = key_size as u32;
        create.value_size = value_size as u32;
        create.max_entries = entries;
        let fd = bpf(bpf_cmd::BPF_MAP_CREATE, &mut attr).map(owned)?;
        let value_size = match kind {
            bpf_map_type::BPF_MAP_TYPE_PERCPU_HASH | bpf_map_type::BPF_MAP_TYPE_PERCPU_ARRAY => {
                let cpus =
                    aya::util::nr_cpus().map_err(|(path, error)| io::Error::other(format!("{path}: {error}")))?;
                cpus * value_size.next_multiple_of(8)
            }
            _ => value_size,
        };
        Ok(Self { fd, key_size, value_size })
    }

    /// Bytes of a value, of all CPUs where each has its own.
    pub fn value_size(&self) -> usize {
        self.value_size
    }

    /// Sets one element.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set(&self, key: &impl Pod, value: &[u8]) -> io::Result<()> {
        let key = bytemuck::bytes_of(key);
        self.expect_sizes(key.len(), value.len(), 1);
        let mut attr = empty_attr();
        // SAFETY: writing to a field of plain integers in a zeroed union.
        let element = unsafe { &mut attr.__bindgen_anon_2 };
        element.map_fd = self.fd.as_raw_fd() as u32;
        element.key = key.as_ptr() as u64;
        element.__bindgen_anon_1.value = value.as_ptr() as u64;
        bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr).map(drop)
    }

    /// Reads one element.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn get(&self, key: &impl Pod) -> io::Result<Vec<u8>> {
        let key = bytemuck::bytes_of(key);
        let mut value = vec![0; self.value_size];
        self.expect_sizes(key.len(), value.len(), 1);
        let mut attr = empty_attr();
        // SAFETY: writing to a field of plain integers in a zeroed union.
        let element = unsafe { &mut attr.__bindgen_anon_2 };
        element.map_fd = self.fd.as_raw_fd() as u32;
        element.key = key.as_ptr() as u64;
        element.__bindgen_anon_1.value = value.as_mut_ptr() as u64;
        bpf(bpf_cmd::BPF_MAP_LOOKUP_ELEM, &mut attr)?;
        Ok(value)
    }

    /// Sets some elements; keys and values one behind the other.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_many<K: Pod>(&self, keys: &[K], values: &[u8]) -> io::Result<()> {
        self.expect_sizes(size_of_val(keys), values.len(), keys.len());
        let mut attr = empty_attr();
        attr.batch.keys = keys.as_ptr() as u64;
        attr.batch.values = values.as_ptr() as u64;
        attr.batch.count = keys.len() as u32;
        attr.batch.map_fd = self.fd.as_raw_fd() as u32;
        bpf(bpf_cmd::BPF_MAP_UPDATE_BATCH, &mut attr).map(drop)
    }

    /// Reads everything, `buffer` elements at once, with `BPF_MAP_LOOKUP_BATCH`; calls `each` with keys and values, one
    /// behind the other.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn read_all(&self, buffer: usize, mut each: impl FnMut(&[u8], &[u8])) -> io::Result<()> {
        let (mut keys, mut values) = (vec![0; buffer * self.key_size], vec![0; buffer * self.value_size]);
        // Where the kernel goes on: opaque, a word for hash maps.
        let (mut from, mut to) = (0u32, 0u32);
        let mut first = true;
        loop {
            let mut attr = empty_attr();
            attr.batch.in_batch = if first { 0 } else { &raw mut from as u64 };
            attr.batch.out_batch = &raw mut to as u64;
            attr.batch.keys = keys.as_mut_ptr() as u64;
            attr.batch.values = values.as_mut_ptr() as u64;
            attr.batch.count = buffer as u32;
            attr.batch.map_fd = self.fd.as_raw_fd() as u32;
            let last = match bpf(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut attr) {
                Ok(_) => false,
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
                Err(error) => return Err(error),
            };
            // SAFETY: the kernel has set this field of the union.
            let count = unsafe { attr.batch.count } as usize;
            each(&keys[..count * self.key_size], &values[..count * self.value_size]);
            if last {
                return Ok(());
            }
            (from, first) = (to, false);
        }
    }

    /// What the kernel would read or write beyond these is memory that is not ours.
    fn expect_sizes(&self, keys: usize, values: usize, count: usize) {
        assert_eq!((keys, values), (count * self.key_size, count * self.value_size), "sizes of key and value");
    }
}
