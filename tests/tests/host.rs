//! What the host itself counts: every interface in both directions, the kernel's protocol counters, and what the host lost.

use std::net::{TcpListener, TcpStream, UdpSocket};

use nettop_tests::{
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    program,
    send::Sender,
    skip,
};
use rustix::net::listen;
use serde_json::{Value, json};

fn interface<'a>(snapshot: &'a Value, name: &str) -> Option<&'a Value> {
    snapshot["host"]["interfaces"].as_array()?.iter().find(|row| row["name"] == name)
}

fn total(snapshot: &Value, counter: &str) -> Option<u64> {
    snapshot["host"]["counters"][counter]["total"].as_u64()
}

fn badge<'a>(snapshot: &'a Value, badge: &str) -> Option<&'a Value> {
    snapshot["degraded"].as_array()?.iter().find(|row| row["badge"] == badge)
}

#[test]
fn an_interface_is_shown_as_it_counts_itself() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(2);
    // What is sent by the first is received by nobody: only the second is watched, and a filter leaves nothing of it.
    let monitor = Monitor::live(&net.receiver, "--iface in1 --port 9");
    monitor.wait_until("the first reading", |snapshot| interface(snapshot, "in0").is_some());
    let frame = Spec::v4(Transport::Udp(40_000, 53)).frame();
    Sender::new(&net.sender, "out0").send(&frame, 3_000);
    Sender::new(&net.receiver, "in1").send(&frame, 700);
    let received = net.receiver.received("in0");
    let snapshot = monitor.wait_until("packets in both directions", |snapshot| {
        let packets = |name, direction| interface(snapshot, name).and_then(|row| row[direction]["packets"].as_u64());
        packets("in0", "rx") == Some(received) && packets("in1", "tx") >= Some(700)
    });
    assert!(received >= 3_000, "{received}");
    let row = interface(&snapshot, "in0").expect("a row");
    assert_eq!(row["rx"]["bytes"].as_u64(), net.receiver.interface("in0")["stats64"]["rx"]["bytes"].as_u64());
    assert_eq!((&row["up"], &row["carrier"], &row["kind"]), (&true.into(), &true.into(), &"veth".into()));
    // What the driver says.
    assert_eq!(row["speed_mbit"], 10_000);
    monitor.wait_until("rates that fall to nothing", |snapshot| {
        interface(snapshot, "in0").is_some_and(|row| row["rx"]["pps"] == 0.0)
    });
}

#[test]
fn what_the_kernel_counts_is_told() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    net.receiver.ip("link set dev lo up");
    let monitor = Monitor::live(&net.receiver, "");
    let before = monitor.wait_until("the first reading", |snapshot| total(snapshot, "UdpNoPorts").is_some());
    net.receiver.run(|| {
        for _ in 0..25 {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.send_to(b"x", "127.0.0.1:9").expect("sending");
        }
    });
    monitor.wait_until("datagrams for a port where nobody listens", |snapshot| {
        total(snapshot, "UdpNoPorts") == total(&before, "UdpNoPorts").map(|before| before + 25)
    });
    let memory = &before["host"]["memory"];
    assert!(memory["total"].as_u64() >= memory["available"].as_u64() && memory["available"].as_u64() > Some(1 << 20));
    assert!(before["host"]["cpu"]["cpus"].as_u64() > Some(0));
    assert!(badge(&before, "host drops").is_none() && badge(&before, "host counters").is_none(), "{before}");
}

#[test]
fn what_the_host_itself_loses_is_said() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    net.receiver.ip("link set dev lo up");
    let monitor = Monitor::live(&net.receiver, "");
    monitor.wait_until("the first reading", |snapshot| snapshot["host"].is_object());
    // Nobody accepts: beyond the backlog there is no room.
    let _held = net.receiver.run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listening socket");
        listen(&listener, 1).expect("a shorter backlog");
        let address = listener.local_addr().expect("an address");
        let clients: Vec<_> = (0..8)
            .filter_map(|_| TcpStream::connect_timeout(&address, std::time::Duration::from_millis(100)).ok())
            .collect();
        (listener, clients)
    });
    let snapshot = monitor.wait_until("a badge", |snapshot| badge(snapshot, "host drops").is_some());
    let badge = badge(&snapshot, "host drops").expect("a badge");
    assert!(badge["reason"].as_str().is_some_and(|reason| reason.contains("(TcpExtListenDrops)")), "{badge}");
    assert!(badge["remedy"].as_str().is_some_and(|remedy| remedy.contains("somaxconn")), "{badge}");
    let lost = snapshot["host"]["lost_60s"]["TcpExtListenDrops"].as_u64();
    assert!(lost > Some(0) && total(&snapshot, "TcpExtListenDrops") >= lost, "{snapshot}");
}

#[test]
fn neighbours_are_those_that_ip_lists() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    net.receiver
        .run(|| std::fs::write("/proc/sys/net/ipv6/conf/in0/disable_ipv6", "0"))
        .expect("IPv6 on the interface");
    let mac = |last: u8| format!("02:00:00:00:00:{last:02x}");
    for (address, last, state) in [
        ("192.0.2.1", 1, "permanent"),
        ("192.0.2.2", 2, "stale"),
        ("192.0.2.3", 3, "noarp"),
        ("2001:db8::7", 7, "stale"),
    ] {
        net.receiver.ip(&format!("neigh add {address} lladdr {} nud {state} dev in0", mac(last)));
    }
    net.receiver.ip("neigh add 192.0.2.9 nud failed dev in0");
    let monitor = Monitor::live(&net.receiver, "");
    let groups = || {
        let request = json!({"cmd": "snapshot", "schema": 2, "groups": ["neighbours"]});
        monitor.command(&request)["snapshot"]["neighbours"].take()
    };
    let told = |list: &Value, [address, mac, state]: [&str; 3]| {
        let row = |row: &Value| {
            let state = row[state].as_array().map_or(&row[state], |states| &states[0]);
            let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
            [text(&row[address]), text(&row[mac]), text(state)].join(" ")
        };
        let mut rows: Vec<_> = list.as_array().expect("rows").iter().map(row).collect();
        rows.sort_unstable();
        rows
    };
    let mut last = (Vec::new(), Vec::new());
    let found = program::wait_for(|| {
        let neighbours = groups();
        let output = net.receiver.command("ip").args(["-json", "neigh", "show"]).output().expect("starting ip");
        let listed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        last = (
            told(&neighbours["rows"].as_array().map_or(json!([]), |rows| json!(rows)), ["ip", "mac", "state"]),
            told(&listed, ["dst", "lladdr", "state"]),
        );
        let all = last.0.len() == 4 && last.0.iter().any(|row| row == "192.0.2.9 none FAILED");
        (all && last.0 == last.1).then_some(neighbours)
    });
    let neighbours = found.unwrap_or_else(|| panic!("not the same: {last:?}"));
    assert_eq!(neighbours["states"], json!({"STALE": 2, "FAILED": 1, "PERMANENT": 1}));
    assert_eq!((&neighbours["rows"][0]["interface"], &neighbours["left_out"]), (&"in0".into(), &0.into()));
    assert!(last.0.contains(&format!("2001:db8::7 {} STALE", mac(7))), "{last:?}");
}
