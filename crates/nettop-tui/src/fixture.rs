//! Snapshots for the tests of whole screens.

pub mod attacks;
pub mod blocks;
mod flows;
pub mod logs;
mod sockets;

use std::{net::IpAddr, sync::Arc};

use nettop_common::{Protocol, counters::SizeBucket};
use nettop_geo::CountryCode;

use nettop_model::snapshot::{
    Accounting, Alert, Amount, AttachMode, CountryRow, Degraded, DestinationList, DestinationRow, Detail, DropReason,
    Drops, FilterView, History, Host, HostCounter, HostCpu, HostDirection, HostInterface, HostMemory, InterfaceRow,
    InterfaceState, InterfaceTraffic, Mac, MacList, MacRow, Meta, Mode, Monitor, NeighbourRow, Neighbours, NetworkRow,
    Origin, Others, Place, Places, PortList, PortRow, Prefix, PrefixLists, PrefixRow, RatePoint, Runtime, Sampling,
    SelfStats, Sent, Severity, Snapshot, SourceList, SourceRow, Sums, TcpFlags, Tick, Traffic, TrafficClass,
};

/// When every fixture was taken.
pub const NOW: u64 = 1_700_000_000_000_000_000;

/// So many packets of 100 bytes.
pub fn amount(packets: u64) -> Amount {
    Amount { packets, bytes: packets * 100 }
}

/// An interface that is up.
pub fn interface(name: &str, mode: Option<AttachMode>, note: &str) -> InterfaceRow {
    InterfaceRow { name: name.into(), mode, state: InterfaceState::Up, mtu: 1500, note: note.into() }
}

/// Thirty sources of both families, each half as busy as the one before.
pub fn sources(total: u64) -> Vec<SourceRow> {
    (0..30_u8)
        .map(|n| {
            let packets = (8_400_000 >> n).max(3);
            let rate = packets as f64 / 754.0;
            let ip: IpAddr = match n % 4 {
                1 => [0x2001, 0xdb8, 0x1234, 0x5678, 0x9abc, 0xdef0, 0x1234, 0x5600 + u16::from(n)].into(),
                2 => [0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(n)].into(),
                _ => [198, 51, 100, 100 + n].into(),
            };
            SourceRow {
                ip,
                packets,
                bytes: packets * 333,
                first_ns: NOW - 754_000_000_000,
                since: (n == 6).then_some(NOW - 754_000_000_000),
                last_ns: NOW - u64::from(n).pow(5) * 100_000_000,
                pps: rate,
                pps_10s: rate,
                pps_60s: rate,
                peak_pps: rate * 9.0,
                low_pps: rate / 3.0,
                share: packets as f64 / total as f64,
                syn: packets,
                udp: 0,
                icmp: 0,
                sent: Some(Sent { packets: packets / 10, bytes: packets * 20, pps: rate / 10.0, at_least: n == 6 }),
                place: Some(place(n)),
                detail: Some(Arc::new(Detail::default())),
            }
        })
        .collect()
}

/// Where the fixtures' sources are: a country without and with a known city, this host's own network, nowhere.
fn place(n: u8) -> Place {
    let (code, country, city, asn, org) = match n % 4 {
        0 => (*b"US", "United States", "", 64_496, "Example Networks"),
        1 => (*b"DE", "Germany", "Frankfurt am Main", 64_511, "Beispiel Rechenzentrum GmbH"),
        2 => (*b"LO", "Private", "", 0, ""),
        _ => (*b"??", "", "", 0, ""),
    };
    Place { country_code: CountryCode(code), country: country.into(), city: city.into(), asn, org: org.into() }
}

/// Sums of the place of rank `n`, each smaller than the one before.
fn sums(n: u8, ips: u64, packets: u64, pps: f64) -> Sums {
    let packets = packets >> n;
    Sums { ips: ips >> n, packets, bytes: packets * 333, pps: pps / f64::from(n + 1), pps_60s: 22_281.0 }
}

fn prefix(text: &str) -> Prefix {
    let (ip, length) = text.split_once('/').expect("a prefix");
    Prefix { ip: ip.parse().expect("an address"), length: length.parse().expect("a length") }
}

