//! Detection: rules look at every second, and what they find becomes alerts.
//!
//! A rule is one file with a function from a [`Scene`] to [`Finding`]s, and one row in [`RULES`]. It keeps nothing:
//! whether a finding is a new alert, one that goes on or one that is over is decided in `alerts`, for all rules alike. A
//! rule that has to know more asks for a field of [`Scene`], which [`Notes`] gathers while the books are entered, so
//! that no source is looked at twice.

mod alerts;
mod high_pps;
mod new_addresses;
mod notes;

use nettop_common::Address;

use self::alerts::Alerts;
pub use self::notes::{Newcomers, Notes};
use crate::{
    reading::Moment,
    snapshot::{Alert, Mac, Origin, Severity},
};

/// From where on rules find something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Packets per second of one source; 0: never.
    pub high_pps: u64,
}

/// What one second saw; longer than a second where ticks are.
#[derive(Debug)]
pub struct Scene<'a> {
    /// How long it was.
    pub seconds: f64,
    /// Whether it is the first since the start or a reset, in which everything is new.
    pub first: bool,
    /// From where on something is worth an alert.
    pub thresholds: Thresholds,
    /// Sources seen for the first time.
    pub new_sources: &'a Newcomers<Address>,
    /// MAC addresses seen for the first time, as source or destination.
    pub new_macs: &'a Newcomers<Mac>,
    /// Sources whose packets per second are over `high_pps`, or not far below, the busiest first.
    pub busy: Vec<(Address, f64)>,
}

/// What a rule found in a scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// The address it is about; `None`: several.
    pub source: Option<Origin>,
    /// How much of it there was.
    pub value: f64,
    /// How many addresses it is about.
    pub count: u64,
    /// What it does to alerts.
    pub effect: Effect,
}

/// What a finding does to alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It has happened, and is over.
    Once,
    /// It begins or goes on.
    Raise,
    /// If it has begun it goes on, but it would not begin.
    Hold,
}

/// A rule.
pub struct Rule {
    /// What its alerts are called.
    pub kind: &'static str,
    /// How bad they are.
    pub severity: Severity,
    /// What it looks for.
    pub about: &'static str,
    /// Finds it, the worst first.
    find: fn(&Scene) -> Vec<Finding>,
    /// Puts a finding into words; `peak` is the highest value so far.
    tell: fn(&Finding, peak: f64, &Scene) -> String,
}

/// Every rule.
pub const RULES: &[Rule] = &[
    Rule {
        kind: "new-ip",
        severity: Severity::Info,
        about: "a source address that was not seen before",
        find: |scene| new_addresses::find(scene, scene.new_sources, |address| Origin::Ip(address.to_ip())),
        tell: |finding, peak, scene| new_addresses::tell(finding, peak, scene, "source"),
    },
    Rule {
        kind: "new-mac",
        severity: Severity::Info,
        about: "a MAC address that was not seen before",
        find: |scene| new_addresses::find(scene, scene.new_macs, |mac| Origin::Mac(*mac)),
        tell: |finding, peak, scene| new_addresses::tell(finding, peak, scene, "MAC"),
    },
    Rule {
        kind: "high-pps",
        severity: Severity::Warn,
        about: "a source of at least --high-pps pps",
        find: high_pps::find,
        tell: high_pps::tell,
    },
];

/// The rules at work.
#[derive(Debug)]
pub struct Detector {
    /// Told of every key that is entered.
    pub notes: Notes,
    thresholds: Thresholds,
    first: bool,
    alerts: Alerts,
}

impl Detector {
    /// One that has seen nothing.
    pub fn new(thresholds: Thresholds) -> Self {
        let notes = Notes::new(high_pps::notable(thresholds.high_pps));
        Self { notes, thresholds, first: true, alerts: Alerts::default() }
    }

