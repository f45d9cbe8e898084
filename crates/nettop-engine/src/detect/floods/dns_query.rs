//! DNS queries in such quantity that no ordinary day explains it. A server answers them, whoever asks.

use nettop_common::{Event, TrafficClass};

use super::{Flood, Judged, Look, nothing, percent};
use crate::detect::rule::{Finds, Rule};

/// What its alerts are called.
pub const KIND: &str = "dns-query-flood";

pub const RULE: Rule = Rule {
    kind: KIND,
    title: "DNS query flood",
    about: "UDP packets per second to port 53",
    threshold: Some(("packets per second", 10_000)),
    evidence: "their number beside what is usual here; sources that are new",
    advice: "response rate limiting in the name server; block the sources unless they are resolvers that many people use",
    finds: Finds::Flood(Flood { class: TrafficClass::Udp, part: Some(is_query), excused: false, judge, of: nothing }),
};

const DNS: u16 = 53;

fn is_query(event: &Event) -> bool {
    event.destination_port == DNS && event.source_port != DNS
}

fn judge(look: &Look) -> Judged {
    let new = look.mix.new.map(|new| format!("{} of it is of sources that came lately", percent(new)));
    Judged::attack(look.pps, new)
}

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn what_is_one_and_what_is_not() {
        let queries = udp(40_000, 53, 12_000).sources(300).length(80);
        table(vec![
            (
                "from many",
                vec![queries],
                &["DNS query flood on 192.0.2.1:53: 12.0k pps, 7.68 Mbit/s; about 300 sources…"],
            ),
            (
                "just above the threshold",
                vec![udp(40_000, 53, 10_020).sources(300)],
                &["DNS query flood on 192.0.2.1:53: 10.0k pps, 4.81 Mbit/s; about 300 sources…"],
            ),
            ("just below it", vec![udp(40_000, 53, 9980).sources(300)], &[]),
            (
                "IPv6",
                vec![queries.v6()],
                &["DNS query flood on [2001:db8::c000:201]:53: 12.0k pps, 7.68 Mbit/s; about 300 sources…"],
            ),
            (
                "though it answers all of them",
                vec![queries, queries.back(12_000)],
                &["DNS query flood on 192.0.2.1:53: 12.0k pps, 7.68 Mbit/s; about 300 sources…"],
            ),
            ("between name servers", vec![udp(53, 53, 9000).sources(300)], &[]),
        ]);
    }

    #[test]
    fn of_clients_that_are_known_it_says_so() {
        let mut play = play(&[], 61, &[udp(40_000, 53, 30).sources(30)]);
        play.sampling = 3;
        play.second(&[udp(40_000, 53, 12_000).sources(30).length(80)]);
        assert_eq!(play.told(), ["DNS query flood on 192.0.2.1:53: 12.0k pps, 7.68 Mbit/s; about 30 sources…"]);
        assert_eq!(play.all()[0].evidence[0], "0 % of it is of sources that came lately");
    }
}
