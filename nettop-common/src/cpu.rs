//! All that belongs to one CPU but slots, logs and ports: one element of an array, so that the program looks up once for most of what it
//! counts. Only the program writes what it counts, and only on that CPU; user space writes what it is told.

use core::mem::offset_of;

use bytemuck::{Pod, Zeroable};

use crate::{
    Config, Packet, Totals,
    coalescing::CoalescingCache,
    counters::Table,
    interfaces::{ByPlace, Indexes},
    log::Ring,
    neighbour::Neighbours,
    slots::{BANKS, Layout, TAGS_BITS, Tags},
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
    /// What comes for keys without a slot.
    pub ring: Ring,
    /// Which element of the array of ports it counts in.
    pub ports: u32,
    /// 1: another CPU does, too.
    pub shares_ports: u32,
    padding: [u32; 8],
    /// Which interface has which place.
    pub interfaces: Indexes,
    /// The packet that is being counted. Here rather than on the stack, of which the verifier remembers what each way through the
    /// parser left there, and follows each of them to the end.
    pub packet: Scratch,
    /// What it counts in while the other one is emptied.
    pub banks: [Bank; BANKS as usize],
    /// Packets by TCP flag byte.
    pub tcp_flags: [u64; TCP_FLAGS],
    /// Distinct sources, of those that are in no slot and no log.
    pub unique: Distinct,
}

// A cache line, of which every packet needs all.
const _: () = assert!(offset_of!(Cpu, ring) == 64);
const _: () = assert!(offset_of!(Cpu, banks).is_multiple_of(64));

/// Room for a [`Packet`].
pub type Scratch = [u64; 8];

const _: () = assert!(size_of::<Packet>() <= size_of::<Scratch>() && align_of::<Packet>() <= align_of::<Scratch>());

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
    /// The place of the interface that the newest packet came by.
    pub place: u32,
}

/// By port, one word: packets to it, plus 2³² times packets from it. The difference of two readings is exact in both as long as fewer than
/// 2³² packets came to a port in between, whatever was carried.
pub type Ports = [u64; PORTS];

/// What a packet from a port adds to its word.
pub const FROM_PORT: u64 = 1 << 32;

/// What is emptied together.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub struct Bank {
    /// What is known of the newest packet's keys.
    pub coalescing: CoalescingCache,
    /// Of all packets.
    pub totals: Totals,
    /// Where in the ring the newest record ends that belongs to it; 0: none does.
    pub end: u64,
    /// By [`Table`]: where this CPU's part of the bank begins.
    pub first: [u32; Table::COUNT],
    /// Its own.
    pub number: u32,
    /// Where this CPU's counters of what blocks drop begin, for this bank.
    pub first_dropped: u32,
    padding: [u32; 5],
    /// What came by each interface.
    pub interfaces: ByPlace,
    /// Messages of ARP and of neighbour discovery.
    pub neighbours: Neighbours,
    /// By [`Table`]: the tags of the buckets.
    pub tags: [[Tags; 1 << TAGS_BITS]; Table::COUNT],
}
