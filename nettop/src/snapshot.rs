//! The [`Snapshot`]: all that a view may know. The engine publishes one per tick; it never changes afterwards.
//!
//! Its JSON form has the classic's keys; what nettop adds stands beside them.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use nettop_common::{
    Event, Protocol, Tally,
    counters::{SizeBucket, Table},
};
use nettop_geo::{CountryCode, Database, Location};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

pub use crate::{
    reading::{AttachMode, InterfaceRow, InterfaceState},
    replay::{LinkRow, Replay},
};

/// How many sources, destinations and MACs a snapshot carries at most, unless asked for another limit.
pub const DEFAULT_LIMIT: usize = 1000;

/// What was counted, and how fast, at one instant. Times are Unix nanoseconds, bytes are frame lengths on the wire.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    /// What the user has set; apart from the snapshot in the classic's protocol.
    #[serde(skip)]
    pub runtime: Runtime,
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
    pub ips: Vec<SourceRow>,
    /// Sources that `ips` had no room for.
    pub rest: Rest,
    /// Countries of the sources, most packets first.
    pub countries: Vec<CountryRow>,
    /// Networks of the sources, most packets first.
    pub networks: Vec<NetworkRow>,
    /// Where places come from; `None`: geography is off.
    pub geo: Option<GeoView>,
    /// MAC addresses, most packets first.
    pub macs: Vec<MacRow>,
    /// Packets by protocol.
    #[serde(serialize_with = "labelled")]
    pub protocols: Vec<(Protocol, u64)>,
    /// Packets by destination port, in order of port; 0 is "no port".
    #[serde(serialize_with = "as_map")]
    pub dst_ports: Vec<(u16, u64)>,
    /// Packets by source port, in order of port; 0 is "no port".
    #[serde(serialize_with = "as_map")]
    pub src_ports: Vec<(u16, u64)>,
    /// The busiest destination ports, most packets first.
    #[serde(skip)]
    pub top_dst_ports: Vec<(u16, u64)>,
    /// Packets by destination address, most packets first.
    #[serde(serialize_with = "as_map")]
    pub dst_ips: Vec<(IpAddr, u64)>,
    /// Packets by TCP flags.
    #[serde(serialize_with = "as_map")]
    pub tcp_flags: Vec<(TcpFlags, u64)>,
    /// Packets by frame size.
    #[serde(serialize_with = "labelled")]
    pub packet_sizes: Vec<(SizeBucket, u64)>,
    /// The newest sampled packets, oldest first.
    pub last_events: Vec<EventRow>,
    /// Where every packet went.
    pub accounting: Accounting,
    /// The interfaces, and how the program is attached to each.
    pub interfaces: Vec<InterfaceRow>,
    /// How far the replay is; `None`: the traffic is not from a capture file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// What does not work as it should, with the remedy.
    pub degraded: Vec<Degraded>,
    /// What the rules found, newest first: all that lasts, and the newest of the rest.
    pub alerts: Vec<Alert>,
    /// Files that rows are appended to.
    pub exports: Vec<ExportRow>,
    /// The state of event sampling.
    pub sampling: Sampling,
    /// Fill of the kernel's tables.
    pub maps: Vec<MapRow>,
    /// The monitor's own work.
    pub tick: Tick,
}

/// What the user has set.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Runtime {
    /// The filter in force.
    pub filter: FilterView,
    /// How many sources the screen shows.
    pub top: usize,
    /// Whether counting is paused.
    pub paused: bool,
    /// The newest thing worth telling the user.
    pub message: String,
    /// What is being watched: live traffic, a demonstration, …
    pub mode: Mode,
}

/// Where the traffic comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Interfaces of this host.
    #[default]
    Live,
    /// Synthetic traffic.
    Demo,
    /// A capture file.
    Replay,
}

/// The filter as text, as the classic shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FilterView {
    /// Destination addresses and prefixes; `0.0.0.0` is any.
    pub dst: String,
    /// Accepted destination ports, sorted; empty is any, or only negated ones.
    pub ports: Vec<u16>,
    /// Destination ports as given.
    pub port: String,
    /// Interface names, separated by commas.
    pub iface: String,
    /// Source addresses and prefixes; empty is any.
    pub src: String,
    /// Protocols, sorted, upper case; empty is any.
    pub protocols: Vec<String>,
}

/// One source address.
#[derive(Clone, Debug, Serialize)]
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

/// Where an address is, as far as the databases know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// ISO 3166-1 alpha-2 code of the country; `LO`: not a public address; `??`: unknown.
    pub country_code: CountryCode,
    /// Its name, or what kind of address it is.
    pub country: String,
    /// City; empty: unknown.
    pub city: String,
    /// Number of the autonomous system; 0: unknown.
    pub asn: u32,
    /// Who runs that; empty: unknown.
    pub org: String,
}

