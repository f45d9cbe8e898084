//! IP fragments in great number: they take memory until they are put together, or never are.

use nettop_common::TrafficClass;
use nettop_model::format;

use super::{Flood, Judged, Look, MANY, nothing};
use crate::detect::rule::{Finds, Rule};

pub const RULE: Rule = Rule {
    kind: "fragments-flood",
    title: "fragment flood",
    about: "IP fragments per second to a target",
    threshold: Some(("packets per second", 2000)),
    evidence: "packets that this host could not put together; to whom answers go; whether first and later fragments belong together",
    advice: "sysctl net.ipv4.ipfrag_high_thresh bounds the memory; block the sources",
    finds: Finds::Flood(Flood { class: TrafficClass::Fragment, part: None, excused: true, judge, of: nothing }),
};

/// A datagram has at most so many fragments, and whole ones come from few peers.
const FRAGMENTS: f64 = 45.0;
const PEERS: u64 = 4;

fn judge(look: &Look) -> Judged {
    if let Some(host) = look.host {
        let failed = host.reassembly_failed * look.share_of_host(TrafficClass::Fragment);
        if failed >= look.pps * MANY / FRAGMENTS {
            let word = format!("this host cannot put them together: {} failures/s", format::pps(failed));
            return Judged::certain(look.pps, [word]);
        }
    }
    // Only the first fragment has ports; of genuine datagrams one in so many is one, and they are full.
    let first = 1.0 - look.mix.ports.iter().find(|(port, _)| *port == 0).map_or(0.0, |(_, share)| *share);
    let is_whole = (1.0 / FRAGMENTS..=0.6).contains(&first) && look.mix.length >= 700.0;
    if look.mix.events > 0 && look.mix.distinct <= PEERS && is_whole {
        return Judged::heavy(look.pps, "large datagrams of few peers");
    }
    Judged::attack(look.pps, None)
}

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn what_is_one_and_what_is_not() {
        let later = flow(17, (0, 0), 3000).sources(300).fragments().length(1500);
        let first = udp(2049, 800, 500).fragments().length(1500);
        table(vec![
            ("from many", vec![later], &["fragment flood on 192.0.2.1: 3.00k pps, 36.0 Mbit/s; about 300 sources…"]),
            (
                "small ones",
                vec![later.length(70).sources(3)],
                &[
                    "fragment flood on 192.0.2.1: 3.00k pps, 1.68 Mbit/s; mostly from 10.0.0.0 (about 1.00k pps) and 10.0.0.1 (about 1.00k pps)…",
                ],
            ),
            (
                "just above the threshold",
                vec![flow(17, (0, 0), 2010).sources(300).fragments()],
                &["fragment flood on 192.0.2.1: 2.01k pps, 965 kbit/s; about 300 sources…"],
            ),
            ("just below it", vec![flow(17, (0, 0), 1990).sources(300).fragments()], &[]),
            (
                "IPv6",
                vec![later.v6()],
                &["fragment flood on 2001:db8::c000:201: 3.00k pps, 36.0 Mbit/s; about 300 sources…"],
            ),
            (
                "of one, without a first one",
                vec![later.sources(1)],
                &["fragment flood on 192.0.2.1: 3.00k pps, 36.0 Mbit/s; from 10.0.0.0…"],
            ),
            (
                "of one, datagrams",
                vec![later.sources(1), first],
                &["heavy traffic, fragment to 192.0.2.1: 3.50k pps, 42.0 Mbit/s; large datagrams of few peers…"],
            ),
        ]);
    }

    #[test]
    fn the_host_knows_what_cannot_be_put_together() {
        let datagrams = [flow(17, (0, 0), 3000).fragments().length(1500), udp(2049, 800, 500).fragments().length(1500)];
        table_of_hosts(vec![
            (
                "one in twenty",
                &[("IpReasmFails", 175.0)],
                datagrams.to_vec(),
                &[
                    "warn: fragment flood on 192.0.2.1: 3.50k pps, 42.0 Mbit/s; from 10.0.0.0… (this host cannot put them together: 175 failures/s; this host shows no harm)",
                ],
            ),
            (
                "one in a thousand",
                &[("IpReasmFails", 3.0)],
                datagrams.to_vec(),
                &[
                    "info: heavy traffic, fragment to 192.0.2.1: 3.50k pps, 42.0 Mbit/s; large datagrams of few peers… (the number of flows; answers; sockets of this host that take it)",
                ],
            ),
        ]);
    }
}
