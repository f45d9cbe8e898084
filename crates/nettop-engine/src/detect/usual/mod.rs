//! What is usual: how much of each kind comes to each target on an ordinary day, as far as was seen.

mod saved;

use foldhash::HashMap;
use nettop_common::Address;

/// Pairs of target and kind that are remembered.
const MOST: usize = 1024;
/// Sums are made of so many seconds.
const SUM_SECONDS: f64 = 10.0;
/// So many sums are one generation, of which two are kept: half an hour.
const GENERATION: u32 = 180;
/// Buckets in each doubling of a rate: a quantile is wrong by a tenth at most.
const PER_OCTAVE: f64 = 4.0;
/// One that is three times as busy as usual is not usual any more. Of heavy traffic as much less is learned.
pub const TIMES_USUAL: f64 = 3.0;
/// What looks like an attack becomes usual slowly: one sum in so many may be so many times what is.
const NOW_AND_THEN: u32 = 6;
const MORE: f64 = 1.2;
/// Rates up to 2²⁴ packets per second, the fastest that one host receives.
const BUCKETS: usize = 96;
/// The share of sums that are not above what is usual.
const QUANTILE: f64 = 0.99;

/// Of what something is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Of {
    /// All that are not looked at one by one, or the host as a whole.
    All,
    /// What comes to an address.
    Target(Address),
    /// What there is at a port of this host.
    Port(u16),
    /// Remote addresses that were not sent anything before.
    NewRemotes,
}

impl From<Option<Address>> for Of {
    fn from(who: Option<Address>) -> Self {
        who.map_or(Self::All, Self::Target)
    }
}

/// Of what; and the place of the kind among the rules.
pub type Key = (Of, usize);

/// So much of it there was in a second, per second; true: it looks like an attack.
pub type Rate = (Key, f64, bool);

/// Sums of packets per second over ten seconds, as a histogram.
#[derive(Clone, Debug)]
struct Sketch {
    newer: [u16; BUCKETS],
    older: [u16; BUCKETS],
    sums: u32,
    /// Packets of the sum that is not complete.
    open: f64,
    /// Some of them look like an attack.
    is_suspect: bool,
    /// Heavy traffic, of which a third was learned.
    is_heavy: bool,
}

impl Default for Sketch {
    fn default() -> Self {
        Self { newer: [0; BUCKETS], older: [0; BUCKETS], sums: 0, open: 0.0, is_suspect: false, is_heavy: false }
    }
}

impl Sketch {
    fn add(&mut self, pps: f64) {
        if self.sums >= GENERATION {
            self.older = std::mem::replace(&mut self.newer, [0; BUCKETS]);
            self.sums = 0;
        }
        let bucket = (pps.max(1.0).log2() * PER_OCTAVE).ceil() as usize;
        let count = &mut self.newer[bucket.min(BUCKETS - 1)];
        *count = count.saturating_add(1);
        self.sums += 1;
    }

    /// The rate that 99 % of the sums do not exceed.
    fn quantile(&self) -> Option<f64> {
        let counts = || self.newer.iter().zip(&self.older).map(|(newer, older)| u32::from(*newer) + u32::from(*older));
        let all: u32 = counts().sum();
        let mut left = (f64::from(all) * QUANTILE).ceil() as u32;
        let bucket = counts().position(|count| {
            left = left.saturating_sub(count);
            left == 0
        });
        bucket.filter(|_| all > 0).map(|bucket| (bucket as f64 / PER_OCTAVE).exp2())
    }
}

/// All of it.
#[derive(Debug, Default)]
pub struct Usual {
    sketches: HashMap<Key, Sketch>,
    seconds: f64,
    has_past: bool,
}

impl Usual {
    /// A second of so many seconds is over, in which these packets came of each; what is part of an attack is left out, for nobody
    /// shall get used to it. True: it looks like an attack, and may be the slow beginning of one: then it is learned slowly.
    pub fn learn(&mut self, seconds: f64, rates: impl Iterator<Item = Rate>) {
        for (key, pps, is_suspect) in rates {
            let room = self.sketches.len() < MOST;
            let sketch = match self.sketches.get_mut(&key) {
                Some(sketch) => sketch,
                None if room => self.sketches.entry(key).or_default(),
                None => continue,
            };
            sketch.open += pps * seconds;
            sketch.is_suspect |= is_suspect;
        }
        self.seconds += seconds;
        if self.seconds >= SUM_SECONDS {
            let over = std::mem::take(&mut self.seconds);
            for sketch in self.sketches.values_mut() {
                let mut pps = std::mem::take(&mut sketch.open) / over;
                if std::mem::take(&mut sketch.is_suspect) {
                    let times = if sketch.sums.is_multiple_of(NOW_AND_THEN) { MORE } else { 1.0 };
                    pps = sketch.quantile().map_or(0.0, |usual| pps.min(usual * times));
                }
                sketch.add(pps);
            }
            self.make_room();
        }
    }

    /// Something is heavy traffic, and learned as such.
    pub fn note_heavy(&mut self, key: &Key) {
        self.sketches.get_mut(key).into_iter().for_each(|sketch| sketch.is_heavy = true);
    }

    /// Whether it is.
    pub fn is_heavy(&self, key: &Key) -> bool {
        self.sketches.get(key).is_some_and(|sketch| sketch.is_heavy)
    }

