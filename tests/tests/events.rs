//! Sampled packets as JSONL: every line is there and whole, or counted as lost; and the monitor never waits for a file.

use std::{
    ffi::CString,
    fs::{self, File},
    io::{self, Read as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::{ffi::OsStrExt as _, fs::PermissionsExt as _, process::CommandExt as _},
    },
    path::Path,
    process::Command,
};

use nettop_tests::{
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    program::{self, as_nobody, run_with, wait_for},
    send::Sender,
    skip,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Every line of a file, as JSON.
#[track_caller]
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

fn weight(lines: &[Value]) -> u64 {
    lines.iter().map(|line| line["weight"].as_u64().expect("a weight")).sum()
}

/// The row of the packets' file in a snapshot.
fn export(snapshot: &Value) -> &Value {
    &snapshot["exports"][0]
}

fn lost(snapshot: &Value) -> u64 {
    export(snapshot)["lost"].as_u64().expect("a count")
}

fn reasons(snapshot: &Value) -> String {
    snapshot["degraded"].to_string()
}

/// A demonstration that writes to `jsonl`, its socket in `folder`.
fn demo(folder: &Path, jsonl: &Path, arguments: &str) -> Monitor {
    let mut command = Command::new(program::path("nettop"));
    command.args(["demo", "--interval", "0.1", "--event-rate", "1000000", "--jsonl"]).arg(jsonl);
    command.args(arguments.split_whitespace());
    Monitor::start(command, &folder.join("s"))
}

#[test]
fn every_packet_of_the_wire_is_a_line() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    let path = folder.path().join("packets.jsonl");
    let monitor = Monitor::live(&net.receiver, &format!("--iface in0 --jsonl {}", path.display()));
    let sender = Sender::new(&net.sender, "out0");
    sender.send(&Spec::v4(Transport::Tcp(1234, 443, 0x12)).frame(), 30);
    sender.send(&Spec::v6(Transport::Udp(53, 5353)).frame(), 12);
    monitor.wait_until_seen(42);
    let ended = monitor.stop();
    assert!(ended.stdout.contains("42 lines to"), "{ended:?}");
    let lines = lines(&path);
    assert_eq!((lines.len(), weight(&lines)), (42, 42));
    for (key, first, last) in [
        ("src_ip", json!("192.0.2.1"), json!("2001:db8::1")),
        ("dst_ip", json!("198.51.100.2"), json!("2001:db8::2")),
        ("proto", json!("TCP"), json!("UDP")),
        ("src_port", json!(1234), json!(53)),
        ("dst_port", json!(443), json!(5353)),
        ("src_mac", json!("02:00:00:00:01:00"), json!("02:00:00:00:01:00")),
        ("tcp_flags", json!("SA"), json!("")),
    ] {
        assert_eq!((&lines[0][key], &lines[41][key]), (&first, &last), "{key}");
    }
    let mode = fs::metadata(&path).expect("the file").permissions().mode();
    assert_eq!(mode & 0o133, 0, "nobody else writes to it: {mode:o}");
}

#[test]
fn at_the_end_there_is_the_whole_session() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("packets.jsonl");
    let monitor = demo(folder.path(), &path, "");
    monitor.wait_until("traffic", |snapshot| snapshot["unique_ips"] == 48);
    let ended = monitor.stop();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("a file");
    let snapshot: Value = serde_json::from_str(&read("packets.snapshot.json")).expect("JSON");
    let lines = lines(&path);
    assert_eq!(snapshot["total_packets"], weight(&lines), "weights add up to what was counted");
    assert_eq!((&export(&snapshot)["lines"], lost(&snapshot)), (&json!(lines.len()), 0));
    assert_eq!(export(&snapshot)["bytes"], fs::metadata(&path).expect("the file").len());

    let table = read("packets.top.csv");
    let header = "ip,packets,bytes,pps,pps_10s,pps_60s,peak_pps,low_pps,first_ns,last_ns";
    assert_eq!(table.lines().next(), Some(header));
    let packets: u64 = table
        .lines()
        .skip(1)
        .map(|row| row.split(',').nth(1).expect("packets").parse::<u64>().expect("a number"))
        .sum();
    assert_eq!(snapshot["total_packets"], packets);
    for name in ["packets.snapshot.json", "packets.top.csv"] {
        assert!(ended.stdout.contains(name), "{ended:?}");
    }
    assert!(
        !fs::read_dir(folder.path())
            .expect("a folder")
            .any(|entry| { entry.expect("an entry").path().extension().is_some_and(|extension| extension == "tmp") })
    );
}

