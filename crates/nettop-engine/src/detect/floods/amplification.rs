//! Answers that nobody here has asked for: services elsewhere, asked in our name, send more than they were sent.

use nettop_common::{Event, TrafficClass};

use super::{
    Flood, Judged, Look, MANY,
    services::{self, Reflector},
};
use crate::detect::rule::{Finds, Rule};

pub const RULE: Rule = Rule {
    kind: "amplification",
    title: "amplification",
    about: "UDP packets per second from ports of reflectors (DNS, NTP, SSDP, memcached, …), longer than such answers usually are",
    threshold: Some(("packets per second", 5000)),
    evidence: "source ports of services that answer at length; questions that the target or this host sends, where they are seen",
    advice: "have the provider drop these source ports upstream; blocking reflectors here does not free the link",
    finds: Finds::Flood(Flood { class: TrafficClass::Udp, part: Some(is_amplified), excused: true, judge, of }),
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

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn what_is_one_and_what_is_not() {
        let of = |port, length| udp(port, 50_000, 6000).sources(300).length(length);
        table(vec![
            (
                "memcached",
                vec![of(11_211, 1442)],
                &["amplification (memcached) on 192.0.2.1:50000: 6.00k pps, 69.2 Mbit/s; about 300 sources…"],
            ),
            (
                "DNS",
                vec![of(53, 1400)],
                &["amplification (DNS) on 192.0.2.1:50000: 6.00k pps, 67.2 Mbit/s; about 300 sources…"],
            ),
            ("DNS, answers as on any day", vec![of(53, 300)], &[]),
            (
                "NTP",
                vec![of(123, 482)],
                &["amplification (NTP) on 192.0.2.1:50000: 6.00k pps, 23.1 Mbit/s; about 300 sources…"],
            ),
            ("NTP, the time", vec![of(123, 90)], &[]),
            (
                "of two services",
                vec![of(123, 482), of(1900, 320)],
                &["amplification (NTP, SSDP) on 192.0.2.1:50000: 12.0k pps, 38.5 Mbit/s; about 300 sources…"],
            ),
            (
                "with a little of a third",
                vec![of(123, 482), udp(389, 50_000, 100).sources(50).length(1400)],
                &["amplification (NTP) on 192.0.2.1:50000: 6.10k pps, 24.3 Mbit/s; about 300 sources…"],
            ),
            (
                "from a few",
                vec![of(389, 1400).sources(3)],
                &[
                    "amplification (CLDAP) on 192.0.2.1:50000: 6.00k pps, 67.2 Mbit/s; mostly from 10.0.0.0 (about 2.00k pps) and 10.0.0.1 (about 2.00k pps)…",
                ],
            ),
            (
                "fragments beside",
                vec![of(389, 1400), flow(17, (0, 0), 1500).sources(300).length(1400).fragments()],
                &[
                    "amplification (CLDAP) on 192.0.2.1:50000: 7.50k pps, 84.0 Mbit/s; about 300 sources; also fragment flood 1.50k…",
                ],
            ),
            (
                "just above the threshold",
                vec![udp(427, 50_000, 5010).sources(300)],
                &["amplification (SLP) on 192.0.2.1:50000: 5.01k pps, 2.40 Mbit/s; about 300 sources…"],
            ),
            ("just below it", vec![udp(427, 50_000, 4990).sources(300)], &[]),
            (
                "IPv6",
                vec![of(11_211, 1442).v6()],
                &[
                    "amplification (memcached) on [2001:db8::c000:201]:50000: 6.00k pps, 69.2 Mbit/s; about 300 sources…",
                ],
            ),
            ("from port to port", vec![udp(123, 123, 6000).sources(300).length(482)], &[]),
            (
                "asked for",
                vec![of(53, 1400), of(53, 80).back(6000)],
                &["heavy traffic, amplification to 192.0.2.1: 6.00k pps, 67.2 Mbit/s; the target asks as often…"],
            ),
            (
                "a third of it asked for",
                vec![of(53, 1400), of(53, 80).back(1500)],
                &["amplification (DNS) on 192.0.2.1:50000: 6.00k pps, 67.2 Mbit/s; about 300 sources…"],
            ),
            ("of other services", vec![of(8443, 1400)], &[]),
        ]);
    }
}
