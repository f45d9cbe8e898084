//! What is an egress flood, and what is not.

use nettop_common::TrafficClass::{Ack, Data, Icmp, Rst, Syn, SynAck, Udp};

use crate::detect::{Thresholds, testing::*};

/// What is sent, and what comes, in a second after a quiet while.
fn play(sends: &[Sending], flows: &[Flow]) -> Play {
    let mut play = Play::new(Thresholds::never().with(super::KIND, 10_000));
    play.sends = sends.to_vec();
    play.second(flows);
    play
}

fn said(sends: &[Sending], flows: &[Flow]) -> Vec<String> {
    play(sends, flows).told()
}

/// What the remote address, or the first of several, sends to this host.
fn from_remote(packets: u64) -> Flow {
    tcp(443, ACK, packets).from([198, 51, 100, 7])
}

#[test]
fn what_is_one_and_what_is_not() {
    check([
        (
            "one target",
            said(&[sends(Udp, 40_000).length(1000)], &[]),
            &["egress flood: this host sends 40.0k pps, 320 Mbit/s of UDP that nobody answers, to 198.51.100.7…"][..],
        ),
        (
            "IPv6",
            said(&[sends(Udp, 40_000).length(1000).v6()], &[]),
            &[
                "egress flood: this host sends 40.0k pps, 320 Mbit/s of UDP that nobody answers, to 2001:db8::c633:6407…",
            ],
        ),
        (
            "just above",
            said(&[sends(Udp, 10_010)], &[]),
            &["egress flood: this host sends 10.0k pps, 4.80 Mbit/s of UDP that nobody answers, to 198.51.100.7…"],
        ),
        ("just below", said(&[sends(Udp, 9990)], &[]), &[]),
        (
            "several targets, and one that gets most",
            said(&[sends(Udp, 40_000), sends(Udp, 30_000).to([100, 1, 0, 0], 9)], &[]),
            &[
                "egress flood: this host sends 70.0k pps, 33.6 Mbit/s of UDP that nobody answers, mostly to 198.51.100.7…",
            ],
        ),
        (
            "targets that it sends to for long",
            {
                let mut play = play(&[], &[]);
                for lot in 0..5 {
                    play.sends = vec![sends(Udp, 80).to([100, 1, lot, 0], 80)];
                    play.second(&[]);
                }
                play.sends = (0..5).map(|lot| sends(Udp, 8000).to([100, 1, lot, 0], 80).length(1000)).collect();
                play.second(&[]);
                play.told()
            },
            &["egress flood: this host sends 40.0k pps, 320 Mbit/s of UDP that nobody answers, to 400 addresses…"],
        ),
        (
            "amid what is served",
            {
                let mut play = play(&[sends(Data, 90_000)], &[from_remote(2000)]);
                play.sends.push(sends(Udp, 40_000).to([100, 1, 0, 0], 1));
                play.second(&[from_remote(2000)]);
                play.told()
            },
            &["egress flood: this host sends 40.0k pps, 19.2 Mbit/s of UDP that nobody answers, to 100.1.0.0…"],
        ),
        (
            "SYNs that are answered",
            said(&[sends(Syn, 20_000)], &[tcp(40_000, SYN | ACK, 20_000).from([198, 51, 100, 7])]),
            &["egress flood: this host sends 20.0k pps, 9.60 Mbit/s of TCP SYNs, to 198.51.100.7…"],
        ),
        (
            "what ICMP answers",
            said(&[sends(Udp, 40_000).length(1000)], &[icmp(900).from([198, 51, 100, 7])]),
            &["egress flood: this host sends 39.1k pps, 313 Mbit/s of UDP that nobody answers, to 198.51.100.7…"],
        ),
        (
            "ACKs that a few challenge ACKs answer",
            said(&[sends(Ack, 20_000)], &[from_remote(900)]),
            &["egress flood: this host sends 20.0k pps, 9.60 Mbit/s of TCP ACKs, to 198.51.100.7…"],
        ),
        (
            "ACKs that resets answer",
            said(&[sends(Ack, 20_000)], &[tcp(40_000, RST, 19_000).from([198, 51, 100, 7])]),
            &["egress flood: this host sends 20.0k pps, 9.60 Mbit/s of TCP ACKs, to 198.51.100.7…"],
        ),
    ]);
}

