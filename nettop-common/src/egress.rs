//! What this host sends, counted where it leaves the network stack for an interface: by class of traffic, and by remote address.

use bytemuck::{Pod, Zeroable};

use crate::{
    PacketsBytes,
    counters::{ByClass, Counters},
    cpu::Scratch,
    neighbour::SentNeighbours,
    slots::{BANKS, Layout, Tags},
};

/// log₂ of the buckets of a CPU in a bank that there are tags for.
pub const TAGS_BITS: u32 = 9;

/// What one CPU counts. Whole cache lines, so that CPUs do not share one. Nothing of it is used by what counts received packets:
/// on a kernel with PREEMPT_RT either may interrupt the other.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Egress {
    /// Which bank is counted in: told by user space.
    pub bank: u32,
    /// 1: nothing is counted, for it is paused.
    pub paused: u32,
    /// Where keys lie; of its tables the one of destinations.
    pub layout: Layout,
    padding: [u32; 8],
    /// The packet that is being counted.
    pub packet: Scratch,
    /// What is counted in while the other one is emptied.
    pub banks: [EgressBank; BANKS as usize],
}

/// What is emptied together. Packets are those on the wire: of what is cut up by the interface (segmentation offload), each of its parts.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub struct EgressBank {
    /// The sums.
    pub totals: EgressTotals,
    /// Where this CPU's part of the bank begins.
    pub first: u32,
    padding: [u32; 11],
    /// The tags of the buckets.
    pub tags: [Tags; 1 << TAGS_BITS],
    /// Messages of ARP and of neighbour discovery: behind all that other packets need.
    pub neighbours: SentNeighbours,
}

/// Sums over all that is sent: *seen = not IP + all classes*, and *all classes = all remotes + untracked*.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct EgressTotals {
    /// Everything, counted on entry.
    pub seen: PacketsBytes,
    /// What is no IP packet, or no valid one.
    pub not_ip: PacketsBytes,
    /// The others, by class.
    pub classes: ByClass,
    /// Of these, the ones for whose remote address there was no slot.
    pub untracked: PacketsBytes,
}

impl Default for EgressTotals {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl EgressTotals {
    /// Adds what was counted elsewhere, or later.
    pub fn add(&mut self, other: &Self) {
        let Self { seen, not_ip, classes, untracked } = other;
        self.seen.add(*seen);
        self.not_ip.add(*not_ip);
        Counters::add(&mut self.classes, classes);
        self.untracked.add(*untracked);
    }

    /// What went to remote addresses.
    pub fn sent(&self) -> PacketsBytes {
        self.classes.tally()
    }
}
