//! What leaves the program other than through the screen and the control channel.

pub mod file;
pub mod json;
pub mod jsonl;
pub mod session;
pub mod summary;
pub mod table;
pub mod target;

use anyhow::Result;
use serde_json::Value;

use crate::snapshot::Snapshot;

/// A form in which everything counted can be written to a file.
pub struct Format {
    /// What it is called.
    pub name: &'static str,
    /// What it holds.
    pub about: &'static str,
    /// What the names of its files end with, as the classic has it.
    pub extension: &'static str,
    /// Writes a snapshot.
    pub write: fn(&Snapshot) -> Result<Vec<u8>>,
    /// Writes a snapshot that came over the control channel.
    pub rewrite: fn(&Value) -> Result<Vec<u8>>,
}

/// Every form.
pub const FORMATS: &[Format] = &[
    Format {
        name: "json",
        about: "the whole snapshot",
        extension: "snapshot.json",
        write: |snapshot| json::pretty(snapshot),
        rewrite: |snapshot| json::pretty(snapshot),
    },
    Format {
        name: "csv",
        about: "the table of sources",
        extension: "top.csv",
        write: |snapshot| table::of_sources(&snapshot.ips),
        rewrite: table::of_json,
    },
];
