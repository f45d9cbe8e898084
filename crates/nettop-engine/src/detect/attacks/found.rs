//! Where attacks are found in a second: what was measured of each target, and where the rest of it goes to.

use nettop_common::{Address, TrafficClass};

use crate::detect::{
    CONVERSES, DetectInput, HOLDS, RULES,
    floods::dns_query,
    locate::{Net, locate, locate_nets},
    measure::{Part, Site},
    rule::Finds,
};

/// Several kinds, each below its own threshold, are an attack together from here on ...
pub const TOGETHER: f64 = 1.5;
/// ... where each of two at least comes to this.
const EACH: f64 = 0.3;
/// More hosts than these of one network are attacked as a network.
const HOSTS: usize = 4;
/// The busiest so many sources that send nearly all of what goes to hosts all over send it from here.
const SENDERS: usize = 2;
const NEARLY_ALL: f64 = 0.8;
/// So do those that get answers, where they send as much of it.
const HALF: f64 = 0.5;
/// What is sent back is hardly more than what came.
const AS_MUCH: f64 = 1.1;

/// What was found at a target in a second.
pub struct Found<'a> {
    /// Where; `None`: hosts all over.
    pub net: Option<Net>,
    /// How many hosts.
    pub hosts: usize,
    /// With the share of each that goes there.
    pub parts: Vec<(&'a Part, f64)>,
}

impl Found<'_> {
    /// The parts that are an attack, with their levels.
    pub fn levels(&self) -> impl Iterator<Item = (&Part, f64)> {
        self.parts.iter().map(|(part, share)| (*part, part.level() * share)).filter(|(_, level)| *level > 0.0)
    }

    /// Whether an attack would begin with it.
    pub fn begins(&self) -> bool {
        begins(self.levels().map(|(_, level)| level))
    }
}

/// Whether an attack would begin with parts of such levels.
pub fn begins(levels: impl Iterator<Item = f64>) -> bool {
    let [mut most, mut sum, mut count] = [0.0; 3];
    for level in levels {
        most = f64::max(most, level);
        if level >= EACH {
            sum += level;
            count += 1.0;
        }
    }
    most >= 1.0 || count >= 2.0 && sum >= TOGETHER
}

/// Where something begins.
pub fn find<'a>(scene: &DetectInput, sites: &'a [Site]) -> Vec<Found<'a>> {
    let mut all = Vec::new();
    for site in sites {
        match site.who {
            Some(who) if site.stands_alone => {
                let parts = site.parts.iter().map(|part| (part, 1.0)).collect();
                all.push(Found { net: Some(Net::host(&who)), hosts: 1, parts });
            }
            Some(_) => {}
            None => site.parts.iter().for_each(|part| all.extend(find_where(scene, sites, part))),
        }
    }
    let mut all = merge(all);
    all.retain(Found::begins);
    let attacked = |site: &Site| {
        let parts = site.parts.iter().filter(|part| part.level() >= HOLDS);
        Some((site.who?, parts.map(|part| part.pps).sum()))
    };
    let attacked: Vec<(Address, f64)> = sites.iter().filter_map(attacked).collect();
    all.retain(|found| !is_answer(scene, found, &attacked));
    all
}

/// Whether it is what hosts send back: those that are attacked, to all who attack them; or by UDP, whoever gets some for it.
fn is_answer(scene: &DetectInput, found: &Found, attacked: &[(Address, f64)]) -> bool {
    let is_host = found.net.is_some_and(Net::is_host);
    let is_part_answer = |(part, share): &(&Part, f64)| {
        let Finds::Flood(flood) = RULES[part.rule].finds else { return false };
        // To a single host, only resets are known to be answers.
        if is_host && flood.class != TrafficClass::Rst {
            return false;
        }
        let pps = part.pps * share;
        let is_attacked = |source: &Address, share: f64| {
            attacked.iter().any(|(who, came)| who == source && pps * share <= came * AS_MUCH)
        };
        let converses = |source: &Address, share: f64| {
            let gets = scene.per_second(scene.targets.of_class(source, TrafficClass::Udp));
            // Of questions it is known which direction is that of the attack.
            let is_question = RULES[part.rule].kind == dns_query::KIND;
            part.is_udp() && !is_question && gets >= pps * share * CONVERSES
        };
        let answers =
            part.mix.sources.iter().filter(|(source, share)| is_attacked(source, *share) || converses(source, *share));
        answers.map(|(_, share)| share).sum::<f64>() >= HALF
    };
    found.parts.iter().filter(|(part, _)| part.level() > 0.0).all(is_part_answer)
}

