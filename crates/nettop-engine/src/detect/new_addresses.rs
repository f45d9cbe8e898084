//! Addresses that were not seen before: a few of them one by one, a flood of them as one alert that lasts as long as it.
//!
//! Memory is bounded: an address that has been forgotten since, because too many others came, is new again.

use nettop_model::{
    format,
    snapshot::{Origin, Severity},
};

use super::{
    DetectInput, Effect, Finding, Newcomers,
    rule::{Each, Finds, Rule},
    second_stats::TOLD,
};

/// The rule for sources. In a flood that many are new is said already.
pub const NEW_IP: Rule = Rule {
    kind: "new-ip",
    title: "new source",
    about: "a source address that was not seen before",
    threshold: None,
    evidence: "the sources remembered",
    advice: "nothing, if it is known",
    finds: Finds::Each(Each {
        severity: Some(Severity::Info),
        yields: true,
        learned: None,
        unit: "",
        find: |scene| find(scene, scene.new_sources, |address| Origin::Ip(address.to_ip())),
        tell: |finding, peak, scene| tell(finding, peak, scene, "source"),
    }),
};

/// The rule for MAC addresses.
pub const NEW_MAC: Rule = Rule {
    kind: "new-mac",
    title: "new MAC address",
    about: "a MAC address that was not seen before",
    threshold: None,
    evidence: "the MAC addresses remembered",
    advice: "find the switch port, if no machine was added",
    finds: Finds::Each(Each {
        severity: Some(Severity::Info),
        yields: false,
        learned: None,
        unit: "",
        find: |scene| find(scene, scene.new_macs, |mac| Origin::Mac(*mac)),
        tell: |finding, peak, scene| tell(finding, peak, scene, "MAC"),
    }),
};

/// Columns for a number with thousands separators, before it is shortened.
const DIGITS: usize = 11;

fn find<K>(scene: &DetectInput, new: &Newcomers<K>, origin: impl Fn(&K) -> Origin) -> Vec<Finding> {
    let one = |source| Finding { source, value: 1.0, count: 1, ..Finding::default() };
    if new.count <= TOLD as u64 {
        return new.first.iter().map(|key| one(Some(origin(key)))).collect();
    }
    // Of the first second it only says how many there are: nobody knows since when.
    let effect = if scene.first { Effect::Once } else { Effect::Raise };
    vec![Finding { value: new.count as f64, count: new.count, effect, ..Finding::default() }]
}

/// `noun` is what such an address is called.
fn tell(finding: &Finding, peak: f64, scene: &DetectInput, noun: &str) -> String {
    let count = format::count(finding.count, DIGITS);
    match (finding.source, scene.first) {
        (Some(address), _) => format!("new {noun} {address}"),
        (None, true) => format!("{count} {noun}s so far"),
        (None, false) => {
            let span = match scene.seconds {
                seconds if seconds < 1.5 => "second".into(),
                seconds => format!("{seconds:.0} seconds"),
            };
            let mut text = format!("{count} new {noun}s in the last {span}");
            if peak > finding.value {
                text.push_str(&format!(", at most {}", format::count(peak as u64, DIGITS)));
            }
            text
        }
    }
}
