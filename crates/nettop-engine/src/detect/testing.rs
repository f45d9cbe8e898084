//! Traffic for the tests of rules, second by second: everything a source would tell of it.

use std::net::{IpAddr, Ipv4Addr};

use nettop_common::{
    Address, Class, ClassTally, Event, Packet, PacketsBytes, Protocol, SizeBucket, SourceCounters, TrafficClass,
    counters::Table,
};
use nettop_model::{
    clock::Moment,
    snapshot::{Alert, Host},
};

use super::{Detector, Surroundings, Thresholds};

/// Packets of a kind in one second.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    pub packet: Packet,
    pub length: u64,
    pub packets: u64,
    /// How many sources send them in turn.
    pub sources: u32,
    /// The first of them.
    pub from: u32,
    /// How many destination ports they go to in turn, from that of `packet` on.
    pub ports: u16,
    /// How many hosts they go to in turn, from that of `packet` on.
    pub targets: u32,
    /// Of the sources, those for whom there was no slot.
    pub untracked: bool,
}

/// A sampled SYN of a source to a port, which stands for `weight` packets.
pub fn syn(source: u32, port: u16, at_ns: u64, weight: u32) -> Event {
    let packet = Packet {
        source: Address::from_v4_word(source),
        destination_port: port,
        protocol: 6,
        tcp_flags: 2.into(),
        ..Packet::default()
    };
    Event::new(&packet, 60, at_ns, weight)
}

/// Packets to 192.0.2.1, from one source.
pub fn flow(protocol: u8, ports: (u16, u16), packets: u64) -> Flow {
    let packet = Packet {
        protocol,
        source_port: ports.0,
        destination_port: ports.1,
        destination: address(Ipv4Addr::new(192, 0, 2, 1).to_bits()),
        ..Packet::default()
    };
    let from = Ipv4Addr::new(10, 0, 0, 0).to_bits();
    Flow { packet, length: 60, packets, sources: 1, from, ports: 1, targets: 1, untracked: false }
}

pub fn udp(from: u16, to: u16, packets: u64) -> Flow {
    flow(17, (from, to), packets)
}

pub fn icmp(packets: u64) -> Flow {
    flow(1, (0, 0), packets)
}

pub fn tcp(to: u16, flags: u8, packets: u64) -> Flow {
    let mut flow = flow(6, (40_000, to), packets);
    flow.packet.tcp_flags = flags.into();
    flow
}

impl Flow {
    pub fn sources(self, sources: u32) -> Self {
        Self { sources, ..self }
    }

    pub fn from(self, from: [u8; 4]) -> Self {
        Self { from: Ipv4Addr::from(from).to_bits(), ..self }
    }

    pub fn ports(self, ports: u16) -> Self {
        Self { ports, ..self }
    }

    /// To so many hosts.
    pub fn targets(self, targets: u32) -> Self {
        Self { targets, ..self }
    }

    /// To another host.
    pub fn to(mut self, host: [u8; 4]) -> Self {
        self.packet.destination = address(Ipv4Addr::from(host).to_bits());
        self
    }

    /// With data behind the header of TCP.
    pub fn data(mut self) -> Self {
        self.packet.payload = true;
        self
    }

    fn target(&self) -> u32 {
        match self.packet.destination.to_ip() {
            IpAddr::V4(ip) => ip.to_bits(),
            IpAddr::V6(_) => unreachable!("flows are of IPv4"),
        }
    }

    pub fn length(self, length: u64) -> Self {
        Self { length, ..self }
    }

    pub fn fragments(mut self) -> Self {
        self.packet.fragment = true;
        self
    }

    pub fn untracked(self) -> Self {
        Self { untracked: true, ..self }
    }
}

fn address(bits: u32) -> Address {
    Address::from_v4_word(bits.to_be())
}

/// Traffic, and the rules that look at it.
pub struct Play {
    detector: Detector,
    seconds: u64,
    known: std::collections::HashMap<Address, u64>,
    /// One packet in so many is sampled; 0: none.
    pub sampling: u64,
    /// What the host counts.
    pub host: Option<Host>,
    /// Everything raised and ended.
    pub changes: Vec<Alert>,
}

impl Play {
    /// Some traffic has come for a while already.
    pub fn new(thresholds: Thresholds) -> Self {
        let mut play = Self {
            detector: Detector::new(thresholds),
            seconds: 0,
            known: std::collections::HashMap::new(),
            sampling: 10,
            host: None,
            changes: Vec::new(),
        };
        (0..12).for_each(|_| play.second(&[tcp(443, 0x10, 10)]));
        play.changes.clear();
        play
    }

