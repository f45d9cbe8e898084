//! What a rule is: one row each. Help, options, configuration and the documentation of alerts are made of these rows.

use nettop_model::snapshot::Severity;

use super::{DetectInput, Finding, RULES, floods::Flood, usual::Rate};

/// A rule.
#[derive(Clone, Copy)]
pub struct Rule {
    /// What its alerts are called.
    pub kind: &'static str,
    /// The same in a sentence.
    pub title: &'static str,
    /// What it looks for.
    pub about: &'static str,
    /// From where on, unless another threshold is asked for with the option of the same name: what is counted, and how
    /// many. `None`: it has no threshold.
    pub threshold: Option<(&'static str, u64)>,
    /// What it rests on.
    pub evidence: &'static str,
    /// What can be done about it.
    pub advice: &'static str,
    /// How it finds it.
    pub finds: Finds,
}

/// How something is found.
#[derive(Clone, Copy)]
pub enum Finds {
    /// By what a target receives, class by class: see `detect::attacks`.
    Flood(Flood),
    /// Likewise, but not of a single class.
    Attack,
    /// By a look of its own.
    Each(Each),
}

/// A rule with a look of its own.
#[derive(Clone, Copy)]
pub struct Each {
    /// How bad it is; `None`: each finding says that, by the harm done.
    pub severity: Option<Severity>,
    /// Whether it has nothing to say while a flood lasts.
    pub yields: bool,
    /// What of a second is learned as usual; `None`: its threshold is fixed.
    pub learned: Option<fn(&DetectInput) -> Vec<Rate>>,
    /// Finds it, the worst first.
    pub find: fn(&DetectInput) -> Vec<Finding>,
    /// What its values count, as [`nettop_model::snapshot::Alert::unit`] has it.
    pub unit: &'static str,
    /// Puts a finding into words; `peak` is the highest value so far.
    pub tell: fn(&Finding, peak: f64, &DetectInput) -> String,
}

/// The place in [`RULES`] of the rule of this kind.
pub fn place(kind: &str) -> Option<usize> {
    RULES.iter().position(|rule| rule.kind == kind)
}

/// The rule of this kind.
pub fn named(kind: &str) -> Option<&'static Rule> {
    place(kind).map(|place| &RULES[place])
}

/// The rules as a table in Markdown: what docs/alerts.md has.
pub fn table() -> String {
    let mut text = String::from(
        "| alert | severity | raised by | threshold | rests on | what to do |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for Rule { kind, about, threshold, evidence, advice, finds, .. } in RULES {
        let threshold = threshold.map_or("–".into(), |(_, usual)| usual.to_string());
        let severity = match finds {
            Finds::Flood(_) | Finds::Attack => "by harm",
            Finds::Each(each) => each.severity.map_or("by harm", Severity::label),
        };
        text.push_str(&format!("| `{kind}` | {severity} | {about} | {threshold} | {evidence} | {advice} |\n"));
    }
    text
}

impl Rule {
    /// Whether what is usual counts for its threshold.
    pub fn learns(&self) -> bool {
        match self.finds {
            Finds::Flood(_) | Finds::Attack => true,
            Finds::Each(each) => each.learned.is_some(),
        }
    }
}
