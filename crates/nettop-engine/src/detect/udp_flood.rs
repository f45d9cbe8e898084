//! UDP in such quantity that no ordinary day explains it.
//!
//! UDP has no handshake that would tell a question from a flood; what tells is where it goes. Services such as DNS, QUIC
//! and tunnels have much traffic anyway, so their packets count for a tenth. What reflectors send is another rule's.

use nettop_common::{Event, Protocol};
use nettop_model::{format, snapshot::Severity};

use super::{DetectInput, Finding, Rule, amplification, flood, level, ports};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "udp-flood",
    severity: Severity::Critical,
    about: "at least --udp-flood UDP packets per second, those of DNS, QUIC, tunnels and the like counting a tenth",
    threshold: Some(("packets per second", 10_000)),
    yields_to: &[],
    find,
    tell,
};

/// What a packet to or from a busy service counts.
const BUSY: f64 = 0.1;

fn find(scene: &DetectInput) -> Vec<Finding> {
    let all = scene.per_second(scene.counts.of(Protocol::Udp).packets);
    if level(all, scene.threshold, true).is_none() {
        return Vec::new();
    }
    let share = |part: fn(&Event) -> bool| scene.samples.share(part, is_udp).unwrap_or(0.0);
    let value = all * (1.0 - share(amplification::is_amplified));
    let busy = all * share(|event| is_flood(event) && ports::is_busy_service(event));
    let suspect = value - busy * (1.0 - BUSY);
    let Some(effect) = level(suspect, scene.threshold, suspect >= scene.threshold) else { return Vec::new() };
    let talkers = scene.samples.talkers(is_flood);
    vec![Finding { value, count: talkers.distinct, effect, talkers, ..Finding::default() }]
}

fn tell(finding: &Finding, peak: f64, scene: &DetectInput) -> String {
    let bits = format::bits_per_second(scene.per_second(scene.counts.of(Protocol::Udp).bytes));
    format!("{}, all UDP {bits}{}", flood::rate("UDP flood", finding, peak, "pps"), flood::senders(finding, scene))
}

fn is_udp(event: &Event) -> bool {
    ports::is(event, Protocol::Udp)
}

fn is_flood(event: &Event) -> bool {
    is_udp(event) && !amplification::is_amplified(event)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{said, tcp, udp};

    #[test]
    fn what_is_one_and_what_is_not() {
        for (name, flows, expected) in [
            (
                "on a port",
                vec![udp(40_000, 27_015, 40_000).sources(3).length(1000)],
                Some(
                    "UDP flood on 192.0.2.1:27015: 40.0k pps, all UDP 320 Mbit/s; mostly from 10.0.0.0 (about 13.3k pps) and 10.0.0.1 (about 13.3k pps)…",
                ),
            ),
            (
                "on every port",
                vec![udp(40_000, 1, 40_000).ports(40_000)],
                Some("UDP flood on 192.0.2.1: 40.0k pps, all UDP 19.2 Mbit/s; mostly from 10.0.0.0 (about 40.0k pps)…"),
            ),
            (
                "on DNS",
                vec![udp(40_000, 53, 150_000).sources(99_999)],
                Some(
                    "UDP flood on 192.0.2.1:53: 150k pps, all UDP 72.0 Mbit/s; more than 10,000 sources, forged most likely…",
                ),
            ),
            ("few", vec![udp(40_000, 27_015, 9000)], None),
            ("a busy DNS server", vec![udp(40_000, 53, 60_000).sources(20_000), tcp(53, 0x10, 100)], None),
            ("downloads by QUIC", vec![udp(443, 50_000, 80_000).sources(3).length(1292)], None),
            ("a tunnel", vec![udp(51_820, 51_820, 90_000).length(1500)], None),
            ("what reflectors send", vec![udp(11_211, 40_000, 90_000).sources(300).length(1442)], None),
        ] {
            assert_eq!(said("udp-flood", &flows).first().map(String::as_str), expected, "{name}");
        }
    }
}
