//! Packets without conversations: floods and scans; and streams between two ends that know each other, such as calls and tunnels.

use std::net::IpAddr;

use anyhow::{Context as _, Result, bail};
use fastrand::Rng;

use crate::{
    endpoints::{Hosts, Ports, PortsText},
    later::Later,
    packet::{
        Packet, What,
        flags::{ACK, FIN, PSH, RST, SYN, URG},
        host, trait_of,
    },
    recipe::{Flow, Size},
    span::Span,
};

/// A flow of packets.
pub struct Stream {
    what: Option<What>,
    span: Span,
    rate: f64,
    hosts: Hosts,
    targets: Hosts,
    source_ports: Ports,
    ports: Ports,
    payload: Size,
    back: Option<f64>,
    back_payload: Size,
    is_local: bool,
    /// The host is the one that sends.
    is_out: bool,
    /// Of TCP, who opens the connection of an established stream that begins: the host or the other side.
    opens: Option<Opens>,
    sent: u64,
    next_ns: Option<u64>,
    rng: Rng,
}

impl Stream {
    /// The flow of a recipe.
    ///
    /// # Errors
    /// It says what has no meaning.
    pub fn new(flow: &Flow, span: Span, ipv6: bool, mut rng: Rng) -> Result<Self> {
        let what = flow.send.as_deref().context("send what?")?;
        let hosts = Hosts::new(&flow.from, flow.sources, ipv6, &mut rng)?;
        let usual = [host(ipv6).to_string()];
        let to = if flow.to.is_empty() { &usual[..] } else { &flow.to };
        let targets = Hosts::new(to, flow.targets, ipv6, &mut rng)?;
        let text = if flow.back.is_some() { "each" } else { "1024-65535" };
        let source_ports = Ports::new(flow.source_port.as_ref().unwrap_or(&PortsText::Text(text.into())))?;
        let ports = Ports::new(&flow.port)?;
        let mut stream = Self {
            what: kind(what, ipv6)?,
            span,
            rate: flow.rate,
            hosts,
            targets,
            source_ports,
            ports,
            payload: flow.payload,
            back: flow.back,
            back_payload: flow.back_payload,
            is_local: flow.lan,
            is_out: flow.out,
            opens: None,
            sent: 0,
            next_ns: None,
            rng,
        };
        if matches!(stream.what, Some(What::Tcp(_))) && flow.back.is_some() && !flow.always {
            stream.opens = Some(if flow.ours_asks { Opens::Host } else { Opens::Peer });
        }
        stream.next_ns = stream.due();
        Ok(stream)
    }

    /// Whether the host takes its packets for those of strangers.
    pub fn is_strange(&self) -> bool {
        self.back.is_none()
    }

    /// When the next packet is due: at any time within its share of a second.
    fn due(&mut self) -> Option<u64> {
        self.span.moment_ns((self.sent as f64 + self.rng.f64()) / self.rate)
    }

    /// Shakes hands with each source, just before the stream begins.
    fn open(&mut self, opens: Opens, at_ns: u64, later: &mut Later) {
        for _ in 0..self.hosts.count().unwrap_or(0) {
            let first = self.packet(at_ns);
            self.sent += 1;
            let syn = match opens {
                Opens::Peer => Packet { what: What::Tcp(SYN), payload: 0, ..first },
                Opens::Host => first.answer(What::Tcp(SYN), 0, 0),
            };
            let syn_ack = syn.answer(What::Tcp(SYN | ACK), 0, 300_000);
            [syn, syn_ack, syn_ack.answer(What::Tcp(ACK), 0, 300_000)]
                .into_iter()
                .for_each(|packet| later.push(packet));
        }
        self.sent = 0;
    }