/// What samples tell of a source.
pub fn detail() -> Detail {
    Detail {
        src_ports: (40_000..40_030).map(|port| (port, 9)).collect(),
        dst_ports: [(443, 800), (80, 90), (51_820, 7)].into_iter().collect(),
        protocols: [("TCP".into(), 890), ("UDP".into(), 7)].into_iter().collect(),
        macs: [(Mac([2, 0x42, 0xac, 0x11, 0, 1]), 897)].into_iter().collect(),
        tcp_flags: [(TcpFlags(2), 800), (TcpFlags(0x18), 90)].into_iter().collect(),
        estimated: true,
    }
}

/// A minute in which a flood began, and the ten around it.
pub fn history() -> History {
    let pace = |n: u16| RatePoint { pps: if n > 48 { 3_141_592.0 } else { 20_000.0 + f32::from(n) * 900.0 }, bps: 1e6 };
    let sent = |n: u16| RatePoint { pps: 9_000.0, bps: 12e6 + f32::from(n % 20) * 50e3 };
    History {
        seconds: (0..60).map(pace).collect(),
        tens: (20..60).map(pace).collect(),
        sent_seconds: (0..60).map(sent).collect(),
        sent_tens: (20..60).map(sent).collect(),
        ..History::default()
    }
}

/// A host under a flood: two interfaces, a filter, sampled events, some not counted.
pub fn busy() -> Snapshot {
    let total = 16_799_998;
    let meta = Meta {
        started_ns: NOW - 754_000_000_000,
        now_ns: NOW,
        elapsed: 754.0,
        runtime: Runtime {
            filter: FilterView {
                dst: "203.0.113.10".into(),
                ports: vec![80, 443],
                port: "80,443".into(),
                iface: "eth0,wg0".into(),
                src: String::new(),
                protocols: vec!["TCP".into(), "UDP".into()],
            },
            top: 20,
            paused: false,
            message: "filter changed by nettopctl".into(),
            mode: Mode::Live,
        },
        link: None,
    };
    let traffic = Traffic {
        packets: total,
        bytes: total * 333,
        avg_pps: 22_281.0,
        avg_bps: 22_281.0 * 333.0,
        pps: 3_141_592.0,
        bps: 3_141_592.0 * 64.0,
        unique_sources: 1_254_321,
        unique_estimated: true,
        accounting: Accounting {
            seen: amount(total + 345_678 + 1_234),
            counted: amount(total),
            filtered: amount(345_678),
            not_ip: amount(1_234),
            malformed: amount(12),
            sources: amount(total - 5_777),
            evicted: amount(777),
            untracked: amount(5_000),
            holds: true,
            ..Accounting::default()
        },
        protocols: [12_000_000, 4_799_000, 998, 0, 0, 0].into_iter().zip(Protocol::ALL).map(|(n, p)| (*p, n)).collect(),
        tcp_flags: [(0x02, 10_200_000), (0x12, 1_200_000), (0x10, 500_000), (0x18, 90_000), (0x11, 9_000), (0xff, 1)]
            .map(|(flags, packets)| (TcpFlags(flags), packets))
            .into(),
        classes: Vec::new(),
        interfaces: vec![InterfaceTraffic {
            name: "eth0".into(),
            packets: total,
            bytes: total * 333,
            classes: vec![
                (TrafficClass::Syn, amount(10_200_000)),
                (TrafficClass::Data, amount(90_000)),
                (TrafficClass::Udp, amount(4_799_000)),
            ],
        }],
        packet_sizes: [15_000_000, 1_000_000, 799_998, 0]
            .into_iter()
            .zip(SizeBucket::ALL)
            .map(|(n, s)| (*s, n))
            .collect(),
        history: history(),
        events: Vec::new(),
    };
    let places = Places {
        countries: (0..10_u8)
            .map(|n| {
                let (Place { country_code, country, .. }, sums) = (place(n), sums(n, 1_200, total, 3_141_592.0));
                CountryRow { country_code, country, sums }
            })
            .collect(),
        networks: (0..10_u8)
            .map(|n| {
                let (Place { asn, org, .. }, sums) = (place(n), sums(n, 900, 12_799_998, 2_141_592.0));
                NetworkRow { asn, org, sums }
            })
            .collect(),
        ..Places::default()
    };
    let rest = Others { rows: 1_224, packets: 5_000, bytes: Some(400_000) };
    Snapshot {
        egress: None,
        blocks: Some(Arc::new(blocks::blocks())),
        meta,
        traffic,
        sources: SourceList { rows: sources(total).into(), rest },
        destinations: DestinationList {
            rows: (0..12_u8)
                .map(|n| DestinationRow {
                    ip: [203, 0, 113, 10 + n].into(),
                    packets: total >> n,
                    bytes: (total >> n) * 333,
                    pps: 3_141_592.0 / f64::from(n + 1),
                    pps_60s: 22_281.0,
                    peak_pps: 4_141_592.0,
                    at_least: n == 3,
                    classes: vec![
                        (TrafficClass::Syn, Amount { packets: (total >> n) / 2, bytes: (total >> n) * 30 }),
                        (TrafficClass::Udp, Amount { packets: (total >> n) / 4, bytes: (total >> n) * 300 }),
                        (
                            TrafficClass::Fragment,
                            Amount {
                                packets: (total >> n) - (total >> n) / 2 - (total >> n) / 4,
                                bytes: (total >> n) * 3,
                            },
                        ),
                    ],
                })
                .collect(),
            ..DestinationList::default()
        },
        ports: PortList {
            rows: [443, 80, 0, 53, 51_820, 11_211, 49_152, 22, 8443]
                .into_iter()
                .zip(0_u32..)
                .map(|(port, n)| PortRow {
                    port,
                    packets: 9_000_000 >> (n * 2),
                    from_packets: 1_000 << n,
                    pps: (n < 5).then_some(1_000.0 / f64::from(n + 1)),
                })
                .collect(),
            ..PortList::default()
        },
        macs: MacList {
            rows: (0..12_u8)
                .map(|n| MacRow {
                    mac: Mac([2, 0x42, 0xac, 0x11, 0, n]),
                    packets: 16_799_998 >> n,
                    pps: 3_141_592.0 / f64::from(n + 1),
                    pps_60s: 22_281.0 / f64::from(n + 1),
                    at_least: n == 3,
                })
                .collect(),
            ..MacList::default()
        },
        places,
        prefixes: PrefixLists {
            lengths: vec![(
                24,
                vec![PrefixRow {
                    prefix: prefix("198.51.100.0/24"),
                    sums: sums(0, 254, 12_799_998, 2_141_592.0),
                    at_least: false,
                }],
            )],
            rest: Vec::new(),
            top: ["198.51.100.0/24", "2001:db8:1234::/48", "198.18.0.0/16"]
                .iter()
                .zip(0_u8..)
                .map(|(prefix, n)| PrefixRow {
                    prefix: self::prefix(prefix),
                    sums: sums(n, 254, 12_799_998, 2_141_592.0),
                    at_least: false,
                })
                .collect(),
        },
        alerts: Vec::new(),
        host: Some(Arc::new(host())),
        connections: Some(Arc::new(sockets::connections())),
        processes: Some(Arc::new(sockets::processes())),
        drops: Some(Arc::new(drops())),
        flows: Some(Arc::new(flows::flows())),
        neighbours: Some(Arc::new(neighbours())),
        visits: Some(Arc::new(logs::visits())),
        log: Some(Arc::new(logs::log())),
        monitor: Monitor {
            hooks: blocks::hooks().into(),
            interfaces: vec![
                interface("eth0", Some(AttachMode::Native), ""),
                interface("wg0", Some(AttachMode::Generic), "the driver has no native XDP"),
            ],
            sampling: Sampling { weight: 64, events: 262_499, lost: 12 },
            tick: Tick { count: 754, interval: 1.0, took_ms: 2.5, late: 0 },
            overhead: SelfStats {
                cpu: 0.125,
                memory: 31_457_280,
                kernel_memory: 67_108_864,
                drain_ms: 4.25,
                packet_ns: Some(71.3),
                ..SelfStats::default()
            },
            ..Monitor::default()
        },
    }
}

