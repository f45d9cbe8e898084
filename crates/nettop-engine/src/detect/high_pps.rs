//! Sources that send many packets per second.

use nettop_common::Address;
use nettop_model::{
    format, order,
    snapshot::{Origin, Severity},
};

use super::{
    DetectInput, Effect, Finding, HOLDS,
    rule::{Each, Finds, Rule},
};

/// What its alerts are called.
pub const KIND: &str = "high-pps";

/// The rule.
pub const RULE: Rule = Rule {
    kind: KIND,
    title: "busy source",
    about: "packets per second of one source",
    threshold: Some(("packets per second of one source", 10_000)),
    evidence: "their number",
    advice: "look at the source (Enter): which ports and protocols, and since when",
    finds: Finds::Each(Each { severity: Severity::Warn, yields: false, find, tell }),
};

/// No second that rates are made of is shorter.
const SHORTEST_SECOND: f64 = 0.95;

/// From how many packets in a second on a source has to be looked at; none: never.
pub fn notable(threshold: u64) -> Option<u64> {
    (threshold > 0).then_some((threshold as f64 * HOLDS * SHORTEST_SECOND) as u64)
}

/// Those of the sources noted that are over the threshold or not far below, the busiest first.
pub fn busiest(noted: &[Address], threshold: u64, pps: impl Fn(&Address) -> f64) -> Vec<(Address, f64)> {
    let holds = threshold as f64 * HOLDS;
    let mut noted = noted.to_vec();
    noted.sort_unstable();
    noted.dedup();
    let mut busy: Vec<_> =
        noted.iter().map(|address| (*address, pps(address))).filter(|(_, pps)| *pps >= holds).collect();
    order::sort_by(&mut busy, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    busy
}

fn find(scene: &DetectInput) -> Vec<Finding> {
    let finding = |(address, pps): &(Address, f64)| Finding {
        source: Some(Origin::Ip(address.to_ip())),
        value: *pps,
        count: 1,
        effect: if *pps >= scene.threshold { Effect::Raise } else { Effect::Hold },
        ..Finding::default()
    };
    scene.busy.iter().map(finding).collect()
}

fn tell(finding: &Finding, peak: f64, scene: &DetectInput) -> String {
    let Some(address) = finding.source else {
        let threshold = format::count(scene.threshold as u64, 11);
        let plural = if finding.count == 1 { "" } else { "s" };
        return format!("and {} more source{plural} over {threshold} pps", format::count(finding.count, 11));
    };
    let mut text = format!("{address} sends {} pps", format::pps(finding.value));
    if format::pps(peak) != format::pps(finding.value) {
        text.push_str(&format!(", at most {}", format::pps(peak)));
    }
    text
}
