//! SYN-ACKs that nobody here asked for: servers elsewhere, asked in our name, answer to us.

use nettop_common::TrafficClass;

use super::{Flood, Judged, Look, MANY, MOST, Which, nothing, percent};
use crate::detect::rule::{Finds, Rule};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "syn-ack-flood",
    title: "SYN-ACK reflection",
    about: "SYN-ACKs per second that answer to no connection from here",
    threshold: Some(("SYN-ACKs per second", 5000)),
    evidence: "sources that send nothing but SYN-ACKs; SYNs that the target sends, where they are seen",
    advice: "drop what belongs to no connection: nftables ct state invalid drop; blocking the reflectors blocks genuine servers",
    finds: Finds::Flood(Flood { class: TrafficClass::SynAck, part: None, judge, of: nothing }),
};

fn judge(look: &Look) -> Judged {
    if look.answers(TrafficClass::Syn).is_some_and(|asked| asked >= MOST) {
        return Judged::ordinary(0.0);
    }
    if let Some(judged) = super::resets(look, TrafficClass::SynAck) {
        return judged;
    }
    // Each connection made from here goes on with data.
    let others = look.gets(TrafficClass::Ack) + look.gets(TrafficClass::Data);
    let bare = look.mix.bare.unwrap_or(if others > look.pps * 2.0 { 0.0 } else { 1.0 });
    if bare < MANY {
        return Judged::ordinary(0.0);
    }
    let word = format!("{} of it is of servers that send nothing else", percent(bare));
    Judged::attack(look.pps * bare, [word]).only(Which::Of(|manner| manner.bare || !manner.is_followed))
}
