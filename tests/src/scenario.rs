//! Traffic as a recipe: a file says who sends what, when and how fast; it is made in memory, on a clock of its own, and goes
//! through the real engine.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use clap::Parser as _;
use nettop::cli::Cli;
use nettop_collect::{
    counter::FrameCounter,
    reading::{Reading, Tables},
    traffic::Traffic,
};
use nettop_common::{Event, Filter, LinkLayer};
use nettop_engine::{Engine, overhead::Overhead, sinks::Sinks};
use nettop_model::{
    clock::Moment,
    snapshot::{Mode, Snapshot},
};
use serde::Deserialize;

use crate::frames::{self, Spec, Transport};

/// Between two readings.
const STEP_NS: u64 = 100_000_000;
const SECOND_NS: u64 = 1_000_000_000;
/// When every scenario begins.
const BEGIN: Moment = Moment { monotonic_ns: 1_000 * SECOND_NS, unix_ns: 1_700_000_000 * SECOND_NS };
/// Whom everybody sends to.
const TARGET: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

/// A scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// How long it lasts.
    seconds: u64,
    /// The kinds of alerts that it raises, in order of their names; those of single new addresses are not looked at.
    pub raised: Vec<String>,
    traffic: Vec<Sender>,
}

/// Some hosts that send alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sender {
    kind: Kind,
    /// Seconds from the beginning.
    start: u64,
    stop: u64,
    /// Packets per second of all of them.
    pps: f64,
    /// How many there are.
    #[serde(default = "one")]
    sources: u32,
    /// Each packet comes from another address instead.
    #[serde(default)]
    random: bool,
    #[serde(default = "usual_source_port")]
    source_port: u16,
    #[serde(default)]
    port: u16,
    /// Of a scan: how many ports it tries.
    #[serde(default = "many")]
    ports: u16,
    /// Bytes behind the headers.
    #[serde(default)]
    payload: usize,
    #[serde(skip)]
    left_over: f64,
    #[serde(skip)]
    sent: u32,
}

fn one() -> u32 {
    1
}

fn usual_source_port() -> u16 {
    50_000
}

fn many() -> u16 {
    u16::MAX
}

/// What is sent.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Syn,
    Ack,
    Udp,
    Icmp,
    Fragment,
    Scan,
}

impl Sender {
    /// Counts what is due in a step of time that begins at this second.
    fn send(&mut self, second: f64, counter: &mut FrameCounter, at_ns: u64) {
        if second < self.start as f64 || second >= self.stop as f64 {
            return;
        }
        let due = self.pps * STEP_NS as f64 / SECOND_NS as f64 + self.left_over;
        self.left_over = due.fract();
        for _ in 0..due as u64 {
            let frame = self.frame();
            counter.count(&frame, LinkLayer::Ethernet, frame.len() as u64, at_ns);
            self.sent += 1;
        }
    }

    fn frame(&self) -> Vec<u8> {
        // Weyl's sequence: no address twice in four billion packets, and no pattern in any prefix.
        let host = if self.random { self.sent.wrapping_mul(0x9e37_79b9) >> 3 } else { self.sent % self.sources };
        let source: IpAddr = Ipv4Addr::from_bits(0x0b00_0000 + host).into();
        let (from, to) = (self.source_port, self.port);
        let transport = match self.kind {
            Kind::Syn => Transport::Tcp(from, to, 0x02),
            Kind::Ack => Transport::Tcp(from, to, 0x10),
            Kind::Udp => Transport::Udp(from, to),
            Kind::Icmp => Transport::Icmp,
            Kind::Scan => Transport::Tcp(from, 1 + (self.sent % u32::from(self.ports)) as u16, 0x02),
            Kind::Fragment => {
                return frames::ipv4(17, &[0; 64], |header| {
                    header[6] = 0x20;
                    header[12..16].copy_from_slice(&(0x0b00_0000 + host).to_be_bytes());
                    header[16..20].copy_from_slice(&TARGET.octets());
                });
            }
        };
        Spec::between(source, TARGET.into(), transport).payload(self.payload).frame()
    }
}

/// A collector of what the recipe says.
struct Scripted {
    senders: Vec<Sender>,
    counter: FrameCounter,
    steps: u64,
}

impl Traffic for Scripted {
    fn read(&mut self, reading: &mut Reading) {
        let passed_ns = self.steps * STEP_NS;
        let at = Moment { monotonic_ns: BEGIN.monotonic_ns + passed_ns, unix_ns: BEGIN.unix_ns + passed_ns };
        let second = passed_ns as f64 / SECOND_NS as f64;
        self.senders.iter_mut().for_each(|sender| sender.send(second, &mut self.counter, at.monotonic_ns));
        self.steps += 1;
        self.counter.read(at, reading);
    }

    fn read_tables(&mut self, tables: &mut Tables) {
        self.counter.read_tables(tables);
    }

    fn drain_events(&mut self, each: &mut dyn FnMut(&Event)) {
        self.counter.drain_events(each);
    }

    fn set_filter(&mut self, filter: Option<&Filter>) {
        self.counter.set_filter(filter.map(|filter| Box::new(*filter)));
    }

    fn set_paused(&mut self, paused: bool) {
        self.counter.set_paused(paused);
    }

    fn set_sampling(&mut self, every: u32) {
        self.counter.set_sampling(every);
    }

    fn interface_names(&self) -> Vec<String> {
        vec!["scenario".into()]
    }

    fn set_interfaces(&mut self, _: &[String]) -> Result<()> {
        Ok(())
    }

    fn begins(&self) -> Moment {
        BEGIN
    }
}

impl Scenario {
    /// Plays it to its end; returns the last snapshot.
    pub fn play(&self) -> Snapshot {
        let options = Cli::parse_from(["nettop", "--no-geo", "--max-sources", "50000"]).run.common;
        let settings = options.settings(Mode::Demo).expect("settings");
        let scripted = Scripted { senders: self.traffic.clone(), counter: FrameCounter::default(), steps: 0 };
        let overhead = Overhead::new(Moment::now());
        let (mut engine, snapshots) = Engine::new(Box::new(scripted), settings, None, Sinks::default(), overhead);
        for step in 0..self.seconds * SECOND_NS / STEP_NS {
            if step % 10 == 9 {
                engine.tick();
            } else {
                engine.drain();
            }
        }
        let snapshot = snapshots.borrow().clone();
        Snapshot::clone(&snapshot)
    }
}
