//! ICMP in great number, and not just as the noise of a busy host.

use nettop_common::TrafficClass;

use super::{Flood, Judged, Look, nothing};
use crate::detect::rule::{Finds, Rule};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "icmp-flood",
    title: "ICMP flood",
    about: "ICMP and ICMPv6 messages per second to a target, which are 5 % of its packets or ten times as many",
    threshold: Some(("messages per second", 2000)),
    evidence: "their number",
    advice: "limit their rate: nftables limit rate, sysctl net.ipv4.icmp_ratelimit; block the sources",
    finds: Finds::Flood(Flood { class: TrafficClass::Icmp, part: None, judge, of: nothing }),
};

/// Up to this share of all packets it is noise.
const NOISE: f64 = 0.05;
/// Unless it is so many.
const WHATEVER: f64 = 20_000.0;

fn judge(look: &Look) -> Judged {
    let all: f64 = look.classes.iter().sum();
    if look.pps < all * NOISE && look.pps < WHATEVER {
        return Judged::ordinary(look.pps);
    }
    Judged::attack(look.pps, None)
}
