//! What a rule is: one row each. Help, options, configuration and the documentation of alerts are made of these rows.

use nettop_model::snapshot::Severity;

use super::{DetectInput, Finding, floods::Flood};

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
    /// By what a target receives, class by class: see [`super::attacks`].
    Flood(Flood),
    /// Likewise, but not of a single class.
    Attack,
    /// By a look of its own.
    Each(Each),
}

/// A rule with a look of its own.
#[derive(Clone, Copy)]
pub struct Each {
    /// How bad it is.
    pub severity: Severity,
    /// Whether it has nothing to say while a flood lasts.
    pub yields: bool,
    /// Finds it, the worst first.
    pub find: fn(&DetectInput) -> Vec<Finding>,
    /// Puts a finding into words; `peak` is the highest value so far.
    pub tell: fn(&Finding, peak: f64, &DetectInput) -> String,
}

impl Rule {
    /// Whether its threshold rises with what is usual, unless somebody gives one.
    pub fn learns(&self) -> bool {
        matches!(self.finds, Finds::Flood(_))
    }

    /// How bad it may be.
    pub fn severity(&self) -> &'static str {
        match self.finds {
            Finds::Flood(_) | Finds::Attack => "warn; critical where it harms, or where that is not known",
            Finds::Each(each) => each.severity.label(),
        }
    }
}
