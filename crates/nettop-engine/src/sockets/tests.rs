use std::net::IpAddr;

use nettop_collect::sockets::{
    Process, SocketProtocol, TcpFacts, Unlisted,
    calls::{Calls, Ended, Moved, SocketCalls},
};
use nettop_geo::CountryCode;
use nettop_model::{
    clock::Moment,
    snapshot::{Connection, ConnectionSum, ConnectionSums, ProcessRow},
};

use super::*;
use crate::{detect::sockets::Held, logs::servers::Writes};

fn at(second: u64) -> Moment {
    Moment { monotonic_ns: second * 1_000_000_000, unix_ns: second * 1_000_000_000 }
}

/// A connection from port 50000 + its cookie, which has sent and received so much.
fn connection(cookie: u64, sent: u64, received: u64) -> SocketRow {
    let tcp = TcpFacts {
        bytes_sent: Some(sent),
        bytes_retrans: Some(0),
        bytes_received: Some(received),
        ..TcpFacts::default()
    };
    SocketRow {
        cookie,
        state: 1,
        local_port: 50_000 + cookie as u16,
        remote_port: 443,
        inode: cookie as u32,
        tcp,
        ..SocketRow::default()
    }
}

fn census(second: u64, sockets: Vec<SocketRow>) -> Census {
    Census { at: at(second), sockets, ephemeral: Some((32_768, 60_999)), ..Census::default() }
}

fn entered(state: &mut SocketState, census: Census) -> (Arc<Connections>, Arc<Processes>) {
    state.enter(census);
    let (connections, processes) = state.groups(DEFAULT_LIMIT, &|_| None);
    (connections.expect("connections"), processes.expect("processes"))
}

fn rates(connections: &Connections) -> Vec<(u64, Option<f64>, Option<f64>)> {
    connections.live.iter().map(|row| (row.cookie, row.tx_bps, row.rx_bps)).collect()
}

#[test]
fn rates_are_what_came_between_two_censuses() {
    let mut state = SocketState::default();
    for (name, second, sockets, expected) in [
        ("the first", 0, vec![connection(1, 500, 7)], vec![(1, None, None)]),
        ("two seconds later", 2, vec![connection(1, 700, 17)], vec![(1, Some(100.0), Some(5.0))]),
        ("a new one", 4, vec![connection(2, 40, 0)], vec![(2, Some(20.0), Some(0.0))]),
        ("the first comes back", 6, vec![connection(1, 700, 17)], vec![(1, Some(350.0), Some(8.5))]),
        ("less than before", 8, vec![connection(1, 0, 17)], vec![(1, Some(0.0), Some(0.0))]),
        ("at the same time", 8, vec![connection(1, 9, 18)], vec![(1, None, None)]),
    ] {
        let (connections, _) = entered(&mut state, census(second, sockets));
        assert_eq!(rates(&connections), expected, "{name}");
    }
}

#[test]
fn what_was_not_listed_before_may_be_old() {
    let mut state = SocketState::default();
    entered(&mut state, Census { left_out: 3, ..census(0, vec![connection(1, 10, 0)]) });
    let (connections, _) = entered(&mut state, census(1, vec![connection(1, 20, 0), connection(2, 1_000, 0)]));
    assert_eq!(rates(&connections), [(1, Some(10.0), Some(0.0)), (2, None, None)]);
    assert_eq!(connections.live[1].opened_ns, None);
    // One list failed: what was in it is not forgotten.
    let (connections, _) = entered(&mut state, Census { partial: true, ..census(2, Vec::new()) });
    assert!(connections.live.is_empty());
    let (connections, _) = entered(&mut state, census(3, vec![connection(2, 1_200, 0)]));
    assert_eq!(rates(&connections), [(2, Some(100.0), Some(0.0))]);
}

