//! Alerts: raised, held and over, the same for every rule.

use std::collections::VecDeque;

use nettop_model::{
    clock::Moment,
    order,
    snapshot::{Alert, Bursts, Name, Origin, Severity, Subject},
};

use super::{
    DetectInput, Effect, Finding,
    rule::{Each, Rule},
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

/// What an alert is known by: its rule, the address, and the row of a table that a rule of one's own found.
type AlertKey = (Name, Option<Origin>, Option<Subject>);

/// What the alerts of a rule have in common.
pub struct Wording<'a> {
    /// What they are called.
    pub kind: &'a str,
    /// How bad it is.
    pub severity: Severity,
    /// What the rule rests on.
    pub evidence: &'a str,
    /// What can be done about it.
    pub advice: &'a str,
    /// For how many seconds nothing was read.
    pub stall: Option<f64>,
    /// What its values count.
    pub unit: &'a str,
    /// Puts a finding into words, with the highest value so far.
    pub tell: &'a dyn Fn(&Finding, f64) -> String,
}

impl Wording<'_> {
    /// What a finding rests on: what the rule does, and what it says itself.
    fn evidence(&self, finding: &Finding) -> Vec<String> {
        std::iter::once(self.evidence.into()).chain(finding.evidence.iter().cloned()).collect()
    }

    /// What a rule says of a finding. Where nothing was read for a while, nobody knows how fast it came at its fastest.
    fn message(&self, finding: &Finding, peak: f64) -> String {
        let text = (self.tell)(finding, peak);
        match self.stall {
            Some(seconds) => format!("{text} (nothing was read for {seconds:.0} s: rates are averages over that)"),
            None => text,
        }
    }
}

#[derive(Debug)]
struct Lasting {
    alert: Alert,
    /// The row that a rule of one's own found.
    row: Option<Subject>,
    /// When it began, and when it was found last, on the monotonic clock.
    began_ns: u64,
    found_ns: u64,
}

impl Lasting {
    fn key(&self) -> AlertKey {
        (self.alert.kind.clone(), self.alert.source, self.row)
    }

    /// Whether it is of this rule and about what was found.
    fn is(&self, kind: &str, finding: &Finding) -> bool {
        self.alert.kind == kind && self.alert.source == finding.source && self.row == finding.row
    }

    /// The alert as it is at this moment.
    fn now(&self, at: Moment) -> Alert {
        let seconds = at.monotonic_ns.saturating_sub(self.began_ns) as f64 / 1e9;
        Alert { seconds, ..self.alert.clone() }
    }

    /// The alert, which is over by now.
    fn over(&self, at: Moment) -> Alert {
        Alert { until_ns: Some(at.unix_ns), ..self.now(at) }
    }
}

/// All alerts. Their times are what the clock showed, which may have been set meanwhile: how long one lasts, and when it is over,
/// is a matter of the monotonic clock.
#[derive(Debug)]
pub struct Alerts {
    lasting: Vec<Lasting>,
    /// Newest first.
    over: VecDeque<Alert>,
    /// What was over lately, and when, on the monotonic clock.
    held_off: Vec<(AlertKey, u64)>,
    /// The number of the next one.
    pub next: u64,
}

/// The number of the first alert of a monitor: a screen that remembers what it has seen may be attached to another one next. JSON
/// is exact up to 2⁵³.
pub fn first_alert() -> u64 {
    u64::from(fastrand::u32(1..)) << 20
}

impl Default for Alerts {
    fn default() -> Self {
        Self { lasting: Vec::new(), over: VecDeque::new(), held_off: Vec::new(), next: first_alert() }
    }
}

impl Alerts {
    /// Gives the next alert this number.
    pub fn number_from(&mut self, id: u64) {
        self.next = id;
    }

    /// Enters what a rule finds. Returns the alerts raised by it.
    pub fn enter(&mut self, at: Moment, rule: &Rule, each: Each, scene: &DetectInput) -> Vec<Alert> {
        worded(rule, each, scene, |wording| self.enter_found(at, wording, (each.find)(scene)))
    }

