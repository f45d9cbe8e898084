//! Programs as instructions, with one place to bail out to.

use nettop_tests::bpf::{self, Instruction};

/// Registers that calls leave alone.
pub const CONTEXT: u8 = 6;
/// The frame pointer: the stack lies below.
pub const STACK: u8 = 10;
/// `XDP_DROP`, `XDP_PASS`, `XDP_TX` (linux/bpf.h).
pub const DROP: i32 = 1;
/// See [`DROP`].
pub const PASS: i32 = 2;
/// See [`DROP`].
pub const TRANSMIT: i32 = 3;
/// `bpf_map_lookup_elem` (linux/bpf.h).
pub const LOOK_UP: i32 = 1;
/// `bpf_map_update_elem`.
pub const UPDATE: i32 = 2;
/// `bpf_get_prandom_u32`.
pub const PRANDOM: i32 = 7;
/// `bpf_skb_load_bytes`.
pub const LOAD_BYTES: i32 = 26;
/// `bpf_tail_call`.
pub const TAIL_CALL: i32 = 12;

/// A program in the making.
#[derive(Default)]
pub struct Assembly {
    code: Vec<Instruction>,
    /// Jumps to the end.
    bails: Vec<usize>,
}

impl Assembly {
    /// Adds instructions.
    pub fn push(&mut self, instructions: impl IntoIterator<Item = Instruction>) -> &mut Self {
        self.code.extend(instructions);
        self
    }

    /// Adds one that skips so many to the end, which it is not known yet where it is.
    pub fn bail(&mut self, skip: impl FnOnce(i16) -> Instruction) -> &mut Self {
        self.bails.push(self.code.len());
        self.push([skip(0)])
    }

    /// Ends with a verdict, to which everything that bailed out comes too.
    pub fn finish(mut self, verdict: i32) -> Vec<Instruction> {
        let end = self.code.len();
        for at in self.bails {
            // The offset's place in an instruction (linux/bpf.h, `struct bpf_insn`).
            self.code[at] |= ((end - at - 1) as u64) << 16;
        }
        self.code.extend([bpf::mov(0, verdict), bpf::exit()]);
        self.code
    }
}

/// What does nothing.
pub fn empty() -> Vec<Instruction> {
    Assembly::default().finish(PASS)
}
