//! What processes move by their sockets, and connections that have ended: to the byte, however short they live.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use nettop_tests::{
    monitor::Monitor,
    net::{Namespace, Net},
    program, skip,
};
use serde_json::{Value, json};

/// A process that moves bytes; see there.
fn mover(namespace: &Namespace, arguments: &str) -> Child {
    let mut command: Command = namespace.command(env!("CARGO_BIN_EXE_mover"));
    command.args(arguments.split_whitespace()).spawn().expect("starting a process")
}

fn end(mut child: Child) -> u32 {
    let id = child.id();
    assert!(child.wait().expect("its end").success());
    id
}

/// Runs one process that waits, then one that begins, and returns their numbers.
fn both(namespace: &Namespace, waits: &str, begins: &str) -> [u32; 2] {
    let waiting = mover(namespace, waits);
    let mut tried = 0;
    // It may not listen yet.
    let begun = loop {
        thread::sleep(Duration::from_millis(50));
        let mut child = mover(namespace, begins);
        let id = child.id();
        if child.wait().expect("its end").success() {
            break id;
        }
        tried += 1;
        assert!(tried < 100, "{begins}");
    };
    [end(waiting), begun]
}

fn groups(monitor: &Monitor) -> Value {
    monitor.groups(&["connections", "processes", "monitor"])
}

fn process(snapshot: &Value, pid: u32) -> Option<(u64, u64)> {
    let row = snapshot["processes"]["rows"].as_array()?.iter().find(|row| row["pid"] == pid)?;
    Some((row["tx_bytes"].as_u64()?, row["rx_bytes"].as_u64()?))
}

/// Waits until each of these processes has moved so much, and returns what is known then.
fn wait_until_moved(monitor: &Monitor, expected: &[(u32, (u64, u64))]) -> Value {
    let mut newest = Value::Null;
    for _ in 0..200 {
        newest = groups(monitor);
        if expected.iter().all(|(pid, moved)| process(&newest, *pid) == Some(*moved)) {
            return newest;
        }
        thread::sleep(Duration::from_millis(100));
    }
    let found: Vec<_> = expected.iter().map(|(pid, _)| process(&newest, *pid)).collect();
    panic!("not {expected:?} but {found:?}: {}", newest["processes"]);
}

fn net() -> (Net, Monitor) {
    let net = Net::new(1);
    net.receiver.ip("link set dev lo up");
    let monitor = Monitor::live(&net.receiver, "--iface in0 --map-memory 32");
    (net, monitor)
}

#[test]
fn short_connections_are_counted_whole_on_both_sides() {
    if !skip::privileged_with(&skip::CALLS) {
        return;
    }
    const CONNECTIONS: u64 = 1_000;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("connections.jsonl");
    let net = Net::new(1);
    net.receiver.ip("link set dev lo up");
    let monitor =
        Monitor::live(&net.receiver, &format!("--iface in0 --map-memory 32 --connections {}", file.display()));
    let [server, client] =
        both(&net.receiver, "serve 127.0.0.1:7001 1000 137 1000", "connect 127.0.0.1:7001 1000 137 1000");
    let (sent, received) = (137 * CONNECTIONS, 1_000 * CONNECTIONS);
    let snapshot = wait_until_moved(&monitor, &[(server, (received, sent)), (client, (sent, received))]);
    assert_eq!(snapshot["processes"]["accounting"]["holds"], true, "{}", snapshot["processes"]["accounting"]);
    let ended = snapshot["connections"]["ended"].as_array().expect("a list");
    let of = |port: &str| ended.iter().filter(move |row| row[port] == 7001).collect::<Vec<_>>();
    for (name, rows, tx, rx) in [("server", of("local_port"), 1_000, 137), ("client", of("remote_port"), 137, 1_000)] {
        // Those that were refused while nobody listened yet have moved nothing.
        let rows: Vec<_> = rows.into_iter().filter(|row| row["tx_bytes"] != 0).collect();
        assert_eq!(rows.len() as u64, CONNECTIONS, "{name}");
        assert!(rows.iter().all(|row| row["tx_bytes"] == tx && row["rx_bytes"] == rx), "{name}: {rows:?}");
        let owned = rows.iter().filter(|row| row["process"] == "mover").count() as u64;
        assert!(owned > CONNECTIONS * 8 / 10, "{name}: {owned} have an owner");
        assert!(rows.iter().all(|row| row["opened_ns"].as_u64().is_some()), "{name}: they began after the start");
    }
    monitor.stop();
    let text = fs::read_to_string(&file).expect("the file of --connections");
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(rows.iter().all(|row| row["country"] == "LO"), "{:?}", rows.first());
    let moved = |key: &str, port: &str| -> u64 {
        rows.iter().filter(|row| row[port] == 7001).filter_map(|row| row[key].as_u64()).sum()
    };
    assert_eq!((moved("tx_bytes", "remote_port"), moved("rx_bytes", "remote_port")), (sent, received));
    assert_eq!((moved("tx_bytes", "local_port"), moved("rx_bytes", "local_port")), (received, sent));
}