impl From<Location<'_>> for Place {
    fn from(Location { country_code, country, city, asn, org }: Location<'_>) -> Self {
        Self { country_code, country: country.into(), city: city.into(), asn, org: org.into() }
    }
}

/// Where places come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GeoView {
    /// The databases in force, that with the most say first.
    pub databases: Vec<Database>,
    /// What could not be loaded or reloaded: what was read before stays in force.
    pub problems: Vec<String>,
}

/// What came from the sources of one place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sums {
    /// Sources there, of those remembered.
    pub ips: u64,
    /// Their packets, those of sources since forgotten included.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets in the newest whole second.
    pub pps: f64,
    /// Packets of the last 60 s, over 60 or the time since the start.
    pub pps_60s: f64,
}

/// One country.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CountryRow {
    /// See [`Place::country_code`].
    pub country_code: CountryCode,
    /// Its name.
    pub country: String,
    /// What came from there.
    #[serde(flatten)]
    pub sums: Sums,
}

/// One network: an autonomous system.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NetworkRow {
    /// Its number; 0: sources whose network is unknown.
    pub asn: u32,
    /// Who runs it.
    pub org: String,
    /// What came from there.
    #[serde(flatten)]
    pub sums: Sums,
}

/// What sampled packets tell of one source. Each map: key → packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// By source port.
    pub src_ports: BTreeMap<u16, u64>,
    /// By destination port.
    pub dst_ports: BTreeMap<u16, u64>,
    /// By protocol.
    pub protocols: BTreeMap<&'static str, u64>,
    /// By source MAC.
    pub macs: BTreeMap<Mac, u64>,
    /// By TCP flags.
    pub tcp_flags: BTreeMap<TcpFlags, u64>,
    /// Whether these are estimates: packets were sampled, or events lost, or there were more keys than are kept.
    #[serde(rename = "detail_estimated")]
    pub estimated: bool,
}

/// Sums over the sources a snapshot does not list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rest {
    /// How many sources.
    pub sources: u64,
    /// Their packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One MAC address, as source or destination.
#[derive(Clone, Debug, Serialize)]
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

/// One sampled packet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventRow {
    /// When it came.
    pub ts_ns: u64,
    /// Source address.
    pub src_ip: IpAddr,
    /// Destination address.
    pub dst_ip: IpAddr,
    /// Protocol.
    pub proto: &'static str,
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
            proto: Protocol::from_number(event.protocol as u8).label(),
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

/// Where every packet went. Always: `seen` = `counted` + `filtered` + `not_ip`, and
/// `counted` = `sources` + `evicted` + `untracked`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Accounting {
    /// Every packet the program saw.
    pub seen: Amount,
    /// Passed the filter and was counted.
    pub counted: Amount,
    /// Rejected by the filter or by pause.
    pub filtered: Amount,
    /// Not IP, malformed IP included.
    pub not_ip: Amount,
    /// Of `not_ip`: claimed to be IP but was cut short or contradicted itself.
    pub malformed: Amount,
    /// Counted for the sources in the ledger.
    pub sources: Amount,
    /// Counted for sources the ledger has since forgotten.
    pub evicted: Amount,
    /// Of `evicted`: never had an account, because under a flood of new sources there was no room for one seen so seldom.
    pub passed: Amount,
    /// Counted, but for no source: there was no slot left for it in the kernel.
    pub untracked: Amount,
    /// Counted, but there was no slot for their destination.
    pub untracked_destinations: Amount,
    /// Counted, but there was no slot for their MACs.
    pub untracked_macs: Amount,
    /// Whether the totals and the sums over sources, which are counted apart, agree.
    pub holds: bool,
}

/// Packets and bytes, as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl From<Tally> for Amount {
    fn from(Tally { packets, bytes }: Tally) -> Self {
        Self { packets, bytes }
    }
}

/// Something that does not work as it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Degraded {
    /// What: a few words.
    pub what: String,
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

/// Something that a rule found worth telling.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alert {
    /// The rule: `new-ip`, `new-mac`, `high-pps`, …
    pub kind: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The address it is about; `None` where it is about several.
    pub source: Option<Origin>,
    /// What was found, in a few words.
    pub message: String,
    /// When it began.
    pub since_ns: u64,
    /// When it was found last.
    pub last_ns: u64,
    /// When it was over; `None` while it lasts.
    pub until_ns: Option<u64>,
    /// What was found last: packets per second; SYNs per second for `syn-flood`, new sources per second for
    /// `spoofed-flood`, ports for `port-scan`, a number of addresses in one second for `new-ip` and `new-mac`.
    pub value: f64,
    /// The highest such value.
    pub peak: f64,
    /// How many addresses it is about; for floods, how many sources there are at least.
    pub count: u64,
    /// Where most of it goes; `None`: to several hosts, or unknown. Estimated from sampled packets.
    pub target: Option<Target>,
    /// Who sends most of a flood, the busiest first. Estimated from sampled packets.
    pub sources: Vec<TopSource>,
}

