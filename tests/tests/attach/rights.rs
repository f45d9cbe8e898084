//! What whoever attaches may do, and what the attached process still can.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Command, Stdio},
};

use nettop_tests::{
    monitor::Monitor,
    net::Namespace,
    program::{self, PublicCopy, public_directory, wait, wait_for},
    screen::Screen,
    skip,
};
use serde_json::json;
use tempfile::TempDir;

use crate::header;

/// A group, and a user, that nobody else has.
static GROUP: u32 = 64_998;
const READER: u32 = 64_997;

/// A line of /proc/PID/status.
fn status(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the state of a process");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a line");
    line.trim().to_string()
}

#[test]
fn a_member_of_the_group_sees_everything_and_changes_nothing() {
    if !skip::privileged() {
        return;
    }
    let (directory, nettop) = (public_directory(), PublicCopy::of("nettop"));
    let socket = directory.path().join("s");
    let mut command = Command::new(program::path("nettop"));
    command.args(["demo", "--interval", "0.5", "--control-group", &GROUP.to_string()]);
    let monitor = Monitor::start(command, &socket);
    let become_reader = || {
        // SAFETY: between fork and exec; plain system calls that allocate nothing, and a list of one.
        let failed = unsafe {
            libc::setgroups(1, &raw const GROUP) != 0 || libc::setgid(READER) != 0 || libc::setuid(READER) != 0
        };
        if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    let mut command = Command::new(nettop.path());
    command.arg("attach").arg(&socket).current_dir(directory.path());
    // SAFETY: as above.
    unsafe { command.pre_exec(become_reader) };
    let screen = Screen::start(command, 160, 40);
    screen.wait_until("attached", |text| header(text).contains("ATTACHED"));
    for (field, expected) in [("NoNewPrivs", "1"), ("Seccomp", "2"), ("CapEff", "0000000000000000")] {
        assert_eq!(status(screen.pid(), field), expected, "{field}");
    }
    for change in ["r", " ", "p443\r", "d192.0.2.1\r", "yudp\r", "t5\r"] {
        screen.press(change);
        let text = screen.wait_until("refused", |text| text.contains("and change nothing"));
        assert!(header(&text).starts_with(" DEMO "), "{text}");
        // The error stays until a key is pressed, this one without a meaning.
        screen.press("*");
        screen.wait_until("seen", |text| !text.contains("and change nothing"));
    }
    let runtime = monitor.command(&json!({"cmd": "status"}))["runtime"].take();
    assert_eq!((&runtime["paused"], &runtime["filter"]["port"]), (&json!(false), &json!("")));
    // The exports are the reader's own.
    screen.press("e");
    let written = wait_for(|| {
        let mut paths = fs::read_dir(directory.path()).expect("a folder").map(|entry| entry.expect("an entry"));
        paths.find(|entry| entry.path().to_string_lossy().ends_with(".snapshot.json"))
    });
    let owner = std::os::unix::fs::MetadataExt::uid(&written.expect("an export").metadata().expect("a file"));
    assert_eq!(owner, READER);
    screen.press("q");
    assert!(screen.end().0.success());
    assert_eq!(monitor.stop().status.code(), Some(0));
}

#[test]
fn root_looks_at_somebody_else_s_monitor_and_finds_it_again() {
    if !skip::privileged() {
        return;
    }
    let (directory, nettop) = (public_directory(), PublicCopy::of("nettop"));
    let socket = directory.path().join("s");
    let demo = || {
        let mut command = Command::new(nettop.path());
        command.args(["demo", "--interval", "0.5"]);
        program::as_nobody(&mut command);
        Monitor::start(command, &socket)
    };
    let monitor = demo();
    let screen = crate::attach(&socket, 160, 40);
    let text = screen.wait_until("attached", |text| header(text).contains("ATTACHED"));
    assert!(header(&text).contains(&format!("(user {})", program::NOBODY)), "who it is: {text}");
    // CAP_DAC_OVERRIDE, and no other.
    assert_eq!(status(screen.pid(), "CapEff"), "0000000000000002");
    monitor.stop();
    screen.wait_until("gone", |text| header(text).starts_with(" STALE "));
    let _monitor = demo();
    screen.wait_until("back", |text| header(text).starts_with(" DEMO "));
    screen.press("q");
    assert!(screen.end().0.success());
}

#[test]
fn over_tcp_it_knows_the_token_and_finds_the_monitor_again() {
    if !skip::privileged() {
        return;
    }
    let (namespace, folder) = (Namespace::new(), TempDir::new().expect("a folder"));
    namespace.ip("link set dev lo up");
    let token = folder.path().join("token");
    fs::write(&token, "correct horse battery staple\n").expect("a token");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).expect("keeping it");
    let start = || {
        let mut command = namespace.command(program::path("nettop"));
        command.args(["demo", "--quiet", "--interval", "0.5", "--control-socket", "tcp://127.0.0.1:4711"]);
        command.arg("--control-token").arg(&token).stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().expect("starting nettop")
    };
    let attach = |token: Option<&std::path::Path>| {
        let mut command = namespace.command(program::path("nettop"));
        command.args(["attach", "tcp://127.0.0.1:4711"]).args(token.map(|_| "--control-token")).args(token);
        Screen::start(command, 120, 40)
    };
    let mut child = start();
    let refused =
        wait_for(|| Some(attach(None).end().1.replace('\n', "")).filter(|text| text.contains("wants a token")));
    assert!(refused.is_some(), "without the token");
    let screen = attach(Some(&token));
    screen.wait_until("attached", |text| header(text).contains("ATTACHED tcp://127.0.0.1:4711"));
    screen.press(" ");
    screen.wait_until("paused", |text| header(text).starts_with(" PAUSED DEMO "));
    child.kill().expect("killing it");
    wait(&mut child).expect("its end");
    screen.wait_until("gone", |text| header(text).starts_with(" STALE "));
    child = start();
    screen.wait_until("back", |text| header(text).starts_with(" DEMO "));
    screen.press("q");
    assert!(screen.end().0.success());
    child.kill().expect("killing it");
    wait(&mut child).expect("its end");
}
