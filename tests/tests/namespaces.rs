//! Connections of other network namespaces than the monitor's, as those of containers are: they have rows by their calls, and are told whole
//! when they end.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    process,
};

use nettop_tests::{monitor::Monitor, net::Net, peers::exchange, program, skip};
use serde_json::{Value, json};

fn groups(monitor: &Monitor) -> Value {
    monitor.groups(&["connections", "processes"])
}

/// The first snapshot of these groups of which `condition` holds.
#[track_caller]
fn wait_until(monitor: &Monitor, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    program::first(what, || groups(monitor), condition)
}

/// The row of a list with this local port.
fn row<'a>(snapshot: &'a Value, list: &str, port: u16) -> Option<&'a Value> {
    snapshot["connections"][list].as_array()?.iter().find(|row| row["local_port"] == port)
}

/// What a row has moved: bytes, and packets.
fn moved(row: &Value) -> [&Value; 4] {
    ["tx_bytes", "rx_bytes", "tx_packets", "rx_packets"].map(|key| &row[key])
}

/// Sends so many bytes from one end to the other.
fn send(mut from: &TcpStream, to: &TcpStream, bytes: usize) {
    from.write_all(&vec![7; bytes]).expect("sending");
    let mut received = vec![0; bytes];
    let mut to = to;
    to.read_exact(&mut received).expect("receiving");
}

#[test]
fn connections_of_another_namespace_have_rows_and_end_whole() {
    if !skip::privileged_with(&skip::CALLS) {
        return;
    }
    let net = Net::new(1);
    let (here, other) = (&net.receiver, &net.sender);
    for namespace in [here, other] {
        namespace.ip("link set dev lo up");
    }
    let monitor = Monitor::live(here, "--iface in0 --map-memory 32");
    wait_until(&monitor, "the first census", |snapshot| snapshot["connections"].is_object());
    let connect = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listening socket");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connecting");
        (client, listener.accept().expect("accepting").0)
    };
    let (client, server) = other.run(connect);
    let ours = here.run(connect);
    send(&client, &server, 5_000);
    send(&server, &client, 70);
    send(&ours.0, &ours.1, 11);
    let port = |stream: &TcpStream| stream.local_addr().expect("an address").port();
    let (from, to, own) = (port(&client), port(&server), port(&ours.0));
    let inode = json!(other.inode());
    let snapshot = wait_until(&monitor, "both ends", |snapshot| {
        [from, to, own].iter().all(|port| row(snapshot, "live", *port).is_some_and(|row| row["tx_bytes"] != 0))
    });
    let none = &Value::Null;
    for (local, remote, [tx, rx]) in [(from, to, [5_000, 70]), (to, from, [70, 5_000])] {
        let row = row(&snapshot, "live", local).expect("a row");
        assert_eq!(moved(row), [&json!(tx), &json!(rx), none, none], "{row}");
        let known =
            ["namespace", "pid", "remote_port", "state", "direction", "rtt_us", "opened_ns"].map(|key| &row[key]);
        let pid = json!(process::id());
        assert_eq!(known, [&inode, &pid, &json!(remote), &json!("?"), &json!("?"), none, none], "{row}");
    }
    let row_here = row(&snapshot, "live", own).expect("a row");
    assert_eq!((&row_here["namespace"], &row_here["state"]), (none, &json!("ESTABLISHED")), "{row_here}");
    let list = |filter: &str, format: &str| {
        let mut command = process::Command::new(program::path("nettopctl"));
        command.arg("--control-socket").arg(monitor.socket());
        let output = command.args(["connections", "--filter", filter, "--format", format]).output();
        let output = output.expect("starting nettopctl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    for (filter, expected) in
        [(format!("ns:{inode}"), 2), ("ns:own".into(), 2), ("ns:7".into(), 0), (format!("ns:other lport:{from}"), 1)]
    {
        let listed: Value = serde_json::from_str(&list(&filter, "json")).expect("JSON");
        assert_eq!(listed["live"].as_array().map(Vec::len), Some(expected), "{filter}: {listed}");
    }
    let csv = list(&format!("ns:other lport:{from}"), "csv");
    let heads = csv.lines().next().expect("a header").split(',').position(|head| head == "namespace");
    let column = heads.expect("a column");
    let namespaces: Vec<_> = csv.lines().skip(1).map(|line| line.split(',').nth(column)).collect();
    assert_eq!(namespaces, [Some(&*inode.to_string())], "{csv}");

    drop((client, server, ours));
    let snapshot = wait_until(&monitor, "the ends", |snapshot| {
        [from, to, own].iter().all(|port| row(snapshot, "ended", *port).is_some())
    });
    for (local, [tx, rx], namespace) in [(from, [5_000, 70], &inode), (to, [70, 5_000], &inode), (own, [11, 0], none)] {
        let row = row(&snapshot, "ended", local).expect("a row");
        let [sent, received, out, back] = moved(row);
        assert_eq!((sent, received, &row["namespace"]), (&json!(tx), &json!(rx), namespace), "{row}");
        assert!([out, back].iter().all(|packets| packets.as_u64() > Some(1)), "{row}");
        assert_eq!((&row["state"], &row["pid"]), (&json!("CLOSED"), &json!(process::id())), "{row}");
    }
    let snapshot = wait_until(&monitor, "that none is left", |snapshot| {
        [from, to, own].iter().all(|port| row(snapshot, "live", *port).is_none())
    });
    let accounting = &snapshot["processes"]["accounting"];
    // Other tests have connections as well.
    assert!(accounting["ended"].as_u64() >= Some(4), "{accounting}");
    assert_eq!((&accounting["holds"], &accounting["ended_untracked"]), (&json!(true), &json!(0)), "{accounting}");
}

#[test]
fn sockets_of_udp_of_another_namespace_are_listed_while_they_move_something() {
    if !skip::privileged_with(&skip::CALLS) {
        return;
    }
    let net = Net::new(1);
    let other = &net.sender;
    other.ip("link set dev lo up");
    let monitor = Monitor::live(&net.receiver, "--iface in0 --map-memory 32");
    wait_until(&monitor, "the first census", |snapshot| snapshot["connections"].is_object());
    let [server, client] = exchange(other, 20);
    let port = |socket: &UdpSocket| socket.local_addr().expect("an address").port();
    let (from, to, inode) = (port(&client), port(&server), json!(other.inode()));
    let snapshot = wait_until(&monitor, "every datagram", |snapshot| {
        let all = |list, port| row(snapshot, list, port).is_some_and(|row| row["rx_packets"] == 20);
        all("live", from) && all("listening", to)
    });
    for (list, local, bytes, state) in
        [("live", from, [2_000, 200], "ACTIVE"), ("listening", to, [200, 2_000], "UNCONN")]
    {
        let row = row(&snapshot, list, local).expect("a row");
        let [tx, rx] = bytes;
        assert_eq!(moved(row), [&json!(tx), &json!(rx), &json!(20), &json!(20)], "{row}");
        let known = (&row["namespace"], &row["state"], &row["pid"]);
        assert_eq!(known, (&inode, &json!(state), &json!(process::id())), "{row}");
    }
    let rows = snapshot["processes"]["rows"].as_array().expect("rows");
    let own = rows.iter().find(|row| row["pid"] == process::id()).expect("this process");
    assert!(own["connections"].as_u64() >= Some(1) && own["listening"].as_u64() >= Some(1), "{own}");
}
