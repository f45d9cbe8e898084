//! Answers that nobody here has asked for: services elsewhere, asked in our name, send more than they were sent.
//!
//! The packets by source port are exact, but of any protocol; samples say how many are UDP, and how long they are.

use nettop_common::{Event, Protocol};
use nettop_model::{format, order, snapshot::Severity};

use super::{
    DetectInput, Finding, Rule, flood, level,
    ports::{self, REFLECTORS, Reflector},
};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "amplification",
    severity: Severity::Critical,
    about: "at least --amplification UDP packets per second from ports of reflectors (DNS, NTP, SSDP, memcached, …), longer \
            than such answers usually are",
    threshold: Some(("packets per second", 5000)),
    yields_to: &[],
    find,
    tell,
};

/// Services named in a sentence.
const NAMED: usize = 3;

/// What comes from the ports of a service.
struct Answers {
    from: &'static Reflector,
    pps: f64,
    /// Average length of a frame, bytes.
    length: f64,
}

/// Whether a sampled packet is longer than the usual answer of the service it comes from.
pub fn is_amplified(event: &Event) -> bool {
    ports::is(event, Protocol::Udp)
        && ports::reflector(event.source_port).is_some_and(|at| f64::from(event.length) > REFLECTORS[at].ordinary)
}

fn find(scene: &DetectInput) -> Vec<Finding> {
    let answers = answers(scene);
    let value = answers.iter().map(|answers| answers.pps).sum();
    let Some(effect) = level(value, scene.threshold, value >= scene.threshold) else { return Vec::new() };
    let is_answer = |event: &Event| {
        ports::is(event, Protocol::Udp) && answers.iter().any(|answers| answers.from.port == event.source_port)
    };
    let talkers = scene.samples.talkers(is_answer);
    vec![Finding { value, count: talkers.distinct, effect, talkers, ..Finding::default() }]
}

fn tell(finding: &Finding, peak: f64, scene: &DetectInput) -> String {
    let answers = answers(scene);
    let names: Vec<_> = answers.iter().take(NAMED).map(|answers| answers.from.name).collect();
    let bits = format::bits_per_second(answers.iter().map(|answers| answers.pps * answers.length).sum());
    let rate = flood::rate("amplification", finding, peak, "pps");
    format!("{rate}, about {bits}, by {}{}", names.join(", "), flood::genuine_senders(finding))
}

/// The services whose answers are longer than they usually are, the one with the most packets first.
fn answers(scene: &DetectInput) -> Vec<Answers> {
    let udp = scene.counts.of(Protocol::Udp);
    let average = udp.bytes as f64 / udp.packets.max(1) as f64;
    let mut found: Vec<_> = REFLECTORS
        .iter()
        .zip(scene.counts.from_reflectors)
        .filter(|(_, packets)| *packets > 0)
        .map(|(from, packets)| {
            let is_from = |event: &Event| event.source_port == from.port;
            let share = scene.samples.share(|event| ports::is(event, Protocol::Udp), is_from);
            let packets = packets.min(udp.packets) as f64 * share.unwrap_or(1.0);
            let is_answer = |event: &Event| is_from(event) && ports::is(event, Protocol::Udp);
            let length = scene.samples.average_length(is_answer).unwrap_or(average);
            Answers { from, pps: packets / scene.seconds, length }
        })
        .filter(|answers| answers.length > answers.from.ordinary)
        .collect();
    order::sort_by(&mut found, |a, b| b.pps.total_cmp(&a.pps));
    found
}

#[cfg(test)]
mod tests {
    use super::super::{
        Thresholds,
        testing::{Play, said, tcp, udp},
    };

    #[test]
    fn what_is_one_and_what_is_not() {
        for (name, flows, expected) in [
            (
                "DNS",
                vec![udp(53, 40_000, 20_000).sources(301).length(1400)],
                Some("amplification on 192.0.2.1:40000: 20.0k pps, about 224 Mbit/s, by DNS; about 301 sources…"),
            ),
            (
                "several services",
                vec![udp(123, 40_000, 8000).sources(77).length(482), udp(1900, 80, 4000).sources(50).length(350)],
                Some("amplification on 192.0.2.1:40000: 12.0k pps, about 42.0 Mbit/s, by NTP, SSDP; about 77 sources…"),
            ),
            (
                "the answers a busy resolver gets",
                vec![udp(53, 40_000, 30_000).ports(20_000).sources(900).length(220)],
                None,
            ),
            ("the time", vec![udp(123, 40_000, 8000).sources(900).length(90)], None),
            ("a few long answers", vec![udp(53, 40_000, 3000).sources(30).length(1400)], None),
            ("LDAP over TCP", vec![flow_from_ldap(), udp(40_000, 9, 9000).length(1400)], None),
        ] {
            assert_eq!(said("amplification", &flows).first().map(String::as_str), expected, "{name}");
        }
    }

    fn flow_from_ldap() -> super::super::testing::Flow {
        let mut flow = tcp(40_000, 0x18, 20_000).length(1500);
        flow.packet.source_port = 389;
        flow
    }

    #[test]
    fn without_samples_the_average_of_all_udp_has_to_do() {
        for (length, expected) in [(1400, 1), (300, 0)] {
            let mut play = Play::new(Thresholds::default());
            play.sampling = 0;
            play.second(&[udp(53, 40_000, 20_000).length(length)]);
            assert_eq!(play.alerts("amplification").len(), expected, "{length}");
        }
    }
}
