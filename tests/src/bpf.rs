//! The bpf(2) calls that aya does not have: programs written as instructions, run over live frames.

mod instruction;
pub mod map;
mod netlink;

use std::{
    io, mem,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use aya::programs::{ProgramError, ProgramInfo, loaded_programs};
use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_attr__bindgen_ty_4, bpf_cmd, bpf_prog_type};

pub use self::{
    instruction::*,
    netlink::{Links, set_xdp},
};

/// `BPF_F_TEST_XDP_LIVE_FRAMES` (linux/bpf.h).
const LIVE_FRAMES: u32 = 1 << 1;
/// `BPF_F_XDP_HAS_FRAGS` (linux/bpf.h).
const HAS_FRAGS: u32 = 1 << 5;
/// `XDP_FLAGS_DRV_MODE` (linux/if_link.h).
const DRIVER: u32 = 1 << 2;

fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<libc::c_long> {
    // SAFETY: every caller fills in the part of `attr` that belongs to `command`, with pointers that outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attr, size_of::<bpf_attr>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn empty_attr() -> bpf_attr {
    // SAFETY: a union of plain integers, for which zero is valid; the kernel demands zeros in what is unused.
    unsafe { mem::zeroed() }
}

fn owned(fd: libc::c_long) -> OwnedFd {
    // SAFETY: callers pass what a successful call has just returned: a new descriptor, which nobody else owns.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// Loads an XDP program, which takes multi-buffer frames as nettop does: only such programs can be tail-called by each other.
///
/// # Errors
/// What the kernel says, with the end of the verifier's log where there is one.
pub fn load_xdp(program: &[Instruction]) -> io::Result<OwnedFd> {
    let kind = bpf_prog_type::BPF_PROG_TYPE_XDP;
    load(program, kind, |load| {
        load.expected_attach_type = bpf_attach_type::BPF_XDP as u32;
        load.prog_flags = HAS_FRAGS;
    })
}

/// Loads a classifier, as it is attached to what an interface sends.
///
/// # Errors
/// As for [`load_xdp`].
pub fn load_classifier(program: &[Instruction]) -> io::Result<OwnedFd> {
    load(program, bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS, |_| {})
}

/// Loads a filter for sockets: its result is how many bytes of the packet the socket gets.
///
/// # Errors
/// As for [`load_xdp`].
pub fn load_socket_filter(program: &[Instruction]) -> io::Result<OwnedFd> {
    load(program, bpf_prog_type::BPF_PROG_TYPE_SOCKET_FILTER, |_| {})
}

fn load(
    program: &[Instruction],
    kind: bpf_prog_type,
    more: impl FnOnce(&mut bpf_attr__bindgen_ty_4),
) -> io::Result<OwnedFd> {
    let license = c"Dual MIT/GPL";
    let mut log = vec![0u8; 1 << 16];
    let mut attr = empty_attr();
    // SAFETY: writing to a field of plain integers in a zeroed union.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = kind as u32;
    more(load);
    load.insns = program.as_ptr() as u64;
    load.insn_cnt = program.len() as u32;
    load.license = license.as_ptr() as u64;
    load.log_level = 1;
    load.log_buf = log.as_mut_ptr() as u64;
    load.log_size = log.len() as u32;
    let fd = bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr).map_err(|error| {
        let text = String::from_utf8_lossy(&log);
        let text = text.trim_end_matches(['\0', '\n']);
        let last = text.rsplit('\n').nth(1).unwrap_or(text);
        if last.is_empty() { error } else { io::Error::new(error.kind(), format!("{error} ({last})")) }
    })?;
    Ok(owned(fd))
}

/// Attaches an XDP program to an interface of the calling thread's network namespace, natively, until what is returned is
/// dropped.
///
/// # Errors
/// What the kernel says.
pub fn attach_xdp(program: BorrowedFd<'_>, interface: u32) -> io::Result<OwnedFd> {
    let mut attr = empty_attr();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.__bindgen_anon_2.target_ifindex = interface;
    attr.link_create.attach_type = bpf_attach_type::BPF_XDP as u32;
    attr.link_create.flags = DRIVER;
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).map(owned)
}

