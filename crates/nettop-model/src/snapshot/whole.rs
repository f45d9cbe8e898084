//! A snapshot as JSON with all that the screen shows: what the classic's protocol keeps apart, and rows that have other keys there.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{DestinationRow, PortRow, PrefixRow, Runtime, Snapshot};

/// Of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is written, and read back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Whole<'a> {
    /// The version of the program that wrote it.
    pub version: Cow<'a, str>,
    /// What the user has set.
    pub runtime: Cow<'a, Runtime>,
    /// What was counted.
    pub snapshot: Cow<'a, Snapshot>,
    /// Rows of the screen.
    pub rows: Rows<'a>,
}

/// Rows that a snapshot's own JSON has not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rows<'a> {
    /// Destinations.
    pub destinations: Cow<'a, [DestinationRow]>,
    /// Ports.
    pub ports: Cow<'a, [PortRow]>,
    /// The most telling prefixes.
    pub top_prefixes: Cow<'a, [PrefixRow]>,
    /// The busiest destination ports, and their packets.
    pub top_dst_ports: Cow<'a, [(u16, u64)]>,
}

impl<'a> From<&'a Snapshot> for Whole<'a> {
    fn from(snapshot: &'a Snapshot) -> Self {
        let rows = Rows {
            destinations: Cow::Borrowed(&snapshot.destinations),
            ports: Cow::Borrowed(&snapshot.ports),
            top_prefixes: Cow::Borrowed(&snapshot.top_prefixes),
            top_dst_ports: Cow::Borrowed(&snapshot.top_dst_ports),
        };
        let runtime = Cow::Borrowed(&snapshot.runtime);
        Self { version: VERSION.into(), runtime, snapshot: Cow::Borrowed(snapshot), rows }
    }
}

impl From<Whole<'_>> for Snapshot {
    fn from(Whole { runtime, snapshot, rows, .. }: Whole<'_>) -> Self {
        Self {
            runtime: runtime.into_owned(),
            destinations: rows.destinations.into_owned(),
            ports: rows.ports.into_owned(),
            top_prefixes: rows.top_prefixes.into_owned(),
            top_dst_ports: rows.top_dst_ports.into_owned(),
            ..snapshot.into_owned()
        }
    }
}
