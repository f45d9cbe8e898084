//! What the user has set.

use serde::{Deserialize, Serialize};

use super::json::known_or_default;

/// What the user has set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Runtime {
    /// The filter in force.
    pub filter: FilterView,
    /// How many sources the screen shows.
    pub top: usize,
    /// Whether counting is paused.
    pub paused: bool,
    /// The newest thing worth telling the user.
    pub message: String,
    /// What is being watched: live traffic, a demonstration, …
    #[serde(deserialize_with = "known_or_default")]
    pub mode: Mode,
}

/// Where the traffic comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Interfaces of this host.
    #[default]
    Live,
    /// Synthetic traffic.
    Demo,
    /// A capture file.
    Replay,
}

/// The filter as text, as the classic shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FilterView {
    /// Destination addresses and prefixes; `0.0.0.0` is any.
    pub dst: String,
    /// Accepted destination ports, sorted; empty is any, or only negated ones.
    pub ports: Vec<u16>,
    /// Destination ports as given.
    pub port: String,
    /// Interface names, separated by commas.
    pub iface: String,
    /// Source addresses and prefixes; empty is any.
    pub src: String,
    /// Protocols, sorted, upper case; empty is any.
    pub protocols: Vec<String>,
}
