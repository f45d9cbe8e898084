//! TCP handshakes that are begun in great number and not completed.
//!
//! Of a genuine connection more segments come than its SYN: at least the one that completes the handshake, and one more
//! that ends it. So where more SYNs come than segments with an ACK, most of them lead to nothing. That is asked port by
//! port, so that a busy port does not hide an attacked one.

use std::collections::BTreeMap;

use nettop_common::Event;
use nettop_model::{format, snapshot::Severity};

use super::{DetectInput, Effect, Finding, Rule, flood, level, samples::TopTalkers, tcp};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "syn-flood",
    severity: Severity::Critical,
    about: "at least --syn-flood TCP SYNs per second to a port, and fewer ACKs than SYNs",
    threshold: Some(("SYNs per second", 1000)),
    yields_to: &[],
    find,
    tell,
};

/// It goes on down to this many SYNs for each ACK.
const HOLDS: f64 = 0.5;
/// Who alone sends so much of it scans, and that is another rule's.
const ONE_SOURCE: f64 = 0.5;

/// What came to a port, per second.
#[derive(Clone, Copy, Debug, Default)]
struct Handshakes {
    syn: f64,
    ack: f64,
}

impl Handshakes {
    fn effect(&self, threshold: f64) -> Option<Effect> {
        let Self { syn, ack } = *self;
        level(syn, threshold, syn >= threshold && syn > ack).filter(|_| syn > ack * HOLDS)
    }
}

fn find(scene: &DetectInput) -> Vec<Finding> {
    let all = handshakes(scene);
    if level(all.syn, scene.threshold, true).is_none() {
        return Vec::new();
    }
    let found: Vec<_> = by_port(scene, all)
        .into_iter()
        .filter_map(|(port, here)| Some((port, here.syn, here.effect(scene.threshold)?)))
        .collect();
    if !found.is_empty() {
        let raises = found.iter().any(|(.., effect)| *effect == Effect::Raise);
        let effect = if raises { Effect::Raise } else { Effect::Hold };
        let is_part = |event: &Event| is_syn(event) && found.iter().any(|(port, ..)| event.destination_port == *port);
        let talkers = scene.samples.talkers(is_part);
        let value = found.iter().map(|(_, syn, _)| syn).sum();
        return vec![Finding {
            value,
            count: talkers.distinct,
            effect,
            talkers,
            ports: found.len(),
            ..Finding::default()
        }];
    }
    // No single port: they are spread over many, or there are no samples.
    let Some(effect) = all.effect(scene.threshold) else { return Vec::new() };
    let talkers = scene.samples.talkers(is_syn);
    if is_scan(&talkers) {
        return Vec::new();
    }
    vec![Finding { value: all.syn, count: talkers.distinct, effect, talkers, ..Finding::default() }]
}

fn tell(finding: &Finding, peak: f64, scene: &DetectInput) -> String {
    let ports = match finding.ports {
        // Without samples the busiest port is all that is known.
        0 if finding.talkers.distinct == 0 => format!(", most packets go to port {}", scene.counts.busiest_port),
        0 | 1 => String::new(),
        ports => format!(" to {ports} ports"),
    };
    let acks = format::pps(handshakes(scene).ack);
    let rate = flood::rate("SYN flood", finding, peak, "SYN/s");
    format!("{rate}{ports}; all ports get {acks} ACK/s{}", flood::senders(finding, scene))
}

fn handshakes(scene: &DetectInput) -> Handshakes {
    Handshakes { syn: scene.per_second(scene.counts.syn), ack: scene.per_second(scene.counts.ack) }
}

/// What came to each port, `all` together, in the proportions of the samples.
fn by_port(scene: &DetectInput, all: Handshakes) -> BTreeMap<u16, Handshakes> {
    let (mut ports, mut sampled) = (BTreeMap::<u16, Handshakes>::new(), Handshakes::default());
    for event in scene.samples.iter() {
        let weight = f64::from(event.weight);
        let port = ports.entry(event.destination_port).or_default();
        if is_syn(&event) {
            port.syn += weight;
            sampled.syn += weight;
        } else if flags(&event).is_some_and(tcp::goes_on) {
            port.ack += weight;
            sampled.ack += weight;
        }
    }
    for port in ports.values_mut() {
        port.syn *= all.syn / sampled.syn.max(1.0);
        port.ack *= all.ack / sampled.ack.max(1.0);
    }
    ports
}

