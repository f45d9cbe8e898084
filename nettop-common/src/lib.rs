//! What the kernel program and user space agree on: how a frame is parsed, what is counted, and what the filter says.
//!
//! Everything here compiles for the BPF target and for the host, so that there is one parser and one filter, and a
//! differential test can feed the same frames to both. Nothing here allocates, panics or imports anything of ours.

#![cfg_attr(not(test), no_std)]

pub mod address;
pub mod blocks;
pub mod class;
pub mod coalescing;
pub mod config;
pub mod counters;
pub mod cpu;
pub mod drops;
pub mod egress;
pub mod event;
pub mod interfaces;
pub mod log;
pub mod maps;
pub mod neighbour;
pub mod packed;
pub mod packet;
pub mod slots;
pub mod sockets;
pub mod totals;
pub mod traffic_class;
pub mod unique;

pub use address::{Address, MacPair};
pub use class::Class;
pub use config::{Config, Filter, Prefix};
pub use counters::{Outcome, PacketsBytes, Protocol, SizeBucket, SourceCounters};
pub use cpu::Cpu;
pub use event::Event;
pub use packed::DestinationCounters;
pub use packet::{Frame, LinkLayer, NotCounted, Packet};
pub use totals::Totals;
pub use traffic_class::{ClassTally, TrafficClass};

/// Tells the compiler of the kernel program that it seldom gets here, so that what it mostly runs lies together.
#[inline(always)]
pub const fn cold_path() {
    #[cfg(target_arch = "bpf")]
    core::hint::cold_path();
}

/// Reads from memory what would otherwise be a value that is moved about on every way through the parser, and that the verifier
/// knows too much about: it would follow each of these ways to the end. Of what it reads it knows how wide it is, as an index needs.
#[inline(always)]
pub fn opaque_read<T: Copy>(field: &T) -> T {
    // SAFETY: a reference.
    unsafe { (&raw const *field).read_volatile() }
}
