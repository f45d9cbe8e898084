//! Connections that are made and left: a server that keeps a process or a thread for each has none left for others (slowloris).

use nettop_model::{
    format,
    snapshot::{Severity, Subject},
};

use super::{
    DetectInput, Effect, Finding, UNSETTLED,
    floods::{MANY, percent},
    rule::{Each, Finds, Rule},
    sockets::{self, FEW_BYTES, Listener, OLD_SECONDS, of_process},
    usual::{Of, Rate},
};

/// What its alerts are called.
pub const KIND: &str = "connection-flood";

pub const RULE: Rule = Rule {
    kind: KIND,
    title: "connection flood",
    about: "established TCP connections to one port of this host, older than five seconds, that have moved less than 2 KiB, and are three tenths of \
            those there",
    threshold: Some(("idle connections to one port", 500)),
    evidence: "the kernel's list of connections: their age, and payload moved",
    advice: "limit connections per address (nftables ct count; limit_conn of nginx, mod_reqtimeout of Apache) and the time that a request may \
             take; block the busiest addresses",
    finds: Finds::Each(Each {
        severity: None,
        yields: false,
        learned: Some(learned),
        unit: "idle connections",
        find,
        tell,
    }),
};

/// So many from each address are no clients of a service that waits, such as one for messages.
const EACH: f64 = 10.0;
/// So many times its threshold it is critical.
const DOUBTLESS: f64 = 10.0;

/// Connections beside the limit.
fn times(scene: &DetectInput, listener: &Listener) -> f64 {
    let idle = listener.idle as f64;
    if idle < listener.established as f64 * MANY {
        return 0.0;
    }
    // What was there when nettop began is usual, as far as anybody knows.
    let is_known = scene.is_settled || scene.usual.has_past() || idle >= listener.remotes as f64 * EACH;
    let unsettled = if is_known { 1.0 } else { UNSETTLED };
    idle / (scene.limit(KIND, Of::Port(listener.port), scene.threshold) * unsettled)
}

fn learned(scene: &DetectInput) -> Vec<Rate> {
    sockets::learned(scene, KIND, |listener| listener.idle)
}

fn find(scene: &DetectInput) -> Vec<Finding> {
    sockets::find(scene, times, finding)
}

fn finding(scene: &DetectInput, times: f64, listener: &Listener) -> Finding {
    let Listener { idle, established, remotes, port, waiting, .. } = *listener;
    let mut evidence = vec![format!(
        "{} of the {} connections there have moved less than {FEW_BYTES} bytes in more than {OLD_SECONDS} s",
        percent(idle as f64 / established.max(1) as f64),
        format::count(established, 11),
    )];
    let is_full = listener.is_full();
    if is_full {
        evidence.push(format!("{waiting} more wait to be accepted, which is all that may"));
    }
    let busiest = listener.busiest.iter().map(|(ip, count)| format!("{ip} ({})", format::count(*count, 11)));
    let mut note = format!("connection flood: {} idle connections at {}", format::count(idle, 11), listener.name());
    note.push_str(&of_process(listener.process.as_ref()));
    note.push_str(&match remotes {
        1 => format!(", all from {}", busiest.collect::<Vec<_>>().join("")),
        _ => format!(
            " from {} addresses, most from {}",
            format::count(remotes, 11),
            busiest.collect::<Vec<_>>().join(", ")
        ),
    });
    let harm = scene.host.map(|host| host.harm()).unwrap_or_default();
    let is_critical = is_full || !harm.is_empty() || times >= DOUBTLESS;
    evidence.extend(harm);
    Finding {
        row: Some(Subject::Port(port)),
        value: idle as f64,
        count: remotes,
        effect: if times >= 1.0 { Effect::Raise } else { Effect::Hold },
        target: listener.target(),
        severity: Some(if is_critical { Severity::Critical } else { Severity::Warn }),
        usual: scene.usual_of(KIND, Of::Port(port)),
        evidence,
        note,
        ..Finding::default()
    }
}

fn tell(finding: &Finding, peak: f64, _: &DetectInput) -> String {
    if finding.note.is_empty() {
        return format!(
            "connection flood: idle connections of {} addresses at more ports",
            format::count(finding.count, 11)
        );
    }
    match peak > finding.value {
        true => format!("{}; at most {}", finding.note, format::count(peak as u64, 11)),
        false => finding.note.clone(),
    }
}

