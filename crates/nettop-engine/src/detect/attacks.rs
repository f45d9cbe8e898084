//! Attacks: what comes to one target at overlapping times is one of them, whatever it consists of, and one alert.

use std::collections::BTreeMap;

use nettop_common::{Address, Event};
use nettop_model::{
    clock::Moment,
    snapshot::{Alert, Bursts, Severity, Share, TopSource, Vector},
};

use super::{
    DetectInput, RULES, alerts,
    floods::Verdict,
    locate::{Net, locate, locate_nets},
    measure::{Part, Site},
    mix::Mix,
    rule::Finds,
    spoofed_flood, words,
};

/// It goes on down to this share of the threshold, so that a value close to it does not raise one after another.
const HOLDS: f64 = 0.8;
/// Several kinds, each below its own threshold, are an attack together from here on ...
const TOGETHER: f64 = 1.5;
/// ... where each of two at least comes to this.
const EACH: f64 = 0.3;
/// What is less than this share of an attack is not told.
const WORTH: f64 = 0.02;
/// An attack that pauses so long may go on; then it is over.
const PAUSE_NS: u64 = 60_000_000_000;
/// Nothing for so long is a pause.
const QUIET_NS: u64 = 3_000_000_000;
/// More hosts than these of one network are attacked as a network.
const HOSTS: usize = 4;
/// A kind is what the attack is called where it is at least this share of it.
const HALF: f64 = 0.5;
/// More sources are not named.
const SOURCES: usize = 5;
/// Hosts and heavy traffic told at once.
const MOST: usize = 5;
/// The busiest so many sources that send nearly all of what goes to hosts all over send it from here.
const SENDERS: usize = 2;
const NEARLY_ALL: f64 = 0.8;

/// What a sum of kinds is called of which none has half.
pub const VOLUMETRIC: &str = "volumetric";
/// Traffic that is none.
pub const HEAVY: &str = "heavy-traffic";

/// What was found at a target in a second.
struct Found<'a> {
    net: Option<Net>,
    hosts: usize,
    /// With the share of each that goes there.
    parts: Vec<(&'a Part, f64)>,
}

