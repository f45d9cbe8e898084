//! Blocks that rules make: only of who has proved not to forge its address, never while a flood from forged ones is on.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use nettop_tests::{
    audit,
    blocking::{ask_block, blocks, settled, wait_until},
    flood::Flood,
    frames::{Spec, Transport},
    monitor::{Monitor, troubles},
    net::Net,
    peers::{HOST, REMOTE, named, peers},
    program,
    send::Sender,
    skip,
};
use serde_json::{Value, json};

const SYN: u8 = 0x02;

/// A monitor whose rules block, with its audit there.
fn watched(net: &Net, folder: &Path, options: &str) -> Monitor {
    let audit = folder.join("audit");
    let monitor = Monitor::live(&net.receiver, &format!("--iface in0 --audit {} {options}", audit.display()));
    settled(&monitor);
    monitor
}

/// What the audit has about an address: result and error.
fn audited(folder: &Path, net: &str) -> Vec<(String, String)> {
    let lines = audit::lines(&folder.join("audit"));
    let word = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_string();
    let about = lines.iter().filter(|line| line["net"] == net && line["by"] == "rule port-scan");
    about.map(|line| (word(line, "result"), word(line, "error"))).collect()
}

/// What was decided about an address in the end: before a census has the connection, nothing proves anything.
#[track_caller]
fn decided(folder: &Path, net: &str) -> (String, String) {
    let is_decided = |line: &(String, String)| !line.1.contains("no handshake");
    wait_until("what is decided", || audited(folder, net).iter().any(is_decided));
    let lines = audited(folder, net);
    assert!(lines.len() <= 2, "each thing is said once: {lines:?}");
    lines.into_iter().find(is_decided).expect("just seen")
}

/// Scans from an address with packets alone: nobody answers them there.
fn scan_with_packets(net: &Net, source: [u8; 4]) {
    let sender = Sender::new(&net.sender, "out0");
    for port in 0..300 {
        let spec = Spec::between(source.into(), HOST.into(), Transport::Tcp(40_000, 2_000 + port, SYN));
        sender.send(&Spec { destination_mac: [2, 0, 0, 0, 2, 0], ..spec }.frame(), 1);
        if port % 20 == 0 {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Scans from the other host as connect(2) does, one port of which is open; returns the connection with that.
fn scan_with_connections(net: &Net, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let open = listener.local_addr().expect("its address").port();
    let client = net.sender.run(|| TcpStream::connect((HOST, open))).expect("a connection");
    let server = listener.accept().expect("the other end").0;
    net.sender.run(|| {
        for port in 0..300 {
            let closed = SocketAddrV4::new(HOST, 2_000 + port).into();
            let _ = TcpStream::connect_timeout(&closed, Duration::from_millis(200));
        }
    });
    (client, server)
}

fn find<'a>(snapshot: &'a Value, kind: &str, source: Ipv4Addr) -> Option<&'a Value> {
    let alerts = snapshot["alerts"].as_array().expect("a list").iter();
    alerts.into_iter().find(|alert| alert["kind"] == kind && alert["source"] == source.to_string())
}

#[test]
fn a_scanner_with_a_handshake_is_blocked_and_one_without_is_not() {
    if !skip::privileged() {
        return;
    }
    for enforced in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let net = peers();
        let listener = net.receiver.run(|| TcpListener::bind((HOST, 0)).expect("a listening socket"));
        let option = if enforced { " --auto-block-enforce" } else { "" };
        let monitor = watched(&net, folder.path(), &format!("--port-scan 50 --auto-block port-scan{option}"));

        let forger = Ipv4Addr::new(10, 0, 0, 66);
        scan_with_packets(&net, forger.octets());
        monitor.wait_until("a scan", |snapshot| find(snapshot, "port-scan", forger).is_some());
        wait_until("the line about it", || !audited(folder.path(), "10.0.0.66").is_empty());

        let _connection = scan_with_connections(&net, &listener);
        monitor.wait_until("another scan", |snapshot| find(snapshot, "port-scan", REMOTE).is_some());
        let result = if enforced { "done" } else { "would" };
        assert_eq!(decided(folder.path(), "10.0.0.2"), (result.to_string(), String::new()));

        let lines = audited(folder.path(), "10.0.0.66");
        assert_eq!(lines.len(), 1, "it is said once: {lines:?}");
        assert_eq!(lines[0].0, "refused");
        assert!(lines[0].1.contains("no handshake"), "{lines:?}");

        let all = blocks(&monitor);
        let (made, would) = (&all["rows"], &all["automatic"]["would"]);
        let (list, other) = if enforced { (made, would) } else { (would, made) };
        assert_eq!((list.as_array().map(Vec::len), other), (Some(1), &json!([])), "{all}");
        let row = &list[0];
        assert_eq!((&row["net"], &row["by"]), (&"10.0.0.2".into(), &"rule port-scan".into()), "{row}");
        let why = row["why"].as_str().unwrap_or_default();
        assert!(why.contains("a connection with port"), "{why}");
        assert_eq!(row["dry"], if enforced { Value::Null } else { true.into() });
        let message = monitor.command(&json!({"cmd": "status"}))["runtime"]["message"].clone();
        assert!(message.as_str().is_some_and(|text| text.starts_with("10.0.0.2 ")), "{message}");
        // It is dropped, or is not.
        let spec = Spec::between(REMOTE.into(), HOST.into(), Transport::Udp(40_000, 53));
        Sender::new(&net.sender, "out0").send(&spec.frame(), 20);
        match enforced {
            true => wait_until("what is dropped", || blocks(&monitor)["dropped"].as_u64() >= Some(20)),
            false => assert_eq!(blocks(&monitor)["dropped"], 0),
        }
        assert_eq!(blocks(&monitor)["holds"], true);
    }
}

