//! Traffic for the tests of rules, second by second: everything a source would tell of it.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use nettop_common::{
    Address, Class, ClassTally, Event, Outcome, Packet, PacketsBytes, Protocol, SizeBucket, SourceCounters,
    TrafficClass,
    counters::{ByClass, Table},
};
use nettop_model::{
    clock::Moment,
    snapshot::{Alert, Host, HostCounter},
};

use super::{
    Conversation, Detector, Surroundings, Thresholds,
    sockets::{Listener, SocketFacts},
};

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;

/// The first addresses of 2001:db8::/32, whose last 32 bits are those of an address of IPv4.
const V6: u128 = 0x2001_0db8 << 96;

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
    /// How many source ports they come from in turn, from that of `packet` on.
    pub source_ports: u16,
    /// How many hosts they go to in turn, from this one on.
    pub targets: u32,
    pub target: u32,
    /// Of the same numbers in 2001:db8::/96.
    pub v6: bool,
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
    let packet = Packet { protocol, source_port: ports.0, destination_port: ports.1, ..Packet::default() };
    Flow {
        packet,
        length: 60,
        packets,
        sources: 1,
        from: Ipv4Addr::new(10, 0, 0, 0).to_bits(),
        ports: 1,
        source_ports: 1,
        targets: 1,
        target: Ipv4Addr::new(192, 0, 2, 1).to_bits(),
        v6: false,
        untracked: false,
    }
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

    pub fn source_ports(self, source_ports: u16) -> Self {
        Self { source_ports, ..self }
    }

    pub fn v6(self) -> Self {
        Self { v6: true, ..self }
    }

    /// To so many hosts.
    pub fn targets(self, targets: u32) -> Self {
        Self { targets, ..self }
    }

    /// To another host.
    pub fn to(self, host: [u8; 4]) -> Self {
        Self { target: Ipv4Addr::from(host).to_bits(), ..self }
    }

    /// So many packets that go back to those who send it.
    pub fn back(mut self, packets: u64) -> Self {
        let Packet { source_port, destination_port, .. } = self.packet;
        (self.packet.source_port, self.packet.destination_port) = (destination_port, source_port);
        let Self { sources, from, ports, source_ports, targets, target, .. } = self;
        let (sources, from, ports, source_ports, targets, target) =
            (targets, target, source_ports, ports, sources, from);
        Self { sources, from, ports, source_ports, targets, target, packets, ..self }
    }

    /// With these flags of TCP.
    pub fn flags(mut self, flags: u8) -> Self {
        self.packet.tcp_flags = flags.into();
        self
    }

    /// With data behind the header of TCP.
    pub fn data(mut self) -> Self {
        self.packet.payload = true;
        self
    }

    fn address(&self, bits: u32) -> Address {
        if self.v6 { v6_address(bits) } else { address(bits) }
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

/// Packets from or to an address since the beginning.
fn ever(packets: &HashMap<Address, u64>, address: &Address) -> u64 {
    packets.get(address).copied().unwrap_or_default()
}

/// Packets that the host sends in one second.
#[derive(Clone, Copy, Debug)]
pub struct Sending {
    pub class: TrafficClass,
    pub packets: u64,
    /// To so many addresses, from this one on.
    pub remotes: u32,
    pub first: u32,
    pub length: u64,
    /// Of the same numbers in 2001:db8::/96.
    pub v6: bool,
}

/// Packets of a class to 198.51.100.7.
pub fn sends(class: TrafficClass, packets: u64) -> Sending {
    Sending { class, packets, remotes: 1, first: Ipv4Addr::new(198, 51, 100, 7).to_bits(), length: 60, v6: false }
}

impl Sending {
    /// To so many addresses, from this one on.
    pub fn to(self, first: [u8; 4], remotes: u32) -> Self {
        Self { first: Ipv4Addr::from(first).to_bits(), remotes, ..self }
    }

    pub fn length(self, length: u64) -> Self {
        Self { length, ..self }
    }

    pub fn v6(self) -> Self {
        Self { v6: true, ..self }
    }
}

fn v6_address(bits: u32) -> Address {
    Address::from(IpAddr::from(Ipv6Addr::from_bits(V6 | u128::from(bits))))
}

fn address(bits: u32) -> Address {
    Address::from_v4_word(bits.to_be())
}

/// Traffic, and the rules that look at it.
pub struct Play {
    detector: Detector,
    seconds: u64,
    known: HashMap<Address, u64>,
    /// What sources sent in the second.
    in_second: HashMap<Address, u64>,
    /// One packet in so many is sampled; 0: none.
    pub sampling: u64,
    /// Frames in each second that are not IP.
    pub not_ip: u64,
    /// What the host counts.
    pub host: Option<Host>,
    /// What it sends in each second.
    pub sends: Vec<Sending>,
    /// Whether that is counted.
    pub counts_egress: bool,
    /// What is known of its sockets.
    pub sockets: Option<SocketFacts>,
    /// Who does, by logs, what rules look for.
    pub suspects: Vec<super::Suspect>,
    /// Whom it sent how many packets, and who sent it how many that are not ICMP.
    sent: HashMap<Address, u64>,
    talked: HashMap<Address, u64>,
    /// Everything raised and ended.
    pub changes: Vec<Alert>,
}

impl Play {
    /// Some traffic has come for a while already.
    pub fn new(thresholds: Thresholds) -> Self {
        let mut play = Self::at_start(thresholds);
        let quiet = tcp(443, ACK, 10).from([172, 16, 0, 1]);
        play.seconds(12, &[quiet, quiet.back(10)]);
        play.changes.clear();
        play
    }

    /// Nothing has come yet.
    pub fn at_start(thresholds: Thresholds) -> Self {
        Self {
            detector: Detector::new(thresholds),
            seconds: 0,
            known: HashMap::new(),
            in_second: HashMap::new(),
            sampling: 10,
            not_ip: 0,
            host: None,
            sends: Vec::new(),
            counts_egress: false,
            sockets: None,
            suspects: Vec::new(),
            sent: HashMap::new(),
            talked: HashMap::new(),
            changes: Vec::new(),
        }
    }

    /// Plays one second, in ten readings.
    pub fn second(&mut self, flows: &[Flow]) {
        self.burst(0..10, flows);
    }

    /// Plays one second; the flows come in these tenths of it.
    pub fn burst(&mut self, tenths: Range<u64>, flows: &[Flow]) {
        let begin_ns = self.seconds * 1_000_000_000;
        self.seconds += 1;
        self.in_second.clear();
        for tenth in 0..10 {
            let at_ns = begin_ns + (tenth + 1) * 100_000_000;
            let comes = if tenths.contains(&tenth) { flows } else { &[] };
            let part = tenth.saturating_sub(tenths.start);
            self.reading(comes, (part, tenths.end - tenths.start), at_ns, 0.1);
        }
        self.send();
        self.judge(1.0);
    }

    /// Plays so many seconds of which nothing was read before their end; `flows`: what came in all of them.
    pub fn stall(&mut self, seconds: u64, flows: &[Flow]) {
        self.seconds += seconds;
        self.in_second.clear();
        self.detector.stats.stalled(seconds as f64);
        self.reading(flows, (0, 1), self.seconds * 1_000_000_000, seconds as f64);
        self.judge(seconds as f64);
    }

    /// Sends what is sent in a second.
    fn send(&mut self) {
        for Sending { class, packets, remotes, first, length, v6 } in self.sends.clone() {
            let tally = |packets| PacketsBytes { packets, bytes: packets * length };
            let mut classes = ByClass::default();
            classes[class as usize] = tally(packets);
            self.detector.stats.sent.add(&classes);
            for number in 0..u64::from(remotes) {
                let bits = first + number as u32;
                let address = if v6 { v6_address(bits) } else { address(bits) };
                let part = packets * (number + 1) / u64::from(remotes) - packets * number / u64::from(remotes);
                let before = self.sent.insert(address, ever(&self.sent, &address) + part);
                self.detector.stats.sent.remote(&address, tally(part), before.is_none());
            }
        }
    }

    fn judge(&mut self, seconds: f64) {
        let at = self.seconds * 1_000_000_000;
        let now = Moment { monotonic_ns: at, unix_ns: at };
        let pps = |source: &Address| self.in_second.get(source).map_or(0.0, |packets| *packets as f64 / seconds);
        let conversation = |address: &Address| Conversation {
            sent: ever(&self.sent, address) as f64,
            received: ever(&self.talked, address) as f64,
        };
        let around = Surroundings {
            pps: &pps,
            place: &|_| Vec::new(),
            host: self.host.as_ref(),
            conversation: &conversation,
            counts_egress: self.counts_egress,
            sockets: self.sockets.as_ref(),
            suspects: &self.suspects,
        };
        let changes = self.detector.judge(now, seconds, &around);
        self.changes.extend(changes);
    }

    /// Plays this part of the flows.
    fn reading(&mut self, flows: &[Flow], (part, parts): (u64, u64), at_ns: u64, seconds: f64) {
        let mut totals = nettop_common::Totals::default();
        let not_ip = self.not_ip / 10;
        totals.class(Class::of(Outcome::NotIp)).add(PacketsBytes { packets: not_ip, bytes: not_ip * 60 });
        self.detector.stats.begin_reading(at_ns);
        for flow in flows {
            let Flow { packet, length, packets, sources, from, ports, source_ports, targets, .. } = *flow;
            let (first, end) = (packets * part / parts, packets * (part + 1) / parts);
            let tally = PacketsBytes { packets: end - first, bytes: (end - first) * length };
            let protocol = Protocol::from_number(packet.protocol);
            totals.class(Class::counted(protocol, SizeBucket::of(length), packet.fragment)).add(tally);
            if flow.untracked {
                totals.untracked[Table::Sources as usize].add(tally);
            }
            let class = packet.traffic_class();
            let mut of_source = BTreeMap::<Address, SourceCounters>::new();
            for n in first..end {
                let source = flow.address(from + (n % u64::from(sources)) as u32);
                let destination = flow.address(flow.target + (n % u64::from(targets)) as u32);
                let counted = ClassTally { class, tally: PacketsBytes { packets: 1, bytes: length } };
                self.detector.stats.destination(&destination, counted);
                let counters = of_source.entry(source).or_default();
                counters.count(protocol, packet.tcp_flags, packet.fragment, length, at_ns);
                if self.is_sampled(n) {
                    let destination_port = packet.destination_port + (n % u64::from(ports)) as u16;
                    let source_port = packet.source_port + (n % u64::from(source_ports)) as u16;
                    let packet = Packet { source, destination, source_port, destination_port, ..packet };
                    self.detector.sample(&Event::new(&packet, length, at_ns, self.sampling as u32));
                }
            }
            for (source, counted) in of_source.iter().filter(|_| !flow.untracked) {
                let ever = self.known.entry(*source).or_default();
                let new = *ever == 0;
                *ever += counted.packets;
                let in_second = self.in_second.entry(*source).or_default();
                *in_second += counted.packets;
                *self.talked.entry(*source).or_default() += counted.packets - u64::from(counted.icmp);
                self.detector.stats.source(source, counted, *in_second, *ever, new);
            }
        }
        self.detector.stats.totals(&totals);
        self.detector.stats.targets.end_reading(seconds);
    }

    /// Of each `sampling` packets one is, and not always the one at the same place: sources and ports come in turn.
    fn is_sampled(&self, n: u64) -> bool {
        if self.sampling == 0 {
            return false;
        }
        let place = (n / self.sampling).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        n % self.sampling == place % self.sampling
    }

    /// Forgets everything, as a reset does.
    pub fn reset(&mut self) {
        self.known.clear();
        let at = Moment { monotonic_ns: self.seconds * 1_000_000_000, unix_ns: 0 };
        self.changes.extend(self.detector.reset(at));
    }

    /// The same for so many seconds.
    pub fn seconds(&mut self, seconds: u64, flows: &[Flow]) {
        (0..seconds).for_each(|_| self.second(flows));
    }

    /// All alerts but those of new sources, newest first.
    pub fn all(&self) -> Vec<Alert> {
        self.detector.alerts(Moment::default()).into_iter().filter(|alert| alert.kind != "new-ip").collect()
    }

    /// The alerts of this kind, newest first.
    pub fn alerts(&self, kind: &str) -> Vec<Alert> {
        self.detector.alerts(Moment::default()).into_iter().filter(|alert| alert.kind == kind).collect()
    }

    /// What [`Self::all`] of them say, each with "…" while it lasts.
    pub fn told(&self) -> Vec<String> {
        self.all().iter().map(line).collect()
    }
}

/// What an alert says, with "…" while it lasts.
pub fn line(alert: &Alert) -> String {
    format!("{}{}", alert.message, if alert.until_ns.is_none() { "…" } else { "" })
}

/// A host that counts this per second.
pub fn host(rates: &[(&'static str, f64)]) -> Host {
    let counter = |(name, rate): &(&'static str, f64)| ((*name).into(), HostCounter { rate: *rate, total: 0 });
    Host { seconds: 1.0, counters: rates.iter().map(counter).collect(), ..Host::default() }
}

/// A socket that waits for connections, and has none.
pub fn listening(address: &str, port: u16) -> Listener {
    Listener { backlog: 4096, ..Listener::at(address.parse().expect("an address"), port) }
}

/// So many packets in a second are sampled, about, where more come.
const SAMPLED: u64 = 5000;

/// Plays such traffic for some seconds after a quiet while, or after `before`.
pub fn play(before: &[Flow], seconds: u64, flows: &[Flow]) -> Play {
    let mut play = Play::new(Thresholds::default());
    play.seconds(u64::from(!before.is_empty()) * 8, before);
    play.changes.clear();
    play.sampling = (flows.iter().map(|flow| flow.packets).sum::<u64>() / SAMPLED).max(1);
    play.seconds(seconds, flows);
    play
}

/// What all rules say of a second of such traffic after a quiet while.
pub fn said(flows: &[Flow]) -> Vec<String> {
    play(&[], 1, flows).told()
}

/// Plays a second of such traffic after a quiet while, of which more is known.
pub fn known(flows: &[Flow], knows: impl FnOnce(&mut Play)) -> Play {
    let mut play = play(&[], 0, flows);
    knows(&mut play);
    play.second(flows);
    play
}

/// What they say where the host counts this: severity, message, evidence.
pub fn judged(rates: &[(&'static str, f64)], flows: &[Flow]) -> Vec<String> {
    let play = known(flows, |play| play.host = Some(host(rates)));
    let judged = |alert: &Alert| format!("{}: {} ({})", alert.severity.label(), line(alert), alert.evidence.join("; "));
    play.all().iter().map(judged).collect()
}

/// What is expected to be said, newest first.
pub type Expected = &'static [&'static str];

/// Its name, what the host counts per second, the traffic, and what is expected.
pub type HostRow = (&'static str, &'static [(&'static str, f64)], Vec<Flow>, Expected);

/// Compares what is said with what is expected, of each row of a table: its name, what is said, what is expected.
pub fn check(rows: impl IntoIterator<Item = (&'static str, Vec<String>, Expected)>) {
    let mut wrong = String::new();
    for (name, said, expected) in rows {
        if said != expected {
            wrong.push_str(&format!("{name}\n  says      {said:#?}\n  expected  {expected:#?}\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The same of a second of traffic after a quiet while.
pub fn table(rows: Vec<(&'static str, Vec<Flow>, Expected)>) {
    check(rows.into_iter().map(|(name, flows, expected)| (name, said(&flows), expected)));
}

/// The same where the host counts this per second, with severity and evidence.
pub fn table_of_hosts(rows: Vec<HostRow>) {
    check(rows.into_iter().map(|(name, rates, flows, expected)| (name, judged(rates, &flows), expected)));
}
