//! Frames that are not IP, ARP above all, in such number that switches and neighbour tables suffer.

use nettop_model::{format, snapshot::Severity};

use super::{
    DetectInput, Effect, Finding, HOLDS,
    rule::{Each, Finds, Rule},
};

/// What its alerts are called.
pub const KIND: &str = "arp-flood";

pub const RULE: Rule = Rule {
    kind: KIND,
    title: "ARP flood",
    about: "frames per second that are not IP: ARP above all",
    threshold: Some(("frames per second", 2000)),
    evidence: "their number",
    advice: "find the switch port by the MAC addresses (view MACs); storm control on the switch",
    finds: Finds::Each(Each { severity: Some(Severity::Warn), yields: false, learned: None, unit: "pps", find, tell }),
};

fn find(scene: &DetectInput) -> Vec<Finding> {
    let value = scene.per_second(scene.not_ip);
    if value < scene.threshold * HOLDS {
        return Vec::new();
    }
    let effect = if value >= scene.threshold { Effect::Raise } else { Effect::Hold };
    vec![Finding { value, count: 1, effect, ..Finding::default() }]
}

fn tell(finding: &Finding, peak: f64, _: &DetectInput) -> String {
    let (now, most) = (format::pps(finding.value), format::pps(peak));
    let most = if now == most { String::new() } else { format!(", at most {most}") };
    format!("ARP flood: {now} frames/s that are not IP{most}")
}

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn it_goes_on_near_the_threshold_and_ends_after_three_seconds() {
        let rows: [(_, &[u64], &[_]); 6] = [
            ("just below the threshold", &[1990; 3], &[]),
            ("just above it", &[2010], &["ARP flood: 2.01k frames/s that are not IP…"]),
            ("less than before", &[4000, 2500], &["ARP flood: 2.50k frames/s that are not IP, at most 4.00k…"]),
            (
                "near the threshold",
                &[2010, 1620, 1620, 1620, 1620],
                &["ARP flood: 1.62k frames/s that are not IP, at most 2.01k…"],
            ),
            ("a pause", &[2010, 0, 0], &["ARP flood: 2.01k frames/s that are not IP…"]),
            ("over", &[2010, 0, 0, 0], &["ARP flood: 2.01k frames/s that are not IP"]),
        ];
        check(rows.map(|(name, seconds, expected)| {
            let mut play = play(&[], 0, &[]);
            for not_ip in seconds {
                play.not_ip = *not_ip;
                play.second(&[]);
            }
            (name, play.told(), expected)
        }));
    }
}
