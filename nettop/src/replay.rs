//! How far the replay of a capture file is.

use serde::{Deserialize, Serialize};

/// The state of a replay. Times are Unix nanoseconds, of the file's own stamps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// The file; `-` is standard input.
    pub file: String,
    /// Times as fast as it was captured; 0: as fast as possible.
    pub speed: f64,
    /// Packets read.
    pub packets: u64,
    /// Of those, packets of which only the beginning was captured.
    pub truncated_packets: u64,
    /// Bytes of the file that were read.
    pub bytes_read: u64,
    /// Bytes of the file; `None`: not known, as with a pipe.
    pub size: Option<u64>,
    /// The former of the latter, 0 to 100.
    pub percent: Option<f64>,
    /// Stamp of the first packet; `None`: there was none yet.
    pub first_ns: Option<u64>,
    /// The latest stamp.
    pub last_ns: Option<u64>,
    /// The link types in the file.
    pub link_types: Vec<LinkRow>,
    /// Whether everything was read, or cannot be.
    pub ended: bool,
    /// Why it could not be read to its end.
    pub error: Option<String>,
}

/// One link type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRow {
    /// Its number, as tcpdump.org assigns them.
    pub number: u32,
    /// What it is called; empty: not known here.
    pub name: String,
    /// Whether it can be looked into; else its packets count as not IP.
    pub supported: bool,
    /// Its packets.
    pub packets: u64,
}
