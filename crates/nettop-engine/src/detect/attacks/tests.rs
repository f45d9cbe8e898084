//! What is one attack, and how it is told from its beginning to its end.

use nettop_model::{
    clock::Moment,
    snapshot::{Alert, Host, HostCpu, HostDirection, HostInterface, Severity},
};

use super::{Attack, Found};
use crate::detect::{Thresholds, testing::*};

#[test]
fn what_comes_to_one_target_is_one_attack() {
    let syn = |packets| tcp(443, SYN, packets).sources(100);
    let ping = |packets| icmp(packets).sources(100).from([10, 1, 0, 0]);
    let fragments = |packets| flow(17, (0, 0), packets).sources(100).from([10, 2, 0, 0]).fragments();
    table(vec![
        (
            "called by the largest",
            vec![syn(4000), ping(2400), fragments(2200)],
            &[
                "SYN flood on 192.0.2.1:443: 8.60k pps, 4.13 Mbit/s; about 100 sources; also ICMP flood 2.40k, fragment flood 2.20k…",
            ],
        ),
        (
            "though another has more packets",
            vec![syn(3000), udp(9, 9, 12_000).sources(300).from([10, 3, 0, 0])],
            &["SYN flood on 192.0.2.1:443: 15.0k pps, 7.20 Mbit/s; about 100 sources; also UDP flood 12.0k…"],
        ),
        (
            "none has half of it",
            vec![syn(1500), ping(3000), fragments(3000)],
            &[
                "flood of several kinds on 192.0.2.1:443: 7.50k pps, 3.60 Mbit/s; about 100 sources; SYN flood 1.50k, ICMP flood 3.00k, fragment flood 3.00k…",
            ],
        ),
        (
            "each below its threshold",
            vec![syn(900), ping(1600), fragments(1600)],
            &[
                "flood of several kinds on 192.0.2.1:443: 4.10k pps, 1.97 Mbit/s; about 100 sources; SYN flood 900, ICMP flood 1.60k, fragment flood 1.60k…",
            ],
        ),
        (
            "two, just enough",
            vec![syn(770), ping(1540)],
            &["SYN flood on 192.0.2.1:443: 2.31k pps, 1.11 Mbit/s; about 100 sources; also ICMP flood 1.54k…"],
        ),
        ("two, not quite", vec![syn(740), ping(1480)], &[]),
        ("one and a little", vec![syn(980), ping(580)], &[]),
        ("little of each of many", vec![syn(280), ping(560), fragments(560), tcp(443, RST, 1400).sources(100)], &[]),
    ]);
}

#[test]
fn targets_are_told_apart_and_networks_as_one() {
    let syn = |host: u8, packets| tcp(443, SYN, packets).sources(100).from([10, host, 0, 0]).to([192, 0, 2, host]);
    let carpet = udp(9, 9, 12_000).sources(300).to([198, 18, 4, 0]);
    table(vec![
        (
            "two hosts",
            vec![syn(1, 3000), syn(9, 2000)],
            &[
                "SYN flood on 192.0.2.9:443: 2.00k pps, 960 kbit/s; about 100 sources…",
                "SYN flood on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 100 sources…",
            ],
        ),
        (
            "one of them below the threshold",
            vec![syn(1, 3000), syn(9, 900)],
            &["SYN flood on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 100 sources…"],
        ),
        (
            "four hosts",
            vec![syn(1, 1100), syn(2, 1100), syn(3, 1100), syn(4, 1100)],
            &[
                "SYN flood on 192.0.2.4:443: 1.10k pps, 528 kbit/s; about 100 sources…",
                "SYN flood on 192.0.2.3:443: 1.10k pps, 528 kbit/s; about 100 sources…",
                "SYN flood on 192.0.2.2:443: 1.10k pps, 528 kbit/s; about 100 sources…",
                "SYN flood on 192.0.2.1:443: 1.10k pps, 528 kbit/s; about 100 sources…",
            ],
        ),
        (
            "five",
            vec![syn(1, 1100), syn(2, 1100), syn(3, 1100), syn(4, 1100), syn(5, 1100)],
            &["SYN flood on 192.0.2.0/29:443 (5 hosts): 5.50k pps, 2.64 Mbit/s; about 100 sources…"],
        ),
        (
            "a /22",
            vec![carpet.targets(1024)],
            &["UDP flood on 198.18.4.0/22:9 (1,024 hosts): 12.0k pps, 5.76 Mbit/s; about 300 sources…"],
        ),
        (
            "a /24",
            vec![carpet.targets(256)],
            &["UDP flood on 198.18.4.0/24:9 (256 hosts): 12.0k pps, 5.76 Mbit/s; about 300 sources…"],
        ),
        (
            "of IPv6",
            vec![carpet.targets(256).v6()],
            &["UDP flood on [2001:db8::c612:400/120]:9 (256 hosts): 12.0k pps, 5.76 Mbit/s; about 300 sources…"],
        ),
        (
            "a /22 and a host of another",
            vec![carpet.targets(1024), syn(1, 3000)],
            &[
                "UDP flood on 198.18.4.0/22:9 (1,024 hosts): 12.0k pps, 5.76 Mbit/s; about 300 sources…",
                "SYN flood on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 100 sources…",
            ],
        ),
    ]);
}

