//! What an attack is told as.

use nettop_model::{
    format,
    snapshot::{Alert, TopSource, Vector},
};

use super::{DetectInput, rule, spoofed_flood, volumetric};

/// Sources named in a sentence, and the share of the flood from which on one is worth it.
const NAMED: usize = 2;
const WORTH_NAMING: f64 = 0.1;
/// Other vectors named.
const ALSO: usize = 2;
/// Columns for a number with thousands separators, before it is shortened.
const DIGITS: usize = 11;

/// Which flood it is, on whom, how fast, how far from usual, and from whom: `SYN flood on 192.0.2.1:80: 412k pps, 221 Mbit/s, at
/// most 1.20M pps; about 300 sources`.
pub fn attack(alert: &Alert, distinct: (u64, bool), scene: &DetectInput) -> String {
    let mut text = head(alert);
    if let Some(target) = alert.target {
        text.push_str(&format!(" on {target}"));
        if alert.hosts > 0 {
            text.push_str(&format!(" ({} hosts)", format::count(alert.hosts, DIGITS)));
        }
    } else {
        text.push_str(" on hosts all over");
    }
    let unit = if alert.kind == spoofed_flood::KIND { "new sources/s" } else { "pps" };
    text.push_str(&format!(": {} {unit}", format::pps(alert.value)));
    let bytes: f64 = alert.vectors.iter().map(|vector| vector.bps).sum();
    if bytes > 0.0 {
        text.push_str(&format!(", {}", format::bits_per_second(bytes)));
    }
    if format::pps(alert.peak) != format::pps(alert.value) {
        text.push_str(&format!(", at most {}", format::pps(alert.peak)));
    }
    if let Some(usual) = alert.usual.filter(|usual| alert.value >= usual * 2.0) {
        text.push_str(&format!(", {:.0}x its usual", alert.value / usual));
    }
    text.push_str(&senders(alert, distinct));
    text.push_str(&also(alert));
    text.push_str(&bursts(alert));
    if let Some(seconds) = scene.stall {
        text.push_str(&format!(" (nothing was read for {seconds:.0} s: rates are averages over that)"));
    }
    text
}

/// What it is told as while nothing comes.
pub fn paused(alert: &Alert) -> String {
    let mut text = head(alert);
    if let Some(target) = alert.target {
        text.push_str(&format!(" on {target}"));
    }
    text.push_str(&format!(": paused, at most {} pps", format::pps(alert.peak)));
    text.push_str(&bursts(alert));
    text
}

/// Its name, and what it consists of.
fn head(alert: &Alert) -> String {
    let title = rule::named(&alert.kind).map_or("flood", |rule| rule.title);
    let of = match alert.vectors.first() {
        Some(vector) if alert.kind != volumetric::KIND && !vector.of.is_empty() => {
            format!(" ({})", vector.of.join(", "))
        }
        _ => String::new(),
    };
    format!("{title}{of}")
}

fn senders(alert: &Alert, (distinct, and_more): (u64, bool)) -> String {
    let pps = alert.vectors.first().map_or(0.0, |vector| vector.pps);
    let count = format::count(distinct, DIGITS);
    let worth: Vec<_> = alert
        .sources
        .iter()
        .take_while(|source| source.pps >= pps * WORTH_NAMING)
        .take(NAMED)
        .map(|TopSource { ip, pps }| format!("{ip} (about {} pps)", format::pps(*pps)))
        .collect();
    match (alert.forged, distinct, worth.is_empty(), and_more) {
        (true, 0, ..) => "; sources forged most likely".into(),
        (true, ..) => format!("; more than {count} sources, forged most likely"),
        (false, 0, ..) => String::new(),
        (false, 1, ..) => {
            format!("; from {}", alert.sources.first().map_or(String::new(), |source| source.ip.to_string()))
        }
        (false, _, false, _) => format!("; mostly from {}", worth.join(" and ")),
        (false, _, true, false) => format!("; about {count} sources"),
        (false, _, true, true) => format!("; more than {count} sources"),
    }
}

/// The vectors beside the one that it is called by.
fn also(alert: &Alert) -> String {
    let skipped = usize::from(alert.kind != volumetric::KIND);
    let others: Vec<_> = alert.vectors.iter().skip(skipped).filter(|vector| vector.pps > 0.0).collect();
    let told = |vector: &&Vector| {
        let title = rule::named(&vector.kind).map_or("flood", |rule| rule.title);
        format!("{title} {}", format::pps(vector.pps))
    };
    let most = if skipped == 0 { ALSO + 2 } else { ALSO };
    let names: Vec<_> = others.iter().take(most).map(told).collect();
    match (names.is_empty(), skipped) {
        (true, _) => String::new(),
        (false, 0) => format!("; {}", names.join(", ")),
        (false, _) => format!("; also {}", names.join(", ")),
    }
}

fn bursts(alert: &Alert) -> String {
    let bursts = alert.bursts;
    if bursts.count < 2 {
        return String::new();
    }
    format!("; {} bursts of {:.0} s, every {:.0} s", bursts.count, bursts.seconds, bursts.every)
}
