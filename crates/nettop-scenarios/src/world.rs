//! All traffic of a scenario, step by step.

use anyhow::Result;
use fastrand::Rng;
use nettop_engine::rates::SECOND_NS;

use crate::{
    later::Later,
    packet::Packet,
    recipe::{Flow, Recipes, Scenario},
    span::Span,
    stranger::Stranger,
    stream::Stream,
    talk::Talk,
};

/// Between two readings.
pub const STEP_NS: u64 = 100_000_000;

/// The traffic of a scenario.
pub struct World {
    streams: Vec<Stream>,
    talks: Vec<Talk>,
    later: Later,
    stranger: Stranger,
    step: u64,
    packets: Vec<Packet>,
    /// When what the scenario is about begins, nanoseconds from the start.
    pub begins_ns: u64,
    /// When it is over.
    pub ends_ns: u64,
    /// How many steps there are.
    pub steps: u64,
}

impl World {
    /// The traffic of a scenario.
    ///
    /// # Errors
    /// The recipe says what has no meaning.
    pub fn new(scenario: &Scenario, recipes: &Recipes) -> Result<Self> {
        let mut seeds = Rng::with_seed(seed(&scenario.name));
        // Attacks do not wait for the beginning of a second.
        let begins_ns = ((scenario.before + seeds.f64()) * 1e9) as u64;
        let ends_ns = begins_ns + (scenario.seconds * 1e9) as u64;
        let steps = (ends_ns + (scenario.after * 1e9) as u64).div_ceil(SECOND_NS) * (SECOND_NS / STEP_NS);
        let stranger = Stranger::new(&scenario.tcp_open, &scenario.udp_open, scenario.alive, seeds.fork());
        let later = Later::new(STEP_NS, steps);
        let mut world = Self {
            streams: Vec::new(),
            talks: Vec::new(),
            later,
            stranger,
            step: 0,
            packets: Vec::new(),
            begins_ns,
            ends_ns,
            steps,
        };
        for flow in &recipes.mix(&scenario.background)?.flow {
            world.add(flow, Span { start_ns: 0, stop_ns: u64::MAX, bursts: None, ramp: 0.0 }, false, seeds.fork())?;
        }
        for flow in &scenario.flow {
            let at = |seconds: f64| begins_ns.saturating_add_signed((seconds * 1e9) as i64);
            let bursts = flow.on.zip(flow.every);
            let span = if flow.always {
                Span { start_ns: 0, stop_ns: u64::MAX, bursts, ramp: flow.ramp }
            } else {
                let seconds = flow.start + flow.seconds.unwrap_or(scenario.seconds - flow.start);
                Span { start_ns: at(flow.start), stop_ns: at(seconds), bursts, ramp: flow.ramp }
            };
            world.add(flow, span, scenario.ipv6, seeds.fork())?;
        }
        Ok(world)
    }

    fn add(&mut self, flow: &Flow, span: Span, ipv6: bool, rng: Rng) -> Result<()> {
        if flow.talk.is_some() {
            self.talks.push(Talk::new(flow, span, ipv6, rng)?);
        } else {
            self.streams.push(Stream::new(flow, span, ipv6, rng)?);
        }
        Ok(())
    }

    /// The packets of the next step, in order of time; `None`: it is over.
    pub fn next_step(&mut self) -> Option<&[Packet]> {
        if self.step >= self.steps {
            return None;
        }
        self.packets.clear();
        let end_ns = (self.step + 1) * STEP_NS;
        self.talks.iter_mut().for_each(|talk| talk.until(end_ns, &mut self.later));
        for stream in &mut self.streams {
            let first = self.packets.len();
            stream.until(end_ns, &mut self.packets, &mut self.later);
            if stream.is_strange() {
                self.packets[first..].iter().for_each(|packet| self.stranger.meet(packet, &mut self.later));
            }
        }
        self.later.take(&mut self.packets);
        self.packets.sort_unstable_by_key(|packet| packet.at_ns);
        self.step += 1;
        Some(&self.packets)
    }
}

/// The seed of a scenario: FNV-1a of its name.
fn seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
