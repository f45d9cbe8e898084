//! Distinct sources in bounded memory: HyperLogLog registers (Flajolet, Fusy, Gandouet, Meunier 2007).
//!
//! The kernel adds the addresses for which it has no slot; user space adds those that it reads from slots. Both hash with
//! the same [`HashKey`], so that their registers merge by maximum.

use bytemuck::{Pod, Zeroable};

use crate::{Address, cold_path};

/// log₂ of the number of registers. Standard error is 1.04 / √2¹⁴ = 0.8 %.
pub const PRECISION: u32 = 14;
/// Number of registers.
pub const REGISTERS: usize = 1 << PRECISION;

/// One register set; a register holds the longest run of leading zeros seen, plus one.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Registers(pub [u8; REGISTERS]);

/// The key of the hash: random words, so that nobody can choose addresses that count as many, or as none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct HashKey(pub [u64; 2]);

impl HashKey {
    /// A 64-bit hash of an address: two rounds of multiply and xor-shift with the constants of splitmix64 (Steele, Lea, Flood
    /// 2014), each with a word of the key. For each key and upper half, it is a permutation of the lower half.
    #[inline(always)]
    pub const fn hash(self, address: Address) -> u64 {
        let (Self([first, second]), Address([high, low])) = (self, address);
        mix(mix(high ^ first) ^ low ^ second)
    }
}

#[inline(always)]
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The register of a hash, and the bits whose leading zeros are counted: one below the index is set, so that the run ends
/// within the word.
#[inline(always)]
const fn register(hash: u64) -> (usize, u64) {
    let index = (hash >> (64 - PRECISION)) as usize;
    (index, (hash << PRECISION) | (1 << (PRECISION - 1)))
}

/// Registers, and the key of what is added to them.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub struct Distinct {
    /// What was added.
    pub registers: Registers,
    /// Of the hash.
    pub key: HashKey,
    /// To the end of a cache line.
    padding: [u64; 6],
}

impl Distinct {
    /// Adds an address.
    #[inline(always)]
    pub fn insert(&mut self, address: Address) {
        self.registers.insert(self.key.hash(address));
    }
}

impl Registers {
    /// Adds what has this hash.
    #[inline(always)]
    pub fn insert(&mut self, hash: u64) {
        let (index, rest) = register(hash);
        // Whether it has as many leading zeros as the register says, or more: seldom, and so they are seldom counted, for which BPF
        // has no instruction.
        if let Some(longest) = self.0.get_mut(index)
            && (rest >> 1) >> (63_u8.wrapping_sub(*longest) & 63) == 0
        {
            cold_path();
            *longest = rest.leading_zeros() as u8 + 1;
        }
    }

    /// Merges another set: the union of both.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
    }
}