#[test]
fn a_session_ends_up_in_the_folder_of_whoever_called_sudo() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    let theirs = folder.path().join("theirs");
    fs::create_dir(&theirs).expect("a folder");
    std::os::unix::fs::chown(&theirs, Some(program::NOBODY), Some(program::NOBODY)).expect("giving it away");
    let path = theirs.join("packets.jsonl");
    fs::write(path.with_extension("top.csv"), "old\n".repeat(1000)).expect("an older session");
    let monitor = Monitor::live(&net.receiver, &format!("--iface in0 --jsonl {}", path.display()));
    Sender::new(&net.sender, "out0").send(&Spec::v4(Transport::Udp(1, 2)).frame(), 3);
    monitor.wait_until_seen(3);
    let ended = monitor.stop();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let table = fs::read_to_string(path.with_extension("top.csv")).expect("the table");
    assert_eq!((table.lines().count(), table.contains("192.0.2.1,3,")), (2, true), "{table}");
    assert!(serde_json::from_slice::<Value>(&fs::read(path.with_extension("snapshot.json")).expect("it")).is_ok());
}

#[test]
fn more_sources_than_a_snapshot_shows_are_all_in_the_session() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    let path = folder.path().join("packets.jsonl");
    let monitor = Monitor::live(&net.receiver, &format!("--iface in0 --jsonl {}", path.display()));
    let sender = Sender::new(&net.sender, "out0");
    for source in 0..1500u32 {
        let from = std::net::Ipv4Addr::from_bits(0x0a00_0000 + source);
        sender.send(&Spec::between(from.into(), [198, 51, 100, 2].into(), Transport::Udp(1, 2)).frame(), 1);
    }
    let snapshot = monitor.wait_until_seen(1500);
    assert_eq!(snapshot["ips"].as_array().map(Vec::len), Some(1000));
    monitor.stop();
    let table = fs::read_to_string(path.with_extension("top.csv")).expect("the table");
    assert_eq!(table.lines().count(), 1 + 1500);
}

#[test]
fn a_pipe_that_nobody_reads_holds_nothing_up() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("pipe");
    let name = CString::new(path.as_os_str().as_bytes()).expect("no zero");
    // SAFETY: the name is a C string.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let monitor = demo(folder.path(), &path, "");
    let stuck = monitor.wait_until("lines lost", |snapshot| lost(snapshot) > 0);
    assert!(reasons(&stuck).contains("events are missing from"), "{}", stuck["degraded"]);
    let ticks = stuck["tick"]["count"].as_u64().expect("a count");
    let later =
        monitor.wait_until("ticks that go on", |snapshot| snapshot["tick"]["count"].as_u64() > Some(ticks + 10));
    assert_eq!(later["accounting"]["holds"], true);
    assert!(lost(&later) > lost(&stuck));
    let ended = monitor.stop();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("lost: not written in time"), "{ended:?}");
    assert!(!path.with_extension("snapshot.json").exists(), "a pipe has no session beside it");
}

#[test]
fn a_full_device_is_said_and_costs_no_packet() {
    let folder = TempDir::new().expect("a folder");
    let monitor = demo(folder.path(), "/dev/full".as_ref(), "");
    let snapshot = monitor.wait_until("lines lost", |snapshot| lost(snapshot) > 0);
    assert_eq!(export(&snapshot)["lines"], 0);
    assert!(reasons(&snapshot).contains("No space left on device"), "{}", snapshot["degraded"]);
    let ended = monitor.stop();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("No space left on device"), "{ended:?}");
}

#[test]
fn a_file_that_may_not_grow_any_more_is_said() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("packets.jsonl");
    let mut command = Command::new("sh");
    // 512 KiB.
    command.args(["-c", "ulimit -f 1024; exec \"$@\"", "sh"]).arg(program::path("nettop"));
    command.args(["demo", "--interval", "0.1", "--jsonl"]).arg(&path);
    let monitor = Monitor::start(command, &folder.path().join("s"));
    let snapshot = monitor.wait_until("lines lost", |snapshot| lost(snapshot) > 0);
    assert!(reasons(&snapshot).contains("File too large"), "{}", snapshot["degraded"]);
    assert_eq!(monitor.stop().status.code(), Some(0));
    assert!(!lines(&path).is_empty());
}

