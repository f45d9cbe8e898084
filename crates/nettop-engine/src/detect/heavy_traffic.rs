//! Traffic as heavy as a flood, that is none: a note, so that whoever sees the numbers knows why there is no alarm.

use nettop_model::{
    format,
    snapshot::{Severity, Subject, Target},
};

use super::{
    DetectInput, Effect, Finding, RULES, attacks,
    rule::{Each, Finds, Rule},
};

pub const RULE: Rule = Rule {
    kind: "heavy-traffic",
    title: "heavy traffic",
    about: "as many packets as of a flood, that are none: one peer's, or answered at a like rate",
    threshold: None,
    evidence: "the number of flows; answers; sockets of this host that take it",
    advice: "nothing, if the peer is known",
    finds: Finds::Each(Each { severity: Some(Severity::Info), yields: false, learned: None, unit: "pps", find, tell }),
};

fn find(scene: &DetectInput) -> Vec<Finding> {
    let finding = |(site, part, why): (&super::measure::Site, &super::measure::Part, &'static str)| Finding {
        row: site.who.map(|who| Subject::Destination(who.to_ip())),
        value: part.pps,
        count: part.mix.distinct,
        effect: Effect::Raise,
        target: site.who.map(|who| Target { port: part.mix.port(0.5), ..Target::host(who.to_ip()) }),
        note: format!(
            "{} to {}: {} pps, {}; {why}",
            RULES[part.rule].title.trim_end_matches(" flood"),
            site.who.map_or("several hosts".into(), |who| who.to_ip().to_string()),
            format::pps(part.pps),
            format::bits_per_second(part.bps),
        ),
        ..Finding::default()
    };
    attacks::heavy(scene.sites).filter(|(_, part, _)| part.times() >= 1.0).map(finding).collect()
}

fn tell(finding: &Finding, _: f64, _: &DetectInput) -> String {
    if finding.note.is_empty() {
        let plural = if finding.count == 1 { "" } else { "s" };
        return format!("heavy traffic of {} more source{plural}", format::count(finding.count, 11));
    }
    format!("heavy traffic, {}", finding.note)
}

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn it_is_a_note_as_long_as_it_lasts() {
        let backup = |packets| udp(5000, 6000, packets).length(1400);
        let mut play = play(&[], 1, &[backup(10_100)]);
        assert_eq!(play.told(), ["heavy traffic, UDP to 192.0.2.1: 10.1k pps, 113 Mbit/s; a few flows…"]);
        let alert = &play.all()[0];
        assert_eq!((alert.severity.label(), &*alert.kind), ("info", "heavy-traffic"));
        assert_eq!(alert.target.map(|target| target.to_string()).as_deref(), Some("192.0.2.1:6000"));
        play.seconds(3, &[backup(9900)]);
        assert_eq!(play.told(), ["heavy traffic, UDP to 192.0.2.1: 10.1k pps, 113 Mbit/s; a few flows"]);
    }

    #[test]
    fn of_more_than_five_some_are_told() {
        let backups: Vec<_> =
            (0..7).map(|n| udp(5000, 6000, 10_100).length(1400).from([10, n, 0, 0]).to([192, 0, 2, n])).collect();
        let said = play(&[], 1, &backups).told();
        assert_eq!((said.len(), &*said[0]), (6, "heavy traffic of 2 more sources…"));
        assert!(said[1..].iter().all(|said| said.starts_with("heavy traffic, UDP to 192.0.2.")), "{said:?}");
    }
}
