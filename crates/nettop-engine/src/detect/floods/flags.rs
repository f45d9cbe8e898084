//! TCP with flags that no connection has.

use nettop_common::TrafficClass;
use nettop_model::snapshot::TcpFlags;

use super::{Flood, Judged, Look};
use crate::detect::rule::{Finds, Rule};

pub const RULE: Rule = Rule {
    kind: "tcp-flag-flood",
    title: "TCP flag flood",
    about: "TCP segments per second with flags that no connection has: none, FIN alone, Xmas, SYN and FIN",
    threshold: Some(("segments per second", 2000)),
    evidence: "flags that no TCP sends",
    advice: "drop what belongs to no connection: nftables ct state invalid drop; block the sources",
    finds: Finds::Flood(Flood { class: TrafficClass::Flags, part: None, excused: false, judge, of }),
};

/// Flags told.
const TOLD: usize = 2;
const WORTH: f64 = 0.2;

fn judge(look: &Look) -> Judged {
    Judged::attack(look.pps, ["no TCP sends such flags".to_string()])
}

fn of(look: &Look) -> Vec<String> {
    let worth = look.mix.flags.iter().filter(|(_, share)| *share >= WORTH).take(TOLD);
    worth.map(|(flags, _)| TcpFlags(*flags).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn what_is_one_and_what_is_not() {
        let none = tcp(443, 0, 3000).sources(300);
        table(vec![
            (
                "none",
                vec![none],
                &["TCP flag flood (none) on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 300 sources…"],
            ),
            (
                "Xmas",
                vec![none.flags(FIN | PSH | 0x20)],
                &["TCP flag flood (FPU) on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 300 sources…"],
            ),
            (
                "SYN and FIN",
                vec![none.flags(SYN | FIN)],
                &["TCP flag flood (FS) on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 300 sources…"],
            ),
            (
                "two of them",
                vec![none, none.flags(FIN)],
                &["TCP flag flood (none, F) on 192.0.2.1:443: 6.00k pps, 2.88 Mbit/s; about 300 sources…"],
            ),
            (
                "just above the threshold",
                vec![tcp(443, FIN, 2010).sources(300)],
                &["TCP flag flood (F) on 192.0.2.1:443: 2.01k pps, 965 kbit/s; about 300 sources…"],
            ),
            ("just below it", vec![tcp(443, FIN, 1990).sources(300)], &[]),
            (
                "IPv6",
                vec![none.v6()],
                &["TCP flag flood (none) on [2001:db8::c000:201]:443: 3.00k pps, 1.44 Mbit/s; about 300 sources…"],
            ),
            ("those of connections", vec![none.flags(FIN | ACK), none.flags(PSH | ACK), none.flags(RST | ACK)], &[]),
        ]);
    }
}
