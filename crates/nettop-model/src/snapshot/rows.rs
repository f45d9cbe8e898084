//! Rows that only the screen needs: what they are made of has other keys in JSON.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One destination address.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DestinationRow {
    /// The address.
    pub ip: IpAddr,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets in the newest whole second.
    pub pps: f64,
    /// Packets of the last 60 s, over 60 or the time since the start.
    pub pps_60s: f64,
    /// The busiest second ever.
    pub peak_pps: f64,
    /// Whether packets and bytes are lower bounds: it was forgotten, or not remembered at once, because there was no room.
    #[serde(default)]
    pub at_least: bool,
}

/// One port, of TCP, UDP and SCTP together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PortRow {
    /// Its number; 0: packets without ports.
    pub port: u16,
    /// Packets to it.
    pub packets: u64,
    /// Packets from it.
    pub from_packets: u64,
    /// Packets to it in the newest whole second; `None`: not followed, for it is none of the busiest.
    pub pps: Option<f64>,
}