#[test]
fn a_connection_is_listed_once_and_knows_when_it_was_seen_first() {
    let mut state = SocketState::default();
    entered(&mut state, census(0, vec![connection(1, 0, 0)]));
    let sockets = vec![connection(1, 0, 0), connection(2, 5, 5), connection(2, 6, 6)];
    let (connections, processes) = entered(&mut state, census(5, sockets));
    let opened: Vec<_> = connections.live.iter().map(|row| (row.cookie, row.opened_ns)).collect();
    assert_eq!(opened, [(2, Some(5_000_000_000)), (1, None)]);
    assert_eq!(processes.rows[0].connections, 2);
    let (connections, _) = entered(&mut state, census(9, vec![connection(2, 5, 5)]));
    assert_eq!(connections.live[0].opened_ns, Some(5_000_000_000));
    assert_eq!(state.known.len(), 1, "who is gone is forgotten");
}

#[test]
fn lists_are_cut_and_say_what_they_leave_out() {
    let mut state = SocketState::default();
    let mut sockets: Vec<_> = (1..=2_000).map(|cookie| connection(cookie, cookie * 10, 0)).collect();
    sockets.push(SocketRow { state: 10, remote_port: 0, receive_queue: 3, send_queue: 128, ..connection(3_000, 0, 0) });
    let (connections, _) = entered(&mut state, Census { left_out: 7, ..census(0, sockets) });
    assert_eq!((connections.live.len(), connections.listening.len(), connections.left_out), (1_000, 1, 1_007));
    assert_eq!((connections.live[0].cookie, connections.live[999].cookie), (2_000, 1_001));
    let Connection { state: name, remote, tx_bytes, rx_queue, tx_queue, .. } = &connections.listening[0];
    assert_eq!((&**name, remote, tx_bytes, rx_queue, tx_queue), ("LISTEN", &None, &None, &3, &128));
    let (all, _) = state.groups(0, &|_| None);
    assert_eq!(all.map(|all| (all.live.len(), all.left_out)), Some((2_000, 7)));
    let (few, _) = state.groups(2, &|_| None);
    assert_eq!(few.map(|few| (few.live.len(), few.left_out)), Some((2, 2_005)));
}

#[test]
fn processes_are_sums_of_their_connections() {
    let mut state = SocketState::default();
    let of = |owner, mut row: SocketRow| {
        row.owner = owner;
        row
    };
    let listening = SocketRow { state: 10, remote_port: 0, ..connection(9, 0, 0) };
    let orphan = SocketRow { inode: 0, ..connection(8, 50, 0) };
    let processes = vec![
        Process {
            pid: 7,
            started: 300,
            name: "nginx".into(),
            uid: 33,
            container: Some("ab".repeat(32)),
            ..Process::default()
        },
        Process { pid: 7, started: 900, name: "other".into(), uid: 5, ..Process::default() },
    ];
    let sockets = vec![
        of(Some(0), connection(1, 10, 1)),
        of(Some(0), connection(2, 20, 2)),
        of(Some(0), listening),
        of(Some(1), connection(3, 5, 5)),
        of(None, connection(4, 100, 0)),
        of(Some(99), connection(5, 1, 0)),
        orphan,
    ];
    let census = Census { processes, owners_refused: Some("for a test".into()), ..census(10, sockets) };
    let (connections, processes) = entered(&mut state, census);
    let sums = |row: &ProcessRow| (row.pid, row.connections, row.listening, row.tx_bytes, row.rx_bytes);
    assert_eq!(
        processes.rows.iter().map(sums).collect::<Vec<_>>(),
        [(None, 2, 0, 101, 0), (Some(7), 2, 1, 30, 3), (Some(7), 1, 0, 5, 5),]
    );
    assert_eq!(processes.rows[1].started_ns, Some(3_000_000_000));
    let nginx = connections.live.iter().find(|row| row.cookie == 1).expect("a row");
    assert_eq!((nginx.process.as_deref(), nginx.unit.as_deref()), (Some("nginx"), Some("abababababab")));
    assert_eq!(connections.without_owner, 1);
    let badges: Vec<_> = state.degraded().into_iter().map(|row| (row.badge, row.reason)).collect();
    let [(badge, reason)] = &badges[..] else { panic!("not one badge: {badges:?}") };
    assert!(badge == "owners unknown" && reason.ends_with("sandbox: for a test"), "{badge}: {reason}");
}

