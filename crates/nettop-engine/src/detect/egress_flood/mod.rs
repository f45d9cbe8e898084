//! A host that attacks: what it sends, and nobody answers.
//!
//! Whatever is served is acknowledged, and whoever asks sends first. So what counts is what goes to addresses that send next to nothing
//! back. SYN-ACKs, resets and ICMP are answers, also those to forged addresses; what comes in for the address that it goes out to is
//! forwarded; nobody answers what goes to a group.

mod unanswered;

use nettop_common::TrafficClass;
use nettop_model::{
    format, order,
    snapshot::{Severity, Target},
};

use self::unanswered::{ANSWERS, NEW, Unanswered, measure, of_classes, sent};
use super::{
    DetectInput, Effect, Finding, HOLDS, UNSETTLED,
    evidence::LINK,
    floods::percent,
    rule::{self, Each, Finds, Rule},
    sent::MOST as MOST_REMOTES,
    usual::{Of, Rate},
};

/// What its alerts are called.
pub const KIND: &str = "egress-flood";

pub const RULE: Rule = Rule {
    kind: KIND,
    title: "egress flood",
    about: "packets per second that this host sends and nobody answers; or a hundredth as many addresses per second that it sends to for the \
            first time, and that do not answer or get SYNs alone",
    threshold: Some(("unanswered packets per second sent", 10_000)),
    evidence: "what addresses that are sent to send back; not counted: SYN-ACKs, resets and ICMP, what is forwarded, groups",
    advice: "find the process that sends (view Processes; Connections, sorted by sent bytes) and stop it; until then drop what it sends: nftables, \
             hook output",
    finds: Finds::Each(Each { severity: None, yields: false, learned: Some(learned), unit: "pps", find, tell }),
};

/// So many times its threshold it is critical.
const DOUBTLESS: f64 = 10.0;
/// It is of one class if that has as many packets as it, about; else of those with so much of what is sent.
const ABOUT: f64 = 0.3;
const PART: f64 = 0.2;

/// What of it is usual.
fn learned(scene: &DetectInput) -> Vec<Rate> {
    let (threshold, place) = (scene.threshold_of(KIND), rule::place(KIND).unwrap_or_default());
    let found = measure(scene);
    let rate = |of, value: f64, floor: f64| ((of, place), value, value >= floor);
    vec![rate(Of::All, found.pps, threshold), rate(Of::NewRemotes, found.new, threshold * NEW)]
}

fn find(scene: &DetectInput) -> Vec<Finding> {
    let found = measure(scene);
    let limit = scene.limit(KIND, Of::All, scene.threshold);
    // At the start every address is new.
    let unsettled = if scene.is_settled || scene.usual.has_past() { 1.0 } else { UNSETTLED };
    let limit_of_new = scene.limit(KIND, Of::NewRemotes, scene.threshold * NEW) * unsettled;
    let times = f64::max(found.pps / limit, found.new / limit_of_new);
    if times < HOLDS {
        return Vec::new();
    }
    let mut evidence = found.evidence.clone();
    if found.new >= limit_of_new * HOLDS {
        evidence.push(format!("{} new addresses/s that do not answer, or get SYNs alone", format::pps(found.new)));
    }
    let link = scene.host.map_or(0.0, |host| host.link_out);
    if link >= LINK {
        evidence.push(format!("what is sent takes {} of the link", percent(link)));
    }
    let is_critical = link >= LINK || times >= DOUBTLESS;
    let rate =
        format!("{} pps, {} of {}", format::pps(found.pps), format::bits_per_second(found.bps), classes(scene, &found));
    let note = match found.pps / limit >= HOLDS {
        true if found.of_segments => format!("this host sends {rate}, {}", whom(scene, &found)),
        true => format!("this host sends {rate} that nobody answers, {}", whom(scene, &found)),
        false => format!(
            "this host sends to {} new addresses/s that do not answer: {}",
            format::pps(found.new),
            classes(scene, &found)
        ),
    };
    vec![Finding {
        value: found.pps,
        count: found.remotes.max(found.new as u64),
        effect: if times >= 1.0 { Effect::Raise } else { Effect::Hold },
        target: found.most.map(|most| Target::host(most.to_ip())),
        severity: Some(if is_critical { Severity::Critical } else { Severity::Warn }),
        usual: scene.usual_of(KIND, Of::All),
        evidence,
        note,
        ..Finding::default()
    }]
}

fn whom(scene: &DetectInput, found: &Unanswered) -> String {
    let told_apart = scene.sent.remotes().count() < MOST_REMOTES;
    match (found.most, found.remotes) {
        (Some(most), _) if scene.sent.remotes().count() == 1 || found.remotes == 1 && !found.of_segments => {
            format!("to {}", most.to_ip())
        }
        (Some(most), _) => format!("mostly to {}", most.to_ip()),
        (None, 0) => "to addresses all over".into(),
        (None, remotes) if told_apart => format!("to {} addresses", format::count(remotes, 11)),
        (None, remotes) => format!("to more than {} addresses", format::count(remotes, 11)),
    }
}

/// What is sent, in words: one class, where that has as many packets as nobody answers; else those that may be it.
fn classes(scene: &DetectInput, found: &Unanswered) -> String {
    let classes = TrafficClass::ALL.iter().filter(|class| !ANSWERS.contains(class));
    let mut rates: Vec<_> = classes.map(|class| (name(*class), of_classes(scene, &[*class]))).collect();
    order::sort_by(&mut rates, |a, b| b.1.total_cmp(&a.1));
    let apart = |pps: f64| (pps - found.pps).abs();
    let nearest = rates.iter().min_by(|a, b| apart(a.1).total_cmp(&apart(b.1)));
    if let Some((name, _)) = nearest.filter(|(_, pps)| found.pps > 0.0 && apart(*pps) <= found.pps * ABOUT) {
        return (*name).into();
    }
    let worth = rates.iter().filter(|(_, pps)| *pps > 0.0 && *pps >= sent(scene) * PART);
    worth.map(|(name, _)| *name).collect::<Vec<_>>().join(" or ")
}

const fn name(class: TrafficClass) -> &'static str {
    match class {
        TrafficClass::Syn => "TCP SYNs",
        TrafficClass::Ack => "TCP ACKs",
        TrafficClass::Data => "TCP data",
        TrafficClass::Flags => "TCP with odd flags",
        TrafficClass::Udp => "UDP",
        TrafficClass::Fragment => "fragments",
        TrafficClass::SynAck => "SYN-ACKs",
        TrafficClass::Rst => "resets",
        TrafficClass::Icmp => "ICMP",
        TrafficClass::Other => "other protocols",
    }
}

fn tell(finding: &Finding, peak: f64, _: &DetectInput) -> String {
    let most = format::pps(peak);
    match format::pps(finding.value) == most {
        true => format!("egress flood: {}", finding.note),
        false => format!("egress flood: {}, at most {most} pps", finding.note),
    }
}

#[cfg(test)]
mod tests;
