//! Segments that are sent again and again: a path that loses packets, or is so full that it does.

use nettop_model::{format, snapshot::Severity};

use super::{
    DetectInput, Effect, Finding, HOLDS,
    floods::percent,
    rule::{self, Each, Finds, Rule},
    sockets::{Resending, of_process},
    usual::{Of, Rate},
};

/// What its alerts are called.
pub const KIND: &str = "retransmission-storm";

pub const RULE: Rule = Rule {
    kind: KIND,
    title: "retransmission storm",
    about: "TCP segments per second that this host sends again, if they are 5 % of all that it sends or more, and three times the usual share",
    threshold: Some(("segments per second sent again", 500)),
    evidence: "TcpRetransSegs and TcpOutSegs of this host, but for SYNs and SYN-ACKs sent again (TcpExtTCPSynRetrans)",
    advice: "look for loss on the way: full links and queues (tc -s qdisc), errors of interfaces (ip -s link), duplex, and whether the connections \
             have a network in common",
    finds: Finds::Each(Each {
        severity: Some(Severity::Warn),
        yields: false,
        learned: Some(learned),
        unit: "segments/s",
        find,
        tell,
    }),
};

/// Less is lost on any long way.
const SHARE: f64 = 0.05;
/// Shares are learned in hundredths of a percent.
const SCALE: f64 = 10_000.0;

/// Segments per second sent again, and their share in those sent.
fn measure(scene: &DetectInput) -> Option<(f64, f64)> {
    let host = scene.host?;
    let share = host.retransmitted / host.segments_out.max(1.0);
    Some((host.retransmitted, share.min(1.0)))
}

fn learned(scene: &DetectInput) -> Vec<Rate> {
    let place = rule::place(KIND).unwrap_or_default();
    let threshold = scene.threshold_of(KIND);
    let rate = |(again, share): (f64, f64)| {
        let is_storm = again >= threshold && share >= SHARE;
        // Of a few segments any share says nothing.
        ((Of::All, place), if again >= threshold * SHARE { share * SCALE } else { 0.0 }, is_storm)
    };
    measure(scene).map(rate).into_iter().collect()
}

fn find(scene: &DetectInput) -> Vec<Finding> {
    let Some((again, share)) = measure(scene) else { return Vec::new() };
    let limit = scene.limit(KIND, Of::All, SHARE * SCALE) / SCALE;
    let times = f64::min(again / scene.threshold, share / limit);
    if times < HOLDS {
        return Vec::new();
    }
    let mut note = format!("{} segments/s are sent again, {} of those sent", format::pps(again), percent(share));
    let resending = scene.sockets.map(|sockets| sockets.resending.as_slice()).unwrap_or_default();
    let told: Vec<_> = resending.iter().map(connection).collect();
    if !told.is_empty() {
        note.push_str(&format!("; most to {}", told.join(", ")));
    }
    let usual = scene.usual_of(KIND, Of::All).map(|usual| format!("{} is usual", percent(usual / SCALE)));
    vec![Finding {
        value: again,
        count: 1,
        effect: if times >= 1.0 { Effect::Raise } else { Effect::Hold },
        evidence: usual.into_iter().collect(),
        note,
        ..Finding::default()
    }]
}

fn connection(Resending { local_port, remote: (ip, port), process, rate }: &Resending) -> String {
    let remote = std::net::SocketAddr::new(*ip, *port);
    format!("{remote} from port {local_port}{} ({}/s)", of_process(process.as_ref()), format::pps(*rate))
}

fn tell(finding: &Finding, peak: f64, _: &DetectInput) -> String {
    let most = format::pps(peak);
    match format::pps(finding.value) == most {
        true => format!("retransmission storm: {}", finding.note),
        false => format!("retransmission storm: {}, at most {most}", finding.note),
    }
}

#[cfg(test)]
mod tests {
    use crate::detect::{
        Thresholds,
        sockets::{Resending, SocketFacts},
        testing::*,
    };

