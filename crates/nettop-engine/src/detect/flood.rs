//! What rules of floods have in common: what stands out, and how it is put into words.

use nettop_model::format;

use super::{DetectInput, Finding, forged::is_forged, samples::TopTalkers};

/// Up to this share of all packets it is noise, unless it is so many times the threshold.
const NOISE: f64 = 0.05;
const WHATEVER: f64 = 10.0;
/// Sources named in a sentence, and the share of the flood from which on one is worth it.
const NAMED: usize = 2;
const WORTH_NAMING: f64 = 0.1;
/// Columns for a number with thousands separators, before it is shortened.
const DIGITS: usize = 11;

/// Whether so many packets per second of something that is rare on an ordinary day are more than the noise of a busy host.
pub fn stands_out(scene: &DetectInput, pps: f64) -> bool {
    let all = scene.per_second(scene.counts.all().packets);
    pps >= scene.threshold && (pps >= all * NOISE || pps >= scene.threshold * WHATEVER)
}

/// Which flood it is, on whom, and how fast: `SYN flood on 192.0.2.1:80: 412k SYN/s, at most 1.20M`.
pub fn rate(name: &str, finding: &Finding, peak: f64, unit: &str) -> String {
    let target = finding.talkers.target.map_or(String::new(), |target| format!(" on {target}"));
    let (now, most) = (format::pps(finding.value), format::pps(peak));
    let most = if now == most { String::new() } else { format!(", at most {most}") };
    format!("{name}{target}: {now} {unit}{most}")
}

/// Who sends it: `; mostly from 192.0.2.1 (about 400k pps)`; nothing, where there are no samples.
pub fn senders(finding: &Finding, scene: &DetectInput) -> String {
    match (is_forged(scene), finding.talkers.distinct) {
        (false, _) => genuine_senders(finding),
        (true, 0) => "; sources forged most likely".into(),
        (true, distinct) => format!("; more than {} sources, forged most likely", format::count(distinct, DIGITS)),
    }
}

/// The same, of senders that cannot have forged their address.
pub fn genuine_senders(finding: &Finding) -> String {
    let TopTalkers { distinct, and_more, .. } = &finding.talkers;
    let worth: Vec<_> = finding
        .talkers
        .rates(finding.value)
        .take_while(|source| source.pps >= finding.value * WORTH_NAMING)
        .take(NAMED)
        .map(|source| format!("{} (about {} pps)", source.ip, format::pps(source.pps)))
        .collect();
    let count = format::count(*distinct, DIGITS);
    match (worth.is_empty(), *distinct, and_more) {
        (_, 0, _) => String::new(),
        (false, ..) => format!("; mostly from {}", worth.join(" and ")),
        (true, _, false) => format!("; about {count} sources"),
        (true, _, true) => format!("; more than {count} sources"),
    }
}
