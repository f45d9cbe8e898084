//! Rules of one's own over seconds of traffic, through the aggregates that real readings are entered into.

use std::net::Ipv4Addr;

use nettop_collect::reading::Reading;
use nettop_common::{
    Address, Class, ClassTally, PacketsBytes, Protocol, SizeBucket, SourceCounters, TrafficClass, packet::Flags,
    unique::HashKey,
};
use nettop_model::{
    clock::{Calendar, Moment},
    snapshot::{Alert, Severity},
};

use super::*;
use crate::{
    aggregates::Aggregates,
    detect::{Conversation, Detector, Surroundings, Thresholds},
    publish::lists,
    regions::Regions,
};

const SECOND_NS: u64 = 1_000_000_000;

/// Packets of a second: from where, to where, to which port, and how many.
type Packets<'a> = (&'a str, &'a str, u16, u64);

/// A detector with nothing but rules of one's own, and what it has raised and ended.
struct Play {
    detector: Detector,
    aggregates: Aggregates,
    calendar: Calendar,
    at: Moment,
    changes: Vec<Alert>,
}

impl Play {
    fn new(rules: &[(&str, &str, i64)]) -> Self {
        let rules = rules.iter().map(|(name, when, seconds)| {
            OwnRule::new(name, when, *seconds, Severity::Info).unwrap_or_else(|wrong| panic!("{when}: {wrong:?}"))
        });
        let at = Moment { monotonic_ns: 5 * SECOND_NS, unix_ns: 1_700_000_000 * SECOND_NS };
        Self {
            detector: Detector::new(Thresholds::never()).with_rules(rules.collect()),
            aggregates: Aggregates::new(at, 10_000, Regions::new(None), HashKey([1; 2])),
            calendar: Calendar::new(at),
            at,
            changes: Vec::new(),
        }
    }

    /// Plays a second in two readings.
    fn second(&mut self, traffic: &[Packets]) {
        for half in 0..2 {
            self.reading(traffic, half, SECOND_NS / 2);
        }
    }

    fn reading(&mut self, traffic: &[Packets], half: u64, length_ns: u64) {
        let Self { detector, aggregates, at, .. } = self;
        at.monotonic_ns += length_ns;
        at.unix_ns += length_ns;
        let mut reading = Reading::new(*at);
        for (source, destination, port, packets) in traffic {
            let packets = packets * (half + 1) / 2 - packets * half / 2;
            let tally = PacketsBytes { packets, bytes: packets * 100 };
            let mut counted = SourceCounters::default();
            (0..packets).for_each(|_| counted.count(Protocol::Udp, Flags::default(), false, 100, at.monotonic_ns));
            reading.totals.class(Class::counted(Protocol::Udp, SizeBucket::of(100), false)).add(tally);
            reading.totals.seen.add(tally);
            reading.sources.push((address(source), counted));
            reading.destinations.push((address(destination), ClassTally { class: TrafficClass::Udp, tally }));
            aggregates.tables.dst_ports[usize::from(*port)] += packets;
        }
        aggregates.enter(&reading, &mut detector.stats, |_| {});
        if let Some(seconds) = aggregates.close() {
            self.judge(seconds);
        }
    }

    fn judge(&mut self, seconds: f64) {
        let Self { detector, aggregates, calendar, at, changes } = self;
        let rows = Rows {
            source: &|address| lists::source(aggregates, *at, calendar, address, None),
            destination: &|address| lists::destination(aggregates, *at, address),
            ports: &aggregates.tables.dst_ports,
            ports_before: &aggregates.base.dst_ports,
        };
        changes.extend(detector.judge_own(*at, seconds, &rows));
        let around = Surroundings {
            pps: &|_| 0.0,
            place: &|_| Vec::new(),
            host: None,
            conversation: &|_| Conversation::default(),
            counts_egress: false,
            sockets: None,
            suspects: &[],
        };
        changes.extend(detector.judge(*at, seconds, &around));
    }

    /// What was raised and ended: messages, those of what is over with a full stop.
    fn told(&mut self) -> Vec<String> {
        let ended = |alert: &Alert| if alert.until_ns.is_some() { "." } else { "" };
        self.changes.drain(..).map(|alert| format!("{}{}", alert.message, ended(&alert))).collect()
    }
}

fn address(text: &str) -> Address {
    text.parse::<std::net::IpAddr>().expect("an address").into()
}

const CALM: &[Packets] = &[("10.1.0.1", "10.0.0.5", 80, 100), ("10.2.0.1", "10.0.0.6", 53, 40)];

