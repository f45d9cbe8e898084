//! IP fragments in great number: they take memory until they are put together, or never are.

use nettop_common::TrafficClass;
use nettop_model::format;

use super::{Flood, Judged, Look, MANY, nothing};
use crate::detect::rule::{Finds, Rule};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "fragments-flood",
    title: "fragment flood",
    about: "IP fragments per second to a target",
    threshold: Some(("packets per second", 2000)),
    evidence: "packets that this host could not put together; whether first and later fragments belong together",
    advice: "sysctl net.ipv4.ipfrag_high_thresh bounds the memory; block the sources",
    finds: Finds::Flood(Flood { class: TrafficClass::Fragment, part: None, judge, of: nothing }),
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
