//! Sources that send many packets per second.

use nettop_common::Address;

use super::{Effect, Finding, Scene};
use crate::{format, snapshot::Origin};

/// An alert goes on down to this share of the threshold, so that a rate close to it does not raise one after another.
const HOLDS: f64 = 0.8;
/// No second that rates are made of is shorter.
const SHORTEST_SECOND: f64 = 0.95;

/// From how many packets in a second on a source has to be looked at; none: never.
pub fn notable(threshold: u64) -> Option<u64> {
    (threshold > 0).then_some((threshold as f64 * HOLDS * SHORTEST_SECOND) as u64)
}

/// Those of the sources noted that are over the threshold or not far below, the busiest first.
pub fn busiest(noted: &[Address], threshold: u64, pps: impl Fn(&Address) -> f64) -> Vec<(Address, f64)> {
    let holds = threshold as f64 * HOLDS;
    let mut busy: Vec<_> =
        noted.iter().map(|address| (*address, pps(address))).filter(|(_, pps)| *pps >= holds).collect();
    busy.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    busy
}

/// Finds them.
pub fn find(scene: &Scene) -> Vec<Finding> {
    let threshold = scene.thresholds.high_pps as f64;
    let finding = |(address, pps): &(Address, f64)| Finding {
        source: Some(Origin::Ip(address.to_ip())),
        value: *pps,
        count: 1,
        effect: if *pps >= threshold { Effect::Raise } else { Effect::Hold },
    };
    scene.busy.iter().map(finding).collect()
}

/// Puts a finding into words.
pub fn tell(finding: &Finding, peak: f64, scene: &Scene) -> String {
    let Some(address) = finding.source else {
        let threshold = format::count(scene.thresholds.high_pps, 11);
        let plural = if finding.count == 1 { "" } else { "s" };
        return format!("and {} more source{plural} over {threshold} pps", format::count(finding.count, 11));
    };
    let mut text = format!("{address} sends {} pps", format::pps(finding.value));
    if format::pps(peak) != format::pps(finding.value) {
        text.push_str(&format!(", at most {}", format::pps(peak)));
    }
    text
}
