//! What leaves the program other than through the screen and the control channel.

use std::io::{self, Write};

use nettop_model::{flat::Flat, json, snapshot::Snapshot};
use serde_json::value::RawValue;

pub mod append_file;
pub mod atomic_file;
pub mod cell;
pub mod file;
pub mod jsonl;
pub mod log;
pub mod maps;
pub mod patient;
pub mod prefixes;
pub mod record;
pub mod session;
pub mod site;
pub mod sorted;
pub mod state;
pub mod summary;
pub mod table;
pub mod until;

/// A form in which everything counted can be written to a file.
pub struct Format {
    /// What it is called.
    pub name: &'static str,
    /// What it holds.
    pub about: &'static str,
    /// What the names of its files end with, as the classic has it.
    pub extension: &'static str,
    /// Writes a snapshot.
    pub write: fn(&Snapshot, &mut dyn Write) -> io::Result<()>,
    /// Writes a snapshot that came over the control channel.
    pub rewrite: fn(&RawValue, &mut dyn Write) -> io::Result<()>,
}

/// Every form.
pub const FORMATS: &[Format] = &[
    Format {
        name: "json",
        about: "the whole snapshot",
        extension: "snapshot.json",
        write: |snapshot, out| json::pretty(&Flat::from(snapshot), out),
        rewrite: |snapshot, out| sorted::pretty(snapshot, out),
    },
    Format {
        name: "csv",
        about: "the table of sources",
        extension: "top.csv",
        write: |snapshot, out| table::of_sources(&snapshot.sources.rows, out),
        rewrite: table::of_json,
    },
    Format {
        name: "prefixes",
        about: "the tables of prefixes, as CSV",
        extension: "prefixes.csv",
        write: |snapshot, out| prefixes::of_snapshot(snapshot, out),
        rewrite: prefixes::of_json,
    },
];
