//! A flood with forged source addresses: ever new sources, and each sends next to nothing.

use nettop_model::{format, snapshot::Severity};

use super::{
    DetectInput, Finding, Rule, flood,
    forged::{HOLDS, packets_each},
    level,
};

/// What its alerts are called: others keep quiet while it lasts.
pub const KIND: &str = "spoofed-flood";

/// The rule.
pub const RULE: Rule = Rule {
    kind: KIND,
    severity: Severity::Critical,
    about: "a flood from forged addresses: at least --spoofed-flood new sources per second, of about one packet each",
    threshold: Some(("new sources per second", 5000)),
    yields_to: &[],
    find,
    tell,
};

/// A client that opens a connection sends three packets at least. A flood may draw an address twice in a second.
const BEGINS: f64 = 1.5;
/// So long after the start everybody is still new, and many times as many have to come.
const SETTLED: f64 = 10.0;
const UNSETTLED: f64 = 10.0;

fn find(scene: &DetectInput) -> Vec<Finding> {
    let (rate, each) = (scene.per_second(scene.strangers.count), packets_each(scene));
    let threshold = scene.threshold * if scene.age < SETTLED { UNSETTLED } else { 1.0 };
    // Of the first second nobody knows since when they have been sending.
    let begins = !scene.first && each <= BEGINS && rate >= threshold;
    let Some(effect) = level(rate, scene.threshold, begins).filter(|_| each <= HOLDS) else { return Vec::new() };
    let talkers = scene.samples.talkers(|_| true);
    vec![Finding { value: rate, count: scene.strangers.count, effect, talkers, ..Finding::default() }]
}

fn tell(finding: &Finding, peak: f64, scene: &DetectInput) -> String {
    let all = scene.counts.all().packets;
    let unaccounted = scene.strangers.unaccounted;
    let rate = |packets| format::pps(scene.per_second(packets));
    format!(
        "{}, forged most likely: single sources mean nothing now; {} pps tracked, {} pps not",
        flood::rate("spoofed flood", finding, peak, "new sources/s"),
        rate(all.saturating_sub(unaccounted)),
        rate(unaccounted),
    )
}

#[cfg(test)]
mod tests {
    use super::super::{
        Thresholds,
        testing::{Flow, Play, said, tcp, udp},
    };

    /// Another lot of forged sources for each second.
    fn forged(second: u8, packets: u64) -> Flow {
        tcp(443, 0x02, packets).sources(packets as u32).from([100, second, 0, 0])
    }

    #[test]
    fn what_is_one_and_what_is_not() {
        for (name, flows, expected) in [
            (
                "all of them known",
                vec![forged(1, 20_000), udp(1, 2, 5000)],
                Some(
                    "spoofed flood on 192.0.2.1:443: 20.0k new sources/s, forged most likely: single sources mean nothing now; 25.0k pps tracked, 0 pps not…",
                ),
            ),
            (
                "more than there are slots for",
                vec![forged(1, 20_000), forged(2, 80_000).untracked()],
                Some(
                    "spoofed flood on 192.0.2.1:443: 100k new sources/s, forged most likely: single sources mean nothing now; 20.0k pps tracked, 80.0k pps not…",
                ),
            ),
            ("few", vec![forged(1, 4000)], None),
            ("a crowd of clients", vec![tcp(443, 0x10, 60_000).sources(20_000)], None),
            ("a botnet", vec![tcp(443, 0x02, 900_000).sources(4000)], None),
        ] {
            assert_eq!(said("spoofed-flood", &flows).first().map(String::as_str), expected, "{name}");
        }
    }

    #[test]
    fn at_the_start_everybody_is_new() {
        let mut play = Play::new(Thresholds::default());
        play.reset();
        (0..5).for_each(|second| play.second(&[forged(second, 20_000)]));
        assert!(play.alerts("spoofed-flood").is_empty(), "too few to tell");
        play.reset();
        play.second(&[forged(1, 80_000)]);
        assert!(play.alerts("spoofed-flood").is_empty(), "the first second");
        play.second(&[forged(3, 80_000)]);
        assert_eq!(play.alerts("spoofed-flood").len(), 1, "too many for any crowd");
    }

    #[test]
    fn while_it_lasts_new_sources_and_scans_are_not_told_apart() {
        let mut play = Play::new(Thresholds::default());
        for second in 0..10 {
            play.second(&[forged(second, 20_000), tcp(1, 0x02, 900).ports(900)]);
        }
        for kind in ["new-ip", "port-scan"] {
            assert!(play.changes.iter().all(|alert| alert.kind != kind), "{kind}: {:?}", play.changes);
        }
        let alert = &play.alerts("spoofed-flood")[0];
        assert_eq!((alert.until_ns, alert.last_ns - alert.since_ns), (None, 9_000_000_000));
        // It ebbs, and is over; then a new source is news again.
        play.seconds(4, &[tcp(443, 0x10, 10)]);
        assert!(play.alerts("spoofed-flood")[0].until_ns.is_some());
        play.second(&[udp(1, 2, 1).from([10, 9, 9, 9])]);
        assert_eq!(play.messages("new-ip")[0], "new source 10.9.9.9");
    }
}
