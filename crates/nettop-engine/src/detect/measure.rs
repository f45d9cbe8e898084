//! What came to whom in a second, kind by kind: every target that gets enough of something to be looked at, and all others together.

use foldhash::{HashMap, HashMapExt as _};
use nettop_common::{Address, Event, TrafficClass};

use super::{
    DetectInput, RULES, UNSETTLED, attacks,
    floods::{Flood, Judged, Look, Verdict, services},
    mix::Mix,
    rule::Finds,
    targets::ByClass,
};

/// Targets that are looked at one by one.
const MOST: usize = 64;
/// From this share of a threshold on something is looked at.
const NOTABLE: f64 = 0.1;
/// One that is three times as busy as usual is not usual any more.
const TIMES_USUAL: f64 = 3.0;
const PART: f64 = 0.2;
/// Samples looked at for that, and the share of those whose source gets something, from which on both directions are seen.
const SOME: usize = 1000;
const BOTH: f64 = 0.05;
/// Nearly all.
const NEARLY_ALL: f64 = 0.9;

/// A target, or all that are not looked at one by one.
pub struct Site {
    /// Which one.
    pub who: Option<Address>,
    /// What came, of each kind that is notable.
    pub parts: Vec<Part>,
    /// It is not among the others.
    pub stands_alone: bool,
}

/// What came of one kind.
pub struct Part {
    /// The place of the kind in [`RULES`].
    pub rule: usize,
    /// Packets per second that are of this kind, averaged over the second.
    pub pps: f64,
    /// All that were looked at, whatever they are.
    pub all: f64,
    /// How many times as fast they came for a moment.
    pub burst: f64,
    /// Bytes per second.
    pub bps: f64,
    /// What they have in common.
    pub mix: Mix,
    /// What they are.
    pub verdict: Verdict,
    /// What they consist of.
    pub of: Vec<String>,
    /// Packets per second that are usual.
    pub usual: Option<f64>,
    /// From where on they are an alert, if nothing is usual.
    pub floor: f64,
    /// From where on they are an alert.
    pub threshold: f64,
}

impl Part {
    /// How many times the threshold it is; 0: it is no attack.
    pub fn level(&self) -> f64 {
        if matches!(self.verdict, Verdict::Attack { .. }) { self.times() } else { 0.0 }
    }

    /// Whether it is UDP.
    pub fn is_udp(&self) -> bool {
        matches!(RULES[self.rule].finds, Finds::Flood(flood) if flood.class == TrafficClass::Udp)
    }

    /// Whether it is as much as a flood, about, and none.
    fn is_other(&self) -> bool {
        !matches!(self.verdict, Verdict::Attack { .. }) && self.all >= self.floor * 0.5
    }

    /// How many times the threshold there is of it, whatever it is.
    pub fn times(&self) -> f64 {
        self.pps * self.burst / self.threshold
    }
}

/// The kinds of floods with their places in [`RULES`].
fn floods() -> impl Iterator<Item = (usize, &'static Flood)> {
    RULES.iter().enumerate().filter_map(|(at, rule)| match &rule.finds {
        Finds::Flood(flood) => Some((at, flood)),
        _ => None,
    })
}