/// Attaches a classifier to what an interface of the calling thread's network namespace sends, behind those that are there, until what is returned is
/// dropped.
///
/// # Errors
/// What the kernel says.
pub fn attach_egress(program: BorrowedFd<'_>, interface: u32) -> io::Result<OwnedFd> {
    let mut attr = empty_attr();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.__bindgen_anon_2.target_ifindex = interface;
    attr.link_create.attach_type = bpf_attach_type::BPF_TCX_EGRESS as u32;
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).map(owned)
}

/// Detaches every link to a program from wherever it is attached, whoever holds it: as `bpftool link detach` does.
///
/// # Errors
/// What the kernel says.
pub fn detach_links_of(program: u32) -> io::Result<()> {
    let ours = |link: &aya::programs::links::LinkInfo| link.program_id() == program;
    for link in aya::programs::loaded_links().filter_map(Result::ok).filter(ours) {
        let mut attr = empty_attr();
        attr.__bindgen_anon_6.__bindgen_anon_1.link_id = link.id();
        let link = bpf(bpf_cmd::BPF_LINK_GET_FD_BY_ID, &mut attr).map(owned)?;
        let mut attr = empty_attr();
        attr.link_detach.link_fd = link.as_raw_fd() as u32;
        bpf(bpf_cmd::BPF_LINK_DETACH, &mut attr)?;
    }
    Ok(())
}

/// The loaded programs that use a map which this one uses, in the order in which they were loaded; itself among them.
///
/// # Errors
/// What the kernel says; if there is no such program, there is none beside it.
pub fn programs_beside(program: u32) -> Result<Vec<ProgramInfo>, ProgramError> {
    let maps = |program: &ProgramInfo| program.map_ids().map(Option::unwrap_or_default);
    let all: Vec<_> = loaded_programs().filter_map(Result::ok).collect();
    let own = all.iter().find(|other| other.id() == program).map_or(Ok(Vec::new()), maps)?;
    // Others may have gone by now.
    let is_beside = |other: &ProgramInfo| maps(other).is_ok_and(|maps| maps.iter().any(|map| own.contains(map)));
    let mut beside: Vec<_> = all.into_iter().filter(is_beside).collect();
    beside.sort_unstable_by_key(ProgramInfo::loaded_at);
    Ok(beside)
}

/// Runs an XDP program `count` times over one frame, which is on no interface; the program may change it for the run after.
/// Returns the last verdict.
///
/// # Errors
/// What the kernel says.
pub fn run(program: BorrowedFd<'_>, frame: &[u8], count: u32) -> io::Result<u32> {
    let mut attr = empty_attr();
    attr.test.prog_fd = program.as_raw_fd() as u32;
    attr.test.data_in = frame.as_ptr() as u64;
    attr.test.data_size_in = frame.len() as u32;
    attr.test.repeat = count;
    bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr)?;
    // SAFETY: the kernel has filled in this part of the union.
    Ok(unsafe { attr.test.retval })
}

/// Runs an XDP program `count` times over real copies of `frame`, as if they had arrived on an interface of the calling
/// thread's network namespace: what the program transmits leaves there.
///
/// # Errors
/// What the kernel says.
pub fn run_live(program: BorrowedFd<'_>, frame: &[u8], interface: u32, count: u32) -> io::Result<()> {
    /// `struct xdp_md` (linux/bpf.h).
    #[repr(C)]
    struct Context {
        data: u32,
        data_end: u32,
        data_meta: u32,
        ingress_ifindex: u32,
        rx_queue_index: u32,
        egress_ifindex: u32,
    }
    let context = Context {
        data: 0,
        data_end: frame.len() as u32,
        data_meta: 0,
        ingress_ifindex: interface,
        rx_queue_index: 0,
        egress_ifindex: 0,
    };
    let mut attr = empty_attr();
    attr.test.prog_fd = program.as_raw_fd() as u32;
    attr.test.data_in = frame.as_ptr() as u64;
    attr.test.data_size_in = frame.len() as u32;
    attr.test.ctx_in = &raw const context as u64;
    attr.test.ctx_size_in = size_of::<Context>() as u32;
    attr.test.repeat = count;
    attr.test.flags = LIVE_FRAMES;
    attr.test.batch_size = 64;
    bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr).map(drop)
}