#[test]
fn states_are_counted_also_of_those_that_are_not_listed() {
    let mut state = SocketState::default();
    let mut closing = connection(2, 0, 0);
    closing.state = 8;
    let (left_out, left_out_by_state) = (8, [(1, 5), (10, 2), (200, 1)].into());
    let listed = vec![connection(1, 0, 0), closing];
    let counted = Census { time_wait: Some(40), syn_recv: Some(0), left_out, left_out_by_state, ..census(0, listed) };
    let (connections, _) = entered(&mut state, counted);
    let states: Vec<_> = connections.states.iter().map(|(name, count)| (&**name, *count)).collect();
    assert_eq!(states, [("ESTABLISHED", 6), ("TIME-WAIT", 40), ("CLOSE-WAIT", 1), ("LISTEN", 2)]);
}

#[test]
fn who_began_is_remembered_when_nothing_listens_any_more() {
    let mut state = SocketState::default();
    let server = SocketRow { local_port: 80, remote_port: 50_000, ..connection(1, 0, 0) };
    let listening = SocketRow { state: 10, local_port: 80, remote_port: 0, ..connection(2, 0, 0) };
    let way = |connections: &Connections| connections.live[0].direction;
    let (connections, _) = entered(&mut state, census(0, vec![server.clone(), listening]));
    assert_eq!(way(&connections), Some(Way::In));
    let (connections, _) = entered(&mut state, census(1, vec![server]));
    assert_eq!(way(&connections), Some(Way::In));
}

/// One that waits at an address and a port, with room for 128 connections.
fn listener(address: &str, port: u16) -> SocketRow {
    let local = address.parse().expect("an address");
    SocketRow {
        state: 10,
        local,
        local_port: port,
        remote_port: 0,
        send_queue: 128,
        ..connection(u64::from(port), 0, 0)
    }
}

/// One that was accepted there, from 203.0.113.`last`.
fn accepted(cookie: u64, local: (&str, u16), last: u8, moved: u64) -> SocketRow {
    SocketRow {
        local: local.0.parse().expect("an address"),
        local_port: local.1,
        remote: [203, 0, 113, last].into(),
        remote_port: 50_000,
        ..connection(cookie, moved, 0)
    }
}

