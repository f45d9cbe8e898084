//! The kinds of floods: one file and one row each. A kind says which packets to a target are its own, and what they are there: an
//! attack, traffic, or nothing worth a word.

mod ack;
mod amplification;
mod data;
pub mod dns_query;
mod flags;
mod fragments;
mod icmp;
mod neighbours;
mod protocol;
mod quic;
mod rst;
pub mod services;
mod syn;
mod syn_ack;
mod udp;

use foldhash::HashMap;
use nettop_common::{Event, TrafficClass, counters::ByClass};

use super::{evidence::HostRates, measure::Conversing, mix::Mix, rule::Rule, senders::Manner};

/// What alerts of SYN floods are called.
pub const SYN_FLOOD: &str = syn::RULE.kind;

/// Every kind that is told by what a target receives. Of one class, the first whose packets these are has them.
pub const FLOODS: &[Rule] = &[
    syn::RULE,
    ack::RULE,
    rst::RULE,
    syn_ack::RULE,
    flags::RULE,
    data::RULE,
    amplification::RULE,
    dns_query::RULE,
    quic::RULE,
    udp::RULE,
    neighbours::RULE,
    icmp::RULE,
    fragments::RULE,
    protocol::RULE,
];

/// How a kind of flood is found.
#[derive(Clone, Copy)]
pub struct Flood {
    /// Of which class its packets are.
    pub class: TrafficClass,
    /// Which packets of the class; `None`: all that no kind before it has.
    pub part: Option<fn(&Event) -> bool>,
    /// Whether packets of conversations are none of it: who gets answers from this host, or has a connection, sends no such flood.
    pub excused: bool,
    /// What they are.
    pub judge: fn(&Look) -> Judged,
    /// What they consist of, where the name of the kind does not say it.
    pub of: fn(&Look) -> Vec<String>,
}

/// What can be known of the packets of one kind to one target in one second.
pub struct Look<'a> {
    /// Packets per second.
    pub pps: f64,
    /// From how many on it is looked for.
    pub floor: f64,
    /// What they have in common.
    pub mix: &'a Mix,
    /// Packets per second of each class to this target.
    pub classes: &'a ByClass<f64>,
    /// Packets per second of each class that it sends; `None`: none of its packets are seen. Estimated.
    pub sends: Option<&'a ByClass<f64>>,
    /// Questions per second that it sends to services that answer at length, where what it sends is seen.
    pub asks: f64,
    /// The share of datagrams that go to ports from which the target sends as many, about; `None`: nothing of what it sends is seen.
    pub answered: Option<f64>,
    /// What of all of it is of conversations of this host, where its sockets are known, or what it sends.
    pub conversing: Option<&'a Conversing>,
    /// Packets per second of each class that this host sends to anybody; `None`: that is not counted.
    pub sent: Option<ByClass<f64>>,
    /// Datagrams per second that it sends, by source port.
    pub sends_from: &'a HashMap<u16, f64>,
    /// Whether what any target sends is seen.
    pub sees_both: bool,
    /// Packets per second of each class to all targets.
    pub all: &'a ByClass<f64>,
    /// What the host counts, where it is asked.
    pub host: Option<&'a HostRates>,
    /// SYN-ACKs that came to all targets in the last minute, about: connections that were made from here.
    pub connections_made: f64,
}

impl Look<'_> {
    /// Packets per second of a class to this target.
    pub fn gets(&self, class: TrafficClass) -> f64 {
        self.classes[class as usize]
    }

    /// Packets per second of a class that it sends, for each packet of this kind; `None`: nothing of what it sends is seen.
    pub fn answers(&self, class: TrafficClass) -> Option<f64> {
        self.sends.map(|sends| sends[class as usize] / self.pps.max(1.0))
    }

    /// Datagrams that it sends from the ports that this kind goes to, for each of this kind; `None`: nothing of what it sends is seen.
    pub fn answers_by_port(&self) -> Option<f64> {
        self.sends?;
        let (mut sent, mut came) = (0.0, 0.0);
        for (port, share) in &self.mix.ports {
            came += self.pps * share;
            sent += self.sends_from.get(port).copied().unwrap_or_default();
        }
        Some(sent / f64::max(came, 1.0))
    }

    /// Packets per second of a class that this host sends to anybody, as much of them as it gets of another one here; 0: not known.
    pub fn host_sends(&self, class: TrafficClass, of: TrafficClass) -> f64 {
        self.sent.map_or(0.0, |sent| sent[class as usize] * self.share_of_host(of))
    }

    /// The share of this kind in what the host has counted of it: where it is the only target, its counters speak of it.
    pub fn share_of_host(&self, class: TrafficClass) -> f64 {
        self.pps / self.all[class as usize].max(1.0)
    }
}

