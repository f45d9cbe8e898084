//! Detection: rules look at every second, and what they find becomes alerts.
//!
//! A rule is one file with a function from a [`DetectInput`] to [`Finding`]s, and one row in [`RULES`]. It keeps nothing:
//! whether a finding is a new alert, one that goes on or one that is over is decided in `alerts`, for all rules alike. A
//! rule that has to know more asks for a field of [`DetectInput`], which [`SecondStats`] gathers while the aggregates are entered, so
//! that no source is looked at twice. How much there is of something is counted exactly; where it goes and who sends it
//! is estimated from sampled packets, which are looked at only when there is enough of it.

mod alerts;
mod amplification;
mod counts;
mod flood;
mod forged;
mod fragments_flood;
mod high_pps;
mod icmp_flood;
mod new_addresses;
mod port_scan;
mod ports;
mod probes;
mod samples;
mod second_stats;
mod spoofed_flood;
mod syn_flood;
mod tcp;
#[cfg(test)]
pub(crate) mod testing;
mod udp_flood;

use nettop_collect::reading::Tables;
use nettop_common::Address;
use nettop_model::{
    clock::Moment,
    snapshot::{Alert, Mac, Origin, Severity},
};

use self::{
    alerts::Alerts,
    counts::{Counts, Marks},
    probes::Probed,
    samples::{Samples, TopTalkers},
};
pub use self::{
    alerts::first_alert,
    second_stats::{Newcomers, SecondStats, Unadmitted},
};

/// An alert goes on down to this share of the threshold, so that a value close to it does not raise one after another.
const HOLDS: f64 = 0.8;

/// From where on each of the [`RULES`] finds something; 0: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds([u64; RULES.len()]);

impl Default for Thresholds {
    fn default() -> Self {
        let mut thresholds = [0; RULES.len()];
        for (threshold, rule) in thresholds.iter_mut().zip(RULES) {
            // Rules without a threshold are not asked about it.
            *threshold = rule.threshold.map_or(1, |(_, usual)| usual);
        }
        Self(thresholds)
    }
}

impl Thresholds {
    /// The same, but for the rule of this kind.
    pub fn with(mut self, kind: &str, threshold: u64) -> Self {
        for (mine, _) in self.0.iter_mut().zip(RULES).filter(|(_, rule)| rule.kind == kind) {
            *mine = threshold;
        }
        self
    }

    /// Every rule, and from where on it finds something.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        RULES.iter().zip(self.0).map(|(rule, threshold)| (rule.kind, threshold))
    }

    fn of(&self, kind: &str) -> u64 {
        self.0.iter().zip(RULES).find(|(_, rule)| rule.kind == kind).map_or(0, |(threshold, _)| *threshold)
    }
}

/// What one second saw; longer than a second where ticks are.
#[derive(Debug)]
pub struct DetectInput<'a> {
    /// How long it was.
    pub seconds: f64,
    /// For how many of these nothing was read, where that is no mere delay: then nobody knows when what was counted came.
    pub stall: Option<f64>,
    /// Whether it is the first since the start or a reset, in which everything is new.
    pub first: bool,
    /// Seconds from that one to this.
    pub age: f64,
    /// From where on something is worth an alert of the rule that looks.
    pub threshold: f64,
    /// What was counted.
    pub counts: Counts,
    /// Sampled packets.
    pub samples: &'a Samples,
    /// Sources seen for the first time.
    pub new_sources: &'a Newcomers<Address>,
    /// The same with those that could not be looked at, and their packets.
    pub strangers: Unadmitted,
    /// MAC addresses seen for the first time, as source or destination.
    pub new_macs: &'a Newcomers<Mac>,
    /// Sources whose packets per second are over the threshold of `high-pps`, or not far below, the busiest first.
    pub busy: Vec<(Address, f64)>,
    /// Sources that try many ports, most ports first.
    pub probed: Vec<(Address, Probed)>,
}

impl DetectInput<'_> {
    /// So many in this second, per second.
    pub fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.seconds
    }
}

/// What a rule found in a scene.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finding {
    /// The address it is about; `None`: several.
    pub source: Option<Origin>,
    /// How much of it there was.
    pub value: f64,
    /// How many addresses it is about.
    pub count: u64,
    /// What it does to alerts.
    pub effect: Effect,
    /// Where it goes, and who sends it.
    pub talkers: TopTalkers,
    /// To how many ports, where that is known.
    pub ports: usize,
}

