//! Sources and what is known of them, and MAC addresses.

use std::{net::IpAddr, sync::Arc};

use litemap::LiteMap;
use serde::{Deserialize, Serialize, Serializer};

use super::{Counted, Mac, Place, TcpFlags, json::from_map, names::Name};

/// One source address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceRow {
    /// The address.
    pub ip: IpAddr,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// When its first packet came.
    pub first_ns: u64,
    /// When its newest packet came.
    pub last_ns: u64,
    /// Packets in the newest whole second.
    pub pps: f64,
    /// Packets of the last 10 s, over 10.
    pub pps_10s: f64,
    /// Packets of the last 60 s, over 60 or the time since the start.
    pub pps_60s: f64,
    /// The busiest second ever.
    pub peak_pps: f64,
    /// The quietest second above zero of the last 60 s.
    pub low_pps: f64,
    /// Share of all counted packets, 0 to 1.
    pub share: f64,
    /// TCP segments with SYN and without ACK.
    pub syn: u64,
    /// UDP datagrams.
    pub udp: u64,
    /// ICMP and ICMPv6 messages.
    pub icmp: u64,
    /// Where it is; `None`: geography is off.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// Ports, protocols, MACs and flags, from sampled packets.
    #[serde(flatten)]
    pub detail: Arc<Detail>,
}

impl SourceRow {
    /// From what was counted for it, of so many packets of everybody; `unix_offset_ns` turns the kernel's clock into Unix time.
    pub fn new(
        counted: &Counted,
        packets: u64,
        unix_offset_ns: u64,
        place: Option<Place>,
        detail: Arc<Detail>,
    ) -> Self {
        let Counted { address, total, pps, pps_10s, pps_60s, peak_pps, low_pps } = *counted;
        Self {
            ip: address.to_ip(),
            packets: total.packets,
            bytes: total.bytes,
            first_ns: total.first_ns.wrapping_add(unix_offset_ns),
            last_ns: total.last_ns.wrapping_add(unix_offset_ns),
            pps,
            pps_10s,
            pps_60s,
            peak_pps,
            low_pps,
            share: total.packets as f64 / packets.max(1) as f64,
            syn: u64::from(total.syn),
            udp: u64::from(total.udp),
            icmp: u64::from(total.icmp),
            place,
            detail,
        }
    }
}

/// What sampled packets tell of one source. Each map: key → packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// By source port.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub src_ports: LiteMap<u16, u64>,
    /// By destination port.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub dst_ports: LiteMap<u16, u64>,
    /// By protocol.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub protocols: LiteMap<Name, u64>,
    /// By source MAC.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub macs: LiteMap<Mac, u64>,
    /// By TCP flags.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub tcp_flags: LiteMap<TcpFlags, u64>,
    /// Whether these are estimates: packets were sampled, or events lost, or there were more keys than are kept.
    #[serde(rename = "detail_estimated")]
    pub estimated: bool,
}

/// As a map also where it is empty: by itself it is then a list.
fn as_map<K: Serialize, S: Serializer>(counts: &LiteMap<K, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter())
}

/// One MAC address, as source or destination.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MacRow {
    /// The address.
    pub mac: Mac,
    /// Packets from and to it.
    pub packets: u64,
    /// Packets in the newest whole second.
    pub pps: f64,
    /// Packets of the last 60 s, over 60 or the time since the start.
    pub pps_60s: f64,
}
