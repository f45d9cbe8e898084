//! The matrix: one line for each scenario and form, and the sums.

use std::fmt::Write as _;

use nettop_model::snapshot::Alert;

use crate::{
    play::{Form, Played, Sighting},
    recipe::Scenario,
    verdict::{Judged, Verdict, worst},
};

/// The bars of the sums.
const RECALL: f64 = 0.97;
/// Alerts that are told on a line.
const TOLD: usize = 4;
/// Seconds that a target may take at most to be named, whatever a scenario allows for other reasons.
const MOMENT: f64 = 3.0;

/// A line.
pub struct Row<'a> {
    /// What was played.
    pub scenario: &'a Scenario,
    /// What of it was seen.
    pub form: Form,
    /// What came of it.
    pub played: Played,
    /// What is to be thought of that.
    pub judged: Judged,
}

impl Row<'_> {
    /// The line.
    pub fn line(&self) -> String {
        let Self { scenario, form, judged, .. } = self;
        let expected = if scenario.expect.is_empty() { "-".into() } else { scenario.expect.join("|") };
        let name = &scenario.name;
        format!("{name:<36} {:<4} {expected:<34} {:<12} {}", form.label(), judged.verdict.label(), self.raised())
    }

    fn raised(&self) -> String {
        let Played { alerts, begins_ns, .. } = &self.played;
        let found = self.judged.found.map(|(place, _)| place);
        // The expected one first, then the worst.
        let mut order: Vec<_> = (0..alerts.len()).filter(|place| !is_of_addresses(&alerts[*place])).collect();
        order.sort_by_key(|place| (Some(*place) != found, std::cmp::Reverse(worst(&alerts[*place])), *place));
        let mut text = String::new();
        for place in order.iter().take(TOLD) {
            let Sighting { first_ns, settled, .. } = &alerts[*place];
            let delay = (*first_ns as f64 - *begins_ns as f64) / 1e9;
            let target = settled.target.map_or("?".into(), |target| target.to_string());
            let severity = worst(&alerts[*place]).label();
            let _ = write!(text, "{} {severity} {target} {delay:+.1}s; ", settled.kind);
        }
        if order.len() > TOLD {
            let _ = write!(text, "+{}", order.len() - TOLD);
        }
        text.trim_end_matches("; ").into()
    }

    /// What each alert said when 3 s were over, and at the end.
    pub fn messages(&self) -> String {
        let mut text = String::new();
        for Sighting { settled, last, .. } in self.played.alerts.iter().filter(|sighting| !is_of_addresses(sighting)) {
            let _ = writeln!(text, "      {}: {}", settled.kind, told(settled));
            let _ = writeln!(text, "      {:>1$}: {2}", "end", settled.kind.len(), told(last));
        }
        text
    }
}

fn told(alert: &Alert) -> String {
    let source = alert.source.map_or(String::new(), |source| format!(", from {source}"));
    let over = alert.until_ns.map_or("", |_| ", over");
    format!("{} ({:.0} at most, {:.1} s{source}{over})", alert.message, alert.peak, alert.seconds)
}

/// Those that tell of new addresses would be in every line.
fn is_of_addresses(sighting: &Sighting) -> bool {
    ["new-ip", "new-mac"].contains(&&*sighting.settled.kind)
}

/// The sums over all lines of one form.
#[derive(Default)]
pub struct Sums {
    attacks: usize,
    found: usize,
    /// Attacks whose alert came in time, with the right target and severity, and no more others beside it than may be.
    well: usize,
    /// Attacks with more others.
    noisy: usize,
    late: usize,
    worst_delay: f64,
    targets: usize,
    wrong_targets: usize,
    others: usize,
    legit: usize,
    false_alarms: usize,
    crying: usize,
}

impl Sums {
    /// Adds a line.
    pub fn add(&mut self, row: &Row) {
        let Row { scenario, judged, .. } = row;
        if scenario.expect.is_empty() {
            self.legit += 1;
            self.false_alarms += judged.alarms;
            self.crying += usize::from(judged.verdict != Verdict::Ok);
            return;
        }
        self.attacks += 1;
        self.others += judged.others;
        self.well += usize::from(judged.verdict == Verdict::Ok);
        self.noisy += usize::from(judged.verdict == Verdict::False);
        if let Some((_, delay)) = judged.found {
            self.found += 1;
            self.late += usize::from(delay > scenario.within);
            if scenario.within <= MOMENT {
                self.worst_delay = self.worst_delay.max(delay);
            }
        }
        if let Some(right) = judged.target_is_right {
            self.targets += 1;
            self.wrong_targets += usize::from(!right);
        }
    }

    fn recall(&self) -> f64 {
        self.found as f64 / self.attacks.max(1) as f64
    }

    /// Whether the bars hold.
    pub fn hold(&self) -> bool {
        self.recall() >= RECALL && self.late == 0 && self.wrong_targets == 0 && self.crying == 0
    }

    /// In words.
    pub fn text(&self, form: Form) -> String {
        format!(
            "{:<5} attacks: {} of {} named ({:.1} %), {} all right; {} late, the worst delay {:.1} s; {} of {} targets wrong; {} with too many other alerts, {} others in all\n      ordinary: {} of {} quiet, {} false alarms",
            form.label(),
            self.found,
            self.attacks,
            self.recall() * 100.0,
            self.well,
            self.late,
            self.worst_delay,
            self.wrong_targets,
            self.targets,
            self.noisy,
            self.others,
            self.legit - self.crying,
            self.legit,
            self.false_alarms,
        )
    }
}
