//! What one alert says, in plain words: what is attacked, since when, how hard, and what is not known of it.
//!
//! A monitor of an older version, or of a hostile host, may leave out anything; then it is not told.

use std::borrow::Cow;

use nettop_model::{
    format::{self, Units},
    snapshot::{Alert, Origin, Subject, Vector},
};

use crate::{services, table::Enter};

/// Words of the names of rules that are abbreviations.
const ABBREVIATIONS: [&str; 11] = ["ack", "arp", "dns", "icmp", "ip", "mac", "quic", "rst", "syn", "tcp", "udp"];
/// Columns for a number with thousands separators, before it is shortened.
const DIGITS: usize = 11;
/// An alert that grew to so many times its usual is worth telling so; less is an ordinary day.
const WORTH_TELLING: f64 = 1.05;

/// How the unit of a sum since the beginning ends.
const SO_FAR: &str = " so far";

/// The name of a rule as people say it: `SYN flood` for `syn-flood`.
pub fn title(kind: &str) -> String {
    let word = |word: &str| {
        if ABBREVIATIONS.contains(&word) { word.to_uppercase() } else { word.to_string() }
    };
    let words: Vec<_> = kind.split('-').map(word).collect();
    format::visible(&words.join(" "))
}

/// What was found. Of a flood the beginning of the message: target and amounts, which follow there, are told apart.
pub fn what(alert: &Alert) -> String {
    let head = alert.message.split_once(" on ").map(|(head, _)| head);
    let told = head.filter(|_| is_flood(alert)).unwrap_or(&alert.message);
    if told.trim().is_empty() { title(&alert.kind) } else { format::visible(told) }
}

/// Whom it is about; `None`: hosts all over, or it is not known.
pub fn whom(alert: &Alert, numeric: bool) -> Option<String> {
    let target = alert.target?;
    let mut told = target.to_string();
    if let Some(name) = target.port.and_then(services::name).filter(|_| !numeric) {
        told.push_str(&format!(" ({name})"));
    }
    if alert.hosts > 0 {
        told.push_str(&format!(", {} hosts", format::count(alert.hosts, DIGITS)));
    }
    Some(told)
}

/// Whether it lasts, in a word.
pub fn state(alert: &Alert) -> &'static str {
    match alert.until_ns {
        Some(_) => "over",
        None if alert.is_paused() => "paused",
        None => "lasts",
    }
}

/// Since when, how long, and whether it comes and goes.
pub fn since(alert: &Alert, now_ns: u64) -> Vec<String> {
    let lasts = format::duration(alert.seconds);
    let mut told = vec![format::date(alert.began_ns(now_ns))];
    match alert.until_ns {
        Some(until_ns) => {
            told.push(format!("lasted {lasts}, over since {} ago", format::ago(now_ns, until_ns)));
        }
        None => told.push(format!("for {lasts}")),
    }
    if alert.is_paused() {
        told.push(format!("paused: nothing for {}", format::ago(now_ns, alert.last_ns)));
    }
    let bursts = alert.bursts;
    if bursts.count > 1 {
        let mut text = format!("{} bursts", format::count(bursts.count.into(), DIGITS));
        if bursts.seconds > 0.0 {
            text.push_str(&format!(" of {} s", format::pps(bursts.seconds)));
        }
        if bursts.every > 0.0 {
            text.push_str(&format!(", every {} s", format::pps(bursts.every)));
        }
        told.push(text);
    }
    told
}

/// How hard: now, at most, and beside what is usual.
pub fn how_hard(alert: &Alert, units: Units) -> Vec<String> {
    let Some(unit) = unit(alert) else { return Vec::new() };
    if unit.ends_with(SO_FAR) {
        return vec![format!("about {} {unit}", format::pps(alert.peak))];
    }
    let comes = alert.comes();
    let mut told = Vec::new();
    if comes {
        told.push(format!("{} {unit} now", format::pps(alert.value)));
        let bytes: f64 = alert.vectors.iter().map(|vector| vector.bps).sum();
        if bytes > 0.0 {
            told.push(units.rate(bytes));
        }
    }
    if !comes {
        told.push(format!("at most {} {unit}", format::pps(alert.peak)));
    } else if format::pps(alert.peak) != format::pps(alert.value) {
        told.push(format!("at most {}", format::pps(alert.peak)));
    }
    if let (Some(times), Some(usual)) = (alert.times_usual(), alert.usual) {
        let usual = format::pps(usual);
        told.push(match times {
            times if times < WORTH_TELLING => format!("no more than its usual {usual} {unit}"),
            times => format!("{} its usual {usual} {unit}", self::times(times)),
        });
    }
    told
}

/// How many times: `40x`, `1.3x`, `1.2kx`.
pub fn times(times: f64) -> String {
    format!("{}x", format::pps(times))
}

