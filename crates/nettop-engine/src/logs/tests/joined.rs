//! Rules that join lines with what the kernel knows.

use nettop_common::{Address, event::NO_TCP_FLAGS};

use super::*;
use crate::{
    detect::sockets::{Held, SocketFacts},
    logs::{flagged::Row, servers::Writes},
};

/// A SYN of an address to a port, at a time.
fn syn(at_s: u64, last: u8, port: u16) -> (u64, Event) {
    let event = Event {
        source: Address::from(ip(last)),
        destination_port: port,
        tcp_flags: 0x02,
        protocol: 6,
        weight: 1,
        ..bytemuck::Zeroable::zeroed()
    };
    (BEGAN + at_s * SECOND, event)
}

/// A monitor that follows a log of requests, and one of logins, of others.
fn following() -> Play {
    let mut play = Play::default();
    let other = |what| Entry { client: Some(ip(200)), ..entry(0, ip(200), what) };
    play.enter(vec![other(get(0, 1, 200).what)]);
    let told = play.state.told.as_mut().expect("a reading");
    let auth = FileFacts { path: "/auth".into(), format: "auth".into(), lines: told.files[0].lines };
    told.files.push(auth);
    play
}

impl Play {
    /// What the rules of this file find at the end of each second up to one.
    fn found_with(&mut self, until_s: u64, sockets: Option<&SocketFacts>, is_attacked: bool) -> Vec<String> {
        let now = Moment { monotonic_ns: 0, unix_ns: BEGAN + until_s * SECOND };
        let trusted = ["203.0.113.9/32".parse().expect("a prefix")];
        let around = Around { sockets, is_attacked, trusted: &trusted };
        let suspects = self.state.suspects(now, &Thresholds::default(), &around);
        suspects.iter().map(|suspect| format!("{} {}: {}", suspect.ip, suspect.kind, suspect.text)).collect()
    }

    fn sample(&mut self, events: impl IntoIterator<Item = (u64, Event)>) -> &mut Self {
        // So that it is known which ports are logged.
        self.found_with(0, None, false);
        events.into_iter().for_each(|(at_ns, event)| self.state.sample(&event, at_ns));
        self
    }
}

#[test]
fn syns_without_a_request_are_told_after_half_a_minute() {
    const FIVE: &str =
        "203.0.113.7 syn-no-request: 5 SYNs in a minute, the last to port 443, and for 30 s no line of a log";
    let syns = |count: usize, port: u16| (0..count).map(move |_| syn(0, 7, port)).collect::<Vec<_>>();
    for (name, events, line_at_s, until_s, is_attacked, expected) in [
        ("five", syns(5, 443), None, 30, false, vec![FIVE]),
        ("four", syns(4, 443), None, 30, false, vec![]),
        ("too early", syns(5, 443), None, 29, false, vec![]),
        ("over a minute later", syns(5, 443), None, 61, false, vec![]),
        ("a port that is not logged", syns(50, 8080), None, 30, false, vec![]),
        ("a line of it", syns(5, 443), Some(1), 30, false, vec![]),
        ("a trusted proxy", (0..9).map(|_| syn(0, 9, 443)).collect(), None, 30, false, vec![]),
        ("in a flood", syns(5, 443), None, 30, true, vec![]),
        (
            "one in ten seconds",
            (0..6).map(|n| syn(n * 10, 7, 80)).collect(),
            None,
            50,
            false,
            vec!["203.0.113.7 syn-no-request: 6 SYNs in a minute, the last to port 80, and for 50 s no line of a log"],
        ),
    ] {
        let mut play = following();
        play.sample(events);
        line_at_s.into_iter().for_each(|at_s| _ = play.enter(vec![get(at_s, 1, 200)]));
        assert_eq!(play.found_with(until_s, None, is_attacked), expected, "{name}");
    }
    // What was sampled is told as such; other packets of TCP, and other protocols, are no SYNs.
    let mut play = following();
    let with = |change: &dyn Fn(&mut Event)| {
        let (at_ns, mut event) = syn(0, 7, 22);
        change(&mut event);
        (at_ns, event)
    };
    play.sample([
        with(&|event| event.weight = 12),
        with(&|event| event.tcp_flags = 0x12),
        with(&|event| (event.tcp_flags, event.protocol) = (NO_TCP_FLAGS, 17)),
    ]);
    let told = play.found_with(31, None, false);
    assert_eq!(
        told,
        ["203.0.113.7 syn-no-request: about 12 SYNs in a minute, the last to port 22, and for 31 s no line of a log"]
    );
    assert_eq!(play.reasons().len(), 1);
    // A row without a line changes no account.
    let mut play = Play::default();
    play.enter(vec![get(0, 1, 200)]).state.visits.note(ip(9), RETURNS.kind, "…".into(), BEGAN);
    assert!(play.state.holds() && play.reasons().len() == 1);
}

#[test]
fn that_no_line_came_tells_nothing_where_lines_may_be_missing() {
    let events = || (0..50).map(|_| syn(0, 7, 443));
    type Change = fn(&mut Told);
    let changes: [(&str, Change, bool); 3] = [
        ("as it should be", |_| {}, true),
        ("behind", |told| told.behind = 11.0, false),
        ("closed", |told| told.problems.push("/x: Permission denied".into()), false),
    ];
    for (name, change, expected) in changes {
        let mut play = following();
        play.sample(events());
        change(play.state.told.as_mut().expect("a reading"));
        assert_eq!(!play.found_with(31, None, false).is_empty(), expected, "{name}");
    }
    // Without a log of requests nobody waits for one.
    let mut play = following();
    play.state.told.as_mut().expect("a reading").files.remove(0);
    play.sample(events());
    assert_eq!(play.found_with(31, None, false), Vec::<String>::new());
}

