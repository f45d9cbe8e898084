//! The names of maps and programs: the kernel program defines them, user space looks them up.

use crate::{counters::Part, slots::BANKS};

/// Array of [`crate::Cpu`]s, memory-mapped by user space, as all but the last are.
pub const CPUS: &str = "CPUS";
/// Array of two [`crate::Filter`]s: the one in force and the one being written.
pub const FILTERS: &str = "FILTERS";
/// Array of [`crate::slots::Slot`]s: source address → [`crate::SourceCounters`]; see [`crate::slots::index`].
pub const SOURCES: &str = "SOURCES";
/// The same: destination address → [`crate::DestinationCounters`].
pub const DESTINATIONS: &str = "DESTINATIONS";
/// The same: pair of MAC addresses → [`crate::PacketsBytes`].
pub const MACS: &str = "MACS";
/// Array of [`crate::log::Unit`]s: the rings of all CPUs.
pub const LOG: &str = "LOG";
/// Array of [`crate::cpu::Ports`], of a CPU each, or of some that share one.
pub const PORTS: &str = "PORTS";
/// Per-CPU hash of [`Form::Hash`]: source address → [`ByBank`] of [`crate::SourceCounters`].
pub const SOURCE_HASH: &str = "SOURCE_HASH";
/// The same: destination address → [`ByBank`] of [`crate::counters::ByClass`].
pub const DEST_HASH: &str = "DEST_HASH";
/// The same: pair of MAC addresses → [`ByBank`] of [`crate::PacketsBytes`].
pub const MAC_HASH: &str = "MAC_HASH";
/// The bits of the [`crate::counters::Part`]s that are counted: a read-only variable of the program, set at load.
pub const PARTS: &str = "PARTS";
/// Array of [`crate::egress::Egress`], one for each CPU: what is sent.
pub const EGRESS: &str = "EGRESS";
/// Array of [`crate::slots::Slot`]s: remote address → [`crate::PacketsBytes`] sent to it.
pub const REMOTES: &str = "REMOTES";
/// Array of [`crate::sockets::Calls`], one for each CPU: what calls on sockets move.
pub const CALLS: &str = "CALLS";
/// Array of [`crate::slots::Slot`]s: socket and process → [`crate::sockets::CallCounters`].
pub const SOCKETS: &str = "SOCKETS";
/// Array of [`crate::sockets::Endings`], one for each CPU.
pub const ENDINGS: &str = "ENDINGS";
/// Array of [`crate::sockets::EndedConnection`]s, in parts as slots are.
pub const ENDED: &str = "ENDED";
/// Array of [`crate::drops::Drops`], one for each CPU: what the kernel drops.
pub const DROPS: &str = "DROPS";
/// Where the programs find what they read of the kernel's structures, [`crate::sockets::Offsets`]: a read-only variable, set at load.
pub const OFFSETS: &str = "OFFSETS";
/// The network namespace whose sockets' owners are told: its inode; 0: of all. A read-only variable, set at load.
pub const NAMESPACE: &str = "NAMESPACE";
/// Hash of [`crate::blocks::BlockKey`] → [`crate::blocks::Block`]: what is dropped.
pub const BLOCKS: &str = "BLOCKS";
/// Array of two [`crate::blocks::BlockSet`]s: the one in force and the one being written.
pub const BLOCK_SETS: &str = "BLOCK_SETS";
/// Array of packets dropped, in parts as slots are, by the number of the block.
pub const DROPPED: &str = "DROPPED";
/// Ring buffer of [`crate::Event`]s.
pub const EVENTS: &str = "EVENTS";

/// Where keys are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Form {
    /// In slots, in a log where there is none, both emptied all the time.
    #[default]
    Slots,
    /// In per-CPU hash maps, which are only emptied by a reset.
    Hash,
}

/// What a value of the hash maps has: counters of each bank, since the key was inserted.
pub type ByBank<C> = [C; BANKS as usize];

/// The programs that count these parts in such maps: for interfaces with an Ethernet header, and for those without. Those that count
/// everything in slots need not ask for every part.
pub const fn programs(form: Form, parts: u32) -> [&'static str; 2] {
    match (form, parts) {
        (Form::Hash, _) => ["nettop_hash", "nettop_raw_ip_hash"],
        (Form::Slots, Part::EVERY) => ["nettop", "nettop_raw_ip"],
        (Form::Slots, _) => ["nettop_parts", "nettop_raw_ip_parts"],
    }
}

/// The programs that count what is sent: on interfaces with an Ethernet header, and on those without.
pub const EGRESS_PROGRAMS: [&str; 2] = ["nettop_egress", "nettop_raw_ip_egress"];

/// The programs that count what calls on sockets move, and which connections have ended: each with the tracepoint that it is attached to.
pub const SOCKET_PROGRAMS: [(&str, &str); 4] = [
    ("nettop_sent", "sock_send_length"),
    ("nettop_received", "sock_recv_length"),
    ("nettop_state", "inet_sock_set_state"),
    ("nettop_ended", "tcp_destroy_sock"),
];

/// The program that tells which process has which socket open, and what it iterates over.
pub const OWNERS_PROGRAM: (&str, &str) = ("nettop_owners", "task_file");

/// The program that counts what the kernel drops, and the tracepoint that it is attached to.
pub const DROPS_PROGRAM: (&str, &str) = ("nettop_dropped", "kfree_skb");
