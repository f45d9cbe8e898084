//! The bpf(2) calls that aya does not have: programs written as instructions, run over live frames.

use std::{
    io, mem,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_prog_type};

/// One instruction, as the kernel wants it on a little-endian machine (linux/bpf.h, `struct bpf_insn`).
pub type Instruction = u64;

/// `BPF_F_TEST_XDP_LIVE_FRAMES` (linux/bpf.h).
const LIVE_FRAMES: u32 = 1 << 1;

const fn instruction(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Instruction {
    code as u64
        | ((destination | source << 4) as u64) << 8
        | (offset as u16 as u64) << 16
        | (immediate as u32 as u64) << 32
}

/// `destination = immediate`.
pub const fn mov(destination: u8, immediate: i32) -> Instruction {
    instruction(0xb7, destination, 0, 0, immediate)
}

/// `destination = source`.
pub const fn copy(destination: u8, source: u8) -> Instruction {
    instruction(0xbf, destination, source, 0, 0)
}

/// `destination += immediate`, 64 bits.
pub const fn add(destination: u8, immediate: i32) -> Instruction {
    instruction(0x07, destination, 0, 0, immediate)
}

/// `destination += immediate`, 32 bits.
pub const fn add32(destination: u8, immediate: u32) -> Instruction {
    instruction(0x04, destination, 0, 0, immediate as i32)
}

/// `destination %= immediate`, 32 bits, unsigned.
pub const fn modulo32(destination: u8, immediate: u32) -> Instruction {
    instruction(0x94, destination, 0, 0, immediate as i32)
}

/// The low 32 bits of `destination` in network byte order.
pub const fn big_endian32(destination: u8) -> Instruction {
    instruction(0xdc, destination, 0, 0, 32)
}

/// `destination = *(u32 *)(source + offset)`.
pub const fn load32(destination: u8, source: u8, offset: i16) -> Instruction {
    instruction(0x61, destination, source, offset, 0)
}

/// `*(u32 *)(destination + offset) = source`.
pub const fn store32(destination: u8, offset: i16, source: u8) -> Instruction {
    instruction(0x63, destination, source, offset, 0)
}

/// Skips `count` instructions if `left > right`.
pub const fn skip_if_greater(left: u8, right: u8, count: i16) -> Instruction {
    instruction(0x2d, left, right, count, 0)
}

/// Calls a helper.
pub const fn call(helper: i32) -> Instruction {
    instruction(0x85, 0, 0, 0, helper)
}

/// Ends the program; its result is in register 0.
pub const fn exit() -> Instruction {
    instruction(0x95, 0, 0, 0, 0)
}

fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<libc::c_long> {
    // SAFETY: every caller fills in the part of `attr` that belongs to `command`, with pointers that outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attr, size_of::<bpf_attr>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn empty_attr() -> bpf_attr {
    // SAFETY: a union of plain integers, for which zero is valid; the kernel demands zeros in what is unused.
    unsafe { mem::zeroed() }
}

/// Loads an XDP program.
///
/// # Errors
/// What the kernel says, with the end of the verifier's log where there is one.
pub fn load_xdp(program: &[Instruction]) -> io::Result<OwnedFd> {
    let license = c"Dual MIT/GPL";
    let mut log = vec![0u8; 1 << 16];
    let mut attr = empty_attr();
    // SAFETY: writing to a field of plain integers in a zeroed union.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = bpf_prog_type::BPF_PROG_TYPE_XDP as u32;
    load.expected_attach_type = bpf_attach_type::BPF_XDP as u32;
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
    // SAFETY: on success the result is a new file descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
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
