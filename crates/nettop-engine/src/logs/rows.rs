//! What is published of a visit, and in which order.

use std::{cmp::Ordering, net::IpAddr};

use nettop_model::{
    net::Net,
    snapshot::{Name, Place, Seen, VisitRow},
};

use super::visits::{SERVICES, Visit};
use crate::Engine;

/// What is known of an address, beside what logs claim.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Where it is.
    pub place: Place,
    /// Whether packets of it came lately.
    pub seen: Seen,
    /// Packets; `None`: it has no account.
    pub packets: Option<u64>,
    /// Packets per second, over ten seconds.
    pub pps: Option<f64>,
}

/// Those with a reason first, then those with the most requests and failures in a minute, then with the most lines.
pub fn order((ip, one): &(&IpAddr, &Visit), (other_ip, other): &(&IpAddr, &Visit), now_ns: u64) -> Ordering {
    let weight = |visit: &Visit| {
        let (requests, failures) = visit.minute(now_ns);
        (visit.is_suspicious(), requests + failures, visit.lines)
    };
    weight(other).cmp(&weight(one)).then_with(|| ip.cmp(other_ip))
}

/// A row.
pub fn row(ip: IpAddr, visit: &Visit, now_ns: u64, known: Known) -> VisitRow {
    let Known { place, seen, packets, pps } = known;
    let (requests_60s, failures_60s) = visit.minute(now_ns);
    let (paths, users) = visit.different();
    let more = visit.more();
    let services = SERVICES.iter().enumerate().filter(|(at, _)| visit.services & 1 << at != 0);
    VisitRow {
        ip,
        place,
        seen,
        packets,
        pps,
        requests: visit.requests,
        requests_60s,
        bytes: visit.bytes,
        statuses: visit.statuses.map(u64::from),
        paths: if visit.requests > 0 { paths } else { 0 },
        path: visit.path.to_string(),
        agent: visit.agent.to_string(),
        failures: visit.failures.into(),
        weak: visit.weak.into(),
        accepted: visit.accepted.into(),
        failures_60s,
        users,
        user: more.map(|more| more.user.to_string()).unwrap_or_default(),
        services: services.map(|(_, name)| Name::Borrowed(*name)).collect(),
        peers: more.map(|more| more.peers.iter().flatten().copied().collect()).unwrap_or_default(),
        first_ns: visit.first_ns,
        last_ns: visit.last_ns,
        reasons: more.map(|more| more.reasons.clone()).unwrap_or_default(),
    }
}

impl Engine {
    /// What the kernel, and the databases of places, know of an address.
    pub(crate) fn known_of(&self, ip: IpAddr) -> Known {
        let address = ip.into();
        let account = self.aggregates.sources.get(&address);
        Known {
            place: self.aggregates.regions.place(&address).unwrap_or_default(),
            seen: self.seen(&Net::from(ip)),
            packets: account.map(|account| account.total.packets),
            pps: account.map(|_| self.aggregates.pps(&address)),
        }
    }
}
