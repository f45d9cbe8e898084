//! Readings that are written down and replayed: the same snapshot comes of them.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use nettop_tests::{
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    program,
    send::Sender,
    skip,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Replays a recording as fast as possible, and returns the last snapshot.
fn replay(recording: &Path) -> Value {
    let folder = TempDir::new().expect("a folder");
    let snapshot = folder.path().join("replayed.json");
    let mut command = Command::new(program::path("nettop"));
    command.args(["replay", "--speed", "0", "--quiet", "--no-config", "--no-geo"]).arg(recording);
    command.arg("--snapshot").arg(&snapshot).arg("--control-socket").arg(folder.path().join("s"));
    let ended = program::run(&mut command);
    assert!(ended.status.success(), "{ended:?}");
    serde_json::from_str(&fs::read_to_string(&snapshot).expect("a snapshot")).expect("JSON")
}

/// Without what is different each time: what the monitor itself costs, and that it is a replay.
fn comparable(mut snapshot: Value) -> Value {
    let fields = snapshot.as_object_mut().expect("an object");
    for key in ["replay", "self", "sandbox"] {
        fields.remove(key);
    }
    let tick = fields["tick"].as_object_mut().expect("an object");
    tick.remove("took_ms");
    tick.remove("late");
    snapshot
}

#[test]
fn a_recorded_session_replays_to_the_same_snapshot() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let folder = TempDir::new().expect("a folder");
    let (recording, last) = (folder.path().join("recording.gz"), folder.path().join("last.json"));
    let arguments = format!("--no-geo --syn-flood 100 --record {} --snapshot {}", recording.display(), last.display());
    let monitor = Monitor::live(&net.receiver, &arguments);
    let sender = Sender::new(&net.sender, "out0");
    let packets =
        |host: u8, transport| Spec::between([10, 0, 0, host].into(), [198, 51, 100, 2].into(), transport).frame();
    for host in 1..=60 {
        sender.send(&packets(host, Transport::Udp(1000, 50 + u16::from(host))), usize::from(host));
    }
    monitor.wait_until_seen(1830);
    // What was asked is asked again: from then on other packets are counted, and those before are forgotten.
    monitor.command(&json!({"cmd": "set", "port": "443"}));
    monitor.command(&json!({"cmd": "reset"}));
    let syn = packets(77, Transport::Tcp(40_000, 443, 0x02));
    for _ in 0..25 {
        sender.send(&syn, 100);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    monitor.wait_until("an alert", |snapshot| !snapshot["alerts"].as_array().expect("a list").is_empty());
    monitor.wait_until("what the host counts", |snapshot| snapshot["host"].is_object());
    let ended = monitor.stop();
    assert!(ended.status.success(), "{ended:?}");
    let recorded: Value = serde_json::from_str(&fs::read_to_string(&last).expect("a snapshot")).expect("JSON");
    assert_eq!(recorded["total_packets"], 2500);
    assert_eq!(fs::metadata(&recording).expect("a file").permissions().mode() & 0o777, 0o600);
    let replayed = replay(&recording);
    assert_eq!(replayed["replay"]["packets"], 1830 + 2500);
    assert_eq!(comparable(replayed), comparable(recorded));
}

#[test]
fn a_recording_that_was_cut_off_is_replayed_as_far_as_it_goes() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let folder = TempDir::new().expect("a folder");
    let recording = folder.path().join("recording.gz");
    for round in 1..=2 {
        let monitor = Monitor::live(&net.receiver, &format!("--no-geo --record {}", recording.display()));
        Sender::new(&net.sender, "out0").send(&Spec::v4(Transport::Udp(1, 2)).frame(), 500 * round);
        monitor.wait_until_seen(500 * round as u64);
        // Until what was compressed is on the disk.
        std::thread::sleep(std::time::Duration::from_millis(2500));
        monitor.signal(libc::SIGKILL);
        drop(monitor);
        if round == 1 {
            assert_eq!(replay(&recording)["total_packets"], 500);
        }
    }
}

#[test]
fn what_is_no_recording_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("no.gz");
    let compressed = |text: &str| {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    };
    for (name, bytes, part) in [
        ("empty", Vec::new(), "no recording, or damaged"),
        ("plain text", b"hello\n".to_vec(), "no recording, or damaged"),
        ("other lines", compressed("\"tick\"\n"), "does not begin"),
        ("no JSON", compressed("hello\n"), "line 1"),
        (
            "of a newer form",
            compressed(
                "{\"begin\":{\"schema\":9,\"version\":\"9.9\",\"at\":{\"monotonic_ns\":1,\"unix_ns\":1},\"interfaces\":[],\
                 \"unique_key\":null,\"capacity\":[],\"settings\":{}}}\n",
            ),
            "nettop 9.9",
        ),
    ] {
        fs::write(&file, bytes).expect("a file");
        let mut command = Command::new(program::path("nettop"));
        command.args(["replay", "--quiet", "--no-config"]).arg(&file);
        let ended = program::run(&mut command);
        assert!(!ended.status.success(), "{name}");
        ended.expect_one_line(part);
    }
    let mut command = Command::new(program::path("nettop"));
    command.args(["replay", "--quiet", "--no-config"]).arg(folder.path());
    program::run(&mut command).expect_one_line("directory");
}
