//! TCP handshakes that are begun in great number and not completed.
//!
//! Of a genuine connection more segments come than its SYN: at least the one that completes the handshake, and one that ends it.
//! That is asked of each source, so that neither a busy port hides an attacked one, nor ACKs that the attacker adds. Where this host
//! accepts the connections it says so itself.

use nettop_common::TrafficClass;

use super::{Flood, Judged, Look, MANY, MOST, Which, nothing, percent};
use crate::detect::rule::{Finds, Rule};

/// The rule.
pub const RULE: Rule = Rule {
    kind: "syn-flood",
    title: "SYN flood",
    about: "TCP SYNs per second to a target that lead to no connection",
    threshold: Some(("unfinished SYNs per second", 1000)),
    evidence: "SYNs without later segments of the same source; accepted connections, SYN cookies and listen drops of this host",
    advice: "sysctl net.ipv4.tcp_syncookies=1; if the addresses are genuine, block them",
    finds: Finds::Flood(Flood { class: TrafficClass::Syn, part: None, judge, of: nothing }),
};

/// Who alone sends so much of it, to no single port, scans.
const ONE_SOURCE: f64 = 0.5;

/// Those that lead to nothing.
const UNFINISHED: Which = Which::Of(|manner| manner.unfinished != Some(false));

fn judge(look: &Look) -> Judged {
    let Look { pps, mix, .. } = *look;
    if mix.busiest(1) > ONE_SOURCE && mix.port(MOST).is_none() && mix.events > 0 {
        return Judged::ordinary(0.0);
    }
    let mut rest = pps;
    if let Some(host) = look.host {
        let share = look.share_of_host(TrafficClass::Syn);
        let accepted = host.accepted * share;
        rest = (pps - accepted).max(0.0);
        let refused = (host.cookies + host.listen_drops + host.resets) * share;
        // A busy host has resets and cookies of its own.
        if accepted < pps * MOST && refused >= rest * MANY {
            let accepted = percent(accepted / pps);
            let word =
                format!("this host accepts {accepted} of it, and answers the rest with cookies or resets, or drops it");
            return Judged::certain(rest, [word]).only(UNFINISHED);
        }
        if rest < look.floor {
            return Judged::ordinary(rest);
        }
    }
    match mix.unfinished {
        Some(unfinished) => {
            let word = format!("{} of the SYNs are of sources that complete no handshake", percent(unfinished));
            Judged::attack(rest.min(pps * unfinished), [word]).only(UNFINISHED)
        }
        // Without samples there is only their number.
        None if mix.events == 0 => {
            let others = look.gets(TrafficClass::Ack) + look.gets(TrafficClass::Data);
            Judged::attack(
                rest.min(pps - others / 2.0).max(0.0),
                ["far more SYNs than segments of connections".to_string()],
            )
        }
        None => Judged::ordinary(pps),
    }
}