#[test]
fn a_disk_that_was_full_is_written_to_again() {
    if !skip::privileged() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).expect("a folder");
    // In a mount namespace of its own, which ends with it.
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=256k tmpfs \"$1\"; head -c 200k /dev/zero >\"$1/filler\"; shift; exec \"$@\"";
    command.args(["--mount", "sh", "-ec", script, "sh"]).arg(&disk);
    command.arg(program::path("nettop")).args(["demo", "--interval", "0.1", "--jsonl"]).arg(disk.join("packets.jsonl"));
    let monitor = Monitor::start(command, &folder.path().join("s"));
    let full = monitor.wait_until("lines lost", |snapshot| lost(snapshot) > 0);
    assert!(reasons(&full).contains("No space left on device"), "{}", full["degraded"]);
    let inside =
        Path::new("/proc").join(monitor.pid().to_string()).join("root").join(disk.strip_prefix("/").expect("absolute"));
    let written = lines(&inside.join("packets.jsonl")).len() as u64;
    assert!(written > 0, "as much as there was room for, and the last line is whole");

    fs::remove_file(inside.join("filler")).expect("making room");
    monitor.wait_until("written again", |snapshot| export(snapshot)["lines"].as_u64() > Some(written));
    // Every sampled packet is a line that is there, or one of those lost.
    monitor.command(&json!({"cmd": "pause"}));
    let settled = monitor.wait_until("all written", |snapshot| {
        let lines = export(snapshot)["lines"].as_u64().expect("a count");
        snapshot["sampling"]["events"] == lines + lost(snapshot)
    });
    assert_eq!(lines(&inside.join("packets.jsonl")).len() as u64, export(&settled)["lines"]);
    monitor.stop();
}

#[test]
fn a_renamed_file_is_made_anew_on_sighup_and_no_line_is_lost() {
    let folder = TempDir::new().expect("a folder");
    let (path, alerts) = (folder.path().join("packets.jsonl"), folder.path().join("alerts.jsonl"));
    let monitor = demo(folder.path(), &path, &format!("--alerts {}", alerts.display()));
    let mut renamed = Vec::new();
    for round in 0..3 {
        let lines = export(&monitor.snapshot())["lines"].as_u64();
        monitor.wait_until("more lines", |snapshot| export(snapshot)["lines"].as_u64() > lines);
        let old = folder.path().join(format!("packets.{round}"));
        fs::rename(&path, &old).expect("renaming");
        renamed.push(old);
        let _ = fs::remove_file(&alerts);
        monitor.signal(libc::SIGHUP);
        assert!(wait_for(|| (path.exists() && alerts.exists()).then_some(())).is_some(), "both are made anew");
    }
    let ended = monitor.stop();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let snapshot: Value =
        serde_json::from_slice(&fs::read(path.with_extension("snapshot.json")).expect("the session")).expect("JSON");
    renamed.push(path);
    let parts: Vec<_> = renamed.iter().map(|path| lines(path)).collect();
    assert!(parts[..3].iter().all(|part| !part.is_empty()));
    assert_eq!(snapshot["total_packets"], weight(&parts.concat()), "every packet is in one of the files");
    assert_eq!(lost(&snapshot), 0);
}

#[test]
fn a_file_that_cannot_be_made_anew_stays_open() {
    if !skip::privileged() {
        return;
    }
    let (copy, folder) = (program::PublicCopy::of("nettop"), program::public_directory());
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("a folder");
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o777)).expect("opening it to everybody");
    let path = inner.join("packets.jsonl");
    let mut command = Command::new(copy.path());
    command.args(["demo", "--interval", "0.1", "--jsonl"]).arg(&path);
    as_nobody(&mut command);
    let monitor = Monitor::start(command, &folder.path().join("s"));
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o555)).expect("closing it");
    let renamed = inner.join("renamed");
    fs::rename(&path, &renamed).expect("renaming");
    monitor.signal(libc::SIGHUP);
    let snapshot = monitor.wait_until("said", |snapshot| reasons(snapshot).contains("a file that was renamed"));
    let lines = export(&snapshot)["lines"].as_u64();
    monitor.wait_until("still written", |snapshot| export(snapshot)["lines"].as_u64() > lines);
    let ended = monitor.stop();
    ended.expect_one_line("packets.snapshot.json");
    assert!(ended.stdout.contains("Session summary"), "{ended:?}");
    assert!(!path.exists() && renamed.exists());
}