/// To `count` hosts that have nothing in common.
fn all_over(flow: Flow, count: u8) -> Vec<Flow> {
    (1..=count).map(|n| flow.to([n * 5, n, 2, 3])).collect()
}

#[test]
fn hosts_all_over_are_a_target_only_where_many_send_to_them_for_longer() {
    let flood = all_over(udp(9, 9, 400).sources(300).from([100, 0, 0, 0]), 40);
    let from_two = all_over(udp(9, 9, 400).sources(2).from([100, 0, 0, 0]), 40);
    check([
        ("the first second", play(&[], 1, &flood).told(), &[][..]),
        (
            "the next one",
            play(&[], 2, &flood).told(),
            &["UDP flood on hosts all over: 16.0k pps, 7.68 Mbit/s; about 106 sources…"],
        ),
        ("what two hosts send", play(&[], 2, &from_two).told(), &[]),
    ]);
}

/// What it says after each of these seconds of SYNs, where that changes.
fn course(seconds: &[(u64, u64)]) -> (Vec<String>, Play) {
    let mut play = play(&[], 0, &[]);
    let mut said: Vec<String> = Vec::new();
    for (seconds, packets) in seconds {
        for _ in 0..*seconds {
            play.second(&[tcp(443, SYN, *packets).sources(100)]);
            let now = play.told().first().cloned().unwrap_or_default();
            if said.last() != Some(&now) {
                said.push(now);
            }
        }
    }
    (said, play)
}

#[test]
fn it_goes_on_down_to_a_share_of_the_threshold_then_pauses_and_is_over_after_a_minute() {
    let (said, play) = course(&[(1, 5000), (1, 2000), (1, 850), (1, 0), (70, 0)]);
    assert_eq!(
        said,
        [
            "SYN flood on 192.0.2.1:443: 5.00k pps, 2.40 Mbit/s; about 100 sources…",
            "SYN flood on 192.0.2.1:443: 2.00k pps, 960 kbit/s, at most 5.00k; about 100 sources…",
            "SYN flood on 192.0.2.1:443: 850 pps, 408 kbit/s, at most 5.00k; about 100 sources…",
            "SYN flood on 192.0.2.1:443: paused, at most 5.00k pps…",
            "SYN flood on 192.0.2.1:443: paused, at most 5.00k pps"
        ]
    );
    let told: Vec<_> =
        play.changes.iter().map(|alert| (&*alert.kind, alert.until_ns.is_some(), alert.seconds)).collect();
    assert_eq!(told, [("syn-flood", false, 0.0), ("syn-flood", true, 3.0)]);
    assert_eq!(play.alerts("syn-flood")[0].peak, 5000.0);
}

#[test]
fn what_is_below_that_share_does_not_hold_it() {
    let (said, _) = course(&[(1, 3000), (4, 780)]);
    assert_eq!(
        said,
        [
            "SYN flood on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 100 sources…",
            "SYN flood on 192.0.2.1:443: paused, at most 3.00k pps…"
        ]
    );
}

