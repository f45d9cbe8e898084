//! While nobody looks, nothing is asked of the monitor but its pulse.

use std::{fs, thread, time::Duration};

use nettop_tests::{monitor::Monitor, program, web::Over};

/// Sockets that a process has.
fn sockets(pid: u32) -> usize {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("its files").flatten();
    files.filter(|file| fs::read_link(file.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))).count()
}

/// Waits until a dashboard has these sockets.
#[track_caller]
fn expect_sockets(over: &Over, expected: usize, when: &str) {
    let mut last = 0;
    let found = program::wait_for(|| {
        last = sockets(over.pid());
        (last == expected).then_some(())
    });
    assert!(found.is_some(), "{when}: {last} sockets, not {expected}");
}

/// How many it has while it rests: those of the program itself, the one that listens, and the pulse.
fn at_rest(over: &Over) -> usize {
    // Twice as long as it takes.
    thread::sleep(Duration::from_secs(5));
    sockets(over.pid())
}

/// The packets seen, as `/metrics` tells them.
fn counted(over: &Over) -> u64 {
    let text = String::from_utf8(over.web.get("/metrics").body).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix("nettop_seen_packets_total ")).expect("the packets seen");
    line.parse().expect("a number")
}

#[test]
fn snapshots_are_read_only_while_somebody_looks() {
    let monitor = Monitor::demo("");
    let over = Over::of(monitor.socket());
    let rest = at_rest(&over);
    for path in ["/ws", "/api/v1/stream"] {
        let mut client = over.web.socket(path).unwrap();
        client.message();
        // Longer than it would take to rest.
        thread::sleep(Duration::from_secs(3));
        expect_sockets(&over, rest + 2, "a client, and the snapshots for it");
        drop(client);
        expect_sockets(&over, rest, path);
    }
    let mut client = over.web.socket("/api/v1/stream").unwrap();
    client.next_of("state");
    client.send(r#"{"type":"close","all":true}"#);
    expect_sockets(&over, rest + 1, "a hidden page has the pulse alone");
    client.next_of("pulse");
    client.send(r#"{"type":"view","name":"sources"}"#);
    client.next_of("view");
    client.next_of("state");
}

#[test]
fn who_looks_again_sees_what_is_now() {
    let monitor = Monitor::demo("");
    let over = Over::of(monitor.socket());
    let rest = at_rest(&over);
    for _ in 0..2 {
        let seen = |snapshot: &serde_json::Value| snapshot["accounting"]["seen"]["packets"].as_u64().expect("a number");
        let before = seen(&monitor.snapshot());
        assert!(counted(&over) >= before, "not what was there when it began to rest");
        expect_sockets(&over, rest, "a moment later");
    }
    monitor.stop();
    assert_eq!(over.web.get("/health").status, 503, "whose end nobody has looked at");
}
