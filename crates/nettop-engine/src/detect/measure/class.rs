//! What came of a class to a target, by kind.

use foldhash::HashMap;
use nettop_common::{Address, Event, TrafficClass, counters::ByClass};
use nettop_model::format;

use super::{Burst, NOTABLE, PART, Part, Sampled, conversing::Conversing, floods};
use crate::detect::{
    DetectInput, UNSETTLED,
    floods::{Flood, Judged, Look, MANY, MOST, Verdict, Which, percent},
    mix::{Mix, flow},
    sockets::{Listener, of_process},
    takers::Taker,
};

/// Columns for a number with thousands separators, before it is shortened.
const DIGITS: usize = 11;
/// Nearly all.
const NEARLY_ALL: f64 = 0.9;

/// What came of a class to a target.
pub struct OfClass<'a> {
    /// The class.
    pub class: TrafficClass,
    /// Packets per second.
    pub pps: f64,
    /// Average length of a frame, bytes.
    pub length: f64,
    /// How much faster it came for a moment.
    pub burst: Burst,
    /// Packets per second of each class to this target.
    pub classes: &'a ByClass<f64>,
    /// The target; `None`: all others.
    pub who: Option<Address>,
    /// Its place among the samples.
    pub place: usize,
}

impl OfClass<'_> {
    /// The same by kind. `all`: packets per second of each class to all targets.
    pub fn parts(&self, scene: &DetectInput, all: &ByClass<f64>, sampled: &Sampled) -> Vec<Part> {
        let mut events = sampled.to[self.place][self.class as usize].clone();
        let whole = weigh(&events);
        let mut parts = Vec::new();
        for (rule, flood) in floods().filter(|(_, flood)| flood.class == self.class) {
            let own = match flood.part {
                Some(is_own) => {
                    let (own, others) = events.into_iter().partition(|event| is_own(event));
                    events = others;
                    own
                }
                None => std::mem::take(&mut events),
            };
            // Without samples all of it is of the kind that takes the rest.
            let share = match flood.part {
                _ if whole > 0.0 => weigh(&own) / whole,
                Some(_) => 0.0,
                None => 1.0,
            };
            parts.extend(self.part(scene, all, sampled, (rule, flood), &own, share));
        }
        parts
    }

    /// The part of one kind, which these samples are of; `None`: it is not worth a look.
    fn part(
        &self,
        scene: &DetectInput,
        all: &ByClass<f64>,
        sampled: &Sampled,
        (rule, flood): (usize, &Flood),
        events: &[&Event],
        share: f64,
    ) -> Option<Part> {
        let (came, floor) = (self.pps * share, scene.thresholds.value(rule) as f64);
        let burst = if share >= PART { self.burst } else { Burst::NONE };
        if floor == 0.0 || came * burst.times < floor * NOTABLE {
            return None;
        }
        let conversing = Conversing::of(scene, self.class, events, came);
        let excused = conversing.as_ref().filter(|talk| flood.excused && talk.share >= MANY);
        let strange: Vec<&Event> = match excused {
            Some(talk) => events.iter().filter(|event| !talk.has(scene, event)).copied().collect(),
            None => events.to_vec(),
        };
        let rest = came * (1.0 - excused.map_or(0.0, |talk| talk.share));
        // Beside conversations there may be an attack.
        let is_enough = excused.is_none() || rest >= floor * MANY && !strange.is_empty();
        let (pps, events) = if is_enough { (rest, strange.as_slice()) } else { (came, events) };
        let mix = Mix::of(events.iter().copied(), sampled.thinned, scene.senders);
        let look = Look {
            pps,
            floor,
            mix: &mix,
            classes: self.classes,
            sends: sampled.from[self.place].as_ref(),
            answered: self.answered(sampled, events, pps),
            conversing: conversing.as_ref(),
            sent: scene.counts_egress.then(|| scene.sent.rates(scene.seconds)),
            sends_from: &sampled.sends_from[self.place],
            asks: sampled.asks[self.place],
            sees_both: sampled.sees_both,
            all,
            host: scene.host.as_ref(),
            connections_made: scene.connections_made,
        };
        let is_answer = self.who.is_some_and(|who| is_answer(scene, &who, &mix));
        let Judged { pps, mut verdict, which } = if is_answer { Judged::ordinary(pps) } else { (flood.judge)(&look) };
        let of = (flood.of)(&look);
        if !is_enough {
            verdict = self.conversation(&look, verdict);
        } else if let Verdict::Attack { evidence, .. } = &mut verdict {
            evidence.extend(self.words(scene, &look, excused));
        }
        let mix = only(which, events, sampled, scene, &mix).unwrap_or(mix);
        let key = (self.who.into(), rule);
        let usual = scene.usual.of(&key);
        // Of what is left of heavy traffic without its conversations, these are not the measure.
        let is_rest = excused.is_some() && is_enough && scene.usual.is_heavy(&key);
        let limit = scene.usual.limit(&key).filter(|_| scene.thresholds.learns(rule) && !is_rest);
        let learned = limit.unwrap_or(0.0);
        let is_certain = matches!(verdict, Verdict::Attack { certain: true, .. });
        let unsettled = if scene.is_settled || scene.usual.has_past() || is_certain { 1.0 } else { UNSETTLED };
        let threshold = floor.max(learned) * unsettled;
        let burst = burst.times(pps * scene.seconds, threshold);
        let bps = pps * if mix.events > 0 { mix.length } else { self.length };
        Some(Part {
            rule,
            pps,
            all: came,
            burst,
            bps,
            mix,
            verdict,
            of,
            usual,
            floor,
            threshold,
            raised: learned > floor,
        })
    }

    /// What packets of conversations are, which by themselves would be this. Of connections of TCP there is nothing to tell.
    fn conversation(&self, look: &Look, judged: Verdict) -> Verdict {
        let is_answered = look.conversing.and_then(|talk| talk.answered).is_some_and(|answered| answered > 0.0);
        match (self.class, judged) {
            (_, Verdict::Ordinary) | (TrafficClass::Ack | TrafficClass::Data, Verdict::Attack { .. }) => {
                Verdict::Ordinary
            }
            (TrafficClass::Ack | TrafficClass::Data, heavy) => heavy,
            _ if is_answered => Verdict::Heavy("this host answers it"),
            _ => Verdict::Heavy("sockets of this host are connected to its senders"),
        }
    }

    /// What else an attack rests on: what this host sends to its sources, and which socket gets it. `excused`: what is left out.
    fn words(&self, scene: &DetectInput, look: &Look, excused: Option<&Conversing>) -> Vec<String> {
        let mut words = Vec::new();
        match (excused, look.conversing.and_then(|talk| talk.answered)) {
            (Some(talk), _) => {
                let share = percent(talk.share);
                words.push(format!("not counted: {share} of what comes, which is of conversations of this host"));
            }
            (None, Some(answered)) => words.push(format!("answers go to {} of the sources", percent(answered))),
            (None, None) => {}
        }
        if self.class == TrafficClass::Syn {
            words.extend(self.half_open(scene, look));
        }
        let is_udp = self.class == TrafficClass::Udp;
        let port = look.mix.port(MOST).filter(|_| is_udp || self.class == TrafficClass::Syn);
        if let (Some(port), Some(who), Some(sockets)) = (port, self.who, scene.sockets) {
            match sockets.takers.taker(is_udp, &who, port) {
                Some(Taker::Nobody) => words.push(format!("no socket of this host is at port {port}")),
                Some(Taker::Socket(Some(process))) => {
                    words.push(format!("it goes to a socket{}", of_process(Some(process))));
                }
                Some(Taker::Socket(None)) | None => {}
            }
        }
        words
    }

    /// How many connections wait to be confirmed at the ports that SYNs go to.
    fn half_open(&self, scene: &DetectInput, look: &Look) -> Option<String> {
        let who = self.who?.to_ip();
        let is_port = |port| look.mix.port(MOST).is_none_or(|most| most == port);
        let is_meant = |listener: &&Listener| {
            let at = listener.local.unwrap_or(listener.address);
            is_port(listener.port) && (at == who || at.is_unspecified())
        };
        let all: u64 = scene.sockets?.listeners.iter().filter(is_meant).map(|listener| listener.half_open).sum();
        (all > 0).then(|| format!("{} connections to it are half-open", format::count(all, DIGITS)))
    }

    /// Of datagrams, the share that goes to ports from which the target sends as many, about; `None`: it is of another class, or nothing of
    /// what the target sends is seen.
    fn answered(&self, sampled: &Sampled, events: &[&Event], pps: f64) -> Option<f64> {
        const AS_MANY: f64 = 0.3;
        if self.class != TrafficClass::Udp || sampled.from[self.place].is_none() {
            return None;
        }
        let (sends_from, all) = (&sampled.sends_from[self.place], weigh(events).max(1.0));
        let mut ports: HashMap<u16, f64> = HashMap::default();
        events.iter().for_each(|event| *ports.entry(event.destination_port).or_default() += f64::from(event.weight));
        let is_answered = |(port, weight): &(&u16, &f64)| {
            sends_from.get(port).is_some_and(|sent| *sent >= **weight / all * pps * AS_MANY)
        };
        Some(ports.iter().filter(is_answered).map(|(_, weight)| weight).sum::<f64>() / all)
    }
}

/// What those packets have in common that are meant; `None`: all are, or too few samples are of them.
fn only(which: Which, events: &[&Event], sampled: &Sampled, scene: &DetectInput, mix: &Mix) -> Option<Mix> {
    let is_meant = |event: &&&Event| match which {
        Which::All => true,
        Which::Of(is) => is(&scene.senders.manner(&event.source)),
        Which::BesideFewFlows => !mix.busiest_flows.contains(&flow(event)),
    };
    if matches!(which, Which::All) {
        return None;
    }
    let meant = events.iter().filter(is_meant).copied();
    Some(Mix::of(meant, sampled.thinned, scene.senders)).filter(|meant| meant.events > 0)
}

fn weigh(events: &[&Event]) -> f64 {
    events.iter().map(|event| f64::from(event.weight)).sum()
}

/// Whether this is what one host answers to a newcomer, and so no attack on it.
fn is_answer(scene: &DetectInput, who: &Address, mix: &Mix) -> bool {
    scene.senders.manner(who).new == Some(true) && mix.busiest(1) >= NEARLY_ALL
}
