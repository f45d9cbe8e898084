//! The process of the dashboard: how it starts, what it may do, and that its end is nobody else's.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    process::Command,
};

use nettop_tests::{monitor::Monitor, program, skip, web::Over};

use super::start;

/// The process that a monitor has started.
fn child_of(monitor: &Monitor) -> u32 {
    let path = format!("/proc/{0}/task/{0}/children", monitor.pid());
    let found = program::wait_for(|| fs::read_to_string(&path).ok()?.split_whitespace().next()?.parse().ok());
    found.expect("a process")
}

fn status(pid: u32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field");
    line.trim_start_matches(':').trim().to_string()
}

#[test]
fn it_is_confined_and_ends_with_its_monitor() {
    let (monitor, _dashboard) = start("--sandbox strict");
    let child = child_of(&monitor);
    assert_eq!(status(child, "CapEff"), "0000000000000000");
    assert_eq!((status(child, "NoNewPrivs").as_str(), status(child, "Seccomp").as_str()), ("1", "2"));
    let arguments = fs::read(format!("/proc/{child}/cmdline")).unwrap();
    assert_eq!(arguments, b"nettop\0web-process\0", "no token among them");
    drop(monitor);
    let ended = program::wait_for(|| (!fs::exists(format!("/proc/{child}/fd/0")).unwrap_or(false)).then_some(()));
    assert!(ended.is_some(), "it ends when the monitor is killed");
}

#[test]
fn where_it_dies_there_is_a_badge_and_counting_goes_on() {
    let (monitor, _dashboard) = start("");
    let child = child_of(&monitor);
    // SAFETY: plain integers; the monitor has not waited for it, so its id is still its own.
    assert_eq!(unsafe { libc::kill(child as i32, libc::SIGKILL) }, 0);
    let told = monitor.wait_until("a badge", |snapshot| {
        snapshot["degraded"].as_array().unwrap().iter().any(|row| row["badge"] == "WEB LOST")
    });
    let before = told["total_packets"].as_u64().unwrap();
    monitor.wait_until("counted", |snapshot| snapshot["total_packets"].as_u64().unwrap() > before);
}

#[test]
fn it_is_started_over_a_running_monitor_and_outlives_it() {
    let monitor = Monitor::demo("");
    let over = Over::of(monitor.socket());
    let dashboard = &over.web;
    assert_eq!(dashboard.get("/health").json()["status"], "healthy");
    monitor.stop();
    let lost = program::wait_for(|| (dashboard.get("/health").status == 503).then_some(()));
    assert!(lost.is_some());
}

#[test]
fn systemd_hands_it_its_socket() {
    let Ok(output) = Command::new("systemd-socket-activate").arg("--version").output() else {
        return skip::report("there is no `systemd-socket-activate`; on Debian: apt-get install systemd");
    };
    assert!(output.status.success());
    let monitor = Monitor::demo("");
    // A port that is free a moment later, too.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap();
    let mut command = Command::new("systemd-socket-activate");
    command.arg(format!("--listen={free}")).arg(program::path("nettop")).arg("web").arg(monitor.socket());
    // It starts the program with the first connection.
    let first = std::thread::spawn(move || program::wait_for(|| TcpStream::connect(free).ok()));
    let over = Over::start(command);
    assert_eq!(over.web.address, free);
    assert_eq!(over.web.get("/api/stats").status, 200);
    drop(first.join());
}

#[test]
fn what_is_in_the_way_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, part) in [
        (&["--web", taken.as_str()][..], "choose another with --web"),
        (&["--web", "0.0.0.0:0"], "--web-anywhere"),
        (&["--web", "example.org:80"], "no address with a port"),
        (&["--web", "0", "--web-token", "/nowhere"], "/nowhere"),
    ] {
        let directory = tempfile::TempDir::new().unwrap();
        let mut command = Command::new(program::path("nettop"));
        command.args(["demo", "--quiet", "--control-socket"]).arg(directory.path().join("s")).args(arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(part), "{arguments:?}: {said}");
    }
}
