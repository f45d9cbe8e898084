//! The names of maps and programs: the kernel program defines them, user space looks them up.

use crate::counters::Part;

/// Array of [`crate::Cpu`]s, memory-mapped by user space, as all but the last are.
pub const CPUS: &str = "CPUS";
/// Array of two [`crate::Filter`]s: the one in force and the one being written.
pub const FILTERS: &str = "FILTERS";
/// Array of [`crate::slots::Slot`]s: source address → [`crate::SourceCounters`]; see [`crate::slots::index`].
pub const SOURCES: &str = "SOURCES";
/// The same: destination address → [`crate::PacketsBytes`].
pub const DESTINATIONS: &str = "DESTINATIONS";
/// The same: pair of MAC addresses → [`crate::PacketsBytes`].
pub const MACS: &str = "MACS";
/// Array of [`crate::log::Unit`]s: the rings of all CPUs.
pub const LOG: &str = "LOG";
/// Array of [`crate::cpu::Ports`], of a CPU each, or of some that share one.
pub const PORTS: &str = "PORTS";
/// The bits of the [`crate::counters::Part`]s that are counted: a read-only variable of the program, set at load.
pub const PARTS: &str = "PARTS";
/// Ring buffer of [`crate::Event`]s.
pub const EVENTS: &str = "EVENTS";

/// The programs that count these parts: for interfaces with an Ethernet header, and for those without. Those that count
/// everything need not ask for every part.
pub const fn programs(parts: u32) -> [&'static str; 2] {
    match parts {
        Part::EVERY => ["nettop", "nettop_raw_ip"],
        _ => ["nettop_parts", "nettop_raw_ip_parts"],
    }
}