    /// Looks at the second that ends at `at`; `pps` knows what a source sent in it. Returns what was raised, and what is over.
    pub fn judge(&mut self, at: Moment, seconds: f64, pps: impl Fn(&Address) -> f64) -> Vec<Alert> {
        let busy = high_pps::busiest(self.notes.busy(), self.thresholds.high_pps, pps);
        let Self { notes, thresholds, first, alerts } = self;
        let scene = Scene {
            seconds,
            first: *first,
            thresholds: *thresholds,
            new_sources: &notes.new_sources,
            new_macs: &notes.new_macs,
            busy,
        };
        let mut changes = Vec::new();
        for rule in RULES {
            changes.extend(alerts.enter(at, rule, &scene));
        }
        changes.extend(alerts.end(at));
        *first = *first && notes.new_sources.count == 0;
        notes.next_second();
        changes
    }

    /// The newest alerts, newest first.
    pub fn alerts(&self) -> Vec<Alert> {
        self.alerts.newest()
    }

    /// Forgets everything. Returns what is over by that.
    pub fn reset(&mut self, at: Moment) -> Vec<Alert> {
        let over = self.alerts.clear(at);
        *self = Self::new(self.thresholds);
        over
    }
}

#[cfg(test)]
mod tests {
    use nettop_common::MacPair;

    use super::*;

    /// What came in one second: new sources, and the packets per second of source 1.
    struct Second(u32, u64);

    /// Plays seconds, and returns the alerts' messages after them, each with "…" while it lasts, and all changes.
    fn play(high_pps: u64, seconds: &[Second]) -> (Vec<String>, Vec<Alert>) {
        let mut detector = Detector::new(Thresholds { high_pps });
        let (mut next, mut changes) = (100, Vec::new());
        for (at, Second(new, pps)) in seconds.iter().enumerate() {
            for source in next..next + new {
                detector.notes.source(&Address::from_v4_word(source.to_be()), 1, true);
            }
            next += new;
            if *pps > 0 {
                detector.notes.source(&Address::from_v4_word(1u32.to_be()), *pps, false);
            }
            let nanoseconds = (at as u64 + 1) * 1_000_000_000;
            let now = Moment { monotonic_ns: nanoseconds, unix_ns: nanoseconds };
            changes.extend(detector.judge(now, 1.0, |_| *pps as f64));
        }
        let line = |alert: Alert| format!("{}{}", alert.message, if alert.until_ns.is_none() { "…" } else { "" });
        (detector.alerts().into_iter().map(line).collect(), changes)
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
        let mut detector = Detector::new(Thresholds { high_pps: 1000 });
        (1..=317u32).for_each(|source| detector.notes.source(&Address::from_v4_word(source.to_be()), 1500, false));
        let changes = detector.judge(Moment::default(), 1.0, |_| 1500.0);
        assert_eq!(changes.len(), alerts::SINGLES + 1);
        assert_eq!(changes[alerts::SINGLES].message, "and 312 more sources over 1,000 pps");
        assert_eq!((changes[alerts::SINGLES].source, changes[alerts::SINGLES].count), (None, 312));
    }

    #[test]
    fn macs_are_new_once_and_group_addresses_never() {
        let mut detector = Detector::new(Thresholds { high_pps: 0 });
        let pair = |destination: [u8; 6], source: u8| -> MacPair {
            let [a, b, c, d, e, f] = destination;
            bytemuck::cast([a, b, c, d, e, f, 2, 0, 0, 0, 0, source])
        };
        for (destination, source, expected) in
            [([2, 0, 0, 0, 0, 1], 2, 2), ([2, 0, 0, 0, 0, 1], 3, 1), ([0x33, 0x33, 0, 0, 0, 1], 3, 0), ([0; 6], 2, 0)]
        {
            detector.notes.new_macs(&pair(destination, source));
            assert_eq!(detector.judge(Moment::default(), 1.0, |_| 0.0).len(), expected, "{destination:?} {source}");
        }
    }

    #[test]
    fn a_reset_forgets_and_ends_what_lasts() {
        let mut detector = Detector::new(Thresholds { high_pps: 10 });
        detector.notes.source(&Address::default(), 50, true);
        detector.judge(Moment::default(), 1.0, |_| 50.0);
        let over = detector.reset(Moment { monotonic_ns: 5, unix_ns: 7 });
        assert_eq!(over.iter().map(|alert| (alert.kind, alert.until_ns)).collect::<Vec<_>>(), [("high-pps", Some(7))]);
        assert!(detector.alerts().is_empty());
    }
}
