//! How a snapshot came to a screen that is not the monitor's own.

use serde::{Deserialize, Serialize};

/// The way from a monitor to a screen of another process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remote {
    /// Where the monitor listens, and whose it is where that is worth telling.
    pub name: String,
    /// Since when nothing comes any more, and why; `None` while all is well.
    pub lost: Option<Lost>,
    /// Snapshots that came too fast to be shown, since the link was made.
    pub missed: u64,
}

/// A link that is down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lost {
    /// When the newest snapshot came, Unix nanoseconds of the clock here.
    pub since_ns: u64,
    /// What happened.
    pub why: String,
}