    /// Adds the packets until then; those that go back come later.
    pub fn until(&mut self, end_ns: u64, packets: &mut Vec<Packet>, later: &mut Later) {
        if self.next_ns.is_some_and(|at_ns| at_ns < end_ns)
            && let Some(opens) = self.opens.take()
        {
            self.open(opens, self.span.start_ns, later);
        }
        while let Some(at_ns) = self.next_ns.filter(|at_ns| *at_ns < end_ns) {
            let packet = self.packet(at_ns);
            packets.push(packet);
            if let Some(back) = self.back {
                let owed = ((self.sent + 1) as f64 * back) as u64 - (self.sent as f64 * back) as u64;
                for _ in 0..owed {
                    let later_ns = self.rng.u64(100_000..20_000_000);
                    let payload = self.size(self.back_payload);
                    later.push(packet.answer(back_kind(packet.what), payload, later_ns));
                }
            }
            self.sent += 1;
            self.next_ns = self.due();
        }
    }

    fn packet(&mut self, at_ns: u64) -> Packet {
        let source = self.hosts.pick(self.sent, self.ports.in_order() || self.back.is_some(), &mut self.rng);
        // A source that is one of many sends to one target, where it is a stream that goes both ways.
        let turn = if self.back.is_some() { trait_of(source) } else { self.sent };
        let destination: IpAddr = self.targets.pick(turn, true, &mut self.rng);
        let (source_port, destination_port) = (
            self.source_ports.pick(self.sent, source, &mut self.rng),
            self.ports.pick(self.sent, source, &mut self.rng),
        );
        // Of what the host sends, the other end is the one that gets it.
        let (source, destination) = if self.is_out { (destination, source) } else { (source, destination) };
        Packet {
            at_ns,
            source,
            destination,
            source_port,
            destination_port,
            what: self.what.unwrap_or_else(|| What::Protocol(self.rng.u8(100..=252))),
            payload: self.size(self.payload),
            is_out: self.is_out,
            is_local: self.is_local,
            belongs: self.back.is_some(),
            again: false,
        }
    }

    fn size(&mut self, size: Size) -> u16 {
        match size {
            Size::Exact(bytes) => bytes,
            Size::Between(from, to) => self.rng.u16(from..=to),
        }
    }
}

/// Who opens a connection.
#[derive(Clone, Copy, Debug)]
enum Opens {
    Host,
    Peer,
}

/// What goes back along an established stream.
fn back_kind(what: What) -> What {
    match what {
        What::Tcp(_) => What::Tcp(ACK),
        What::Icmp(8, 0) => What::Icmp(0, 0),
        What::Icmp(128, 0) => What::Icmp(129, 0),
        what => what,
    }
}

/// What a recipe calls so; `None`: each packet is of another protocol.
fn kind(text: &str, ipv6: bool) -> Result<Option<What>> {
    let icmp = |v4: (u8, u8), v6: (u8, u8)| {
        let (kind, code) = if ipv6 { v6 } else { v4 };
        What::Icmp(kind, code)
    };
    Ok(Some(match text {
        "syn" => What::Tcp(SYN),
        "ack" => What::Tcp(ACK),
        "rst" => What::Tcp(RST),
        "syn-ack" => What::Tcp(SYN | ACK),
        "data" => What::Tcp(PSH | ACK),
        "null" => What::Tcp(0),
        "fin" => What::Tcp(FIN),
        "fin-ack" => What::Tcp(FIN | ACK),
        "xmas" => What::Tcp(FIN | PSH | URG),
        "udp" => What::Udp,
        "icmp" => icmp((8, 0), (128, 0)),
        "unreachable" => icmp((3, 3), (1, 4)),
        "expired" => icmp((11, 0), (3, 0)),
        "too-big" => icmp((3, 4), (2, 0)),
        "fragment" => What::Fragment,
        "gre" => What::Protocol(47),
        "esp" => What::Protocol(50),
        "arp" => What::Arp,
        "any" => return Ok(None),
        number => match number.parse() {
            Ok(number) => What::Protocol(number),
            Err(_) => bail!("{number} is nothing that can be sent"),
        },
    }))
}
