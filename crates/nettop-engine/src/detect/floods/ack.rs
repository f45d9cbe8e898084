//! Segments with ACK and without data that belong to no connection. Whoever downloads from here sends as many, but has asked for the
//! connection first.

use nettop_common::{TrafficClass, packet::tcp_flag::FIN};

use super::{Flood, Judged, Look, MOST, strays};
use crate::detect::rule::{Finds, Rule};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "ack-flood",
    title: "ACK flood",
    about: "TCP segments per second with ACK and without data, of sources without a connection",
    threshold: Some(("stray ACKs per second", 10_000)),
    evidence: "sources that never sent a SYN; resets that the target answers with",
    advice: "drop what belongs to no connection: nftables ct state invalid drop; block the sources",
    finds: Finds::Flood(Flood { class: TrafficClass::Ack, part: None, judge, of }),
};

fn judge(look: &Look) -> Judged {
    strays(look, TrafficClass::Ack)
}

fn of(look: &Look) -> Vec<String> {
    let fin: f64 = look.mix.flags.iter().filter(|(flags, _)| flags & FIN != 0).map(|(_, share)| share).sum();
    if fin >= MOST { vec!["FIN and ACK".into()] } else { Vec::new() }
}
