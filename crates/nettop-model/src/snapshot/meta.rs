//! When a snapshot was taken, and how it came here.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Remote, Runtime};

/// When it was taken, what the user has set, and how it came here.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// When counting began, or was last reset.
    pub started_ns: u64,
    /// When this was read.
    pub now_ns: u64,
    /// Seconds from the one to the other, whatever the clock showed.
    pub elapsed: f64,
    /// What the user has set.
    pub runtime: Runtime,
    /// How it came here; `None`: it is the monitor's own.
    pub link: Option<Arc<Remote>>,
}
