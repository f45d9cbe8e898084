//! Whether what was raised is what a scenario expects.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};
use ipnet::IpNet;
use nettop_model::snapshot::{Alert, Severity, Target};

use crate::{
    play::{Played, Sighting},
    recipe::Scenario,
};

/// Alerts at most in a scenario with an attack: one, and one more that tells of the same in other words.
const MOST: usize = 2;
/// In one without: a warning.
const MOST_WARNINGS: usize = 1;
/// A prefix that an alert names may be so many bits longer or shorter than the one that is attacked.
const NEAR: u8 = 2;

/// What is to be thought of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As expected.
    Ok,
    /// The expected alert came, among too many others; or an alarm without an attack.
    False,
    /// The alert is less than a warning.
    Severity,
    /// It does not say where, or who.
    WrongTarget,
    /// It came too late.
    Late,
    /// It did not come.
    Missed,
}

impl Verdict {
    /// The word for it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::False => "FALSE",
            Self::Severity => "SEVERITY",
            Self::WrongTarget => "WRONG TARGET",
            Self::Late => "LATE",
            Self::Missed => "MISSED",
        }
    }
}

/// What is to be thought of what was played.
pub struct Judged {
    /// In a word.
    pub verdict: Verdict,
    /// The alert that was expected: its place among all, and seconds from the first packet to its first snapshot.
    pub found: Option<(usize, f64)>,
    /// Whether its target is right; `None`: nothing was found, or no target is expected.
    pub target_is_right: Option<bool>,
    /// Alerts that are at least warnings, beside the expected one.
    pub others: usize,
    /// Of a scenario without an attack: alerts that are not to be.
    pub alarms: usize,
}

/// Compares.
///
/// # Errors
/// What is expected cannot be read.
pub fn judge(scenario: &Scenario, played: &Played) -> Result<Judged> {
    let is_loud = |sighting: &&Sighting| worst(sighting) >= Severity::Warn;
    let loud = played.alerts.iter().filter(is_loud).count();
    if scenario.expect.is_empty() {
        let critical = played.alerts.iter().filter(|sighting| worst(sighting) >= Severity::Critical).count();
        let alarms = critical.max(loud.saturating_sub(scenario.most.unwrap_or(MOST_WARNINGS)));
        let verdict = if alarms > 0 { Verdict::False } else { Verdict::Ok };
        return Ok(Judged { verdict, found: None, target_is_right: None, others: loud, alarms });
    }
    let is_expected = |sighting: &Sighting| {
        sighting.first_ns >= played.begins_ns && scenario.expect.iter().any(|kind| *kind == *sighting.settled.kind)
    };
    let Some(place) = played.alerts.iter().position(is_expected) else {
        return Ok(Judged { verdict: Verdict::Missed, found: None, target_is_right: None, others: loud, alarms: 0 });
    };
    let sighting = &played.alerts[place];
    let delay = (sighting.first_ns - played.begins_ns) as f64 / 1e9;
    let target = target_is_right(scenario, &sighting.settled)?;
    let others = loud.saturating_sub(usize::from(is_loud(&sighting)));
    let verdict = if delay > scenario.within {
        Verdict::Late
    } else if target == Some(false) {
        Verdict::WrongTarget
    } else if sighting.settled.severity < Severity::Warn {
        Verdict::Severity
    } else if others + 1 > scenario.most.unwrap_or(MOST) {
        Verdict::False
    } else {
        Verdict::Ok
    };
    Ok(Judged { verdict, found: Some((place, delay)), target_is_right: target, others, alarms: 0 })
}

/// Whether what a scenario expects can be read.
///
/// # Errors
/// Why not.
pub fn check(scenario: &Scenario) -> Result<()> {
    places(scenario)?;
    Ok(())
}

/// An alert may have become worse.
pub fn worst(sighting: &Sighting) -> Severity {
    sighting.settled.severity.max(sighting.last.severity)
}

fn places(scenario: &Scenario) -> Result<Vec<Place>> {
    scenario
        .target
        .iter()
        .map(|text| place(text).with_context(|| format!("the target {text} cannot be read")))
        .collect()
}

/// `None`: no matter.
fn target_is_right(scenario: &Scenario, alert: &Alert) -> Result<Option<bool>> {
    let source_is_right = match (&scenario.source, alert.source) {
        (None, _) => true,
        (Some(expected), Some(source)) => source.to_string() == *expected,
        (Some(_), None) => false,
    };
    if scenario.target.is_empty() {
        return Ok(scenario.source.is_some().then_some(source_is_right));
    }
    let told =
        alert.target.map(|Target { ip, port, prefix }| (prefix.map_or(ip.into(), |prefix| prefix.trunc()), port));
    let expected = places(scenario)?;
    let is_right = told.is_some_and(|told| expected.iter().any(|expected| is_near(*expected, told)));
    Ok(Some(is_right && source_is_right))
}

/// A prefix, and a port.
type Place = (IpNet, Option<u16>);

fn place(text: &str) -> Option<Place> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some((address.ip().into(), Some(address.port())));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some((address.into(), None));
    }
    if let Ok(prefix) = text.parse::<IpNet>() {
        return Some((prefix.trunc(), None));
    }
    let (prefix, port) = text.rsplit_once(':')?;
    Some((prefix.trim_matches(['[', ']']).parse::<IpNet>().ok()?.trunc(), port.parse().ok()))
}

/// Whether an alert's place is the expected one. Of an address it is that; of a prefix one that is a little longer or shorter.
fn is_near((expected, port): Place, (told, told_port): Place) -> bool {
    let whole = expected.prefix_len() == expected.max_prefix_len();
    let length = told.prefix_len().abs_diff(expected.prefix_len());
    let prefix =
        if whole { told == expected } else { length <= NEAR && (expected.contains(&told) || told.contains(&expected)) };
    prefix && port.is_none_or(|port| told_port == Some(port))
}
