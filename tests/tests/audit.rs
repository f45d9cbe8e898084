//! The audit: what is blocked, ended and refused is a line each, on the disk before anybody could kill the monitor.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use nettop_tests::{
    audit::lines,
    blocking::{ask_block, blocks, ready, settled, wait_until},
    frames::{Spec, Transport},
    monitor::{Monitor, troubles},
    net::Net,
    program::{self, NOBODY, PublicCopy, as_nobody, public_directory, run},
    send::Sender,
    skip,
};
use serde_json::{Value, json};

/// What a line tells, in short.
fn told(line: &Value) -> String {
    let word = |field: &str| line[field].as_str().unwrap_or("-").to_string();
    let number = |field: &str| line[field].as_u64().map_or("-".into(), |number| number.to_string());
    let words = ["by", "verb", "net", "result", "guard"].map(word);
    format!("{} {} {}", words.join(" "), number("seconds"), number("packets"))
}

#[track_caller]
fn expect(path: &Path, expected: &[&str]) {
    wait_until("all lines", || lines(path).len() >= expected.len());
    let found: Vec<_> = lines(path).iter().map(told).collect();
    assert_eq!(found, expected, "{}", fs::read_to_string(path).unwrap_or_default());
}

fn from(source: [u8; 4]) -> Vec<u8> {
    Spec::between(source.into(), [198, 51, 100, 2].into(), Transport::Udp(9, 9)).frame()
}

#[test]
fn who_blocked_what_and_what_became_of_it_is_written_down() {
    if !skip::privileged() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let audit = state.join("audit.jsonl");
    let net = Net::new(1);
    net.receiver.ip("addr add 10.0.0.1/24 dev in0");
    let options = format!("--state {}", state.display());
    let monitor = ready(&net, &options);
    let sender = Sender::new(&net.sender, "out0");
    for (wanted, done) in [("203.0.113.5", true), ("203.0.113.6", true), ("10.0.0.1", false), ("203.0.113.0/24", true)]
    {
        assert_eq!(ask_block(&monitor, wanted, 600)["ok"], done, "{wanted}");
    }
    assert_eq!(ask_block(&monitor, "203.0.113.7", 9)["ok"], false);
    monitor.request(&json!({"cmd": "block", "net": "203.0.113.8", "with": "print"}));
    sender.send(&from([203, 0, 113, 5]), 70);
    wait_until("what is dropped", || blocks(&monitor)["dropped"] == 70);
    // What comes just before the end is in the line about the end.
    sender.send(&from([203, 0, 113, 5]), 7);
    monitor.command(&json!({"cmd": "unblock", "net": "203.0.113.5"}));
    monitor.request(&json!({"cmd": "unblock", "net": "203.0.113.5"}));
    monitor.command(&json!({"cmd": "allow", "net": "203.0.113.6"}));
    monitor.command(&json!({"cmd": "allow", "net": "203.0.113.6", "revoke": true}));
    let mut expected = vec![
        "user 0 block 203.0.113.5 done - 600 -",
        "user 0 block 203.0.113.6 done - 600 -",
        "user 0 block 10.0.0.1 refused own 600 -",
        "user 0 block 203.0.113.0/24 done - 60 -",
        "user 0 block 203.0.113.7 refused - 9 -",
        "user 0 unblock 203.0.113.5 done - - -",
        "user 0 unblock 203.0.113.5 refused - - -",
        "user 0 allow 203.0.113.6 done - - -",
        "user 0 revoke 203.0.113.6 done - - -",
    ];
    wait_until("the ends", || lines(&audit).len() == expected.len() + 3);
    let all = lines(&audit);
    let (ends, others): (Vec<_>, Vec<_>) = all.iter().partition(|line| line["verb"] == "end");
    assert_eq!(others.iter().map(|line| told(line)).collect::<Vec<_>>(), expected, "{others:?}");
    let mut ends: Vec<_> = ends.iter().map(|line| told(line)).collect();
    ends.sort_unstable();
    assert_eq!(
        ends,
        [
            "a guard end 203.0.113.0/24 done allowed - 0",
            "a guard end 203.0.113.6 done allowed - 0",
            "user 0 end 203.0.113.5 done - - 77",
        ]
    );
    assert_eq!((&others[0]["why"], &others[0]["with"]), (&"a test".into(), &"xdp".into()));
    assert_eq!(others[0]["pid"], std::process::id(), "who asked");
    assert!(others[2]["error"].as_str().is_some_and(|error| error.contains("an address of this host")));
    assert_eq!(fs::metadata(&audit).expect("a file").permissions().mode() & 0o777, 0o600);

    // Killed in the very next moment, it is on the disk.
    assert_eq!(ask_block(&monitor, "203.0.113.9", 600)["ok"], true);
    wait_until("the line", || lines(&audit).last().is_some_and(|line| line["net"] == "203.0.113.9"));
    // The file of blocks is written once a second.
    let kept = || fs::read_to_string(state.join("blocks.jsonl")).unwrap_or_default();
    wait_until("what is kept", || kept().contains("203.0.113.9"));
    monitor.signal(libc::SIGKILL);
    drop(monitor);
    let before = lines(&audit).len();
    let monitor = ready(&net, &format!("{options} --block-restore"));
    wait_until("the block", || blocks(&monitor)["rows"][0]["net"] == "203.0.113.9");
    drop(monitor.stop());
    expected = vec!["user 0 restore 203.0.113.9 done - 599 -", "the end of the monitor end 203.0.113.9 done - - 0"];
    let since: Vec<_> = lines(&audit)[before..].iter().map(told).collect();
    let restored: u64 = lines(&audit)[before]["seconds"].as_u64().expect("a number");
    assert!(restored > 500, "{since:?}");
    let since: Vec<_> = since.iter().map(|line| line.replace(&format!(" {restored} "), " 599 ")).collect();
    assert_eq!(since, expected);
}

