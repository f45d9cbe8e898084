//! SYN-ACKs that nobody here asked for: servers elsewhere, asked in our name, answer to us.

use nettop_common::TrafficClass;

use super::{Flood, Judged, Look, MANY, MOST, Which, nothing, percent};
use crate::detect::rule::{Finds, Rule};

pub const RULE: Rule = Rule {
    kind: "syn-ack-flood",
    title: "SYN-ACK reflection",
    about: "SYN-ACKs per second that answer to no connection from here",
    threshold: Some(("SYN-ACKs per second", 5000)),
    evidence: "sources that send nothing but SYN-ACKs; SYNs that the target or this host sends, where they are seen",
    advice: "drop what belongs to no connection: nftables ct state invalid drop; blocking the reflectors blocks genuine servers",
    finds: Finds::Flood(Flood { class: TrafficClass::SynAck, part: None, excused: false, judge, of: nothing }),
};

fn judge(look: &Look) -> Judged {
    let sent = look.host_sends(TrafficClass::Syn, TrafficClass::SynAck);
    if look.answers(TrafficClass::Syn).is_some_and(|asked| asked >= MOST) || sent >= look.pps * MOST {
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

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn what_is_one_and_what_is_not() {
        let answers = tcp(40_000, SYN | ACK, 6000).sources(300);
        table(vec![
            (
                "of many servers",
                vec![answers],
                &["SYN-ACK reflection on 192.0.2.1:40000: 6.00k pps, 2.88 Mbit/s; about 300 sources…"],
            ),
            (
                "to ports at random",
                vec![answers.ports(3000)],
                &["SYN-ACK reflection on 192.0.2.1: 6.00k pps, 2.88 Mbit/s; about 300 sources…"],
            ),
            (
                "just above the threshold",
                vec![tcp(40_000, SYN | ACK, 5010).sources(300)],
                &["SYN-ACK reflection on 192.0.2.1:40000: 5.01k pps, 2.40 Mbit/s; about 300 sources…"],
            ),
            ("just below it", vec![tcp(40_000, SYN | ACK, 4990).sources(300)], &[]),
            (
                "IPv6",
                vec![answers.v6()],
                &["SYN-ACK reflection on [2001:db8::c000:201]:40000: 6.00k pps, 2.88 Mbit/s; about 300 sources…"],
            ),
            (
                "answered with resets",
                vec![answers, answers.back(3000).flags(RST)],
                &["SYN-ACK reflection on 192.0.2.1:40000: 6.00k pps, 2.88 Mbit/s; about 300 sources…"],
            ),
            ("asked for", vec![answers, answers.back(6000).flags(SYN), answers.back(9000).flags(ACK)], &[]),
            ("connections from here", vec![answers, tcp(40_000, ACK, 9000).sources(300).data().length(900)], &[]),
        ]);
    }
}
