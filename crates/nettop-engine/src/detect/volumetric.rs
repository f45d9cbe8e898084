//! A flood of several kinds, none of which is half of it.

use super::{
    attacks::VOLUMETRIC,
    rule::{Finds, Rule},
};

/// The rule.
pub const RULE: Rule = Rule {
    kind: VOLUMETRIC,
    title: "flood of several kinds",
    about: "several kinds of floods at one target, none of which is half of it; also where each is below its own threshold",
    threshold: None,
    evidence: "what each of them rests on",
    advice: "see each kind; if the link is full, ask the provider",
    finds: Finds::Attack,
};
