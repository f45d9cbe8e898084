//! The demonstration: seeded synthetic traffic, as frames through the same parser, filter and counters.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::PacketBuilder;
use fastrand::Rng;
use nettop_common::LinkLayer;
use nettop_model::clock::Moment;

use crate::{
    counter::{FrameCounter, answered_by_counter},
    reading::Reading,
    traffic::{Traffic, no_interfaces},
};
use anyhow::Result;

/// The seed unless another is asked for.
pub const DEFAULT_SEED: u64 = 4;
/// How many sources send.
const TALKERS: usize = 48;
/// Forged SYNs per second while the flood lasts; when it begins, how long it lasts, and how often it comes, seconds.
const FLOOD_PPS: f64 = 12_000.0;
const FLOOD_FROM: f64 = 45.0;
const FLOOD_LASTS: f64 = 12.0;
const FLOOD_EVERY: f64 = 120.0;
/// After a pause of the process no more than this is made up for, seconds.
const MOST_CATCHING_UP: f64 = 5.0;

const OWN_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const GATEWAY_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0xfe];
const OWN_V4: [u8; 4] = [192, 0, 2, 10];
const OWN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 10);

/// Synthetic traffic.
pub struct Demo {
    /// What it has counted.
    pub counter: FrameCounter,
    talkers: Vec<Talker>,
    rng: Rng,
    until: Option<Moment>,
    /// Seconds sent so far.
    sent: f64,
}

/// How many times as much a source sends that attacks.
const BURST: f64 = 200.0;

/// One source: its frames, and how often it sends.
struct Talker {
    frames: Vec<Vec<u8>>,
    pps: f64,
    /// It attacks for some seconds, now and then.
    bursts: bool,
    /// The part of a packet left over from the last tick.
    fraction: f64,
}

impl Demo {
    /// The same seed sends the same packets.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let talkers = (0..TALKERS).map(|rank| Talker::new(rank, &mut rng)).collect();
        Self { counter: FrameCounter::default(), talkers, rng, until: None, sent: 0.0 }
    }

    /// Sends what is due until `at`, and reads it.
    pub fn read_until(&mut self, at: Moment, reading: &mut Reading) {
        let seconds = self.until.map_or(0.2, |until| at.seconds_since(&until)).min(MOST_CATCHING_UP);
        self.until = Some(at);
        for talker in &mut self.talkers {
            let swing = 0.7 + 0.6 * self.rng.f64();
            // Four seconds in every twenty.
            let attacks = talker.bursts && at.monotonic_ns / 1_000_000_000 % 20 < 4;
            let due = talker.pps * swing * seconds * if attacks { BURST } else { 1.0 } + talker.fraction;
            talker.fraction = due.fract();
            for _ in 0..due as u64 {
                if let Some(frame) = self.rng.choice(&talker.frames) {
                    self.counter.count(frame, LinkLayer::Ethernet, frame.len() as u64, at.monotonic_ns);
                }
            }
        }
        if (FLOOD_FROM..FLOOD_FROM + FLOOD_LASTS).contains(&(self.sent % FLOOD_EVERY)) {
            for _ in 0..(FLOOD_PPS * seconds) as u64 {
                let frame = forged_syn(&mut self.rng);
                self.counter.count(&frame, LinkLayer::Ethernet, frame.len() as u64, at.monotonic_ns);
            }
        }
        self.sent += seconds;
        self.counter.read(at, reading);
    }
}

impl Traffic for Demo {
    answered_by_counter!(counter);

    fn read(&mut self, reading: &mut Reading) {
        self.read_until(Moment::now(), reading);
    }

    fn set_paused(&mut self, paused: bool) {
        self.counter.set_paused(paused);
    }

    fn interface_names(&self) -> Vec<String> {
        vec!["demo".into()]
    }

    fn set_interfaces(&mut self, _: &[String]) -> Result<()> {
        no_interfaces("the demonstration", "without `demo`")
    }
}

/// A SYN from an address drawn at random.
fn forged_syn(rng: &mut Rng) -> Vec<u8> {
    let mut frame = Vec::new();
    let written = PacketBuilder::ethernet2(GATEWAY_MAC, OWN_MAC)
        .ipv4(public_v4(rng).octets(), OWN_V4, 52)
        .tcp(rng.u16(1024..), 443, rng.u32(..), 64_240)
        .syn()
        .write(&mut frame, &[]);
    debug_assert!(written.is_ok(), "writing to a vector");
    frame
}