/// What packets are.
#[derive(Clone, Debug)]
pub struct Judged {
    /// How many of them per second are of this kind.
    pub pps: f64,
    /// What they are.
    pub verdict: Verdict,
    /// Which ones are.
    pub which: Which,
}

/// Which packets are meant, so that bystanders are not named.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    /// All.
    All,
    /// Those of senders that are not known to be of another manner.
    Of(fn(&Manner) -> bool),
    /// Those that are not of the few flows that make up most of it.
    BesideFewFlows,
}

/// What packets are.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// An attack, if there are many. What that rests on; and whether the attacker cannot forge it.
    Attack { evidence: Vec<String>, certain: bool },
    /// Traffic, for this reason: worth a note if it is heavy.
    Heavy(&'static str),
    /// Ordinary.
    Ordinary,
}

impl Judged {
    fn new(pps: f64, verdict: Verdict) -> Self {
        Self { pps, verdict, which: Which::All }
    }

    /// The same, of these packets only.
    pub fn only(self, which: Which) -> Self {
        Self { which, ..self }
    }

    /// An attack, which rests on this.
    pub fn attack(pps: f64, evidence: impl IntoIterator<Item = String>) -> Self {
        Self::new(pps, Verdict::Attack { evidence: evidence.into_iter().collect(), certain: false })
    }

    /// The same, on something that nobody can forge who only sends packets.
    pub fn certain(pps: f64, evidence: impl IntoIterator<Item = String>) -> Self {
        Self::new(pps, Verdict::Attack { evidence: evidence.into_iter().collect(), certain: true })
    }

    /// Traffic, for this reason.
    pub fn heavy(pps: f64, why: &'static str) -> Self {
        Self::new(pps, Verdict::Heavy(why))
    }

    /// Ordinary.
    pub fn ordinary(pps: f64) -> Self {
        Self::new(pps, Verdict::Ordinary)
    }
}

/// Nothing to add.
pub fn nothing(_: &Look) -> Vec<String> {
    Vec::new()
}

/// A share, in words.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share.clamp(0.0, 1.0) * 100.0)
}

/// From this share on most of something is so.
pub const MOST: f64 = 0.5;
/// From this share on so much of it is so that it is no coincidence.
pub const MANY: f64 = 0.3;

/// The share of segments that is acknowledged at least: one in two, or one in fifty where the card puts them together.
pub const ACKNOWLEDGED: f64 = 0.02;

/// Answered by resets: what belongs to a connection is not.
fn resets(look: &Look, class: TrafficClass) -> Option<Judged> {
    if let Some(share) = look.answers(TrafficClass::Rst).filter(|share| *share >= MANY) {
        let word = format!("the target answers {} of it with resets", percent(share));
        return Some(Judged::certain(look.pps * share.max(look.mix.stray.unwrap_or(0.0)).min(1.0), [word]));
    }
    let sent = look.sent.map(|sent| sent[TrafficClass::Rst as usize]);
    let resets = look.host.map(|host| host.resets).or(sent)?;
    let share = resets * look.share_of_host(class) / look.pps.max(1.0);
    (share >= MANY).then(|| {
        let word = format!("this host answers {} of it with resets", percent(share));
        Judged::certain(look.pps * share.max(look.mix.stray.unwrap_or(0.0)).min(1.0), [word])
    })
}

/// What sources do that never asked for a connection.
fn strays(look: &Look, class: TrafficClass) -> Judged {
    // Who had a connection that is not there any more, because a service was started anew, is no attacker.
    if look.mix.stray.is_none_or(|stray| stray >= MANY)
        && let Some(judged) = resets(look, class)
    {
        return judged;
    }
    // Connections that were made from here begin with a SYN-ACK, and what comes is acknowledged.
    let made_from_here = if look.sees_both {
        let sent = look.answers(TrafficClass::Ack).unwrap_or(0.0) + look.answers(TrafficClass::Data).unwrap_or(0.0);
        sent >= ACKNOWLEDGED
    } else {
        let answered = look.gets(TrafficClass::SynAck) >= look.pps * ACKNOWLEDGED;
        answered || look.connections_made >= look.mix.distinct as f64 * MOST && !look.mix.and_more
    };
    match look.mix.stray {
        Some(stray) if stray >= MANY && !made_from_here => {
            let word = format!("{} of it is of sources that never opened a connection", percent(stray));
            Judged::attack(look.pps * stray, [word]).only(Which::Of(|manner| manner.stray != Some(false)))
        }
        _ => Judged::ordinary(look.pps),
    }
}

/// Whether a few flows make up most of it, and of large packets: then it is their traffic. What is left of it.
fn beside_few_flows(look: &Look) -> Option<f64> {
    const SMALL: f64 = 200.0;
    let is_few = look.mix.few_flows >= MOST && look.mix.length >= SMALL;
    is_few.then_some(look.pps * (1.0 - look.mix.few_flows))
}
