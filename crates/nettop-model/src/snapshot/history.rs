//! How much there was lately of one thing.

use std::{fmt, net::IpAddr};

use nettop_common::TrafficClass;
use serde::{Deserialize, Serialize};

use super::{
    Prefix, Visitor,
    json::{from_map, labelled},
};

/// Whose history can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Packets from this address.
    Source(IpAddr),
    /// Packets to this address.
    Destination(IpAddr),
    /// Packets from this prefix, which has one of the lengths that are counted.
    Prefix(Prefix),
    /// Packets to this port; their bytes are not counted.
    Port(u16),
    /// What the calls of the process of this number move; in place of packets, calls.
    Process(u32),
    /// Payload of the connection that the kernel knows by this cookie; in place of packets, segments or datagrams.
    Connection(u64),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(ip) => write!(f, "source {ip}"),
            Self::Destination(ip) => write!(f, "destination {ip}"),
            Self::Prefix(prefix) => write!(f, "prefix {prefix}"),
            Self::Port(0) => f.write_str("no port"),
            Self::Port(port) => write!(f, "port {port}"),
            Self::Process(pid) => write!(f, "process {pid}"),
            Self::Connection(cookie) => write!(f, "connection {cookie}"),
        }
    }
}

/// The last minutes, as far as they were looked at; oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Each of the last 60 seconds. Where there was no reading for longer than a second, each of these has the average.
    pub seconds: Vec<RatePoint>,
    /// Each ten seconds of the last ten minutes, likewise; the newest may not be over.
    pub tens: Vec<RatePoint>,
    /// What was sent, where the others are what was received: of a source to it, of a process and a connection by it. Of anything else, and where
    /// that is not counted, there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sent_seconds: Vec<RatePoint>,
    /// Likewise, each ten seconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sent_tens: Vec<RatePoint>,
    /// Of a destination that is looked at, each of the last seconds by class, since it is looked at. Of one destination at a time:
    /// of others, of anything else, and of an older monitor there is none.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "labelled", deserialize_with = "from_map")]
    pub classes: Vec<(TrafficClass, Vec<RatePoint>)>,
    /// Of a source, what logs claim of it, where logs are followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor: Option<Box<Visitor>>,
}

/// How much there was per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RatePoint {
    /// Packets per second.
    pub pps: f32,
    /// Bytes per second.
    pub bps: f32,
}
