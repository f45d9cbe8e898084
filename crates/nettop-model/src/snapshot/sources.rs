//! Sources and what is known of them, and MAC addresses.

use std::{net::IpAddr, sync::Arc};

use litemap::LiteMap;
use serde::{Deserialize, Serialize};

use super::{
    Counted, Mac, Place, Sent, TcpFlags,
    json::{litemap_as_map, litemap_from_map},
    names::Name,
};
use crate::clock::Calendar;

/// One source address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceRow {
    /// The address.
    pub ip: IpAddr,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// When its first packet came: what the clock showed then.
    pub first_ns: u64,
    /// Since when it is counted, where packets came before that: it was forgotten, or not remembered at once, because there was no
    /// room. Then all that is counted of it is a lower bound. `None`: every packet of it is counted here.
    #[serde(default)]
    pub since: Option<u64>,
    /// When its newest packet came, likewise.
    pub last_ns: u64,
    /// Packets in the newest whole second.
    pub pps: f64,
    /// Packets of the last 10 s, over 10 or the seconds since the first one, at least one.
    pub pps_10s: f64,
    /// Packets of the last 60 s, over 60 or the seconds since the first one, at least one.
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
    /// What it was sent; `None`: that is not counted.
    #[serde(default)]
    pub sent: Option<Sent>,
    /// Where it is; `None`: geography is off.
    #[serde(default)]
    pub place: Option<Place>,
    /// Ports, protocols, MACs and flags, from sampled packets; `None`: it has none, because others send more.
    #[serde(default)]
    pub detail: Option<Arc<Detail>>,
}

impl SourceRow {
    /// From what was counted for it, of so many packets of everybody.
    pub fn new(
        counted: &Counted,
        packets: u64,
        calendar: &Calendar,
        place: Option<Place>,
        detail: Option<Arc<Detail>>,
    ) -> Self {
        let Counted { address, total, lacks, pps, pps_10s, pps_60s, peak_pps, low_pps, sent } = *counted;
        Self {
            ip: address.to_ip(),
            packets: total.packets,
            bytes: total.bytes,
            first_ns: calendar.unix_ns(total.first_ns),
            since: lacks.then(|| calendar.unix_ns(total.first_ns)),
            last_ns: calendar.unix_ns(total.last_ns),
            pps,
            pps_10s,
            pps_60s,
            peak_pps,
            low_pps,
            share: total.packets as f64 / packets.max(1) as f64,
            syn: total.syn.get(),
            udp: total.udp.get(),
            icmp: total.icmp.get(),
            sent,
            place,
            detail,
        }
    }
}

/// What sampled packets tell of one source. Each map: key → packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// By source port.
    #[serde(serialize_with = "litemap_as_map", deserialize_with = "litemap_from_map")]
    pub src_ports: LiteMap<u16, u64>,
    /// By destination port.
    #[serde(serialize_with = "litemap_as_map", deserialize_with = "litemap_from_map")]
    pub dst_ports: LiteMap<u16, u64>,
    /// By protocol.
    #[serde(serialize_with = "litemap_as_map", deserialize_with = "litemap_from_map")]
    pub protocols: LiteMap<Name, u64>,
    /// By source MAC.
    #[serde(serialize_with = "litemap_as_map", deserialize_with = "litemap_from_map")]
    pub macs: LiteMap<Mac, u64>,
    /// By TCP flags.
    #[serde(serialize_with = "litemap_as_map", deserialize_with = "litemap_from_map")]
    pub tcp_flags: LiteMap<TcpFlags, u64>,
    /// Whether these are estimates: packets were sampled, or events lost, or it began later than the source, or there were more
    /// keys than are kept.
    pub estimated: bool,
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
    /// Packets of the last 60 s, over 60 or the seconds since the start, at least one.
    pub pps_60s: f64,
    /// Whether packets are a lower bound: a pair with it was forgotten, or not remembered at once, because there was no room.
    #[serde(default)]
    pub at_least: bool,
}
