//! IP fragments in great number: they take memory until they are put together, or never are.

use nettop_common::{Event, Protocol};
use nettop_model::snapshot::Severity;

use super::{DetectInput, Finding, Rule, flood, level, ports};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "fragments-flood",
    severity: Severity::Critical,
    about: "at least --fragments-flood IP fragments per second, which are 5 % of all packets or ten times as many",
    threshold: Some(("packets per second", 2000)),
    yields_to: &[],
    find,
    tell,
};

/// Longer ICMP is not common outside of fragments, bytes.
const LONG: u32 = 576;

fn find(scene: &DetectInput) -> Vec<Finding> {
    let value = scene.per_second(scene.counts.totals.fragments().packets);
    let Some(effect) = level(value, scene.threshold, flood::stands_out(scene, value)) else { return Vec::new() };
    let talkers = scene.samples.talkers(looks_like_one);
    vec![Finding { value, count: talkers.distinct, effect, talkers, ..Finding::default() }]
}

fn tell(finding: &Finding, peak: f64, scene: &DetectInput) -> String {
    format!("{}{}", flood::rate("fragments flood", finding, peak, "pps"), flood::senders(finding, scene))
}

/// A sample does not say that it is a fragment; but only the first one of a packet has ports.
fn looks_like_one(event: &Event) -> bool {
    let is_icmp = ports::is(event, Protocol::Icmp) || ports::is(event, Protocol::Icmpv6);
    event.source_port == 0 && event.destination_port == 0 && (!is_icmp || event.length > LONG)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{flow, icmp, said, tcp};

    #[test]
    fn what_is_one_and_what_is_not() {
        for (name, flows, expected) in [
            (
                "UDP",
                vec![flow(17, (0, 0), 6000).fragments().length(1500), tcp(443, 0x10, 1000).from([10, 1, 0, 0])],
                Some("fragments flood on 192.0.2.1: 6.00k pps; mostly from 10.0.0.0 (about 6.00k pps)…"),
            ),
            (
                "ICMP",
                vec![icmp(6000).fragments().length(1500).sources(70)],
                Some(
                    "fragments flood on 192.0.2.1: 6.00k pps; mostly from 10.0.0.0 (about 860 pps) and 10.0.0.10 (about 860 pps)…",
                ),
            ),
            ("large answers", vec![flow(17, (0, 0), 1000).fragments().length(1500)], None),
            ("a tunnel on a busy host", vec![flow(47, (0, 0), 9000).fragments(), tcp(443, 0x10, 400_000)], None),
        ] {
            assert_eq!(said("fragments-flood", &flows).first().map(String::as_str), expected, "{name}");
        }
    }
}