#[test]
fn what_is_answered_is_none() {
    let crowd = |each: u64| tcp(443, ACK, 5000 * each).sources(5000).from([100, 1, 0, 0]);
    check([
        ("a backup with large segments", said(&[sends(Data, 80_000).length(1500)], &[from_remote(900)]), &[][..]),
        ("a crowd at a web server", said(&[sends(Data, 90_000).to([100, 1, 0, 0], 5000)], &[crowd(4)]), &[]),
        ("the same of IPv6", said(&[sends(Data, 90_000).to([100, 1, 0, 0], 5000).v6()], &[crowd(4).v6()]), &[]),
        (
            "a resolver",
            said(
                &[sends(Udp, 30_000).to([100, 1, 0, 0], 3000)],
                &[udp(40_000, 53, 30_000).sources(3000).from([100, 1, 0, 0])],
            ),
            &[],
        ),
        (
            "calls",
            said(&[sends(Udp, 15_000).to([100, 1, 0, 0], 300)], &[udp(9, 9, 15_000).sources(300).from([100, 1, 0, 0])]),
            &[],
        ),
        ("a download", said(&[sends(Ack, 45_000)], &[tcp(9, PSH | ACK, 90_000).data().from([198, 51, 100, 7])]), &[]),
        ("a fast path, where acknowledgments are rare", said(&[sends(Data, 90_000)], &[from_remote(20)]), &[]),
        ("QUIC", said(&[sends(Udp, 90_000).length(1200)], &[udp(9, 443, 4000).from([198, 51, 100, 7])]), &[]),
        ("backscatter of forged SYNs", said(&[sends(SynAck, 60_000).to([100, 1, 0, 0], 20_000)], &[]), &[]),
        ("resets", said(&[sends(Rst, 60_000).to([100, 1, 0, 0], 20_000)], &[]), &[]),
        ("ICMP", said(&[sends(Icmp, 60_000).to([100, 1, 0, 0], 20_000)], &[]), &[]),
        ("a group", said(&[sends(Udp, 60_000).to([239, 1, 2, 3], 8)], &[]), &[]),
        ("what is forwarded", said(&[sends(Udp, 60_000)], &[udp(9, 9, 60_000).to([198, 51, 100, 7])]), &[]),
        (
            "answers to sources that were never seen",
            said(
                &[sends(Udp, 30_000).to([100, 1, 0, 0], 15_000)],
                &[udp(9, 53, 30_000).sources(30_000).from([100, 1, 0, 0]).untracked()],
            ),
            &[],
        ),
    ]);
}

#[test]
fn many_new_addresses_that_do_not_answer_are_a_scan_or_a_worm() {
    let scan = |remotes: u32| sends(Syn, u64::from(remotes)).to([100, 1, 0, 0], remotes);
    let queries = sends(Udp, 900).to([100, 1, 0, 0], 300);
    check([
        (
            "SYNs",
            said(&[scan(400)], &[]),
            &["egress flood: this host sends to 400 new addresses/s that do not answer: TCP SYNs…"][..],
        ),
        (
            "just above",
            said(&[scan(101)], &[]),
            &["egress flood: this host sends to 101 new addresses/s that do not answer: TCP SYNs…"],
        ),
        ("just below", said(&[scan(99)], &[]), &[]),
        (
            "IPv6",
            said(&[scan(400).v6()], &[]),
            &["egress flood: this host sends to 400 new addresses/s that do not answer: TCP SYNs…"],
        ),
        (
            "SYNs that are answered by resets",
            said(&[scan(400)], &[tcp(40_000, RST, 400).sources(400).from([100, 1, 0, 0])]),
            &["egress flood: this host sends to 400 new addresses/s that do not answer: TCP SYNs…"],
        ),
        (
            "UDP",
            said(&[queries], &[]),
            &["egress flood: this host sends to 300 new addresses/s that do not answer: UDP…"],
        ),
        ("a resolver that asks", said(&[queries], &[udp(53, 9, 900).sources(300).from([100, 1, 0, 0])]), &[]),
        (
            "a crawler",
            said(&[scan(300), sends(Ack, 2000)], &[tcp(9, ACK, 4000).sources(300).from([100, 1, 0, 0])]),
            &[],
        ),
        ("backscatter", said(&[scan(90), sends(SynAck, 6000).to([100, 2, 0, 0], 6000)], &[]), &[]),
        (
            "those that it has sent to before",
            {
                let mut play = play(&[scan(90)], &[]);
                play.seconds(9, &[]);
                play.told()
            },
            &[],
        ),
    ]);
}