    /// So many segments per second sent, sent again, and of these SYNs.
    fn rates(out: f64, again: f64, syn: f64) -> [(&'static str, f64); 3] {
        [("TcpOutSegs", out), ("TcpRetransSegs", again), ("TcpExtTCPSynRetrans", syn)]
    }

    fn play(out: f64, again: f64, syn: f64) -> Play {
        let mut play = Play::new(Thresholds::default());
        play.host = Some(host(&rates(out, again, syn)));
        play
    }

    fn said(out: f64, again: f64, syn: f64) -> Vec<String> {
        let mut play = play(out, again, syn);
        play.second(&[]);
        play.told()
    }

    #[test]
    fn what_is_one_and_what_is_not() {
        check([
            (
                "a path that loses a tenth",
                said(9000.0, 900.0, 0.0),
                &["retransmission storm: 900 segments/s are sent again, 10 % of those sent…"][..],
            ),
            (
                "just above",
                said(10_000.0, 501.0, 0.0),
                &["retransmission storm: 501 segments/s are sent again, 5 % of those sent…"],
            ),
            ("too few", said(900.0, 490.0, 0.0), &[]),
            ("too small a share", said(100_000.0, 4900.0, 0.0), &[]),
            ("a busy host", said(400_000.0, 3000.0, 0.0), &[]),
            ("SYN-ACKs to forged addresses", said(9000.0, 6000.0, 5900.0), &[]),
            (
                "more than are counted as sent",
                said(100.0, 900.0, 0.0),
                &["retransmission storm: 900 segments/s are sent again, 100 % of those sent…"],
            ),
            ("nothing", said(0.0, 0.0, 0.0), &[]),
        ]);
    }

    #[test]
    fn the_connections_that_lose_most_are_named() {
        let mut play = play(9000.0, 900.0, 0.0);
        let resending = |ip: &str, process| Resending {
            local_port: 443,
            remote: (ip.parse().expect("an address"), 50_000),
            process,
            rate: 450.0,
        };
        let process = Some(("nginx".to_string(), 12));
        let resending = vec![resending("203.0.113.7", process), resending("2001:db8::7", None)];
        play.sockets = Some(SocketFacts { resending, ..SocketFacts::default() });
        play.second(&[]);
        assert_eq!(
            play.told(),
            [
                "retransmission storm: 900 segments/s are sent again, 10 % of those sent; most to 203.0.113.7:50000 from port 443 of nginx (pid 12) (450/s), [2001:db8::7]:50000 from port 443 (450/s)…"
            ]
        );
        play.host = Some(host(&rates(9000.0, 600.0, 0.0)));
        play.second(&[]);
        assert!(play.told()[0].ends_with(", at most 900…"), "{:?}", play.told());
        play.host = Some(host(&rates(9000.0, 10.0, 0.0)));
        play.seconds(3, &[]);
        assert!(play.all()[0].until_ns.is_some());
    }

    #[test]
    fn a_path_that_always_loses_as_much_is_usual_and_one_that_began_so_is_found() {
        for (name, thresholds, usual, now, found) in [
            ("usual", Thresholds::default(), 480.0, 900.0, 0),
            ("three times the usual share", Thresholds::default(), 480.0, 2000.0, 1),
            ("fixed ones only", Thresholds::default().learning(false), 480.0, 900.0, 1),
            ("more, and it began so", Thresholds::default(), 900.0, 900.0, 1),
        ] {
            let mut play = Play::at_start(thresholds);
            play.host = Some(host(&rates(8000.0, usual, 0.0)));
            play.seconds(30, &[tcp(443, ACK, 10)]);
            play.host = Some(host(&rates(8000.0, now, 0.0)));
            play.second(&[tcp(443, ACK, 10)]);
            assert_eq!(play.alerts(super::KIND).len(), found, "{name}");
        }
    }
}
