//! A terminal that goes away under the screen, and an output that takes nothing: the monitor ends, leaves nothing behind, and
//! what was asked to be kept is kept.

use std::{
    fs::{self, File},
    io::Write as _,
    process::Stdio,
};

use nettop_tests::{
    held::Held,
    monitor::Monitor,
    net::Net,
    program::{self, wait_for},
    send::Sender,
    skip,
    terminal::Terminal,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::udp;

/// `controlling`: the kernel sends SIGHUP too; else the terminal only takes and gives nothing any more.
fn loses_its_terminal(controlling: bool) {
    let (net, directory) = (Net::new(1), TempDir::new().expect("a directory"));
    let (jsonl, last) = (directory.path().join("packets.jsonl"), directory.path().join("last.json"));
    let mut command = net.receiver.command(program::path("nettop"));
    command.args(["run", "--iface", "in0", "--map-memory", "1", "--interval", "0.1", "--jsonl"]).arg(&jsonl);
    command.arg("--snapshot").arg(&last);
    let terminal = Terminal::of(&mut command, 100, 30).expect("making a terminal");
    if controlling {
        terminal.control(&mut command);
    }
    let monitor = Monitor::spawn(command, &directory.path().join("s"));
    Sender::new(&net.sender, "out0").send(&udp().frame(), 11);
    monitor.wait_until_seen(11);
    let (held, socket) = (Held::by(monitor.pid()).expect("its descriptors"), monitor.socket().to_path_buf());
    assert!(held.count() > 0);

    terminal.close();
    let ended = monitor.end();
    assert!(ended.status.code().is_some(), "it ends by itself, not by a signal: {ended:?}");
    assert!(!socket.exists(), "its socket is removed");
    let gone = wait_for(|| (held.left() == Held::default()).then_some(()));
    assert!(gone.is_some(), "still in the kernel: {:?}", held.left());
    for path in [jsonl.with_extension("snapshot.json"), last] {
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let snapshot: Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!(snapshot["total_packets"], 11, "{}", path.display());
    }
    assert_eq!(fs::read_to_string(&jsonl).expect("the packets").lines().count(), 11);
}

#[test]
fn its_controlling_terminal_is_closed() {
    if skip::privileged() {
        loses_its_terminal(true);
    }
}

#[test]
fn a_terminal_that_is_not_its_own_is_closed() {
    if skip::privileged() {
        loses_its_terminal(false);
    }
}

/// The terminal takes nothing from the start on, and what the kernel holds for it is full; then `end` is done.
fn is_stuck_and(end: impl FnOnce(&mut Terminal, &Monitor)) {
    let (net, directory) = (Net::new(1), TempDir::new().expect("a directory"));
    let last = directory.path().join("last.json");
    let mut command = net.receiver.command(program::path("nettop"));
    command.args(["run", "--iface", "in0", "--map-memory", "1", "--interval", "0.1", "--snapshot"]).arg(&last);
    // A picture that is more than the kernel holds.
    let mut terminal = Terminal::of(&mut command, 500, 200).expect("making a terminal");
    terminal.control(&mut command);
    terminal.look_away(true);
    let monitor = Monitor::spawn(command, &directory.path().join("s"));
    let (sender, frame) = (Sender::new(&net.sender, "out0"), udp().frame());
    sender.send(&frame, 11);
    monitor.wait_until_seen(11);
    let held = Held::by(monitor.pid()).expect("its descriptors");
    assert!(held.count() > 0);

    end(&mut terminal, &monitor);
    let ended = monitor.end();
    assert!(ended.status.success(), "{ended:?}");
    let gone = wait_for(|| (held.left() == Held::default()).then_some(()));
    assert!(gone.is_some(), "still in the kernel: {:?}", held.left());
    let snapshot: Value = serde_json::from_slice(&fs::read(last).expect("the last snapshot")).expect("JSON");
    assert_eq!(snapshot["total_packets"], 11, "counting was not held up");
}

#[test]
fn a_terminal_that_is_never_read_ends_with_a_key() {
    if skip::privileged() {
        is_stuck_and(|terminal, _| terminal.keyboard.write_all(b"q").expect("typing"));
    }
}

#[test]
fn a_terminal_that_is_never_read_ends_with_a_signal() {
    if skip::privileged() {
        is_stuck_and(|_, monitor| monitor.signal(libc::SIGTERM));
        is_stuck_and(|_, monitor| monitor.signal(libc::SIGHUP));
    }
}

#[test]
fn an_output_that_takes_no_summary_is_said_and_costs_no_file() {
    let directory = TempDir::new().expect("a directory");
    let socket = directory.path().join("s");
    let (jsonl, last) = (directory.path().join("packets.jsonl"), directory.path().join("last.json"));
    let mut command = std::process::Command::new(program::path("nettop"));
    command.args(["demo", "--quiet", "--interval", "0.1", "--jsonl"]).arg(&jsonl).arg("--snapshot").arg(&last);
    let errors = File::create(socket.with_extension("err")).expect("a file");
    let full = File::options().write(true).open("/dev/full").expect("opening /dev/full");
    command.stdin(Stdio::null()).stdout(full).stderr(errors);
    let monitor = Monitor::spawn(command, &socket);
    monitor.wait_until("packets", |snapshot| snapshot["total_packets"].as_u64() > Some(0));
    let ended = monitor.stop();
    ended.expect_one_line("writing the summary to standard output");
    ended.expect_one_line("No space left on device");
    for path in [jsonl.with_extension("snapshot.json"), jsonl.with_extension("top.csv"), last] {
        assert!(path.exists(), "{}", path.display());
    }
}
