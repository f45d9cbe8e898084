//! The demonstration, and `nettopctl`: both work for everybody, without any privilege.

use std::{collections::BTreeSet, path::Path, process::Command};

use nettop_tests::{
    monitor::{self, Monitor},
    program::{self, PublicCopy, as_nobody, public_directory, run_with},
    skip,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// All sources of the demonstration with this seed, once each of them has sent something.
fn sources(seed: u64) -> BTreeSet<String> {
    let monitor = Monitor::demo(&format!("--seed {seed}"));
    let snapshot = monitor.wait_until("48 sources", |snapshot| snapshot["unique_ips"] == 48);
    let rows = snapshot["ips"].as_array().expect("a list").iter();
    rows.map(|row| row["ip"].as_str().expect("an address").to_string()).collect()
}

#[test]
fn the_same_seed_shows_the_same_sources() {
    let first = sources(7);
    assert_eq!(first, sources(7));
    assert_ne!(first, sources(8));
}

#[test]
fn its_accounts_balance() {
    let monitor = Monitor::demo("");
    let answer = monitor.command(&json!({"cmd": "status"}));
    assert_eq!(answer["runtime"]["mode"], "demo");
    let snapshot = monitor.wait_until("traffic", |snapshot| snapshot["total_packets"].as_u64() > Some(500));
    let accounting = &snapshot["accounting"];
    assert_eq!(accounting["holds"], true, "{accounting}");
    assert_eq!(accounting["seen"], accounting["counted"]);
    assert_eq!(accounting["sources"], accounting["counted"]);
    assert_eq!(snapshot["degraded"], json!([]));
}

#[test]
fn it_runs_as_nobody() {
    if !skip::privileged() {
        return;
    }
    let (program, directory) = (PublicCopy::of("nettop"), public_directory());
    let mut command = Command::new(program.path());
    command.args(["demo", "--interval", "0.1"]);
    as_nobody(&mut command);
    let monitor = Monitor::start(command, &directory.path().join("s"));
    monitor.wait_until("traffic", |snapshot| snapshot["total_packets"].as_u64() > Some(0));
    let ended = monitor.stop();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("Session summary"), "{ended:?}");
}

fn ctl(socket: &Path, arguments: &[&str]) -> (Option<i32>, Value, program::Ended) {
    let socket = socket.display().to_string();
    let ended = run_with("nettopctl", &[&["--control-socket", &socket], arguments].concat());
    let answer = serde_json::from_str(&ended.stdout).unwrap_or(Value::Null);
    (ended.status.code(), answer, ended)
}

#[test]
fn nettopctl_speaks_every_command() {
    let monitor = Monitor::demo("");
    let socket = monitor.socket().to_path_buf();
    for (arguments, field, value) in [
        (&["top", "7"][..], "top", json!(7)),
        (&["top", "100000"], "top", json!(500)),
        (&["top", "-3"], "top", json!(1)),
        (&["pause"], "paused", json!(true)),
        (&["resume"], "paused", json!(false)),
        (&["reset"], "reset", json!(true)),
        (&["set", "--port", "443,80"], "/filter/ports", json!([80, 443])),
        (&["set", "--proto", "udp,tcp"], "/filter/protocols", json!(["TCP", "UDP"])),
        (&["set", "--src", "10.0.0.1", "--dst", "10.0.0.2"], "/filter/src", json!("10.0.0.1")),
        (&["set", "--port", "", "--proto", "", "--src", "", "--dst", ""], "/filter/dst", json!("0.0.0.0")),
        (&["status"], "/runtime/paused", json!(false)),
        (&["snapshot"], "/snapshot/accounting/holds", json!(true)),
        (&["snapshot", "--limit", "0"], "ok", json!(true)),
    ] {
        let (code, answer, ended) = ctl(&socket, arguments);
        assert_eq!((code, &answer["ok"]), (Some(0), &json!(true)), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stderr, "", "{arguments:?}");
        let pointer = if field.starts_with('/') { field.to_string() } else { format!("/{field}") };
        assert_eq!(answer.pointer(&pointer), Some(&value), "{arguments:?}");
    }
    let (code, answer, _) = ctl(&socket, &["stop"]);
    assert_eq!((code, &answer["stopping"]), (Some(0), &json!(true)));
    assert_eq!(monitor.end().status.code(), Some(0));
}

#[test]
fn the_history_of_a_source_tells_what_was_counted() {
    let monitor = Monitor::demo("--seed 3");
    let busiest = |snapshot: &Value| snapshot["ips"][0]["ip"].as_str().map(str::to_string);
    let ip = busiest(&monitor.wait_until("a source", |snapshot| busiest(snapshot).is_some())).expect("a source");
    let socket = monitor.socket().to_path_buf();
    let seconds = || {
        let (code, answer, ended) = ctl(&socket, &["history", "--source", &ip]);
        assert_eq!(code, Some(0), "{ended:?}");
        answer["history"]["seconds"].as_array().expect("a list").clone()
    };
    let history = program::wait_for(|| Some(seconds()).filter(|seconds| seconds.len() >= 3)).expect("three seconds");
    let pps = |pace: &Value| pace["pps"].as_f64().expect("a rate");
    let counted = monitor.snapshot();
    let rows = counted["ips"].as_array().expect("a list");
    let peak = rows.iter().find(|row| row["ip"] == ip.as_str()).and_then(|row| row["peak_pps"].as_f64());
    let highest = history.iter().map(pps).fold(0.0, f64::max);
    assert!(highest > 0.0 && highest <= peak.expect("a peak") * 1.1, "{highest} of {peak:?}: {history:?}");
    let all = counted["history"]["seconds"].as_array().expect("a list");
    assert!(all.iter().map(pps).sum::<f64>() >= history.iter().map(pps).sum::<f64>(), "{all:?}");
}

