//! Addresses that are new, sources told as one, and what a reset leaves.

use nettop_common::{Address, MacPair, SourceCounters};
use nettop_model::{clock::Moment, snapshot::Alert};

use super::{Conversation, Detector, Surroundings, Thresholds, testing::line};

/// One without the rules of floods.
fn detector(high_pps: u64) -> Detector {
    let thresholds = Thresholds::never().with("high-pps", high_pps).with("new-ip", 1).with("new-mac", 1);
    Detector::new(thresholds)
}

fn source(n: u32) -> Address {
    Address::from_v4_word(n.to_be())
}

fn add(detector: &mut Detector, n: u32, packets: u64, new: bool) {
    let counted = SourceCounters { packets, bytes: packets * 60, ..SourceCounters::default() };
    let ever = if new { packets } else { u64::MAX };
    detector.stats.source(&source(n), &counted, packets, ever, new);
}

fn judge(detector: &mut Detector, second: u64, pps: f64) -> Vec<Alert> {
    let now = Moment { monotonic_ns: second * 1_000_000_000, unix_ns: second * 1_000_000_000 };
    detector.judge(
        now,
        1.0,
        &Surroundings {
            pps: &|_| pps,
            place: &|_| Vec::new(),
            host: None,
            conversation: &|_| Conversation::default(),
            counts_egress: false,
            sockets: None,
            suspects: &[],
        },
    )
}

#[test]
fn new_sources_are_told_one_by_one_or_by_their_number() {
    for (name, seconds, expected) in [
        ("nothing", &[0, 0][..], &[][..]),
        ("the first second", &[37], &["37 sources so far"]),
        ("the first packets come late", &[0, 37], &["37 sources so far"]),
        ("one", &[5, 1], &["new source 0.0.0.105", "5 sources so far"]),
        (
            "three",
            &[5, 3],
            &["new source 0.0.0.107", "new source 0.0.0.106", "new source 0.0.0.105", "5 sources so far"],
        ),
        ("a flood", &[1, 4213], &["4,213 new sources in the last second…", "new source 0.0.0.100"]),
        ("it ebbs", &[1, 4213, 9], &["9 new sources in the last second, at most 4,213…", "new source 0.0.0.100"]),
        ("it is over", &[1, 4213, 0, 0, 0], &["4,213 new sources in the last second", "new source 0.0.0.100"]),
    ] {
        let (mut detector, mut next) = (detector(0), 100);
        for (at, new) in (1..).zip(seconds) {
            (next..next + new).for_each(|n| add(&mut detector, n, 1, true));
            next += new;
            judge(&mut detector, at, 0.0);
        }
        let told: Vec<_> = detector.alerts(Moment::default()).iter().map(line).collect();
        assert_eq!(told, expected, "{name}");
    }
}

#[test]
fn many_busy_sources_are_told_as_one() {
    let mut detector = detector(1000);
    (1..=317).for_each(|n| add(&mut detector, n, 1500, false));
    let changes = judge(&mut detector, 1, 1500.0);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].message, "317 sources over 1,000 pps each");
    assert_eq!((changes[0].source, changes[0].count), (None, 317));
}

#[test]
fn an_alert_is_told_when_it_begins_and_when_it_is_over() {
    let told = |seconds: &[u64]| {
        let (mut detector, mut changes) = (detector(1000), Vec::new());
        for (at, packets) in (1..).zip(seconds) {
            add(&mut detector, 1, *packets, false);
            changes.extend(judge(&mut detector, at, *packets as f64));
        }
        let seconds = |ns: u64| ns / 1_000_000_000;
        let each = |alert: &Alert| (seconds(alert.since_ns), alert.until_ns.map(seconds), alert.peak);
        changes.iter().map(each).collect::<Vec<_>>()
    };
    let then = |first: usize, quiet: usize| [vec![2000; first], vec![1; quiet], vec![3000; 5]].concat();
    // Over 3 s after it was found last, and not raised again within another 10 s.
    assert_eq!(told(&then(5, 5)), [(1, None, 2000.0), (1, Some(8), 2000.0)]);
    assert_eq!(told(&then(1, 12)), [(1, None, 2000.0), (1, Some(4), 2000.0), (15, None, 3000.0)]);
}

#[test]
fn macs_are_new_once_and_group_addresses_never() {
    let mut detector = detector(0);
    let pair = |destination: [u8; 6], source: u8| MacPair::new(destination, [2, 0, 0, 0, 0, source]);
    for (destination, source, expected) in
        [([2, 0, 0, 0, 0, 1], 2, 2), ([2, 0, 0, 0, 0, 1], 3, 1), ([0x33, 0x33, 0, 0, 0, 1], 3, 0), ([0; 6], 2, 0)]
    {
        detector.stats.new_macs(&pair(destination, source));
        let found = judge(&mut detector, 1, 0.0);
        assert_eq!(found.len(), expected, "{destination:?} {source}");
    }
}

#[test]
fn a_reset_forgets_and_ends_what_lasts() {
    let mut detector = detector(10);
    add(&mut detector, 1, 50, true);
    judge(&mut detector, 1, 50.0);
    let over = detector.reset(Moment { monotonic_ns: 5, unix_ns: 7 });
    assert_eq!(over.iter().map(|alert| (&*alert.kind, alert.until_ns)).collect::<Vec<_>>(), [("high-pps", Some(7))]);
    assert!(detector.alerts(Moment::default()).is_empty());
}
