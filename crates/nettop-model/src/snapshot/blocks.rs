//! What is blocked.

use serde::{Deserialize, Serialize};

use super::json::known;
use crate::net::Net;

/// The blocks in force. Always: what was `dropped` = what the blocks in `rows` and beyond have dropped + `ended` + `untracked`; and that is
/// `blocked` of the accounting, as far as it was counted since the last reset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Blocks {
    /// Those that drop most first.
    pub rows: Vec<BlockRow>,
    /// How many rows that leaves out.
    pub left_out: u64,
    /// How many there can be.
    pub room: u64,
    /// Packets dropped since the start.
    pub dropped: u64,
    /// Of these, by blocks that have ended.
    pub ended: u64,
    /// Of these, by a CPU that was offline when the program was loaded: it is not known by which block.
    pub untracked: u64,
    /// Packets dropped in the newest whole second.
    pub pps: f64,
    /// How blocks are made unless somebody says otherwise; `none`: not at all.
    #[serde(deserialize_with = "known")]
    pub with: Option<With>,
    /// What is never blocked, because somebody said so.
    pub allowed: Vec<Net>,
    /// Whether the sums agree, which are counted apart.
    pub holds: bool,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockRow {
    /// What is blocked.
    pub net: Net,
    /// Why, in the words of whoever made it.
    #[serde(default)]
    pub why: String,
    /// Who made it.
    #[serde(default)]
    pub by: String,
    /// Whether that was confirmed in spite of a guard.
    #[serde(default)]
    pub confirmed: bool,
    /// Since when, Unix nanoseconds.
    pub since_ns: u64,
    /// Until when.
    pub until_ns: u64,
    /// Packets dropped since then.
    #[serde(default)]
    pub packets: u64,
    /// Packets dropped in the newest whole second.
    #[serde(default)]
    pub pps: f64,
}

/// How a block is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum With {
    /// Not made: command lines for firewalls are told, and what would be dropped.
    #[default]
    Print,
    /// In the XDP program, before anything else sees a packet.
    Xdp,
}

impl With {
    /// What options and JSON call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Print => "print",
            Self::Xdp => "xdp",
        }
    }
}
