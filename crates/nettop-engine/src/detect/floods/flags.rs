//! TCP with flags that no connection has.

use nettop_common::TrafficClass;
use nettop_model::snapshot::TcpFlags;

use super::{Flood, Judged, Look};
use crate::detect::rule::{Finds, Rule};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "tcp-flag-flood",
    title: "TCP flag flood",
    about: "TCP segments per second with flags that no connection has: none, FIN alone, Xmas, SYN and FIN",
    threshold: Some(("segments per second", 2000)),
    evidence: "flags that no TCP sends",
    advice: "drop what belongs to no connection: nftables ct state invalid drop; block the sources",
    finds: Finds::Flood(Flood { class: TrafficClass::Flags, part: None, judge, of }),
};

/// Flags told.
const TOLD: usize = 2;
const WORTH: f64 = 0.2;

fn judge(look: &Look) -> Judged {
    Judged::attack(look.pps, ["no TCP sends such flags".to_string()])
}

fn of(look: &Look) -> Vec<String> {
    let worth = look.mix.flags.iter().filter(|(_, share)| *share >= WORTH).take(TOLD);
    worth.map(|(flags, _)| TcpFlags(*flags).to_string()).collect()
}
