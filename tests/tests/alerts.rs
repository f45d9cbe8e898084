//! Alerts: raised, held and over, on real packets; in snapshots and as lines of a file.

use std::{fs, net::Ipv4Addr, path::Path};

use nettop_tests::{
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    send::Sender,
    skip,
};
use serde_json::{Value, json};
use tempfile::TempDir;

fn alerts<'a>(snapshot: &'a Value, kind: &str) -> Vec<&'a Value> {
    snapshot["alerts"].as_array().expect("a list").iter().filter(|alert| alert["kind"] == kind).collect()
}

fn messages(snapshot: &Value, kind: &str) -> Vec<String> {
    alerts(snapshot, kind).iter().map(|alert| alert["message"].as_str().expect("a message").to_string()).collect()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the alerts");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Sends one packet from each of so many sources.
fn send_from(sender: &Sender, first: u32, count: u32) {
    for source in first..first + count {
        let spec = Spec::between(Ipv4Addr::from_bits(source).into(), [198, 51, 100, 2].into(), Transport::Udp(1, 2));
        sender.send(&spec.frame(), 1);
    }
}

#[test]
fn new_sources_are_told_one_by_one_and_a_flood_as_one() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    let path = folder.path().join("alerts.jsonl");
    let monitor = Monitor::live(&net.receiver, &format!("--iface in0 --alerts {}", path.display()));
    let sender = Sender::new(&net.sender, "out0");
    send_from(&sender, 0x0a00_0001, 1);
    let first = monitor.wait_until("a new source", |snapshot| !alerts(snapshot, "new-ip").is_empty());
    assert_eq!(messages(&first, "new-ip"), ["new source 10.0.0.1"]);
    assert_eq!(alerts(&first, "new-ip")[0]["source"], "10.0.0.1");
    let mut macs = messages(&first, "new-mac");
    macs.sort_unstable();
    assert_eq!(macs, ["new MAC 02:00:00:00:01:00", "new MAC 02:00:00:00:02:00"]);

    send_from(&sender, 0x0a01_0000, 2000);
    let flood = monitor.wait_until("a flood", |snapshot| {
        alerts(snapshot, "new-ip").iter().any(|alert| alert["source"].is_null() && alert["until_ns"].is_null())
    });
    assert!(messages(&flood, "new-ip").iter().any(|message| message.contains("new sources in the last second")));
    monitor.wait_until("the flood over", |snapshot| {
        alerts(snapshot, "new-ip").iter().all(|alert| !alert["until_ns"].is_null())
    });
    // Known sources are not new, until a reset forgets them.
    send_from(&sender, 0x0a00_0001, 1);
    monitor.wait_until_seen(2002);
    monitor.command(&json!({"cmd": "reset"}));
    assert_eq!(monitor.snapshot()["alerts"], json!([]));
    send_from(&sender, 0x0a01_0000, 100);
    let again = monitor.wait_until("told anew", |snapshot| !alerts(snapshot, "new-ip").is_empty());
    assert!(messages(&again, "new-ip").iter().any(|message| message.ends_with("sources so far")));
    monitor.stop();

    let lines = lines(&path);
    let is_flood = |line: &&Value| line["message"].as_str().is_some_and(|message| message.contains("new sources"));
    let of_flood: Vec<_> = lines.iter().filter(is_flood).collect();
    // A flood that met the end of a second may have been two seconds long, but is one alert.
    assert_eq!(of_flood.len(), 2, "raised and over: {lines:?}");
    assert_eq!(of_flood[0]["since_ns"], of_flood[1]["since_ns"]);
    assert!(of_flood[0]["until_ns"].is_null() && !of_flood[1]["until_ns"].is_null());
}

#[test]
fn a_busy_source_is_one_alert_from_beginning_to_end() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    let path = folder.path().join("alerts.jsonl");
    let monitor = Monitor::live(&net.receiver, &format!("--iface in0 --high-pps 500 --alerts {}", path.display()));
    let sender = Sender::new(&net.sender, "out0");
    let frame = Spec::v4(Transport::Tcp(1, 443, 2)).frame();
    sender.send(&Spec::v6(Transport::Udp(1, 2)).frame(), 100);
    // Even cut in two by the end of a second it is enough.
    sender.send(&frame, 3000);
    let raised = monitor.wait_until("raised", |snapshot| !alerts(snapshot, "high-pps").is_empty());
    let alert = alerts(&raised, "high-pps")[0].clone();
    assert_eq!(
        (&alert["source"], &alert["severity"], &alert["count"]),
        (&json!("192.0.2.1"), &json!("warn"), &json!(1))
    );
    assert!(alert["until_ns"].is_null() && alert["peak"].as_f64() >= Some(500.0), "{alert}");
    let over = monitor
        .wait_until("over", |snapshot| alerts(snapshot, "high-pps").iter().all(|alert| !alert["until_ns"].is_null()));
    let end = alerts(&over, "high-pps")[0];
    let lasted = end["until_ns"].as_u64().expect("a time") - end["last_ns"].as_u64().expect("a time");
    assert!(lasted >= 3_000_000_000, "it is over after three quiet seconds: {lasted} ns");
    monitor.stop();
    let lines: Vec<_> = lines(&path).into_iter().filter(|line| line["kind"] == "high-pps").collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[1], *end, "the file says what the snapshot said");
}

#[test]
fn zero_turns_the_rule_off() {
    let monitor = Monitor::demo("--high-pps 0");
    let snapshot = monitor.wait_until("a busy source, and a look at it", |snapshot| {
        let busy = |row: &Value| row["peak_pps"].as_f64() > Some(500.0);
        !alerts(snapshot, "new-ip").is_empty() && snapshot["ips"].as_array().is_some_and(|ips| ips.iter().any(busy))
    });
    assert!(alerts(&snapshot, "high-pps").is_empty());
    assert!(messages(&snapshot, "new-ip").iter().any(|message| message.ends_with("sources so far")));
}

#[test]
fn the_demonstrations_bursts_raise_and_end_alerts() {
    let monitor = Monitor::demo("");
    let snapshot = monitor.wait_until("a burst", |snapshot| {
        alerts(snapshot, "high-pps").iter().any(|alert| alert["peak"].as_f64() > Some(2000.0))
    });
    let alert = alerts(&snapshot, "high-pps").into_iter().find(|alert| alert["peak"].as_f64() > Some(2000.0));
    let source = alert.expect("just seen")["source"].clone();
    monitor.wait_until("its end", |snapshot| {
        alerts(snapshot, "high-pps").iter().any(|alert| alert["source"] == source && !alert["until_ns"].is_null())
    });
}
