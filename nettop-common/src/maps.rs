//! The names of the kernel maps: the program defines them, user space looks them up.

/// Array of one [`crate::Config`], memory-mapped by user space.
pub const CONFIG: &str = "CONFIG";
/// Array of two [`crate::Filter`]s: the one in force and the one being written.
pub const FILTERS: &str = "FILTERS";
/// Array of [`crate::Totals`], indexed by CPU.
pub const TOTALS: &str = "TOTALS";
/// Array of `u64` packets, indexed by CPU × 256 + TCP flag byte.
pub const TCP_FLAGS: &str = "TCP_FLAGS";
/// Array of `u64` packets, indexed by CPU × 65,536 + destination port.
pub const DST_PORTS: &str = "DST_PORTS";
/// Array of `u64` packets, indexed by CPU × 65,536 + source port.
pub const SRC_PORTS: &str = "SRC_PORTS";
/// Array of [`crate::unique::Registers`], indexed by CPU.
pub const UNIQUE: &str = "UNIQUE";
/// Per-CPU hash: [`crate::Address`] → [`crate::SourceCounters`].
pub const SOURCES: &str = "SOURCES";
/// Per-CPU hash: [`crate::Address`] → [`crate::Tally`].
pub const DESTINATIONS: &str = "DESTINATIONS";
/// Per-CPU hash: [`crate::MacPair`] → [`crate::Tally`].
pub const MACS: &str = "MACS";
/// Ring buffer of [`crate::Event`]s.
pub const EVENTS: &str = "EVENTS";

/// Values of a TCP flag byte.
pub const TCP_FLAG_SLOTS: u32 = 256;
/// Values of a port.
pub const PORT_SLOTS: u32 = 65_536;