/// What a finding does to alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// It has happened, and is over.
    #[default]
    Once,
    /// It begins or goes on.
    Raise,
    /// If it has begun it goes on, but it would not begin.
    Hold,
}

/// What a value does to alerts: nothing far below the threshold. `begins`: whether an alert would begin with it.
fn level(value: f64, threshold: f64, begins: bool) -> Option<Effect> {
    let effect = if begins { Effect::Raise } else { Effect::Hold };
    (value >= threshold * HOLDS).then_some(effect)
}

/// A rule.
pub struct Rule {
    /// What its alerts are called.
    pub kind: &'static str,
    /// How bad they are.
    pub severity: Severity,
    /// What it looks for.
    pub about: &'static str,
    /// From where on, unless another threshold is asked for with the option of the same name: what is counted, and how
    /// many. `None`: it has no threshold.
    pub threshold: Option<(&'static str, u64)>,
    /// While an alert of these kinds lasts, it has nothing to say. Their rules come first.
    pub yields_to: &'static [&'static str],
    /// Finds it, the worst first.
    find: fn(&DetectInput) -> Vec<Finding>,
    /// Puts a finding into words; `peak` is the highest value so far.
    tell: fn(&Finding, peak: f64, &DetectInput) -> String,
}

/// Every rule.
pub const RULES: &[Rule] = &[
    spoofed_flood::RULE,
    syn_flood::RULE,
    udp_flood::RULE,
    icmp_flood::RULE,
    amplification::RULE,
    fragments_flood::RULE,
    port_scan::RULE,
    high_pps::RULE,
    new_addresses::NEW_IP,
    new_addresses::NEW_MAC,
];

/// The rules at work.
#[derive(Debug)]
pub struct Detector {
    /// Told of every key that is entered, and of every sampled packet.
    pub stats: SecondStats,
    thresholds: Thresholds,
    first: bool,
    age: f64,
    marks: Marks,
    alerts: Alerts,
}

impl Detector {
    /// The same, whose first alert has this number.
    #[must_use]
    pub fn numbered_from(mut self, id: u64) -> Self {
        self.alerts.number_from(id);
        self
    }

    /// One that has seen nothing.
    pub fn new(thresholds: Thresholds) -> Self {
        let busy = high_pps::notable(thresholds.of(high_pps::KIND));
        let probing = port_scan::notable(thresholds.of(port_scan::KIND));
        Self {
            stats: SecondStats::new(busy, probing),
            thresholds,
            first: true,
            age: 0.0,
            marks: Marks::default(),
            alerts: Alerts::default(),
        }
    }

    /// Looks at the second that ends at `at`. `tables` are as they are at its end; `pps` knows what a source sent in it.
    /// Returns what was raised, and what is over.
    pub fn judge(&mut self, at: Moment, seconds: f64, tables: &Tables, pps: impl Fn(&Address) -> f64) -> Vec<Alert> {
        let Self { stats, thresholds, first, age, marks, alerts } = self;
        let mut scene = DetectInput {
            seconds,
            stall: stats.stall,
            first: *first,
            age: *age,
            threshold: 0.0,
            counts: marks.counts(&stats.totals, tables),
            busy: high_pps::busiest(stats.busy(), thresholds.of(high_pps::KIND), pps),
            probed: stats.probes.notables(),
            samples: &stats.samples,
            new_sources: &stats.new_sources,
            strangers: stats.strangers,
            new_macs: &stats.new_macs,
        };
        let mut changes = Vec::new();
        for (rule, threshold) in RULES.iter().zip(thresholds.0).filter(|(_, threshold)| *threshold > 0) {
            scene.threshold = threshold as f64;
            changes.extend(alerts.enter(at, rule, &scene));
        }
        changes.extend(alerts.end(at));
        marks.set(tables);
        *first = *first && stats.new_sources.count == 0;
        if !*first {
            *age += seconds;
        }
        stats.next_second();
        changes
    }

    /// The newest alerts, newest first, as they are at `at`.
    pub fn alerts(&self, at: Moment) -> Vec<Alert> {
        self.alerts.newest(at)
    }

    /// Forgets everything but what `tables` say already. Returns what is over by that.
    pub fn reset(&mut self, at: Moment, tables: &Tables) -> Vec<Alert> {
        let over = self.alerts.clear(at);
        *self = Self { alerts: std::mem::take(&mut self.alerts), ..Self::new(self.thresholds) };
        self.marks.set(tables);
        over
    }
}

#[cfg(test)]
mod tests {
    use nettop_common::MacPair;

    use super::*;

