//! The [`Reading`]: what a source has counted since the one before. Only what was counted; nothing derived.

use std::sync::Arc;

use nettop_common::{
    Address, ClassTally, MacPair, PacketsBytes, SourceCounters, Totals,
    cpu::{PORTS, TCP_FLAGS},
    egress::EgressTotals,
    neighbour::Messages,
    unique::Registers,
};

use nettop_model::{
    clock::Moment,
    snapshot::{InterfaceRow, InterfaceState, Mac},
};
use serde::{Deserialize, Serialize};

/// What was counted since the reading before, but for what is said to be cumulative.
pub struct Reading {
    /// Until when.
    pub at: Moment,
    /// The totals.
    pub totals: Totals,
    /// By source address; an address may occur more than once.
    pub sources: Vec<(Address, SourceCounters)>,
    /// By destination address and class; likewise.
    pub destinations: Vec<(Address, ClassTally)>,
    /// By MAC pair; likewise.
    pub macs: Vec<(MacPair, PacketsBytes)>,
    /// By the name of the interface and class; likewise. Of those that are not told apart the name is empty.
    pub interfaces: Vec<(Arc<str>, ClassTally)>,
    /// Packets that were dropped, by the number of the block; likewise.
    pub dropped: Vec<(u32, u64)>,
    /// Messages of ARP and of neighbour discovery that came.
    pub neighbours: NeighbourMessages,
    /// Those that were sent.
    pub neighbours_sent: NeighbourMessages,
    /// What was sent.
    pub egress: EgressTotals,
    /// By remote address that was sent to; an address may occur more than once.
    pub remotes: Vec<(Address, PacketsBytes)>,
}

/// Who asks for and tells the addresses of neighbours. Of each message: *seen = all MACs + groups + others + untracked*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NeighbourMessages {
    /// All of them.
    pub seen: Messages,
    /// Those of which the kernel could not tell whose they are.
    pub untracked: Messages,
    /// By the MAC that a frame is from, each once; of what was sent, by the one that it is to, each as often as it likes.
    pub by_mac: Vec<(Mac, Messages)>,
    /// Of what was sent, to all or to many at once.
    #[serde(default)]
    pub groups: Messages,
    /// Of MACs for which there was no room.
    pub others: Messages,
}

impl Reading {
    /// An empty one.
    pub fn new(at: Moment) -> Self {
        Self {
            at,
            totals: Totals::default(),
            sources: Vec::new(),
            destinations: Vec::new(),
            macs: Vec::new(),
            interfaces: Vec::new(),
            dropped: Vec::new(),
            neighbours: NeighbourMessages::default(),
            neighbours_sent: NeighbourMessages::default(),
            egress: EgressTotals::default(),
            remotes: Vec::new(),
        }
    }

    /// Forgets what was counted, to be filled again.
    pub fn clear(&mut self) {
        self.totals = Totals::default();
        self.sources.clear();
        self.destinations.clear();
        self.macs.clear();
        self.interfaces.clear();
        self.dropped.clear();
        self.neighbours = NeighbourMessages::default();
        self.neighbours_sent = NeighbourMessages::default();
        self.egress = EgressTotals::default();
        self.remotes.clear();
    }
}

/// What is cheaper to read whole: cumulative counters, and the registers of distinct sources.
#[derive(Clone)]
pub struct Tables {
    /// Packets by TCP flag byte.
    pub tcp_flags: Vec<u64>,
    /// Packets by destination port.
    pub dst_ports: Vec<u64>,
    /// Packets by source port.
    pub src_ports: Vec<u64>,
    /// Distinct sources, of those for which there was no slot.
    pub unique: Box<Registers>,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            tcp_flags: vec![0; TCP_FLAGS],
            dst_ports: vec![0; PORTS],
            src_ports: vec![0; PORTS],
            unique: bytemuck::zeroed_box(),
        }
    }
}

/// What came to each of a table's counts since another reading of it, in their order.
pub fn since<'a>(now: &'a [u64], then: &'a [u64]) -> impl Iterator<Item = u64> + 'a {
    now.iter().zip(then).map(|(now, then)| now.saturating_sub(*then))
}

/// An interface that is watched, with what only the engine needs to know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedInterface {
    /// What everybody may know.
    pub row: InterfaceRow,
    /// The name it was asked for by.
    pub wanted: String,
    /// Its index; 0 while it is gone.
    pub index: u32,
    /// Packets it has received, as it counts them itself; `None`: it does not say.
    pub received: Option<u64>,
    /// What its driver calls its kind: `vrf`, `ifb`, `veth`; empty for most hardware.
    pub kind: String,
    /// The interfaces below it, as words of a command, where somebody asked for them.
    pub below: Vec<String>,
    /// Why what it sends is not counted, where that is wanted.
    #[serde(default)]
    pub unsent: Option<String>,
}

impl WatchedInterface {
    /// The kernel did not say how it is, and this is why.
    pub fn is_unknown(&mut self, why: &str) {
        self.row.state = InterfaceState::Unknown;
        self.row.note = why.into();
        self.received = None;
    }
}

/// What is watched, as it was at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// Every interface the program is, was or should be attached to.
    pub interfaces: Vec<WatchedInterface>,
    /// Why they may be the wrong ones, where they were chosen by themselves.
    pub doubt: Option<String>,
    /// What the newest change was that nobody asked for.
    pub change: Option<String>,
}
