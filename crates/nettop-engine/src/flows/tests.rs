use nettop_collect::flows::{FlowEvent, FlowKey, FlowRow, MOST_FLOWS, Told, Tuple};
use nettop_model::snapshot::{FlowAccounting, Nat};

use super::*;

const SECOND: u64 = 1_000_000_000;

fn at(second: u64) -> Moment {
    Moment { monotonic_ns: second * SECOND, unix_ns: 1_000 * SECOND + second * SECOND }
}

/// A flow of UDP that is forwarded, from this port, and has moved so many bytes each way.
fn flow(port: u32, moved: Option<[u64; 2]>) -> FlowRow {
    let ip = |host: u32| std::net::IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + host));
    let (client, server) = (ip(1 + (port >> 16)), ip(0x00ff_0001));
    let from = port as u16;
    let key = FlowKey {
        protocol: 17,
        original: Tuple { source: client, destination: server, ports: [from, 53] },
        reply: Tuple { source: server, destination: client, ports: [53, from] },
        ..FlowKey::default()
    };
    FlowRow { key, moved: moved.map(|moved| moved.map(|bytes| (1, bytes))), timeout_s: Some(20), ..FlowRow::default() }
}

fn table(second: u64, flows: Vec<FlowRow>) -> FlowTable {
    FlowTable { at: at(second), flows, ..FlowTable::default() }
}

fn settings() -> FlowSettings {
    FlowSettings {
        count: Some(1),
        max: Some(100),
        acct: Some(true),
        events: Some(true),
        timeouts: [("udp_timeout".to_string(), 30), ("udp_timeout_stream".to_string(), 120)].into(),
        ..FlowSettings::default()
    }
}

fn told(events: Vec<FlowEvent>) -> Told {
    Told { events, ..Told::default() }
}

/// What is told before a table, the table, and what is told after it.
fn enter(state: &mut FlowState, second: u64, before: Told, table: Option<FlowTable>, after: Told) -> Arc<Flows> {
    let settings = settings();
    state.enter(FlowReading { at: at(second), before, table, after, settings, ..FlowReading::default() });
    let flows = state.group(0).expect("flows");
    assert!(flows.accounting.holds, "{:?}", flows.accounting);
    flows
}

fn counts(flows: &Flows) -> [u64; 5] {
    let FlowAccounting { found, began, live, ended, vanished, .. } = flows.accounting;
    [found, began, live, ended, vanished]
}