#[test]
fn rules_know_what_waits_at_each_port_and_what_is_idle_there() {
    let mut state = SocketState::default();
    let at_first = |cookie: u64| cookie + 1000;
    let sockets = |moved| {
        let mut sockets = vec![
            listener("0.0.0.0", 80),
            // With SO_REUSEPORT.
            SocketRow { cookie: 9, receive_queue: 3, ..listener("0.0.0.0", 80) },
            SocketRow { v6_only: true, ..listener("::", 443) },
            SocketRow { cookie: 10, ..listener("192.0.2.1", 443) },
            SocketRow { protocol: SocketProtocol::Udp, state: 7, ..listener("0.0.0.0", 53) },
        ];
        let at = [("192.0.2.1", 80), ("192.0.2.9", 80), ("192.0.2.1", 443), ("2001:db8::1", 443), ("192.0.2.9", 443)];
        let connections = (0..).zip([0, 0, 1, 2, 3, 4, 0]).map(|(cookie, place)| (cookie, at[place]));
        sockets.extend(connections.map(|(cookie, at)| accepted(at_first(cookie), at, 7 + (cookie == 1) as u8, moved)));
        // It moves much; and one is new.
        sockets.push(accepted(2001, at[0], 7, 100_000));
        sockets
    };
    let told = |state: &SocketState, second: u64| {
        let facts = state.facts(at(second)).expect("a census");
        let each = |row: &crate::detect::sockets::Listener| {
            (row.name().to_string(), row.backlog, row.waiting, row.half_open, row.established, row.idle)
        };
        facts.listeners.iter().map(each).collect::<Vec<_>>()
    };
    state.enter(Census {
        half_open: vec![
            ([192, 0, 2, 9].into(), 80, 70),
            ([192, 0, 2, 1].into(), 80, 30),
            ([192, 0, 2, 1].into(), 443, 5),
            ([192, 0, 2, 1].into(), 25, 900),
        ],
        ..census(0, sockets(300))
    });
    // Nobody listens at 192.0.2.9 port 443; and of the two at that port the worse is told.
    assert_eq!(
        told(&state, 0),
        [("0.0.0.0:80".into(), 256, 3, 100, 5, 0), ("192.0.2.1:443".into(), 128, 0, 5, 1, 0)],
        "none is old yet"
    );
    assert_eq!(state.facts(at(0)).expect("a census").listeners[0].local, Some([192, 0, 2, 9].into()));
    let mut later = sockets(300);
    later.push(accepted(2002, ("192.0.2.1", 80), 7, 0));
    state.enter(census(5, later));
    assert_eq!(
        told(&state, 5),
        [("0.0.0.0:80".into(), 256, 3, 0, 6, 4), ("192.0.2.1:443".into(), 128, 0, 0, 1, 1)],
        "one is new, and one moves much"
    );
    let facts = state.facts(at(5)).expect("a census");
    assert_eq!(facts.listeners[0].remotes, 2);
    assert_eq!(facts.listeners[0].busiest, [([203, 0, 113, 7].into(), 3), ([203, 0, 113, 8].into(), 1)]);
    assert_eq!(facts.listeners[0].name().to_string(), "0.0.0.0:80");
    state.enter(census(6, sockets(5000)));
    assert!(told(&state, 6).iter().all(|(.., idle)| *idle == 0), "they have moved 5,000 bytes");
    assert!(state.facts(at(60)).is_none(), "a census of a minute ago says nothing");
}

#[test]
fn rules_about_logs_know_who_holds_connections_open_where_visitors_leave_lines() {
    let mut state = SocketState::default();
    let web = ("192.0.2.1", 80);
    let old = || accepted(1, web, 7, 100);
    state.enter(census(0, vec![listener("0.0.0.0", 80), listener("0.0.0.0", 5432), old()]));
    let mut all = vec![listener("0.0.0.0", 80), listener("0.0.0.0", 5432), old()];
    all.extend((2..7).map(|cookie| accepted(cookie, web, 7, 5_000)));
    all.extend((10..13).map(|cookie| accepted(cookie, web, 8, 20_000)));
    all.extend((20..29).map(|cookie| accepted(cookie, ("192.0.2.1", 5432), 9, 0)));
    state.enter(census(1, all.clone()));
    let facts = |state: &SocketState, second| state.facts(at(second)).expect("a census").clone();
    assert_eq!(facts(&state, 1).held, [], "they have just begun");
    assert_eq!(facts(&state, 1).logged, [(80, Writes::Access)]);
    let most = Most { ip: [203, 0, 113, 9].into(), count: 9 };
    assert_eq!(facts(&state, 1).most, Some(most));
    state.enter(census(6, all));
    // Not the one that was there before, not those over which pages went, not those at a port that nobody logs.
    let held = Held { remote: [203, 0, 113, 7].into(), writes: Writes::Access, count: 5 };
    assert_eq!(facts(&state, 6).held, [held]);
}

#[test]
fn connections_that_send_again_are_known_since_the_census_before() {
    let mut state = SocketState::default();
    let again = |cookie: u64, retransmits: u32| {
        let mut row = SocketRow { owner: Some(0), ..connection(cookie, 10, 0) };
        row.tcp.retransmits = Some(retransmits);
        row
    };
    let processes = vec![Process { pid: 12, name: "nginx".into(), ..Process::default() }];
    let with = |second, sockets| Census { processes: processes.clone(), ..census(second, sockets) };
    state.enter(with(0, vec![again(1, 900), again(2, 0), again(3, 0), again(4, 0), again(5, 7)]));
    assert!(state.facts(at(0)).is_some_and(|facts| facts.resending.is_empty()), "nobody knows when");
    state.enter(with(2, vec![again(1, 900), again(2, 40), again(3, 60), again(4, 10), again(5, 8), again(6, 500)]));
    let facts = state.facts(at(2)).expect("a census");
    let told: Vec<_> = facts.resending.iter().map(|row| (row.local_port, row.rate)).collect();
    assert_eq!(told, [(50_003, 30.0), (50_002, 20.0), (50_004, 5.0)]);
    assert_eq!(facts.resending[0].process, Some(("nginx".into(), 12)));
}

