//! Lines of logs joined with packets and connections, from outside: who holds connections open and asks for nothing, and who returns.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use nettop_tests::{
    monitor::Monitor,
    net::{Namespace, Net},
    nginx,
    program::{self, Killed},
    skip,
    visits::{of, visits},
};
use serde_json::{Value, json};

fn start(namespace: &Namespace, program: &str, arguments: &[&str]) -> Killed {
    let mut command = namespace.command(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    Killed(command.spawn().unwrap_or_else(|error| panic!("starting {program}: {error}")))
}

/// The kinds of the reasons about an address, and their texts, once something holds of them.
#[track_caller]
fn reasons(monitor: &Monitor, ip: &str, holds: impl Fn(&[(String, String)]) -> bool) -> Vec<(String, String)> {
    let mut last = Value::Null;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let mut question = || {
        last = visits(monitor);
        assert!(last.is_null() || last["accounting"]["holds"] == true, "{last}");
        let row = Some(of(&last, ip)).filter(Value::is_object)?;
        let reasons = row["reasons"].as_array().into_iter().flatten();
        let reasons: Vec<_> = reasons.map(|reason| (text(&reason["kind"]), text(&reason["text"]))).collect();
        holds(&reasons).then_some(reasons)
    };
    // Half a minute has to pass for one of them.
    let found = program::wait_for(&mut question).or_else(|| program::wait_for(&mut question));
    found.unwrap_or_else(|| panic!("{ip}: {last:#}"))
}

fn has(reasons: &[(String, String)], kind: &str) -> bool {
    reasons.iter().any(|(one, _)| one == kind)
}

/// nginx at port 80 of 192.0.2.1, whose clients may be 192.0.2.7 and 192.0.2.8; its access log is in this folder.
fn server(net: &Net, folder: &Path) -> Killed {
    for (namespace, interface, address) in [
        (&net.sender, "out0", "192.0.2.7/24"),
        (&net.sender, "out0", "192.0.2.8/24"),
        (&net.receiver, "in0", "192.0.2.1/24"),
    ] {
        namespace.ip(&format!("link set dev {interface} arp on"));
        namespace.ip(&format!("address add {address} dev {interface}"));
    }
    nginx::start(&net.receiver, folder, "location / { return 200 'here'; }")
}

fn curl(namespace: &Namespace, from: &str, path: &str) {
    let url = format!("http://192.0.2.1{path}");
    let mut command = namespace.command("curl");
    command.args(["-s", "-o", "/dev/null", "--path-as-is", "--interface", from, &url]);
    assert!(program::run(&mut command).status.success(), "{path}");
}

fn has_servers() -> bool {
    if Command::new("bash").arg("--version").output().is_err() {
        skip::report("there is no `bash`; on Debian: apt-get install bash");
        return false;
    }
    nginx::is_there()
}

#[test]
fn connections_without_requests_are_told_and_those_with_requests_are_not() {
    if !skip::privileged() || !has_servers() {
        return;
    }
    let (net, folder) = (Net::new(1), program::public_directory());
    let _server = server(&net, folder.path());
    let log = folder.path().join("access.log");
    let options = format!("--iface in0 --no-access-log --access-log {}", log.display());
    let monitor = Monitor::live(&net.receiver, &options);
    program::wait_for(|| visits(&monitor)["files"].get(0).is_some().then_some(())).expect("the log is followed");
    // Which ports are logged is known once a line was.
    curl(&net.sender, "192.0.2.8", "/");
    reasons(&monitor, "192.0.2.8", |reasons| reasons.is_empty());
    std::thread::sleep(std::time::Duration::from_secs(2));
    // Six connections that ask for nothing; and six requests, one by one.
    let hold = "for n in 1 2 3 4 5 6; do exec {fd}<>/dev/tcp/192.0.2.1/80; done; sleep 120";
    let _held = start(&net.sender, "bash", &["-c", hold]);
    for _ in 0..6 {
        curl(&net.sender, "192.0.2.8", "/");
    }
    let held = reasons(&monitor, "192.0.2.7", |reasons| has(reasons, "many-conns"));
    assert!(held.iter().any(|(_, text)| text == "6 connections held open, and no line of a log"), "{held:?}");
    let lately = &visits(&monitor)["lately"];
    assert_eq!(lately["most_connections"], json!({"ip": "192.0.2.7", "count": 6}), "{lately}");
    assert_eq!(lately["most_requests"], json!({"ip": "192.0.2.8", "count": 7}), "{lately}");
    let silent = reasons(&monitor, "192.0.2.7", |reasons| has(reasons, "syn-no-request"));
    let told = silent.iter().any(|(_, text)| text.starts_with("6 SYNs in a minute, the last to port 80, and for 30 s"));
    assert!(told, "{silent:?}");
    assert_eq!(reasons(&monitor, "192.0.2.8", |_| true), []);
    let alerts = monitor.snapshot()["alerts"].to_string();
    assert!(alerts.contains("connections without requests by 192.0.2.7: 6 connections held open"), "{alerts}");
    let ended = monitor.stop();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn who_was_found_in_an_earlier_session_returns() {
    if !skip::privileged() || !has_servers() {
        return;
    }
    let (net, folder) = (Net::new(1), program::public_directory());
    let _server = server(&net, folder.path());
    let at = |name: &str| folder.path().join(name);
    let options = format!(
        "--iface in0 --no-access-log --access-log-backfill 0 --state {} --access-log {}",
        at("state").display(),
        at("access.log").display()
    );
    for session in 0..3 {
        let monitor = Monitor::live(&net.receiver, &options);
        program::wait_for(|| visits(&monitor)["files"].get(0).is_some().then_some(())).expect("the log is followed");
        curl(&net.sender, "192.0.2.8", "/");
        reasons(&monitor, "192.0.2.8", |reasons| reasons.is_empty());
        let path = if session == 0 { "/..%252f..%252fetc/passwd" } else { "/" };
        curl(&net.sender, "192.0.2.7", path);
        let kind = if session == 0 { "exploit-path" } else { "returns" };
        let found = reasons(&monitor, "192.0.2.7", |reasons| has(reasons, kind));
        assert_eq!(found.len(), 1, "{session}: {found:?}");
        assert!(session == 0 || found[0].1.starts_with("found in an earlier session, the last time "), "{found:?}");
        let ended = monitor.stop();
        assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    }
    let kept = fs::read_to_string(at("state/flagged.jsonl")).expect("what is kept");
    let row: Value = serde_json::from_str(kept.trim()).expect("one line");
    assert_eq!(
        (&row["ip"], &row["sessions"], &row["kinds"]),
        (&json!("192.0.2.7"), &json!(1), &json!(["exploit-path"]))
    );
}
