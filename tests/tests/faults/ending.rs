//! The end, where somebody takes nothing any more; and the log, which nobody reads.

use std::{
    fs,
    io::{Write as _, pipe},
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

use nettop_tests::{
    monitor::{Monitor, ask},
    net::Net,
    program, skip,
};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde_json::json;
use tempfile::TempDir;

/// A pipe that is full, and its reader, which does not read.
fn full_pipe() -> (fs::File, fs::File) {
    let (reader, writer) = pipe().expect("a pipe");
    let (reader, mut writer) = (fs::File::from(OwnedFd::from(reader)), fs::File::from(OwnedFd::from(writer)));
    let flags = fcntl_getfl(&writer).expect("its flags");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("not to wait");
    while writer.write(&[b'x'; 4096]).is_ok() {}
    fcntl_setfl(&writer, flags).expect("to wait again");
    (reader, writer)
}

#[test]
fn who_takes_no_summary_and_no_error_does_not_keep_it_from_ending() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let folder = TempDir::new().expect("a folder");
        let (socket, last) = (folder.path().join("s"), folder.path().join("last.json"));
        let ((_reader, out), errors) = (full_pipe(), folder.path().join("errors"));
        let mut command = Command::new(program::path("nettop"));
        command.args(["demo", "--quiet", "--interval", "0.1", "--control-socket"]).arg(&socket).arg("--snapshot");
        command.arg(&last).stdout(out).stderr(fs::File::create(&errors).expect("a file")).stdin(Stdio::null());
        let mut child = program::spawn(&mut command);
        let ready = program::wait_for(|| ask(&socket, &json!({"cmd": "status"})).ok());
        assert!(ready.is_some(), "it does not start");
        // SAFETY: plain integers; the child has not been waited for.
        assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
        let ended = program::wait(&mut child).expect("it ends");
        // What was to be kept was written first; what was given up is said.
        assert_eq!(ended.code(), Some(1));
        let errors = fs::read_to_string(errors).expect("errors");
        assert!(errors.contains("the summary") && errors.contains("giving up"), "{errors}");
        assert!(last.exists() && !socket.exists());
    }
    // With a full standard error as well, nobody is told; yet it ends.
    let folder = TempDir::new().expect("a folder");
    let ((_one, out), (_other, errors)) = (full_pipe(), full_pipe());
    let mut command = Command::new(program::path("nettop"));
    command.args(["demo", "--quiet", "--control-socket"]).arg(folder.path().join("no/such/folder"));
    let mut child = program::spawn(command.stdout(out).stderr(errors).stdin(Stdio::null()));
    assert_eq!(program::wait(&mut child).expect("it ends").code(), Some(1));
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    let log = folder.path().join("log");
    assert!(Command::new("mkfifo").arg(&log).status().is_ok_and(|made| made.success()), "a pipe with a name");
    // Opening it waits for nobody, either.
    let monitor = Monitor::live(&net.receiver, &format!("--iface in0 --log {}", log.display()));
    nettop_tests::send::Sender::new(&net.sender, "out0").send(&crate::udp().frame(), 5);
    monitor.wait_until_seen(5);
    monitor.signal(libc::SIGHUP);
    let before = crate::ticks(&monitor.snapshot());
    monitor.wait_until("it goes on", |snapshot| crate::ticks(snapshot) > before + 3);
    assert_eq!(monitor.stop().status.code(), Some(0));
}

#[test]
fn a_capture_whose_rows_nobody_takes_ends_by_a_signal() {
    let folder = TempDir::new().expect("a folder");
    let (capture, rows, socket) = (folder.path().join("c.pcap"), folder.path().join("rows"), folder.path().join("s"));
    assert!(Command::new("mkfifo").arg(&rows).status().is_ok_and(|made| made.success()), "a pipe with a name");
    fs::write(&capture, many_packets(600_000)).expect("a capture");
    let mut command = Command::new(program::path("nettop"));
    command.args(["run", "--quiet", "--no-geo", "--interval", "0.1", "--pcap"]).arg(&capture).arg("--jsonl").arg(&rows);
    command.arg("--control-socket").arg(&socket);
    let mut child = program::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    // By then it waits for the pipe, for hardly anything fits into it.
    assert!(program::wait_for(|| socket.exists().then_some(())).is_some(), "it starts");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(child.try_wait().expect("asking about a child"), None, "it waits for whoever reads the rows");
    // SAFETY: plain integers; the child has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGTERM) }, 0);
    assert!(program::wait(&mut child).is_some(), "it ends");
}

/// A capture of so many packets, each of 14 bytes of Ethernet and a little of IPv4.
fn many_packets(count: usize) -> Vec<u8> {
    let frame = crate::udp().frame();
    let length = u32::try_from(frame.len()).expect("a short frame").to_le_bytes();
    let mut bytes = Vec::new();
    // pcap: magic, version, zone, accuracy, the longest packet, Ethernet.
    for number in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1_u32] {
        bytes.extend(number.to_le_bytes());
    }
    for at in 0..count {
        let second = u32::try_from(at / 100_000).expect("few seconds").to_le_bytes();
        bytes.extend([second, [0; 4], length, length].concat());
        bytes.extend(&frame);
    }
    bytes
}
