//! UDP in such quantity that no ordinary day explains it.
//!
//! UDP has no handshake that would tell a question from a flood. What tells is whether anybody takes it, whether it is answered, and
//! how many talk to how many: a call, a tunnel, a backup are few flows with a port of their own each.

use nettop_common::TrafficClass;

use super::{Flood, Judged, Look, MANY, MOST, Which, beside_few_flows, nothing, percent};
use crate::detect::rule::{Finds, Rule};

pub const RULE: Rule = Rule {
    kind: "udp-flood",
    title: "UDP flood",
    about: "UDP packets per second to a target, one-way, of many flows",
    threshold: Some(("packets per second", 10_000)),
    evidence: "datagrams that no socket takes; to whom answers go; connected sockets; the number of flows, sources and ports",
    advice: "block the sources; if the link is full, ask the provider",
    finds: Finds::Flood(Flood { class: TrafficClass::Udp, part: None, excused: true, judge, of: nothing }),
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
        let refused = (host.no_port + host.no_room) / pps.max(1.0);
        if refused >= MANY {
            return Judged::certain(pps, [format!("no socket of this host takes {} of it", percent(refused))]);
        }
        // Other services of the host may answer: what all of them get and do not answer has to be less than half of this.
        let unanswered = look.all[TrafficClass::Udp as usize] - host.sent;
        if unanswered < pps * MOST && host.delivered >= pps * MOST {
            return Judged::heavy(pps, "this host sends as much");
        }
    }
    if let Some(answered) = look.answered.filter(|answered| *answered >= MANY) {
        // Beside what is answered there may be what is not.
        let rest = pps * (1.0 - answered);
        return if rest >= look.floor {
            Judged::attack(rest, ["the target does not answer it".to_string()])
        } else {
            Judged::heavy(pps, "the target answers it")
        };
    }
    if look.answers(TrafficClass::Icmp).is_some_and(|answers| answers > 0.0) && mix.distinct_ports > CALLS {
        return Judged::certain(pps, ["the target answers that nobody listens there".to_string()]);
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

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn what_is_one_and_what_is_not() {
        let game = udp(40_000, 27_015, 12_000).sources(300).length(200);
        let calls = udp(20_000, 30_000, 12_000).sources(240).ports(240).source_ports(240).length(214);
        table(vec![
            ("on a port", vec![game], &["UDP flood on 192.0.2.1:27015: 12.0k pps, 19.2 Mbit/s; about 300 sources…"]),
            (
                "on ports at random",
                vec![udp(40_000, 1000, 12_000).sources(300).ports(7001)],
                &["UDP flood on 192.0.2.1: 12.0k pps, 5.76 Mbit/s; about 300 sources…"],
            ),
            (
                "from one, to ports at random",
                vec![udp(40_000, 1000, 12_000).ports(7001)],
                &["UDP flood on 192.0.2.1: 12.0k pps, 5.76 Mbit/s; from 10.0.0.0…"],
            ),
            (
                "forged",
                vec![udp(40_000, 27_015, 12_000).sources(12_000)],
                &["UDP flood on 192.0.2.1:27015: 12.0k pps, 5.76 Mbit/s; more than 6,000 sources, forged most likely…"],
            ),
            (
                "just above the threshold",
                vec![udp(40_000, 27_015, 10_020).sources(300)],
                &["UDP flood on 192.0.2.1:27015: 10.0k pps, 4.81 Mbit/s; about 300 sources…"],
            ),
            ("just below it", vec![udp(40_000, 27_015, 9980).sources(300)], &[]),
            (
                "IPv6",
                vec![game.v6()],
                &["UDP flood on [2001:db8::c000:201]:27015: 12.0k pps, 19.2 Mbit/s; about 300 sources…"],
            ),
            (
                "not answered",
                vec![game, game.back(300)],
                &["UDP flood on 192.0.2.1:27015: 12.0k pps, 19.2 Mbit/s; about 300 sources…"],
            ),
            (
                "beside a backup",
                vec![game, udp(5000, 6000, 14_000).from([10, 2, 0, 0]).length(1400)],
                &[
                    "10.2.0.0 sends 14.0k pps…",
                    "UDP flood on 192.0.2.1:27015: 11.9k pps, 19.0 Mbit/s; about 297 sources…",
                ],
            ),
            (
                "a backup",
                vec![udp(5000, 6000, 14_000).length(1400)],
                &["heavy traffic, UDP to 192.0.2.1: 14.0k pps, 157 Mbit/s; a few flows…"],
            ),
            (
                "calls",
                vec![calls],
                &["heavy traffic, UDP to 192.0.2.1: 12.0k pps, 20.5 Mbit/s; calls, of which each has its port…"],
            ),
            (
                "answered",
                vec![game, game.back(4000)],
                &["heavy traffic, UDP to 192.0.2.1: 12.0k pps, 19.2 Mbit/s; the target answers it…"],
            ),
            (
                "a quarter of it answered",
                vec![game, game.back(3000)],
                &["UDP flood on 192.0.2.1:27015: 12.0k pps, 19.2 Mbit/s; about 300 sources…"],
            ),
            (
                "answers of services",
                vec![udp(443, 50_000, 12_000).length(1292)],
                &["heavy traffic, UDP to 192.0.2.1: 12.0k pps, 124 Mbit/s; a few flows…"],
            ),
        ]);
    }

    #[test]
    fn the_target_and_the_host_tell_whether_anybody_takes_it() {
        let flood = udp(40_000, 27_015, 12_000).sources(300);
        table_of_hosts(vec![
            (
                "nobody listens",
                &[("UdpNoPorts", 12_000.0)],
                vec![flood],
                &[
                    "warn: UDP flood on 192.0.2.1:27015: 12.0k pps, 5.76 Mbit/s; about 300 sources… (no socket of this host takes 100 % of it; this host shows no harm)",
                ],
            ),
            (
                "nobody listens, IPv6",
                &[("Udp6NoPorts", 12_000.0)],
                vec![flood.v6()],
                &[
                    "warn: UDP flood on [2001:db8::c000:201]:27015: 12.0k pps, 5.76 Mbit/s; about 300 sources… (no socket of this host takes 100 % of it; this host shows no harm)",
                ],
            ),
            (
                "no room",
                &[("UdpInDatagrams", 6000.0), ("UdpRcvbufErrors", 6000.0)],
                vec![flood],
                &[
                    "critical: UDP flood on 192.0.2.1:27015: 12.0k pps, 5.76 Mbit/s; about 300 sources… (no socket of this host takes 50 % of it; 6.00k datagrams/s find no room at sockets)",
                ],
            ),
            (
                "a quarter of it",
                &[("UdpNoPorts", 3000.0)],
                vec![flood],
                &[
                    "warn: UDP flood on 192.0.2.1:27015: 12.0k pps, 5.76 Mbit/s; about 300 sources… (this host shows no harm)",
                ],
            ),
            (
                "taken, but not answered",
                &[("UdpInDatagrams", 12_000.0), ("UdpOutDatagrams", 50.0)],
                vec![flood],
                &[
                    "warn: UDP flood on 192.0.2.1:27015: 12.0k pps, 5.76 Mbit/s; about 300 sources… (this host shows no harm)",
                ],
            ),
            (
                "taken and answered",
                &[("UdpInDatagrams", 12_000.0), ("UdpOutDatagrams", 9000.0)],
                vec![flood],
                &[
                    "info: heavy traffic, UDP to 192.0.2.1: 12.0k pps, 5.76 Mbit/s; this host sends as much… (the number of flows; answers; sockets of this host that take it)",
                ],
            ),
        ]);
    }

    #[test]
    fn that_nobody_listens_is_evidence_also_where_the_target_is_elsewhere() {
        let flood = udp(40_000, 1000, 12_000).sources(300).ports(700);
        let unreachable = icmp(200).from([192, 0, 2, 1]).to([10, 0, 0, 0]).targets(300);
        let play = play(&[], 1, &[flood, unreachable]);
        assert_eq!(play.all()[0].evidence[0], "the target answers that nobody listens there");
    }
}