/// Looks at a second.
pub fn measure(scene: &DetectInput) -> Vec<Site> {
    let all = scene.targets.all().map(|tally| scene.per_second(tally.packets));
    // From where on a class is worth a look; none of its rules may be wanted.
    let mut notable = [f64::INFINITY; TrafficClass::COUNT];
    for (at, flood) in floods() {
        let threshold = scene.thresholds.value(at) as f64;
        if threshold > 0.0 {
            let least = &mut notable[flood.class as usize];
            *least = least.min(threshold * NOTABLE);
        }
    }
    let bursts: ByClass<Burst> = std::array::from_fn(|class| {
        let (times, packets) = scene.targets.burst(TrafficClass::ALL[class], scene.seconds);
        Burst { times, share: packets as f64 / scene.targets.all()[class].packets.max(1) as f64 }
    });
    let is_notable = |class: usize, pps: f64| pps * bursts[class].times >= notable[class];
    if !(0..TrafficClass::COUNT).any(|class| is_notable(class, all[class])) {
        return Vec::new();
    }
    let mut chosen: Vec<(Address, f64)> = scene
        .targets
        .iter()
        .map(|(address, class, tally)| (address, class as usize, scene.per_second(tally.packets)))
        .filter(|(_, class, pps)| is_notable(*class, *pps))
        .map(|(address, class, pps)| (address, pps / notable[class]))
        .collect();
    chosen.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut places: HashMap<Address, usize> = HashMap::new();
    let mut who = Vec::new();
    for (address, _) in chosen {
        if who.len() < MOST && !places.contains_key(&address) {
            places.insert(address, who.len());
            who.push(Some(address));
        }
    }
    let mut sums: Vec<ByClass<(f64, f64)>> = vec![Default::default(); who.len()];
    for (address, class, tally) in scene.targets.iter() {
        if let Some(place) = places.get(&address) {
            sums[*place][class as usize] = (tally.packets as f64, tally.bytes as f64);
        }
    }
    let mut sampled = Sampled::new(scene, &places, who.len());
    let look = |(place, (who, sums)): (usize, (Option<Address>, &ByClass<(f64, f64)>)), sampled: &Sampled| {
        let classes = sums.map(|(packets, _)| packets / scene.seconds);
        let mut parts = Vec::new();
        for class in
            TrafficClass::ALL.iter().copied().filter(|class| is_notable(*class as usize, classes[*class as usize]))
        {
            let (packets, bytes) = sums[class as usize];
            // Of what is less than half of a class nobody knows whether it came in bursts.
            let pps = packets / scene.seconds;
            let burst = if pps >= all[class as usize] * PART { bursts[class as usize] } else { Burst::NONE };
            let of = OfClass { class, pps, length: bytes / packets.max(1.0), burst };
            parts.extend(of.parts(scene, who, &classes, &all, &sampled, place));
        }
        Site { who, parts, stands_alone: who.is_none() }
    };
    let mut sites: Vec<_> = who.into_iter().zip(&sums).enumerate().map(|site| look(site, &sampled)).collect();
    // What is neither an attack by itself nor traffic by itself may be part of an attack on a network.
    let mut rest: ByClass<(f64, f64)> = scene.targets.all().map(|tally| (tally.packets as f64, tally.bytes as f64));
    for (place, site) in sites.iter_mut().enumerate() {
        let begins = attacks::begins(site.parts.iter().map(Part::level));
        site.stands_alone = begins || site.parts.iter().any(Part::is_other);
        if site.stands_alone {
            let own = &sums[place];
            rest.iter_mut().zip(own).for_each(|(rest, own)| *rest = (rest.0 - own.0, rest.1 - own.1));
        } else {
            sampled.move_to_rest(place);
        }
    }
    let place = sites.len();
    sites.push(look((place, (None, &rest)), &sampled));
    sites.retain(|site| !site.parts.is_empty());
    sites
}

/// Samples by target and class, and what targets send.
struct Sampled<'a> {
    /// The last one is of all others.
    to: Vec<ByClass<Vec<&'a Event>>>,
    from: Vec<Option<ByClass<f64>>>,
    /// Of what is sent, questions to services that answer at length, and datagrams by source port.
    asks: Vec<f64>,
    sends_from: Vec<HashMap<u16, f64>>,
    sees_both: bool,
    thinned: bool,
}

impl<'a> Sampled<'a> {
    fn new(scene: &DetectInput<'a>, places: &HashMap<Address, usize>, count: usize) -> Self {
        let mut to: Vec<ByClass<Vec<&Event>>> = (0..=count).map(|_| Default::default()).collect();
        let (mut from, mut asks) = (vec![None; count + 1], vec![0.0; count + 1]);
        let mut sends_from: Vec<HashMap<u16, f64>> = vec![HashMap::new(); count + 1];
        let each = scene.samples.dropped() / scene.seconds;
        for event in scene.samples.kept() {
            let class = event.traffic_class() as usize;
            to[places.get(&event.destination).copied().unwrap_or(count)][class].push(event);
            if let Some(place) = places.get(&event.source) {
                let sends = from[*place].get_or_insert([0.0; TrafficClass::COUNT]);
                sends[class] += f64::from(event.weight) * each;
                if class == TrafficClass::Udp as usize {
                    let pps = f64::from(event.weight) * each;
                    *sends_from[*place].entry(event.source_port).or_default() += pps;
                    if services::reflector(event.destination_port).is_some() {
                        asks[*place] += pps;
                    }
                }
            }
        }
        // Some of the samples are enough to see whether those who send get something, too.
        let kept = scene.samples.kept();
        let some = kept.iter().step_by(kept.len() / SOME + 1);
        let (converse, looked_at) = some.fold((0, 0), |(converse, all), event| {
            (converse + usize::from(scene.targets.has(&event.source)), all + 1)
        });
        let sees_both = converse as f64 > looked_at as f64 * BOTH;
        Self { to, from, asks, sends_from, sees_both, thinned: scene.samples.dropped() > 1.0 }
    }