#[test]
fn connections_that_have_ended_are_told_once_and_listed_for_a_while_with_who_began_and_had_them() {
    let mut state = SocketState::new(Duration::from_secs(10));
    let listening = SocketRow { state: 10, local_port: 80, remote_port: 0, ..connection(9, 0, 0) };
    // The third is there from the first census on.
    entered(&mut state, census(1, vec![listening, SocketRow { local_port: 25, ..connection(3, 0, 0) }]));
    let mut told = Vec::new();
    let one = |cookie: u64, local_port, second: u64| Ended {
        cookie,
        namespace: 0,
        at_ns: second * 1_000_000_000,
        local: [192, 0, 2, 1].into(),
        local_port,
        remote: [198, 51, 100, 7].into(),
        remote_port: 443,
        tx_bytes: 137,
        rx_bytes: 1_000,
        tx_packets: 5,
        rx_packets: 4,
        rtt_us: 20,
        retransmits: 0,
        out_of_order: 2,
        owner: Some(Process { pid: 7, name: "curl".into(), ..Process::default() }),
    };
    let calls = |second, ended| Calls { at: at(second), has_bytes: true, ended, ..Calls::default() };
    for (name, second, ended, expected) in [
        ("two", 2, vec![one(1, 80, 1), one(2, 40_000, 2)], vec![(2, Some(Way::Out)), (1, Some(Way::In))]),
        (
            "another port",
            5,
            vec![one(3, 25, 5)],
            vec![(3, Some(Way::Unknown)), (2, Some(Way::Out)), (1, Some(Way::In))],
        ),
        ("later", 12, vec![], vec![(3, Some(Way::Unknown)), (2, Some(Way::Out))]),
        ("much later", 60, vec![], vec![]),
    ] {
        state.enter_calls(calls(second, ended), &|_| None, |row| told.push((row.cookie, row.ended_ns, row.opened_ns)));
        let (connections, processes) = state.groups(DEFAULT_LIMIT, &|_| None);
        let connections = connections.expect("connections");
        assert_eq!(
            connections.ended.iter().map(|row| (row.cookie, row.direction)).collect::<Vec<_>>(),
            expected,
            "{name}"
        );
        assert!(
            connections
                .ended
                .iter()
                .all(|row| row.pid == Some(7) && row.out_of_order == Some(2) && row.tx_bytes == Some(137))
        );
        assert_eq!(processes.and_then(|processes| processes.accounting).map(|sums| sums.holds), Some(true), "{name}");
    }
    // Two that no census saw were opened after the newest one; since when the third was open, nobody knows.
    let ended = |second: u64| Some(at(0).unix_ns + second * 1_000_000_000);
    assert_eq!(told, [(1, ended(1), ended(1)), (2, ended(2), ended(2)), (3, ended(5), None)]);
}

