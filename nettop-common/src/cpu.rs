//! All that belongs to one CPU but the slots: one element of an array, so that the program looks up once for most of what it
//! counts. Only the program writes what it counts, and only on that CPU; user space writes what it is told.

use core::mem::offset_of;

use bytemuck::{Pod, Zeroable};

use crate::{
    Config, Totals,
    coalescing::CoalescingCache,
    counters::Table,
    slots::{BANKS, GROUPS, Layout, MOST_BITS, Tags},
    unique::Distinct,
};

/// Values of a TCP flag byte.
pub const TCP_FLAGS: usize = 1 << 8;
/// Values of a port.
pub const PORTS: usize = 1 << 16;

/// One CPU. Whole cache lines, so that CPUs do not share one.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Cpu {
    /// What it is told to do.
    pub config: Config,
    /// Where keys lie.
    pub layout: Layout,
    /// What it remembers from packet to packet.
    pub state: State,
    /// What it counts in while the other one is emptied.
    pub banks: [Bank; BANKS as usize],
    /// Packets by TCP flag byte.
    pub tcp_flags: [u64; TCP_FLAGS],
    /// Packets by destination port.
    pub dst_ports: [u64; PORTS],
    /// Packets by source port.
    pub src_ports: [u64; PORTS],
    /// Distinct sources, of those for which there was no slot.
    pub unique: Distinct,
}

// A cache line, of which every packet needs all.
const _: () = assert!(offset_of!(Cpu, banks) == 64);

/// What the program remembers from packet to packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct State {
    /// When the clock was read last, in the kernel's ticks ...
    pub clock_ticks: u64,
    /// ... and what it said: it does not change within a tick.
    pub clock_ns: u64,
    /// Packets still to let pass until the next one is an event.
    pub until_event: u32,
    /// 1: the log has been told that there was no slot for a source.
    pub warned: u32,
}

/// What is emptied together.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub struct Bank {
    /// What is in no slot yet.
    pub coalescing: CoalescingCache,
    /// Of all packets.
    pub totals: Totals,
    /// By [`Table`]: where this CPU's part of the bank begins.
    pub first: [u32; Table::COUNT],
    /// By [`Table`] and group of buckets: not 0 where some bucket is in use.
    pub used: [[u8; GROUPS]; Table::COUNT],
    padding: [u32; 9],
    /// The tags of the buckets of sources ...
    pub sources: [Tags; 1 << MOST_BITS[Table::Sources as usize]],
    /// ... of destinations ...
    pub destinations: [Tags; 1 << MOST_BITS[Table::Destinations as usize]],
    /// ... and of MAC pairs.
    pub macs: [Tags; 1 << MOST_BITS[Table::Macs as usize]],
}
