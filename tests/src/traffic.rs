//! What was sent, added up from what the packets were meant to be: what a snapshot must say, to the packet and the byte.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    frames::{Spec, Transport},
    send::Sender,
};

/// The sums over packets of one source, or of all.
#[derive(Clone, Debug, Default)]
struct Sums {
    packets: u64,
    bytes: u64,
    src_ports: BTreeMap<String, u64>,
    dst_ports: BTreeMap<String, u64>,
    protocols: BTreeMap<String, u64>,
    macs: BTreeMap<String, u64>,
    tcp_flags: BTreeMap<String, u64>,
}

/// Everything that was sent and should have been counted, and what should not.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    all: Sums,
    sources: BTreeMap<String, Sums>,
    destinations: BTreeMap<String, u64>,
    mac_ends: BTreeMap<String, u64>,
    sizes: [u64; 4],
    filtered: (u64, u64),
    not_ip: (u64, u64),
    malformed: (u64, u64),
    martian: (u64, u64),
    blocked: (u64, u64),
}

impl Traffic {
    /// Sends a packet `count` times, which should be counted.
    pub fn send(&mut self, sender: &Sender, spec: &Spec, count: usize) {
        let frame = spec.frame();
        sender.send(&frame, count);
        let (count, length) = (count as u64, frame.len() as u64);
        self.all.add(spec, count, length);
        self.sources.entry(spec.source.to_string()).or_default().add(spec, count, length);
        *self.destinations.entry(spec.destination.to_string()).or_default() += count;
        *self.mac_ends.entry(mac(spec.source_mac)).or_default() += count;
        *self.mac_ends.entry(mac(spec.destination_mac)).or_default() += count;
        let bucket = [128, 512, 1500].iter().filter(|limit| length >= **limit).count();
        self.sizes[bucket] += count;
    }

    /// Sends a packet `count` times, which the filter should reject.
    pub fn send_filtered(&mut self, sender: &Sender, spec: &Spec, count: usize) {
        send_and_add(&mut self.filtered, sender, &spec.frame(), count);
    }

    /// Sends a frame `count` times, which is not IP.
    pub fn send_not_ip(&mut self, sender: &Sender, frame: &[u8], count: usize) {
        send_and_add(&mut self.not_ip, sender, frame, count);
    }

    /// Sends a frame `count` times, which claims to be IP, falsely.
    pub fn send_malformed(&mut self, sender: &Sender, frame: &[u8], count: usize) {
        send_and_add(&mut self.malformed, sender, frame, count);
    }

    /// Sends a packet `count` times, which no wire may carry.
    pub fn send_martian(&mut self, sender: &Sender, spec: &Spec, count: usize) {
        send_and_add(&mut self.martian, sender, &spec.frame(), count);
    }

    /// Sends a packet `count` times, whose source is blocked.
    pub fn send_blocked(&mut self, sender: &Sender, spec: &Spec, count: usize) {
        send_and_add(&mut self.blocked, sender, &spec.frame(), count);
    }

    /// Packets of all kinds.
    pub fn seen(&self) -> u64 {
        self.all.packets + self.filtered.0 + self.not_ip.0 + self.malformed.0 + self.martian.0 + self.blocked.0
    }

    /// Expects a snapshot to say all of this and nothing else.
    #[track_caller]
    pub fn assert_is(&self, snapshot: &Value) {
        let Self { all, sources, destinations, mac_ends, sizes, filtered, not_ip, malformed, martian, blocked } = self;
        let amount = |(packets, bytes): (u64, u64)| json!({"packets": packets, "bytes": bytes});
        let sum = |a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1);
        let counted = (all.packets, all.bytes);
        let no_ip = sum(*not_ip, *malformed);

        let accounting = &snapshot["accounting"];
        assert_eq!(accounting["counted"], amount(counted), "counted");
        assert_eq!(accounting["filtered"], amount(*filtered), "filtered");
        assert_eq!(accounting["malformed"], amount(*malformed), "malformed");
        assert_eq!(accounting["not_ip"], amount(no_ip), "not IP");
        assert_eq!(accounting["martian"], amount(*martian), "martian");
        assert_eq!(accounting["blocked"], amount(*blocked), "blocked");
        let others = sum(sum(*filtered, no_ip), sum(*martian, *blocked));
        assert_eq!(accounting["seen"], amount(sum(counted, others)), "seen");
        assert_eq!(accounting["sources"], amount(counted), "counted for sources");
        assert_eq!(accounting["untracked"], amount((0, 0)), "untracked");
        assert_eq!(accounting["evicted"], amount((0, 0)), "evicted");
        assert_eq!(accounting["holds"], true, "the identity: {accounting}");
        assert_eq!(snapshot["total_packets"], all.packets);
        assert_eq!(snapshot["total_bytes"], all.bytes);
        assert_eq!(snapshot["filtered_packets"], filtered.0);
        assert_eq!(snapshot["unique_ips"], sources.len());
        assert_eq!(snapshot["unique_estimated"], false);