#[test]
fn a_second_is_found_by_what_the_rule_asks() {
    let busy: &[Packets] = &[
        ("10.1.0.1", "10.0.0.5", 80, 6_000),
        ("10.1.0.1", "10.0.0.6", 53, 300),
        ("10.2.0.1", "10.0.0.5", 443, 100),
        ("10.2.0.2", "10.0.0.7", 0, 50),
    ];
    for (when, expected) in [
        ("dst:10.0.0.5 pps>5k", &["10.0.0.5 gets 6.10k pps"][..]),
        ("dst:10.0.0.5 pps>6100", &[]),
        ("dst:10.0.0.5 pps>=6100", &["10.0.0.5 gets 6.10k pps"]),
        ("dst:10.0.0.0/24 pps>200", &["10.0.0.5 gets 6.10k pps", "10.0.0.6 gets 300 pps"]),
        ("dst:10.0.0.0/24 !dst:10.0.0.5 pps>200", &["10.0.0.6 gets 300 pps"]),
        ("dst:10.0.0.7", &["10.0.0.7 gets 50 pps"]),
        ("dst:10.0.0.8", &[]),
        // The calm second before counts for amounts.
        ("dst:10.0.0.6 packets>=340", &["10.0.0.6 gets 300 pps"]),
        ("dst:10.0.0.6 packets>340", &[]),
        ("dst:10.0.0.6 bytes>=34k", &["10.0.0.6 gets 300 pps"]),
        ("pps>1k", &["10.1.0.1 sends 6.30k pps"]),
        ("src:10.2.0.0/16 pps<80", &["10.2.0.2 sends 50 pps"]),
        ("src:10.2.0.0/16", &["10.2.0.1 sends 100 pps", "10.2.0.2 sends 50 pps"]),
        ("ip:10.2.0.1 or pps>5k", &["10.1.0.1 sends 6.30k pps", "10.2.0.1 sends 100 pps"]),
        ("10.2.0.2", &["10.2.0.2 sends 50 pps"]),
        ("peak>5k", &["10.1.0.1 sends 6.30k pps"]),
        // Nobody knows a source's ports without detail.
        ("src:10.1.0.1 port:80", &[]),
        ("port:80 pps>5k", &["port 80 gets 6.00k pps"]),
        ("port:1-100", &["port 80 gets 6.00k pps", "port 53 gets 300 pps"]),
        ("port:0", &["what has no port gets 50 pps"]),
        ("!port:80", &["port 53 gets 300 pps", "port 443 gets 100 pps", "what has no port gets 50 pps"]),
        ("port:80 packets<6100", &[]),
        ("port:8080", &[]),
    ] {
        let mut play = Play::new(&[("mine", when, 1)]);
        play.second(&[("10.1.0.1", "10.0.0.5", 80, 100), ("10.2.0.1", "10.0.0.6", 53, 40)]);
        play.changes.clear();
        // A rule that would go on because of the second before is to be told anew.
        play.detector.reset(play.at);
        play.second(busy);
        let expected: Vec<_> = expected.iter().map(|text| format!("mine: {text} (when {when})")).collect();
        assert_eq!(play.told(), expected, "{when}");
    }
}

#[test]
fn an_alert_says_which_rule_it_is_of_and_about_what() {
    let mut play = Play::new(&[("to", "dst:10.0.0.5 pps>50", 1), ("from", "pps>90", 1), ("at", "port:53 pps>1", 1)]);
    play.second(CALM);
    let [to, from, at] = &*play.changes else { panic!("three alerts: {:?}", play.changes) };
    let target = Target::host(Ipv4Addr::new(10, 0, 0, 5).into());
    assert_eq!((&*to.kind, to.source, to.target, to.value), ("to", None, Some(target), 100.0));
    let source = Origin::Ip(Ipv4Addr::new(10, 1, 0, 1).into());
    assert_eq!((&*from.kind, from.source, from.target), ("from", Some(source), None));
    assert_eq!((&*at.kind, at.source, at.target, at.value), ("at", None, None, 40.0));
    assert_eq!((to.severity, to.evidence.as_slice()), (Severity::Info, &["dst:10.0.0.5 pps>50".to_string()][..]));
    assert!(to.advice.contains("[[rules]]"), "{}", to.advice);
}

#[test]
fn a_rule_waits_for_so_many_seconds_in_a_row_and_then_goes_on_while_it_matches() {
    let busy: &[Packets] = &[("10.1.0.1", "10.0.0.5", 80, 60_000)];
    let mut play = Play::new(&[("db-flood", "dst:10.0.0.5 pps>50k", 3)]);
    for (seconds, traffic, expected) in [
        (2, busy, &[][..]),
        (1, CALM, &[]),
        // Anew: it was not in a row.
        (2, busy, &[]),
        (1, busy, &["db-flood: 10.0.0.5 gets 60.0k pps (when dst:10.0.0.5 pps>50k, for 3 s)"]),
        (1, &[("10.1.0.1", "10.0.0.5", 80, 80_000)], &[]),
        (2, CALM, &[]),
        // Neither over nor raised anew: what lasts goes on at the first second.
        (1, busy, &[]),
        (2, CALM, &[]),
        (1, CALM, &["db-flood: 10.0.0.5 gets 60.0k pps, at most 80.0k (when dst:10.0.0.5 pps>50k, for 3 s)."]),
        // It is not raised again so soon.
        (4, busy, &[]),
    ] {
        (0..seconds).for_each(|_| play.second(traffic));
        assert_eq!(play.told(), expected, "{seconds} {traffic:?}");
    }
}

