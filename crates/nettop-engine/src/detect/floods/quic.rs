//! QUIC in such quantity that no ordinary day explains it. A crowd of clients sends little each, of all lengths; a flood is many
//! packets alike.

use nettop_common::{Event, TrafficClass};

use super::{Flood, Judged, Look, nothing};
use crate::detect::rule::{Finds, Rule};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "quic-flood",
    title: "QUIC flood",
    about: "UDP packets per second to port 443",
    threshold: Some(("packets per second", 10_000)),
    evidence: "their number beside what is usual here; packets of each source, and their length; answers, where they are seen",
    advice: "QUIC Retry in the server; block the sources if they are genuine",
    finds: Finds::Flood(Flood { class: TrafficClass::Udp, part: Some(is_quic), judge, of: nothing }),
};

const HTTPS: u16 = 443;
/// A client sends so many packets in its first second at least, and at most.
const CLIENT: std::ops::RangeInclusive<f64> = 2.5..=40.0;
/// So many of them are a crowd.
const CROWD: u64 = 500;
/// A datagram with the first packet of a connection is at least so long (RFC 9000, section 14.1), with IP and UDP.
const INITIAL: f64 = 1200.0;

fn is_quic(event: &Event) -> bool {
    event.destination_port == HTTPS
}

fn judge(look: &Look) -> Judged {
    let each = look.mix.weight / look.mix.distinct.max(1) as f64;
    let is_crowd = look.mix.distinct >= CROWD && CLIENT.contains(&each) && look.mix.length < INITIAL;
    // What a client is sent is more than what it sends.
    let is_served = look.answers(TrafficClass::Udp).is_none_or(|answers| answers >= 1.0);
    if is_crowd && is_served {
        return Judged::heavy(look.pps, "a crowd of clients");
    }
    if super::is_few_flows(look) {
        return Judged::heavy(look.pps, "one peer");
    }
    Judged::attack(look.pps, None)
}
