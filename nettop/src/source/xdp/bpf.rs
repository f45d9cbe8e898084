//! The bpf(2) calls that aya does not have: batched look-ups, look-up-and-delete, links without a fallback, link info.

use std::{
    io, mem,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_link_info};
use bytemuck::Pod;

/// Calls bpf(2).
fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<libc::c_long> {
    // SAFETY: every caller fills in the part of `attr` that belongs to `command`, with pointers that outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attr, size_of::<bpf_attr>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn empty_attr() -> bpf_attr {
    // SAFETY: a union of plain integers, for which zero is valid; the kernel demands zeros in what is unused.
    unsafe { mem::zeroed() }
}

/// Where an XDP link's program runs: `XDP_FLAGS_*` (linux/if_link.h).
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum XdpFlags {
    /// In the network stack.
    Skb = 1 << 1,
    /// In the driver.
    Driver = 1 << 2,
}

/// Attaches an XDP program to an interface through a link, which detaches it when closed: also when this process is
/// killed. aya's attach would fall back to netlink, whose attachment stays behind.
///
/// # Errors
/// What the kernel says: `EBUSY`/`EEXIST` another program, `EOPNOTSUPP`/`ERANGE` refused by the driver, …
pub fn link_create(program: BorrowedFd<'_>, interface: u32, flags: XdpFlags) -> io::Result<OwnedFd> {
    let mut attr = empty_attr();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.__bindgen_anon_2.target_ifindex = interface;
    attr.link_create.attach_type = bpf_attach_type::BPF_XDP as u32;
    attr.link_create.flags = flags as u32;
    let fd = bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr)?;
    // SAFETY: on success the result is a new file descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// The index of the interface a link is attached to; 0 once the interface is gone or the link was detached.
///
/// # Errors
/// What the kernel says.
pub fn link_interface(link: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: plain integers, for which zero is valid.
    let mut info: bpf_link_info = unsafe { mem::zeroed() };
    let mut attr = empty_attr();
    attr.info.bpf_fd = link.as_raw_fd() as u32;
    attr.info.info_len = size_of::<bpf_link_info>() as u32;
    attr.info.info = &raw mut info as u64;
    bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    // SAFETY: the link is an XDP link, of which the kernel fills in this part of the union.
    Ok(unsafe { info.__bindgen_anon_1.xdp.ifindex })
}

/// Reads per-CPU hash maps whole, many entries per call; its buffers are reused.
pub struct BatchReader {
    cpus: usize,
    keys: Vec<u64>,
    values: Vec<u64>,
}

/// Entries per call at the start. Larger buffers fall out of the CPU's cache and are slower.
const BATCH: usize = 1024;

impl BatchReader {
    /// `cpus`: the number of possible CPUs, which is how many values the kernel copies per entry.
    pub fn new(cpus: usize) -> Self {
        Self { cpus, keys: Vec::new(), values: Vec::new() }
    }

    /// The number of possible CPUs.
    pub fn cpus(&self) -> usize {
        self.cpus
    }

    /// Calls `each` once for every entry, with the values of all CPUs. One inserted meanwhile may be missed.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn for_each<K: Pod, V: Pod>(&mut self, map: BorrowedFd<'_>, mut each: impl FnMut(K, &[V])) -> io::Result<()> {
        // The kernel copies values at a stride of eight bytes.
        const { assert!(size_of::<V>().is_multiple_of(8) && align_of::<V>() <= 8 && align_of::<K>() <= 8) };
        let value_words = size_of::<V>() / 8 * self.cpus;
        let mut capacity = BATCH;
        let (mut cursor, mut next_cursor) = (0u32, 0u32);
        let mut first = true;
        loop {
            self.keys.resize((capacity * size_of::<K>()).div_ceil(8), 0);
            self.values.resize(capacity * value_words, 0);
            let mut attr = empty_attr();
            attr.batch.map_fd = map.as_raw_fd() as u32;
            attr.batch.in_batch = if first { 0 } else { &raw mut cursor as u64 };
            attr.batch.out_batch = &raw mut next_cursor as u64;
            attr.batch.keys = self.keys.as_mut_ptr() as u64;
            attr.batch.values = self.values.as_mut_ptr() as u64;
            attr.batch.count = capacity as u32;
            let last = match bpf(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut attr) {
                Ok(_) => false,
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
                // One bucket of the hash holds more entries than fit.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                    capacity *= 2;
                    continue;
                }
                Err(error) => return Err(error),
            };
            // SAFETY: the kernel has written how many entries it copied.
            let count = unsafe { attr.batch.count } as usize;
            let keys = bytemuck::cast_slice::<u64, u8>(&self.keys).chunks_exact(size_of::<K>());
            let values = self.values.chunks_exact(value_words);
            for (key, value) in keys.zip(values).take(count) {
                each(bytemuck::pod_read_unaligned(key), bytemuck::cast_slice(value));
            }
            if last {
                return Ok(());
            }
            cursor = next_cursor;
            first = false;
        }
    }

    /// Removes an entry and returns its final values of all CPUs; `None`: there is no such entry.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn take<K: Pod, V: Pod>(&mut self, map: BorrowedFd<'_>, key: &K) -> io::Result<Option<&[V]>> {
        let value_words = size_of::<V>() / 8 * self.cpus;
        self.values.resize(self.values.len().max(value_words), 0);
        let mut attr = empty_attr();
        // SAFETY: writing to a field of plain integers in a zeroed union.
        let element = unsafe { &mut attr.__bindgen_anon_2 };
        element.map_fd = map.as_raw_fd() as u32;
        element.key = &raw const *key as u64;
        element.__bindgen_anon_1.value = self.values.as_mut_ptr() as u64;
        match bpf(bpf_cmd::BPF_MAP_LOOKUP_AND_DELETE_ELEM, &mut attr) {
            Ok(_) => Ok(Some(bytemuck::cast_slice(&self.values[..value_words]))),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