#[test]
fn bursts_are_one_alert_that_counts_them() {
    let (said, play) = course(&[(2, 3000), (8, 0), (2, 3000), (8, 0), (2, 3000)]);
    assert_eq!(
        said,
        [
            "SYN flood on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 100 sources…",
            "SYN flood on 192.0.2.1:443: paused, at most 3.00k pps…",
            "SYN flood on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 100 sources; 2 bursts of 2 s, every 10 s…",
            "SYN flood on 192.0.2.1:443: paused, at most 3.00k pps; 2 bursts of 2 s, every 10 s…",
            "SYN flood on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 100 sources; 3 bursts of 2 s, every 10 s…"
        ]
    );
    let raised: Vec<_> = play.changes.iter().filter(|alert| alert.kind == "syn-flood").collect();
    assert_eq!(raised.len(), 1, "{raised:?}");
    let bursts = play.alerts("syn-flood")[0].bursts;
    assert_eq!((bursts.count, bursts.seconds, bursts.every, bursts.paused), (3, 2.0, 10.0, false));
}

#[test]
fn after_a_pause_of_less_than_a_minute_it_is_the_same_and_then_another() {
    for (quiet, count) in [(58, 1), (62, 2)] {
        let (_, play) = course(&[(2, 3000), (quiet, 0), (1, 3000)]);
        let numbers: std::collections::BTreeSet<_> = play.alerts("syn-flood").iter().map(|alert| alert.id).collect();
        assert_eq!(numbers.len(), count, "{quiet}");
    }
}

#[test]
fn who_takes_part_raises_nothing_else() {
    let fresh = |second: u8| {
        [
            udp(40_000, 1000, 12_000).sources(300).ports(7001).from([10, second, 0, 0]),
            tcp(443, SYN, 12_000).from([10, 200, 0, 0]).to([192, 0, 2, 9]),
        ]
    };
    let mut play = play(&[], 0, &[]);
    play.sampling = 5;
    (1..4).for_each(|second| play.second(&fresh(second)));
    let kinds: Vec<_> = play.changes.iter().map(|alert| &*alert.kind).collect();
    assert_eq!(kinds, ["syn-flood", "udp-flood"], "{:?}", play.told());
}

#[test]
fn vectors_say_how_much_of_each() {
    let play = play(&[], 2, &[tcp(443, SYN, 3000).sources(100), icmp(1000).sources(100)]);
    let alert = &play.all()[0];
    let vectors: Vec<_> = alert.vectors.iter().map(|v| (&*v.kind, v.pps, v.bps, v.share, v.ports.clone())).collect();
    let expected = [("syn-flood", 3000.0, 180_000.0, 0.75, vec![443]), ("icmp-flood", 1000.0, 60_000.0, 0.25, vec![])];
    assert_eq!(vectors, expected);
    assert_eq!((alert.value, alert.count), (4000.0, 100));
    assert_eq!(alert.target.map(|target| target.to_string()).as_deref(), Some("192.0.2.1:443"));
    assert_eq!(
        alert.origins.iter().map(|origin| (&*origin.of, origin.share.round())).collect::<Vec<_>>(),
        [("10.0.0.0/24", 1.0)]
    );
    assert!(alert.advice.contains("tcp_syncookies"), "{}", alert.advice);
}

