//! Connections that were asked for and are not confirmed, at one listening socket: nobody else gets in once its queue is full.
//!
//! A handshake takes a round trip, so a busy server has half-open connections, too: as many as it accepts within that. What is never
//! confirmed stays for a minute.

use nettop_model::{
    format,
    snapshot::{Severity, Subject},
};

use super::{
    DetectInput, Effect, Finding, UNSETTLED,
    evidence::DROPS,
    floods::percent,
    rule::{Each, Finds, Rule},
    sockets::{self, Listener, of_process},
    usual::{Of, Rate},
};

/// What its alerts are called.
pub const KIND: &str = "half-open";

pub const RULE: Rule = Rule {
    kind: KIND,
    title: "half-open connections",
    about: "TCP connections to one listening socket that were asked for and are not confirmed; or as few as fill three quarters of its queue; \
            or its queue of connections to be accepted overflows; not during a SYN flood at it",
    threshold: Some(("half-open connections of one listening socket", 256)),
    evidence: "the kernel's list of half-open connections; the socket's queue; accepted connections, SYN cookies and overflows of this host",
    advice: "sysctl net.ipv4.tcp_syncookies=1, net.ipv4.tcp_max_syn_backlog; a longer backlog in listen(2) up to net.core.somaxconn; if the queue \
             of connections to be accepted is full, the application accepts too slowly",
    finds: Finds::Each(Each {
        severity: None,
        yields: false,
        learned: Some(learned),
        unit: "half-open connections",
        find,
        tell,
    }),
};

/// A queue that is as full as this is as good as full; a shorter one is full on any day.
const FULL: f64 = 0.75;
const SHORT: f64 = 64.0;
/// A handshake takes less than so many seconds: of what is confirmed, fewer wait than are accepted within them.
const ROUND_TRIP: f64 = 1.0;

/// From how many half-open connections on it is found.
fn limit(scene: &DetectInput, listener: &Listener) -> f64 {
    let limit = scene.limit(KIND, Of::Port(listener.port), scene.threshold);
    let evidence = scene.host.is_some_and(|host| host.cookies >= DROPS || host.listen_drops >= DROPS);
    let is_known = evidence || scene.is_settled || scene.usual.has_past();
    let limit = if is_known { limit } else { limit * UNSETTLED };
    let queue = listener.backlog as f64 * FULL;
    if queue >= SHORT { limit.min(queue) } else { limit }
}

/// How far over what can be: its half-open connections beside the limit, its queue beside its length where that overflows.
fn times(scene: &DetectInput, listener: &Listener) -> f64 {
    // They are what a SYN flood leaves, and that has an alert.
    if scene.is_syn_flooded(listener.local.unwrap_or(listener.address)) {
        return 0.0;
    }
    let half_open = listener.half_open as f64;
    let accepted = scene.host.map_or(0.0, |host| host.accepted);
    let open = if half_open >= accepted * ROUND_TRIP { half_open / limit(scene, listener) } else { 0.0 };
    let overflows = scene.host.is_some_and(|host| host.overflows >= DROPS) && listener.is_full();
    if overflows { open.max(1.0) } else { open }
}

fn learned(scene: &DetectInput) -> Vec<Rate> {
    sockets::learned(scene, KIND, |listener| listener.half_open)
}

fn find(scene: &DetectInput) -> Vec<Finding> {
    sockets::find(scene, times, finding)
}

fn finding(scene: &DetectInput, times: f64, listener: &Listener) -> Finding {
    let Listener { half_open, backlog, waiting, port, .. } = *listener;
    let mut evidence = Vec::new();
    if backlog > 0 {
        let share = percent(waiting as f64 / backlog as f64);
        evidence.push(format!("{waiting} connections of at most {backlog} wait to be accepted ({share})"));
    }
    let mut harm = Vec::new();
    if let Some(host) = scene.host {
        let mut tell = |rate: f64, what: &str| {
            if rate >= DROPS {
                evidence.push(format!("{} {what}", format::pps(rate)));
            }
        };
        tell(host.cookies, "SYNs/s are answered with cookies");
        tell(host.overflows, "connections/s find the queue of those to be accepted full");
        harm = host.harm();
    }
    evidence.extend(harm.iter().cloned());
    let mut note = format!("{} half-open connections at {}", format::count(half_open, 11), listener.name());
    note.push_str(&of_process(listener.process.as_ref()));
    if listener.is_full() {
        note.push_str(&format!("; its queue of {backlog} connections to be accepted is full"));
    }
    Finding {
        row: Some(Subject::Port(port)),
        value: half_open as f64,
        count: half_open,
        effect: if times >= 1.0 { Effect::Raise } else { Effect::Hold },
        target: listener.target(),
        severity: Some(if harm.is_empty() { Severity::Warn } else { Severity::Critical }),
        usual: scene.usual_of(KIND, Of::Port(port)),
        evidence,
        note,
        ..Finding::default()
    }
}

fn tell(finding: &Finding, peak: f64, _: &DetectInput) -> String {
    if finding.note.is_empty() {
        return format!("{} half-open connections at more ports", format::count(finding.count, 11));
    }
    match peak > finding.value {
        true => format!("{}, at most {}", finding.note, format::count(peak as u64, 11)),
        false => finding.note.clone(),
    }
}

#[cfg(test)]
mod tests {
    use crate::detect::{Thresholds, sockets::SocketFacts, testing::*};

    /// A socket of nginx that has so many half-open connections, and a queue of so many.
    fn listener(half_open: u64, backlog: u64) -> super::Listener {
        super::Listener { half_open, backlog, process: Some(("nginx".into(), 12)), ..listening("0.0.0.0", 443) }
    }

