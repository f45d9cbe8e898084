//! Readings that are written down, one line of JSON each, and read back: so a session can be replayed, and a bug report becomes a
//! test.
//!
//! [`Recording`] wraps a collector of packets and writes what it reads; [`Recorded`] is one that reads it back.

mod lines;
mod recorded;
mod recording;

use std::sync::Arc;

use nettop_logs::LogReading;
use nettop_model::clock::Moment;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{
    lines::{Tables, Traffic},
    recorded::{Feed, Recorded, Step},
    recording::{Recording, RecordingCollector},
};
use crate::{
    drops::DropReading,
    flows::FlowReading,
    host::HostReading,
    reading::Watched,
    sockets::{Census, calls::Calls},
};

/// The number of this form of lines. A recording begins with it; one of a newer form is refused.
pub const SCHEMA: u32 = 1;

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// What everything after it was recorded from.
    Begin(Box<Begin>),
    /// A reading of packets.
    Traffic(Box<Traffic>),
    /// What changed in the cumulative tables.
    Tables(Box<Tables>),
    /// Sampled packets, as the kernel program hands them over.
    Events(Vec<lines::Event>),
    /// What is watched.
    Watched(Box<Watched>),
    /// What the host counts.
    Host(Box<HostReading>),
    /// Which sockets it has.
    Sockets(Box<Census>),
    /// What calls on sockets moved.
    Calls(Box<Calls>),
    /// What the kernel dropped.
    Drops(Box<DropReading>),
    /// The flows that it forwards or translates.
    Flows(Box<FlowReading>),
    /// What logs told.
    Logs(Box<LogReading>),
    /// The engine has published a snapshot.
    Tick,
    /// What the engine was asked, as the control protocol writes it.
    Request(Value),
    /// So many lines are missing here: the disk was too slow, or there was no room.
    Dropped(u64),
}

/// What a recording was made from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begin {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of the program that wrote it.
    pub version: String,
    /// When counting began.
    pub at: Moment,
    /// What was watched.
    pub interfaces: Vec<String>,
    /// The key by which distinct sources were hashed; `None`: every source had a slot.
    pub unique_key: Option<[u64; 2]>,
    /// How many keys each of the kernel's tables had room for; behind them, how many units the log had.
    pub capacity: Vec<Option<u64>>,
    /// Whether keys stayed in them until a reset.
    #[serde(default)]
    pub keys_stay: bool,
    /// With what the engine was started.
    pub settings: Value,
}

/// Where lines go. It never waits.
pub type Sink = Arc<dyn Fn(Line) + Send + Sync>;
