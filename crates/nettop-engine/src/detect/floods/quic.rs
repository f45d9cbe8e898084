//! QUIC in such quantity that no ordinary day explains it. A crowd of clients sends little each, of all lengths; a flood is many
//! packets alike.

use nettop_common::{Event, TrafficClass};

use super::{Flood, Judged, Look, MANY, MOST, Which, nothing, percent};
use crate::detect::rule::{Finds, Rule};

pub const RULE: Rule = Rule {
    kind: "quic-flood",
    title: "QUIC flood",
    about: "UDP packets per second to port 443",
    threshold: Some(("packets per second", 10_000)),
    evidence: "their number beside what is usual here; packets of each source, and their length; answers, where they are seen",
    advice: "QUIC Retry in the server; block the sources if they are genuine",
    finds: Finds::Flood(Flood { class: TrafficClass::Udp, part: Some(is_quic), excused: false, judge, of: nothing }),
};

const HTTPS: u16 = 443;
/// A client sends so many packets per second at most.
const CLIENT: f64 = 30.0;
/// So many of them are a crowd.
const CROWD: u64 = 500;
/// A datagram with the first packet of a connection has 1,200 bytes at least (RFC 9000, section 14.1), most others are small.
const INITIAL: f64 = 1000.0;

fn is_quic(event: &Event) -> bool {
    event.destination_port == HTTPS
}

fn judge(look: &Look) -> Judged {
    let Look { pps, mix, .. } = *look;
    if let Some(lone) = mix.lone.filter(|lone| *lone >= MANY) {
        let word = format!("{} of it is of sources that begin and do not go on", percent(lone));
        return Judged::attack(pps * lone, [word]).only(Which::Of(|manner| manner.lone != Some(false)));
    }
    let each = pps / mix.distinct.max(1) as f64;
    let is_crowd = mix.distinct >= CROWD && each <= CLIENT && mix.length < INITIAL;
    // What a client is sent is more than what it sends.
    let is_served = look.answers_by_port().is_none_or(|answers| answers >= MOST)
        && look.conversing.is_none_or(|talk| talk.answered.is_none() || talk.share >= MOST);
    if is_crowd && is_served {
        return Judged::heavy(pps, "a crowd of clients");
    }
    if super::beside_few_flows(look).is_some_and(|rest| rest < look.floor) {
        return Judged::heavy(pps, "a few flows");
    }
    Judged::attack(pps, None)
}

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn what_is_one_and_what_is_not() {
        let initials = udp(40_000, 443, 12_000).length(1242);
        let crowd = udp(40_000, 443, 12_000).sources(1000).length(150);
        table(vec![
            (
                "of some",
                vec![initials.sources(300)],
                &["QUIC flood on 192.0.2.1:443: 12.0k pps, 119 Mbit/s; about 300 sources…"],
            ),
            (
                "of many",
                vec![initials.sources(3000)],
                &["QUIC flood on 192.0.2.1:443: 12.0k pps, 119 Mbit/s; about 2,192 sources…"],
            ),
            (
                "small, from some",
                vec![crowd.sources(300)],
                &["QUIC flood on 192.0.2.1:443: 12.0k pps, 14.4 Mbit/s; about 300 sources…"],
            ),
            (
                "just above the threshold",
                vec![udp(40_000, 443, 10_020).sources(300)],
                &["QUIC flood on 192.0.2.1:443: 10.0k pps, 4.81 Mbit/s; about 300 sources…"],
            ),
            ("just below it", vec![udp(40_000, 443, 9980).sources(300)], &[]),
            (
                "IPv6",
                vec![initials.sources(300).v6()],
                &["QUIC flood on [2001:db8::c000:201]:443: 12.0k pps, 119 Mbit/s; about 300 sources…"],
            ),
            (
                "a crowd of clients",
                vec![crowd],
                &["heavy traffic, QUIC to 192.0.2.1: 12.0k pps, 14.4 Mbit/s; a crowd of clients…"],
            ),
            (
                "one that is served",
                vec![crowd, crowd.back(12_000).length(1242)],
                &["heavy traffic, QUIC to 192.0.2.1: 12.0k pps, 14.4 Mbit/s; a crowd of clients…"],
            ),
            (
                "one that is not",
                vec![crowd, crowd.back(3000)],
                &["QUIC flood on 192.0.2.1:443: 12.0k pps, 14.4 Mbit/s; about 1,000 sources…"],
            ),
            (
                "a few flows",
                vec![initials.sources(3)],
                &["heavy traffic, QUIC to 192.0.2.1: 12.0k pps, 119 Mbit/s; a few flows…"],
            ),
        ]);
    }

    #[test]
    fn who_begins_and_does_not_go_on_is_no_client() {
        let mut play = play(&[], 0, &[]);
        (0..2).for_each(|n| play.second(&[udp(40_000, 443, 3900).sources(3900).from([10, n, 0, 0]).length(900)]));
        assert_eq!(play.told(), [""; 0], "below the threshold");
        play.sampling = 3;
        (2..4).for_each(|n| {
            play.second(&[udp(40_000, 443, 12_000).sources(12_000).from([10, n * 64, 0, 0]).length(900)]);
        });
        assert_eq!(
            play.told(),
            ["QUIC flood on 192.0.2.1:443: 12.0k pps, 86.4 Mbit/s; more than 4,000 sources, forged most likely…"]
        );
    }
}