#[test]
fn sockets_of_other_namespaces_are_rows_sums_and_of_their_processes() {
    let mut state = SocketState::default();
    entered(&mut state, census(1, vec![connection(1, 100, 0)]));
    let process = Process { pid: 7, started: 70, name: "curl".into(), ..Process::default() };
    let one = |cookie, protocol, remote_port, tx_bytes| SocketCalls {
        cookie,
        namespace: 77,
        protocol,
        local: [10, 0, 0, 1].into(),
        local_port: 40_000,
        remote: [198, 51, 100, 7].into(),
        remote_port,
        process: (7, 70),
        moved: Moved { tx_bytes, tx_calls: 1, ..Moved::default() },
    };
    // One listens, and would be there for ever.
    let sockets = vec![one(2, 6, 443, 500), one(3, 17, 53, 20), one(4, 17, 0, 10), one(5, 6, 0, 0)];
    let moved = Moved { tx_bytes: 530, tx_calls: 3, ..Moved::default() };
    let calls = Calls { at: at(2), has_bytes: true, total: moved, sockets, ..Calls::default() };
    state.enter_calls(Calls { processes: vec![(process, moved)], ..calls }, &|_| None, |_| {});
    let groups = |state: &SocketState| {
        let (connections, processes) = state.groups(DEFAULT_LIMIT, &|_| None);
        (connections.expect("connections"), processes.expect("processes"))
    };
    let (connections, processes) = groups(&state);
    let row = |row: &Connection| (row.cookie, row.namespace, row.state.to_string(), row.tx_packets, row.pid);
    let live: Vec<_> = connections.live.iter().map(row).collect();
    assert_eq!(
        live,
        [
            (2, Some(77), "?".into(), None, Some(7)),
            (1, None, "ESTABLISHED".into(), None, None),
            (3, Some(77), "ACTIVE".into(), Some(1), Some(7)),
        ]
    );
    let listening: Vec<_> = connections.listening.iter().map(row).collect();
    assert_eq!(listening, [(4, Some(77), "UNCONN".into(), Some(1), Some(7))]);
    let by_process: Vec<_> =
        connections.sums.process.iter().map(|sum| (&*sum.name, sum.connections, sum.tx_bytes)).collect();
    assert_eq!(by_process, [("curl", 2, 520), ("", 1, 100)]);
    let counts = |processes: &Processes| {
        let row = processes.rows.iter().find(|row| row.pid == Some(7));
        row.map(|row| (row.connections, row.listening, row.tx_bytes))
    };
    assert_eq!(counts(&processes), Some((2, 1, 530)));
    state.reset();
    let (connections, processes) = groups(&state);
    assert_eq!(counts(&processes), Some((2, 1, 0)));
    let live: Vec<_> = connections.live.iter().map(|row| (row.cookie, row.tx_bytes, row.pid)).collect();
    assert_eq!(live, [(1, Some(100), None), (2, Some(0), Some(7)), (3, Some(0), Some(7))]);
}

#[test]
fn what_calls_moved_by_sockets_of_udp_is_theirs() {
    let mut state = SocketState::default();
    let udp =
        |cookie, remote_port| SocketRow { protocol: SocketProtocol::Udp, remote_port, ..connection(cookie, 0, 0) };
    let moved = |cookie, tx_bytes, rx_bytes| SocketCalls {
        cookie,
        namespace: 0,
        protocol: 17,
        local: [192, 0, 2, 1].into(),
        local_port: 40_000,
        remote: [198, 51, 100, 7].into(),
        remote_port: 53,
        process: (7, 70),
        moved: Moved { tx_bytes, rx_bytes, tx_calls: tx_bytes / 10, rx_calls: rx_bytes / 10 },
    };
    let calls = |second, sockets| Calls { at: at(second), has_bytes: true, sockets, ..Calls::default() };
    let row = |state: &SocketState, cookie| {
        let connections = state.groups(0, &|_| None).0.expect("connections");
        let mut rows = connections.live.iter().chain(&connections.listening);
        let row = rows.find(|row| row.cookie == cookie).expect("a row").clone();
        (row.state.to_string(), row.tx_bytes, row.rx_bytes, row.tx_packets, row.tx_bps)
    };
    let told = |text: &str, tx, rx, packets, bps| (text.to_owned(), Some(tx), Some(rx), Some(packets), Some(bps));
    entered(&mut state, census(1, vec![udp(1, 53), udp(2, 53), udp(3, 0)]));
    assert_eq!(row(&state, 1), ("ESTABLISHED".into(), None, None, None, None), "calls are not counted");
    state.enter_calls(calls(2, vec![]), &|_| None, |_| {});
    state.enter_calls(calls(4, vec![moved(1, 100, 20), moved(3, 0, 50)]), &|_| None, |_| {});
    assert_eq!(row(&state, 1), told("ACTIVE", 100, 20, 10, 50.0));
    assert_eq!(row(&state, 3), told("UNCONN", 0, 50, 0, 0.0));
    state.enter_calls(calls(40, vec![moved(1, 100, 0)]), &|_| None, |_| {});
    assert_eq!(row(&state, 1), told("ACTIVE", 200, 20, 20, 100.0 / 36.0));
    assert_eq!(row(&state, 2), told("IDLE", 0, 0, 0, 0.0), "it has moved nothing for at least 38 s");
    state.enter_calls(calls(80, vec![]), &|_| None, |_| {});
    assert_eq!(row(&state, 1), told("IDLE", 200, 20, 20, 0.0));
    assert_eq!(row(&state, 2), told("STALE", 0, 0, 0, 0.0));
}