/// Where a part of what goes to those that are not looked at one by one goes to.
fn find_where<'a>(scene: &DetectInput, sites: &[Site], part: &'a Part) -> Vec<Found<'a>> {
    let Finds::Flood(flood) = RULES[part.rule].finds else { return Vec::new() };
    if part.level() < EACH {
        return Vec::new();
    }
    let single: Vec<_> = sites.iter().filter(|site| site.stands_alone).filter_map(|site| site.who).collect();
    let weights = scene.targets.iter().filter(|(address, class, _)| *class == flood.class && !single.contains(address));
    let places = locate(weights.map(|(address, _, tally)| (address, tally.packets as f64)));
    let found = |net, hosts, share| Found { net, hosts, parts: vec![(part, share)] };
    if !places.is_empty() {
        // Of a host that was looked at by itself it is known whether this is an attack.
        let is_none = |net: Net| {
            let of_host = sites.iter().filter(|site| site.who.is_some_and(|who| net == Net::host(&who)));
            let mut parts = of_host.flat_map(|site| &site.parts).filter(|other| other.rule == part.rule);
            parts.any(|part| part.level() == 0.0)
        };
        let places = places.iter().filter(|place| !is_none(place.net));
        return places.map(|place| found(Some(place.net), place.hosts, place.share)).collect();
    }
    // What hosts here send to all the world is no flood on the world.
    let answers = |(source, share): &(Address, f64)| if scene.targets.has(source) { *share } else { 0.0 };
    let answered: f64 = part.mix.sources.iter().map(answers).sum();
    if part.mix.busiest(SENDERS) >= NEARLY_ALL || answered >= HALF {
        return Vec::new();
    }
    vec![found(None, part.mix.hosts as usize, 1.0)]
}

/// What is at one place is one; and many hosts of one network are told as that.
fn merge(found: Vec<Found>) -> Vec<Found> {
    let is_host = |found: &&Found| found.net.is_some_and(Net::is_host) && found.begins();
    let hosts = found
        .iter()
        .filter(is_host)
        .filter_map(|found| Some((found.net?, found.levels().map(|(_, level)| level).sum())));
    let hosts: Vec<(Net, f64)> = hosts.collect();
    let networks: Vec<Net> = match hosts.len() {
        0..=HOSTS => Vec::new(),
        _ => locate_nets(hosts.into_iter())
            .into_iter()
            .filter(|place| place.hosts > HOSTS)
            .map(|place| place.net)
            .collect(),
    };
    let mut merged: Vec<Found> = Vec::new();
    for mut next in found {
        let network = next.net.and_then(|net| networks.iter().find(|network| network.overlaps(net)));
        next.net = network.copied().or(next.net);
        let is_same = |one: &&mut Found| match (one.net, next.net) {
            (Some(one), Some(other)) => one.overlaps(other),
            (None, None) => true,
            _ => false,
        };
        match merged.iter_mut().find(is_same) {
            Some(one) => {
                // Of two that overlap, that of the larger part says where.
                let level = |found: &Found| found.levels().map(|(_, level)| level).fold(0.0, f64::max);
                one.net = if level(one) >= level(&next) { one.net } else { next.net };
                one.hosts = if network.is_some() { one.hosts + next.hosts } else { one.hosts.max(next.hosts) };
                one.parts.extend(next.parts);
            }
            None => merged.push(next),
        }
    }
    merged
}