#[test]
fn whatever_is_counted_has_a_history() {
    let monitor = Monitor::demo("--seed 3");
    let snapshot = monitor.wait_until("a prefix", |snapshot| !snapshot["prefixes"]["24"][0].is_null());
    let key = |list: &str| snapshot[list].as_object().and_then(|rows| rows.keys().next_back()).expect("a key").clone();
    let prefix = snapshot["prefixes"]["24"][0]["prefix"].as_str().expect("a prefix").to_string();
    for (option, value) in [("--prefix", prefix), ("--dst", key("dst_ips")), ("--port", "443".into())] {
        let counted = || {
            let (code, answer, ended) = ctl(monitor.socket(), &["history", option, &value]);
            assert_eq!(code, Some(0), "{ended:?}");
            let seconds = answer["history"]["seconds"].as_array().expect("a list");
            seconds.iter().any(|pace| pace["pps"].as_f64() > Some(0.0)).then_some(())
        };
        assert!(program::wait_for(counted).is_some(), "{option} {value}");
    }
}

#[test]
fn nettopctl_prints_sorted_indented_json() {
    let monitor = Monitor::demo("");
    let (_, answer, ended) = ctl(monitor.socket(), &["status"]);
    // serde_json keeps keys sorted, so printing what was read is what should have been printed.
    let sorted = serde_json::to_string_pretty(&answer).expect("JSON");
    assert_eq!(ended.stdout.trim_end(), sorted);
    assert!(ended.stdout.lines().count() > 100, "indented, one value per line");
    // As `nettop ctl` it prints the same.
    let socket = monitor.socket().display().to_string();
    let ended = run_with("nettop", &["ctl", "--control-socket", &socket, "top", "9"]);
    assert_eq!(ended.stdout, "{\n  \"ok\": true,\n  \"top\": 9\n}\n");
}

#[test]
fn nettopctl_fails_when_the_monitor_refuses() {
    let monitor = Monitor::demo("");
    for (arguments, part) in [(&["set", "--port", "70000"][..], "70000"), (&["set", "--iface", "eth0"], "interface")] {
        let (code, answer, ended) = ctl(monitor.socket(), arguments);
        assert_eq!((code, &answer["ok"]), (Some(1), &json!(false)), "{ended:?}");
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(part)), "{answer}");
    }
}

#[test]
fn a_set_without_anything_to_set_answers_with_the_filter() {
    let monitor = Monitor::demo("--port 80");
    let (code, answer, _) = ctl(monitor.socket(), &["set"]);
    assert_eq!((code, &answer["filter"]["ports"]), (Some(0), &json!([80])));
}

#[test]
fn nettopctl_without_a_monitor_names_the_socket() {
    let directory = TempDir::new().expect("a directory");
    let socket = directory.path().join("nobody-here.sock");
    let (code, _, ended) = ctl(&socket, &["status"]);
    assert_eq!(code, Some(1));
    ended.expect_one_line(&socket.display().to_string());

    // The same where a monitor was killed and left its socket.
    let mut command = Command::new(program::path("nettop"));
    command.arg("demo");
    drop(Monitor::start(command, &socket));
    assert!(socket.exists());
    let (code, _, ended) = ctl(&socket, &["stop"]);
    assert_eq!(code, Some(1));
    ended.expect_one_line(&socket.display().to_string());
}

#[test]
fn tcp_on_loopback_takes_the_place_of_the_socket() {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
    };
    // Free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let mut command = Command::new(program::path("nettop"));
    command.args(["demo", "--quiet", "--control-socket", &format!("tcp://{address}")]);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("starting nettop");
    let answered = program::wait_for(|| {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.write_all(b"{\"cmd\":\"top\",\"top\":3}\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str::<Value>(&answer).ok()
    });
    let ended = run_with("nettopctl", &["--control-socket", &format!("tcp://{address}"), "stop"]);
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(answered, Some(json!({"ok": true, "top": 3})));
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn the_default_socket_is_in_the_runtime_directory() {
    let directory = TempDir::new().expect("a directory");
    let mut command = Command::new(program::path("nettop"));
    command.args(["demo", "--quiet"]).env("XDG_RUNTIME_DIR", directory.path());
    let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("starting nettop");
    let socket = directory.path().join("nettop.sock");
    let answer = program::wait_for(|| monitor::ask(&socket, &json!({"cmd": "stop"})).ok());
    let status = program::wait(&mut child);
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(answer.expect("an answer")["stopping"], true);
    assert!(status.is_some_and(|status| status.success()));
}
