//! A flood of several kinds, none of which is half of it.

use super::rule::{Finds, Rule};

/// What its alerts are called.
pub const KIND: &str = "volumetric";

pub const RULE: Rule = Rule {
    kind: KIND,
    title: "flood of several kinds",
    about: "several kinds of floods at one target, none of which is half of it; also where each is below its own threshold",
    threshold: None,
    evidence: "what each of them rests on",
    advice: "see each kind; if the link is full, ask the provider",
    finds: Finds::Attack,
};