#[test]
fn it_lasts_ends_and_its_harm_is_told() {
    let mut play = play(&[sends(Udp, 40_000)], &[]);
    play.sends = vec![sends(Udp, 20_000)];
    play.second(&[]);
    let alert = &play.all()[0];
    assert_eq!(alert.severity.label(), "warn");
    assert_eq!(alert.target.map(|target| target.to_string()).as_deref(), Some("198.51.100.7"));
    assert_eq!(
        play.told(),
        [
            "egress flood: this host sends 20.0k pps, 9.60 Mbit/s of UDP that nobody answers, to 198.51.100.7, at most 40.0k pps…"
        ]
    );
    assert_eq!(alert.evidence[1..], ["100 % of it goes to addresses that send nothing back"]);
    // Just below the threshold it goes on.
    play.sends = vec![sends(Udp, 8100)];
    play.seconds(5, &[]);
    assert_eq!(play.all()[0].until_ns, None);
    play.sends = vec![sends(Udp, 120_000)];
    play.second(&[]);
    assert_eq!(play.all()[0].severity.label(), "critical", "ten times the threshold");
    play.sends.clear();
    play.seconds(3, &[]);
    assert!(play.all()[0].until_ns.is_some());
}

#[test]
fn one_that_began_before_nettop_is_found_but_at_the_start_every_address_is_new() {
    for (name, sends, found) in [
        ("a flood", sends(Udp, 40_000), true),
        ("addresses", sends(Udp, 900).to([100, 1, 0, 0], 300), false),
        ("a scan, ten times the threshold", sends(Syn, 3000).to([100, 1, 0, 0], 3000), true),
    ] {
        let mut play = Play::at_start(Thresholds::default());
        play.sends = vec![sends];
        play.seconds(3, &[]);
        assert_eq!(!play.alerts(super::KIND).is_empty(), found, "{name}");
    }
}

#[test]
fn three_times_what_is_usual_is_one_unless_thresholds_are_fixed() {
    let learning = Thresholds::never().with("high-pps", 0);
    let open = |thresholds: Thresholds, pps: u64, then: u64| {
        let mut play = Play::new(thresholds);
        play.sends = vec![sends(Udp, pps)];
        play.seconds(30, &[]);
        play.sends = vec![sends(Udp, then)];
        play.second(&[]);
        play.alerts(super::KIND).len()
    };
    // What a rule is told of by an option is fixed: the default is not.
    let default = Thresholds::default();
    for (name, thresholds, pps, then, found) in [
        ("three times as much", default, 9000, 31_000, 1),
        ("not three times as much", default, 9000, 25_000, 0),
        ("fixed ones only", default.learning(false), 9000, 25_000, 1),
        ("given", default.with(super::KIND, 20_000), 9000, 25_000, 1),
        ("never", learning, 9000, 90_000, 0),
    ] {
        assert_eq!(open(thresholds, pps, then), found, "{name}");
    }
}
