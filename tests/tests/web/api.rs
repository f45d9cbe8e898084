//! What programs get.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
};

use nettop_tests::{
    captures::{Captured, Order, savefile},
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    program, skip,
    web::{Dashboard, Over},
};
use serde_json::Value;

use super::start;

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn answers_are_those_of_network_monitor() {
    let (_monitor, dashboard) = start("");
    for (path, expected) in [
        ("/", "name status version"),
        ("/health", "active_connections status uptime"),
        ("/api/connections", "connections count"),
        (
            "/api/stats",
            "active_connections total_bytes_received total_bytes_sent total_download_speed total_upload_speed uptime",
        ),
        ("/api/bandwidth-history", "count history"),
        ("/api/bandwidth-history?window=3600", "count history"),
    ] {
        let answer = dashboard.get(path).json();
        assert_eq!(keys(&answer).into_iter().collect::<Vec<_>>().join(" "), expected, "{path}");
    }
    let history = program::wait_for(|| {
        let history = dashboard.get("/api/bandwidth-history").json();
        (history["count"].as_u64()? > 20).then_some(history)
    });
    let history = history.expect("a history");
    let points = history["history"].as_array().unwrap().iter();
    let times: Vec<_> = points.map(|point| point["timestamp"].as_f64().unwrap()).collect();
    // None is closer to another than that; how many there are in half a minute is up to how busy the machine is.
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] > 0.045), "{times:?}");
    assert_eq!(dashboard.get("/api/bandwidth-history?window=7").status, 400);
}

/// A type of JSON, as its documentation has it.
fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "text" => value.is_string(),
        "count" => value.is_u64(),
        "number" => value.is_number(),
        _ => value.is_array(),
    }
}

#[track_caller]
fn expect_fields(what: &str, value: &Value, fields: &[(&str, &str)]) {
    let expected: BTreeSet<_> = fields.iter().map(|(name, _)| *name).collect();
    assert_eq!(keys(value), expected, "{what}");
    for (name, kind) in fields {
        assert!(is(kind, &value[name]), "{what}: {name} is no {kind}: {value}");
    }
}

const CONNECTION: [(&str, &str); 13] = [
    ("id", "text"),
    ("local_addr", "text"),
    ("remote_addr", "text"),
    ("protocol", "text"),
    ("state", "text"),
    ("process_name", "text"),
    ("pid", "count"),
    ("upload_speed", "number"),
    ("download_speed", "number"),
    ("duration", "number"),
    ("bytes_sent", "count"),
    ("bytes_received", "count"),
    ("start_time", "number"),
];
const STATS: [(&str, &str); 6] = [
    ("total_upload_speed", "number"),
    ("total_download_speed", "number"),
    ("active_connections", "count"),
    ("total_bytes_sent", "count"),
    ("total_bytes_received", "count"),
    ("uptime", "number"),
];