    /// What goes to a target is among that to all others.
    fn move_to_rest(&mut self, place: usize) {
        let own = std::mem::take(&mut self.to[place]);
        let Some(rest) = self.to.last_mut() else { return };
        rest.iter_mut().zip(own).for_each(|(rest, own)| rest.extend(own));
    }
}

/// What came of a class to a target.
struct OfClass {
    class: TrafficClass,
    pps: f64,
    length: f64,
    burst: Burst,
}

/// How much faster than on average something came for a moment, and the share of it that came in this moment.
#[derive(Clone, Copy)]
struct Burst {
    times: f64,
    share: f64,
}

impl Burst {
    const NONE: Self = Self { times: 1.0, share: 1.0 };
    /// What came in a moment has to be this part of what a second has to bring.
    const ENOUGH: f64 = 0.6;

    /// How many times faster so many packets in a second came, where that tells anything beside this threshold.
    fn times(self, packets: f64, threshold: f64) -> f64 {
        if packets * self.share >= threshold * Self::ENOUGH { self.times } else { 1.0 }
    }
}

impl OfClass {
    /// The same by kind.
    fn parts(
        &self,
        scene: &DetectInput,
        who: Option<Address>,
        classes: &ByClass<f64>,
        all: &ByClass<f64>,
        sampled: &Sampled,
        place: usize,
    ) -> Vec<Part> {
        let mut events = sampled.to[place][self.class as usize].clone();
        let weigh = |events: &[&Event]| events.iter().map(|event| f64::from(event.weight)).sum::<f64>();
        let whole = weigh(&events);
        let mut parts = Vec::new();
        for (rule, flood) in floods().filter(|(_, flood)| flood.class == self.class) {
            let own = match flood.part {
                Some(is_own) => {
                    let (own, others) = events.into_iter().partition(|event| is_own(event));
                    events = others;
                    own
                }
                None => std::mem::take(&mut events),
            };
            let share = match flood.part {
                // Without samples all of it is of the kind that takes the rest.
                _ if whole == 0.0 => f64::from(u8::from(flood.part.is_none())),
                _ => weigh(&own) / whole,
            };
            let pps = self.pps * share;
            let floor = scene.thresholds.value(rule) as f64;
            let burst = if share >= PART { self.burst } else { Burst::NONE };
            if floor == 0.0 || pps * burst.times < floor * NOTABLE {
                continue;
            }
            let mix = Mix::of(own.iter().copied(), sampled.thinned, scene.senders);
            let look = Look {
                pps,
                floor,
                mix: &mix,
                classes,
                sends: sampled.from[place].as_ref(),
                all,
                host: scene.host.as_ref(),
                asks: sampled.asks[place],
                sends_from: &sampled.sends_from[place],
                sees_both: sampled.sees_both,
                connections_made: scene.connections_made,
                forged: scene.is_forged(),
                is_host: who.is_some(),
            };
            let came = pps;
            let Judged { pps, verdict } =
                if is_answered(scene, who, &mix) { Judged::ordinary(pps) } else { (flood.judge)(&look) };
            let of = (flood.of)(&look);
            let usual = scene.usual.of(&(who, rule));
            let learned = usual.filter(|_| scene.thresholds.learns(rule)).map_or(0.0, |usual| usual * TIMES_USUAL);
            let certain = matches!(verdict, Verdict::Attack { certain: true, .. });
            let unsettled = if scene.is_settled || certain { 1.0 } else { UNSETTLED };
            let length = if mix.events > 0 { mix.length } else { self.length };
            let threshold = floor.max(learned) * unsettled;
            let burst = burst.times(pps * scene.seconds, threshold);
            parts.push(Part { rule, pps, all: came, burst, bps: pps * length, mix, verdict, of, usual, floor, threshold });
        }
        parts
    }
}

/// Whether this is what one host answers to a newcomer, and so no attack on it.
fn is_answered(scene: &DetectInput, who: Option<Address>, mix: &Mix) -> bool {
    who.is_some_and(|who| scene.senders.manner(&who).new == Some(true)) && mix.busiest(1) >= NEARLY_ALL
}