impl Talker {
    fn new(rank: usize, rng: &mut Rng) -> Self {
        // Zipf-like: the first sends much, the last little.
        let pps = 900.0 / (1.0 + rank as f64);
        let source = if rank % 5 == 4 { Source::V6(public_v6(rng)) } else { Source::V4(public_v4(rng)) };
        let mac = if rank % 7 == 6 { [0x02, 0, 0, 0, 1, rank as u8] } else { GATEWAY_MAC };
        let frames = (0..16).map(|_| frame(&source, mac, rank, rng)).collect();
        Self { frames, pps, bursts: rank % 16 == 9, fraction: rng.f64() }
    }
}

enum Source {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// An address of the public part of 16.0.0.0 to 223.255.255.255.
fn public_v4(rng: &mut Rng) -> Ipv4Addr {
    loop {
        let ip = Ipv4Addr::from(rng.u32(0x1000_0000..0xe000_0000));
        if !ip.is_private() && !ip.is_loopback() && !ip.is_link_local() && !ip.is_documentation() {
            return ip;
        }
    }
}

fn public_v6(rng: &mut Rng) -> Ipv6Addr {
    let network = [0x2a02, 0x2001, 0x2400, 0x2600, 0x2804][rng.usize(..5)];
    Ipv6Addr::new(network, rng.u16(0x0200..0xfff0), rng.u16(..), rng.u16(..), 0, 0, 0, rng.u16(1..))
}

/// A frame from `source` to this host: mostly TCP, some UDP, a little ICMP.
fn frame(source: &Source, mac: [u8; 6], rank: usize, rng: &mut Rng) -> Vec<u8> {
    let ethernet = PacketBuilder::ethernet2(mac, OWN_MAC);
    let ip = match source {
        Source::V4(ip) => ethernet.ipv4(ip.octets(), OWN_V4, 52),
        Source::V6(ip) => ethernet.ipv6(ip.octets(), OWN_V6.octets(), 52),
    };
    let port = rng.u16(32_768..61_000);
    let payload = vec![0; [0, 0, 80, 400, 1200, 1446][rng.usize(..6)]];
    let mut bytes = Vec::new();
    let written = match rank % 6 {
        5 => ip.udp([53, 123, 443][rng.usize(..3)], port).write(&mut bytes, &payload),
        3 if matches!(source, Source::V4(_)) => {
            ip.icmpv4_echo_request(rank as u16, rng.u16(..)).write(&mut bytes, &payload[..payload.len().min(56)])
        }
        _ => {
            let tcp = ip.tcp(port, [443, 443, 443, 80, 22, 25][rng.usize(..6)], rng.u32(..), 64_240);
            match rng.u8(..8) {
                0 => tcp.syn().write(&mut bytes, &[]),
                1 => tcp.ack(1).fin().write(&mut bytes, &[]),
                2..5 => tcp.ack(1).psh().write(&mut bytes, &payload),
                _ => tcp.ack(1).write(&mut bytes, &[]),
            }
        }
    };
    debug_assert!(written.is_ok(), "writing to a vector");
    bytes
}

#[cfg(test)]
mod tests {
    use nettop_common::Outcome;

    use super::*;

    fn run(seed: u64) -> Reading {
        let (mut demo, mut whole) = (Demo::new(seed), Reading::new(Moment::default()));
        for second in 0..5 {
            let mut reading = Reading::new(Moment::default());
            demo.read_until(Moment { monotonic_ns: second * 1_000_000_000, unix_ns: 0 }, &mut reading);
            whole.totals.add(&reading.totals);
            whole.sources.append(&mut reading.sources);
        }
        whole.sources.sort_unstable_by_key(|(key, counters)| (*key, counters.last_ns));
        whole
    }

    #[test]
    fn the_same_seed_is_the_same_traffic() {
        assert_eq!(run(7).sources, run(7).sources);
        assert_ne!(run(7).sources, run(8).sources);
    }

    #[test]
    fn a_flood_comes_and_goes() {
        let mut demo = Demo::new(DEFAULT_SEED);
        let packets: Vec<_> = (0..130)
            .map(|second| {
                let mut reading = Reading::new(Moment::default());
                demo.read_until(Moment { monotonic_ns: second * 1_000_000_000, unix_ns: 0 }, &mut reading);
                reading.sources.len()
            })
            .collect();
        let floods: Vec<_> = (0..130).filter(|second| packets[*second] > 10_000).collect();
        assert_eq!(floods, (46..58).collect::<Vec<_>>());
    }

    #[test]
    fn every_frame_is_ip() {
        let mut reading = run(DEFAULT_SEED);
        assert!(reading.totals.seen.packets > 1000);
        assert_eq!(reading.totals.outcome(Outcome::Counted), reading.totals.seen);
        reading.sources.dedup_by_key(|(key, _)| *key);
        assert_eq!(reading.sources.len(), TALKERS);
    }
}