fn drops() -> Drops {
    let row = |(reason, packets, pps): (&str, _, _)| DropReason { reason: reason.into(), packets, pps };
    let rows = [("NETFILTER_DROP", 2_100_000, 91_250.0), ("NO_SOCKET", 48_211, 12.0), ("TCP_CSUM", 3, 0.0)];
    Drops {
        at_ns: NOW,
        seen: 2_148_214,
        pps: 91_262.0,
        missed: 0,
        holds: true,
        reasons: rows.map(row).into(),
        refused: None,
    }
}

/// That snapshot after a change.
pub fn changed(mut snapshot: Snapshot, change: impl FnOnce(&mut Snapshot)) -> Snapshot {
    change(&mut snapshot);
    snapshot
}

/// Its neighbours: a router of both families, one that is gone, one that nobody has ever seen.
fn neighbours() -> Neighbours {
    let row = |ip: &str, mac: Option<u8>, state: &str, confirmed| NeighbourRow {
        ip: ip.parse().expect("an address"),
        mac: mac.map(|last| Mac([2, 0, 0, 0, 0, last])),
        interface: "eth0".into(),
        state: state.to_string().into(),
        router: ip == "fe80::1",
        gateway: mac == Some(1),
        requests: mac.map(|last| 40 + u64::from(last)),
        answers: mac.map(|last| 300 * u64::from(last)),
        requests_sent: mac.map(|last| 310 * u64::from(last)),
        answers_sent: mac.map(|last| 39 + u64::from(last)),
        confirmed: Some(confirmed),
    };
    Neighbours {
        at_ns: NOW,
        gateways: ["192.0.2.1", "fe80::1"].map(|ip| ip.parse().expect("an address")).into(),
        rows: vec![
            row("192.0.2.1", Some(1), "REACHABLE", 4.0),
            row("192.0.2.7", Some(7), "STALE", 1_260.0),
            row("192.0.2.9", None, "FAILED", 90_000.0),
            row("192.0.2.200", None, "INCOMPLETE", 2.0),
            row("fe80::1", Some(1), "REACHABLE", 11.0),
        ],
        ..Neighbours::default()
    }
}

