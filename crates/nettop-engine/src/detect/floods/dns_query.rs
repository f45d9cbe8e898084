//! DNS queries in such quantity that no ordinary day explains it. A server answers them, whoever asks.

use nettop_common::{Event, TrafficClass};

use super::{Flood, Judged, Look, nothing, percent};
use crate::detect::rule::{Finds, Rule};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "dns-query-flood",
    title: "DNS query flood",
    about: "UDP packets per second to port 53",
    threshold: Some(("packets per second", 10_000)),
    evidence: "their number beside what is usual here; sources that are new",
    advice: "response rate limiting in the name server; block the sources unless they are resolvers that many people use",
    finds: Finds::Flood(Flood { class: TrafficClass::Udp, part: Some(is_query), judge, of: nothing }),
};

const DNS: u16 = 53;

fn is_query(event: &Event) -> bool {
    event.destination_port == DNS && event.source_port != DNS
}

fn judge(look: &Look) -> Judged {
    let new = look.mix.new.map(|new| format!("{} of it is of sources that came lately", percent(new)));
    Judged::attack(look.pps, new)
}
