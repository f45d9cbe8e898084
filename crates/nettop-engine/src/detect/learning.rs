//! What of a second is learned as usual.

use foldhash::HashSet;

use super::{
    DetectInput, RULES,
    alerts::Alerts,
    attacks::Attacks,
    floods::Verdict,
    measure::Part,
    rule::{Each, Finds},
    spoofed_flood,
    usual::{Key, Rate},
};

/// What comes within so many seconds of the start was there before.
const BEGINNING: f64 = 2.0;

/// What is learned.
pub struct Learned {
    /// Packets per second, of floods; what else rules learn.
    pub rates: Vec<Rate>,
    /// What is heavy traffic.
    pub heavy: Vec<Key>,
}

/// What there was in the first seconds: it is usual, as far as anybody knows, also where it looks like an attack.
#[derive(Default)]
pub struct FromStart(HashSet<Key>);

impl FromStart {
    /// What is learned of a second, of which nothing is that goes to a target of an attack, or that a rule raised an alert of. `age`: seconds
    /// since the start.
    pub fn learned(&mut self, scene: &DetectInput, attacks: &Attacks, alerts: &Alerts, age: f64) -> Learned {
        let quiet = scene.sites.iter().filter(|site| !attacks.is_at(site.who));
        let came = quiet.flat_map(|site| site.parts.iter().map(|part| ((site.who.into(), part.rule), part)));
        let came: Vec<_> = came.collect();
        let is_heavy = |(_, part): &&(Key, &Part)| matches!(part.verdict, Verdict::Heavy(_));
        let heavy = came.iter().filter(is_heavy).map(|(key, _)| *key).collect();
        let rate = |(key, part): (Key, &Part)| (key, part.learned(), part.is_suspect());
        let mut rates: Vec<_> = came.into_iter().map(rate).collect();
        if !attacks.lasts() {
            rates.extend(spoofed_flood::learned(scene));
        }
        let quiet = RULES.iter().filter(|rule| !alerts.has(rule.kind));
        rates.extend(quiet.flat_map(|rule| match rule.finds {
            Finds::Each(Each { learned: Some(learned), .. }) => learned(scene),
            _ => Vec::new(),
        }));
        if age < BEGINNING {
            self.0.extend(rates.iter().map(|(key, ..)| *key));
        }
        if scene.is_settled {
            self.0.clear();
        } else {
            rates.retain(|(key, _, is_suspect)| !is_suspect || self.0.contains(key));
            rates.iter_mut().for_each(|(.., is_suspect)| *is_suspect = false);
        }
        Learned { rates, heavy }
    }
}