    /// What came in one second: new sources, and the packets per second of source 1.
    struct Second(u32, u64);

    /// Without the rules of floods.
    fn high(pps: u64) -> Thresholds {
        Thresholds([0; RULES.len()]).with("high-pps", pps).with("new-ip", 1).with("new-mac", 1)
    }

    /// Plays seconds, and returns the alerts' messages after them, each with "…" while it lasts, and all changes.
    fn play(high_pps: u64, seconds: &[Second]) -> (Vec<String>, Vec<Alert>) {
        let mut detector = Detector::new(high(high_pps));
        let (mut next, mut changes) = (100, Vec::new());
        for (at, Second(new, pps)) in seconds.iter().enumerate() {
            for source in next..next + new {
                detector.stats.source(&Address::from_v4_word(source.to_be()), 1, 1, 1, true);
            }
            next += new;
            if *pps > 0 {
                detector.stats.source(&Address::from_v4_word(1u32.to_be()), *pps, *pps, u64::MAX, false);
            }
            let nanoseconds = (at as u64 + 1) * 1_000_000_000;
            let now = Moment { monotonic_ns: nanoseconds, unix_ns: nanoseconds };
            changes.extend(detector.judge(now, 1.0, &Tables::default(), |_| *pps as f64));
        }
        let line = |alert: Alert| format!("{}{}", alert.message, if alert.until_ns.is_none() { "…" } else { "" });
        (detector.alerts(Moment::default()).into_iter().map(line).collect(), changes)
    }

    fn times(count: usize, new: u32, pps: u64) -> impl Iterator<Item = Second> {
        (0..count).map(move |_| Second(new, pps))
    }

    #[test]
    fn what_each_rule_finds() {
        for (name, seconds, expected) in [
            ("nothing", vec![Second(0, 0), Second(0, 999)], &[][..]),
            ("the first second", vec![Second(37, 0)], &["37 sources so far"]),
            ("the first packets come late", vec![Second(0, 0), Second(37, 0)], &["37 sources so far"]),
            ("one", vec![Second(5, 0), Second(1, 0)], &["new source 0.0.0.105", "5 sources so far"]),
            (
                "a flood",
                vec![Second(1, 0), Second(4213, 0)],
                &["4,213 new sources in the last second…", "new source 0.0.0.100"],
            ),
            (
                "it ebbs",
                vec![Second(1, 0), Second(4213, 0), Second(9, 0)],
                &["9 new sources in the last second, at most 4,213…", "new source 0.0.0.100"],
            ),
            ("a busy source", vec![Second(0, 1000)], &["0.0.0.1 sends 1.00k pps…"]),
            ("busier before", vec![Second(0, 9000), Second(0, 5000)], &["0.0.0.1 sends 5.00k pps, at most 9.00k…"]),
            (
                "just below it goes on",
                [Second(0, 1000)].into_iter().chain(times(9, 0, 800)).collect(),
                &["0.0.0.1 sends 800 pps, at most 1.00k…"],
            ),
            ("just below it does not begin", times(9, 0, 999).collect(), &[]),
            (
                "it is over",
                [Second(0, 1000)].into_iter().chain(times(3, 0, 799)).collect(),
                &["0.0.0.1 sends 1.00k pps"],
            ),
            (
                "a pause is not the end",
                [Second(0, 1000)].into_iter().chain(times(2, 0, 0)).collect(),
                &["0.0.0.1 sends 1.00k pps…"],
            ),
        ] {
            assert_eq!(play(1000, &seconds).0, expected, "{name}");
        }
        assert!(play(0, &[Second(0, u64::MAX)]).0.is_empty(), "0 is never");
    }

    #[test]
    fn an_alert_is_told_when_it_begins_and_when_it_is_over() {
        let seconds: Vec<_> = times(5, 0, 2000).chain(times(5, 0, 0)).chain(times(5, 0, 3000)).collect();
        let (_, changes) = play(1000, &seconds);
        let seconds = |ns: u64| ns / 1_000_000_000;
        let told: Vec<_> =
            changes.iter().map(|alert| (seconds(alert.since_ns), alert.until_ns.map(seconds), alert.peak)).collect();
        // Over 3 s after it was found last, and not raised again within another 10 s.
        assert_eq!(told, [(1, None, 2000.0), (1, Some(8), 2000.0)]);
        let again: Vec<_> = times(1, 0, 2000).chain(times(12, 0, 0)).chain(times(5, 0, 3000)).collect();
        assert_eq!(play(1000, &again).1.len(), 3, "raised, over, raised again");
    }

