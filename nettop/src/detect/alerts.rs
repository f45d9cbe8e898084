//! Alerts: raised, held and over, the same for every rule.

use std::collections::VecDeque;

use super::{Effect, Finding, Rule, Scene, samples::Focus};
use crate::{
    reading::Moment,
    snapshot::{Alert, Origin, Severity},
};

/// Lasting alerts of one rule about one address each; further ones are told as one.
pub const SINGLES: usize = 5;
/// Alerts kept, those that last included.
const KEPT: usize = 12;
/// So many of the places are left to mere information, however many warnings there were.
const INFOS: usize = 4;
/// An alert is over when nothing was found for so long.
const QUIET_NS: u64 = 3_000_000_000;
/// So long after it was over it is not raised again.
const HOLD_OFF_NS: u64 = 10_000_000_000;

/// What an alert is known by.
type Key = (&'static str, Option<Origin>);

#[derive(Debug)]
struct Lasting {
    alert: Alert,
    focus: Focus,
    /// When it was found last, on the monotonic clock.
    found_ns: u64,
}

impl Lasting {
    fn key(&self) -> Key {
        (self.alert.kind, self.alert.source)
    }
}

/// All alerts. Here their times are those of the monotonic clock, and become Unix time when they are told: the other clock may
/// have been set meanwhile, and a flood that began a minute ago would have begun yesterday.
#[derive(Debug, Default)]
pub struct Alerts {
    lasting: Vec<Lasting>,
    /// Newest first.
    over: VecDeque<Alert>,
    /// What was over lately, and when, on the monotonic clock.
    held_off: Vec<(Key, u64)>,
}

impl Alerts {
    /// Enters what a rule finds. Returns the alerts raised by it.
    pub fn enter(&mut self, at: Moment, rule: &Rule, scene: &Scene) -> Vec<Alert> {
        let mut raised = Vec::new();
        if rule.yields_to.iter().any(|kind| self.lasts(kind)) {
            return raised;
        }
        let mut more = Finding { effect: Effect::Raise, ..Finding::default() };
        for finding in (rule.find)(scene) {
            if self.go_on(at, rule, scene, finding.clone()) {
                continue;
            }
            let single = finding.source.is_some();
            match finding.effect {
                Effect::Hold => {}
                Effect::Raise if self.is_held_off(rule, finding.source) => {}
                Effect::Raise if single && self.singles(rule.kind) >= SINGLES => {
                    more.value = finding.value.max(more.value);
                    more.count += finding.count;
                }
                Effect::Once | Effect::Raise => raised.push(self.raise(at, rule, scene, &finding)),
            }
        }
        let held_off = self.is_held_off(rule, None);
        if more.count > 0 && !self.go_on(at, rule, scene, more.clone()) && !held_off {
            raised.push(self.raise(at, rule, scene, &more));
        }
        raised
    }

    /// Ends what was not found for a while. Returns it.
    pub fn end(&mut self, at: Moment) -> Vec<Alert> {
        let now = at.monotonic_ns;
        self.held_off.retain(|(_, since)| now.saturating_sub(*since) < HOLD_OFF_NS);
        let (lasting, quiet): (Vec<_>, Vec<_>) = std::mem::take(&mut self.lasting)
            .into_iter()
            .partition(|lasting| now.saturating_sub(lasting.found_ns) < QUIET_NS);
        self.lasting = lasting;
        quiet
            .into_iter()
            .map(|lasting| {
                self.held_off.push((lasting.key(), now));
                let alert = Alert { until_ns: Some(now), ..lasting.alert };
                self.keep(alert.clone());
                told(alert, at)
            })
            .collect()
    }

    /// Those kept, newest first. Of more, those that last and are worst.
    pub fn newest(&self, at: Moment) -> Vec<Alert> {
        let mut lasting: Vec<_> = self.lasting.iter().map(|lasting| &lasting.alert).collect();
        lasting.sort_by_key(|alert| std::cmp::Reverse(alert.severity));
        let mut alerts: Vec<_> = lasting.into_iter().chain(&self.over).take(KEPT).cloned().collect();
        alerts.sort_by_key(|alert| std::cmp::Reverse(alert.since_ns));
        alerts.into_iter().map(|alert| told(alert, at)).collect()
    }

    /// Forgets all. Returns those that lasted, which are over by that.
    pub fn clear(&mut self, at: Moment) -> Vec<Alert> {
        let Self { lasting, .. } = std::mem::take(self);
        let over = |lasting: Lasting| Alert { until_ns: Some(at.monotonic_ns), ..lasting.alert };
        lasting.into_iter().map(|lasting| told(over(lasting), at)).collect()
    }

    fn raise(&mut self, at: Moment, rule: &Rule, scene: &Scene, finding: &Finding) -> Alert {
        let alert = Alert {
            kind: rule.kind,
            severity: rule.severity,
            source: finding.source,
            message: (rule.tell)(finding, finding.value, scene),
            since_ns: at.monotonic_ns,
            last_ns: at.monotonic_ns,
            until_ns: (finding.effect == Effect::Once).then_some(at.monotonic_ns),
            value: finding.value,
            peak: finding.value,
            count: finding.count,
            target: finding.focus.target,
            sources: finding.focus.rates(finding.value).collect(),
        };
        if finding.effect == Effect::Once {
            self.keep(alert.clone());
        } else {
            let focus = finding.focus.clone();
            self.lasting.push(Lasting { alert: alert.clone(), focus, found_ns: at.monotonic_ns });
            self.make_room();
        }
        told(alert, at)
    }

    /// Whether a finding belongs to an alert that lasts, which then goes on.
    fn go_on(&mut self, at: Moment, rule: &Rule, scene: &Scene, mut finding: Finding) -> bool {
        if finding.effect == Effect::Once {
            return false;
        }
        let key = (rule.kind, finding.source);
        let Some(lasting) = self.lasting.iter_mut().find(|lasting| lasting.key() == key) else { return false };
        // Samples come in their own time: where there are none, what was known stays known.
        if finding.focus.distinct > 0 {
            lasting.focus.clone_from(&finding.focus);
        } else {
            finding.focus.clone_from(&lasting.focus);
        }
        let alert = &mut lasting.alert;
        alert.value = finding.value;
        alert.peak = alert.peak.max(finding.value);
        alert.count = finding.count;
        alert.last_ns = at.monotonic_ns;
        alert.target = finding.focus.target;
        alert.sources = finding.focus.rates(finding.value).collect();
        alert.message = (rule.tell)(&finding, alert.peak, scene);
        lasting.found_ns = at.monotonic_ns;
        true
    }

    fn singles(&self, kind: &str) -> usize {
        let is_single = |lasting: &&Lasting| lasting.alert.kind == kind && lasting.alert.source.is_some();
        self.lasting.iter().filter(is_single).count()
    }

    /// Whether this is not to be told again so soon. That a flood has begun anew always is.
    fn is_held_off(&self, rule: &Rule, source: Option<Origin>) -> bool {
        let key = (rule.kind, source);
        rule.severity < Severity::Critical && self.held_off.iter().any(|(held_off, _)| *held_off == key)
    }

    /// Whether an alert of this kind lasts.
    fn lasts(&self, kind: &str) -> bool {
        self.lasting.iter().any(|lasting| lasting.alert.kind == kind)
    }

    fn keep(&mut self, alert: Alert) {
        self.over.push_front(alert);
        self.make_room();
    }

    /// Drops the oldest, information first: it must not push out warnings, nor those all of it.
    fn make_room(&mut self) {
        while self.over.len() + self.lasting.len() > KEPT && !self.over.is_empty() {
            let is_info = |alert: &Alert| alert.severity == Severity::Info;
            let infos = self.over.iter().filter(|alert| is_info(alert)).count();
            let dropped = self.over.iter().rposition(|alert| is_info(alert) == (infos > INFOS));
            let oldest = self.over.len() - 1;
            self.over.remove(dropped.unwrap_or(oldest));
        }
    }
}

/// An alert with its times as the clock shows them at this moment.
fn told(mut alert: Alert, at: Moment) -> Alert {
    let offset = at.unix_offset_ns();
    for time in [&mut alert.since_ns, &mut alert.last_ns].into_iter().chain(&mut alert.until_ns) {
        *time = time.wrapping_add(offset);
    }
    alert
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(severity: Severity, at: u64) -> Alert {
        Alert {
            kind: "test",
            severity,
            source: None,
            message: String::new(),
            since_ns: at,
            last_ns: at,
            until_ns: Some(at),
            value: 0.0,
            peak: 0.0,
            count: 1,
            target: None,
            sources: Vec::new(),
        }
    }

    #[test]
    fn the_newest_are_kept_and_no_severity_drives_out_the_other() {
        for (name, severities, warnings, infos) in [
            ("infos", &[(Severity::Info, 50)][..], 0, 12),
            ("infos after warnings", &[(Severity::Warn, 3), (Severity::Info, 50)], 3, 9),
            ("warnings after infos", &[(Severity::Info, 50), (Severity::Warn, 50)], 8, 4),
            ("warnings", &[(Severity::Warn, 50)], 12, 0),
        ] {
            let (mut alerts, mut at) = (Alerts::default(), 0);
            for (severity, count) in severities {
                for _ in 0..*count {
                    at += 1;
                    alerts.keep(alert(*severity, at));
                }
            }
            let newest = alerts.newest(Moment::default());
            let count = |severity| newest.iter().filter(|alert| alert.severity == severity).count();
            assert_eq!((count(Severity::Warn), count(Severity::Info)), (warnings, infos), "{name}");
            assert!(newest.is_sorted_by(|a, b| a.since_ns > b.since_ns), "{name}");
            assert_eq!(newest[0].since_ns, at, "{name}");
        }
    }

    #[test]
    fn a_flood_is_never_driven_out() {
        let mut alerts = Alerts::default();
        let lasting = |alert| Lasting { alert, focus: Focus::default(), found_ns: 0 };
        alerts.lasting.extend((0..KEPT as u64 + 1).map(|at| lasting(alert(Severity::Warn, at))));
        alerts.lasting.push(lasting(alert(Severity::Critical, 0)));
        assert_eq!(alerts.newest(Moment::default()).len(), KEPT);
        assert!(alerts.newest(Moment::default()).iter().any(|alert| alert.severity == Severity::Critical));
    }

    #[test]
    fn what_lasts_is_never_driven_out() {
        let mut alerts = Alerts::default();
        alerts.lasting.push(Lasting { alert: alert(Severity::Warn, 1), focus: Focus::default(), found_ns: 0 });
        (2..100).for_each(|at| alerts.keep(alert(Severity::Info, at)));
        let newest = alerts.newest(Moment::default());
        assert_eq!((newest.len(), newest[KEPT - 1].since_ns), (KEPT, 1));
    }

    #[test]
    fn a_clock_that_is_set_moves_what_was_told_along() {
        let mut alerts = Alerts::default();
        alerts.keep(alert(Severity::Info, 100));
        alerts.lasting.push(Lasting { alert: alert(Severity::Warn, 200), focus: Focus::default(), found_ns: 0 });
        for unix_ns in [1_000_000, 50_000, u64::MAX, 1_000_000] {
            let now = Moment { monotonic_ns: 300, unix_ns };
            let ages = alerts.newest(now).iter().map(|alert| unix_ns.wrapping_sub(alert.since_ns)).collect::<Vec<_>>();
            assert_eq!(ages, [100, 200], "at {unix_ns}");
        }
    }
}
