//! WebSockets.

use std::{
    collections::HashSet,
    process::Command,
    time::{Duration, Instant},
};

use nettop_tests::{monitor::Monitor, program};
use serde_json::Value;
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use super::start;

#[test]
fn a_message_has_both_forms_of_network_monitor() {
    let (_monitor, dashboard) = start("");
    let mut client = dashboard.socket("/ws").unwrap();
    assert!(client.head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{}", client.head);
    for kind in ["initial", "update", "update"] {
        let message = client.message();
        assert_eq!(message["type"], kind);
        assert!(message["data"]["connections"].is_array() && message["connections"].is_array());
        assert!(message["data"]["stats"]["total_bytes_received"].is_u64());
        let (stats, total) = (&message["stats"], |name: &str| message["stats"][name].as_f64().unwrap());
        assert_eq!(total("total_bandwidth"), total("upload_speed") + total("download_speed"));
        assert!(stats["active_connections"].is_u64() && message["timestamp"].as_str().unwrap().contains('T'));
    }
    client.send(r#"{"type":"ping"}"#);
    client.next_of("pong");
    for noise in ["", "[]", "{}", "nonsense", r#"{"type":5}"#, r#"{"type":"view"}"#] {
        client.send(noise);
    }
    client.next_of("update");
}

#[test]
fn pulses_add_up_to_what_was_counted() {
    let (monitor, dashboard) = start("");
    let mut client = dashboard.socket("/api/v1/stream").unwrap();
    assert!(client.head.contains("nettop.v1"));
    let hello = client.message();
    assert_eq!(hello["type"], "hello");
    assert!(hello["views"].as_array().unwrap().len() >= 15);
    let (mut seq, mut bytes, mut sum) = (None, None::<u64>, 0);
    for _ in 0..20 {
        let pulse = client.next_of("pulse");
        let now = pulse["seq"].as_u64().unwrap();
        if let Some(before) = seq.replace(now) {
            assert_eq!(now, before + 1 + pulse["missed"].as_u64().unwrap());
        }
        let counted = pulse["counts"][3].as_u64().unwrap();
        sum += counted - bytes.replace(counted).unwrap_or(counted);
    }
    assert!(sum > 0);
    monitor.command(&serde_json::json!({"cmd": "pause"}));
    let total = monitor.wait_until("counted", |_| true)["total_bytes"].as_u64().unwrap();
    let last = program::wait_for(|| {
        let pulse = client.next_of("pulse");
        (pulse["counts"][3].as_u64()? == total).then_some(())
    });
    assert!(last.is_some(), "the pulse has what the snapshot has");
}

#[test]
fn there_are_no_more_than_ten_pulses_in_a_second() {
    let (_monitor, dashboard) = start("");
    let [mut stream, mut compatible] = ["/api/v1/stream", "/ws"].map(|path| dashboard.socket(path).unwrap());
    let first = stream.next_of("pulse");
    let (ends, mut sent, mut last) = (Instant::now() + Duration::from_secs(5), 0, first.clone());
    while Instant::now() < ends {
        last = stream.next_of("pulse");
        sent += 1;
    }
    // A machine that is busy with other things may make fewer.
    let made = last["seq"].as_u64().unwrap() - first["seq"].as_u64().unwrap();
    assert!((1..=51).contains(&sent) && sent <= made, "{sent} in five seconds, of {made}");
    // What has come meanwhile waits for its reader.
    let waited = (0..10).map(|_| compatible.message()["type"] == "update").filter(|is| *is).count();
    assert!(waited >= 9);
    let ends = Instant::now() + Duration::from_secs(3);
    let mut times = HashSet::new();
    while Instant::now() < ends {
        times.insert(compatible.message()["timestamp"].to_string());
    }
    assert!(times.len() > 2, "each has its time: {times:?}");
}

#[test]
fn a_table_is_sent_as_it_is_wished_and_a_row_is_opened() {
    let (_monitor, dashboard) = start("");
    let mut client = dashboard.socket("/api/v1/stream").unwrap();
    for name in client.message()["views"].as_array().unwrap().clone() {
        client.send(&format!(r#"{{"type":"view","name":{},"limit":5}}"#, name["name"]));
        // One of the view before may be on its way.
        let view = program::wait_for(|| Some(client.next_of("view")).filter(|view| view["name"] == name["name"]));
        let view = view.expect("the view");
        assert!(view["rows"].as_array().unwrap().len() <= 5);
        // Ten messages in a second are allowed.
        client.next_of("pulse");
        client.next_of("pulse");
    }
    client.send(r#"{"type":"view","name":"sources","filter":"packets>"}"#);
    let wrong = program::wait_for(|| client.next_of("view")["error"].is_string().then_some(()));
    assert!(wrong.is_some());
    client.send(r#"{"type":"view","name":"sources","limit":5}"#);
    let sources = |view: &serde_json::Value| {
        view["error"].is_null() && view["rows"].as_array().is_some_and(|rows| !rows.is_empty())
    };
    let view = program::wait_for(|| Some(client.next_of("view")).filter(sources)).expect("sources");
    let key = view["rows"][0]["key"].clone();
    client.send(&format!(r#"{{"type":"detail","view":"Sources","key":{key}}}"#));
    let detail = client.next_of("detail");
    assert_eq!(detail["gone"], false);
    assert!(detail["facts"].as_array().unwrap().len() > 5 && detail["history"]["seconds"].is_array(), "{detail}");
}

#[test]
fn clients_that_break_the_rules_are_told_which() {
    let (_monitor, dashboard) = start("");
    type Breaks = fn(&mut nettop_tests::web::Client);
    let cases: &[(&str, Breaks, CloseCode)] = &[
        ("too much", |client| client.send(&"x".repeat(5000)), CloseCode::Size),
        ("binary", |client| client.socket.send(Message::binary(vec![1])).unwrap(), CloseCode::Unsupported),
        ("unmasked", |client| client.send_raw(&[0x81, 1, b'x']).unwrap(), CloseCode::Protocol),
        ("a reserved bit", |client| client.send_raw(&[0xf1, 0x80, 0, 0, 0, 0]).unwrap(), CloseCode::Protocol),
        ("too often", |client| (0..50).for_each(|_| drop(client.socket.send(Message::text("{}")))), CloseCode::Policy),
    ];
    for (name, breaks, code) in cases {
        for path in ["/ws", "/api/v1/stream"] {
            let mut client = dashboard.socket(path).unwrap();
            breaks(&mut client);
            let closed = client.closed();
            assert_eq!(closed, Some(*code), "{name} at {path}");
        }
    }
    assert_eq!(dashboard.get("/health").status, 200);
    let refused = dashboard.get("/ws");
    assert_eq!(refused.status, 426, "{refused:?}");
}

#[test]
fn nettopctl_prints_the_pulse_too() {
    let monitor = Monitor::demo("");
    let mut command = Command::new(program::path("nettopctl"));
    command.args(["pulse", "--count", "4", "--control-socket"]).arg(monitor.socket());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<Value> =
        output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0]["pulses"]["tenths"].is_array() && lines[0]["pulses"]["seconds"].is_array(), "{}", lines[0]);
    let packets: Vec<_> = lines[1..].iter().map(|line| line["pulse"]["packets"].as_u64().unwrap()).collect();
    assert!(packets.is_sorted() && packets[0] < packets[2], "{packets:?}");
}