        assert_eq!(snapshot["protocols"], json!(all.protocols), "protocols");
        assert_eq!(snapshot["src_ports"], json!(all.src_ports), "source ports");
        assert_eq!(snapshot["dst_ports"], json!(all.dst_ports), "destination ports");
        assert_eq!(snapshot["tcp_flags"], json!(all.tcp_flags), "TCP flags");
        assert_eq!(snapshot["dst_ips"], json!(destinations), "destinations");
        let [small, medium, large, full] = sizes;
        let sizes = json!({"<128B": small, "128-511B": medium, "512-1499B": large, ">=1500B": full});
        assert_eq!(snapshot["packet_sizes"], sizes, "packet sizes");
        assert_eq!(packets_by(&snapshot["macs"], "mac"), json!(mac_ends), "MACs");

        let rows = snapshot["ips"].as_array().expect("a list");
        assert_eq!(rows.len(), sources.len(), "sources: {rows:?}");
        for row in rows {
            let source = row["ip"].as_str().expect("an address");
            let sums = sources.get(source).unwrap_or_else(|| panic!("nothing was sent from {source}"));
            sums.assert_is(row);
        }
        let packets: Vec<_> = rows.iter().map(|row| row["packets"].as_u64()).collect();
        assert!(packets.is_sorted_by(|a, b| a >= b), "most packets first: {packets:?}");
    }
}

impl Sums {
    fn add(&mut self, spec: &Spec, count: u64, length: u64) {
        let (source, destination) = spec.transport.ports();
        self.packets += count;
        self.bytes += count * length;
        *self.src_ports.entry(source.to_string()).or_default() += count;
        *self.dst_ports.entry(destination.to_string()).or_default() += count;
        *self.protocols.entry(protocol(spec.transport).into()).or_default() += count;
        *self.macs.entry(mac(spec.source_mac)).or_default() += count;
        if let Some(flags) = spec.transport.flags() {
            *self.tcp_flags.entry(flag_letters(flags)).or_default() += count;
        }
    }

    #[track_caller]
    fn assert_is(&self, row: &Value) {
        let Self { packets, bytes, src_ports, dst_ports, protocols, macs, tcp_flags } = self;
        let ip = &row["ip"];
        assert_eq!(row["packets"], *packets, "packets of {ip}");
        assert_eq!(row["bytes"], *bytes, "bytes of {ip}");
        assert_eq!(row["detail_estimated"], false, "detail of {ip} is exact below the budget");
        assert_eq!(row["src_ports"], json!(src_ports), "source ports of {ip}");
        assert_eq!(row["dst_ports"], json!(dst_ports), "destination ports of {ip}");
        assert_eq!(row["protocols"], json!(protocols), "protocols of {ip}");
        assert_eq!(row["macs"], json!(macs), "MACs of {ip}");
        assert_eq!(row["tcp_flags"], json!(tcp_flags), "TCP flags of {ip}");
    }
}

fn send_and_add(sums: &mut (u64, u64), sender: &Sender, frame: &[u8], count: usize) {
    sender.send(frame, count);
    sums.0 += count as u64;
    sums.1 += (count * frame.len()) as u64;
}

/// A list of rows as a map from one of their fields to their packets.
fn packets_by(rows: &Value, field: &str) -> Value {
    let rows = rows.as_array().expect("a list").iter();
    let pairs = rows.map(|row| (row[field].as_str().expect("text").to_string(), row["packets"].clone()));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// Lower case with colons.
pub fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

fn protocol(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp(..) => "TCP",
        Transport::Udp(..) => "UDP",
        Transport::Sctp(..) => "SCTP",
        Transport::Icmp => "ICMP",
        Transport::Icmpv6 => "ICMPV6",
        Transport::Other(_) => "OTHER",
    }
}

/// One letter per flag, from the lowest bit.
pub fn flag_letters(flags: u8) -> String {
    let letters = "FSRPAUEC".char_indices().filter(|(bit, _)| flags >> bit & 1 == 1).map(|(_, letter)| letter);
    let text: String = letters.collect();
    if text.is_empty() { "none".into() } else { text }
}
