//! Segments with ACK and without data that belong to no connection. Whoever downloads from here sends as many, but has asked for the
//! connection first.

use nettop_common::{TrafficClass, packet::tcp_flag::FIN};

use super::{Flood, Judged, Look, MOST, strays};
use crate::detect::rule::{Finds, Rule};

pub const RULE: Rule = Rule {
    kind: "ack-flood",
    title: "ACK flood",
    about: "TCP segments per second with ACK and without data, of sources without a connection",
    threshold: Some(("stray ACKs per second", 10_000)),
    evidence: "sources that never sent a SYN, and have no connection with this host; what they are sent; resets",
    advice: "drop what belongs to no connection: nftables ct state invalid drop; block the sources",
    finds: Finds::Flood(Flood { class: TrafficClass::Ack, part: None, excused: true, judge, of }),
};

fn judge(look: &Look) -> Judged {
    strays(look, TrafficClass::Ack)
}

fn of(look: &Look) -> Vec<String> {
    let fin: f64 = look.mix.flags.iter().filter(|(flags, _)| flags & FIN != 0).map(|(_, share)| share).sum();
    if fin >= MOST { vec!["FIN and ACK".into()] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn what_is_one_and_what_is_not() {
        let acks = tcp(443, ACK, 12_000).sources(300);
        table(vec![
            (
                "of sources without a connection",
                vec![acks],
                &["ACK flood on 192.0.2.1:443: 12.0k pps, 5.76 Mbit/s; about 300 sources…"],
            ),
            (
                "FIN and ACK",
                vec![acks.flags(FIN | ACK)],
                &["ACK flood (FIN and ACK) on 192.0.2.1:443: 12.0k pps, 5.76 Mbit/s; about 300 sources…"],
            ),
            (
                "just above the threshold",
                vec![tcp(443, ACK, 10_020).sources(300)],
                &["ACK flood on 192.0.2.1:443: 10.0k pps, 4.81 Mbit/s; about 300 sources…"],
            ),
            ("just below it", vec![tcp(443, ACK, 9980).sources(300)], &[]),
            (
                "IPv6",
                vec![acks.v6()],
                &["ACK flood on [2001:db8::c000:201]:443: 12.0k pps, 5.76 Mbit/s; about 300 sources…"],
            ),
            (
                "amid clients",
                vec![acks, acks.from([10, 2, 0, 0]), tcp(443, SYN, 300).sources(300).from([10, 2, 0, 0])],
                &["ACK flood on 192.0.2.1:443: 12.0k pps, 5.76 Mbit/s; about 300 sources…"],
            ),
            (
                "answered with resets",
                vec![acks, acks.back(6000).flags(RST)],
                &["ACK flood on 192.0.2.1:443: 12.0k pps, 5.76 Mbit/s; about 300 sources…"],
            ),
            ("downloads", vec![tcp(443, SYN, 300).sources(300), acks], &[]),
            ("uploads to here by connections from here", vec![acks, acks.back(12_000).data().length(1400)], &[]),
            ("connections from here, seen from one side", vec![tcp(40_000, SYN | ACK, 300).sources(300), acks], &[]),
        ]);
    }

    #[test]
    fn who_came_before_is_no_attacker() {
        let before = [tcp(443, ACK, 300).sources(300)];
        assert_eq!(play(&before, 1, &[tcp(443, ACK, 12_000).sources(300)]).told(), [""; 0]);
    }

    #[test]
    fn the_host_answers_with_resets() {
        let flood = tcp(443, ACK, 12_000).sources(300);
        table_of_hosts(vec![
            (
                "to all of it",
                &[("TcpOutRsts", 12_000.0)],
                vec![flood],
                &[
                    "warn: ACK flood on 192.0.2.1:443: 12.0k pps, 5.76 Mbit/s; about 300 sources… (this host answers 100 % of it with resets; this host shows no harm)",
                ],
            ),
            (
                "to some of it",
                &[("TcpOutRsts", 3000.0)],
                vec![flood],
                &[
                    "warn: ACK flood on 192.0.2.1:443: 12.0k pps, 5.76 Mbit/s; about 300 sources… (100 % of it is of sources that never opened a connection; this host shows no harm)",
                ],
            ),
        ]);
    }
}
