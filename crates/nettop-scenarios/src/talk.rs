//! Conversations: both sides of them, each packet at the time at which it passes the host.

use std::net::IpAddr;

use anyhow::{Context as _, Result, bail};
use fastrand::Rng;

use crate::{
    endpoints::{Hosts, Ports, PortsText},
    later::Later,
    packet::{
        Packet, What,
        flags::{ACK, FIN, PSH, RST, SYN},
        host, trait_of,
    },
    recipe::Flow,
    span::Span,
};

/// Data in a TCP segment, and in a UDP datagram, at most (over Ethernet, with timestamps; QUIC's usual).
const SEGMENT: u32 = 1448;
const DATAGRAM: u32 = 1252;
/// Segments that are sent before the first of them is acknowledged (RFC 6928), and at most.
const FIRST_WINDOW: u32 = 10;
const WIDEST_WINDOW: u32 = 160;

/// What the conversations are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tcp,
    Udp,
    Quic,
}

/// A flow of conversations.
pub struct Talk {
    kind: Kind,
    flow: Flow,
    span: Span,
    clients: Hosts,
    servers: Hosts,
    client_ports: Ports,
    ports: Ports,
    begun: u64,
    next_ns: Option<u64>,
    rng: Rng,
}

impl Talk {
    /// The flow of a recipe.
    ///
    /// # Errors
    /// It says what has no meaning.
    pub fn new(flow: &Flow, span: Span, ipv6: bool, mut rng: Rng) -> Result<Self> {
        let kind = match flow.talk.as_deref().context("talk what?")? {
            "tcp" => Kind::Tcp,
            "udp" => Kind::Udp,
            "quic" => Kind::Quic,
            other => bail!("{other} is no kind of conversation"),
        };
        if !["fin", "rst", "refused", "open"].contains(&flow.end.as_str()) {
            bail!("a connection does not end by {}", flow.end);
        }
        let here = if flow.to.is_empty() { vec![host(ipv6).to_string()] } else { flow.to.clone() };
        let here = Hosts::new(&here, flow.targets, ipv6, &mut rng)?;
        let there = Hosts::new(&flow.from, flow.sources, ipv6, &mut rng)?;
        let (clients, servers) = if flow.ours_asks { (here, there) } else { (there, here) };
        let client_ports = Ports::new(flow.source_port.as_ref().unwrap_or(&PortsText::Text("client".into())))?;
        let ports = Ports::new(&flow.port)?;
        let flow = flow.clone();
        let mut talk = Self { kind, flow, span, clients, servers, client_ports, ports, begun: 0, next_ns: None, rng };
        talk.next_ns = talk.due();
        Ok(talk)
    }

    fn due(&mut self) -> Option<u64> {
        self.span.moment_ns((self.begun as f64 + self.rng.f64()) / self.flow.rate)
    }

    /// Begins the conversations that begin until then.
    pub fn until(&mut self, end_ns: u64, later: &mut Later) {
        while let Some(at_ns) = self.next_ns.filter(|at_ns| *at_ns < end_ns) {
            self.begin(at_ns, later);
            self.begun += 1;
            self.next_ns = self.due();
        }
    }

    fn begin(&mut self, at_ns: u64, later: &mut Later) {
        let Self { flow, rng, .. } = self;
        let (client, server) = (self.clients.pick(self.begun, true, rng), self.servers.pick(self.begun, true, rng));
        let far = if flow.ours_asks { server } else { client };
        let number = trait_of(far);
        // 5 to 150 ms, most of them below 60.
        let share = (number >> 20 & 0xffff) as f64 / 65_536.0;
        let round_ns = if flow.lan { 300_000 } else { 5_000_000 + (145e6 * share * share) as u64 };
        let mut line = Line {
            now_ns: at_ns,
            round_ns,
            client: (client, self.client_ports.pick(self.begun, client, rng)),
            server: (server, self.ports.pick(self.begun, server, rng)),
            ours_asks: flow.ours_asks,
            is_local: flow.lan,
            by_client: None,
            lost: flow.lost,
            again: false,
            rng,
            later,
        };
        match self.kind {
            Kind::Tcp => tcp(&mut line, flow),
            Kind::Udp => udp(&mut line, flow),
            Kind::Quic => quic(&mut line, flow),
        }
    }
}

/// A conversation that goes on.
struct Line<'a> {
    now_ns: u64,
    round_ns: u64,
    client: (IpAddr, u16),
    server: (IpAddr, u16),
    ours_asks: bool,
    is_local: bool,
    /// Who spoke last.
    by_client: Option<bool>,
    /// Of the host's segments, the share that is lost behind it, and sent again.
    lost: f64,
    /// The next packet is sent again.
    again: bool,
    rng: &'a mut Rng,
    later: &'a mut Later,
}