#[test]
fn the_log_is_made_anew_too() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    let path = folder.path().join("nettop.log");
    let monitor = Monitor::live(&net.receiver, &format!("--iface in0 --log {}", path.display()));
    fs::remove_file(&path).expect("removing the log");
    monitor.signal(libc::SIGHUP);
    assert!(wait_for(|| path.exists().then_some(())).is_some(), "it is made anew");
    assert_eq!(monitor.stop().status.code(), Some(0));
}

/// A terminal: its two ends.
fn terminal() -> (OwnedFd, OwnedFd) {
    let (mut master, mut slave) = (-1, -1);
    let null = std::ptr::null_mut();
    // SAFETY: two places for the results; the rest may be null.
    let failed = unsafe { libc::openpty(&raw mut master, &raw mut slave, null, null.cast(), null.cast()) };
    assert_eq!(failed, 0, "opening a terminal: {}", io::Error::last_os_error());
    for fd in [master, slave] {
        // SAFETY: plain integers.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    // SAFETY: both are new descriptors, which nobody else owns.
    unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) }
}

#[test]
fn whoever_loses_its_terminal_ends() {
    let folder = TempDir::new().expect("a folder");
    let (master, slave) = terminal();
    let mut command = Command::new(program::path("nettop"));
    command.args(["demo", "--interval", "0.1", "--jsonl"]).arg(folder.path().join("packets.jsonl"));
    let fd = slave.as_raw_fd();
    let take_terminal = move || {
        // SAFETY: between fork and exec; plain system calls that allocate nothing.
        match unsafe { libc::setsid() != -1 && libc::ioctl(fd, libc::TIOCSCTTY, 0) == 0 } {
            true => Ok(()),
            false => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: as above.
    unsafe { command.pre_exec(take_terminal) };
    let monitor = Monitor::start(command, &folder.path().join("s"));
    // A request to open files anew does not end it.
    fs::rename(folder.path().join("packets.jsonl"), folder.path().join("old")).expect("renaming");
    monitor.signal(libc::SIGHUP);
    assert!(wait_for(|| folder.path().join("packets.jsonl").exists().then_some(())).is_some());
    drop((master, slave));
    let ended = monitor.end();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("Session summary"), "{ended:?}");
}

#[test]
fn without_a_file_sighup_ends_it() {
    let monitor = Monitor::demo("");
    monitor.signal(libc::SIGHUP);
    assert_eq!(monitor.end().status.code(), Some(0));
}

#[test]
fn a_file_that_cannot_be_opened_is_named_at_once() {
    let folder = TempDir::new().expect("a folder");
    let socket = folder.path().join("s").display().to_string();
    let directory = folder.path().display().to_string();
    for command in ["run", "demo"] {
        for option in ["--jsonl", "--alerts"] {
            for path in ["/nonexistent/packets.jsonl", &directory] {
                let ended = run_with("nettop", &[command, "--quiet", "--control-socket", &socket, option, path]);
                ended.expect_one_line(path);
                ended.expect_one_line(option);
                assert!(!Path::new(&socket).exists(), "its socket is removed");
            }
        }
    }
}

#[test]
fn what_is_appended_to_stays() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("packets.jsonl");
    fs::write(&path, "{\"kept\":true}\n{\"torn").expect("a file");
    let monitor = demo(folder.path(), &path, "");
    monitor.wait_until("lines", |snapshot| export(snapshot)["lines"].as_u64() > Some(0));
    monitor.stop();
    let mut text = String::new();
    File::open(&path).expect("the file").read_to_string(&mut text).expect("text");
    let mut lines = text.lines();
    assert_eq!((lines.next(), lines.next()), (Some("{\"kept\":true}"), Some("{\"torn")));
    let new: Vec<_> = lines.map(serde_json::from_str::<Value>).collect();
    assert!(!new.is_empty() && new.iter().all(Result::is_ok), "{text}");
}