/// What that host counts itself: an interface of 10 Gbit/s that has no buffers left, a tunnel, one without a carrier.
pub fn host() -> Host {
    let rx = |packets, pps, missed| HostDirection {
        packets,
        bytes: packets * 64,
        missed,
        pps,
        bps: pps * 64.0,
        ..HostDirection::default()
    };
    let interface = |name: &str, kind: &str, speed_mbit, rx, tx| HostInterface {
        name: name.into(),
        kind: kind.into(),
        up: true,
        carrier: true,
        speed_mbit,
        mtu: 1500,
        rx,
        tx,
        collisions: 0,
    };
    Host {
        at_ns: NOW,
        seconds: 1.0,
        interfaces: vec![
            interface("eth0", "", Some(10_000), rx(1_234_567_890, 3_200_000.0, 42_000), rx(98_765_432, 12_000.0, 0)),
            interface("wg0", "wireguard", None, rx(54_321, 12.0, 0), rx(12_345, 3.0, 0)),
            HostInterface { carrier: false, ..interface("eth1", "", None, rx(0, 0.0, 0), rx(0, 0.0, 0)) },
        ],
        counters: vec![
            ("SoftnetDropped".into(), HostCounter { total: 42_000, rate: 1_204.0 }),
            ("TcpPassiveOpens".into(), HostCounter { total: 7_000_000, rate: 151.0 }),
            ("UdpNoPorts".into(), HostCounter { total: 12, rate: 0.0 }),
        ],
        lost_60s: vec![("SoftnetDropped".into(), 12_040)],
        cpu: HostCpu { cpus: 8, busy: 0.41, softirq: 0.35, softirq_most: 0.98 },
        memory: HostMemory { total: 16 << 30, available: 9 << 30 },
        ..Host::default()
    }
}

