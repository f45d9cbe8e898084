//! Packets of protocols that are neither TCP, UDP nor ICMP: tunnels, or numbers that nothing uses.

use nettop_common::TrafficClass;

use super::{Flood, Judged, Look, MOST};
use crate::detect::rule::{Finds, Rule};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "protocol-flood",
    title: "protocol flood",
    about: "packets per second of IP protocols other than TCP, UDP and ICMP: GRE, ESP, SCTP, numbers that nothing uses",
    threshold: Some(("packets per second", 5000)),
    evidence: "their number beside what is usual here; answers, where they are seen",
    advice: "drop the protocol unless a tunnel needs it; if the link is full, ask the provider",
    finds: Finds::Flood(Flood { class: TrafficClass::Other, part: None, judge, of }),
};

/// Protocols that have less are not named.
const WORTH: f64 = 0.2;

fn judge(look: &Look) -> Judged {
    if look.answers(TrafficClass::Other).is_some_and(|answers| answers >= MOST) {
        return Judged::heavy(look.pps, "a tunnel that is used both ways");
    }
    Judged::attack(look.pps, None)
}

fn of(look: &Look) -> Vec<String> {
    let worth: Vec<_> = look.mix.protocols.iter().filter(|(_, share)| *share >= WORTH).collect();
    if worth.is_empty() && look.mix.events > 0 {
        return vec!["many protocols".into()];
    }
    worth.into_iter().map(|(number, _)| name(*number)).collect()
}

/// What a protocol is called (IANA "Assigned Internet Protocol Numbers").
fn name(number: u8) -> String {
    let name = match number {
        2 => "IGMP",
        4 => "IP-in-IP",
        41 => "IPv6-in-IP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        89 => "OSPF",
        103 => "PIM",
        112 => "VRRP",
        115 => "L2TP",
        132 => "SCTP",
        _ => return format!("protocol {number}"),
    };
    format!("protocol {number} ({name})")
}