/// What the amounts of an alert count; `None`: its message says all there is.
fn unit(alert: &Alert) -> Option<Cow<'_, str>> {
    match alert.unit.as_deref() {
        Some("") => None,
        Some(unit) => Some(format::visible(unit).into()),
        None if alert.kind == "spoofed-flood" && alert.vectors.is_empty() => Some("new sources/s".into()),
        None => Some("pps".into()),
    }
}

/// What a part of a flood is made of, and the ports that it goes to.
pub fn made_of(vector: &Vector, numeric: bool) -> String {
    let mut told: Vec<_> = vector.of.iter().map(|of| format::visible(of)).collect();
    let ports: Vec<_> = vector.ports.iter().map(|port| services::labelled(*port, numeric)).collect();
    match ports.len() {
        0 => {}
        1 => told.push(format!("port {}", ports[0])),
        _ => told.push(format!("ports {}", ports.join(", "))),
    }
    told.join("; ")
}

/// What of a flood is not known, and how far what is told can be trusted.
pub fn unknown(alert: &Alert) -> Vec<String> {
    let mut told = Vec::new();
    if let Some(seconds) = alert.averaged_over {
        told.push(format!("nothing was read for {} s: rates are averages over that", format::pps(seconds)));
    }
    if !is_flood(alert) {
        return told;
    }
    if alert.target.is_none() {
        told.push("which host: it goes to hosts all over".into());
    }
    if alert.forged {
        told.push("who sends it: the addresses are forged most likely".into());
    } else if alert.sources.is_empty() && alert.source.is_none() {
        told.push("who sends it: no source has a hundredth of it".into());
    }
    if alert.usual.is_none() {
        told.push("what is usual here".into());
    }
    told
}

/// Whether it is told class by class, as floods are.
pub fn is_flood(alert: &Alert) -> bool {
    !alert.vectors.is_empty()
}

/// Whether its parts tell more than the alert itself does.
pub fn is_of_parts(alert: &Alert) -> bool {
    let port = alert.target.and_then(|target| target.port);
    match &*alert.vectors {
        [] => false,
        [one] => one.kind != alert.kind || one.ports.iter().any(|other| Some(*other) != port),
        _ => true,
    }
}

/// Who sends it, where that is a single one. What is told of a target alone may have it as its source, too.
pub fn sender(alert: &Alert) -> Option<Origin> {
    alert.source.filter(|source| alert.target.is_none_or(|target| *source != Origin::Ip(target.ip)))
}

/// Whether its `count` is one of sources.
pub fn is_of_sources(alert: &Alert) -> bool {
    !matches!(&*alert.kind, "new-ip" | "new-mac" | "arp-flood" | "egress-flood" | "half-open" | "retransmission-storm")
}

