//! ICMP in great number, and not just as the noise of a busy host.

use nettop_common::{Event, PacketsBytes, Protocol};
use nettop_model::{format, snapshot::Severity};

use super::{DetectInput, Finding, Rule, flood, level, ports};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "icmp-flood",
    severity: Severity::Critical,
    about: "at least --icmp-flood ICMP and ICMPv6 messages per second, which are 5 % of all packets or ten times as many",
    threshold: Some(("packets per second", 2000)),
    yields_to: &[],
    find,
    tell,
};

fn find(scene: &DetectInput) -> Vec<Finding> {
    let value = scene.per_second(messages(scene).packets);
    let Some(effect) = level(value, scene.threshold, flood::stands_out(scene, value)) else { return Vec::new() };
    let talkers = scene.samples.talkers(is_icmp);
    vec![Finding { value, count: talkers.distinct, effect, talkers, ..Finding::default() }]
}

fn tell(finding: &Finding, peak: f64, scene: &DetectInput) -> String {
    let bits = format::bits_per_second(scene.per_second(messages(scene).bytes));
    format!("{}, {bits}{}", flood::rate("ICMP flood", finding, peak, "pps"), flood::senders(finding, scene))
}

fn messages(scene: &DetectInput) -> PacketsBytes {
    let mut both = scene.counts.of(Protocol::Icmp);
    both.add(scene.counts.of(Protocol::Icmpv6));
    both
}

fn is_icmp(event: &Event) -> bool {
    ports::is(event, Protocol::Icmp) || ports::is(event, Protocol::Icmpv6)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{icmp, said, tcp};

    #[test]
    fn what_is_one_and_what_is_not() {
        for (name, flows, expected) in [
            (
                "flood ping",
                vec![icmp(20_000).length(98)],
                Some("ICMP flood on 192.0.2.1: 20.0k pps, 15.7 Mbit/s; mostly from 10.0.0.0 (about 20.0k pps)…"),
            ),
            (
                "on a busy host",
                vec![icmp(20_000).sources(7001), tcp(443, 0x10, 900_000)],
                Some("ICMP flood on 192.0.2.1: 20.0k pps, 9.60 Mbit/s; more than 218 sources…"),
            ),
            ("pings", vec![icmp(1500).sources(500)], None),
            ("the noise of a busy host", vec![icmp(9000).sources(500), tcp(443, 0x10, 400_000)], None),
        ] {
            assert_eq!(said("icmp-flood", &flows).first().map(String::as_str), expected, "{name}");
        }
    }
}