#[test]
fn a_capture_is_counted_to_the_byte_and_told_as_nettopctl_tells_it() {
    let directory = tempfile::TempDir::new().unwrap();
    let (capture, socket) = (directory.path().join("c.pcap"), directory.path().join("s"));
    let v4 = || Spec::v4(Transport::Udp(5, 53)).payload(18).frame();
    let v6 = || Spec::v6(Transport::Udp(5, 53)).payload(12).frame();
    let packets: Vec<_> = (0..150)
        .map(|at| Captured::whole(1_700_000_000_000_000_000 + at * 1_000_000, if at < 100 { v4() } else { v6() }))
        .collect();
    std::fs::write(&capture, savefile(Order::Little, false, 1, &packets)).unwrap();
    let mut command = Command::new(program::path("nettop"));
    command.args(["run", "--web", "127.0.0.1:0", "--pcap"]).arg(&capture).arg("--control-socket").arg(&socket);
    // With a screen it stays when the capture is over; here its standard output is no terminal.
    let terminal = nettop_tests::terminal::Terminal::of(&mut command, 100, 30).unwrap();
    let err = directory.path().join("err");
    command.stderr(std::fs::File::create(&err).unwrap());
    let mut child = program::spawn(&mut command);
    let said = program::wait_for(|| std::fs::read_to_string(&err).ok().filter(|said| said.contains("#t=")));
    let dashboard = Dashboard::announced(&said.expect("an address"));
    let stats = program::wait_for(|| {
        let stats = dashboard.get("/api/stats").json();
        (stats["total_bytes_received"] == 9_700).then_some(stats)
    });
    assert!(stats.is_some(), "{:?}", dashboard.get("/api/stats").json());
    let traffic = || dashboard.get("/api/v1/snapshot?groups=traffic").json()["snapshot"]["traffic"]["packets"] == 150;
    assert!(program::wait_for(|| traffic().then_some(())).is_some());
    for groups in ["all", "traffic", "meta,sources"] {
        let ctl = Command::new(program::path("nettopctl"))
            .args(["snapshot", "--limit", "5", "--groups", groups, "--control-socket"])
            .arg(&socket)
            .output()
            .unwrap();
        let web = dashboard.get(&format!("/api/v1/snapshot?limit=5&groups={groups}"));
        let without_time = |text: &[u8]| {
            let lines = String::from_utf8_lossy(text).into_owned();
            // What the monitor itself costs, and how long a replay takes, goes on.
            let moving = [
                "\"cpu\"",
                "\"memory\"",
                "\"took_ms\"",
                "\"drain_ms\"",
                "\"count\"",
                "\"late\"",
                "\"now_ns\"",
                "\"elapsed\"",
            ];
            lines.lines().filter(|line| !moving.iter().any(|key| line.contains(key))).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(without_time(&web.body), without_time(&ctl.stdout), "{groups}");
    }
    drop(terminal);
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn requests_that_only_look_are_passed_on_and_others_are_not() {
    let (_monitor, dashboard) = start("");
    for (path, status) in [
        ("/api/v1/status?limit=3", 200),
        ("/api/v1/history?port=443", 200),
        ("/api/v1/history", 400),
        ("/api/v1/snapshot?limit=x", 400),
        ("/api/v1/snapshot?groups=nothing", 400),
        ("/api/v1/export.csv?view=ports", 200),
        ("/api/v1/export.csv?view=nowhere", 400),
        ("/api/v1/reset", 404),
        ("/api/v1/subscribe", 404),
        ("/api/v1/process?pid=1", 404),
    ] {
        assert_eq!(dashboard.get(path).status, status, "{path}");
    }
}

fn post(dashboard: &Dashboard, body: &str) -> u16 {
    let [host, token] = dashboard.headers();
    let head = format!(
        "POST /api/v1/control HTTP/1.1\r\n{host}\r\n{token}\r\nOrigin: http://{}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        dashboard.address,
        body.len()
    );
    dashboard.raw(head.as_bytes()).status
}

#[test]
fn things_are_changed_only_where_that_is_allowed() {
    let (_monitor, only_shows) = start("");
    assert_eq!(post(&only_shows, r#"{"cmd":"pause"}"#), 403);
    let (monitor, changes): (Monitor, _) = start("--web-control");
    assert_eq!(post(&changes, r#"{"cmd":"pause"}"#), 200);
    assert_eq!(monitor.command(&serde_json::json!({"cmd": "status"}))["runtime"]["paused"], true);
    assert_eq!(post(&changes, r#"{"cmd":"dance"}"#), 400);
    assert_eq!(post(&changes, "["), 400);
    assert_eq!(post(&changes, &format!("{{\"cmd\":\"{}\"}}", "x".repeat(5000))), 413);
}

#[test]
fn parts_are_left_out() {
    for (part, page, stats, health) in [("api", 404, 200, 200), ("metrics", 404, 404, 200)] {
        let (_monitor, dashboard) = start(&format!("--web-parts {part}"));
        let host = format!("Host: {}", dashboard.address);
        assert_eq!(dashboard.ask("GET /app.js", &[&host]).status, page, "{part}");
        assert_eq!(dashboard.get("/api/stats").status, stats, "{part}");
        assert_eq!(dashboard.get("/health").status, health, "{part}");
    }
}

#[test]
fn connections_are_those_of_the_host_with_their_process_and_both_directions() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    net.receiver.ip("link set dev lo up");
    let (client, mut server) = net.receiver.run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listening socket");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connecting");
        (client, listener.accept().expect("accepting").0)
    });
    let monitor = Monitor::live(&net.receiver, "");
    let dashboard = Over::of(monitor.socket());
    (&client).write_all(&[7; 70_000]).expect("sending");
    server.read_exact(&mut [0; 70_000]).expect("receiving");
    let (from, to) = (client.local_addr().unwrap().to_string(), client.peer_addr().unwrap().to_string());
    let row = program::wait_for(|| {
        let answer = dashboard.web.get("/api/connections").json();
        assert_eq!(answer["count"], answer["connections"].as_array()?.len());
        let rows = answer["connections"].as_array()?.iter();
        rows.clone().find(|row| row["local_addr"] == *from && row["bytes_sent"] == 70_000).cloned()
    });
    let row = row.unwrap_or_else(|| panic!("{:?}", dashboard.web.get("/api/connections").json()));
    assert_eq!(
        (&row["remote_addr"], &row["protocol"], &row["state"]),
        (&to.as_str().into(), &"TCP".into(), &"ESTABLISHED".into())
    );
    assert_eq!(row["pid"], std::process::id());
    assert_eq!(row["id"], format!("TCP_{from}_{to}_{}", std::process::id()));
    assert!(row["upload_speed"].is_f64() && row["duration"].as_f64().unwrap() >= 0.0 && row["start_time"].is_f64());
    expect_fields("a connection", &row, &CONNECTION);
    expect_fields("the sums", &dashboard.web.get("/api/stats").json(), &STATS);
    let mut socket = dashboard.web.socket("/ws").unwrap();
    let message = socket.message();
    expect_fields("a connection of a message", &message["data"]["connections"][0], &CONNECTION);
    expect_fields("the sums of a message", &message["data"]["stats"], &STATS);
    expect_fields(
        "the sums as documented",
        &message["stats"],
        &[
            ("upload_speed", "number"),
            ("download_speed", "number"),
            ("active_connections", "count"),
            ("total_bandwidth", "number"),
        ],
    );
    let history = dashboard.web.get("/api/bandwidth-history").json();
    expect_fields(
        "a point of the history",
        &history["history"][0],
        &[("timestamp", "number"), ("upload", "number"), ("download", "number")],
    );
    // Both ends have it closed, but one: what is left waits.
    drop(client);
    let closing = program::wait_for(|| {
        let answer = dashboard.web.get("/api/connections").json();
        let mut states = answer["connections"].as_array()?.iter().map(|row| row["state"].as_str().unwrap_or_default());
        states.any(|state| state == "CLOSE_WAIT").then_some(())
    });
    assert!(closing.is_some(), "{:?}", dashboard.web.get("/api/connections").json());
    let listed = message["data"]["connections"].as_array().unwrap();
    assert!(listed.iter().any(|row| row["local_addr"] == *from) && listed.len() <= 100, "{message}");
    assert!(message["stats"]["active_connections"].as_u64().unwrap() >= 2);
}