fn is_scan(talkers: &TopTalkers) -> bool {
    talkers.sources.first().is_some_and(|(_, share)| *share > ONE_SOURCE)
        && talkers.target.is_none_or(|target| target.port.is_none())
}

fn flags(event: &Event) -> Option<u8> {
    u8::try_from(event.tcp_flags).ok()
}

fn is_syn(event: &Event) -> bool {
    flags(event).is_some_and(tcp::opens)
}

#[cfg(test)]
mod tests {
    use super::super::{
        Thresholds,
        testing::{Play, ip, said, tcp},
    };

    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;

    #[test]
    fn what_is_one_and_what_is_not() {
        for (name, flows, expected) in [
            (
                "from a few",
                vec![tcp(443, SYN, 9000).sources(3)],
                Some(
                    "SYN flood on 192.0.2.1:443: 9.00k SYN/s; all ports get 0 ACK/s; mostly from 10.0.0.0 (about 3.00k pps) and 10.0.0.1 (about 3.00k pps)…",
                ),
            ),
            (
                "forged",
                vec![tcp(443, SYN, 9000).sources(9000), tcp(443, ACK, 500)],
                Some(
                    "SYN flood on 192.0.2.1:443: 9.00k SYN/s; all ports get 500 ACK/s; more than 900 sources, forged most likely…",
                ),
            ),
            (
                "beside a busy port",
                vec![tcp(25, SYN, 2000).sources(21), tcp(443, SYN, 20_000).sources(999), tcp(443, ACK, 90_000)],
                Some("SYN flood on 192.0.2.1:25: 2.00k SYN/s; all ports get 90.0k ACK/s; about 21 sources…"),
            ),
            (
                "on several ports",
                vec![tcp(80, SYN, 3600).sources(1000).ports(3)],
                Some("SYN flood on 192.0.2.1: 3.60k SYN/s to 3 ports; all ports get 0 ACK/s; about 100 sources…"),
            ),
            (
                "on every port",
                vec![tcp(1, SYN, 30_000).sources(30_000).ports(30_000)],
                Some(
                    "SYN flood on 192.0.2.1: 30.0k SYN/s; all ports get 0 ACK/s; more than 3,000 sources, forged most likely…",
                ),
            ),
            ("a busy web server", vec![tcp(443, SYN, 20_000).sources(5000), tcp(443, ACK, 60_000).sources(5000)], None),
            ("health checks", vec![tcp(80, SYN, 3000), tcp(80, ACK, 3000), tcp(80, 0x14, 3000)], None),
            ("few", vec![tcp(443, SYN, 900).sources(900)], None),
            ("a scan", vec![tcp(1, SYN, 5000).ports(5000)], None),
            ("answers", vec![tcp(40_000, 0x12, 9000)], None),
        ] {
            let said = said("syn-flood", &flows);
            assert_eq!(said.first().map(String::as_str), expected, "{name}");
        }
    }

    #[test]
    fn without_samples_it_is_found_all_the_same() {
        let mut play = Play::new(Thresholds::default());
        play.sampling = 0;
        play.second(&[tcp(443, SYN, 9000).sources(9000), tcp(22, ACK, 50)]);
        let expected =
            "SYN flood: 9.00k SYN/s, most packets go to port 443; all ports get 50 ACK/s; sources forged most likely…";
        assert_eq!(play.messages("syn-flood"), [expected]);
    }

    #[test]
    fn it_is_one_alert_with_peak_target_and_sources() {
        let mut play = Play::new(Thresholds::default());
        for syn in [5000, 40_000, 2000, 800, 0, 0, 0] {
            play.second(&[tcp(80, SYN, syn), tcp(80, ACK, 400)]);
        }
        let alerts = play.alerts("syn-flood");
        let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
        assert_eq!((alert.peak, alert.value), (40_000.0, 800.0));
        assert_eq!(alert.last_ns - alert.since_ns, 3_000_000_000);
        assert_eq!(alert.target.map(|target| (target.ip, target.port)), Some((ip([192, 0, 2, 1]), Some(80))));
        assert_eq!(
            alert.sources.iter().map(|source| (source.ip, source.pps)).collect::<Vec<_>>(),
            [(ip([10, 0, 0, 0]), 800.0)]
        );
        assert!(alert.until_ns.is_some() && alert.message.contains("800 SYN/s, at most 40.0k"), "{alert:?}");
    }
}
