//! What the kernel drops, by its reason.

use serde::{Deserialize, Serialize};

/// Packets that the kernel dropped, of all network namespaces, since the start or the last reset: *seen = all reasons*. What it freed
/// after it was used is none of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Drops {
    /// When they were read, Unix nanoseconds.
    pub at_ns: u64,
    /// Everything that the program in the kernel has seen.
    pub seen: u64,
    /// Packets per second, over the time between the two newest readings.
    pub pps: f64,
    /// Packets that it has not seen, since they were dropped in the middle of its count of another one.
    pub missed: u64,
    /// Whether the reasons sum up to everything.
    pub holds: bool,
    /// By reason, those first of which there are most per second.
    pub reasons: Vec<DropReason>,
    /// Why nothing is counted, in words; `None`: it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A reason that packets were dropped for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DropReason {
    /// The kernel's name of it, without `SKB_DROP_REASON_`; `OTHER`: of a subsystem, such as the one of wireless networks.
    pub reason: String,
    /// Packets.
    pub packets: u64,
    /// Packets per second.
    pub pps: f64,
}
