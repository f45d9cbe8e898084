//! What hostile clients cost others, and the dashboard.

use std::io::{Read as _, Write as _};

use nettop_tests::program;

use super::start;

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

#[test]
fn a_thousand_that_say_nothing_or_half_keep_nobody_waiting() {
    let (_monitor, dashboard) = start("");
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
    // They are let go by themselves.
    let mut last = held.pop().expect("a stream");
    assert_eq!(last.read(&mut [0; 64]).unwrap_or_default(), 0);
}

#[test]
fn who_does_not_read_is_let_go() {
    let (_monitor, dashboard) = start("");
    let mut clients: Vec<_> = (0..8).map(|_| dashboard.socket("/api/v1/stream").unwrap()).collect();
    for client in &mut clients {
        client.send(r#"{"type":"view","name":"sources","limit":1000,"every_ms":500}"#);
    }
    assert_eq!(dashboard.get("/health").json()["active_connections"], 8);
    let gone = || program::wait_for(|| (dashboard.get("/health").json()["active_connections"] == 0).then_some(()));
    // Their buffers have to be full first; after that each has ten seconds.
    assert!(gone().or_else(gone).is_some(), "{:?}", dashboard.get("/health").json());
}
