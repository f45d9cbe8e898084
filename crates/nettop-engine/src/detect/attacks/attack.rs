//! One attack, from its beginning to its end.

use std::collections::BTreeMap;

use nettop_common::{Address, Event, TrafficClass};
use nettop_model::{
    clock::Moment,
    format, order,
    snapshot::{Alert, Bursts, Severity, Share, TopSource, Vector},
};

use super::found::Found;
use crate::detect::{
    DetectInput, RULES,
    floods::Verdict,
    locate::Net,
    mix::Mix,
    rule::{self, Finds},
    spoofed_flood, volumetric, words,
};

/// So many times its threshold an attack is one beyond doubt.
const DOUBTLESS: f64 = 10.0;
/// What is less than this share of an attack is not told.
const WORTH: f64 = 0.02;
/// An attack that pauses so long may go on; then it is over.
pub const PAUSE_NS: u64 = 60_000_000_000;
/// Nothing for so long is a pause: a second in which nothing was found, and what a reading is late.
const QUIET_NS: u64 = 1_500_000_000;
/// A kind is what the attack is called where it is at least this share of it; so is a port its target.
const HALF: f64 = 0.5;
/// Ports with less of a kind are not told, nor sources, nor origins.
const PORT: f64 = 0.2;
const SOURCE: f64 = 0.01;
const ORIGIN: f64 = 0.05;
/// More sources and origins are not told.
const SOURCES: usize = 5;
const ORIGINS: usize = 6;
/// Columns for a number with thousands separators, before it is shortened.
const DIGITS: usize = 11;

/// One kind of an attack, since it began.
#[derive(Debug, Default)]
pub struct Kind {
    packets: f64,
    level: f64,
    /// The threshold when it began to be part of the attack.
    pub threshold: f64,
    pps: f64,
    bps: f64,
    usual: Option<f64>,
    pub mix: Mix,
    of: Vec<String>,
    evidence: Vec<String>,
    /// It rested on something that nobody can forge who only sends packets; and how many times its threshold it was at most.
    certain: bool,
    times: f64,
}

/// An attack that lasts, or pauses.
#[derive(Debug)]
pub struct Attack {
    pub alert: Alert,
    pub net: Option<Net>,
    pub hosts: usize,
    /// By the place of the rule.
    pub kinds: BTreeMap<usize, Kind>,
    began_ns: u64,
    pub found_ns: u64,
    /// When this burst began.
    burst_ns: u64,
    /// How long those before it lasted, all together.
    bursts_s: f64,
}

