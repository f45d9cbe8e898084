//! Nothing that others choose is obeyed: what a file, a name, a path or another program says is shown, on the screen, in files
//! and on the standard streams, with everything spelled out that a terminal or a spreadsheet would act on.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixListener,
    path::Path,
    process::Command,
    thread,
};

use nettop_model::visible::is_unseen;
use nettop_tests::{
    captures::{Captured, Order, savefile},
    frames::{Spec, Transport},
    monitor::{self, Monitor},
    net::Net,
    program::{self, Ended, run},
    skip, terminal,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Sets a terminal's title, clears it, writes backwards, goes on in red by an 8-bit control character; then a formula.
const HOSTILE: &str = "=\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}drow\u{9b}31m\r\n\u{e0041}x";
/// A name that an interface may have: no blank, 15 bytes at most.
const INTERFACE: &str = "\u{1b}[2J\u{202e}\u{9b}if0";

/// Expects text in which every character stands for itself, but for the ends of its lines.
#[track_caller]
fn expect_inert(what: &str, text: &str) {
    let obeyed = text.chars().find(|character| *character != '\n' && is_unseen(*character));
    assert_eq!(obeyed, None, "{what}: {text:?}");
}

#[track_caller]
fn expect_inert_streams(Ended { stdout, stderr, .. }: &Ended) {
    expect_inert("standard output", stdout);
    expect_inert("standard error", stderr);
}

/// What a terminal got until something stood on it; then the program is told to stop.
fn drawn_by(mut command: Command, socket: &Path, until: &str) -> String {
    let (_terminal, drawn) = terminal::record(&mut command, 140, 60).expect("making a terminal");
    let mut child = program::spawn(command.arg("--control-socket").arg(socket));
    // Its ends are the program's alone.
    drop(command);
    let text = || String::from_utf8(drawn.lock().expect("no panic").clone()).unwrap_or_default();
    let found = program::wait_for(|| text().contains(until).then_some(()));
    let stopped = monitor::ask(socket, &json!({"cmd": "stop"}));
    let ended = program::wait(&mut child);
    let _ = child.kill();
    let _ = child.wait();
    assert!(found.is_some(), "{until:?} never stood on the screen: {:?}", text());
    assert!(stopped.is_ok() && ended.is_some(), "{stopped:?} {ended:?}");
    text()
}

/// Expects that nothing but nettop's own escape sequences came: no titles, no 8-bit controls, no other direction.
#[track_caller]
fn expect_no_foreign_sequence(drawn: &str) {
    for sequence in ["\u{1b}]", "\u{7}", "\u{202e}", "\u{9b}", "\u{e0041}"] {
        assert!(!drawn.contains(sequence), "{sequence:?} was sent: {drawn:?}");
    }
    // nettop clears the terminal only before its first picture.
    let shown = drawn.find("── ").expect("a panel's title");
    assert!(!drawn[shown..].contains("\u{1b}[2J"), "cleared from outside: {drawn:?}");
}

/// A capture of one packet, in a file called so.
fn capture(folder: &TempDir, name: &str) -> std::path::PathBuf {
    let path = folder.path().join(name);
    let packet = Captured::whole(1_700_000_000_000_000_000, Spec::v4(Transport::Udp(1, 53)).frame());
    fs::write(&path, savefile(Order::Little, false, 1, &[packet])).expect("writing a capture");
    path
}

fn location_csv(folder: &TempDir) -> std::path::PathBuf {
    let path = folder.path().join("location.csv");
    let name = HOSTILE.replace(['\r', '\n'], "");
    let row = format!("192.0.2.0/24,DE,country{name},city{name},64500,organisation{name}\n");
    fs::write(&path, format!("cidr,country_code,country,city,asn,org\n{row}192.0.2.0/33\u{1b}]0;x\u{7},,,,,\n"))
        .expect("writing a database");
    path
}

#[test]
fn names_of_places_and_of_captures_are_not_obeyed() {
    let folder = TempDir::new().expect("making a directory");
    let (capture, places) = (capture(&folder, &format!("{HOSTILE}.pcap")), location_csv(&folder));
    let replay = || {
        let mut command = Command::new(program::path("nettop"));
        command.arg("run").arg("--pcap").arg(&capture).arg("--location-db").arg(&places);
        command
    };
    let drawn = drawn_by(replay(), &folder.path().join("s"), "organisation");
    expect_no_foreign_sequence(&drawn);
    assert!(drawn.contains(r"\u{9b}31m"), "the capture's name is spelled out: {drawn:?}");

    // Without a screen, with every file it can write.
    let session = folder.path().join("session.jsonl");
    let mut command = replay();
    command.args(["--quiet", "--high-pps", "1", "--control-socket"]).arg(folder.path().join("t"));
    command.arg("--jsonl").arg(&session).arg("--alerts").arg(folder.path().join("alerts.jsonl"));
    let ended = run(&mut command);
    assert!(ended.status.success(), "{ended:?}");
    expect_inert_streams(&ended);
    assert!(ended.stdout.contains("organisation") && ended.stdout.contains(r"\u{202e}"), "{ended:?}");
    for name in ["session.jsonl", "session.snapshot.json", "session.top.csv", "session.prefixes.csv", "alerts.jsonl"] {
        expect_inert(name, &fs::read_to_string(folder.path().join(name)).expect("UTF-8"));
    }
    let snapshot = fs::read(folder.path().join("session.snapshot.json")).expect("a file");
    let snapshot: Value = serde_json::from_slice(&snapshot).expect("JSON");
    assert_eq!(snapshot["replay"]["file"], capture.display().to_string(), "parsed, it is what it was");
    assert!(snapshot["ips"][0]["org"].as_str().is_some_and(|org| org.starts_with("organisation=")), "{snapshot}");
}

#[test]
fn names_of_interfaces_are_not_obeyed() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    net.receiver.ip("link set dev in0 down");
    net.receiver.ip(&format!("link set dev in0 name {INTERFACE}"));
    net.receiver.ip(&format!("link set dev {INTERFACE} up"));
    let folder = TempDir::new().expect("making a directory");
    let mut command = net.receiver.command(program::path("nettop"));
    command.args(["run", "--map-memory", "8", "--iface", INTERFACE]);
    let shown = r"\u{1b}[2J\u{202e}\u{9b}if0";
    // The header has no room for the last of it.
    let drawn = drawn_by(command, &folder.path().join("s"), shown.trim_end_matches("if0"));
    expect_no_foreign_sequence(&drawn);

    let monitor = Monitor::live(&net.receiver, &format!("--iface {INTERFACE}"));
    let ctl = |arguments: &[&str]| {
        let mut command = Command::new(program::path("nettopctl"));
        let ended = run(command.args(arguments).arg("--control-socket").arg(monitor.socket()));
        expect_inert_streams(&ended);
        ended
    };
    let status: Value = serde_json::from_str(&ctl(&["status"]).stdout).expect("JSON");
    assert_eq!(status["snapshot"]["interfaces"][0]["name"], INTERFACE);
    // A second monitor is told who is in the way, and doctor tells it too.
    let mut second = net.receiver.command(program::path("nettop"));
    second.args(["run", "--quiet", "--iface", INTERFACE, "--control-socket"]).arg(folder.path().join("t"));
    let refused = run(&mut second);
    expect_inert_streams(&refused);
    refused.expect_one_line(shown);
    let doctor = run(net.receiver.command(program::path("nettop")).arg("doctor"));
    expect_inert_streams(&doctor);
    assert!(doctor.stdout.contains(shown), "{doctor:?}");
    expect_inert_streams(&ctl(&["set", "--iface", HOSTILE]));
}

