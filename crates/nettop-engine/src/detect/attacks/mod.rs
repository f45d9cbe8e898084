//! Attacks: what comes to one target at overlapping times is one of them, whatever it consists of, and one alert.

mod attack;
mod found;
#[cfg(test)]
mod tests;

use nettop_common::{Address, Event};
use nettop_model::{clock::Moment, snapshot::Alert};

pub use self::found::begins;
use self::{
    attack::{Attack, Kind, PAUSE_NS},
    found::{Found, TOGETHER, find},
};
use super::{
    DetectInput, HOLDS,
    floods::Verdict,
    locate::Net,
    measure::{Part, Site},
    spoofed_flood,
};

/// All of them.
#[derive(Debug, Default)]
pub struct Attacks {
    lasting: Vec<Attack>,
    /// Whether something went to hosts all over in the second before.
    was_all_over: bool,
}

/// What became of attacks in a second.
#[derive(Debug, Default)]
pub struct Changes {
    /// Those that began.
    pub raised: Vec<Alert>,
    /// Those that are over.
    pub over: Vec<Alert>,
}

impl Attacks {
    /// Enters what was measured in a second.
    pub fn enter(&mut self, at: Moment, scene: &DetectInput, sites: &[Site], number: &mut u64) -> Changes {
        let mut raised = Vec::new();
        let mut found = find(scene, sites);
        // In the first instant of an attack the noise of the day hides where it goes.
        let is_all_over = found.iter().any(|found| found.net.is_none());
        if !std::mem::replace(&mut self.was_all_over, is_all_over) {
            found.retain(|found| found.net.is_some());
        }
        found.extend(self.holding(sites, &found));
        for found in found {
            // What was only known to come from forged addresses turns out to be this.
            let is_same = |attack: &&mut Attack| attack.is_at(found.net) || attack.kinds.is_empty();
            let lasting = self.lasting.iter_mut().find(is_same);
            match lasting {
                Some(attack) => attack.go_on(at, scene, &found),
                None if found.begins() => {
                    let mut attack = Attack::new(at, *number, &found);
                    *number += 1;
                    attack.go_on(at, scene, &found);
                    raised.push(attack.alert.clone());
                    self.lasting.push(attack);
                }
                None => {}
            }
        }
        self.unite();
        raised.extend(self.spoofed(at, scene, number));
        Changes { raised, over: self.end(at) }
    }

