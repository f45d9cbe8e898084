//! UDP in such quantity that no ordinary day explains it.
//!
//! UDP has no handshake that would tell a question from a flood. What tells is whether anybody takes it, whether it is answered, and
//! how many talk to how many: a call, a tunnel, a backup are few flows with a port of their own each.

use nettop_common::TrafficClass;

use super::{Flood, Judged, Look, MANY, MOST, Which, beside_few_flows, nothing, percent};
use crate::detect::rule::{Finds, Rule};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "udp-flood",
    title: "UDP flood",
    about: "UDP packets per second to a target, one-way, of many flows",
    threshold: Some(("packets per second", 10_000)),
    evidence: "datagrams that no socket takes; answers; the number of flows, sources and ports",
    advice: "block the sources; if the link is full, ask the provider",
    finds: Finds::Flood(Flood { class: TrafficClass::Udp, part: None, judge, of: nothing }),
};

/// From so many peers on, calls are told by each having a port of its own.
const CALLS: u64 = 20;
/// So many ports are chosen at random, where so many sources send.
const AT_RANDOM: u64 = 1000;
const SENDERS: u64 = 5;
/// Calls are at most so many packets per second each.
const CALL_PPS: f64 = 250.0;

fn judge(look: &Look) -> Judged {
    let Look { pps, mix, .. } = *look;
    if let Some(host) = look.host {
        let share = look.share_of_host(TrafficClass::Udp) / pps.max(1.0);
        let refused = (host.no_port + host.no_room) * share;
        if refused >= MANY {
            return Judged::certain(pps, [format!("no socket of this host takes {} of it", percent(refused))]);
        }
        if host.sent * share >= MOST && host.delivered * share >= MOST {
            return Judged::heavy(pps, "this host sends as much");
        }
    }
    match look.answers_by_port() {
        Some(answers) if answers >= MANY => return Judged::heavy(pps, "the target answers it"),
        Some(_)
            if look.answers(TrafficClass::Icmp).is_some_and(|answers| answers > 0.0) && mix.distinct_ports > CALLS =>
        {
            return Judged::certain(pps, ["the target answers that nobody listens there".to_string()]);
        }
        _ => {}
    }
    if let Some(rest) = beside_few_flows(look) {
        return if rest >= look.floor {
            Judged::attack(rest, None).only(Which::BesideFewFlows)
        } else {
            Judged::heavy(pps, "a few flows")
        };
    }
    if is_calls(look) {
        return Judged::heavy(pps, "calls, of which each has its port");
    }
    // Nobody listens at so many ports.
    if mix.distinct_ports >= AT_RANDOM && mix.distinct >= SENDERS {
        return Judged::certain(pps, ["it goes to ports at random".to_string()]);
    }
    let unanswered = look.sends.map(|_| "the target does not answer it".to_string());
    Judged::attack(pps, unanswered)
}

/// Whether each flow has a port of its own, as those of calls do, at the pace of a call.
fn is_calls(look: &Look) -> bool {
    let Look { pps, mix, .. } = look;
    let own = mix.distinct_ports as f64 >= mix.flows as f64 * 0.9;
    // Of a flood to random ports, hardly any two samples are of the same flow.
    let lasts = f64::from(mix.events) >= mix.flows as f64 * 2.0;
    mix.flows >= CALLS && own && lasts && pps / mix.flows as f64 <= CALL_PPS
}
