//! What processes move by their sockets, and connections that have ended: to the byte, however short they live.

use std::{
    fs,
    net::TcpListener,
    os::fd::AsFd as _,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use nettop_tests::{
    bpf,
    frames::{Spec, Transport},
    monitor::Monitor,
    net::{Namespace, Net},
    peers::{HOST, peers},
    program,
    send::Sender,
    skip,
};
use serde_json::{Value, json};

/// A process that moves bytes; see there.
fn mover(namespace: &Namespace, arguments: &str) -> Child {
    let mut command: Command = namespace.command(env!("CARGO_BIN_EXE_mover"));
    command.args(arguments.split_whitespace()).stdout(Stdio::null()).spawn().expect("starting a process")
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
    // Nothing is received by a call: it is the connection's alone.
    let [splices, sends] = run("splice 127.0.0.1:7014 10000000", &connection(7014, 10_000_000));
    let snapshot = wait_until_moved(&monitor, &[(splices, (0, 0)), (sends, (10_000_000, 0))]);
    let ended = snapshot["connections"]["ended"].as_array().expect("a list").iter();
    let moved: Vec<_> = ended
        .filter(|row| row["local_port"] == 7014)
        .map(|row| [&row["rx_bytes"], &row["tx_bytes"], &row["pid"]].map(Value::as_u64))
        .collect();
    assert_eq!(moved, [[Some(10_000_000), Some(0), Some(splices.into())]]);
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
fn what_is_closed_without_a_byte_has_its_process_at_both_ends() {
    if !skip::privileged_with(&skip::CALLS) {
        return;
    }
    const CONNECTIONS: usize = 20;
    let (net, monitor) = net();
    let [server, client] = both(&net.receiver, "closes 127.0.0.1:7023 20", "silent 127.0.0.1:7023 20");
    let ended = |snapshot: &Value, port: &str, pid: u32| {
        let rows = snapshot["connections"]["ended"].as_array().into_iter().flatten();
        rows.filter(|row| row[port] == 7023 && row["pid"] == pid && row["process"] == "mover")
            .filter(|row| row["tx_bytes"] == 0 && row["rx_bytes"] == 0)
            .count()
    };
    program::first(
        "every end",
        || groups(&monitor),
        |snapshot| {
            [("local_port", server), ("remote_port", client)]
                .iter()
                .all(|(port, pid)| ended(snapshot, port, *pid) == CONNECTIONS)
        },
    );
}

#[test]
fn what_is_lost_on_the_way_is_sent_again_and_counted_once() {
    if !skip::privileged_with(&skip::CALLS) {
        return;
    }
    const EACH_WAY: u64 = 20_000_000;
    let net = peers();
    let monitor = Monitor::live(&net.receiver, "--iface in0 --map-memory 32");
    // The other host loses one packet in a hundred of those that come to it: `bpf_get_prandom_u32` is helper 7.
    let lossy = [
        bpf::call(7),
        bpf::modulo32(0, 100),
        bpf::skip_if(0, 0, 2),
        bpf::mov(0, PASS),
        bpf::exit(),
        bpf::mov(0, DROP),
        bpf::exit(),
    ];
    let lossy = bpf::load_xdp(&lossy).expect("a program");
    let index = net.sender.interface_index("out0");
    let attached = net.sender.run(|| bpf::attach_xdp(lossy.as_fd(), index)).expect("attaching");
    let server = mover(&net.receiver, &format!("serve {HOST}:7004 1 {EACH_WAY} {EACH_WAY}"));
    thread::sleep(Duration::from_millis(500));
    let client = end(mover(&net.sender, &format!("connect {HOST}:7004 1 {EACH_WAY} {EACH_WAY}")));
    let both_ways = (EACH_WAY, EACH_WAY);
    let snapshot = wait_until_moved(&monitor, &[(end(server), both_ways), (client, both_ways)]);
    let rows = snapshot["connections"]["ended"].as_array().expect("a list").iter();
    let of_server: Vec<_> = rows.filter(|row| row["local_port"] == 7004 && row["namespace"].is_null()).collect();
    let [row] = of_server[..] else { panic!("no connection, or several: {of_server:?}") };
    assert_eq!([&row["tx_bytes"], &row["rx_bytes"]], [EACH_WAY, EACH_WAY].map(Value::from).each_ref(), "{row}");
    assert!(row["retransmits"].as_u64() > Some(0), "{row}");
    drop(attached);
}

/// Verdicts of XDP (linux/bpf.h).
const DROP: i32 = 1;
const PASS: i32 = 2;

#[test]
fn a_flood_of_forged_syns_changes_no_sum_and_adds_no_row() {
    if !skip::privileged_with(&skip::CALLS) {
        return;
    }
    const LEAST: u32 = 20_000;
    const MOST: u32 = 1_000_000;
    const PORT: u16 = 7005;
    let net = peers();
    net.receiver.ip("link set dev lo up");
    // Answers go there, to nobody.
    net.receiver.ip("route add default dev in0");
    let monitor = Monitor::live(&net.receiver, "--iface in0 --map-memory 64");
    let listener = net.receiver.run(|| TcpListener::bind((HOST, PORT)).expect("a listening socket"));
    let before = cookies_sent(&net.receiver);
    let (sender, done) = (Sender::new(&net.sender, "out0"), AtomicBool::new(false));
    let ([short, long], syns) = thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let mut sent = 0;
            while sent < LEAST || sent < MOST && !done.load(Ordering::Acquire) {
                let [_, a, b, c] = sent.to_be_bytes();
                let forged = Spec::between([100 + a, b, c, 9].into(), HOST.into(), Transport::Tcp(40_000, PORT, 2));
                sender.send(&forged.frame(), 1);
                sent += 1;
            }
            sent
        });
        let run = |port: u16, numbers: &str| {
            both(
                &net.receiver,
                &format!("serve 127.0.0.1:{port} {numbers}"),
                &format!("connect 127.0.0.1:{port} {numbers}"),
            )
        };
        let moved = [run(7006, "1000 137 1000"), run(7007, "1 20000000 20000000")];
        done.store(true, Ordering::Release);
        (moved, u64::from(flood.join().expect("no panic")))
    });
    assert!(syns < MOST.into(), "the flood was over before what it is to disturb");
    let (out, back, all) = (137_000, 1_000_000, 20_000_000);
    let expected = [(short[0], (back, out)), (short[1], (out, back)), (long[0], (all, all)), (long[1], (all, all))];
    monitor.wait_until_seen(syns);
    let snapshot = wait_until_moved(&monitor, &expected);
    let all = ["live", "ended"].map(|list| snapshot["connections"][list].as_array().expect("a list").iter());
    let of_flood = all.into_iter().flatten().filter(|row| row["local_port"] == PORT).count();
    assert_eq!(of_flood, 0, "{}", snapshot["connections"]);
    assert_eq!(snapshot["processes"]["accounting"]["holds"], true, "{}", snapshot["processes"]["accounting"]);
    // Each of them got a cookie, or waits, or has waited so long that the kernel gave it up.
    let half_open = snapshot["connections"]["states"]["SYN-RECEIVED"].as_u64().unwrap_or_default();
    let cookies = cookies_sent(&net.receiver) - before;
    assert!(cookies > syns / 2 && cookies + half_open <= syns, "{cookies} cookies, {half_open} half-open, {syns} SYNs");
    drop(listener);
}

/// How many SYNs the host has answered with a cookie.
fn cookies_sent(namespace: &Namespace) -> u64 {
    let text = namespace.run(|| fs::read_to_string("/proc/thread-self/net/netstat")).expect("the host's counters");
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:")).map(str::split_whitespace);
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let cookies = names.zip(values).find(|(name, _)| *name == "SyncookiesSent");
    cookies.and_then(|(_, value)| value.parse().ok()).expect("a counter of cookies")
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
