//! Disks that are full when everything else has gone well: at the end of a session, and under the log.

use std::{fs, path::PathBuf, process::Command};

use nettop_tests::{
    monitor::Monitor,
    program::{self, wait_for},
    skip,
};
use tempfile::TempDir;

/// A command in a mount namespace of its own, where `disk` is a file system of so many KiB; both end with it.
fn on_small_disk(disk: &PathBuf, kilobytes: u32) -> Command {
    fs::create_dir(disk).expect("a folder");
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=$1 tmpfs \"$2\"; shift 2; exec \"$@\"";
    command.args(["--mount", "sh", "-ec", script, "sh"]).arg(format!("{kilobytes}k")).arg(disk);
    command.arg(program::path("nettop"));
    command
}

#[test]
fn a_disk_that_is_full_at_the_end_is_said_and_keeps_what_was_there() {
    if !skip::privileged() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let disk = folder.path().join("disk");
    let last = disk.join("last.json");
    let mut command = on_small_disk(&disk, 64);
    command.args(["demo", "--interval", "0.1", "--snapshot"]).arg(&last);
    let monitor = Monitor::start(command, &folder.path().join("s"));
    let inside = PathBuf::from(format!("/proc/{}/root{}", monitor.pid(), last.display()));
    fs::write(&inside, "precious").expect("an older snapshot");
    let filler = inside.with_file_name("filler");
    let _ = fs::write(&filler, vec![0; 1 << 20]);
    assert!(filler.metadata().expect("the filler").len() < 1 << 20, "the disk is full");
    // Opened now: the mount is gone with the monitor.
    let kept = fs::File::open(&inside).expect("the older snapshot");
    let folder_of_it = fs::read_dir(inside.parent().expect("its folder")).expect("the disk");
    monitor.wait_until("packets", |snapshot| snapshot["total_packets"].as_u64() > Some(100));
    let ended = monitor.stop();
    ended.expect_one_line("last.json");
    ended.expect_one_line("No space left on device");
    assert!(ended.stdout.contains("Session summary"), "{ended:?}");
    assert_eq!(std::io::read_to_string(kept).expect("reading it"), "precious");
    let names: Vec<_> = folder_of_it.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(names.len(), 2, "no half-written file stays: {names:?}");
}

#[test]
fn a_log_on_a_full_disk_stops_nothing() {
    if !skip::privileged() {
        return;
    }
    let net = nettop_tests::net::Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0 --log /dev/full");
    nettop_tests::send::Sender::new(&net.sender, "out0").send(&crate::udp().frame(), 5);
    monitor.wait_until_seen(5);
    monitor.signal(libc::SIGHUP);
    let later = wait_for(|| (crate::ticks(&monitor.snapshot()) > 5).then_some(()));
    assert!(later.is_some());
    assert_eq!(monitor.stop().status.code(), Some(0));
}