    /// Enters what was found, the worst first. Returns the alerts raised by it.
    pub fn enter_found(&mut self, at: Moment, wording: &Wording, found: Vec<Finding>) -> Vec<Alert> {
        let mut raised = Vec::new();
        let mut more = Finding { effect: Effect::Raise, ..Finding::default() };
        for finding in found {
            if self.go_on(at, wording, &finding) {
                continue;
            }
            let single = finding.source.is_some() || finding.row.is_some();
            match finding.effect {
                Effect::Hold => {}
                Effect::Raise if self.is_held_off(wording, &finding) => {}
                Effect::Raise if single && self.singles(wording.kind) >= SINGLES => {
                    more.value = finding.value.max(more.value);
                    more.count += finding.count;
                }
                Effect::Once | Effect::Raise => raised.push(self.raise(at, wording, &finding)),
            }
        }
        let held_off = self.is_held_off(wording, &more);
        if more.count > 0 && !self.go_on(at, wording, &more) && !held_off {
            raised.push(self.raise(at, wording, &more));
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
                let alert = lasting.over(at);
                self.keep(alert.clone());
                alert
            })
            .collect()
    }

    /// Those kept, with these that last, newest first. Of more, those that last and are worst.
    pub fn newest(&self, at: Moment, others: Vec<Alert>) -> Vec<Alert> {
        let mut lasting: Vec<_> = self.lasting.iter().map(|lasting| lasting.now(at)).chain(others).collect();
        order::sort_by_key(&mut lasting, |alert| std::cmp::Reverse(alert.severity));
        let mut alerts: Vec<_> = lasting.into_iter().chain(self.over.iter().cloned()).take(KEPT).collect();
        order::sort_by_key(&mut alerts, |alert| std::cmp::Reverse(alert.id));
        alerts
    }

    /// Forgets all. Returns those that lasted, which are over by that. Numbers go on: none is given twice.
    pub fn clear(&mut self, at: Moment) -> Vec<Alert> {
        let Self { lasting, .. } = std::mem::replace(self, Self { next: self.next, ..Self::default() });
        lasting.iter().map(|lasting| lasting.over(at)).collect()
    }

    fn raise(&mut self, at: Moment, wording: &Wording, finding: &Finding) -> Alert {
        let alert = Alert {
            id: self.next,
            kind: wording.kind.to_string().into(),
            severity: finding.severity.unwrap_or(wording.severity),
            source: finding.source,
            message: wording.message(finding, finding.value),
            since_ns: at.unix_ns,
            last_ns: at.unix_ns,
            until_ns: (finding.effect == Effect::Once).then_some(at.unix_ns),
            seconds: 0.0,
            averaged_over: wording.stall,
            value: finding.value,
            unit: Some(wording.unit.to_string().into()),
            peak: finding.value,
            count: finding.count,
            target: finding.target,
            evidence: wording.evidence(finding),
            usual: finding.usual,
            advice: wording.advice.into(),
            bursts: Bursts { count: 1, ..Bursts::default() },
            ..Alert::default()
        };
        self.next += 1;
        if finding.effect == Effect::Once {
            self.keep(alert.clone());
        } else {
            let now_ns = at.monotonic_ns;
            let (alert, row) = (alert.clone(), finding.row);
            self.lasting.push(Lasting { alert, row, began_ns: now_ns, found_ns: now_ns });
            self.make_room();
        }
        alert
    }

    /// Whether a finding belongs to an alert that lasts, which then goes on.
    fn go_on(&mut self, at: Moment, wording: &Wording, finding: &Finding) -> bool {
        if finding.effect == Effect::Once {
            return false;
        }
        let Some(lasting) = self.lasting.iter_mut().find(|lasting| lasting.is(wording.kind, finding)) else {
            return false;
        };
        let alert = &mut lasting.alert;
        alert.value = finding.value;
        alert.peak = alert.peak.max(finding.value);
        alert.count = finding.count;
        alert.last_ns = at.unix_ns;
        alert.averaged_over = wording.stall;
        alert.target = finding.target.or(alert.target);
        // What harmed once is no less bad while it lasts.
        alert.severity = alert.severity.max(finding.severity.unwrap_or(wording.severity));
        alert.evidence = wording.evidence(finding);
        alert.usual = finding.usual.or(alert.usual);
        alert.message = wording.message(finding, alert.peak);
        lasting.found_ns = at.monotonic_ns;
        true
    }

    /// Whether one of this kind lasts.
    pub fn has(&self, kind: &str) -> bool {
        self.lasting.iter().any(|lasting| lasting.alert.kind == kind)
    }

    fn singles(&self, kind: &str) -> usize {
        let is_single = |lasting: &&Lasting| {
            lasting.alert.kind == kind && (lasting.alert.source.is_some() || lasting.row.is_some())
        };
        self.lasting.iter().filter(is_single).count()
    }

    /// Whether this is not to be told again so soon.
    fn is_held_off(&self, wording: &Wording, finding: &Finding) -> bool {
        let is =
            |(kind, source, row): &AlertKey| *kind == wording.kind && *source == finding.source && *row == finding.row;
        self.held_off.iter().any(|(key, _)| is(key))
    }

    /// Keeps one that is over.
    pub fn keep(&mut self, alert: Alert) {
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

/// What the alerts of a rule with a look of its own have in common in a second.
fn worded<T>(rule: &Rule, each: Each, scene: &DetectInput, with: impl FnOnce(&Wording) -> T) -> T {
    with(&Wording {
        kind: rule.kind,
        severity: each.severity.unwrap_or_default(),
        evidence: rule.evidence,
        advice: rule.advice,
        stall: scene.stall,
        unit: each.unit,
        tell: &|finding, peak| (each.tell)(finding, peak, scene),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Conversation, SecondStats, Thresholds, high_pps, rule::Finds, usual::Usual};

    /// What a rule sees of a second in which nothing came, for `each`.
    fn with_scene<T>(stall: Option<f64>, each: impl FnOnce(&DetectInput) -> T) -> T {
        let (stats, thresholds, usual) = (SecondStats::new(None), Thresholds::default(), Usual::default());
        each(&DetectInput {
            seconds: stall.unwrap_or(1.0),
            stall,
            first: false,
            is_settled: true,
            thresholds: &thresholds,
            threshold: 1_000.0,
            packets: 0,
            not_ip: 0,
            filtered: 0,
            targets: &stats.targets,
            samples: &stats.samples,
            senders: &stats.senders,
            usual: &usual,
            host: None,
            connections_made: 0.0,
            place: &|_| Vec::new(),
            sites: &[],
            syn_floods: Vec::new(),
            new_sources: &stats.new_sources,
            strangers: stats.strangers,
            new_macs: &stats.new_macs,
            busy: Vec::new(),
            scans: Vec::new(),
            sent: &stats.sent,
            conversation: &|_| Conversation::default(),
            counts_egress: false,
            sockets: None,
            suspects: &[],
        })
    }

    /// What a rule says of a second, for `each`.
    fn with_wording<T>(stall: Option<f64>, each: impl FnOnce(&Wording) -> T) -> T {
        let Finds::Each(look) = high_pps::RULE.finds else { panic!("it has a look of its own") };
        with_scene(stall, |scene| worded(&high_pps::RULE, look, scene, each))
    }

    fn lasting(alert: Alert) -> Lasting {
        Lasting { alert, row: None, began_ns: 0, found_ns: 0 }
    }

    fn alert(severity: Severity, at: u64) -> Alert {
        Alert {
            id: at,
            kind: "test".into(),
            severity,
            since_ns: at,
            last_ns: at,
            until_ns: Some(at),
            count: 1,
            ..Alert::default()
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
            let newest = alerts.newest(Moment::default(), Vec::new());
            let count = |severity| newest.iter().filter(|alert| alert.severity == severity).count();
            assert_eq!((count(Severity::Warn), count(Severity::Info)), (warnings, infos), "{name}");
            assert!(newest.is_sorted_by(|a, b| a.since_ns > b.since_ns), "{name}");
            assert_eq!(newest[0].since_ns, at, "{name}");
        }
    }

    #[test]
    fn a_flood_is_never_driven_out() {
        let mut alerts = Alerts::default();
        alerts.lasting.extend((0..KEPT as u64 + 1).map(|at| lasting(alert(Severity::Warn, at))));
        alerts.lasting.push(lasting(alert(Severity::Critical, 0)));
        assert_eq!(alerts.newest(Moment::default(), Vec::new()).len(), KEPT);
        assert!(alerts.newest(Moment::default(), Vec::new()).iter().any(|alert| alert.severity == Severity::Critical));
    }

    #[test]
    fn what_lasts_is_never_driven_out() {
        let mut alerts = Alerts::default();
        alerts.lasting.push(lasting(alert(Severity::Warn, 1)));
        (2..100).for_each(|at| alerts.keep(alert(Severity::Info, at)));
        let newest = alerts.newest(Moment::default(), Vec::new());
        assert_eq!((newest.len(), newest[KEPT - 1].since_ns), (KEPT, 1));
    }

    /// One that was raised by a rule.
    fn raised(alerts: &mut Alerts, at: Moment) -> Alert {
        let finding = Finding { effect: Effect::Raise, ..Finding::default() };
        with_wording(None, |wording| alerts.raise(at, wording, &finding))
    }

    #[test]
    fn a_clock_that_is_set_changes_no_time_no_length_and_no_number() {
        let second = 1_000_000_000;
        for steps in [&[86_400_i64][..], &[-500_000_000], &[3_600, -3_600], &[7, -86_400]] {
            let mut alerts = Alerts::default();
            let mut now = Moment { monotonic_ns: 50 * second, unix_ns: 1_700_000_000 * second };
            let alert = raised(&mut alerts, now);
            assert_eq!((alert.since_ns, alert.last_ns, alert.seconds), (now.unix_ns, now.unix_ns, 0.0));
            for (passed, step) in (1..).zip(steps) {
                now.monotonic_ns += second;
                now.unix_ns = now.unix_ns.wrapping_add_signed((1 + step) * 1_000_000_000);
                let told = alerts.newest(now, Vec::new()).remove(0);
                assert_eq!((told.id, told.since_ns), (alert.id, alert.since_ns), "{steps:?}");
                assert_eq!(told.seconds, f64::from(passed), "{steps:?}");
            }
            now.monotonic_ns += 5 * second;
            let over = alerts.end(now).remove(0);
            assert_eq!((over.id, over.until_ns), (alert.id, Some(now.unix_ns)), "{steps:?}");
            assert_eq!(over.seconds, steps.len() as f64 + 5.0, "{steps:?}");
        }
    }

    #[test]
    fn no_number_is_given_twice() {
        let (mut alerts, mut numbers) = (Alerts::default(), std::collections::BTreeSet::new());
        for at in 0..100 {
            let at = Moment { monotonic_ns: at, unix_ns: 0 };
            assert!(numbers.insert(raised(&mut alerts, at).id));
            if at.monotonic_ns.is_multiple_of(7) {
                alerts.clear(at);
            }
        }
        assert!(numbers.iter().all(|number| *number < 1 << 53 && *number >= 1 << 20));
    }

    #[test]
    fn what_a_stall_brings_is_told_as_an_average() {
        let (mut alerts, at) = (Alerts::default(), Moment { monotonic_ns: 1, unix_ns: 1 });
        let found = Finding { effect: Effect::Raise, value: 5_000.0, ..Finding::default() };
        for (stall, part) in
            [(Some(31.2), "nothing was read for 31 s: rates are averages"), (None, "over"), (Some(4.0), "4 s")]
        {
            with_wording(stall, |wording| {
                if !alerts.go_on(at, wording, &found) {
                    alerts.raise(at, wording, &found);
                }
            });
            let alert = alerts.newest(at, Vec::new()).remove(0);
            assert_eq!(alert.averaged_over, stall);
            assert!(alert.message.contains(part), "{}", alert.message);
            assert_eq!(alert.message.contains("averages"), stall.is_some(), "{}", alert.message);
        }
    }
}