impl Attack {
    /// One that begins where this was found.
    pub fn new(at: Moment, id: u64, found: &Found) -> Self {
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
        }
    }

    /// Whether what was found there is a part of it; `None`: hosts all over.
    pub fn is_at(&self, net: Option<Net>) -> bool {
        match (self.net, net) {
            // What is beside a network may be a part of a larger one.
            (Some(one), Some(other)) if !one.is_host() && !other.is_host() => one.around().overlaps(other.around()),
            (Some(one), Some(other)) => one.overlaps(other),
            (None, None) => true,
            _ => false,
        }
    }

    /// Whether it is at this target; `None`: at any that is not looked at by itself.
    pub fn gets(&self, who: Option<Address>) -> bool {
        match (who, self.net) {
            (Some(who), Some(net)) => net.contains(&who),
            (None, Some(net)) => !net.is_host(),
            (who, None) => who.is_none(),
        }
    }

    /// Whether a packet is a part of it, or of what the target answers.
    pub fn has(&self, event: &Event) -> bool {
        let class = event.traffic_class();
        let is_part = |(rule, kind): (&usize, &Kind)| {
            let of_class = matches!(RULES[*rule].finds, Finds::Flood(flood) if flood.class == class);
            of_class && kind.mix.port(HALF).is_none_or(|port| port == event.destination_port)
        };
        // All who send datagrams to a target take part, whatever it consisted of until then.
        let is_part_of_any = class == TrafficClass::Udp;
        let comes = self.net.is_none_or(|net| net.around().contains(&event.destination))
            && (is_part_of_any || self.kinds.is_empty() || self.kinds.iter().any(is_part));
        // What the target sends is answers.
        comes || self.net.is_some_and(|net| net.contains(&event.source))
    }

    /// Something of it came.
    pub fn found(&mut self, at: Moment) {
        if self.alert.bursts.paused {
            self.alert.bursts.count += 1;
            self.burst_ns = at.monotonic_ns;
            self.alert.bursts.paused = false;
        }
        self.found_ns = at.monotonic_ns;
        self.alert.last_ns = at.unix_ns;
    }

    /// It goes on with what was found of it in a second.
    pub fn go_on(&mut self, at: Moment, scene: &DetectInput, found: &Found) {
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
            kind.times = kind.times.max(level);
            // Samples come in their own time: where there are none, what was known stays known.
            if part.mix.events > 0 {
                kind.mix.clone_from(&part.mix);
                kind.of.clone_from(&part.of);
            }
            if let Verdict::Attack { evidence, certain } = &part.verdict {
                kind.certain |= certain;
                kind.evidence.clone_from(evidence);
            }
        }
        self.alert.forged = scene.is_forged();
        self.describe(scene);
    }

    /// It goes on with so many new sources per second, and nothing else is known of it.
    pub fn spoofed_goes_on(&mut self, at: Moment, scene: &DetectInput, rate: f64, net: Option<Net>) {
        self.found(at);
        self.net = net.or(self.net);
        self.alert.forged = true;
        self.alert.value = rate;
        self.alert.peak = self.alert.peak.max(rate);
        self.alert.count = scene.strangers.count;
        self.describe(scene);
    }

    /// Another attack, which turned out to be the same one.
    pub fn take(&mut self, younger: Self) {
        for (rule, other) in younger.kinds {
            let Some(kind) = self.kinds.get_mut(&rule) else {
                self.kinds.insert(rule, other);
                continue;
            };
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
        order::sort_by(&mut kinds, |a, b| b.1.level.total_cmp(&a.1.level));
        let largest = kinds.first().copied();
        let name = match largest {
            None => spoofed_flood::KIND,
            Some((rule, kind)) if kind.level >= levels * HALF => RULES[*rule].kind,
            Some(_) => volumetric::KIND,
        };
        let mix = largest.map(|(_, kind)| &kind.mix);
        let port = mix.and_then(|mix| mix.port(HALF));
        let alert = &mut self.alert;
        alert.kind = name.into();
        alert.advice = rule::named(name).map_or(String::new(), |rule| rule.advice.into());
        alert.target = self.net.map(|net| net.target(port));
        alert.hosts = if self.net.is_some_and(|net| !net.is_host()) { self.hosts as u64 } else { 0 };
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
                .filter(|(port, share)| *port != 0 && *share >= PORT)
                .map(|(port, _)| *port)
                .collect(),
            of: kind.of.clone(),
        };
        alert.vectors =
            kinds.iter().map(|(rule, kind)| vector((rule, kind))).filter(|vector| vector.share >= WORTH).collect();
        let busiest = mix.map(|mix| mix.sources.as_slice()).unwrap_or_default();
        let pps = largest.map_or(0.0, |(_, kind)| kind.pps);
        let worth = busiest.iter().filter(|(_, share)| *share >= SOURCE).take(SOURCES);
        alert.sources = worth.map(|(source, share)| TopSource { ip: source.to_ip(), pps: pps * share }).collect();
        alert.origins = origins(busiest, scene);
        alert.evidence = kinds.iter().flat_map(|(_, kind)| kind.evidence.iter().cloned()).collect();
        alert.evidence.dedup();
        if alert.forged {
            let each = scene.strangers.count;
            alert.evidence.push(format!(
                "{} addresses/s that were never seen before send a packet or two each",
                format::count(each, DIGITS)
            ));
        }
        let is_beyond_doubt = alert.forged || kinds.iter().any(|(_, kind)| kind.certain || kind.times >= DOUBTLESS);
        let harm = scene.host.map(|host| host.harm());
        alert.severity = match &harm {
            Some(harm) if harm.is_empty() => Severity::Warn,
            // Where nothing tells what harm it does, it has to be beyond doubt.
            None if !is_beyond_doubt => Severity::Warn,
            _ => Severity::Critical,
        };
        match harm {
            Some(harm) if harm.is_empty() => alert.evidence.push("this host shows no harm".into()),
            Some(harm) => alert.evidence.extend(harm),
            None => alert.evidence.push("what harm it does is not known: there are no counters of the host".into()),
        }
        let distinct = mix.map_or((0, false), |mix| (mix.distinct, mix.and_more));
        self.alert.message = words::attack(&self.alert, distinct, scene);
    }

    fn count_bursts(&mut self) {
        let seconds = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e9;
        let this = seconds(self.burst_ns, self.found_ns) + 1.0;
        let bursts = &mut self.alert.bursts;
        bursts.seconds = (self.bursts_s + this) / f64::from(bursts.count);
        let gaps = bursts.count.saturating_sub(1);
        bursts.every = if gaps > 0 { seconds(self.began_ns, self.burst_ns) / f64::from(gaps) } else { 0.0 };
    }

    /// Looks whether it pauses.
    pub fn pause(&mut self, at: Moment) {
        let silent_ns = at.monotonic_ns.saturating_sub(self.found_ns);
        // What comes in bursts is not quiet between them for less.
        if !self.alert.bursts.paused && silent_ns >= QUIET_NS {
            self.bursts_s += self.found_ns.saturating_sub(self.burst_ns) as f64 / 1e9 + 1.0;
            self.alert.bursts.paused = true;
            self.alert.value = 0.0;
            self.alert.message = words::paused(&self.alert);
        }
    }

    /// The alert as it is at this moment.
    pub fn now(&self, at: Moment) -> Alert {
        let seconds = at.monotonic_ns.saturating_sub(self.began_ns) as f64 / 1e9;
        Alert { seconds, ..self.alert.clone() }
    }

    /// The alert, which is over: since nothing came any more.
    pub fn over(&self, at: Moment) -> Alert {
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
        shares.into_iter().filter(|(_, share)| *share >= ORIGIN).map(|(of, share)| Share { of, share }).collect();
    order::sort_by(&mut shares, |a, b| b.share.total_cmp(&a.share));
    shares.truncate(ORIGINS);
    shares
}
