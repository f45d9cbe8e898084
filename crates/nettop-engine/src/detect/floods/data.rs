//! TCP segments with data that belong to no connection.

use nettop_common::TrafficClass;

use super::{Flood, Judged, Look, beside_few_flows, nothing, strays};
use crate::detect::rule::{Finds, Rule};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "tcp-data-flood",
    title: "TCP data flood",
    about: "TCP segments per second with data, of sources without a connection",
    threshold: Some(("stray segments per second", 10_000)),
    evidence: "sources that never sent a SYN; resets that the target answers with",
    advice: "drop what belongs to no connection: nftables ct state invalid drop; block the sources",
    finds: Finds::Flood(Flood { class: TrafficClass::Data, part: None, judge, of: nothing }),
};

fn judge(look: &Look) -> Judged {
    if beside_few_flows(look).is_some() {
        return super::resets(look, TrafficClass::Data).unwrap_or(Judged::heavy(look.pps, "one peer's connections"));
    }
    strays(look, TrafficClass::Data)
}
