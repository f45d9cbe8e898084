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

pub const RULE: Rule = Rule {
    kind: KIND,
    title: "busy source",
    about: "packets per second of one source, where it is sent less than a tenth of that",
    threshold: Some(("packets per second of one source", 10_000)),
    evidence: "their number; what the source is sent, where that is counted",
    advice: "look at the source (Enter): which ports and protocols, and since when",
    finds: Finds::Each(Each { severity: Some(Severity::Warn), yields: false, learned: None, unit: "pps", find, tell }),
};

/// More busy sources at once are told as one event.
const FEW: usize = 2;
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
    if scene.busy.len() > FEW {
        let value = scene.busy.iter().map(|(_, pps)| *pps).fold(0.0, f64::max);
        return vec![Finding { value, count: scene.busy.len() as u64, effect: Effect::Raise, ..Finding::default() }];
    }
    scene.busy.iter().map(finding).collect()
}

fn tell(finding: &Finding, peak: f64, scene: &DetectInput) -> String {
    let Some(address) = finding.source else {
        let threshold = format::count(scene.threshold as u64, 11);
        let plural = if finding.count == 1 { "" } else { "s" };
        return format!("{} source{plural} over {threshold} pps each", format::count(finding.count, 11));
    };
    let mut text = format!("{address} sends {} pps", format::pps(finding.value));
    if format::pps(peak) != format::pps(finding.value) {
        text.push_str(&format!(", at most {}", format::pps(peak)));
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::detect::{Thresholds, testing::*};

    /// Without connections of a source that was there before nothing but its rate is told.
    fn busy(packets: u64) -> Flow {
        tcp(9, ACK, packets)
    }

    fn said(threshold: u64, flows: &[Flow]) -> Vec<String> {
        let mut play = Play::new(Thresholds::default().with("high-pps", threshold).with("ack-flood", 0));
        play.second(flows);
        play.told()
    }

    #[test]
    fn what_is_one_and_what_is_not() {
        let sources = |count| (0..count).map(|n| busy(1100).from([10, n, 0, 0])).collect::<Vec<_>>();
        check([
            ("at the threshold", said(1000, &[busy(1000)]), &["10.0.0.0 sends 1.00k pps…"][..]),
            ("just below it", said(1000, &[busy(999)]), &[]),
            ("of IPv6", said(1000, &[busy(2000).v6()]), &["2001:db8::a00:0 sends 2.00k pps…"]),
            ("in two flows", said(1000, &[busy(600), udp(1, 2, 600)]), &["10.0.0.0 sends 1.20k pps…"]),
            ("one that gets a tenth", said(1000, &[busy(2000), busy(2000).back(210)]), &[]),
            ("one that gets less", said(1000, &[busy(2000), busy(2000).back(190)]), &["10.0.0.0 sends 2.00k pps…"]),
            ("never", said(0, &[busy(60_000)]), &[]),
            ("eight", said(1000, &sources(8)), &["8 sources over 1,000 pps each…"]),
        ]);
    }

    #[test]
    fn it_goes_on_near_the_threshold() {
        let rows: [(_, &[u64], &[_]); 4] = [
            ("busier before", &[4000, 2500], &["10.0.0.0 sends 2.50k pps, at most 4.00k…"]),
            ("near the threshold", &[1000, 810, 810, 810, 810], &["10.0.0.0 sends 810 pps, at most 1.00k…"]),
            ("over", &[1000, 790, 790, 790], &["10.0.0.0 sends 1.00k pps"]),
            ("not again so soon", &[1000, 0, 0, 0, 3000], &["10.0.0.0 sends 1.00k pps"]),
        ];
        check(rows.map(|(name, seconds, expected)| {
            let mut play = Play::new(Thresholds::default().with("high-pps", 1000));
            seconds.iter().for_each(|packets| play.second(&[busy(*packets)]));
            (name, play.told(), expected)
        }));
    }
}
