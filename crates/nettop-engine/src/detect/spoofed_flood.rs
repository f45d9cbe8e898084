//! A flood with forged source addresses, of which no kind is enough by itself: ever new sources, and each sends next to nothing.

use super::{
    DetectInput,
    locate::{Net, locate},
    rule::{Finds, Rule},
};

/// What its alerts are called.
pub const KIND: &str = "spoofed-flood";

/// The rule.
pub const RULE: Rule = Rule {
    kind: KIND,
    title: "spoofed flood",
    about: "a flood from forged addresses of which no other kind says enough: new sources per second, of about one packet each",
    threshold: Some(("new sources per second", 5000)),
    evidence: "sources that were never seen before, and their packets",
    advice: "blocking sources is of no use; SYN cookies, rate limits by target, and the provider are",
    finds: Finds::Attack,
};

/// A client that opens a connection sends three packets at least. A flood may draw an address twice in a second.
const BEGINS: f64 = 1.5;
/// It goes on down to this share.
const HOLDS: f64 = 0.8;
/// So long after the start everybody is still new, and many times as many have to come.
const UNSETTLED: f64 = 10.0;

/// From this share on it goes there: what the target answers, where that is seen, goes everywhere.
const SHARE: f64 = 0.3;

/// New sources per second, where they are so many that an attack goes on with them.
pub fn rate(scene: &DetectInput) -> Option<f64> {
    let threshold = scene.threshold_of(KIND) * if scene.is_settled { 1.0 } else { UNSETTLED };
    let rate = scene.per_second(scene.strangers.count);
    (threshold > 0.0 && rate >= threshold * HOLDS && scene.packets_each() <= BEGINS).then_some(rate)
}

/// Where most of it goes.
pub fn target(scene: &DetectInput) -> Option<Net> {
    let places = locate(scene.targets.iter().map(|(address, _, tally)| (address, tally.packets as f64)));
    places.first().filter(|place| place.share >= SHARE).map(|place| place.net)
}