/// Attached, but nothing has come yet.
pub fn idle() -> Snapshot {
    let Snapshot { meta, monitor, .. } = busy();
    Snapshot {
        meta: Meta {
            now_ns: NOW,
            elapsed: 5.0,
            runtime: Runtime { message: String::new(), ..meta.runtime },
            ..Meta::default()
        },
        traffic: Traffic { accounting: Accounting { holds: true, ..Accounting::default() }, ..Traffic::default() },
        monitor: Monitor {
            interfaces: monitor.interfaces,
            sampling: Sampling { weight: 1, ..Sampling::default() },
            tick: Tick { count: 5, interval: 1.0, ..Tick::default() },
            ..Monitor::default()
        },
        ..Snapshot::default()
    }
}

/// Three troubles, one of them long.
pub fn degraded() -> Vec<Degraded> {
    let row = |badge: &str, what: &str, reason: &str, remedy: &str| Degraded {
        badge: badge.into(),
        what: what.into(),
        reason: reason.into(),
        remedy: remedy.into(),
    };
    vec![
        row(
            "wg0 generic",
            "wg0 is attached in generic mode",
            "its driver has no native XDP",
            "expect a higher cost per packet",
        ),
        row(
            "sources untracked",
            "more sources than there are slots",
            "more addresses come than fit into 262,144 entries, as in a flood of forged ones",
            "raise --max-sources, or filter with d or s; the totals stay exact",
        ),
        row("events lost", "events were lost", "the ring buffer was full", "none needed: sampling adapts"),
    ]
}

/// A flood of new sources that lasts, busy sources, and what was before.
pub fn alerts() -> Vec<Alert> {
    const SECOND: u64 = 1_000_000_000;
    let row = |kind: &'static str, severity, message: &str, since: u64, lasts: bool| Alert {
        kind: kind.into(),
        severity,
        source: message.split(' ').next().and_then(|word| word.parse().ok()).map(Origin::Ip),
        message: message.into(),
        since_ns: NOW - since * SECOND,
        last_ns: NOW,
        until_ns: (!lasts).then_some(NOW - since * SECOND / 2),
        seconds: if lasts { since as f64 } else { since as f64 / 2.0 },
        value: 1.0,
        peak: 1.0,
        count: 1,
        ..Alert::default()
    };
    let mut all = vec![
        row("new-ip", Severity::Info, "4,213 new sources in the last second, at most 40,213", 2, true),
        row("high-pps", Severity::Warn, "and 312 more sources over 1,000 pps", 12, true),
        row(
            "high-pps",
            Severity::Warn,
            "2001:db8:1234:5678:9abc:def0:1234:5601 sends 12.4k pps, at most 3.10M",
            75,
            true,
        ),
        row("high-pps", Severity::Warn, "198.51.100.100 sends 1.00k pps", 120, false),
        row("new-mac", Severity::Info, "new MAC 02:42:ac:11:00:02", 300, false),
        row("new-ip", Severity::Info, "new source 198.51.100.101", 400, false),
        row("new-ip", Severity::Info, "new source 198.51.100.102", 500, false),
        row("new-mac", Severity::Info, "8 MACs so far", 753, false),
        row("new-ip", Severity::Info, "37 sources so far", 753, false),
    ];
    all.iter_mut().rev().zip(1..).for_each(|(alert, id)| alert.id = id);
    all
}

/// A spoofed SYN flood that lasts, in front of what was before.
pub fn floods() -> Vec<Alert> {
    let flood = |id, kind: &'static str, message: &str, value| Alert {
        id,
        kind: kind.into(),
        severity: Severity::Critical,
        source: None,
        message: message.into(),
        since_ns: NOW - 12_000_000_000,
        last_ns: NOW,
        seconds: 12.0,
        value,
        peak: value,
        count: 9_412,
        ..Alert::default()
    };
    let spoofed = "spoofed flood on 203.0.113.10:443: 1.02M new sources/s, at most 1.20M, forged most likely: \
                   single sources mean nothing now; 412k pps tracked, 1.61M pps not";
    let syn = "SYN flood on 203.0.113.10:443: 1.98M SYN/s; all ports get 12.0k ACK/s; more than 9,412 sources, forged \
               most likely";
    let mut all = vec![flood(1_001, "spoofed-flood", spoofed, 1.02e6), flood(1_000, "syn-flood", syn, 1.98e6)];
    all.extend(alerts());
    all
}
