//! Something else than a file where a file is to be written: it stays what it is. Devices are nodes of the test's own.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read as _},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, symlink},
        net::UnixListener,
    },
    path::Path,
    process::Command,
    thread,
};

use nettop_tests::{
    monitor::Monitor,
    program::{self, Ended, NOBODY, as_nobody, public_directory, wait_for},
    skip,
};
use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat, openat};
use serde_json::Value;
use tempfile::TempDir;

fn node(path: &Path, kind: FileType, device: u64) {
    mknodat(CWD, path, kind, Mode::from_raw_mode(0o666), device).expect("making a node");
}

/// Everything counted, written there.
fn export(monitor: &Monitor, path: &Path) -> Ended {
    let mut command = Command::new(program::path("nettopctl"));
    command.arg("--control-socket").arg(monitor.socket()).args(["export", "--format", "json", "--output"]).arg(path);
    program::run(&mut command)
}

/// Whether that is a whole snapshot.
fn is_whole(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|snapshot| snapshot["total_packets"].as_u64() > Some(0))
}

/// What is read from a pipe until its end, by a thread.
fn reader(path: &Path) -> thread::JoinHandle<String> {
    let mut pipe = open(path);
    thread::spawn(move || {
        let (mut text, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        let all = wait_for(|| {
            match pipe.read(&mut buffer) {
                // The end of what is written, unless nobody has begun to.
                Ok(0) => return (!text.is_empty()).then_some(()),
                Ok(count) => text.extend(&buffer[..count]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            None
        });
        assert!(all.is_some(), "no end of {} bytes", text.len());
        String::from_utf8(text).expect("UTF-8")
    })
}

/// Opens a pipe as who reads it, for this process alone.
fn open(path: &Path) -> File {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).expect("a pipe").into()
}

#[test]
fn an_export_replaces_files_alone() {
    if !skip::privileged() {
        return;
    }
    let monitor = Monitor::demo("--no-geo");
    monitor.wait_until("packets", |snapshot| snapshot["total_packets"].as_u64() > Some(0));
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    node(&at("null"), FileType::CharacterDevice, makedev(1, 3));
    node(&at("full"), FileType::CharacterDevice, makedev(1, 7));
    // A number that no device has.
    node(&at("disk"), FileType::BlockDevice, makedev(240, 77));
    node(&at("pipe"), FileType::Fifo, 0);
    let _socket = UnixListener::bind(at("socket")).expect("a socket");
    fs::write(at("file"), "old").expect("a file");
    fs::write(at("theirs"), "precious").expect("a file");
    for (link, end) in [("to-file", "file"), ("to-null", "null"), ("dangling", "new"), ("trap", "theirs")] {
        symlink(end, at(link)).expect("a link");
    }
    std::os::unix::fs::lchown(at("trap"), Some(NOBODY), None).expect("a link of somebody else's");
    for (name, told, fails) in [
        ("null", "a device, which was written to", false),
        ("to-null", "a device, which was written to", false),
        ("full", "No space left on device", true),
        ("disk", "a block device", true),
        ("pipe", "nobody reads it", true),
        ("socket", "a socket", true),
        ("file", "", false),
        ("fresh", "", false),
        ("to-file", "a link, through which", false),
        ("dangling", "a link, through which", false),
        ("trap", "a link of user 65534", true),
    ] {
        let kind = |facts: fs::Metadata| (facts.file_type(), facts.rdev());
        let before = at(name).symlink_metadata().map(kind).ok();
        let ended = export(&monitor, &at(name));
        assert_eq!(ended.status.success(), !fails, "{name}: {ended:?}");
        assert!(ended.stderr.contains(told) && ended.stderr.is_empty() == told.is_empty(), "{name}: {ended:?}");
        let after = at(name).symlink_metadata().map(kind).ok();
        assert!(before.is_none() || before == after, "{name}");
    }
    for name in ["file", "fresh", "new"] {
        assert!(is_whole(&fs::read_to_string(at(name)).expect("a file")), "{name}");
    }
    assert_eq!(fs::read_to_string(at("theirs")).expect("a file"), "precious");

    let read = reader(&at("pipe"));
    let ended = export(&monitor, &at("pipe"));
    assert!(ended.status.success() && ended.stderr.contains("a pipe, which was written to"), "{ended:?}");
    assert!(is_whole(&read.join().expect("reading")));
    // As the shell has opened it, wherever that leads.
    let ended = export(&monitor, "/dev/stdout".as_ref());
    assert!(ended.status.success() && is_whole(&ended.stdout), "{ended:?}");
    assert!(Path::new("/dev/stdout").symlink_metadata().expect("a link").is_symlink());
    let names = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(names, 13, "no temporary file stays");
}

#[test]
fn the_last_snapshot_goes_into_a_pipe_or_a_device_that_stays() {
    if !skip::privileged() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    node(&at("null"), FileType::CharacterDevice, makedev(1, 3));
    node(&at("pipe"), FileType::Fifo, 0);
    node(&at("unread"), FileType::Fifo, 0);
    node(&at("stuck"), FileType::Fifo, 0);
    fs::create_dir(at("elsewhere")).expect("a folder");
    symlink("elsewhere/last.json", at("link")).expect("a link");
    let read = reader(&at("pipe"));
    // Somebody who has opened it, and reads nothing.
    let _idle = open(&at("stuck"));
    for (name, told) in [
        ("null", Ok("null: a device, which was written to")),
        ("pipe", Ok("pipe: a pipe, which was written to")),
        ("link", Ok("link: a link, through which")),
        ("unread", Err("nobody reads it")),
        ("stuck", Err("has taken nothing for 3 s")),
    ] {
        let monitor = Monitor::demo(&format!("--snapshot {}", at(name).display()));
        monitor.wait_until("packets", |snapshot| snapshot["total_packets"].as_u64() > Some(0));
        let ended = monitor.stop();
        match told {
            Ok(told) => assert!(ended.status.success() && ended.stdout.contains(told), "{name}: {ended:?}"),
            Err(told) => {
                ended.expect_one_line(told);
                assert!(ended.stdout.contains("Session summary"), "{name}: {ended:?}");
            }
        }
    }
    assert!(is_whole(&read.join().expect("reading")));
    assert!(is_whole(&fs::read_to_string(at("elsewhere/last.json")).expect("the end of a link")));
    assert!(at("null").metadata().expect("a device").file_type().is_char_device());
    assert!(at("link").symlink_metadata().expect("a link").is_symlink());
    assert!(["pipe", "unread", "stuck"].iter().all(|name| at(name).metadata().expect("a pipe").file_type().is_fifo()));
}

#[test]
fn what_cannot_be_written_to_is_refused_before_anything_is_counted() {
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let _socket = UnixListener::bind(at("socket")).expect("a socket");
    let arguments = |option: &str, name: &str| vec![option.to_string(), at(name).display().to_string()];
    for (arguments, told) in [
        (arguments("--snapshot", "socket"), "a socket"),
        (arguments("--snapshot", "."), "a folder"),
        (arguments("--snapshot", "none/file"), "No such file"),
    ] {
        let mut command = Command::new(program::path("nettop"));
        command.args(["demo", "--quiet", "--control-socket"]).arg(at("s")).args(arguments);
        program::run(&mut command).expect_one_line(told);
    }
    let mut command = Command::new(program::path("nettop"));
    command.args(["update-db", "--url", "http://127.0.0.1:9", "--output"]).arg(at("socket"));
    program::run(&mut command).expect_one_line("a socket");
    mknodat(CWD, at("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
    let mut command = Command::new(program::path("nettop"));
    command.args(["update-db", "--url", "http://127.0.0.1:9", "--output"]).arg(at("pipe"));
    program::run(&mut command).expect_one_line("a device or a pipe");
}

#[test]
fn root_follows_no_link_in_a_folder_of_somebody_elses() {
    if !skip::privileged() {
        return;
    }
    let folder = public_directory();
    let theirs = folder.path().join("theirs");
    let mut make = Command::new("sh");
    make.args(["-ec", "mkdir theirs; ln -s ../precious theirs/link; mkfifo theirs/pipe"]).current_dir(folder.path());
    assert!(as_nobody(&mut make).status().expect("a shell").success());
    fs::write(folder.path().join("precious"), "precious").expect("a file");
    for (name, told) in [("link", "a link, which is not followed with root's rights"), ("pipe", "nobody reads")] {
        let mut command = Command::new(program::path("nettop"));
        command.args(["demo", "--quiet", "--control-socket"]).arg(folder.path().join("s"));
        command.arg("--snapshot").arg(theirs.join(name)).env_remove("SUDO_UID");
        program::run(&mut command).expect_one_line(told);
    }
    assert_eq!(fs::read_to_string(folder.path().join("precious")).expect("a file"), "precious");
}
