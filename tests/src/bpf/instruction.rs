//! eBPF instructions (Linux, Documentation/bpf/standardization/instruction-set.rst), as far as our own programs need them.

use std::os::fd::{AsRawFd as _, BorrowedFd};

/// One instruction, as the kernel wants it on a little-endian machine (linux/bpf.h, `struct bpf_insn`).
pub type Instruction = u64;

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

/// `destination += source`, 64 bits.
pub const fn add_register(destination: u8, source: u8) -> Instruction {
    instruction(0x0f, destination, source, 0, 0)
}

/// `destination -= source`, 64 bits.
pub const fn subtract(destination: u8, source: u8) -> Instruction {
    instruction(0x1f, destination, source, 0, 0)
}

/// `destination &= immediate`, 64 bits.
pub const fn and(destination: u8, immediate: i32) -> Instruction {
    instruction(0x57, destination, 0, 0, immediate)
}

/// `destination <<= immediate`, 64 bits.
pub const fn shift_left(destination: u8, immediate: i32) -> Instruction {
    instruction(0x67, destination, 0, 0, immediate)
}

/// `destination = *(u8 *)(source + offset)`.
pub const fn load8(destination: u8, source: u8, offset: i16) -> Instruction {
    instruction(0x71, destination, source, offset, 0)
}

/// `destination = *(u16 *)(source + offset)`.
pub const fn load16(destination: u8, source: u8, offset: i16) -> Instruction {
    instruction(0x69, destination, source, offset, 0)
}

/// `destination = *(u64 *)(source + offset)`.
pub const fn load64(destination: u8, source: u8, offset: i16) -> Instruction {
    instruction(0x79, destination, source, offset, 0)
}

/// `*(u64 *)(destination + offset) = source`.
pub const fn store64(destination: u8, offset: i16, source: u8) -> Instruction {
    instruction(0x7b, destination, source, offset, 0)
}

/// `*(u32 *)(destination + offset) = immediate`.
pub const fn set32(destination: u8, offset: i16, immediate: u32) -> Instruction {
    instruction(0x62, destination, 0, offset, immediate as i32)
}

/// `destination` = the map of this process's descriptor.
pub fn load_map(destination: u8, map: BorrowedFd<'_>) -> [Instruction; 2] {
    // BPF_PSEUDO_MAP_FD = 1 (linux/bpf.h), in the place of the source register.
    [instruction(0x18, destination, 1, 0, map.as_raw_fd()), 0]
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

/// Skips `count` instructions if `left == immediate`.
pub const fn skip_if(left: u8, immediate: i32, count: i16) -> Instruction {
    instruction(0x15, left, 0, count, immediate)
}

/// Skips `count` instructions if `left != immediate`.
pub const fn skip_unless(left: u8, immediate: i32, count: i16) -> Instruction {
    instruction(0x55, left, 0, count, immediate)
}

/// Skips `count` instructions if `left < immediate`, unsigned.
pub const fn skip_if_less(left: u8, immediate: i32, count: i16) -> Instruction {
    instruction(0xa5, left, 0, count, immediate)
}

/// Skips `count` instructions.
pub const fn skip(count: i16) -> Instruction {
    instruction(0x05, 0, 0, count, 0)
}

/// Skips `count` instructions once it has been here very often: 8 million times, or for 250 ms (BPF_MAY_GOTO, Linux 6.9).
pub const fn may_skip(count: i16) -> Instruction {
    instruction(0xe5, 0, 0, count, 0)
}

/// Calls a helper.
pub const fn call(helper: i32) -> Instruction {
    instruction(0x85, 0, 0, 0, helper)
}

/// Ends the program; its result is in register 0.
pub const fn exit() -> Instruction {
    instruction(0x95, 0, 0, 0, 0)
}