#[cfg(test)]
mod tests {
    use crate::detect::{Thresholds, sockets::SocketFacts, testing::*};

    /// A socket of apache2 with so many connections, of which so many are idle, of so many addresses.
    fn listener(established: u64, idle: u64, remotes: u64) -> super::Listener {
        let busiest = vec![([203, 0, 113, 7].into(), idle / remotes.max(1)), ([203, 0, 113, 9].into(), 1)];
        super::Listener {
            established,
            idle,
            remotes,
            busiest: busiest.into_iter().take(remotes as usize).collect(),
            process: Some(("apache2".into(), 77)),
            ..listening("0.0.0.0", 80)
        }
    }

    fn with(mut play: Play, listeners: &[super::Listener]) -> Play {
        play.sockets = Some(SocketFacts { listeners: listeners.to_vec(), ..SocketFacts::default() });
        play.second(&[]);
        play
    }

    fn said(listeners: &[super::Listener]) -> Vec<String> {
        let play = with(Play::new(Thresholds::default()), listeners);
        play.all().iter().map(|alert| format!("{}: {}", alert.severity.label(), line(alert))).collect()
    }

    #[test]
    fn what_is_one_and_what_is_not() {
        let v6 = super::Listener { address: "2001:db8::1".parse().expect("an address"), ..listener(600, 600, 1) };
        let full = super::Listener { waiting: 511, backlog: 511, ..listener(600, 600, 1) };
        check([
            (
                "from one address",
                said(&[listener(600, 600, 1)]),
                &[
                    "warn: connection flood: 600 idle connections at 0.0.0.0:80 of apache2 (pid 77), all from 203.0.113.7 (600)…",
                ][..],
            ),
            (
                "from many",
                said(&[listener(700, 600, 300)]),
                &[
                    "warn: connection flood: 600 idle connections at 0.0.0.0:80 of apache2 (pid 77) from 300 addresses, most from 203.0.113.7 (2), 203.0.113.9 (1)…",
                ],
            ),
            ("just below", said(&[listener(499, 499, 1)]), &[]),
            (
                "IPv6",
                said(&[v6]),
                &[
                    "warn: connection flood: 600 idle connections at [2001:db8::1]:80 of apache2 (pid 77), all from 203.0.113.7 (600)…",
                ],
            ),
            (
                "nobody else gets in",
                said(&[full]),
                &[
                    "critical: connection flood: 600 idle connections at 0.0.0.0:80 of apache2 (pid 77), all from 203.0.113.7 (600)…",
                ],
            ),
            ("a crowd, of which some wait", said(&[listener(5000, 900, 900)]), &[]),
            ("many that move much", said(&[listener(60_000, 10, 10)]), &[]),
        ]);
    }

    #[test]
    fn two_ports_are_two_alerts_and_each_says_what_it_rests_on() {
        let ssh = super::Listener { port: 22, ..listener(800, 700, 2) };
        let play = with(Play::new(Thresholds::default()), &[listener(600, 600, 1), ssh]);
        let told: Vec<_> =
            play.all().iter().map(|alert| (alert.value, alert.count, alert.evidence[1].clone())).collect();
        let evidence = |share, all| {
            format!("{share} % of the {all} connections there have moved less than 2048 bytes in more than 5 s")
        };
        assert_eq!(told, [(600.0, 1, evidence(100, 600)), (700.0, 2, evidence(88, 800))]);
    }

    #[test]
    fn what_was_there_at_the_start_is_usual_but_not_where_one_address_has_it_all() {
        for (name, idle, remotes, grows_to, found) in [
            ("clients of a broker", 4900, 4900, 4900, 0),
            ("and some more", 3000, 3000, 8000, 0),
            ("three times as many", 3000, 3000, 12_000, 1),
            ("of three addresses", 3000, 3, 3000, 1),
        ] {
            let mut play = Play::at_start(Thresholds::default());
            let facts =
                |idle| Some(SocketFacts { listeners: vec![listener(idle, idle, remotes)], ..SocketFacts::default() });
            play.sockets = facts(idle);
            play.seconds(30, &[tcp(443, ACK, 10)]);
            play.sockets = facts(grows_to);
            play.second(&[tcp(443, ACK, 10)]);
            assert_eq!(play.alerts(super::KIND).len(), found, "{name}");
        }
    }
}