#[test]
fn a_time_without_readings_is_one_second_of_a_row() {
    let mut play = Play::new(&[("long", "dst:10.0.0.5 pps>50", 4)]);
    play.second(&[("10.1.0.1", "10.0.0.5", 80, 100)]);
    play.detector.stats.stalled(30.0);
    play.reading(&[("10.1.0.1", "10.0.0.5", 80, 6_000)], 1, 30 * SECOND_NS);
    play.second(&[("10.1.0.1", "10.0.0.5", 80, 100)]);
    assert!(play.told().is_empty());
    play.second(&[("10.1.0.1", "10.0.0.5", 80, 100)]);
    assert_eq!(play.told().len(), 1);
}

#[test]
fn five_rows_are_told_one_by_one_and_the_others_as_one() {
    for (when, one, many) in [
        ("pps>50", "10.1.0.0 sends 100 pps", "sources"),
        ("dst:10.2.0.0/16 pps>50", "10.2.0.0 gets 100 pps", "destinations"),
    ] {
        for (rows, more) in [
            (5, None),
            (6, Some(format!("and 1 more {}", many.trim_end_matches('s')))),
            (17, Some(format!("and 12 more {many}"))),
        ] {
            let names: Vec<_> = (0..rows).map(|n| (format!("10.1.0.{n}"), format!("10.2.0.{n}"))).collect();
            let traffic: Vec<Packets> = names.iter().map(|(from, to)| (from.as_str(), to.as_str(), 80, 100)).collect();
            let mut play = Play::new(&[("mine", when, 1)]);
            play.second(&traffic);
            let told = play.told();
            assert_eq!(told.len(), 5 + usize::from(more.is_some()), "{told:?}");
            assert_eq!(told[0], format!("mine: {one} (when {when})"));
            assert_eq!(told.get(5).cloned(), more.map(|more| format!("mine: {more} (when {when})")));
            // It goes on, and ends as a whole.
            play.second(&traffic);
            assert!(play.told().is_empty());
            (0..4).for_each(|_| play.second(&[("10.9.0.1", "10.0.0.6", 53, 40)]));
            assert_eq!(play.told().iter().filter(|text| text.ends_with('.')).count(), told.len());
        }
    }
}

#[test]
fn ports_are_counted_from_second_to_second_and_a_reset_is_no_second() {
    let mut play = Play::new(&[("mine", "port:53 pps>1k", 1)]);
    for _ in 0..5 {
        play.second(&[("10.1.0.1", "10.0.0.5", 53, 900)]);
    }
    play.aggregates.reset(play.at);
    play.detector.reset(play.at);
    play.second(&[("10.1.0.1", "10.0.0.5", 53, 900)]);
    assert!(play.told().is_empty(), "never more than 900 in a second");
    play.second(&[("10.1.0.1", "10.0.0.5", 53, 1_100)]);
    assert_eq!(play.told(), ["mine: port 53 gets 1.10k pps (when port:53 pps>1k)"]);
}

#[test]
fn without_a_row_that_could_match_nothing_is_looked_at() {
    let mut play = Play::new(&[("a", "pps>5k", 1), ("b", "src:10.0.0.0/8 pps>2k", 1), ("c", "dst:10.0.0.5 pps>5k", 1)]);
    let looked = std::cell::Cell::new(0);
    for source in 0..2_000u32 {
        play.detector.stats.source(&Address::from_v4_word(source), &SourceCounters::default(), 1_000, 1_000, false);
    }
    let counted = ClassTally { class: TrafficClass::Udp, tally: PacketsBytes { packets: 4_000, bytes: 1 } };
    play.detector.stats.destination(&address("10.0.0.5"), counted);
    let rows = Rows {
        source: &|_| {
            looked.set(looked.get() + 1);
            None
        },
        destination: &|_| {
            looked.set(looked.get() + 1);
            None
        },
        ports: &[],
        ports_before: &[],
    };
    assert!(play.detector.judge_own(play.at, 1.0, &rows).is_empty());
    assert_eq!(looked.get(), 0);
    play.detector.stats.source(&Address::from_v4_word(7), &SourceCounters::default(), 2_000, 2_000, false);
    play.detector.judge_own(play.at, 1.0, &rows);
    assert_eq!(looked.get(), 1);
}
