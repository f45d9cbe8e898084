//! What a list leaves out.

use serde::{Deserialize, Serialize};

/// Sums over the rows that a list leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Others {
    /// How many.
    pub rows: u64,
    /// Their packets.
    pub packets: u64,
    /// Their bytes, where those are counted.
    pub bytes: Option<u64>,
}
