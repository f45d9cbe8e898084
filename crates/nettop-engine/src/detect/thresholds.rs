//! From where on rules find something.

use super::RULES;

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
        if let Some(at) = RULES.iter().position(|rule| rule.kind == kind) {
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
        RULES.iter().position(|rule| rule.kind == kind).map_or(0, |at| self.values[at])
    }
}