    fn play(listeners: &[super::Listener], rates: &[(&'static str, f64)]) -> Play {
        let mut play = Play::new(Thresholds::default());
        play.host = Some(host(rates));
        play.sockets = Some(SocketFacts { listeners: listeners.to_vec(), ..SocketFacts::default() });
        play.second(&[]);
        play
    }

    fn said(listeners: &[super::Listener], rates: &[(&'static str, f64)]) -> Vec<String> {
        let play = play(listeners, rates);
        play.all().iter().map(|alert| format!("{}: {}", alert.severity.label(), line(alert))).collect()
    }

    #[test]
    fn what_a_syn_flood_leaves_is_no_alert_of_its_own() {
        let open = |address: &str| super::Listener { half_open: 900, ..listening(address, 443) };
        for (name, address, flooded, expected) in [
            ("at the same address", "192.0.2.1", [192, 0, 2, 1], &["syn-flood"][..]),
            ("at any", "0.0.0.0", [192, 0, 2, 1], &["syn-flood"]),
            ("at another", "192.0.2.2", [192, 0, 2, 1], &["half-open", "syn-flood"]),
        ] {
            let mut play = Play::new(Thresholds::default());
            play.sockets = Some(SocketFacts { listeners: vec![open(address)], ..SocketFacts::default() });
            play.second(&[tcp(443, SYN, 3000).sources(300).to(flooded)]);
            let kinds: Vec<_> = play.all().into_iter().map(|alert| alert.kind).collect();
            assert_eq!(kinds, expected, "{name}");
            let told = play.alerts("syn-flood")[0].evidence.contains(&"900 connections to it are half-open".into());
            assert_eq!(told, address != "192.0.2.2", "{name}");
        }
    }

    #[test]
    fn what_is_one_and_what_is_not() {
        let v6 = super::Listener { address: "2001:db8::1".parse().expect("an address"), ..listener(300, 4096) };
        let full = super::Listener { waiting: 128, ..listener(0, 128) };
        check([
            (
                "many",
                said(&[listener(300, 4096)], &[]),
                &["warn: 300 half-open connections at 0.0.0.0:443 of nginx (pid 12)…"][..],
            ),
            ("just below", said(&[listener(255, 4096)], &[]), &[]),
            ("IPv6", said(&[v6], &[]), &["warn: 300 half-open connections at [2001:db8::1]:443 of nginx (pid 12)…"]),
            (
                "a short queue, nearly full",
                said(&[listener(96, 128)], &[]),
                &["warn: 96 half-open connections at 0.0.0.0:443 of nginx (pid 12)…"],
            ),
            ("not so full", said(&[listener(95, 128)], &[]), &[]),
            ("a very short one", said(&[listener(5, 5)], &[]), &[]),
            (
                "two at once, and one that is not",
                said(
                    &[listener(300, 4096), super::Listener { port: 80, ..listener(900, 4096) }, listening("::", 22)],
                    &[],
                ),
                &[
                    "warn: 300 half-open connections at 0.0.0.0:443 of nginx (pid 12)…",
                    "warn: 900 half-open connections at 0.0.0.0:80 of nginx (pid 12)…",
                ],
            ),
            ("a busy server", said(&[listener(300, 4096)], &[("TcpPassiveOpens", 3000.0)]), &[]),
            (
                "one that drops",
                said(&[listener(300, 300)], &[("TcpExtListenDrops", 200.0)]),
                &["critical: 300 half-open connections at 0.0.0.0:443 of nginx (pid 12)…"],
            ),
            (
                "an application that does not accept",
                said(std::slice::from_ref(&full), &[("TcpExtListenOverflows", 50.0), ("TcpExtListenDrops", 50.0)]),
                &[
                    "critical: 0 half-open connections at 0.0.0.0:443 of nginx (pid 12); its queue of 128 connections to be accepted is full…",
                ],
            ),
            ("a queue that is full and does not overflow", said(&[full], &[]), &[]),
            ("nobody listens", said(&[], &[("TcpExtListenOverflows", 50.0)]), &[]),
        ]);
    }

    #[test]
    fn it_says_where_who_and_what_it_rests_on() {
        let at = super::Listener { local: Some([192, 0, 2, 1].into()), waiting: 32, ..listener(300, 128) };
        let mut play = play(&[at], &[("TcpExtSyncookiesSent", 500.0)]);
        let alert = &play.all()[0];
        assert_eq!(alert.target.map(|target| target.to_string()).as_deref(), Some("192.0.2.1:443"));
        assert_eq!(
            alert.evidence[1..],
            ["32 connections of at most 128 wait to be accepted (25 %)", "500 SYNs/s are answered with cookies"]
        );
        play.sockets = Some(SocketFacts { listeners: vec![listener(80, 128)], ..SocketFacts::default() });
        play.second(&[]);
        assert_eq!(play.told(), ["80 half-open connections at 0.0.0.0:443 of nginx (pid 12), at most 300…"]);
        play.sockets = None;
        play.seconds(3, &[]);
        assert!(play.all()[0].until_ns.is_some());
    }

    #[test]
    fn what_was_there_at_the_start_is_usual_unless_the_host_suffers() {
        for (name, rates, half_open, found) in [
            ("a busy server", &[][..], 900, 0),
            ("ten times as many", &[], 2600, 1),
            ("with cookies", &[("TcpExtSyncookiesSent", 500.0)], 900, 1),
        ] {
            let mut play = Play::at_start(Thresholds::default());
            play.host = Some(host(rates));
            play.sockets = Some(SocketFacts { listeners: vec![listener(half_open, 0)], ..SocketFacts::default() });
            // And later it is, if it stays.
            play.seconds(25, &[tcp(443, ACK, 10)]);
            assert_eq!(play.alerts(super::KIND).len(), found, "{name}");
        }
    }
}
