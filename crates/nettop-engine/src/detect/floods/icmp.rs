//! ICMP in great number, and not just as the noise of a busy host.

use nettop_common::TrafficClass;

use super::{Flood, Judged, Look, nothing};
use crate::detect::rule::{Finds, Rule};

pub const RULE: Rule = Rule {
    kind: "icmp-flood",
    title: "ICMP flood",
    about: "ICMP and ICMPv6 messages per second to a target, which are 5 % of its packets or ten times as many",
    threshold: Some(("messages per second", 2000)),
    evidence: "their number",
    advice: "limit their rate: nftables limit rate, sysctl net.ipv4.icmp_ratelimit; block the sources",
    finds: Finds::Flood(Flood { class: TrafficClass::Icmp, part: None, excused: false, judge, of: nothing }),
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

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn what_is_one_and_what_is_not() {
        let pings = icmp(3000).sources(300);
        table(vec![
            ("from many", vec![pings], &["ICMP flood on 192.0.2.1: 3.00k pps, 1.44 Mbit/s; about 300 sources…"]),
            ("from one", vec![icmp(3000)], &["ICMP flood on 192.0.2.1: 3.00k pps, 1.44 Mbit/s; from 10.0.0.0…"]),
            (
                "forged",
                vec![icmp(6000).sources(6000)],
                &["ICMP flood on 192.0.2.1: 6.00k pps, 2.88 Mbit/s; more than 6,000 sources, forged most likely…"],
            ),
            (
                "just above the threshold",
                vec![icmp(2010).sources(300)],
                &["ICMP flood on 192.0.2.1: 2.01k pps, 965 kbit/s; about 300 sources…"],
            ),
            ("just below it", vec![icmp(1990).sources(300)], &[]),
            (
                "ICMPv6",
                vec![flow(58, (0, 0), 3000).sources(300).v6()],
                &["ICMP flood on 2001:db8::c000:201: 3.00k pps, 1.44 Mbit/s; about 300 sources…"],
            ),
            (
                "the noise of much else",
                vec![icmp(2100).sources(300), tcp(443, SYN, 300).sources(300), tcp(443, ACK, 42_000).sources(300)],
                &[],
            ),
            (
                "more than its noise",
                vec![icmp(2400).sources(300), tcp(443, SYN, 300).sources(300), tcp(443, ACK, 42_000).sources(300)],
                &["ICMP flood on 192.0.2.1: 2.40k pps, 1.15 Mbit/s; about 149 sources…"],
            ),
        ]);
    }
}