#[test]
fn datagrams_are_counted_by_their_calls() {
    if !skip::privileged_with(&skip::CALLS) {
        return;
    }
    let (net, monitor) = net();
    let drain = mover(&net.receiver, "drain 127.0.0.1:7002 5001");
    thread::sleep(Duration::from_millis(300));
    let sender = end(mover(&net.receiver, "datagrams 127.0.0.1:7002 5000 100"));
    let snapshot = wait_until_moved(&monitor, &[(drain.id(), (5_000, 500_000)), (sender, (500_000, 5_000))]);
    assert_eq!(snapshot["processes"]["accounting"]["holds"], true);
    // It began after nettop had entered its sandbox.
    let row =
        snapshot["processes"]["rows"].as_array().and_then(|rows| rows.iter().find(|row| row["pid"] == drain.id()));
    assert_eq!(row.map(|row| &row["parent"]), Some(&json!(std::process::id())), "{row:?}");
    end(mover(&net.receiver, "datagrams 127.0.0.1:7002 1 100"));
    wait_until_moved(&monitor, &[(end(drain), (5_001, 500_100))]);
}

#[test]
fn megabytes_are_exact_and_a_reset_begins_anew() {
    if !skip::privileged_with(&skip::CALLS) {
        return;
    }
    const EACH_WAY: u64 = 20_000_000;
    let (net, monitor) = net();
    let moved = format!("127.0.0.1:7003 1 {EACH_WAY} {EACH_WAY}");
    let [server, client] = both(&net.receiver, &format!("serve {moved}"), &format!("connect {moved}"));
    let both_ways = (EACH_WAY, EACH_WAY);
    wait_until_moved(&monitor, &[(server, both_ways), (client, both_ways)]);
    monitor.command(&json!({"cmd": "reset"}));
    // That it has ended may be read after that: then it is listed again, and has moved nothing.
    assert_eq!(process(&groups(&monitor), server).unwrap_or_default(), (0, 0), "it is forgotten");
}

#[test]
fn bytes_are_counted_once_however_they_are_moved() {
    if !skip::privileged_with(&skip::CALLS) {
        return;
    }
    let (net, monitor) = net();
    let run = |waits: &str, begins: &str| both(&net.receiver, waits, begins);
    let connection = |port: u16, sent| format!("connect 127.0.0.1:{port} 1 {sent} 0");
    // What is peeked at is read later.
    let [peeks, sends] = run("peek 127.0.0.1:7011 1000", &connection(7011, 1000));
    // The kernel copies the file itself.
    let [receives, copies] = run("serve 127.0.0.1:7012 1 10000000 0", "sendfile 127.0.0.1:7012 10000000");
    wait_until_moved(
        &monitor,
        &[(peeks, (0, 1_000)), (sends, (1_000, 0)), (receives, (0, 10_000_000)), (copies, (10_000_000, 0))],
    );
    // One call, six datagrams.
    let drain = mover(&net.receiver, "drain 127.0.0.1:7013 6");
    thread::sleep(Duration::from_millis(300));
    let sender = end(mover(&net.receiver, "segments 127.0.0.1:7013 6 1000"));
    wait_until_moved(&monitor, &[(end(drain), (6, 6_000)), (sender, (6_000, 0))]);
}

