//! From where on rules find something.

use super::{RULES, rule::place};

/// From where on each of the [`RULES`] finds something; 0: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    values: [u64; RULES.len()],
    /// Those that somebody asked for: what is usual does not change them.
    given: [bool; RULES.len()],
    /// Whether what is usual counts at all.
    learn: bool,
}

impl Default for Thresholds {
    fn default() -> Self {
        let mut values = [0; RULES.len()];
        for (value, rule) in values.iter_mut().zip(RULES) {
            // Rules without a threshold are not asked about it.
            *value = rule.threshold.map_or(1, |(_, usual)| usual);
        }
        Self { values, given: [false; RULES.len()], learn: true }
    }
}

impl Thresholds {
    /// The same, but for the rule of this kind, of which it was asked for.
    #[must_use]
    pub fn with(mut self, kind: &str, threshold: u64) -> Self {
        if let Some(at) = place(kind) {
            (self.values[at], self.given[at]) = (threshold, true);
        }
        self
    }

    /// The same, with fixed thresholds only or with what is usual.
    #[must_use]
    pub fn learning(self, learn: bool) -> Self {
        Self { learn, ..self }
    }

    /// No rule finds anything.
    #[cfg(test)]
    pub fn never() -> Self {
        RULES.iter().fold(Self::default(), |thresholds, rule| thresholds.with(rule.kind, 0))
    }

    /// Those that were asked for.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let all = RULES.iter().zip(self.values).zip(self.given);
        all.filter(|(_, given)| *given).map(|((rule, value), _)| (rule.kind, value))
    }

    /// Whether what is usual raises thresholds that were not asked for.
    pub fn is_learning(&self) -> bool {
        self.learn
    }

    /// Of the rule at this place.
    pub fn value(&self, rule: usize) -> u64 {
        self.values[rule]
    }

    /// Whether what is usual raises that of the rule at this place.
    pub fn learns(&self, rule: usize) -> bool {
        self.learn && !self.given[rule]
    }

    /// The lowest of these kinds, of those that are not 0.
    pub fn least(&self, kinds: &[&str]) -> f64 {
        let wanted = kinds.iter().map(|kind| self.of(kind)).filter(|threshold| *threshold > 0);
        wanted.min().map_or(f64::INFINITY, |least| least as f64)
    }

    /// Of the rule of this kind.
    pub fn of(&self, kind: &str) -> u64 {
        place(kind).map_or(0, |at| self.values[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::*;

    /// What is said of a second of `packets` echo requests where 1,500 in each second are usual.
    fn said(thresholds: Thresholds, packets: u64) -> Vec<String> {
        let mut play = Play::new(thresholds);
        play.sampling = 3;
        // So that a sum of ten seconds begins.
        play.seconds(8, &[]);
        play.seconds(10, &[icmp(1500).sources(100)]);
        play.second(&[icmp(packets).sources(100)]);
        play.told()
    }

    #[test]
    fn three_times_what_is_usual_raises_those_that_nobody_gave() {
        let learning = Thresholds::default();
        check([
            ("not three times as much", said(learning, 4400), &[][..]),
            (
                "more than that",
                said(learning, 5300),
                &["ICMP flood on 192.0.2.1: 5.30k pps, 2.54 Mbit/s, 3x its usual; about 100 sources…"],
            ),
            (
                "fixed ones only",
                said(learning.learning(false), 2100),
                &["ICMP flood on 192.0.2.1: 2.10k pps, 1.01 Mbit/s; about 100 sources…"],
            ),
            ("fixed ones, just below", said(learning.learning(false), 1900), &[]),
            (
                "given",
                said(learning.with("icmp-flood", 3000), 3100),
                &["ICMP flood on 192.0.2.1: 3.10k pps, 1.49 Mbit/s; about 100 sources…"],
            ),
            ("given, just below", said(learning.with("icmp-flood", 3000), 2900), &[]),
            ("never", said(learning.with("icmp-flood", 0), 9000), &[]),
            ("another is given", said(learning.with("syn-flood", 3000), 4400), &[]),
        ]);
    }

    #[test]
    fn what_was_asked_for_is_known() {
        let thresholds = Thresholds::default().with("icmp-flood", 7).with("no-such-rule", 9).learning(false);
        assert_eq!(thresholds.given().collect::<Vec<_>>(), [("icmp-flood", 7)]);
        assert_eq!(
            (thresholds.of("icmp-flood"), thresholds.of("syn-flood"), thresholds.of("no-such-rule")),
            (7, 1000, 0)
        );
        assert!(!thresholds.is_learning() && Thresholds::default().is_learning());
        assert_eq!(thresholds.with("syn-flood", 0).least(&["syn-flood", "icmp-flood", "udp-flood"]), 7.0);
        assert_eq!(Thresholds::never().least(&["syn-flood", "icmp-flood"]), f64::INFINITY);
    }
}