    /// What holds an attack that lasts, though none would begin with it.
    fn holding<'a>(&self, sites: &'a [Site], found: &[Found]) -> Vec<Found<'a>> {
        let mut holding = Vec::new();
        for attack in &self.lasting {
            if found.iter().any(|found| attack.is_at(found.net)) {
                continue;
            }
            let parts: Vec<_> =
                sites.iter().filter(|site| attack.gets(site.who)).flat_map(|site| &site.parts).collect();
            let holds = |part: &&&Part| {
                let kind = attack.kinds.get(&part.rule);
                kind.is_some_and(|kind| part.level() > 0.0 && part.pps * part.burst >= kind.threshold * HOLDS)
            };
            let sum: f64 = parts.iter().map(|part| part.level()).sum();
            if parts.iter().any(|part| holds(&part)) || attack.kinds.len() > 1 && sum >= TOGETHER * HOLDS {
                let parts = parts.into_iter().map(|part| (part, 1.0)).collect();
                holding.push(Found { net: attack.net, hosts: attack.hosts, parts });
            }
        }
        holding
    }

    /// A flood from forged addresses of which no kind is enough by itself.
    fn spoofed(&mut self, at: Moment, scene: &DetectInput, number: &mut u64) -> Option<Alert> {
        let (rate, begins) = spoofed_flood::rate(scene)?;
        let net = spoofed_flood::target(scene);
        let is_there = |attack: &&mut Attack| attack.is_at(net) && attack.alert.kind != spoofed_flood::KIND;
        if let Some(attack) = self.lasting.iter_mut().find(is_there) {
            attack.found(at);
            return None;
        }
        // Any attack that lasts explains them.
        if self.lasting.iter().any(|attack| attack.found_ns == at.monotonic_ns) {
            return None;
        }
        if let Some(attack) = self.lasting.iter_mut().find(|attack| attack.alert.kind == spoofed_flood::KIND) {
            attack.spoofed_goes_on(at, scene, rate, net);
            return None;
        }
        let mut attack = begins.then(|| Attack::new(at, *number, &Found { net, hosts: 1, parts: Vec::new() }))?;
        *number += 1;
        attack.spoofed_goes_on(at, scene, rate, net);
        let alert = attack.alert.clone();
        self.lasting.push(attack);
        Some(alert)
    }

    /// Two that turn out to be at one target are one.
    fn unite(&mut self) {
        let mut at = 0;
        while at < self.lasting.len() {
            let net = self.lasting[at].net;
            let first = self.lasting.iter().position(|attack| attack.is_at(net));
            match first {
                Some(first) if first < at => {
                    let younger = self.lasting.remove(at);
                    self.lasting[first].take(younger);
                }
                _ => at += 1,
            }
        }
    }

    fn end(&mut self, at: Moment) -> Vec<Alert> {
        let mut over = Vec::new();
        for attack in &mut self.lasting {
            attack.pause(at);
        }
        self.lasting.retain(|attack| {
            let lasts = at.monotonic_ns.saturating_sub(attack.found_ns) < PAUSE_NS;
            if !lasts {
                over.push(attack.over(at));
            }
            lasts
        });
        over
    }

    /// Those that last, as they are at this moment.
    pub fn alerts(&self, at: Moment) -> impl Iterator<Item = Alert> {
        self.lasting.iter().map(move |attack| attack.now(at))
    }

    /// Forgets all. Returns them, over by that.
    pub fn clear(&mut self, at: Moment) -> Vec<Alert> {
        std::mem::take(&mut self.lasting).iter().map(|attack| attack.over(at)).collect()
    }

    /// Whether any lasts.
    pub fn lasts(&self) -> bool {
        !self.lasting.is_empty()
    }

    /// Whether a packet is part of one.
    pub fn has(&self, event: &Event) -> bool {
        self.lasting.iter().any(|attack| attack.has(event))
    }

    /// Whether a source is one of the busiest of one.
    pub fn is_sender(&self, address: &Address) -> bool {
        let sends = |kind: &Kind| kind.mix.sources.iter().any(|(source, _)| source == address);
        self.lasting.iter().any(|attack| attack.kinds.values().any(sends))
    }

    /// Whether one is at such a target.
    pub fn is_near(&self, net: Net) -> bool {
        self.lasting.iter().any(|attack| attack.net.is_none_or(|other| other.around().overlaps(net)))
    }

    /// Where those are that have packets of a kind; `None`: at hosts all over.
    pub fn places_of(&self, rule: usize) -> impl Iterator<Item = Option<Net>> {
        self.lasting.iter().filter(move |attack| attack.kinds.contains_key(&rule)).map(|attack| attack.net)
    }

    /// Whether what comes to this target is part of one: nobody shall get used to it.
    pub fn is_at(&self, who: Option<Address>) -> bool {
        self.lasting.iter().any(|attack| attack.net.is_none() || attack.gets(who))
    }
}

/// Traffic that is heavy, and no attack: its target, what it is, and why that is none.
pub fn heavy(sites: &[Site]) -> impl Iterator<Item = (&Site, &Part, &'static str)> {
    let parts = sites.iter().flat_map(|site| site.parts.iter().map(move |part| (site, part)));
    parts.filter_map(|(site, part)| match part.verdict {
        Verdict::Heavy(why) if part.pps >= part.floor && site.who.is_some() => Some((site, part, why)),
        _ => None,
    })
}
