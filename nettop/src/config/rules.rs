//! Rules of one's own, as the files have them: `[[rules]]`.

use std::ops::Range;

use nettop_engine::detect::{OwnRule, own::Wrong};
use nettop_model::snapshot::Severity;
use toml::{Spanned, Value};

use super::{
    document::Document,
    quote::quoted,
    tables::{OF_RULES, Rule},
};

const SEVERITIES: [Severity; 3] = [Severity::Info, Severity::Warn, Severity::Critical];

/// A rule, and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfiguredRule {
    /// It.
    pub rule: OwnRule,
    place: String,
}

/// The rules of the last of `files` that has any: like every key, they override those of the files before.
///
/// # Errors
/// What is wrong with a rule, with the place.
pub fn read(files: &[Document]) -> Result<Vec<ConfiguredRule>, String> {
    let Some((file, written)) = files.iter().rev().find_map(|file| Some((file, file.tables.rules.as_ref()?))) else {
        return Ok(Vec::new());
    };
    let (mut rules, mut places) = (Vec::new(), Vec::new());
    for (rule, number) in written.iter().zip(1..) {
        read_one(rule.get_ref(), &mut rules).map_err(|wrong| explain(file, rule, number, &wrong))?;
        places.push(file.place(&rule.span()));
    }
    Ok(rules.into_iter().zip(places).map(|(rule, place)| ConfiguredRule { rule, place }).collect())
}

fn read_one(rule: &Rule, rules: &mut Vec<OwnRule>) -> Result<(), Wrong> {
    let wrong = |key, what: &str| Wrong { key, at: 0, what: what.into() };
    let name = text("name", rule.name.as_ref(), "is missing: write what its alerts are called, such as \"db-flood\"")?;
    let when =
        text("when", rule.when.as_ref(), "is missing: write which rows it finds, such as \"dst:10.0.0.5 pps>50k\"")?;
    let seconds = match rule.r#for.as_ref().map(Spanned::get_ref) {
        None => 1,
        Some(Value::Integer(seconds)) => *seconds,
        Some(_) => return Err(wrong("for", "takes a whole number of seconds, from 1 to 3600, such as 3")),
    };
    let severity = match rule.severity.as_ref().map(Spanned::get_ref) {
        None => Severity::default(),
        Some(value) => {
            let named = SEVERITIES.into_iter().find(|severity| value.as_str() == Some(severity.label()));
            named.ok_or_else(|| wrong("severity", "takes \"info\", \"warn\" or \"critical\""))?
        }
    };
    OwnRule::new(name, when, seconds, severity)?.add_to(rules)
}

fn text<'a>(key: &'static str, value: Option<&'a Spanned<Value>>, missing: &str) -> Result<&'a str, Wrong> {
    let wrong = |what: &str| Wrong { key, at: 0, what: what.into() };
    value.ok_or_else(|| wrong(missing))?.get_ref().as_str().ok_or_else(|| wrong("takes a text in quotation marks"))
}

/// What is wrong with a rule, with its place, its number in the file, and its name, if it has one.
fn explain(file: &Document, rule: &Spanned<Rule>, number: usize, Wrong { key, at, what }: &Wrong) -> String {
    let Rule { name, when, r#for, severity } = rule.get_ref();
    let value = match *key {
        "name" => name,
        "when" => when,
        "for" => r#for,
        _ => severity,
    };
    let place = |value: &Spanned<Value>| {
        let span: Range<usize> = value.span();
        value.get_ref().as_str().map_or_else(|| file.place(&span), |text| file.place_of(text, span.clone(), *at))
    };
    let place = value.as_ref().map_or_else(|| file.place(&rule.span()), place);
    let called = name.as_ref().and_then(|name| name.get_ref().as_str());
    let called = called.map_or(String::new(), |name| format!(" ({name:?})"));
    format!("{place}: rule {number}{called}: {key}: {what}")
}

/// The rules in force, as lines of a file.
pub fn effective(rules: &[ConfiguredRule]) -> Vec<String> {
    let lines = rules.iter().flat_map(|ConfiguredRule { rule, place }| {
        let OwnRule { name, when, seconds, severity, .. } = rule;
        [
            String::new(),
            format!("[[rules]]  # {place}"),
            format!("name = {}", quoted(name)),
            format!("when = {}", quoted(&when.text)),
            format!("for = {seconds}"),
            format!("severity = {}", quoted(severity.label())),
        ]
    });
    lines.collect()
}

/// An example with what each key means, as comments of the sample: a file without rules has no such table.
pub fn sample() -> Vec<String> {
    let example = ["\"db-flood\"", "\"dst:10.0.0.5 pps>50k\"", "3", "\"warn\""];
    let keys = OF_RULES.iter().zip(example).map(|((key, about, usual), example)| {
        let usual = if usual.is_empty() { String::new() } else { format!(" [default: {usual}]") };
        format!("{key} = {example}  # {about}{usual}")
    });
    let about = "Alerts by rules of one's own, any number up to 64; docs/alerts.md has examples. One of them:";
    [about.to_string(), "[[rules]]".into()].into_iter().chain(keys).collect()
}

#[cfg(test)]
mod tests;