/// Where more about it is to be found: its source, else its target; of what this host's sockets tell, its connections.
pub fn leads_to(alert: &Alert) -> Enter {
    let port = alert.target.and_then(|target| target.port);
    match (&*alert.kind, port, alert.target) {
        ("half-open" | "connection-flood", Some(port), _) => return Enter::Connections(format!("sport:{port}")),
        ("retransmission-storm", ..) => return Enter::Connections("retrans>0".into()),
        // What an address was sent is told beside what it sends.
        ("egress-flood", _, Some(target)) => return Enter::Detail(Subject::Source(target.ip)),
        _ => {}
    }
    match (sender(alert), alert.target) {
        (Some(Origin::Ip(ip)), _) => Enter::Detail(Subject::Source(ip)),
        (Some(Origin::Mac(mac)), _) => Enter::Sources(format!("mac:{mac}")),
        (None, Some(target)) => match target.prefix {
            Some(prefix) => Enter::Destinations(format!("ip:{prefix}")),
            None => Enter::Detail(Subject::Destination(target.ip)),
        },
        (None, None) => Enter::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use nettop_model::snapshot::{Bursts, Target};

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const NOW: u64 = 1_700_000_000 * SECOND;

    fn flood() -> Alert {
        Alert {
            kind: "udp-flood".into(),
            message: "UDP flood on 198.51.100.0/22 (1,024 hosts): 30.0k pps, 24.0 Mbit/s; about 300 sources".into(),
            since_ns: NOW - 75 * SECOND,
            last_ns: NOW,
            seconds: 75.0,
            value: 30_000.0,
            peak: 30_000.0,
            hosts: 1024,
            target: Some(Target {
                ip: [198, 51, 100, 0].into(),
                port: Some(53),
                prefix: "198.51.100.0/22".parse().ok(),
            }),
            vectors: vec![Vector { kind: "udp-flood".into(), pps: 30_000.0, bps: 3e6, ..Vector::default() }],
            bursts: Bursts { count: 1, ..Bursts::default() },
            usual: Some(750.0),
            ..Alert::default()
        }
    }

    #[test]
    fn rules_are_called_as_people_call_them() {
        for (kind, expected) in [
            ("syn-flood", "SYN flood"),
            ("tcp-data-flood", "TCP data flood"),
            ("dns-query-flood", "DNS query flood"),
            ("volumetric", "volumetric"),
            ("new-ip", "new IP"),
            ("", ""),
            ("a\u{1b}[2J", "a\\u{1b}[2J"),
        ] {
            assert_eq!(title(kind), expected);
        }
    }

    #[test]
    fn a_flood_is_told_in_the_order_of_the_questions() {
        let alert = flood();
        assert_eq!(what(&alert), "UDP flood");
        assert_eq!(whom(&alert, false).as_deref(), Some("198.51.100.0/22:53 (dns), 1,024 hosts"));
        assert_eq!(whom(&alert, true).as_deref(), Some("198.51.100.0/22:53, 1,024 hosts"));
        assert_eq!(since(&alert, NOW), ["2023-11-14 22:12:05 UTC", "for 00:01:15"]);
        assert_eq!(how_hard(&alert, Units::Bits), ["30.0k pps now", "24.0 Mbit/s", "40x its usual 750 pps"]);
    }

    #[test]
    fn bursts_and_pauses_are_told() {
        let bursts = Bursts { count: 4, seconds: 2.0, every: 10.0, paused: true };
        let paused = Alert { bursts, value: 0.0, last_ns: NOW - 5 * SECOND, ..flood() };
        let told = since(&paused, NOW);
        assert_eq!(told[2..], ["paused: nothing for 5.0s", "4 bursts of 2 s, every 10 s"]);
        assert_eq!(how_hard(&paused, Units::Bits), ["at most 30.0k pps", "40x its usual 750 pps"]);
        let over = Alert { until_ns: Some(NOW - SECOND), ..paused.clone() };
        assert_eq!(since(&over, NOW)[1], "lasted 00:01:15, over since 1.0s ago");
        assert_eq!([state(&flood()), state(&paused), state(&over)], ["lasts", "paused", "over"]);
    }

    /// Of an alert of a monitor that has none of the newer fields only what it has is told.
    #[test]
    fn what_an_older_monitor_does_not_tell_is_not_made_up() {
        let old = Alert {
            kind: "udp-flood".into(),
            message: "UDP flood on 192.0.2.1: 12.0k pps".into(),
            since_ns: NOW - SECOND,
            seconds: 1.0,
            value: 12_000.0,
            peak: 13_000.0,
            ..Alert::default()
        };
        assert_eq!(what(&old), old.message);
        assert_eq!(how_hard(&old, Units::Bits), ["12.0k pps now", "at most 13.0k"]);
        assert_eq!((whom(&old, false), unknown(&old)), (None, Vec::new()));
        assert_eq!(since(&old, NOW).len(), 2);
        assert_eq!(leads_to(&old), Enter::Nowhere);
    }

    #[test]
    fn more_is_found_at_the_source_else_at_the_target() {
        let ip = [192, 0, 2, 1].into();
        let host = Alert { target: Some(Target::host(ip)), ..flood() };
        let from = Alert { source: Some(Origin::Ip(ip)), ..flood() };
        let of_itself = Alert { source: Some(Origin::Ip(ip)), ..host.clone() };
        assert_eq!(leads_to(&flood()), Enter::Destinations("ip:198.51.100.0/22".into()));
        assert_eq!([leads_to(&host), leads_to(&of_itself)], [(); 2].map(|()| Enter::Detail(Subject::Destination(ip))));
        assert_eq!(leads_to(&from), Enter::Detail(Subject::Source(ip)));
        let at = |kind: &'static str, port| Alert {
            kind: kind.into(),
            target: Some(Target { port, ..Target::host(ip) }),
            ..Alert::default()
        };
        for (alert, expected) in [
            (at("half-open", Some(443)), Enter::Connections("sport:443".into())),
            (at("connection-flood", Some(80)), Enter::Connections("sport:80".into())),
            (at("retransmission-storm", None), Enter::Connections("retrans>0".into())),
            (at("egress-flood", None), Enter::Detail(Subject::Source(ip))),
            (Alert { target: None, ..at("egress-flood", None) }, Enter::Nowhere),
        ] {
            assert_eq!(leads_to(&alert), expected, "{}", alert.kind);
        }
    }

    #[test]
    fn amounts_have_their_unit() {
        for (unit, expected) in [
            (None, &["300 pps now", "at most 400", "3x its usual 100 pps"][..]),
            (Some("segments/s"), &["300 segments/s now", "at most 400", "3x its usual 100 segments/s"]),
            (
                Some("requests a minute"),
                &["300 requests a minute now", "at most 400", "3x its usual 100 requests a minute"],
            ),
            (Some("ports so far"), &["about 400 ports so far"]),
            (Some("\u{1b}[2J"), &["300 \\u{1b}[2J now", "at most 400", "3x its usual 100 \\u{1b}[2J"]),
            (Some(""), &[]),
        ] {
            let unit = unit.map(Into::into);
            let alert = Alert { unit, value: 300.0, peak: 400.0, usual: Some(100.0), ..Alert::default() };
            assert_eq!(how_hard(&alert, Units::Bits), expected, "{:?}", alert.unit);
        }
    }
}