#[test]
fn sums_are_over_all_connections_whatever_the_lists_leave_out() {
    let mut state = SocketState::default();
    let listening = SocketRow { state: 10, local_port: 80, remote_port: 0, ..connection(99, 0, 0) };
    // Ten that were asked for at port 80 by one address, and one that this host asked for at 443 of another.
    let remote = |last: u8| IpAddr::from([198, 51, 100, last]);
    let asked = (1..=10).map(|cookie| SocketRow {
        local_port: 80,
        remote_port: 1_000 + cookie as u16,
        remote: remote(7),
        owner: Some(0),
        ..connection(cookie, 100, 10)
    });
    let own = SocketRow { remote: remote(8), local_port: 40_000, ..connection(50, 5, 7) };
    let nginx = Process { pid: 12, name: "nginx".into(), unit: Some("nginx.service".into()), ..Process::default() };
    let sockets = asked.chain([own, listening]).collect();
    state.enter(Census { processes: vec![nginx], ..census(1, sockets) });
    let country = |ip: IpAddr| (ip == remote(7)).then(|| CountryCode::parse("DE").expect("a code"));
    let connections = state.groups(1, &country).0.expect("connections");
    assert_eq!(
        (connections.live.len(), connections.live[0].country.map(|code| code.to_string())),
        (1, Some("DE".into()))
    );
    let told = |rows: &[ConnectionSum]| {
        let row = |sum: &ConnectionSum| (sum.name.clone(), sum.connections, sum.tx_bytes, sum.rx_bytes);
        rows.iter().map(row).collect::<Vec<_>>()
    };
    let ConnectionSums { process, unit, remote, port, country: by_country, left_out } = &connections.sums;
    let ten = |name: &str| vec![(name.to_owned(), 10, 1_000, 100)];
    for (rows, name) in
        [(process, "nginx"), (unit, "nginx.service"), (remote, "198.51.100.7"), (port, "80"), (by_country, "DE")]
    {
        assert_eq!(told(rows), ten(name));
    }
    assert_eq!(*left_out, 5, "the other one, five times");
    let all = state.groups(0, &country).0.expect("connections");
    assert_eq!(told(&all.sums.port)[1], ("443".into(), 1, 5, 7));
    assert_eq!(told(&all.sums.process)[1], (String::new(), 1, 5, 7), "nobody knows whose it is");
}