fn badges(state: &FlowState) -> String {
    state.degraded().iter().map(|row| row.badge.as_str()).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_flow_goes_somewhere() {
    use FlowEvent::{Began, Ended};
    let one = || flow(1, Some([10, 20]));
    let none = || told(Vec::new());
    // Of each step what is told before the table, the table, what is told after it; then found, began, live, ended, vanished.
    type Step = (Vec<FlowEvent>, Option<Vec<FlowRow>>, Vec<FlowEvent>, [u64; 5]);
    let cases: Vec<(&str, Vec<Step>)> = vec![
        (
            "found and told to end",
            vec![
                (vec![], Some(vec![one()]), vec![], [1, 0, 1, 0, 0]),
                (vec![Ended(one())], Some(vec![]), vec![], [1, 0, 0, 1, 0]),
            ],
        ),
        (
            "told to begin, read, told to end",
            vec![
                (vec![Began(one())], None, vec![], [0, 1, 1, 0, 0]),
                (vec![], Some(vec![one()]), vec![], [0, 1, 1, 0, 0]),
                (vec![], None, vec![Ended(one())], [0, 1, 0, 1, 0]),
            ],
        ),
        (
            "read before it is told to begin",
            vec![
                (vec![], Some(vec![one()]), vec![Began(one())], [0, 1, 1, 0, 0]),
                (vec![Ended(one())], None, vec![], [0, 1, 0, 1, 0]),
            ],
        ),
        (
            "the same, told in the next reading",
            vec![
                (vec![], Some(vec![one()]), vec![], [1, 0, 1, 0, 0]),
                (vec![Began(one())], None, vec![], [0, 1, 1, 0, 0]),
            ],
        ),
        (
            "shorter than between two tables",
            vec![(vec![Began(one()), Ended(one())], Some(vec![]), vec![], [0, 1, 0, 1, 0])],
        ),
        (
            "again and again with the same ends",
            vec![(
                vec![Began(one()), Ended(one()), Began(one())],
                Some(vec![one()]),
                vec![Ended(one()), Began(one())],
                [0, 3, 1, 2, 0],
            )],
        ),
        ("an end of which nothing was known", vec![(vec![Ended(one())], None, vec![], [1, 0, 0, 1, 0])]),
        (
            "missed by one table, which is nothing",
            vec![
                (vec![], Some(vec![one()]), vec![], [1, 0, 1, 0, 0]),
                (vec![], Some(vec![]), vec![], [1, 0, 1, 0, 0]),
                (vec![], Some(vec![one()]), vec![], [1, 0, 1, 0, 0]),
                (vec![], Some(vec![]), vec![], [1, 0, 1, 0, 0]),
                (vec![], Some(vec![]), vec![], [1, 0, 0, 0, 1]),
            ],
        ),
        ("twice in a table", vec![(vec![], Some(vec![one(), one()]), vec![], [1, 0, 1, 0, 0])]),
        (
            "begun twice, its end was not told",
            vec![
                (vec![Began(one())], None, vec![], [0, 1, 1, 0, 0]),
                (vec![Began(one())], None, vec![], [0, 2, 1, 0, 1]),
            ],
        ),
    ];
    for (name, steps) in cases {
        let mut state = FlowState::new(Duration::from_secs(10));
        for (second, (before, flows, after, expected)) in (1..).zip(steps) {
            let table = flows.map(|flows| table(second, flows));
            let flows = enter(&mut state, second, told(before), table, told(after));
            assert_eq!(counts(&flows), expected, "{name}, step {second}");
        }
        state.reset();
        let flows = enter(&mut state, 9, none(), None, none());
        let [found, began, live, ended, vanished] = counts(&flows);
        assert_eq!(([began, ended, vanished], found, flows.ended.len()), ([0; 3], live, 0), "{name}, after a reset");
    }
}

#[test]
fn rates_are_from_table_to_table_and_the_last_counters_stay() {
    let mut state = FlowState::new(Duration::from_secs(10));
    let none = || told(Vec::new());
    let first = enter(&mut state, 1, none(), Some(table(1, vec![flow(1, Some([1_000, 0]))])), none());
    assert_eq!((first.live[0].tx_bps, first.live[0].tx_bytes, first.live[0].opened_ns), (None, Some(1_000), None));
    let second = enter(&mut state, 3, none(), Some(table(3, vec![flow(1, Some([5_000, 600]))])), none());
    let row = &second.live[0];
    assert_eq!((row.tx_bps, row.rx_bps, second.seconds), (Some(2_000.0), Some(300.0), 2.0));
    assert_eq!((row.timeout_s, row.timeout_of_s, row.nat), (Some(20), Some(30), Nat::None));
    // Of one that was told to begin, what it has moved it has moved since.
    let began = FlowEvent::Began(flow(2, None));
    let third = enter(&mut state, 4, told(vec![began]), None, none());
    assert_eq!((third.live.len(), third.live[1].tx_bytes, third.live[1].opened_ns), (2, None, Some(1_004 * SECOND)));
    let both = vec![flow(1, Some([5_000, 600])), flow(2, Some([400, 40]))];
    let fourth = enter(&mut state, 6, none(), Some(table(6, both)), none());
    let rates: Vec<_> = fourth.live.iter().map(|row| (row.source_port, row.tx_bps)).collect();
    assert_eq!(rates, [(Some(2), Some(200.0)), (Some(1), Some(0.0))]);
    // What is told at its end is all of it; one that vanishes has moved at least what was read.
    let last = FlowEvent::Ended(FlowRow { ended_ns: Some(7), ..flow(2, Some([999, 99])) });
    let fifth = enter(&mut state, 7, told(vec![last]), Some(table(7, vec![])), none());
    let row = &fifth.ended[0];
    assert_eq!((row.tx_bytes, row.whole, row.ended_ns, row.timeout_s), (Some(999), Some(true), Some(7), None));
    let sixth = enter(&mut state, 8, none(), Some(table(8, vec![])), none());
    let row = &sixth.ended[0];
    assert_eq!((row.source_port, row.tx_bytes, row.whole), (Some(1), Some(5_000), Some(false)));
    let later = enter(&mut state, 30, none(), None, none());
    assert_eq!((later.ended.len(), counts(&later)), (0, [1, 1, 0, 1, 1]));
}

#[test]
fn what_has_ended_is_listed_for_as_long_as_somebody_wants() {
    let told = |event| Told { events: vec![event], ..Told::default() };
    for (keep, second, expected) in [(10, 15, 1), (10, 17, 0), (60, 60, 1), (60, 67, 0), (0, 7, 0)] {
        let mut state = FlowState::new(Duration::from_secs(keep));
        enter(&mut state, 1, told(FlowEvent::Began(flow(1, None))), Some(table(1, vec![])), Told::default());
        let last = FlowEvent::Ended(FlowRow { ended_ns: Some(6), ..flow(1, Some([9, 9])) });
        enter(&mut state, 6, told(last), None, Told::default());
        let later = enter(&mut state, second, Told::default(), None, Told::default());
        assert_eq!(later.ended.len(), expected, "{keep} s, {second} s");
    }
}

#[test]
fn after_a_loss_the_next_table_makes_up_for_it() {
    let mut state = FlowState::new(Duration::from_secs(10));
    let lossy = || Told { overruns: 1, ..Told::default() };
    let none = || told(Vec::new());
    enter(&mut state, 1, none(), Some(table(1, vec![flow(1, None), flow(2, None)])), none());
    assert_eq!(badges(&state), "");
    let flows = enter(&mut state, 2, lossy(), None, none());
    assert_eq!((badges(&state).as_str(), flows.estimated, counts(&flows)[2]), ("flow events lost", true, 2));
    let flows = enter(&mut state, 3, none(), Some(table(3, vec![flow(2, None), flow(3, None)])), none());
    assert_eq!(
        (badges(&state).as_str(), flows.estimated, counts(&flows)),
        ("flow events lost", false, [3, 0, 2, 0, 1])
    );
    // What was lost while it was read, or since, is not in it.
    let flows = enter(&mut state, 4, none(), Some(table(4, vec![flow(2, None), flow(3, None)])), lossy());
    assert_eq!((badges(&state).as_str(), flows.estimated, flows.accounting.overruns), ("flow events lost", true, 2));
    enter(&mut state, 30, none(), Some(table(30, vec![flow(2, None), flow(3, None)])), none());
    assert_eq!(badges(&state), "");
}

#[test]
fn memory_is_bounded_and_what_has_no_room_is_counted() {
    let mut state = FlowState::new(Duration::from_secs(10));
    let none = || told(Vec::new());
    let room = MOST_FLOWS as u32;
    let all = |left_out: u64| FlowTable { left_out, ..table(1, (0..room).map(|port| flow(port, None)).collect()) };
    let flows = enter(&mut state, 1, none(), Some(all(5)), none());
    assert_eq!((counts(&flows)[2], flows.passed, flows.live.len()), (u64::from(room) + 5, 5, MOST_FLOWS));
    let began = FlowEvent::Began(flow(room + 9, None));
    let flows = enter(&mut state, 2, told(vec![began]), None, none());
    assert_eq!((flows.passed, badges(&state).as_str()), (6, "flows left out"));
    let ended = FlowEvent::Ended(flow(room + 9, Some([1, 2])));
    let flows = enter(&mut state, 3, told(vec![ended]), None, none());
    assert_eq!((flows.passed, flows.ended.len()), (5, 1));
    let flows = enter(&mut state, 4, none(), Some(all(2)), none());
    assert_eq!((flows.passed, flows.accounting.vanished), (2, 3));
    let few = state.group(1000).expect("flows");
    assert_eq!((few.live.len(), few.left_out), (1000, u64::from(room) - 1000));
}

#[test]
fn what_is_not_as_it_should_be_is_told() {
    let one = || Some(table(1, vec![flow(1, None)]));
    let reading = |change: fn(&mut FlowReading), table| {
        let mut reading = FlowReading { at: at(1), settings: settings(), table, ..FlowReading::default() };
        change(&mut reading);
        reading
    };
    for (name, reading, expected) in [
        ("all well", reading(|_| {}, one()), ""),
        ("nothing is counted", reading(|reading| reading.settings.acct = Some(false), one()), "no flow bytes"),
        ("nothing is counted, of nothing", reading(|reading| reading.settings.acct = Some(false), None), ""),
        ("not told", reading(|reading| reading.settings.events = Some(false), one()), "no flow events"),
        ("not root", reading(|reading| reading.unreadable = Some("refused".into()), one()), "flow bytes at the end"),
        (
            "no rule",
            reading(|reading| (reading.settings.count, reading.settings.forwards) = (Some(0), true), None),
            "no flows tracked",
        ),
        ("no router", reading(|reading| reading.settings.count = Some(0), None), ""),
        ("not full", reading(|reading| reading.settings.count = Some(74), one()), ""),
        ("nearly full", reading(|reading| reading.settings.count = Some(75), one()), "conntrack 75%"),
        ("full", reading(|reading| reading.settings.count = Some(90), one()), "conntrack 90% FULL"),
        ("no room at all", reading(|reading| reading.settings.max = Some(0), one()), ""),
        ("refused", reading(|reading| reading.problems.push("EPERM".into()), one()), "flows"),
        (
            "lines of another kernel",
            reading(|reading| reading.table.iter_mut().for_each(|table| table.unread = 3), one()),
            "flows",
        ),
    ] {
        let mut state = FlowState::new(Duration::from_secs(10));
        state.enter(reading);
        assert_eq!(badges(&state), expected, "{name}");
        for row in state.degraded() {
            assert!([&row.what, &row.reason, &row.remedy].iter().all(|text| !text.is_empty()), "{name}: {row:?}");
        }
    }
}

#[test]
fn without_tables_what_lives_is_known_and_what_it_moved_is_not() {
    let mut state = FlowState::new(Duration::from_secs(10));
    let mut reading = FlowReading {
        at: at(1),
        table: Some(table(1, vec![FlowRow { state: Some(3), ..flow(1, Some([7, 8])) }])),
        settings: settings(),
        unreadable: Some("refused".into()),
        ..FlowReading::default()
    };
    state.enter(reading.clone());
    let flows = state.group(0).expect("flows");
    let row = &flows.live[0];
    assert_eq!(
        (row.tx_bytes, row.tx_packets, row.tx_bps, row.timeout_s, row.state.as_ref()),
        (None, None, None, None, None)
    );
    reading.table = None;
    reading.before = told(vec![FlowEvent::Ended(flow(1, Some([70, 80])))]);
    state.enter(FlowReading { at: at(2), ..reading });
    let flows = state.group(0).expect("flows");
    assert_eq!((flows.live.len(), flows.ended[0].tx_bytes, flows.ended[0].whole), (0, Some(70), Some(true)));
}
