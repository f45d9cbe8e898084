//! What confines the monitor.

use serde::{Deserialize, Serialize};

use super::names::Name;

/// One part of the sandbox, in the order in which they came into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxLayer {
    /// Which: a few words.
    pub part: Name,
    /// Whether it is in force, whole.
    pub holds: bool,
    /// What it does, or why it does not hold.
    pub detail: String,
}
