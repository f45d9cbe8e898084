//! The rules: what each manner of scanning is called.

use nettop_model::{
    format,
    snapshot::{Origin, Severity},
};

use super::{Manner, Scan};
use crate::detect::{
    DetectInput, Effect, Finding,
    rule::{Each, Finds, Rule},
};

const EVIDENCE: &str =
    "probes that lead to nothing: no later segment of the same conversation, no answer where answers are seen";
const ADVICE: &str = "block the source; look whether any port that it found open should be";

const fn row(kind: &'static str, title: &'static str, about: &'static str, counted: &'static str, each: Each) -> Rule {
    Rule {
        kind,
        title,
        about,
        threshold: Some((counted, 50)),
        evidence: EVIDENCE,
        advice: ADVICE,
        finds: Finds::Each(each),
    }
}

const fn each(unit: &'static str, find: fn(&DetectInput) -> Vec<Finding>) -> Each {
    Each { severity: Some(Severity::Warn), yields: false, learned: None, unit, find, tell }
}

/// Many ports.
pub const PORT_SCAN: Rule = row(
    "port-scan",
    "port scan",
    "destination ports that one source tries within half a minute to a minute; or that many sources try together",
    "ports of one source within a minute",
    each("ports so far", |scene| find(scene, &[Manner::Ports, Manner::Together])),
);

/// Many hosts.
pub const HOST_SCAN: Rule = row(
    "host-scan",
    "host scan",
    "hosts that one source tries at a few ports within half a minute to a minute",
    "hosts of one source within a minute",
    each("hosts so far", |scene| find(scene, &[Manner::Hosts])),
);

/// Many hosts, by echo requests.
pub const PING_SWEEP: Rule = row(
    "ping-sweep",
    "ping sweep",
    "hosts that one source sends ICMP to within half a minute to a minute, once or twice each",
    "hosts of one source within a minute",
    each("hosts so far", |scene| find(scene, &[Manner::Pings])),
);

/// In a long while.
pub const SLOW_SCAN: Rule = row(
    "slow-scan",
    "slow scan",
    "ports or hosts that one source tries within half an hour to an hour",
    "ports or hosts of one source within an hour",
    each("ports or hosts so far", |scene| find(scene, &[Manner::Slow])),
);

fn find(scene: &DetectInput, manners: &[Manner]) -> Vec<Finding> {
    let mine = scene.scans.iter().filter(|scan| manners.contains(&scan.manner));
    let enough = mine.filter(|scan| scan.tried >= scene.threshold * crate::detect::HOLDS);
    let finding = |scan: &Scan| Finding {
        source: scan.source.map(|source| Origin::Ip(source.to_ip())),
        value: scan.tried.round(),
        count: scan.sources,
        effect: if scan.tried >= scene.threshold { Effect::Raise } else { Effect::Hold },
        target: scan.target.map(|net| net.target((scan.manner == Manner::Hosts).then_some(scan.port))),
        note: words(scan),
        ..Finding::default()
    };
    enough.map(finding).collect()
}

fn words(scan: &Scan) -> String {
    let target = scan.target.map_or("hosts all over".into(), |net| net.to_string());
    match scan.manner {
        Manner::Ports => format!("scans ports of {target}"),
        Manner::Hosts => format!("scans {target} for port {}", scan.port),
        Manner::Pings => format!("pings the hosts of {target}"),
        Manner::Slow => format!("scans {target} slowly"),
        Manner::Together => format!("{} sources scan ports of {target} together", format::count(scan.sources, 11)),
    }
}

fn tell(finding: &Finding, peak: f64, _: &DetectInput) -> String {
    let so_far = format!("about {} so far", format::count(peak as u64, 11));
    match finding.source {
        Some(source) => format!("{source} {}: {so_far}", finding.note),
        None if finding.note.is_empty() => {
            let plural = if finding.count == 1 { "" } else { "s" };
            format!("and {} more source{plural} that scan", format::count(finding.count, 11))
        }
        None => format!("{}: {so_far}", finding.note),
    }
}
