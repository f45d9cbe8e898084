//! What looks like a scan and is none: the first instant of a flood, and what a host answers.

use nettop_common::{Address, TrafficClass};

use super::{Manner, Scan};
use crate::detect::{
    locate::Net,
    measure::{Part, Site},
    targets::Targets,
};

/// So much of a threshold may be the first instant of a flood.
const FLOODED: f64 = 0.1;
/// A host that gets so many packets for each that it pings answers.
const ANSWERS: f64 = 0.5;

/// Targets of what may have been the first instant of a flood, in the second before; `None`: all that are not looked at one by one.
#[derive(Debug, Default)]
pub struct Impostors(Vec<Option<Address>>);

impl Impostors {
    /// Removes them from what was found in a second.
    pub fn remove(&mut self, scans: &mut Vec<Scan>, sites: &[Site], targets: &Targets) {
        // All who send a flood of UDP seem to try ports, until it is one.
        let level = |site: &Site| site.parts.iter().filter(|part| part.is_udp()).map(Part::level).fold(0.0, f64::max);
        let floods: Vec<_> = sites.iter().filter(|site| level(site) >= FLOODED).map(|site| site.who).collect();
        let begins = |net: Option<Net>| {
            let is_at = |who: &Option<Address>| match who {
                Some(who) => net.is_some_and(|net| net.contains(who)),
                None => !net.is_some_and(Net::is_host),
            };
            floods.iter().any(|who| is_at(who) && !self.0.contains(who))
        };
        scans.retain(|scan| !begins(scan.target));
        self.0 = floods;
        let gets = |who: &Address| targets.of(who) - targets.of_class(who, TrafficClass::Icmp);
        let answers = |scan: &Scan| scan.source.is_some_and(|who| gets(&who) as f64 >= scan.tried * ANSWERS);
        scans.retain(|scan| scan.manner != Manner::Pings || !answers(scan));
    }
}
