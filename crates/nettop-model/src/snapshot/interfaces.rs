//! The interfaces that are watched.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::json;

/// An interface the program is, was or should be attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InterfaceRow {
    /// Its name now.
    pub name: String,
    /// How the program is attached; `None` while it is not.
    #[serde(deserialize_with = "json::known")]
    pub mode: Option<AttachMode>,
    /// What state it is in.
    pub state: InterfaceState,
    /// Its maximum transmission unit, bytes.
    pub mtu: u32,
    /// Anything worth knowing: why generic, when it came back, …
    pub note: String,
}

/// How an XDP program runs on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachMode {
    /// In the driver, before the kernel allocates a buffer.
    Native,
    /// In the network stack: works everywhere, costs more.
    Generic,
}

impl fmt::Display for AttachMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
        })
    }
}

/// What state an interface is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InterfaceState {
    /// Administratively up.
    Up,
    /// Administratively down: nothing arrives.
    Down,
    /// It has been deleted; it is attached again should it come back.
    Gone,
    /// It is there, but does not take the program, since somebody else's has the place; it is attached again should that go.
    Detached,
    /// It has left this network namespace; counting goes on.
    Moved,
    /// The kernel did not say. Where the program is attached, counting goes on.
    #[default]
    #[serde(other)]
    Unknown,
}

impl fmt::Display for InterfaceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Gone => "gone",
            Self::Detached => "detached",
            Self::Moved => "moved",
            Self::Unknown => "unknown",
        })
    }
}
