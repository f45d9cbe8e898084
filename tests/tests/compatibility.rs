//! A client and a monitor of different versions: what was recorded from a monitor that knew only the flat form is still written, and a
//! client is told what it lacks.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    time::Duration,
};

use nettop_model::answer;
use nettop_tests::monitor::{Monitor, ask};
use serde_json::{Value, json};

/// What `nettopctl subscribe --limit 3` printed before there were groups, over the demonstration.
const FLAT_LINE: &str = include_str!("../data/subscriber-line-flat.json");

/// The first line of the answer; a subscription has no last one.
fn line(monitor: &Monitor, request: &Value) -> Value {
    let mut stream = UnixStream::connect(monitor.socket()).expect("the control socket");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
    writeln!(stream, "{request}").expect("sending the request");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("a line in time");
    serde_json::from_str(&line).expect("JSON")
}

/// Every path of keys, where keys that are data (addresses, ports, lengths) are all one.
fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let is_data = key.contains([':', '.']) || key.starts_with(|c: char| c.is_ascii_digit());
                let path = format!("{path}.{}", if is_data { "*" } else { key });
                found.insert(path.clone());
                paths(value, &path, found);
            }
        }
        Value::Array(rows) => rows.iter().for_each(|row| paths(row, &format!("{path}[]"), found)),
        _ => {}
    }
}

fn all_paths(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    paths(value, "", &mut found);
    // Which protocols, flags and sizes occur is up to the traffic.
    let of_traffic = ["protocols.", "tcp_flags.", "packet_sizes."];
    found.retain(|path| !of_traffic.iter().any(|map| path.contains(map)));
    found
}

fn has_counted(monitor: &Monitor, packets: u64) {
    monitor.wait_until("packets", |snapshot| snapshot["total_packets"].as_u64() > Some(packets));
}

#[test]
fn a_monitor_without_groups_is_named() {
    let error = answer::snapshot(FLAT_LINE.as_bytes()).expect_err("no groups");
    assert!(error.contains("update it"), "{error}");
}

#[test]
fn the_flat_form_only_gains_keys() {
    let monitor = Monitor::demo("");
    has_counted(&monitor, 20_000);
    let before = all_paths(&serde_json::from_str(FLAT_LINE).expect("JSON"));
    assert!(before.len() > 150, "{before:?}");
    let mut missing = before.clone();
    // Some keys come with the traffic, an alert for one.
    for _ in 0..50 {
        let line = line(&monitor, &json!({"cmd": "subscribe", "limit": 3}));
        missing.retain(|path| !all_paths(&line).contains(path));
        if missing.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(missing.is_empty(), "{missing:?}");
    // And so does `status`, whose snapshot is the same.
    let status = monitor.request(&json!({"cmd": "status", "limit": 3}));
    let of = |value: &Value| all_paths(&value["snapshot"]);
    let line: Value = serde_json::from_str(FLAT_LINE).expect("JSON");
    let always = ["ips", "rest", "accounting", "interfaces", "tick", "self", "sampling", "history"];
    let lost: Vec<_> = of(&line).difference(&of(&status)).cloned().collect();
    assert!(!lost.iter().any(|path| always.iter().any(|key| path == &format!(".{key}"))), "{lost:?}");
}

#[test]
fn groups_are_asked_for_by_schema() {
    let monitor = Monitor::demo("");
    has_counted(&monitor, 1_000);
    let keys = |value: &Value| {
        let mut keys: Vec<_> = value.as_object().expect("an object").keys().cloned().collect();
        keys.sort_unstable();
        keys.join(" ")
    };
    for (name, request, expected) in [
        (
            "all",
            json!({"cmd": "snapshot", "schema": 2, "limit": 1}),
            "alerts blocks connections destinations drops egress flows host log macs meta monitor neighbours places ports prefixes processes \
             schema sources traffic version visits",
        ),
        ("two", json!({"cmd": "snapshot", "schema": 2, "groups": ["ports", "macs"]}), "macs ports schema version"),
        ("none", json!({"cmd": "snapshot", "schema": 2, "groups": []}), "schema version"),
        ("of a newer schema", json!({"cmd": "snapshot", "schema": 7, "groups": ["meta"]}), "meta schema version"),
        ("subscribed", json!({"cmd": "subscribe", "schema": 2, "groups": ["alerts"]}), "alerts schema version"),
    ] {
        let answer = line(&monitor, &request);
        assert_eq!(keys(&answer["snapshot"]), expected, "{name}");
        assert_eq!(answer["snapshot"]["schema"], 2, "{name}");
    }
    let snapshot = monitor.request(&json!({"cmd": "snapshot", "schema": 2, "groups": ["sources"], "limit": 5}));
    let sources = &snapshot["snapshot"]["sources"];
    assert_eq!(sources["rows"].as_array().map(Vec::len), Some(5));
    assert!(sources["rest"]["rows"].as_u64() > Some(10), "{sources}");
    for (name, request, part) in [
        ("groups without a schema", json!({"cmd": "snapshot", "groups": ["host"]}), "\"schema\": 2"),
        ("no such group", json!({"cmd": "snapshot", "schema": 2, "groups": ["ips"]}), "there is no group"),
        ("no number", json!({"cmd": "snapshot", "schema": "two"}), "schema must be"),
    ] {
        let answer = ask(monitor.socket(), &request).expect("an answer");
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(part)), "{name}: {answer}");
    }
}
