//! What hostile clients cost others, and the dashboard.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use nettop_tests::{
    monitor::Monitor,
    program::{self, memory},
    web::{Dashboard, Over},
};

use super::start;

/// What hostile clients may cost in memory, MiB.
const MOST: f64 = 10.0;
/// The longest table, and the longest pulse, bytes.
const LONGEST_VIEW: usize = 256 << 10;
const LONGEST_PULSE: usize = 256;

#[test]
fn sixteen_websockets_are_served_and_no_more() {
    let (_monitor, dashboard) = start("");
    let opened: Vec<_> = (0..20).map(|_| dashboard.socket("/ws")).collect();
    let refused: Vec<_> =
        opened.iter().filter_map(|opened| opened.as_ref().err().map(|answer| answer.status)).collect();
    assert_eq!(refused, [503; 4]);
    assert_eq!(dashboard.get("/health").json()["active_connections"], 16);
    drop(opened);
    let free = program::wait_for(|| (dashboard.get("/health").json()["active_connections"] == 0).then_some(()));
    assert!(free.is_some(), "their places are given back");
}

/// Sends a request whose body never comes to its end: for so long it is being answered.
fn asks_for_ever(dashboard: &Dashboard) -> TcpStream {
    let [host, token] = dashboard.headers();
    let mut stream = dashboard.connect();
    let head = format!(
        "POST /api/v1/control HTTP/1.1\r\n{host}\r\n{token}\r\nOrigin: http://{}\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n[",
        dashboard.address
    );
    stream.write_all(head.as_bytes()).expect("asking");
    stream
}

#[test]
fn sixty_four_are_served_and_the_next_is_told_to_come_again() {
    let (_monitor, dashboard) = start("--web-control");
    let sockets: Vec<_> = (0..16).filter_map(|_| dashboard.socket("/ws").ok()).collect();
    assert_eq!(sockets.len(), 16);
    let refused = program::wait_for(|| {
        // Each for five seconds, so that all of them ask at once.
        let _asking: Vec<_> = (0..48).map(|_| asks_for_ever(&dashboard)).collect();
        thread::sleep(Duration::from_millis(500));
        let answer = dashboard.get("/health");
        (answer.status == 503 && answer.head.contains("retry-after: 1")).then_some(())
    });
    assert!(refused.is_some());
    drop(sockets);
    let served = program::wait_for(|| (dashboard.get("/health").status == 200).then_some(()));
    assert!(served.is_some(), "when they have gone, others are served");
}

#[test]
fn a_thousand_that_say_nothing_or_half_keep_nobody_waiting() {
    let monitor = Monitor::demo("");
    let over = Over::of(monitor.socket());
    let dashboard = &over.web;
    assert_eq!(dashboard.get("/api/stats").status, 200);
    let before = memory(over.pid(), "VmRSS");
    let mut held = Vec::new();
    for at in 0..1000 {
        let mut stream = dashboard.connect();
        if at % 2 == 0 {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: ");
        }
        held.push(stream);
        if at % 100 == 99 {
            assert_eq!(dashboard.get("/api/stats").status, 200, "behind {at}");
        }
    }
    let after = memory(over.pid(), "VmRSS");
    assert!(after <= before + MOST, "it grew from {before:.1} to {after:.1} MiB");
    // They are let go by themselves.
    let mut last = held.pop().expect("a stream");
    assert_eq!(last.read(&mut [0; 64]).unwrap_or_default(), 0);
}

#[test]
fn who_says_nothing_for_five_seconds_is_let_go() {
    let (_monitor, dashboard) = start("");
    let host = format!("Host: {}", dashboard.address);
    for (name, said, answered) in [
        ("silent", String::new(), false),
        ("half a head", format!("GET /health HTTP/1.1\r\n{host}\r\n"), false),
        ("idle between two requests", format!("GET /health HTTP/1.1\r\n{host}\r\n\r\n"), true),
    ] {
        let mut stream = dashboard.connect();
        stream.write_all(said.as_bytes()).expect("saying so much");
        let began = Instant::now();
        let mut heard = Vec::new();
        // Until it is closed.
        let _ = stream.read_to_end(&mut heard);
        assert_eq!(heard.starts_with(b"HTTP/1.1 200 "), answered, "{name}");
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(4) && took < program::deadline(), "{name}: {took:?}");
    }
}

#[test]
fn who_does_not_read_is_let_go_and_costs_little() {
    let monitor = Monitor::demo("");
    let over = Over::of(monitor.socket());
    let dashboard = &over.web;
    // What one who reads costs is there already.
    let mut reads = dashboard.socket("/api/v1/stream").unwrap();
    reads.send(r#"{"type":"view","name":"sources","limit":1000,"every_ms":500}"#);
    (0..3).for_each(|_| drop(reads.next_of("view")));
    drop(reads);
    let before = memory(over.pid(), "VmRSS");
    let mut clients: Vec<_> = (0..8).map(|_| dashboard.socket("/api/v1/stream").unwrap()).collect();
    for client in &mut clients {
        client.send(r#"{"type":"view","name":"sources","limit":1000,"every_ms":500}"#);
    }
    let mut most = 0.0_f64;
    let mut gone = || {
        program::wait_for(|| {
            most = most.max(memory(over.pid(), "VmRSS"));
            let left = &dashboard.get("/health").json()["active_connections"];
            (*left == 0).then_some(())
        })
    };
    // Their buffers have to be full first; after that each has ten seconds.
    assert!(gone().or_else(&mut gone).is_some(), "{:?}", dashboard.get("/health").json());
    assert!(most <= before + MOST, "it grew from {before:.1} to {most:.1} MiB");
}

#[test]
fn messages_are_short_whatever_is_wished() {
    let (_monitor, dashboard) = start("--interval 0.5");
    let mut client = dashboard.socket("/api/v1/stream").unwrap();
    for name in client.message()["views"].as_array().unwrap().clone() {
        client.send(&format!(r#"{{"type":"view","name":{},"limit":100000}}"#, name["name"]));
        let view = program::wait_for(|| Some(client.next_of("view")).filter(|view| view["name"] == name["name"]));
        let view = view.expect("the view");
        assert!(view["rows"].as_array().unwrap().len() <= 1000);
        let length = view.to_string().len();
        assert!(length <= LONGEST_VIEW, "{}: {length} bytes", name["name"]);
        let pulse = client.next_of("pulse").to_string();
        assert!(pulse.len() <= LONGEST_PULSE, "{pulse}");
        client.next_of("pulse");
    }
}