    #[test]
    fn many_busy_sources_are_told_as_one() {
        let mut detector = Detector::new(high(1000));
        let source = |source: u32| Address::from_v4_word(source.to_be());
        (1..=317).for_each(|n| detector.stats.source(&source(n), 1500, 1500, u64::MAX, false));
        let changes = detector.judge(Moment::default(), 1.0, &Tables::default(), |_| 1500.0);
        assert_eq!(changes.len(), alerts::SINGLES + 1);
        assert_eq!(changes[alerts::SINGLES].message, "and 312 more sources over 1,000 pps");
        assert_eq!((changes[alerts::SINGLES].source, changes[alerts::SINGLES].count), (None, 312));
    }

    #[test]
    fn macs_are_new_once_and_group_addresses_never() {
        let mut detector = Detector::new(high(0));
        let pair = |destination: [u8; 6], source: u8| -> MacPair { MacPair::new(destination, [2, 0, 0, 0, 0, source]) };
        for (destination, source, expected) in
            [([2, 0, 0, 0, 0, 1], 2, 2), ([2, 0, 0, 0, 0, 1], 3, 1), ([0x33, 0x33, 0, 0, 0, 1], 3, 0), ([0; 6], 2, 0)]
        {
            detector.stats.new_macs(&pair(destination, source));
            let found = detector.judge(Moment::default(), 1.0, &Tables::default(), |_| 0.0);
            assert_eq!(found.len(), expected, "{destination:?} {source}");
        }
    }

    #[test]
    fn a_reset_forgets_and_ends_what_lasts() {
        let mut detector = Detector::new(high(10));
        detector.stats.source(&Address::default(), 50, 50, 50, true);
        detector.judge(Moment::default(), 1.0, &Tables::default(), |_| 50.0);
        let over = detector.reset(Moment { monotonic_ns: 5, unix_ns: 7 }, &Tables::default());
        assert_eq!(
            over.iter().map(|alert| (&*alert.kind, alert.until_ns)).collect::<Vec<_>>(),
            [("high-pps", Some(7))]
        );
        assert!(detector.alerts(Moment::default()).is_empty());
    }

    #[test]
    fn what_was_counted_before_a_reset_is_no_flood() {
        let mut play = testing::Play::new(Thresholds::default());
        play.second(&[testing::tcp(80, 0x02, 50_000).sources(5)]);
        assert_eq!(play.alerts("syn-flood").len(), 1);
        let (mut detector, mut tables) = (Detector::new(Thresholds::default()), Tables::default());
        tables.tcp_flags[2] = 1_000_000;
        detector.reset(Moment::default(), &tables);
        assert!(detector.judge(Moment::default(), 1.0, &tables, |_| 0.0).is_empty());
    }

    #[test]
    fn every_threshold_can_be_set_to_never() {
        use testing::{icmp, tcp, udp};
        let everything = [
            tcp(80, 0x02, 60_000).sources(60_000),
            tcp(1, 0x02, 2000).ports(2000).from([10, 9, 0, 0]),
            udp(40_000, 9, 50_000),
            udp(11_211, 9, 20_000).length(1400),
            icmp(50_000).fragments(),
        ];
        let kinds: Vec<_> = RULES.iter().filter(|rule| rule.threshold.is_some() && rule.kind != "high-pps").collect();
        assert_eq!(kinds.len(), 7);
        let play = |thresholds| {
            let mut play = testing::Play::new(thresholds);
            play.seconds(2, &everything);
            play
        };
        let usual = play(Thresholds::default().with("spoofed-flood", 0));
        for rule in &kinds {
            let spoofed = rule.kind == "spoofed-flood";
            assert_eq!(usual.alerts(rule.kind).is_empty(), spoofed, "{}", rule.kind);
            let never = play(Thresholds::default().with(rule.kind, 0));
            assert!(never.alerts(rule.kind).is_empty(), "{}", rule.kind);
        }
        assert!(!play(Thresholds::default()).alerts("spoofed-flood").is_empty());
    }

    #[test]
    fn a_flood_that_begins_anew_is_told_at_once() {
        let mut play = testing::Play::new(Thresholds::default());
        let flood = [testing::icmp(5000)];
        for seconds in [3, 5, 2] {
            play.seconds(seconds, &flood);
            play.seconds(4, &[]);
        }
        let told: Vec<_> = play.changes.iter().filter(|alert| alert.kind == "icmp-flood").collect();
        assert_eq!(told.len(), 6, "{told:?}");
    }
}
