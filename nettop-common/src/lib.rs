//! What the kernel program and user space agree on: how a frame is parsed, what is counted, and what the filter says.
//!
//! Everything here compiles for the BPF target and for the host, so that there is one parser and one filter, and a
//! differential test can feed the same frames to both. Nothing here allocates, panics or imports anything of ours.

#![cfg_attr(not(test), no_std)]

pub mod address;
pub mod config;
pub mod counters;
pub mod cpu;
pub mod event;
pub mod maps;
pub mod packet;
pub mod slots;
pub mod unique;

pub use address::{Address, MacPair};
pub use config::{Config, Filter, Prefix};
pub use counters::{Outcome, Protocol, SizeBucket, SourceCounters, Tally, Totals};
pub use cpu::Cpu;
pub use event::Event;
pub use packet::{Frame, Link, NotIp, Packet};

/// Tells the compiler of the kernel program that it seldom gets here, so that what it mostly runs lies together.
#[inline(always)]
pub const fn rare() {
    #[cfg(target_arch = "bpf")]
    core::hint::cold_path();
}
