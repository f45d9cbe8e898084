//! Files that rows are appended to.

use serde::{Deserialize, Serialize};

/// What is appended to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Export {
    /// Sampled packets: `--jsonl`.
    Events,
    /// Alerts, when they are raised and when they are over: `--alerts`.
    Alerts,
    /// Connections that have ended: `--connections`.
    Connections,
    /// What was blocked, by whom, and what was refused: `--audit`.
    Audit,
}

impl Export {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Events, Self::Alerts, Self::Connections, Self::Audit];

    /// What its lines are.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Events => "sampled packets, each with the number of packets it stands for (--jsonl)",
            Self::Alerts => "alerts, when they are raised and when they are over (--alerts)",
            Self::Connections => "connections of TCP, when they have ended (--connections)",
            Self::Audit => {
                "what was blocked, by whom and why, what was refused, and what each block had dropped at its end (--audit)"
            }
        }
    }

    /// The word for it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Alerts => "alerts",
            Self::Connections => "connections",
            Self::Audit => "audit",
        }
    }
}

/// A file that rows are appended to, one line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportRow {
    /// Which rows.
    pub kind: Export,
    /// Where, as given.
    pub path: String,
    /// Lines written since the start.
    pub lines: u64,
    /// Bytes of these lines.
    pub bytes: u64,
    /// Rows that could not be written, or not in time.
    pub lost: u64,
    /// Why nothing can be written at the moment, or only to the file that has been renamed.
    pub error: Option<String>,
}
