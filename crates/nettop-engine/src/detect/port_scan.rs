//! Sources that try many destination ports.

use nettop_model::{
    format,
    snapshot::{Origin, Severity, Target},
};

use super::{
    DetectInput, Effect, Finding, HOLDS,
    rule::{Each, Finds, Rule},
};

/// What its alerts are called.
pub const KIND: &str = "port-scan";

/// The rule.
pub const RULE: Rule = Rule {
    kind: KIND,
    title: "port scan",
    about: "a source that tries many destination ports within half a minute to a minute",
    threshold: Some(("destination ports of one source, half a minute to a minute", 50)),
    evidence: "probes that lead to nothing",
    advice: "block the source",
    finds: Finds::Each(Each { severity: Severity::Warn, yields: false, find, tell }),
};

/// From how many ports on a source has to be looked at; none: never.
pub fn notable(threshold: u64) -> Option<u32> {
    let ports = (threshold as f64 * HOLDS).ceil().max(1.0) as u32;
    (threshold > 0).then_some(ports)
}

fn find(scene: &DetectInput) -> Vec<Finding> {
    let found = scene.probed.iter().map(|(source, probed)| Finding {
        source: Some(Origin::Ip(source.to_ip())),
        value: f64::from(probed.ports),
        count: 1,
        effect: if f64::from(probed.ports) >= scene.threshold { Effect::Raise } else { Effect::Hold },
        target: Some(Target::host(probed.target.to_ip())),
        ..Finding::default()
    });
    found.collect()
}

fn tell(finding: &Finding, peak: f64, _: &DetectInput) -> String {
    let Some(source) = finding.source else {
        let plural = if finding.count == 1 { "" } else { "s" };
        return format!("and {} more source{plural} that scan ports", format::count(finding.count, 11));
    };
    let target = finding.target.map_or(String::new(), |target| format!(" of {target}"));
    format!("{source} scans ports{target}: about {} so far", format::count(peak as u64, 11))
}

#[cfg(test)]
mod tests {
    use super::super::{
        Thresholds,
        testing::{Play, ip, said, tcp, udp},
    };

    #[test]
    fn what_is_one_and_what_is_not() {
        for (name, flows, expected) in [
            ("SYN", vec![tcp(1, 0x02, 1000).ports(1000)], Some("10.0.0.0 scans ports of 192.0.2.1: about 100 so far…")),
            (
                "UDP",
                vec![udp(40_000, 1, 1000).ports(1000)],
                Some("10.0.0.0 scans ports of 192.0.2.1: about 100 so far…"),
            ),
            ("few ports", vec![tcp(1, 0x02, 1000).ports(40)], None),
            ("a crowd at one port", vec![tcp(443, 0x02, 5000).sources(5000)], None),
            ("many connections from here", vec![tcp(20_000, 0x12, 9000).ports(9000)], None),
            ("the answers of a resolver", vec![udp(53, 20_000, 9000).ports(9000)], None),
        ] {
            assert_eq!(said("port-scan", &flows).first().map(String::as_str), expected, "{name}");
        }
    }

    #[test]
    fn a_slow_scan_is_found_and_an_old_one_is_over() {
        let mut play = Play::new(Thresholds::default());
        play.sampling = 1;
        for second in 0..60 {
            play.second(&[tcp(1 + second * 2, 0x02, 2).ports(2)]);
        }
        let alert = &play.alerts("port-scan")[0];
        assert_eq!((alert.source.map(|source| source.to_string()), alert.until_ns), (Some("10.0.0.0".into()), None));
        assert_eq!(alert.target.map(|target| target.ip), Some(ip([192, 0, 2, 1])));
        assert!((60.0..=120.0).contains(&alert.peak), "{alert:?}");
        play.seconds(4, &[tcp(443, 0x10, 10)]);
        assert!(play.alerts("port-scan")[0].until_ns.is_some());
    }

    #[test]
    fn many_scanners_are_told_as_one() {
        let mut play = Play::new(Thresholds::default());
        play.sampling = 1;
        let flows: Vec<_> = (0..40).map(|n| tcp(1, 0x02, 100).ports(100).from([10, 2, 0, n])).collect();
        play.second(&flows);
        let messages = play.messages("port-scan");
        assert_eq!(messages.len(), 6, "{messages:?}");
        assert!(messages.contains(&"and 35 more sources that scan ports…".into()), "{messages:?}");
    }
}
