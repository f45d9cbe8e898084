//! Resets. Each ends a connection, so there are no more of them than SYNs on an ordinary day.

use nettop_common::TrafficClass;

use super::{Flood, Judged, Look, nothing};
use crate::detect::rule::{Finds, Rule};

pub const RULE: Rule = Rule {
    kind: "rst-flood",
    title: "RST flood",
    about: "TCP resets per second, more than there are SYNs",
    threshold: Some(("resets per second", 5000)),
    evidence: "resets that end no connection which was opened, from there or from here",
    advice: "drop what belongs to no connection: nftables ct state invalid drop; block the sources",
    finds: Finds::Flood(Flood { class: TrafficClass::Rst, part: None, excused: false, judge, of: nothing }),
};

fn judge(look: &Look) -> Judged {
    let sent = look.sends.map_or(0.0, |sends| sends[TrafficClass::Syn as usize]);
    let sent = sent.max(look.host_sends(TrafficClass::Syn, TrafficClass::Rst));
    let pps = (look.pps - look.gets(TrafficClass::Syn) - sent).max(0.0);
    Judged::attack(pps, ["more resets than connections were opened".to_string()])
}

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn what_is_one_and_what_is_not() {
        let resets = tcp(443, RST, 6000).sources(300);
        table(vec![
            ("from many", vec![resets], &["RST flood on 192.0.2.1:443: 6.00k pps, 2.88 Mbit/s; about 300 sources…"]),
            (
                "with ACK",
                vec![resets.flags(RST | ACK)],
                &["RST flood on 192.0.2.1:443: 6.00k pps, 2.88 Mbit/s; about 300 sources…"],
            ),
            (
                "from one",
                vec![tcp(443, RST, 6000)],
                &["RST flood on 192.0.2.1:443: 6.00k pps, 2.88 Mbit/s; from 10.0.0.0…"],
            ),
            (
                "just above the threshold",
                vec![tcp(443, RST, 5010).sources(300)],
                &["RST flood on 192.0.2.1:443: 5.01k pps, 2.40 Mbit/s; about 300 sources…"],
            ),
            ("just below it", vec![tcp(443, RST, 4990).sources(300)], &[]),
            (
                "IPv6",
                vec![resets.v6()],
                &["RST flood on [2001:db8::c000:201]:443: 6.00k pps, 2.88 Mbit/s; about 300 sources…"],
            ),
            (
                "of connections that are refused",
                vec![resets, resets.back(3000).flags(SYN)],
                &["SYN flood on 10.0.0.0/24:40000 (256 hosts): 2.56k pps, 1.23 Mbit/s; from 192.0.2.1…"],
            ),
            (
                "of clients that go away",
                vec![resets, tcp(443, SYN, 3000).sources(300), tcp(443, ACK, 6000).sources(300)],
                &[],
            ),
        ]);
    }
}
