//! Frames that are not IP, ARP above all, in such number that switches and neighbour tables suffer.

use nettop_model::{format, snapshot::Severity};

use super::{
    DetectInput, Effect, Finding, HOLDS,
    rule::{Each, Finds, Rule},
};

/// What its alerts are called.
pub const KIND: &str = "arp-flood";

/// The rule.
pub const RULE: Rule = Rule {
    kind: KIND,
    title: "ARP flood",
    about: "frames per second that are not IP: ARP above all",
    threshold: Some(("frames per second", 2000)),
    evidence: "their number",
    advice: "find the switch port by the MAC addresses (view MACs); storm control on the switch",
    finds: Finds::Each(Each { severity: Severity::Warn, yields: false, find, tell }),
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
