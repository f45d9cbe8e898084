//! What came to whom in a second, kind by kind: every target that gets enough of something to be looked at, and all others together.

mod burst;
mod class;
mod conversing;
mod sampled;
#[cfg(test)]
mod tests;

use foldhash::HashMap;
use nettop_common::{Address, TrafficClass, counters::ByClass};
use nettop_model::order;

pub use self::conversing::Conversing;
use self::{burst::Burst, class::OfClass, sampled::Sampled};
use super::{
    DetectInput, RULES, attacks,
    floods::{Flood, Verdict},
    mix::Mix,
    rule::Finds,
    usual::TIMES_USUAL,
};

/// Targets that are looked at one by one.
const MOST: usize = 64;
/// From this share of a threshold on something is looked at.
const NOTABLE: f64 = 0.1;
/// A target that gets this share of a class gets what came of it in a burst.
const PART: f64 = 0.2;
/// From this share of a threshold on something that is no attack is told apart from the rest.
const APART: f64 = 0.5;

/// A target, or all that are not looked at one by one.
pub struct Site {
    /// Its address; `None`: all that are not looked at one by one.
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
    /// Whether that is more than it would be if nothing were usual.
    pub raised: bool,
}

impl Part {
    /// How many times the threshold it is; 0: it is no attack.
    pub fn level(&self) -> f64 {
        if matches!(self.verdict, Verdict::Attack { .. }) { self.times() } else { 0.0 }
    }

    /// How much of it is to be learned as usual. Heavy traffic counts so that as much of an attack beside it is one; what is told from
    /// attacks for certain needs no other threshold.
    pub fn learned(&self) -> f64 {
        match self.verdict {
            Verdict::Attack { .. } => self.pps,
            Verdict::Heavy(_) => self.pps / TIMES_USUAL,
            Verdict::Ordinary => 0.0,
        }
    }

    /// Whether it looks like an attack that is not large enough.
    pub fn is_suspect(&self) -> bool {
        self.level() > 0.0 && self.pps >= self.floor
    }

    /// Whether it is UDP.
    pub fn is_udp(&self) -> bool {
        matches!(RULES[self.rule].finds, Finds::Flood(flood) if flood.class == TrafficClass::Udp)
    }

    /// Whether it is as much as a flood, about, and none, or usual for this target: among the others it would not be.
    fn is_other(&self) -> bool {
        let is_none = !matches!(self.verdict, Verdict::Attack { .. }) || self.raised && self.times() < 1.0;
        is_none && self.all >= self.floor * APART
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

/// Packets and bytes by class in a second.
type Sums = ByClass<(f64, f64)>;

/// A second, and what is worth a look in it.
struct Second<'a, 'b> {
    scene: &'b DetectInput<'a>,
    /// Packets per second of each class to all targets.
    all: ByClass<f64>,
    bursts: ByClass<Burst>,
    /// From how many packets per second on a class is looked at.
    notable: ByClass<f64>,
}

impl<'a, 'b> Second<'a, 'b> {
    fn new(scene: &'b DetectInput<'a>) -> Self {
        let mut notable: ByClass<f64> = [f64::INFINITY; _];
        for (at, flood) in floods() {
            let threshold = scene.thresholds.value(at) as f64;
            if threshold > 0.0 {
                let least = &mut notable[flood.class as usize];
                *least = least.min(threshold * NOTABLE);
            }
        }
        let all = scene.targets.all().map(|tally| scene.per_second(tally.packets));
        let bursts = std::array::from_fn(|class| Burst::of(scene, TrafficClass::ALL[class]));
        Self { scene, all, bursts, notable }
    }

    fn is_notable(&self, class: usize, pps: f64) -> bool {
        pps * self.bursts[class].times >= self.notable[class]
    }

    /// The targets that get most, measured by what is notable.
    fn targets(&self) -> Vec<Address> {
        let Self { scene, notable, .. } = self;
        let rates = scene
            .targets
            .iter()
            .map(|(address, class, tally)| (address, class as usize, scene.per_second(tally.packets)));
        let of_note = rates.filter(|(_, class, pps)| self.is_notable(*class, *pps));
        let mut chosen: Vec<_> = of_note.map(|(address, class, pps)| (address, pps / notable[class])).collect();
        order::sort_by(&mut chosen, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut targets = Vec::new();
        for (address, _) in chosen {
            if targets.len() < MOST && !targets.contains(&address) {
                targets.push(address);
            }
        }
        targets
    }

    /// What came to the target at this place.
    fn look(&self, who: Option<Address>, sums: &Sums, sampled: &Sampled, place: usize) -> Site {
        let classes = sums.map(|(packets, _)| packets / self.scene.seconds);
        let mut parts = Vec::new();
        for class in TrafficClass::ALL {
            let at = *class as usize;
            let ((packets, bytes), pps) = (sums[at], classes[at]);
            if !self.is_notable(at, pps) {
                continue;
            }
            let burst = if pps >= self.all[at] * PART { self.bursts[at] } else { Burst::NONE };
            let of =
                OfClass { class: *class, pps, length: bytes / packets.max(1.0), burst, classes: &classes, who, place };
            parts.extend(of.parts(self.scene, &self.all, sampled));
        }
        Site { who, parts, stands_alone: who.is_none() }
    }
}

/// Looks at a second.
pub fn measure(scene: &DetectInput) -> Vec<Site> {
    let second = Second::new(scene);
    if !(0..TrafficClass::COUNT).any(|class| second.is_notable(class, second.all[class])) {
        return Vec::new();
    }
    let targets = second.targets();
    let places: HashMap<Address, usize> = targets.iter().copied().zip(0..).collect();
    let mut sums: Vec<Sums> = vec![Default::default(); targets.len()];
    for (address, class, tally) in scene.targets.iter() {
        if let Some(place) = places.get(&address) {
            sums[*place][class as usize] = (tally.packets as f64, tally.bytes as f64);
        }
    }
    let mut sampled = Sampled::new(scene, &places, targets.len());
    let looks = targets.iter().zip(&sums).enumerate();
    let mut sites: Vec<_> = looks.map(|(place, (who, sums))| second.look(Some(*who), sums, &sampled, place)).collect();
    // What is neither an attack by itself nor traffic by itself may be part of an attack on a network.
    let mut rest = scene.targets.all().map(|tally| (tally.packets as f64, tally.bytes as f64));
    for (place, site) in sites.iter_mut().enumerate() {
        let begins = attacks::begins(site.parts.iter().map(Part::level));
        site.stands_alone = begins || site.parts.iter().any(Part::is_other);
        if site.stands_alone {
            rest.iter_mut().zip(&sums[place]).for_each(|(rest, own)| *rest = (rest.0 - own.0, rest.1 - own.1));
        } else {
            sampled.move_to_rest(place);
        }
    }
    sites.push(second.look(None, &rest, &sampled, targets.len()));
    sites.retain(|site| !site.parts.is_empty());
    sites
}