impl Line<'_> {
    /// One side sends a packet: at once if it is ours, a round trip later if it answers from far away.
    fn say(&mut self, by_client: bool, what: What, payload: u32) {
        let is_ours = by_client == self.ours_asks;
        self.now_ns += match self.by_client {
            None => 0,
            Some(last) if last == by_client => self.rng.u64(12_000..60_000),
            Some(_) if is_ours => self.rng.u64(40_000..400_000),
            Some(_) => self.round_ns,
        };
        self.by_client = Some(by_client);
        self.put(self.now_ns, by_client, what, payload);
    }

    fn put(&mut self, at_ns: u64, by_client: bool, what: What, payload: u32) {
        let (from, to) = if by_client { (self.client, self.server) } else { (self.server, self.client) };
        let is_out = by_client == self.ours_asks;
        self.later.push(Packet {
            at_ns,
            source: from.0,
            destination: to.0,
            source_port: from.1,
            destination_port: to.1,
            what,
            payload: payload as u16,
            is_out,
            is_local: self.is_local,
            belongs: true,
            again: std::mem::take(&mut self.again),
        });
    }

    /// Sends data, window by window, and what acknowledges it: one packet for each `each` of data.
    fn transfer(
        &mut self,
        by_client: bool,
        bytes: u32,
        (data, unit): (What, u32),
        (ack, size): (What, u32),
        each: u32,
    ) {
        let (mut left, mut window) = (bytes, FIRST_WINDOW);
        let is_ours = by_client == self.ours_asks;
        while left > 0 {
            let begun_ns = self.now_ns;
            for number in 0..window {
                if left == 0 {
                    break;
                }
                self.say(by_client, data, left.min(unit));
                if is_ours && self.lost > 0.0 && self.rng.f64() < self.lost {
                    self.again = true;
                    self.put(self.now_ns + self.round_ns, by_client, data, left.min(unit));
                }
                left -= left.min(unit);
                if number % each == each - 1 || left == 0 {
                    let later_ns = if is_ours { self.round_ns } else { self.rng.u64(20_000..200_000) };
                    self.put(self.now_ns + later_ns, !by_client, ack, size);
                }
            }
            self.now_ns = self.now_ns.max(begun_ns + self.round_ns);
            window = (window * 2).min(WIDEST_WINDOW);
        }
    }

    fn wait(&mut self, seconds: f64) {
        self.now_ns += (seconds * 1e9 * (0.5 + self.rng.f64())) as u64;
    }

    /// What a server does before it answers.
    fn think(&mut self) {
        self.now_ns += self.rng.u64(300_000..15_000_000);
    }
}

fn tcp(line: &mut Line, flow: &Flow) {
    let send = |line: &mut Line, by_client, bytes| {
        line.transfer(by_client, bytes, (What::Tcp(PSH | ACK), SEGMENT), (What::Tcp(ACK), 0), 2);
    };
    line.say(true, What::Tcp(SYN), 0);
    if flow.end == "refused" {
        return line.say(false, What::Tcp(RST | ACK), 0);
    }
    line.say(false, What::Tcp(SYN | ACK), 0);
    line.say(true, What::Tcp(ACK), 0);
    for round in 0..flow.rounds {
        if round > 0 {
            line.wait(flow.pause);
        }
        send(line, true, flow.request);
        line.think();
        send(line, false, flow.response);
    }
    match flow.end.as_str() {
        "rst" => line.say(true, What::Tcp(RST | ACK), 0),
        "open" => {}
        _ => {
            line.say(true, What::Tcp(FIN | ACK), 0);
            line.say(false, What::Tcp(FIN | ACK), 0);
            line.say(true, What::Tcp(ACK), 0);
        }
    }
}

fn udp(line: &mut Line, flow: &Flow) {
    for round in 0..flow.rounds {
        if round > 0 {
            line.wait(flow.pause);
        }
        for (by_client, mut left) in [(true, flow.request), (false, flow.response)] {
            while left > 0 {
                line.say(by_client, What::Udp, left.min(DATAGRAM));
                left -= left.min(DATAGRAM);
            }
        }
    }
}

/// RFC 9000 §7: Initial and Handshake in both directions, then requests and responses.
fn quic(line: &mut Line, flow: &Flow) {
    line.say(true, What::Udp, 1200);
    [1200, 1200, 700].into_iter().for_each(|size| line.say(false, What::Udp, size));
    [1200, 90].into_iter().for_each(|size| line.say(true, What::Udp, size));
    line.say(false, What::Udp, 250);
    for round in 0..flow.rounds {
        if round > 0 {
            line.wait(flow.pause);
        }
        line.say(true, What::Udp, 60 + flow.request.min(1100));
        line.think();
        line.transfer(false, flow.response, (What::Udp, DATAGRAM), (What::Udp, 35), 4);
    }
    line.say(true, What::Udp, 40);
}
