//! Sampled packets.

use std::net::IpAddr;

use nettop_common::{Event, Protocol};
use serde::{Deserialize, Serialize, Serializer};

use super::{Mac, TcpFlags, names::Name};

/// One sampled packet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// When it came.
    pub ts_ns: u64,
    /// Source address.
    pub src_ip: IpAddr,
    /// Destination address.
    pub dst_ip: IpAddr,
    /// Protocol.
    pub proto: Name,
    /// Frame length.
    pub size: u32,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Source MAC.
    pub src_mac: Mac,
    /// Destination MAC.
    pub dst_mac: Mac,
    /// TCP flags; empty for other protocols.
    pub tcp_flags: String,
    /// How many packets it stands for.
    pub weight: u32,
}

impl EventRow {
    /// From the kernel's event; `unix_offset_ns` turns its clock into Unix time.
    pub fn new(event: &Event, unix_offset_ns: u64) -> Self {
        Self {
            ts_ns: event.at_ns.wrapping_add(unix_offset_ns),
            src_ip: event.source.to_ip(),
            dst_ip: event.destination.to_ip(),
            proto: Protocol::from_number(event.protocol).label().into(),
            size: event.length,
            src_port: event.source_port,
            dst_port: event.destination_port,
            src_mac: Mac(event.macs.source()),
            dst_mac: Mac(event.macs.destination()),
            tcp_flags: u8::try_from(event.tcp_flags).map(|flags| TcpFlags(flags).to_string()).unwrap_or_default(),
            weight: event.weight,
        }
    }
}

/// A sampled packet on its way to a file, where it becomes an [`EventRow`]: making that takes time.
#[derive(Clone, Copy, Debug)]
pub struct Sampled {
    /// It.
    pub event: Event,
    /// As for [`EventRow::new`].
    pub unix_offset_ns: u64,
}

impl Serialize for Sampled {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        EventRow::new(&self.event, self.unix_offset_ns).serialize(serializer)
    }
}
