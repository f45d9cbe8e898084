//! Packets of protocols that are neither TCP, UDP nor ICMP: tunnels, or numbers that nothing uses.

use nettop_common::TrafficClass;

use super::{Flood, Judged, Look, MOST};
use crate::{
    detect::rule::{Finds, Rule},
    ip_protocol,
};

pub const RULE: Rule = Rule {
    kind: "protocol-flood",
    title: "protocol flood",
    about: "packets per second of IP protocols other than TCP, UDP and ICMP: GRE, ESP, SCTP, numbers that nothing uses",
    threshold: Some(("packets per second", 5000)),
    evidence: "their number beside what is usual here; to whom answers go, where that is seen",
    advice: "drop the protocol unless a tunnel needs it; if the link is full, ask the provider",
    finds: Finds::Flood(Flood { class: TrafficClass::Other, part: None, excused: true, judge, of }),
};

/// So many peers are few, and so long a frame is large on average, bytes.
const PEERS: usize = 2;
const LARGE: f64 = 200.0;
/// Protocols that have less are not named.
const WORTH: f64 = 0.2;

fn judge(look: &Look) -> Judged {
    if look.answers(TrafficClass::Other).is_some_and(|answers| answers >= MOST) {
        return Judged::heavy(look.pps, "a tunnel that is used both ways");
    }
    if look.mix.events > 0 && look.mix.busiest(PEERS) >= MOST && look.mix.length >= LARGE {
        return Judged::heavy(look.pps, "few peers, and large packets: a tunnel");
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

fn name(number: u8) -> String {
    match ip_protocol::name(number) {
        Some(name) => format!("protocol {number} ({name})"),
        None => format!("protocol {number}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn what_is_one_and_what_is_not() {
        let of = |protocol| flow(protocol, (0, 0), 6000).sources(300).length(500);
        let many = (200..=229).map(|protocol| flow(protocol, (0, 0), 200).sources(30)).collect();
        table(vec![
            (
                "GRE",
                vec![of(47)],
                &["protocol flood (protocol 47 (GRE)) on 192.0.2.1: 6.00k pps, 24.0 Mbit/s; about 300 sources…"],
            ),
            (
                "a number that nothing uses",
                vec![of(253)],
                &["protocol flood (protocol 253) on 192.0.2.1: 6.00k pps, 24.0 Mbit/s; about 300 sources…"],
            ),
            (
                "two",
                vec![of(50), of(132)],
                &[
                    "protocol flood (protocol 50 (ESP), protocol 132 (SCTP)) on 192.0.2.1: 12.0k pps, 48.0 Mbit/s; about 300 sources…",
                ],
            ),
            (
                "many",
                many,
                &["protocol flood (many protocols) on 192.0.2.1: 6.00k pps, 2.88 Mbit/s; about 30 sources…"],
            ),
            (
                "just above the threshold",
                vec![flow(47, (0, 0), 5010).sources(300)],
                &["protocol flood (protocol 47 (GRE)) on 192.0.2.1: 5.01k pps, 2.40 Mbit/s; about 300 sources…"],
            ),
            ("just below it", vec![flow(47, (0, 0), 4990).sources(300)], &[]),
            (
                "IPv6",
                vec![of(47).v6()],
                &[
                    "protocol flood (protocol 47 (GRE)) on 2001:db8::c000:201: 6.00k pps, 24.0 Mbit/s; about 300 sources…",
                ],
            ),
            (
                "a tunnel that is used both ways",
                vec![of(47).sources(1), of(47).sources(1).back(3100)],
                &["heavy traffic, protocol to 192.0.2.1: 6.00k pps, 24.0 Mbit/s; a tunnel that is used both ways…"],
            ),
            (
                "not used both ways",
                vec![of(47).sources(40), of(47).sources(40).back(2000)],
                &["protocol flood (protocol 47 (GRE)) on 192.0.2.1: 6.00k pps, 24.0 Mbit/s; about 40 sources…"],
            ),
        ]);
    }
}