impl Alert {
    /// Whether it lasts, and is worth acting upon.
    pub fn is_alarm(&self) -> bool {
        self.until_ns.is_none() && self.severity == Severity::Critical
    }
}

/// Where most of a flood goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The address.
    pub ip: IpAddr,
    /// The port; `None`: to several, or it has none.
    pub port: Option<u16>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

/// One of the sources of a flood.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TopSource {
    /// The address.
    pub ip: IpAddr,
    /// Packets per second.
    pub pps: f64,
}

/// How bad an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warn,
    /// Worth acting upon.
    Critical,
}

impl Severity {
    /// The word for it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Critical => "critical",
        }
    }
}

/// The address that an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A source address.
    Ip(IpAddr),
    /// A MAC address.
    Mac(Mac),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Mac(mac) => mac.fmt(f),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is appended to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Export {
    /// Sampled packets: `--jsonl`.
    Events,
    /// Alerts, when they are raised and when they are over: `--alerts`.
    Alerts,
}

impl Export {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Events, Self::Alerts];

    /// What its lines are.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Events => "sampled packets, each with the number of packets it stands for (--jsonl)",
            Self::Alerts => "alerts, when they are raised and when they are over (--alerts)",
        }
    }

    /// The word for it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Alerts => "alerts",
        }
    }
}

/// A file that rows are appended to, one line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportRow {
    /// Which rows.
    pub kind: Export,
    /// Where, as given.
    pub path: String,
    /// Lines written since the start.
    pub lines: u64,
    /// Bytes of these lines.
    pub bytes: u64,
    /// Rows that could not be written, or not in time.
    pub lost: u64,
    /// Why nothing can be written at the moment, or only to the file that has been renamed.
    pub error: Option<String>,
}

/// The state of event sampling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sampling {
    /// One packet in this many becomes an event; 0: none.
    pub weight: u32,
    /// Events so far.
    pub events: u64,
    /// Of those, lost because the ring buffer was full.
    pub lost: u64,
}

/// Fill of one of the kernel's tables at the newest reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MapRow {
    /// Which.
    #[serde(serialize_with = "table_label")]
    pub table: Table,
    /// Entries in use.
    pub entries: u64,
    /// Entries there is room for.
    pub capacity: u64,
}

/// The monitor's own work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Tick {
    /// Ticks so far: the generation of this snapshot.
    pub count: u64,
    /// Seconds between ticks, as set.
    pub interval: f64,
    /// How long the newest one took, in milliseconds.
    pub took_ms: f64,
    /// Ticks that came later than a fifth of the interval.
    pub late: u64,
}

/// A MAC address, shown in lower case with colons.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([a, b, c, d, e, g]) = self;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A TCP flag byte, shown as one letter per flag from the lowest bit: `S`, `SA`, `PA`, …; `none` for no flag at all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TcpFlags(pub u8);

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // FIN SYN RST PSH ACK URG ECE CWR, as RFC 9293 and RFC 3168 name the bits.
        const LETTERS: [&str; 8] = ["F", "S", "R", "P", "A", "U", "E", "C"];
        if self.0 == 0 {
            return f.write_str("none");
        }
        LETTERS
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 >> bit & 1 == 1)
            .try_for_each(|(_, letter)| f.write_str(letter))
    }
}

impl Serialize for TcpFlags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Serialises pairs as a map.
fn as_map<K: Serialize, V: Serialize, S: Serializer>(pairs: &[(K, V)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

/// An enum of counters, whose labels are JSON keys.
trait Label {
    fn label(&self) -> &'static str;
}

impl Label for Protocol {
    fn label(&self) -> &'static str {
        Self::label(*self)
    }
}

impl Label for SizeBucket {
    fn label(&self) -> &'static str {
        Self::label(*self)
    }
}

/// Serialises counters as a map from their labels.
fn labelled<K: Label, S: Serializer>(pairs: &[(K, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (key, value) in pairs {
        map.serialize_entry(key.label(), value)?;
    }
    map.end()
}

fn table_label<S: Serializer>(table: &Table, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(table.label())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_flags_read_like_the_classics() {
        for (flags, text) in
            [(0x02, "S"), (0x12, "SA"), (0x18, "PA"), (0x11, "FA"), (0x29, "FPU"), (0xff, "FSRPAUEC"), (0, "none")]
        {
            assert_eq!(TcpFlags(flags).to_string(), text);
        }
    }

    #[test]
    fn macs_are_lower_case_with_colons() {
        assert_eq!(Mac([0, 0x1b, 0x2c, 0xff, 0, 9]).to_string(), "00:1b:2c:ff:00:09");
    }

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
