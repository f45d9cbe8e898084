//! The samples of a second by target and class, and what targets send.

use foldhash::{HashMap, HashMapExt as _};
use nettop_common::{Address, Event, TrafficClass, counters::ByClass};

use crate::detect::{DetectInput, floods::services};

/// Samples looked at to see whether both directions are seen, and the share of those whose source gets something, from which on they are.
const SOME: usize = 1000;
const BOTH: f64 = 0.05;

/// Samples by target and class, and what targets send.
pub struct Sampled<'a> {
    /// The last one is of all others.
    pub to: Vec<ByClass<Vec<&'a Event>>>,
    /// Packets per second of each class that a target sends; `None`: none are seen.
    pub from: Vec<Option<ByClass<f64>>>,
    /// Questions per second that a target sends to services that answer at length.
    pub asks: Vec<f64>,
    /// Datagrams per second that a target sends, by source port.
    pub sends_from: Vec<HashMap<u16, f64>>,
    /// Whether both directions are seen.
    pub sees_both: bool,
    /// Whether each stands for more than one packet.
    pub thinned: bool,
}

impl<'a> Sampled<'a> {
    /// Of a second, for so many targets that have these places.
    pub fn new(scene: &DetectInput<'a>, places: &HashMap<Address, usize>, count: usize) -> Self {
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
        let (converse, looked_at) = some
            .fold((0, 0), |(converse, all), event| (converse + usize::from(scene.targets.has(&event.source)), all + 1));
        let sees_both = converse as f64 > looked_at as f64 * BOTH;
        Self { to, from, asks, sends_from, sees_both, thinned: scene.samples.dropped() > 1.0 }
    }

    /// What goes to a target is among that to all others.
    pub fn move_to_rest(&mut self, place: usize) {
        let own = std::mem::take(&mut self.to[place]);
        let Some(rest) = self.to.last_mut() else { return };
        rest.iter_mut().zip(own).for_each(|(rest, own)| rest.extend(own));
    }
}
