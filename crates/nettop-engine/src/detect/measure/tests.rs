//! What is measured of a second: bursts, and the time in which everybody is new.

use crate::detect::{Thresholds, testing::*};

#[test]
fn a_flood_may_last_a_moment() {
    let game = |packets| [udp(40_000, 27_015, packets).sources(300)];
    let said = |tenths, packets| {
        let mut play = play(&[], 0, &[]);
        play.burst(tenths, &game(packets));
        play.told()
    };
    check([
        ("0.3 s", said(3..6, 7500), &["UDP flood on 192.0.2.1:27015: 25.0k pps, 12.0 Mbit/s; about 300 sources…"][..]),
        ("evenly", said(0..10, 7500), &[]),
        ("0.1 s is what any busy host gets", said(3..4, 3000), &[]),
        ("0.3 s, but not so many", said(3..6, 5800), &[]),
        (
            "0.3 s, just enough",
            said(3..6, 6100),
            &["UDP flood on 192.0.2.1:27015: 20.3k pps, 9.76 Mbit/s; about 300 sources…"],
        ),
        (
            "0.3 s at the end",
            said(7..10, 7500),
            &["UDP flood on 192.0.2.1:27015: 25.0k pps, 12.0 Mbit/s; about 300 sources…"],
        ),
    ]);
}

#[test]
fn moments_again_and_again_are_one_attack() {
    let mut play = play(&[], 0, &[]);
    for _ in 0..3 {
        play.burst(3..6, &[udp(40_000, 27_015, 7500).sources(300)]);
        play.seconds(4, &[]);
    }
    assert_eq!(play.told(), ["UDP flood on 192.0.2.1:27015: paused, at most 25.0k pps; 3 bursts of 1 s, every 5 s…"]);
    let alert = &play.all()[0];
    assert_eq!((alert.bursts.count, alert.bursts.every, alert.bursts.paused), (3, 5.0, true));
}

#[test]
fn while_everybody_is_new_it_has_to_be_ten_times_as_much_or_certain() {
    let at_start = |flows: &[Flow]| {
        let mut play = Play::at_start(Thresholds::default().with("udp-flood", 2000));
        play.sampling = 5;
        play.second(flows);
        play.told()
    };
    check([
        ("just below ten times", at_start(&[icmp(19_900).sources(100)]), &[][..]),
        (
            "more than that",
            at_start(&[icmp(20_200).sources(100)]),
            &["ICMP flood on 192.0.2.1: 20.2k pps, 9.70 Mbit/s; about 100 sources…"],
        ),
        (
            "certain",
            at_start(&[udp(40_000, 1000, 5100).sources(300).ports(3000)]),
            &["UDP flood on 192.0.2.1: 5.10k pps, 2.45 Mbit/s; about 300 sources…"],
        ),
        ("not certain", at_start(&[udp(40_000, 27_015, 5100).sources(300)]), &[]),
    ]);
}

#[test]
fn without_samples_their_number_says_what_it_can() {
    let said = |flows: &[Flow]| {
        let mut play = play(&[], 0, &[]);
        play.sampling = 0;
        play.second(flows);
        play.told()
    };
    check([
        ("ICMP", said(&[icmp(3000).sources(100)]), &["ICMP flood on 192.0.2.1: 3.00k pps, 1.44 Mbit/s…"][..]),
        (
            "SYN",
            said(&[tcp(443, SYN, 3000).sources(100), tcp(443, ACK, 3000).sources(100)]),
            &["SYN flood on 192.0.2.1: 1.50k pps, 720 kbit/s…"],
        ),
        ("connections", said(&[tcp(443, SYN, 3000).sources(100), tcp(443, ACK, 6000).sources(100)]), &[]),
        (
            "SYN-ACK",
            said(&[tcp(443, SYN | ACK, 6000).sources(100)]),
            &["SYN-ACK reflection on 192.0.2.1: 6.00k pps, 2.88 Mbit/s…"],
        ),
        ("RST", said(&[tcp(443, RST, 6000).sources(100)]), &["RST flood on 192.0.2.1: 6.00k pps, 2.88 Mbit/s…"]),
        ("UDP", said(&[udp(53, 9, 11_000).sources(100)]), &["UDP flood on 192.0.2.1: 11.0k pps, 5.28 Mbit/s…"]),
        ("ACK: nobody knows whose", said(&[tcp(443, ACK, 11_000).sources(100)]), &[]),
        ("a little each", said(&[icmp(500), tcp(443, SYN, 900), udp(1, 2, 2000)]), &[]),
    ]);
}
