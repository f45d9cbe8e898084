//! What confines the monitor.

use serde::Serialize;

/// One part of the sandbox, in the order in which they came into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Guard {
    /// Which: a few words.
    pub part: &'static str,
    /// Whether it is in force, whole.
    pub holds: bool,
    /// What it does, or why it does not hold.
    pub detail: String,
}