#[test]
fn what_moves_nothing_and_what_is_inherited_belongs_to_its_process() {
    if !skip::privileged_with(&skip::CALLS) {
        return;
    }
    let (net, monitor) = net();
    let refused = end(mover(&net.receiver, "refused 127.0.0.1:7021 50"));
    // A child answers on the connection that its parent has accepted.
    let mut command = net.receiver.command(env!("CARGO_BIN_EXE_mover"));
    command.args(["forked", "127.0.0.1:7022", "100", "2000"]).stdout(Stdio::piped());
    let parent = command.spawn().expect("starting a process");
    let parent_pid = parent.id();
    thread::sleep(Duration::from_millis(300));
    let client = end(mover(&net.receiver, "connect 127.0.0.1:7022 1 100 2000"));
    let output = parent.wait_with_output().expect("its end");
    let child: u32 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("the child's number");
    let expected = [(parent_pid, (0, 100)), (child, (2_000, 0)), (client, (100, 2_000)), (refused, (0, 0))];
    let snapshot = wait_until_moved(&monitor, &expected);
    let name = |pid| {
        let rows = snapshot["processes"]["rows"].as_array()?;
        rows.iter().find(|row| row["pid"] == pid)?["process"].as_str()
    };
    assert_eq!([name(parent_pid), name(child)], [Some("mover"), Some("head")]);
}

#[test]
fn what_was_refused_or_not_answered_is_told_once_with_who_asked() {
    if !skip::privileged() {
        return;
    }
    let (net, monitor) = net();
    net.receiver.ip("address add 10.0.0.1/24 dev in0");
    let ended = |snapshot: &Value, port: u16| -> Vec<Value> {
        let rows = snapshot["connections"]["ended"].as_array().into_iter().flatten();
        rows.filter(|row| row["remote_port"] == port).cloned().collect()
    };
    for (name, address, port, arguments) in [
        ("refused", "127.0.0.1", 7031_u16, "50"),
        ("refused, and the kernel keeps whom it asked", "127.0.0.1", 7032, "50 1000"),
        // Nobody has this address, and nothing says so.
        ("not answered, and given up", "10.0.0.9", 7033, "20 20"),
    ] {
        let what = if arguments.contains(' ') { "asks" } else { "refused" };
        let pid = end(mover(&net.receiver, &format!("{what} {address}:{port} {arguments}")));
        let expected: usize = arguments.split(' ').next().and_then(|count| count.parse().ok()).expect("a number");
        program::wait_for(|| (ended(&groups(&monitor), port).len() >= expected).then_some(()));
        // None is told again by the next readings.
        thread::sleep(Duration::from_millis(2_500));
        let rows = ended(&groups(&monitor), port);
        assert_eq!(rows.len(), expected, "{name}: {rows:?}");
        for row in &rows {
            let moved = ["tx_bytes", "rx_bytes"].map(|key| row[key].as_u64());
            assert_eq!(moved, [Some(0); 2], "{name}: {row}");
            let known = ["pid", "process", "remote", "direction"].map(|key| &row[key]);
            assert_eq!(known, [&json!(pid), &json!("mover"), &json!(address), &json!("out")], "{name}: {row}");
            assert!(row["local_port"].as_u64() > Some(0) && row["tx_packets"].as_u64() > Some(0), "{name}: {row}");
            assert!(row["opened_ns"].as_u64().is_some(), "{name}: {row}");
        }
    }
    let snapshot = groups(&monitor);
    let accounting = &snapshot["processes"]["accounting"];
    // Where calls are not counted, there is none.
    let expected = if skip::kernel_has(&skip::CALLS) { [json!(true), json!(0)] } else { [Value::Null, Value::Null] };
    assert_eq!(["holds", "ended_untracked"].map(|key| accounting[key].clone()), expected, "{accounting}");
}
