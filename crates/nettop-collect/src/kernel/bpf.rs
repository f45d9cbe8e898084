//! The bpf(2) calls that aya does not have: links without a fallback, link info, many elements of a per-CPU map at once.

use std::{
    io, mem,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_link_info, bpf_prog_info};
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

/// Attaches a program in front of all others to what an interface sends, through a link likewise (tcx: Linux 6.6).
///
/// # Errors
/// What the kernel says: `EINVAL` where it is older.
pub fn tcx_create(program: BorrowedFd<'_>, interface: u32) -> io::Result<OwnedFd> {
    /// `BPF_F_BEFORE` (linux/bpf.h): of all, where no other is named.
    const FIRST: u32 = 1 << 3;
    let mut attr = empty_attr();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.__bindgen_anon_2.target_ifindex = interface;
    attr.link_create.attach_type = bpf_attach_type::BPF_TCX_EGRESS as u32;
    attr.link_create.flags = FIRST;
    let fd = bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr)?;
    // SAFETY: on success the result is a new file descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Links a program to what it iterates over, which is run through whenever somebody asks for an [`iterator`].
///
/// # Errors
/// What the kernel says.
pub fn iterator_link(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attr = empty_attr();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.attach_type = bpf_attach_type::BPF_TRACE_ITER as u32;
    let fd = bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr)?;
    // SAFETY: on success the result is a new file descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// A run through what the program of a link iterates over, to be read. Needs no capability.
///
/// # Errors
/// What the kernel says.
pub fn iterator(link: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attr = empty_attr();
    attr.iter_create.link_fd = link.as_raw_fd() as u32;
    let fd = bpf(bpf_cmd::BPF_ITER_CREATE, &mut attr)?;
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

/// How often a program was skipped, since it was running already on that CPU. Needs no capability.
///
/// # Errors
/// What the kernel says.
pub fn program_misses(program: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(program_info(program)?.recursion_misses)
}

/// How often the kernel has measured a program, and how many nanoseconds these runs took in all: unless somebody asks for
/// it (sysctl `kernel.bpf_stats_enabled`, or `BPF_ENABLE_STATS`), it does not. Needs no capability.
///
/// # Errors
/// What the kernel says.
pub fn program_runs(program: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    let info = program_info(program)?;
    Ok((info.run_cnt, info.run_time_ns))
}

fn program_info(program: BorrowedFd<'_>) -> io::Result<bpf_prog_info> {
    // SAFETY: plain integers, for which zero is valid; no buffers are asked to be filled.
    let mut info: bpf_prog_info = unsafe { mem::zeroed() };
    let mut attr = empty_attr();
    attr.info.bpf_fd = program.as_raw_fd() as u32;
    attr.info.info_len = size_of::<bpf_prog_info>() as u32;
    attr.info.info = &raw mut info as u64;
    bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(info)
}

/// What is done with the elements of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Batch {
    /// They are read.
    Read,
    /// And removed.
    Remove,
}

/// A place in a hash map, where the kernel goes on: opaque.
pub type Cursor = u32;

/// Reads elements of a per-CPU hash map, from a place on or from the beginning, into `keys` and `values`: of each key one value for each
/// of `cpus` possible CPUs. Returns how many there were, and where it goes on; `None`: these were the last.
///
/// # Errors
/// What the kernel says; `ENOSPC`: there is room for fewer than may lie in one place.
pub fn map_batch<K: Pod, V: Pod>(
    map: BorrowedFd<'_>,
    batch: Batch,
    mut from: Option<Cursor>,
    (keys, values, cpus): (&mut [K], &mut [V], usize),
) -> io::Result<(usize, Option<Cursor>)> {
    // The kernel rounds a value of a CPU up to eight bytes.
    const { assert!(size_of::<V>().is_multiple_of(8)) };
    assert_eq!(values.len(), keys.len() * cpus, "a value for each key and CPU");
    let command = match batch {
        Batch::Read => bpf_cmd::BPF_MAP_LOOKUP_BATCH,
        Batch::Remove => bpf_cmd::BPF_MAP_LOOKUP_AND_DELETE_BATCH,
    };
    let mut to: Cursor = 0;
    let mut attr = empty_attr();
    attr.batch.in_batch = from.as_mut().map_or(0, |from| &raw mut *from as u64);
    attr.batch.out_batch = &raw mut to as u64;
    attr.batch.keys = keys.as_mut_ptr() as u64;
    attr.batch.values = values.as_mut_ptr() as u64;
    attr.batch.count = keys.len() as u32;
    attr.batch.map_fd = map.as_raw_fd() as u32;
    let next = match bpf(command, &mut attr) {
        Ok(_) => Some(to),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => None,
        Err(error) => return Err(error),
    };
    // SAFETY: the kernel has set this field of the union.
    Ok((unsafe { attr.batch.count } as usize, next))
}