#[test]
fn a_block_ends_by_its_time() {
    if !skip::privileged() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let audit = folder.path().join("audit");
    let net = Net::new(1);
    let monitor = ready(&net, &format!("--audit {}", audit.display()));
    assert_eq!(ask_block(&monitor, "203.0.113.5", 10)["ok"], true);
    let began = Instant::now();
    Sender::new(&net.sender, "out0").send(&from([203, 0, 113, 5]), 3);
    wait_until("its time", || began.elapsed() > Duration::from_secs(10));
    expect(&audit, &["user 0 block 203.0.113.5 done - 10 -", "its time end 203.0.113.5 done - - 3"]);
}

#[test]
fn who_may_not_ask_is_written_down_too() {
    if !skip::privileged() {
        return;
    }
    let (folder, ctl) = (public_directory(), PublicCopy::of("nettopctl"));
    let audit = folder.path().join("audit");
    let socket = folder.path().join("s");
    let net = Net::new(1);
    let mut command = net.receiver.command(program::path("nettop"));
    command.args(["run", "--iface", "in0", "--block-with", "xdp", "--interval", "0.1", "--map-memory", "8", "--audit"]);
    command.arg(&audit);
    let monitor = Monitor::start(command, &socket);
    settled(&monitor);
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).expect("opening it to all");
    for arguments in [["block", "203.0.113.5"], ["allow", "203.0.113.6"], ["top", "5"]] {
        let mut command = Command::new(ctl.path());
        command.arg("--control-socket").arg(&socket).args(arguments).current_dir("/");
        let ended = run(as_nobody(&mut command));
        assert!(ended.stdout.contains("may not command this monitor"), "{ended:?}");
    }
    assert_eq!(blocks(&monitor)["rows"], json!([]));
    assert_eq!(ask_block(&monitor, "203.0.113.9", 600)["ok"], true);
    let nobody = format!("user {NOBODY}");
    expect(
        &audit,
        &[
            &format!("{nobody} block 203.0.113.5 refused - 600 -"),
            &format!("{nobody} allow 203.0.113.6 refused - - -"),
            "user 0 block 203.0.113.9 done - 600 -",
        ],
    );
    assert!(lines(&audit)[0]["error"].as_str().is_some_and(|error| error.contains("may not command")));
}

#[test]
fn where_nothing_can_be_written_it_is_blocked_all_the_same_and_said() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = ready(&net, "--audit /dev/full");
    assert_eq!(troubles(&monitor.snapshot()), Vec::<&Value>::new());
    assert_eq!(ask_block(&monitor, "203.0.113.5", 600)["ok"], true);
    let snapshot = monitor.wait_until("the badge", |snapshot| !troubles(snapshot).is_empty());
    let row = troubles(&snapshot)[0];
    assert_eq!(row["badge"], "AUDIT LOST");
    assert!(row["reason"].as_str().is_some_and(|reason| reason.contains("No space left")), "{row}");
    assert!(row["remedy"].as_str().is_some_and(|remedy| remedy.contains("--audit")), "{row}");
    Sender::new(&net.sender, "out0").send(&from([203, 0, 113, 5]), 3);
    wait_until("what is dropped", || blocks(&monitor)["dropped"] == 3);
    drop(monitor.stop());

    // In the state folder it cannot even be opened: nettop starts.
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    fs::create_dir_all(state.join("audit.jsonl")).expect("a folder in the way");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).expect("its owner's");
    let monitor = ready(&net, &format!("--state {}", state.display()));
    assert_eq!(ask_block(&monitor, "203.0.113.5", 600)["ok"], true);
    let snapshot = monitor.snapshot();
    assert_eq!(troubles(&snapshot)[0]["badge"], "AUDIT LOST", "{:?}", troubles(&snapshot));
}