#[test]
fn connections_that_are_held_without_requests_are_told() {
    let by = |last, count, writes| SocketFacts {
        held: vec![Held { remote: ip(last), writes, count }],
        ..SocketFacts::default()
    };
    let held = |count, writes| by(7, count, writes);
    let lines = |count| (0..count).map(|_| get(0, 1, 200)).collect::<Vec<_>>();
    for (name, entries, facts, expected) in [
        ("five", vec![], held(5, Writes::Access), Some("5 connections held open, and no line of a log")),
        ("of logins", vec![], held(6, Writes::Auth), Some("6 connections held open, and no line of a log")),
        ("one request", lines(1), held(5, Writes::Access), Some("5 connections held open, and one line of a log")),
        ("two requests", lines(2), held(50, Writes::Access), None),
        ("four", vec![], held(4, Writes::Access), None),
        ("a trusted proxy", vec![], by(9, 50, Writes::Access), None),
    ] {
        let mut play = following();
        play.enter(entries);
        let auth = play.state.told.as_ref().expect("a reading").files[0].clone();
        play.state.told.as_mut().expect("a reading").files.push(FileFacts { format: "auth".into(), ..auth });
        let expected: Vec<_> = expected.map(|text| format!("203.0.113.7 many-conns: {text}")).into_iter().collect();
        assert_eq!(play.found_with(1, Some(&facts), false), expected, "{name}");
    }
}

#[test]
fn where_connections_are_not_known_many_syns_are_as_good() {
    let many = |count: usize| (0..count).map(|_| syn(0, 7, 443)).collect::<Vec<_>>();
    for (count, is_attacked, expected) in [
        (19, false, None),
        (20, false, Some("203.0.113.7 many-conns: 20 SYNs in a minute, and no line of a log")),
        (20, true, None),
    ] {
        let told = following().sample(many(count)).found_with(1, None, is_attacked);
        assert_eq!(told, expected.into_iter().collect::<Vec<_>>(), "{count} {is_attacked}");
    }
}

#[test]
fn who_was_found_by_a_warning_in_an_earlier_session_returns_once() {
    let exploit = |last| Entry { client: Some(ip(last)), ..marked(0, 1, 404, Marks::EXPLOIT) };
    let info = |last| Entry { client: Some(ip(last)), ..marked(0, 1, 200, Marks::SCANNER) };
    let mut first = Play::default();
    first.enter(vec![exploit(7), info(8), Entry { old: true, ..exploit(9) }]);
    assert!(!first.found(1).iter().any(|(kind, _)| *kind == "returns"), "in the same session");
    let file = first.state.flagged.file(BEGAN, false).expect("something to keep");
    assert_eq!(first.state.flagged.file(BEGAN + 70 * SECOND, false), None, "nothing new");

    let later = |days: u64| BEGAN + days * 86_400 * SECOND;
    for (name, days, entries, expected) in [
        (
            "a request",
            3,
            vec![get(0, 1, 200), get(1, 1, 200)],
            Some("found in an earlier session, the last time 5.0s ago: exploit-path"),
        ),
        ("of another", 3, vec![Entry { client: Some(ip(8)), ..get(0, 1, 200) }], None),
        ("what was there before", 3, vec![Entry { old: true, ..get(0, 1, 200) }], None),
        ("after 91 days", 91, vec![get(0, 1, 200)], None),
    ] {
        let mut play = Play::default();
        assert_eq!(play.state.flagged.load(&file, later(days)), 0);
        let entries = entries.into_iter().map(|entry| Entry { at_ns: entry.at_ns + 5 * SECOND, ..entry });
        play.enter(entries.collect());
        let expected: Vec<_> = expected.map(|text| format!("203.0.113.7 returns: {text}")).into_iter().collect();
        assert_eq!(play.found_with(6, None, false), expected, "{name}");
        assert_eq!(play.found_with(7, None, false), Vec::<String>::new(), "{name}: told once");
    }
}

#[test]
fn what_is_kept_is_bounded_and_damage_is_counted() {
    let mut state = LogState::default();
    for n in 0..20_000_u32 {
        state.flagged.note(IpAddr::from(n.to_be_bytes()), RETURNS_NOT, u64::from(n));
        state.flagged.note(IpAddr::from(n.to_be_bytes()), "exploit-path", BEGAN + u64::from(n));
    }
    let mut file = state.flagged.file(BEGAN, true).expect("something to keep");
    let rows = file.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(rows, 8192);
    assert!((file.len() as u64) < flagged::MOST_BYTES, "{}", file.len());
    let first: Row = serde_json::from_slice(file.split(|byte| *byte == b'\n').next().expect("a line")).expect("a row");
    assert_eq!((first.sessions, first.kinds.len()), (1, 1));
    file.extend(b"{\"ip\":\"nowhere\"}\n\xff\n");
    let mut next = LogState::default();
    assert_eq!(next.flagged.load(&file, BEGAN), 2);
}

/// A rule that only informs: whom it finds is not remembered.
const RETURNS_NOT: &str = "scanner-agent";
