//! Answers that nobody here has asked for: services elsewhere, asked in our name, send more than they were sent.

use nettop_common::{Event, TrafficClass};

use super::{
    Flood, Judged, Look, MANY,
    services::{self, Reflector},
};
use crate::detect::rule::{Finds, Rule};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "amplification",
    title: "amplification",
    about: "UDP packets per second from ports of reflectors (DNS, NTP, SSDP, memcached, …), longer than such answers usually are",
    threshold: Some(("packets per second", 5000)),
    evidence: "source ports of services that answer at length; questions that the target sends, where they are seen",
    advice: "have the provider drop these source ports upstream; blocking reflectors here does not free the link",
    finds: Finds::Flood(Flood { class: TrafficClass::Udp, part: Some(is_amplified), judge, of }),
};

/// From so many on they are no servers that somebody here talks to at length.
const MANY_REFLECTORS: u64 = 20;
/// Services that contribute less are not named.
const WORTH: f64 = 0.05;

/// Whether a datagram is longer than the usual answer of the service it comes from. Services talk to each other from port to port,
/// which reflectors do not.
fn is_amplified(event: &Event) -> bool {
    let longer = |from: &Reflector| f64::from(event.length) > from.ordinary;
    services::reflector(event.source_port).is_some_and(longer) && event.source_port != event.destination_port
}

fn judge(look: &Look) -> Judged {
    // As many questions as answers.
    if look.asks >= look.pps * MANY {
        return Judged::heavy(look.pps, "the target asks as often");
    }
    let evidence = [format!("long answers of {}", of(look).join(", "))];
    if look.mix.distinct >= MANY_REFLECTORS {
        return Judged::certain(look.pps, evidence);
    }
    Judged::attack(look.pps, evidence)
}

/// The services that contribute, the one with most packets first.
fn of(look: &Look) -> Vec<String> {
    let worth = look.mix.from_ports.iter().filter(|(_, share)| *share >= WORTH);
    worth.filter_map(|(port, _)| Some(services::reflector(*port)?.name.to_string())).collect()
}
