//! The names of the kernel maps: the program defines them, user space looks them up.

/// Array of one [`crate::Config`], memory-mapped by user space.
pub const CONFIG: &str = "CONFIG";
/// Array of two [`crate::Filter`]s: the one in force and the one being written.
pub const FILTERS: &str = "FILTERS";
/// Array of [`crate::Totals`], indexed by CPU × 2 + set.
pub const TOTALS: &str = "TOTALS";
/// Array of `u64` packets, indexed by CPU × 256 + TCP flag byte.
pub const TCP_FLAGS: &str = "TCP_FLAGS";
/// Array of `u64` packets, indexed by CPU × 65,536 + destination port.
pub const DST_PORTS: &str = "DST_PORTS";
/// Array of `u64` packets, indexed by CPU × 65,536 + source port.
pub const SRC_PORTS: &str = "SRC_PORTS";
/// Array of [`crate::unique::Registers`], indexed by CPU.
pub const UNIQUE: &str = "UNIQUE";
/// Array of [`crate::slots::Bucket`]s: source address → [`crate::SourceCounters`]; see [`crate::slots::index`].
pub const SOURCES: &str = "SOURCES";
/// The same: destination address → [`crate::Tally`].
pub const DESTINATIONS: &str = "DESTINATIONS";
/// The same: pair of MAC addresses → [`crate::Tally`].
pub const MACS: &str = "MACS";
/// log₂ of the buckets of one CPU in one set of each of these arrays: read-only variables of the program, set at load.
pub const BITS: [&str; 3] = ["SOURCE_BITS", "DESTINATION_BITS", "MAC_BITS"];
/// What the places of keys depend on: as the above.
pub const SEED: &str = "SEED";
/// Array of `u64`, indexed by [`crate::slots::group`]: not 0 where some bucket of a group is in use.
pub const USED: &str = "USED";
/// The bits of the [`crate::counters::Part`]s that are counted: a read-only variable, as the above.
pub const PARTS: &str = "PARTS";
/// Ring buffer of [`crate::Event`]s.
pub const EVENTS: &str = "EVENTS";

/// Values of a TCP flag byte.
pub const TCP_FLAG_SLOTS: u32 = 256;
/// Values of a port.
pub const PORT_SLOTS: u32 = 65_536;
