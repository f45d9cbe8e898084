//! The classic's form of a snapshot: one flat object with the keys of nettop 3, beside which stands what nettop adds. It is written
//! for clients that ask for no schema, and never read.
//!
//! Its keys only become more.

mod line;
mod row;
mod rows;

use std::{net::IpAddr, sync::Arc};

use nettop_common::{Protocol, counters::SizeBucket};
use serde::Serialize;

use self::rows::{FlatAccounting, FlatCountry, FlatNetwork, FlatPrefix, FlatRest, FlatSources};
pub use self::{line::Line, row::Row};
use crate::snapshot::{
    Alert, Degraded, Egress, EventRow, ExportRow, GeoView, History, Host, InterfaceRow, MacRow, MapRow, Replay,
    Sampling, SandboxLayer, SelfStats, Snapshot, TcpFlags, Tick,
    json::{as_map, labelled},
};

/// A snapshot in this form.
#[derive(Clone, Debug, Serialize)]
pub struct Flat {
    started_ns: u64,
    now_ns: u64,
    elapsed: f64,
    total_packets: u64,
    total_bytes: u64,
    avg_pps: f64,
    avg_bps: f64,
    current_pps: f64,
    current_bps: f64,
    unique_ips: u64,
    unique_estimated: bool,
    filtered_packets: u64,
    ips: FlatSources,
    rest: FlatRest,
    countries: Vec<FlatCountry>,
    networks: Vec<FlatNetwork>,
    #[serde(serialize_with = "as_map")]
    prefixes: Vec<(u8, Vec<FlatPrefix>)>,
    geo: Option<GeoView>,
    macs: Vec<MacRow>,
    #[serde(serialize_with = "labelled")]
    protocols: Vec<(Protocol, u64)>,
    #[serde(serialize_with = "as_map")]
    dst_ports: Vec<(u16, u64)>,
    #[serde(serialize_with = "as_map")]
    src_ports: Vec<(u16, u64)>,
    #[serde(serialize_with = "as_map")]
    dst_ips: Vec<(IpAddr, u64)>,
    #[serde(serialize_with = "as_map")]
    tcp_flags: Vec<(TcpFlags, u64)>,
    #[serde(serialize_with = "labelled")]
    packet_sizes: Vec<(SizeBucket, u64)>,
    last_events: Vec<EventRow>,
    accounting: FlatAccounting,
    interfaces: Vec<InterfaceRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    egress: Option<Arc<Egress>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Arc<Host>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<Replay>,
    degraded: Vec<Degraded>,
    history: History,
    alerts: Vec<Alert>,
    exports: Vec<ExportRow>,
    sampling: Sampling,
    maps: Vec<MapRow>,
    tick: Tick,
    sandbox: Arc<[SandboxLayer]>,
    #[serde(rename = "self", default)]
    overhead: SelfStats,
}

impl From<&Snapshot> for Flat {
    fn from(snapshot: &Snapshot) -> Self {
        let Snapshot { meta, traffic, sources, destinations, ports, macs, places, prefixes, .. } = snapshot;
        let Snapshot { alerts, egress, host, monitor, .. } = snapshot;
        Self {
            started_ns: meta.started_ns,
            now_ns: meta.now_ns,
            elapsed: meta.elapsed,
            total_packets: traffic.packets,
            total_bytes: traffic.bytes,
            avg_pps: traffic.avg_pps,
            avg_bps: traffic.avg_bps,
            current_pps: traffic.pps,
            current_bps: traffic.bps,
            unique_ips: traffic.unique_sources,
            unique_estimated: traffic.unique_estimated,
            filtered_packets: traffic.accounting.filtered.packets,
            ips: FlatSources(sources.rows.clone()),
            rest: FlatRest::of(snapshot),
            countries: places.countries.iter().map(FlatCountry::from).collect(),
            networks: places.networks.iter().map(FlatNetwork::from).collect(),
            prefixes: prefixes
                .lengths
                .iter()
                .map(|(length, rows)| (*length, rows.iter().map(FlatPrefix::from).collect()))
                .collect(),
            geo: places.geo.clone(),
            macs: macs.rows.clone(),
            protocols: traffic.protocols.clone(),
            dst_ports: ports.to.clone(),
            src_ports: ports.from.clone(),
            dst_ips: destinations.rows.iter().map(|row| (row.ip, row.packets)).collect(),
            tcp_flags: traffic.tcp_flags.clone(),
            packet_sizes: traffic.packet_sizes.clone(),
            last_events: traffic.events.clone(),
            accounting: traffic.accounting.into(),
            interfaces: monitor.interfaces.clone(),
            egress: egress.clone(),
            host: host.clone(),
            replay: monitor.replay.clone(),
            degraded: monitor.degraded.clone(),
            history: traffic.history.clone(),
            alerts: alerts.clone(),
            exports: monitor.exports.clone(),
            sampling: monitor.sampling,
            maps: monitor.maps.clone(),
            tick: monitor.tick,
            sandbox: monitor.sandbox.clone(),
            overhead: monitor.overhead.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{PortList, Traffic};

    #[test]
    fn maps_have_text_keys() {
        let snapshot = Snapshot {
            ports: PortList { to: vec![(53, 2)], ..PortList::default() },
            traffic: Traffic {
                tcp_flags: vec![(TcpFlags(0x12), 3)],
                protocols: vec![(Protocol::Udp, 2)],
                ..Traffic::default()
            },
            ..Snapshot::default()
        };
        let json = serde_json::to_value(Flat::from(&snapshot)).unwrap();
        assert_eq!(json["dst_ports"], serde_json::json!({"53": 2}));
        assert_eq!(json["tcp_flags"], serde_json::json!({"SA": 3}));
        assert_eq!(json["protocols"], serde_json::json!({"UDP": 2}));
    }
}
