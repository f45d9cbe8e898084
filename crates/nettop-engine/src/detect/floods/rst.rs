//! Resets. Each ends a connection, so there are no more of them than SYNs on an ordinary day.

use nettop_common::TrafficClass;

use super::{Flood, Judged, Look, nothing};
use crate::detect::rule::{Finds, Rule};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "rst-flood",
    title: "RST flood",
    about: "TCP resets per second, more than there are SYNs",
    threshold: Some(("resets per second", 5000)),
    evidence: "resets that end no connection which was opened",
    advice: "drop what belongs to no connection: nftables ct state invalid drop; block the sources",
    finds: Finds::Flood(Flood { class: TrafficClass::Rst, part: None, judge, of: nothing }),
};

fn judge(look: &Look) -> Judged {
    let sent = look.sends.map_or(0.0, |sends| sends[TrafficClass::Syn as usize]);
    let pps = (look.pps - look.gets(TrafficClass::Syn) - sent).max(0.0);
    Judged::attack(pps, ["more resets than connections were opened".to_string()])
}
