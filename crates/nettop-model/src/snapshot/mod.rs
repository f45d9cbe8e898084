//! The [`Snapshot`]: all that a view may know. The engine publishes one per tick; it never changes afterwards.
//!
//! Its JSON form has the classic's keys; what nettop adds stands beside them.

mod accounting;
mod alerts;
mod all_sources;
mod cut;
mod events;
mod exports;
mod history;
mod host;
mod interfaces;
mod json;
mod link;
mod monitor;
mod names;
mod places;
mod prefixes;
mod replay;
mod rest;
mod rows;
mod runtime;
mod sandbox;
mod sources;
mod values;
mod whole;

use std::{net::IpAddr, sync::Arc};

use nettop_common::{Protocol, counters::SizeBucket};
use serde::{Deserialize, Serialize};

use self::json::{as_map, from_map, labelled};
pub use self::{
    accounting::{Accounting, Amount},
    alerts::{Alert, Origin, Severity, Target, TopSource},
    all_sources::{AllSources, Counted, Sources},
    events::{EventRow, Sampled},
    exports::{Export, ExportRow},
    history::{History, Pace, Subject},
    host::{Host, HostCounter, HostCpu, HostDirection, HostInterface, HostMemory},
    interfaces::{AttachMode, InterfaceRow, InterfaceState},
    link::{Link, Lost},
    monitor::{Degraded, MapRow, Own, Sampling, Tick},
    names::Name,
    places::{CountryRow, GeoView, NetworkRow, Place, Sums},
    prefixes::{Prefix, PrefixRest, PrefixRow},
    replay::{LinkRow, Replay},
    rest::{Others, Rest},
    rows::{DestinationRow, PortRow},
    runtime::{FilterView, Mode, Runtime},
    sandbox::Guard,
    sources::{Detail, MacRow, SourceRow},
    values::{Mac, TcpFlags},
    whole::{Rows, VERSION, Whole},
};

/// How many rows each list of a snapshot has at most, unless asked for another limit.
pub const DEFAULT_LIMIT: usize = 1000;
/// How many sources the screen may be asked to show.
pub const TOP_RANGE: std::ops::RangeInclusive<i64> = 1..=500;

/// What was counted, and how fast, at one instant. Times are Unix nanoseconds, bytes are frame lengths on the wire.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// What the user has set; apart from the snapshot in the classic's protocol.
    #[serde(skip)]
    pub runtime: Runtime,
    /// How it came here; `None`: the screen is the monitor's own.
    #[serde(skip)]
    pub link: Option<Arc<Link>>,
    /// When counting began, or was last reset.
    pub started_ns: u64,
    /// When this was read.
    pub now_ns: u64,
    /// Seconds from the one to the other.
    pub elapsed: f64,
    /// Counted packets.
    pub total_packets: u64,
    /// Counted bytes.
    pub total_bytes: u64,
    /// Packets per second since the start.
    pub avg_pps: f64,
    /// Bytes per second since the start.
    pub avg_bps: f64,
    /// Packets in the newest whole second.
    pub current_pps: f64,
    /// Bytes in the newest whole second.
    pub current_bps: f64,
    /// Distinct source addresses.
    pub unique_ips: u64,
    /// Whether `unique_ips` is an estimate, because not every source could be tracked.
    pub unique_estimated: bool,
    /// Packets that the filter or pause rejected.
    pub filtered_packets: u64,
    /// Sources, most packets first.
    pub ips: Sources,
    /// What the lists had no room for.
    pub rest: Rest,
    /// Countries of the sources, most packets first.
    pub countries: Vec<CountryRow>,
    /// Networks of the sources, most packets first.
    pub networks: Vec<NetworkRow>,
    /// Prefixes of the sources, by length: 24 and 16 of IPv4, 48 and 32 of IPv6; most packets first.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub prefixes: Vec<(u8, Vec<PrefixRow>)>,
    /// The most telling of them, most packets first.
    #[serde(skip)]
    pub top_prefixes: Vec<PrefixRow>,
    /// Where places come from; `None`: geography is off.
    pub geo: Option<GeoView>,
    /// MAC addresses, most packets first.
    pub macs: Vec<MacRow>,
    /// Packets by protocol.
    #[serde(serialize_with = "labelled", deserialize_with = "from_map")]
    pub protocols: Vec<(Protocol, u64)>,
    /// Packets by destination port: the busiest, in order of port; 0 is "no port".
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub dst_ports: Vec<(u16, u64)>,
    /// Packets by source port: the busiest, in order of port; 0 is "no port".
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub src_ports: Vec<(u16, u64)>,
    /// The busiest destination ports, most packets first.
    #[serde(skip)]
    pub top_dst_ports: Vec<(u16, u64)>,
    /// Packets by destination address, most packets first.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub dst_ips: Vec<(IpAddr, u64)>,
    /// Destinations, most packets first: of a snapshot of the usual size.
    #[serde(skip)]
    pub destinations: Vec<DestinationRow>,
    /// Ports, most packets to them first: of a snapshot of the usual size.
    #[serde(skip)]
    pub ports: Vec<PortRow>,
    /// Packets by TCP flags.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub tcp_flags: Vec<(TcpFlags, u64)>,
    /// Packets by frame size.
    #[serde(serialize_with = "labelled", deserialize_with = "from_map")]
    pub packet_sizes: Vec<(SizeBucket, u64)>,
    /// The newest sampled packets, oldest first.
    #[serde(default)]
    pub last_events: Vec<EventRow>,
    /// Where every packet went.
    pub accounting: Accounting,
    /// The interfaces, and how the program is attached to each.
    pub interfaces: Vec<InterfaceRow>,
    /// What the host itself counts; `None`: not yet, or the traffic is not this host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Arc<Host>>,
    /// How far the replay is; `None`: the traffic is not from a capture file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// What does not work as it should, with the remedy.
    pub degraded: Vec<Degraded>,
    /// The last minutes of everything counted.
    #[serde(default)]
    pub history: History,
    /// What the rules found, newest first: all that lasts, and the newest of the rest.
    pub alerts: Vec<Alert>,
    /// Files that rows are appended to.
    #[serde(default)]
    pub exports: Vec<ExportRow>,
    /// The state of event sampling.
    pub sampling: Sampling,
    /// Fill of the kernel's tables.
    pub maps: Vec<MapRow>,
    /// The monitor's own work.
    pub tick: Tick,
    /// What confines the monitor; empty before it has entered its sandbox.
    #[serde(default)]
    pub sandbox: Arc<[Guard]>,
    /// What the monitor itself costs.
    #[serde(rename = "self", default)]
    pub own: Own,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_have_text_keys() {
        let snapshot = Snapshot {
            dst_ports: vec![(53, 2)],
            tcp_flags: vec![(TcpFlags(0x12), 3)],
            protocols: vec![(Protocol::Udp, 2)],
            ..Snapshot::default()
        };
        let json = serde_json::to_value(&snapshot).unwrap();
        assert_eq!(json["dst_ports"], serde_json::json!({"53": 2}));
        assert_eq!(json["tcp_flags"], serde_json::json!({"SA": 3}));
        assert_eq!(json["protocols"], serde_json::json!({"UDP": 2}));
    }
}
