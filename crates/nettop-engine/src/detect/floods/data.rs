//! TCP segments with data that belong to no connection.

use nettop_common::TrafficClass;

use super::{Flood, Judged, Look, beside_few_flows, nothing, strays};
use crate::detect::rule::{Finds, Rule};

pub const RULE: Rule = Rule {
    kind: "tcp-data-flood",
    title: "TCP data flood",
    about: "TCP segments per second with data, of sources without a connection",
    threshold: Some(("stray segments per second", 10_000)),
    evidence: "sources that never sent a SYN, and have no connection with this host; what they are sent; resets",
    advice: "drop what belongs to no connection: nftables ct state invalid drop; block the sources",
    finds: Finds::Flood(Flood { class: TrafficClass::Data, part: None, excused: true, judge, of: nothing }),
};

fn judge(look: &Look) -> Judged {
    if beside_few_flows(look).is_some() {
        return super::resets(look, TrafficClass::Data).unwrap_or(Judged::heavy(look.pps, "one peer's connections"));
    }
    strays(look, TrafficClass::Data)
}

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn what_is_one_and_what_is_not() {
        let data = tcp(443, PSH | ACK, 12_000).sources(300).data().length(900);
        table(vec![
            (
                "of sources without a connection",
                vec![data],
                &["TCP data flood on 192.0.2.1:443: 12.0k pps, 86.4 Mbit/s; about 300 sources…"],
            ),
            (
                "just above the threshold",
                vec![tcp(443, ACK, 10_020).sources(300).data()],
                &["TCP data flood on 192.0.2.1:443: 10.0k pps, 4.81 Mbit/s; about 300 sources…"],
            ),
            ("just below it", vec![tcp(443, ACK, 9980).sources(300).data()], &[]),
            (
                "IPv6",
                vec![data.v6()],
                &["TCP data flood on [2001:db8::c000:201]:443: 12.0k pps, 86.4 Mbit/s; about 300 sources…"],
            ),
            (
                "answered with resets",
                vec![data, data.back(6000).flags(RST)],
                &["TCP data flood on 192.0.2.1:443: 12.0k pps, 86.4 Mbit/s; about 300 sources…"],
            ),
            ("uploads", vec![tcp(443, SYN, 300).sources(300), data], &[]),
            ("downloads", vec![data, data.back(6000).flags(ACK)], &[]),
            (
                "a few connections",
                vec![data.sources(3)],
                &["heavy traffic, TCP data to 192.0.2.1: 12.0k pps, 86.4 Mbit/s; one peer's connections…"],
            ),
            (
                "a few that are none",
                vec![data.sources(3), data.sources(3).back(6000).flags(RST)],
                &[
                    "TCP data flood on 192.0.2.1:443: 12.0k pps, 86.4 Mbit/s; mostly from 10.0.0.0 (about 4.00k pps) and 10.0.0.1 (about 4.00k pps)…",
                ],
            ),
        ]);
    }
}