/// A monitor that is none: answers each request with `answer`.
fn impostor(folder: &TempDir, answer: Value) -> std::path::PathBuf {
    let socket = folder.path().join("impostor");
    let listener = UnixListener::bind(&socket).expect("listening");
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let _ = BufReader::new(&client).read_line(&mut String::new());
            let _ = (&client).write_all(answer.to_string().as_bytes());
        }
    });
    socket
}

#[test]
fn an_impostor_at_the_socket_cannot_make_nettopctl_print_commands() {
    let folder = TempDir::new().expect("making a directory");
    let sums = json!({"packets": 1, "bytes": 1, "pps": 1.0, "pps_10s": 1.0, "pps_60s": 1.0, "peak_pps": 1.0,
        "low_pps": 1.0, "first_ns": 1, "last_ns": 1, "ips": 1, "ip": HOSTILE, "prefix": HOSTILE});
    let answer = json!({"ok": true, "error": HOSTILE, HOSTILE: 1,
        "snapshot": {"ips": [sums], "prefixes": {"24": [sums]}},
        "maps": [{"name": HOSTILE, "counters": [HOSTILE], "rows": [{"key": HOSTILE, "sum": [1], "cpus": [[1]]}]}]});
    let socket = impostor(&folder, answer);
    for (arguments, formula) in [
        (&["status"][..], false),
        (&["export", "--format", "json"], false),
        (&["export", "--format", "csv"], true),
        (&["export", "--format", "prefixes"], true),
        (&["maps", "--format", "csv"], true),
    ] {
        let mut command = Command::new(program::path("nettopctl"));
        let ended = run(command.args(arguments).arg("--control-socket").arg(&socket));
        assert!(ended.status.success() && ended.stdout.contains("drow"), "{arguments:?}: {ended:?}");
        expect_inert_streams(&ended);
        if formula {
            let cells = ended.stdout.lines().skip(1).flat_map(|line| line.split(','));
            let cells: Vec<_> = cells.filter(|cell| cell.contains("owned")).collect();
            assert!(!cells.is_empty() && cells.iter().all(|cell| cell.starts_with("'=")), "{arguments:?}: {ended:?}");
        }
    }
}

#[test]
fn arguments_are_not_obeyed_in_errors() {
    for arguments in [
        &["run", HOSTILE][..],
        &["run", "--dst", HOSTILE],
        &["run", "--pcap", HOSTILE],
        &["demo", "--quiet", "--location-db", HOSTILE],
        &["demo", "--quiet", "--jsonl", "/nonexistent/\u{9b}\u{202e}"],
        &["update-db", "--url", HOSTILE],
        &["ctl", "--control-socket", HOSTILE, "status"],
    ] {
        let ended = program::run_with("nettop", arguments);
        assert!(!ended.status.success(), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{arguments:?}: {ended:?}");
        expect_inert_streams(&ended);
    }
}
