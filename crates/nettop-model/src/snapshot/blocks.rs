//! What is blocked.

use serde::{Deserialize, Deserializer, Serialize};

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
    /// When the next block ends, Unix nanoseconds; `None`: nothing is blocked.
    pub next_end_ns: Option<u64>,
    /// How blocks are made unless somebody says otherwise; `none`: not at all.
    #[serde(deserialize_with = "known")]
    pub with: Option<With>,
    /// How blocks can be made here; `print` always.
    #[serde(deserialize_with = "known_ones")]
    pub methods: Vec<With>,
    /// What is never blocked, because somebody said so.
    pub allowed: Vec<Net>,
    /// What rules block; `None`: nothing.
    pub automatic: Option<Automatic>,
    /// Blocks of an earlier run by firewalls that this one does not run, as many as rows may be: `nft` and `firewalld` may still block them,
    /// `ufw` and `iptables` do not.
    pub unmanaged: Vec<BlockRow>,
    /// Whether the sums agree, which are counted apart.
    pub holds: bool,
}

/// Blocks that rules make, or would make.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Automatic {
    /// Whose alerts block.
    pub rules: Vec<String>,
    /// Whether blocks are made; else it is only said which would be.
    pub enforced: bool,
    /// Why none is made now.
    pub idle: Option<String>,
    /// What would have been blocked, the newest first, 64 at most.
    pub would: Vec<BlockRow>,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockRow {
    /// What is blocked.
    pub net: Net,
    /// What drops it.
    #[serde(default = "xdp", deserialize_with = "known_or_xdp")]
    pub with: With,
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
    /// Packets dropped since then; `None`: whoever drops them does not count them for each block. What nftables drops is looked at every 30 s.
    #[serde(default)]
    pub packets: Option<u64>,
    /// Packets dropped in the newest whole second, by the XDP program.
    #[serde(default)]
    pub pps: Option<f64>,
    /// Whether it was not made: a rule would have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry: bool,
    /// Whether it is one of an earlier run by a firewall that this one does not run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unmanaged: bool,
}

impl BlockRow {
    /// One that has dropped nothing yet.
    pub fn new(net: Net, with: With) -> Self {
        Self {
            net,
            with,
            why: String::new(),
            by: String::new(),
            confirmed: false,
            since_ns: 0,
            until_ns: 0,
            packets: None,
            pps: None,
            dry: false,
            unmanaged: false,
        }
    }
}

/// Files of a monitor that knew no other.
fn xdp() -> With {
    With::Xdp
}

/// What a newer monitor calls otherwise drops, too.
fn known_or_xdp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<With, D::Error> {
    known(deserializer).map(|with| with.unwrap_or(With::Xdp))
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
    /// In a table of our own of nftables, which outlives the monitor.
    Nft,
    /// By a rule of ufw, as long as the monitor runs.
    Ufw,
    /// By a rule of firewalld with a time.
    Firewalld,
    /// By a rule of iptables or ip6tables, as long as the monitor runs.
    Iptables,
}

impl With {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Print, Self::Xdp, Self::Nft, Self::Ufw, Self::Firewalld, Self::Iptables];

    /// What options and JSON call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Print => "print",
            Self::Xdp => "xdp",
            Self::Nft => "nft",
            Self::Ufw => "ufw",
            Self::Firewalld => "firewalld",
            Self::Iptables => "iptables",
        }
    }
}

/// A command that the operator has prepared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRow {
    /// The key that runs it, and what requests call it.
    pub key: char,
    /// What it is called.
    pub label: String,
    /// The rule whose alerts run it.
    #[serde(default)]
    pub on: Option<String>,
    /// How long it rests after an alert has run it, seconds.
    #[serde(default)]
    pub every: u64,
    /// What it is run on: `{ip}` and so on.
    #[serde(default)]
    pub needs: Vec<String>,
}

/// Those that this program knows.
fn known_ones<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<With>, D::Error> {
    let all = Vec::<serde_json::Value>::deserialize(deserializer)?;
    Ok(all.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect())
}
