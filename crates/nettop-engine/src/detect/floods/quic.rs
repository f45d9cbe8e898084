//! QUIC in such quantity that no ordinary day explains it. A crowd of clients sends little each, of all lengths; a flood is many
//! packets alike.

use nettop_common::{Event, TrafficClass};

use super::{Flood, Judged, Look, MANY, MOST, Which, nothing, percent};
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
/// A client sends so many packets per second at most.
const CLIENT: f64 = 30.0;
/// So many of them are a crowd.
const CROWD: u64 = 500;
/// A datagram with the first packet of a connection has 1,200 bytes at least (RFC 9000, section 14.1), most others are small.
const INITIAL: f64 = 1000.0;

fn is_quic(event: &Event) -> bool {
    event.destination_port == HTTPS
}

fn judge(look: &Look) -> Judged {
    let Look { pps, mix, .. } = *look;
    if let Some(lone) = mix.lone.filter(|lone| *lone >= MANY) {
        let word = format!("{} of it is of sources that begin and do not go on", percent(lone));
        return Judged::attack(pps * lone, [word]).only(Which::Of(|manner| manner.lone != Some(false)));
    }
    let each = pps / mix.distinct.max(1) as f64;
    let is_crowd = mix.distinct >= CROWD && each <= CLIENT && mix.length < INITIAL;
    // What a client is sent is more than what it sends.
    let is_served = look.answers_by_port().is_none_or(|answers| answers >= MOST);
    if is_crowd && is_served {
        return Judged::heavy(pps, "a crowd of clients");
    }
    if super::beside_few_flows(look).is_some_and(|rest| rest < look.floor) {
        return Judged::heavy(pps, "a few flows");
    }
    Judged::attack(pps, None)
}