#[test]
fn it_is_critical_where_it_harms() {
    let judged = |host| {
        let mut play = play(&[], 0, &[]);
        play.host = host;
        play.second(&[icmp(3000).sources(100)]);
        let Alert { severity, evidence, .. } = play.all().remove(0);
        (severity, evidence.last().cloned().unwrap_or_default())
    };
    let link = |bps| HostInterface {
        speed_mbit: Some(1000),
        rx: HostDirection { bps, ..HostDirection::default() },
        ..HostInterface::default()
    };
    let cpu = |softirq_most| HostCpu { softirq_most, ..HostCpu::default() };
    for (name, host, expected) in [
        ("not asked", None, (Severity::Warn, "what harm it does is not known: there are no counters of the host")),
        (
            "asked for the first time",
            Some(Host { seconds: 0.0, ..host(&[]) }),
            (Severity::Warn, "what harm it does is not known: there are no counters of the host"),
        ),
        ("no harm", Some(host(&[])), (Severity::Warn, "this host shows no harm")),
        ("a few drops", Some(host(&[("SoftnetDropped", 9.0)])), (Severity::Warn, "this host shows no harm")),
        (
            "drops",
            Some(host(&[("SoftnetDropped", 11.0)])),
            (Severity::Critical, "the kernel drops 11 packets/s before sockets"),
        ),
        (
            "half of a link",
            Some(Host { interfaces: vec![link(63e6)], ..host(&[]) }),
            (Severity::Critical, "the link is 50 % full"),
        ),
        (
            "less of it",
            Some(Host { interfaces: vec![link(62e6)], ..host(&[]) }),
            (Severity::Warn, "this host shows no harm"),
        ),
        ("a CPU", Some(Host { cpu: cpu(0.97), ..host(&[]) }), (Severity::Critical, "receiving takes 97 % of a CPU")),
        (
            "less than half of it",
            Some(Host { cpu: cpu(0.49), ..host(&[]) }),
            (Severity::Warn, "this host shows no harm"),
        ),
    ] {
        assert_eq!(judged(host), (expected.0, expected.1.to_string()), "{name}");
    }
}

#[test]
fn what_a_stall_brings_is_told_as_an_average() {
    let stalled = |packets| {
        let mut play = play(&[], 0, &[]);
        play.sampling = 5;
        play.stall(9, &[icmp(packets).sources(100)]);
        play
    };
    assert_eq!(stalled(17_900).told(), [""; 0], "1,989 in each second");
    let mut play = stalled(18_100);
    assert_eq!(
        play.told(),
        [
            "ICMP flood on 192.0.2.1: 2.01k pps, 965 kbit/s; about 100 sources (nothing was read for 9 s: rates are averages over that)…"
        ]
    );
    assert_eq!(play.all()[0].averaged_over, Some(9.0));
    play.second(&[icmp(3000).sources(100)]);
    assert_eq!(play.all()[0].averaged_over, None);
}

#[test]
fn a_reset_ends_it() {
    let mut play = play(&[], 2, &[icmp(3000).sources(100)]);
    play.reset();
    let over: Vec<_> = play.changes.iter().filter(|alert| alert.until_ns.is_some()).map(|alert| &*alert.kind).collect();
    assert_eq!((over, play.told()), (vec!["icmp-flood"], vec![]));
    // Everybody is new again, and it has to be much more.
    play.seconds(3, &[icmp(3000).sources(100)]);
    assert_eq!(play.told(), [""; 0]);
}

#[test]
fn every_kind_can_be_set_to_never() {
    let all = [tcp(443, SYN, 3000).sources(100), icmp(3000).sources(100).from([10, 1, 0, 0])];
    for (kind, expected) in [("syn-flood", "icmp-flood"), ("icmp-flood", "syn-flood")] {
        let mut play = Play::new(Thresholds::default().with(kind, 0));
        play.second(&all);
        let alerts = play.all();
        assert!(alerts.len() == 1 && alerts[0].kind == expected && alerts[0].vectors.len() == 1, "{kind}: {alerts:?}");
    }
    let mut play = Play::new(Thresholds::never());
    play.second(&all);
    assert_eq!(play.told(), [""; 0]);
}

#[test]
fn of_two_that_turn_out_to_be_one_every_kind_keeps_its_threshold() {
    let attack = |rule| {
        let mut attack = Attack::new(Moment::default(), 1, &Found { net: None, hosts: 1, parts: Vec::new() });
        // Nothing of it comes now.
        attack.kinds.entry(rule).or_default().threshold = 1000.0;
        attack
    };
    let mut older = attack(1);
    older.take(attack(2));
    let thresholds: Vec<_> = older.kinds.iter().map(|(rule, kind)| (*rule, kind.threshold)).collect();
    assert_eq!(thresholds, [(1, 1000.0), (2, 1000.0)]);
}
