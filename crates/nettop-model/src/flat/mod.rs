//! The classic's form of a snapshot: one flat object with the keys of nettop 3, beside which stands what nettop adds. It is written
//! for clients that ask for no schema, and read from monitors that know no other.
//!
//! Its keys only become more.

mod line;
mod row;
mod rows;

use std::{net::IpAddr, sync::Arc};

use nettop_common::{Protocol, counters::SizeBucket};
use serde::{Deserialize, Serialize};

use self::rows::{FlatAccounting, FlatCountry, FlatNetwork, FlatPrefix, FlatRest, FlatSources};
pub use self::{line::Line, row::Row};
use crate::snapshot::{
    Alert, Degraded, DestinationList, Egress, EventRow, ExportRow, GeoView, History, Host, InterfaceRow, MacList,
    MacRow, MapRow, Meta, Monitor, Places, PortList, PrefixLists, Replay, Sampling, SandboxLayer, SelfStats, Snapshot,
    SourceList, TcpFlags, Tick, Traffic,
    json::{as_map, from_map, labelled},
};

/// A snapshot in this form.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    prefixes: Vec<(u8, Vec<FlatPrefix>)>,
    geo: Option<GeoView>,
    macs: Vec<MacRow>,
    #[serde(serialize_with = "labelled", deserialize_with = "from_map")]
    protocols: Vec<(Protocol, u64)>,
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    dst_ports: Vec<(u16, u64)>,
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    src_ports: Vec<(u16, u64)>,
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    dst_ips: Vec<(IpAddr, u64)>,
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    tcp_flags: Vec<(TcpFlags, u64)>,
    #[serde(serialize_with = "labelled", deserialize_with = "from_map")]
    packet_sizes: Vec<(SizeBucket, u64)>,
    #[serde(default)]
    last_events: Vec<EventRow>,
    accounting: FlatAccounting,
    interfaces: Vec<InterfaceRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    egress: Option<Arc<Egress>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<Arc<Host>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replay: Option<Replay>,
    degraded: Vec<Degraded>,
    #[serde(default)]
    history: History,
    alerts: Vec<Alert>,
    #[serde(default)]
    exports: Vec<ExportRow>,
    sampling: Sampling,
    maps: Vec<MapRow>,
    tick: Tick,
    #[serde(default)]
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

impl From<Flat> for Snapshot {
    /// What this form has not stays empty: rows of destinations and ports, the top prefixes, what the user has set. The line that a
    /// subscriber gets has them beside it: [`Line`].
    fn from(flat: Flat) -> Self {
        let rest = flat.rest;
        Self {
            meta: Meta { started_ns: flat.started_ns, now_ns: flat.now_ns, elapsed: flat.elapsed, ..Meta::default() },
            traffic: Traffic {
                packets: flat.total_packets,
                bytes: flat.total_bytes,
                avg_pps: flat.avg_pps,
                avg_bps: flat.avg_bps,
                pps: flat.current_pps,
                bps: flat.current_bps,
                unique_sources: flat.unique_ips,
                unique_estimated: flat.unique_estimated,
                accounting: flat.accounting.into(),
                protocols: flat.protocols,
                tcp_flags: flat.tcp_flags,
                packet_sizes: flat.packet_sizes,
                classes: Vec::new(),
                interfaces: Vec::new(),
                history: flat.history,
                events: flat.last_events,
            },
            sources: SourceList { rows: flat.ips.0, rest: rest.of_sources() },
            destinations: DestinationList { rows: Vec::new(), rest: rest.dst_ips.into() },
            ports: PortList {
                rows: Vec::new(),
                to: flat.dst_ports,
                rest_to: rest.dst_ports.into(),
                from: flat.src_ports,
                rest_from: rest.src_ports.into(),
            },
            macs: MacList { rows: flat.macs, rest: rest.macs.into() },
            places: Places {
                geo: flat.geo,
                countries: flat.countries.into_iter().map(Into::into).collect(),
                rest_countries: rest.countries.into(),
                networks: flat.networks.into_iter().map(Into::into).collect(),
                rest_networks: rest.networks.into(),
            },
            prefixes: PrefixLists {
                lengths: flat
                    .prefixes
                    .into_iter()
                    .map(|(length, rows)| (length, rows.into_iter().map(Into::into).collect()))
                    .collect(),
                rest: rest.prefixes.into_iter().map(|(length, rest)| (length, rest.into())).collect(),
                top: Vec::new(),
            },
            alerts: flat.alerts,
            egress: flat.egress,
            host: flat.host,
            connections: None,
            processes: None,
            drops: None,
            flows: None,
            neighbours: None,
            visits: None,
            log: None,
            blocks: None,
            monitor: Monitor {
                interfaces: flat.interfaces,
                degraded: flat.degraded,
                replay: flat.replay,
                sampling: flat.sampling,
                maps: flat.maps,
                tick: flat.tick,
                exports: flat.exports,
                sandbox: flat.sandbox,
                hooks: Arc::default(),
                overhead: flat.overhead,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