#[test]
fn guards_apply_to_rules_too() {
    if !skip::privileged() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let net = peers();
    let listener = net.receiver.run(|| TcpListener::bind((HOST, 0)).expect("a listening socket"));
    let options = format!("--port-scan 50 --auto-block port-scan --auto-block-enforce --allow {REMOTE}");
    let monitor = watched(&net, folder.path(), &options);
    let _connection = scan_with_connections(&net, &listener);
    monitor.wait_until("a scan", |snapshot| find(snapshot, "port-scan", REMOTE).is_some());
    let (result, error) = decided(folder.path(), "10.0.0.2");
    assert!(result == "refused" && error.contains("(allowed)"), "{error}");
    assert_eq!(blocks(&monitor)["rows"], json!([]));
}

#[test]
fn nobody_is_blocked_while_a_flood_from_forged_addresses_is_on() {
    if !skip::privileged() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml");
    fs::write(&config, "[[rules]]\nname = \"busy\"\nwhen = \"src:10.0.0.2 pps>20\"\n").expect("a configuration");
    let net = peers();
    let listener = net.receiver.run(|| TcpListener::bind((HOST, 0)).expect("a listening socket"));
    let port = listener.local_addr().expect("its address").port();
    let mut command = net.receiver.command(program::path("nettop"));
    command.args(["run", "--iface", "in0", "--interval", "0.1", "--map-memory", "32"]).arg("--config").arg(&config);
    command.args(["--auto-block", "busy", "--auto-block-enforce"]).env("NETTOP_NO_CONFIG", "0");
    let monitor = Monitor::start(command, &folder.path().join("s"));
    settled(&monitor);
    monitor.wait_until("it is settled", |snapshot| snapshot["elapsed"].as_f64() > Some(11.0));
    let ends = AtomicBool::new(false);
    // However it ends, the flood does: else nobody would learn of a failure.
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    thread::scope(|scope| {
        let (net, ends, _end) = (&net, &ends, End(&ends));
        scope.spawn(move || {
            let frame = Spec::between([11, 0, 0, 0].into(), HOST.into(), Transport::Tcp(40_000, 81, SYN)).frame();
            let flood = Flood { frame, sources: 16_000_000, base: [11, 0, 0, 0].into(), count: 200_000 };
            while !ends.load(Ordering::Relaxed) {
                flood.run(&net.sender, "out0").expect("a flood");
                thread::sleep(Duration::from_millis(300));
            }
        });
        let is_on = |snapshot: &Value| {
            let alerts = snapshot["alerts"].as_array().expect("a list").iter();
            alerts.into_iter().any(|alert| alert["forged"] == true && alert["until_ns"].is_null())
        };
        monitor.wait_until("a flood", is_on);
        scope.spawn(move || {
            let mut client = net.sender.run(|| TcpStream::connect((HOST, port))).expect("a connection");
            client.set_nodelay(true).expect("small packets");
            let _server = listener.accept().expect("the other end");
            while client.write_all(b"x").is_ok() && !ends.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(5));
            }
        });
        let snapshot = monitor.wait_until("who is busy", |snapshot| named(snapshot, "busy").is_some());
        assert!(is_on(&snapshot), "{}", snapshot["alerts"]);
        let all = blocks(&monitor);
        assert_eq!(all["rows"], json!([]), "{all}");
        assert!(all["automatic"]["idle"].as_str().is_some_and(|why| why.contains("forged")), "{all}");
        // Whoever asks by hand may.
        assert_eq!(ask_block(&monitor, "11.0.0.7", 60)["ok"], true);
    });
}

#[test]
fn a_rule_that_cannot_block_is_an_error_at_the_start() {
    for (arguments, part) in [
        (&["--auto-block", "nonsense"][..], "there is no such rule; choose from port-scan, "),
        (&["--auto-block", "port-scan,syn-flood"], "syn-flood: its alerts name no single source"),
        (&["--auto-block-enforce"], "--auto-block"),
        (&["--auto-block", "port-scan", "--auto-block-enforce", "--block-with", "none"], "forbids every block"),
    ] {
        let arguments = [&["run", "--quiet"][..], arguments].concat();
        let ended = program::run_with("nettop", &arguments);
        ended.expect_one_line(part);
    }
}

#[test]
fn nobody_is_blocked_unless_that_was_asked_for() {
    if !skip::privileged() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let net = peers();
    let listener = net.receiver.run(|| TcpListener::bind((HOST, 0)).expect("a listening socket"));
    let monitor = watched(&net, folder.path(), "--port-scan 50 --block-with xdp");
    let _connection = scan_with_connections(&net, &listener);
    let snapshot = monitor.wait_until("a scan", |snapshot| find(snapshot, "port-scan", REMOTE).is_some());
    assert_eq!(troubles(&snapshot), Vec::<&Value>::new());
    let all = blocks(&monitor);
    assert_eq!((&all["rows"], &all["automatic"]), (&json!([]), &Value::Null), "{all}");
}