impl Found<'_> {
    /// The parts that are an attack, with their levels.
    fn levels(&self) -> impl Iterator<Item = (&Part, f64)> {
        self.parts.iter().map(|(part, share)| (*part, part.level() * share)).filter(|(_, level)| *level > 0.0)
    }

    /// Whether an attack would begin with it.
    fn begins(&self) -> bool {
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

/// One kind of an attack, since it began.
#[derive(Debug, Default)]
struct Kind {
    packets: f64,
    level: f64,
    /// The threshold when it began to be part of the attack.
    threshold: f64,
    pps: f64,
    bps: f64,
    usual: Option<f64>,
    mix: Mix,
    of: Vec<String>,
    evidence: Vec<String>,
}

/// An attack that lasts, or pauses.
#[derive(Debug)]
pub struct Attack {
    alert: Alert,
    net: Option<Net>,
    hosts: usize,
    /// By the place of the rule.
    kinds: BTreeMap<usize, Kind>,
    began_ns: u64,
    found_ns: u64,
    /// When this burst began.
    burst_ns: u64,
    /// How long those before it lasted, all together.
    bursts_s: f64,
    /// When the newest one before it began, and the first.
    bursts: u32,
    forged: bool,
}

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
        Changes { raised, over: self.end(at, scene) }
    }

    /// What holds an attack that lasts, though none would begin with it.
    fn holding<'a>(&self, sites: &'a [Site], found: &[Found]) -> Vec<Found<'a>> {
        let mut holding = Vec::new();
        for attack in &self.lasting {
            if found.iter().any(|found| attack.is_at(found.net)) {
                continue;
            }
            let of_attack = |site: &&Site| match (site.who, attack.net) {
                (Some(who), Some(net)) => net.contains(&who),
                (None, None) => true,
                (None, Some(net)) => !net.is_host(),
                (Some(_), None) => false,
            };
            let parts: Vec<_> = sites.iter().filter(of_attack).flat_map(|site| &site.parts).collect();
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
        let rate = spoofed_flood::rate(scene)?;
        let net = spoofed_flood::target(scene);
        let is_there = |attack: &&mut Attack| attack.is_at(net) && attack.alert.kind != spoofed_flood::KIND;
        if let Some(attack) = self.lasting.iter_mut().find(is_there) {
            attack.found(at);
            return None;
        }
        let threshold = scene.threshold_of(spoofed_flood::KIND);
        let begins = rate >= threshold && !scene.first;
        // Any attack that lasts explains them.
        let (attack, is_new) = match self.lasting.iter().position(|attack| attack.found_ns == at.monotonic_ns) {
            Some(_) => return None,
            None => match self.lasting.iter().position(|attack| attack.alert.kind == spoofed_flood::KIND) {
                Some(lasting) => (&mut self.lasting[lasting], false),
                None if begins => {
                    let found = Found { net, hosts: 1, parts: Vec::new() };
                    self.lasting.push(Attack::new(at, *number, &found));
                    *number += 1;
                    (self.lasting.last_mut()?, true)
                }
                None => return None,
            },
        };
        attack.spoofed_goes_on(at, scene, rate, net);
        is_new.then(|| attack.alert.clone())
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

    fn end(&mut self, at: Moment, scene: &DetectInput) -> Vec<Alert> {
        let mut over = Vec::new();
        for attack in &mut self.lasting {
            attack.pause(at, scene);
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

    /// Whether what comes to this target is part of one: nobody shall get used to it.
    pub fn is_at(&self, who: Option<Address>) -> bool {
        self.lasting.iter().any(|attack| match (who, attack.net) {
            (Some(who), Some(net)) => net.contains(&who),
            (None, Some(net)) => !net.is_host(),
            (_, None) => true,
        })
    }
}

/// Where something begins.
fn find<'a>(scene: &DetectInput, sites: &'a [Site]) -> Vec<Found<'a>> {
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
    if std::env::var_os("DBG").is_some() { for site in sites { for part in &site.parts { eprintln!("{:?} {} all {:.0} pps {:.0} burst {:.1} thr {:.0} {:?} stray {:?} new {:?} events {} distinct {} hosts {} few {:.2}", site.who.map(|w| w.to_ip()), RULES[part.rule].kind, part.all, part.pps, part.burst, part.threshold, part.verdict, part.mix.stray, part.mix.new, part.mix.events, part.mix.distinct, part.mix.hosts, part.mix.few_flows); } } eprintln!("--- "); }
    let mut all = merge(all);
    all.retain(Found::begins);
    all
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
    let hosts = found.iter().filter(is_host).filter_map(|found| Some((found.net?, found.levels().map(|(_, level)| level).sum())));
    let hosts: Vec<(Net, f64)> = hosts.collect();
    let networks: Vec<Net> = match hosts.len() {
        0..=HOSTS => Vec::new(),
        _ => locate_nets(hosts.into_iter()).into_iter().filter(|place| place.hosts > HOSTS).map(|place| place.net).collect(),
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

impl Attack {
    fn new(at: Moment, id: u64, found: &Found) -> Self {
        let alert = Alert {
            id,
            since_ns: at.unix_ns,
            last_ns: at.unix_ns,
            bursts: Bursts { count: 1, ..Bursts::default() },
            ..Alert::default()
        };
        let now_ns = at.monotonic_ns;
        Self {
            alert,
            net: found.net,
            hosts: found.hosts,
            kinds: BTreeMap::new(),
            began_ns: now_ns,
            found_ns: now_ns,
            burst_ns: now_ns,
            bursts_s: 0.0,
            bursts: 1,
            forged: false,
        }
    }

    fn is_at(&self, net: Option<Net>) -> bool {
        match (self.net, net) {
            // What is beside a network may be a part of a larger one.
            (Some(one), Some(other)) if !one.is_host() && !other.is_host() => one.around().overlaps(other.around()),
            (Some(one), Some(other)) => one.overlaps(other),
            (None, None) => true,
            _ => false,
        }
    }

    fn has(&self, event: &Event) -> bool {
        let class = event.traffic_class();
        let is_part = |(rule, kind): (&usize, &Kind)| {
            let of_class = matches!(RULES[*rule].finds, Finds::Flood(flood) if flood.class == class);
            of_class && kind.mix.port(HALF).is_none_or(|port| port == event.destination_port)
        };
        let comes = self.net.is_none_or(|net| net.around().contains(&event.destination))
            && (self.kinds.is_empty() || self.kinds.iter().any(is_part));
        // What the target sends is answers.
        comes || self.net.is_some_and(|net| net.contains(&event.source))
    }

    fn found(&mut self, at: Moment) {
        if self.alert.bursts.paused {
            self.bursts += 1;
            self.burst_ns = at.monotonic_ns;
            self.alert.bursts.paused = false;
        }
        self.found_ns = at.monotonic_ns;
        self.alert.last_ns = at.unix_ns;
    }

    fn go_on(&mut self, at: Moment, scene: &DetectInput, found: &Found) {
        self.found(at);
        self.net = match (self.net, found.net) {
            (Some(old), Some(new)) if !self.kinds.is_empty() => old.with(new).or(Some(new)),
            (old, new) => new.or(old),
        };
        self.hosts = self.hosts.max(found.hosts);
        self.kinds.values_mut().for_each(|kind| (kind.pps, kind.bps) = (0.0, 0.0));
        for (part, share) in found.parts.iter().filter(|(part, _)| part.level() > 0.0) {
            let level = part.level() * share;
            let kind =
                self.kinds.entry(part.rule).or_insert_with(|| Kind { threshold: part.threshold, ..Kind::default() });
            kind.level += level;
            kind.packets += part.pps * share * scene.seconds;
            kind.pps += part.pps * part.burst * share;
            kind.bps += part.bps * part.burst * share;
            kind.usual = part.usual;
            // Samples come in their own time: where there are none, what was known stays known.
            if part.mix.events > 0 {
                kind.mix.clone_from(&part.mix);
                kind.of.clone_from(&part.of);
            }
            if let Verdict::Attack { evidence, .. } = &part.verdict {
                kind.evidence.clone_from(evidence);
            }
        }
        self.forged = scene.is_forged();
        self.describe(scene);
    }

    fn spoofed_goes_on(&mut self, at: Moment, scene: &DetectInput, rate: f64, net: Option<Net>) {
        self.found(at);
        self.net = net.or(self.net);
        self.forged = true;
        self.alert.value = rate;
        self.alert.peak = self.alert.peak.max(rate);
        self.alert.count = scene.strangers.count;
        self.describe(scene);
    }

    /// Another attack, which turned out to be the same one.
    fn take(&mut self, younger: Self) {
        for (rule, other) in younger.kinds {
            let kind = self.kinds.entry(rule).or_default();
            let (packets, level) = (kind.packets + other.packets, kind.level + other.level);
            if other.pps > kind.pps {
                *kind = other;
            }
            (kind.packets, kind.level) = (packets, level);
        }
        self.found_ns = self.found_ns.max(younger.found_ns);
        if let (Some(old), Some(new)) = (self.net, younger.net) {
            self.net = old.with(new).or(self.net);
        }
    }

    /// What it is told as.
    fn describe(&mut self, scene: &DetectInput) {
        self.count_bursts();
        let levels: f64 = self.kinds.values().map(|kind| kind.level).sum();
        let packets: f64 = self.kinds.values().map(|kind| kind.packets).sum();
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by(|a, b| b.1.level.total_cmp(&a.1.level));
        let largest = kinds.first().copied();
        let name = match largest {
            None => spoofed_flood::KIND,
            Some((rule, kind)) if kind.level >= levels * HALF => RULES[*rule].kind,
            Some(_) => VOLUMETRIC,
        };
        let mix = largest.map(|(_, kind)| &kind.mix);
        let port = mix.and_then(|mix| mix.port(HALF));
        let alert = &mut self.alert;
        alert.kind = name.into();
        alert.advice = alerts::rule(name).map_or(String::new(), |rule| rule.advice.into());
        alert.target = self.net.map(|net| net.target(port));
        alert.averaged_over = scene.stall;
        if largest.is_some() {
            alert.value = self.kinds.values().map(|kind| kind.pps).sum();
            alert.peak = alert.peak.max(alert.value);
            alert.count = self.kinds.values().map(|kind| kind.mix.distinct).max().unwrap_or_default();
        }
        alert.usual = largest.and_then(|(_, kind)| kind.usual);
        let vector = |(rule, kind): (&usize, &Kind)| Vector {
            kind: RULES[*rule].kind.into(),
            pps: kind.pps,
            bps: kind.bps,
            share: kind.packets / packets.max(1.0),
            ports: kind
                .mix
                .ports
                .iter()
                .filter(|(port, share)| *port != 0 && *share >= 0.2)
                .map(|(port, _)| *port)
                .collect(),
            of: kind.of.clone(),
        };
        alert.vectors =
            kinds.iter().map(|(rule, kind)| vector((rule, kind))).filter(|vector| vector.share >= WORTH).collect();
        let busiest = mix.map(|mix| mix.sources.as_slice()).unwrap_or_default();
        let pps = largest.map_or(0.0, |(_, kind)| kind.pps);
        let worth = busiest.iter().filter(|(_, share)| *share >= 0.01).take(SOURCES);
        alert.sources = worth.map(|(source, share)| TopSource { ip: source.to_ip(), pps: pps * share }).collect();
        alert.origins = origins(busiest, scene);
        alert.evidence = kinds.iter().flat_map(|(_, kind)| kind.evidence.iter().cloned()).collect();
        alert.evidence.dedup();
        if self.forged {
            let each = scene.strangers.count;
            alert.evidence.push(format!(
                "{} addresses/s that were never seen before send a packet or two each",
                nettop_model::format::count(each, 11)
            ));
        }
        let harm = scene.host.map(|host| host.harm());
        alert.severity = match &harm {
            Some(harm) if harm.is_empty() => Severity::Warn,
            _ => Severity::Critical,
        };
        match harm {
            Some(harm) if harm.is_empty() => alert.evidence.push("this host shows no harm".into()),
            Some(harm) => alert.evidence.extend(harm),
            None => alert.evidence.push("what harm it does is not known: only packets are seen".into()),
        }
        let distinct = mix.map_or((0, false), |mix| (mix.distinct, mix.and_more));
        self.alert.message = words::attack(&self.alert, self.hosts, distinct, self.forged, scene);
    }

    fn count_bursts(&mut self) {
        let seconds = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e9;
        let this = seconds(self.burst_ns, self.found_ns) + 1.0;
        let bursts = &mut self.alert.bursts;
        bursts.count = self.bursts;
        bursts.seconds = (self.bursts_s + this) / f64::from(self.bursts);
        let gaps = self.bursts.saturating_sub(1);
        bursts.every = if gaps > 0 { seconds(self.began_ns, self.burst_ns) / f64::from(gaps) } else { 0.0 };
    }

    /// Looks whether it pauses.
    fn pause(&mut self, at: Moment, scene: &DetectInput) {
        let silent_ns = at.monotonic_ns.saturating_sub(self.found_ns);
        // What comes in bursts is not quiet between them for less.
        if silent_ns > 0 && !self.alert.bursts.paused && silent_ns >= QUIET_NS.min(1_500_000_000) {
            self.bursts_s += self.found_ns.saturating_sub(self.burst_ns) as f64 / 1e9 + 1.0;
            self.alert.bursts.paused = true;
            self.alert.value = 0.0;
            self.alert.message = words::paused(&self.alert, scene);
        }
    }

    /// The alert as it is at this moment.
    fn now(&self, at: Moment) -> Alert {
        let seconds = at.monotonic_ns.saturating_sub(self.began_ns) as f64 / 1e9;
        Alert { seconds, ..self.alert.clone() }
    }

    /// The alert, which is over: since nothing came any more.
    fn over(&self, at: Moment) -> Alert {
        let seconds = self.found_ns.saturating_sub(self.began_ns) as f64 / 1e9 + 1.0;
        let bursts = Bursts { paused: false, ..self.alert.bursts };
        Alert { until_ns: Some(at.unix_ns), seconds, bursts, ..self.alert.clone() }
    }
}

/// Where sources are, as far as samples tell.
fn origins(sources: &[(Address, f64)], scene: &DetectInput) -> Vec<Share> {
    let mut shares: BTreeMap<String, f64> = BTreeMap::new();
    for (source, share) in sources {
        let network = Net::host(source).network().to_string();
        for of in (scene.place)(source).into_iter().chain([network]) {
            *shares.entry(of).or_default() += share;
        }
    }
    let mut shares: Vec<_> =
        shares.into_iter().filter(|(_, share)| *share >= 0.05).map(|(of, share)| Share { of, share }).collect();
    shares.sort_by(|a, b| b.share.total_cmp(&a.share));
    shares.truncate(6);
    shares
}

/// Traffic that is heavy, and no attack: what it is, to whom, how much, and its largest part.
pub fn heavy(sites: &[Site]) -> impl Iterator<Item = (&Site, &Part, &'static str)> {
    let parts = sites.iter().flat_map(|site| site.parts.iter().map(move |part| (site, part)));
    parts
        .filter_map(|(site, part)| match part.verdict {
            Verdict::Heavy(why) if part.pps >= part.floor && site.who.is_some() => Some((site, part, why)),
            _ => None,
        })
        .take(MOST)
}