    /// Plays one second, in ten readings.
    pub fn second(&mut self, flows: &[Flow]) {
        for tenth in 0..10 {
            self.reading(flows, tenth);
        }
        let at = self.seconds * 1_000_000_000;
        let now = Moment { monotonic_ns: at, unix_ns: at };
        let around = Surroundings { pps: &|_| 0.0, place: &|_| Vec::new(), host: self.host.as_ref() };
        let changes = self.detector.judge(now, 1.0, &around);
        self.changes.extend(changes);
    }

    fn reading(&mut self, flows: &[Flow], tenth: u64) {
        let mut totals = nettop_common::Totals::default();
        if tenth == 0 {
            self.seconds += 1;
        }
        let at_ns = (self.seconds - 1) * 1_000_000_000 + (tenth + 1) * 100_000_000;
        self.detector.stats.begin_reading(at_ns);
        for flow in flows {
            let Flow { packet, length, packets, sources, from, ports, targets, untracked } = *flow;
            let (first, end) = (packets * tenth / 10, packets * (tenth + 1) / 10);
            let tally = PacketsBytes { packets: end - first, bytes: (end - first) * length };
            let protocol = Protocol::from_number(packet.protocol);
            totals.class(Class::counted(protocol, SizeBucket::of(length), packet.fragment)).add(tally);
            if untracked {
                totals.untracked[Table::Sources as usize].add(tally);
            }
            let class = TrafficClass::of(packet.protocol, packet.tcp_flags, packet.fragment, packet.payload);
            let mut of_source = std::collections::BTreeMap::<Address, SourceCounters>::new();
            for n in first..end {
                let port = packet.destination_port + (n % u64::from(ports)) as u16;
                let source = address(from + (n % u64::from(sources)) as u32);
                let destination = address(flow.target() + (n % u64::from(targets)) as u32);
                let counted = ClassTally { class, tally: PacketsBytes { packets: 1, bytes: length } };
                self.detector.stats.destination(&destination, counted);
                let counters = of_source.entry(source).or_default();
                counters.count(protocol, packet.tcp_flags, packet.fragment, length, at_ns);
                if self.sampling > 0 && n % self.sampling == 0 {
                    let packet = Packet { source, destination, destination_port: port, ..packet };
                    self.detector.sample(&Event::new(&packet, length, at_ns, self.sampling as u32));
                }
            }
            for (source, counted) in of_source.iter().filter(|_| !untracked) {
                let ever = self.known.entry(*source).or_default();
                let new = *ever == 0;
                *ever += counted.packets;
                self.detector.stats.source(source, counted, counted.packets, *ever, new);
            }
        }
        self.detector.stats.totals(&totals);
        self.detector.stats.targets.end_reading(0.1);
    }

    /// Forgets everything, as a reset does.
    pub fn reset(&mut self) {
        self.known.clear();
        let at = Moment { monotonic_ns: self.seconds * 1_000_000_000, unix_ns: 0 };
        self.detector.reset(at);
    }

    /// The same for so many seconds.
    pub fn seconds(&mut self, seconds: u64, flows: &[Flow]) {
        (0..seconds).for_each(|_| self.second(flows));
    }

    /// The alerts of this kind, newest first.
    pub fn alerts(&self, kind: &str) -> Vec<Alert> {
        self.detector.alerts(Moment::default()).into_iter().filter(|alert| alert.kind == kind).collect()
    }

    /// What those say, each with "…" while it lasts.
    pub fn messages(&self, kind: &str) -> Vec<String> {
        let lasts = |alert: &Alert| if alert.until_ns.is_none() { "…" } else { "" };
        self.alerts(kind).iter().map(|alert| format!("{}{}", alert.message, lasts(alert))).collect()
    }
}

/// What a rule says of one second of such traffic, after a quiet while.
pub fn said(kind: &str, flows: &[Flow]) -> Vec<String> {
    let mut play = Play::new(Thresholds::default());
    let packets: u64 = flows.iter().map(|flow| flow.packets).sum();
    play.sampling = (packets / 10_000).max(10);
    play.second(flows);
    play.messages(kind)
}

/// An address as it is written.
pub fn ip(octets: [u8; 4]) -> IpAddr {
    Ipv4Addr::from(octets).into()
}