    /// The packets per second that are usual of it; `None`: none are.
    pub fn of(&self, key: &Key) -> Option<f64> {
        let sketch = self.sketches.get(key)?;
        let times = if sketch.is_heavy { TIMES_USUAL } else { 1.0 };
        sketch.quantile().map(|pps| pps * times).filter(|pps| *pps > 1.0)
    }

    /// From how many packets per second on it is not usual any more: three times as many, or as many again beside heavy traffic, from
    /// which an attack is told.
    pub fn limit(&self, key: &Key) -> Option<f64> {
        self.sketches.get(key)?.quantile().map(|pps| pps * TIMES_USUAL)
    }

    /// Whether anything is known of an earlier day, or of a while before.
    pub fn has_past(&self) -> bool {
        self.has_past
    }

    /// Forgets those of which nothing comes any more, and of too many the lightest.
    fn make_room(&mut self) {
        if self.sketches.len() < MOST {
            return;
        }
        let mut rates: Vec<_> = self.sketches.values().map(|sketch| sketch.quantile().unwrap_or(0.0)).collect();
        let at = rates.len() / 4;
        let (_, lightest, _) = rates.select_nth_unstable_by(at, f64::total_cmp);
        let lightest = *lightest;
        self.sketches.retain(|_, sketch| sketch.quantile().unwrap_or(0.0) > lightest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::*;

    const KEY: Key = (Of::All, 3);

    fn learned(seconds: impl Iterator<Item = f64>) -> Option<f64> {
        let mut usual = Usual::default();
        seconds.for_each(|pps| usual.learn(1.0, [(KEY, pps, false)].into_iter()));
        usual.of(&KEY)
    }

    #[test]
    fn usual_is_what_came_in_nearly_all_sums() {
        let hours = |hours: f64| (hours * 3600.0) as usize;
        for (name, seconds, expected) in [
            ("nothing yet", vec![5_000.0; 9], None),
            ("ten seconds", vec![5_000.0; 10], Some(5_000.0)),
            ("an hour", vec![5_000.0; hours(1.0)], Some(5_000.0)),
            ("one second in ten", [vec![0.0; 9], vec![50_000.0]].concat().repeat(50), Some(5_000.0)),
            (
                "half a minute of an hour is not",
                [vec![100.0; hours(1.0) - 30], vec![90_000.0; 30]].concat(),
                Some(100.0),
            ),
            ("two minutes are", [vec![100.0; hours(1.0) - 120], vec![9_000.0; 120]].concat(), Some(9_000.0)),
            ("more than an hour ago", [vec![9_000.0; 1800], vec![100.0; hours(1.1)]].concat(), Some(100.0)),
        ] {
            let found = learned(seconds.into_iter());
            assert_eq!(found.is_some(), expected.is_some(), "{name}");
            let (found, expected) = (found.unwrap_or(1.0), expected.unwrap_or(1.0));
            assert!((0.99..1.2).contains(&(found / expected)), "{name}: {found}");
        }
    }

    #[test]
    fn memory_is_bounded_and_the_heaviest_stay() {
        let mut usual = Usual::default();
        for second in 0..200_u32 {
            let some = (0..200).map(|n| ((Of::Target(Address::from_v4_word(second * 200 + n)), 1), 10.0, false));
            usual.learn(1.0, some.chain([(KEY, 70_000.0, false)]));
        }
        assert!(usual.sketches.len() <= MOST);
        assert!(usual.of(&KEY).is_some_and(|pps| pps >= 70_000.0));
    }

    /// A flood that needs no sources, three times as much as its threshold.
    fn flood() -> [Flow; 1] {
        [icmp(3000).sources(100)]
    }

    #[test]
    fn an_attack_is_never_usual() {
        let mut play = play(&[], 22, &flood());
        // Nor what is left of it while it pauses.
        play.seconds(20, &[icmp(1500).sources(100)]);
        play.seconds(61, &[]);
        assert_eq!(play.told().len(), 1);
        play.second(&flood());
        let said = play.told();
        assert_eq!(said[0], "ICMP flood on 192.0.2.1: 3.00k pps, 1.44 Mbit/s; about 100 sources…");
        assert_eq!(said.len(), 2);
    }

    #[test]
    fn heavy_traffic_is() {
        let datagrams = |packets: u64| flow(17, (0, 0), packets * 5 / 6).fragments().length(1500);
        let first = |packets: u64| udp(2049, 800, packets / 6).fragments().length(1500);
        let mut play = play(&[], 0, &[]);
        play.seconds(20, &[datagrams(2400), first(2400)]);
        let flood = |packets| flow(17, (0, 0), packets).sources(300).fragments().from([10, 9, 0, 0]);
        play.second(&[flood(2300)]);
        assert_eq!(play.told().len(), 1, "not as much again");
        play.second(&[flood(9000)]);
        let said = play.told();
        assert_eq!(said[0], "fragment flood on 192.0.2.1: 9.00k pps, 4.32 Mbit/s, 3x its usual; about 300 sources…");
        assert_eq!(said.len(), 2);
    }

    #[test]
    fn a_reset_does_not_forget_it() {
        let mut play = play(&[], 20, &[icmp(1500).sources(100)]);
        play.reset();
        play.seconds(12, &[tcp(443, ACK, 10).from([172, 16, 0, 1])]);
        play.second(&[icmp(4000).sources(100)]);
        assert_eq!(play.told(), [""; 0]);
    }
}