#[test]
fn sockets_without_ports_say_what_they_take_and_where() {
    let mut state = SocketState::default();
    let of = |protocol, local_port, inode| SocketRow { protocol, state: 7, local_port, inode, ..SocketRow::default() };
    let sockets = vec![
        of(SocketProtocol::Icmp, 8, 1),
        of(SocketProtocol::Icmp, 9, 2),
        SocketRow { cookie: 7, ..of(SocketProtocol::Raw, 89, 3) },
        SocketRow { cookie: 8, interface: 2, ..of(SocketProtocol::PacketRaw, 3, 4) },
        SocketRow { cookie: 9, interface: 5, ..of(SocketProtocol::PacketDatagram, 0x88cc, 5) },
        SocketRow { remote: [192, 0, 2, 1].into(), ..of(SocketProtocol::Raw, 47, 6) },
    ];
    let (connections, processes) =
        entered(&mut state, Census { interfaces: vec![(2, "eth0".into())], ..census(0, sockets) });
    let told = |row: &Connection| {
        let local = row.local.map(|ip| ip.to_string());
        (row.protocol.clone(), local, row.local_port, row.takes.clone(), row.interface.clone())
    };
    let (any, none) = (Some("0.0.0.0".to_string()), None);
    let expected = [
        ("ICMP".into(), any.clone(), 8, None, None),
        ("ICMP".into(), any.clone(), 9, None, None),
        ("RAW".into(), any.clone(), 89, Some("OSPF".into()), None),
        ("P_RAW".into(), none.clone(), 3, Some("all".into()), Some("eth0".into())),
        ("P_DGR".into(), none, 0x88cc, Some("LLDP".into()), Some("if5".into())),
    ];
    assert_eq!(connections.listening.iter().map(told).collect::<Vec<_>>(), expected);
    let [connected] = &connections.live[..] else { panic!("not one: {:?}", connections.live) };
    assert_eq!(told(connected), ("RAW".into(), any, 47, Some("GRE".into()), None));
    assert_eq!(
        (connected.remote, connected.remote_port, connected.direction),
        (Some([192, 0, 2, 1].into()), None, Some(Way::Out))
    );
    let row = &processes.rows[0];
    assert_eq!((row.connections, row.listening), (1, 5));
    assert_eq!((connections.sums.remote.len(), connections.sums.port.len()), (1, 0), "no port at any end");
}

#[test]
fn associations_of_one_socket_of_sctp_are_told_apart() {
    let mut state = SocketState::default();
    let of = |state, remote_port| {
        let protocol = SocketProtocol::Sctp;
        SocketRow { cookie: 5, protocol, state, local_port: 36_412, remote_port, inode: 1, ..SocketRow::default() }
    };
    for second in 0..2 {
        // The kernel lists those of a socket that was accepted, and with it that socket.
        let sockets = vec![of(10, 0), of(3, 50_000), of(5, 50_001), SocketRow { cookie: 6, ..of(1, 0) }];
        let (connections, _) = entered(&mut state, census(second, sockets));
        let told = |row: &Connection| (row.remote_port, row.state.clone(), row.tx_bytes);
        assert_eq!(
            connections.live.iter().map(told).collect::<Vec<_>>(),
            [(Some(50_000), "ESTABLISHED".into(), None), (Some(50_001), "SHUTDOWN-SENT".into(), None)]
        );
        assert_eq!(connections.listening.iter().map(told).collect::<Vec<_>>(), [(None, "LISTEN".into(), None)]);
        assert_eq!(connections.listening[0].cookie, 5);
    }
}

#[test]
fn kinds_that_the_kernel_does_not_list_are_named_once() {
    let mut state = SocketState::default();
    let of = |kind: &str, module: &str| Unlisted { kind: kind.into(), module: module.into() };
    for (name, unlisted, expected) in [
        ("all are listed", vec![], None),
        ("one", vec![of("SCTP", "sctp_diag")], Some(("sockets of SCTP may", "modprobe -a sctp_diag,"))),
        (
            "two of one module, and another",
            vec![of("UDP", "udp_diag"), of("UDP-Lite", "udp_diag"), of("PACKET", "af_packet_diag")],
            Some(("sockets of UDP, UDP-Lite, PACKET may", "modprobe -a udp_diag af_packet_diag,")),
        ),
    ] {
        state.enter(Census { unlisted, ..census(0, Vec::new()) });
        let rows = state.degraded();
        assert_eq!(rows.len(), usize::from(expected.is_some()), "{name}: {rows:?}");
        if let Some((what, remedy)) = expected {
            assert!(rows[0].what.starts_with(what) && rows[0].remedy.starts_with(remedy), "{name}: {rows:?}");
        }
    }
}
