//! Whatever is wrong, the user gets one line that says what, on what, and what to do; never a panic.

use std::{os::unix::fs::PermissionsExt as _, process::Command};

use nettop_tests::{
    net::{Namespace, Net},
    program::{self, PublicCopy, as_nobody, public_directory, run, run_with},
    skip,
};
use tempfile::TempDir;

#[test]
fn wrong_options_are_named() {
    for (arguments, part) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["run", "--nonsense"], "--nonsense"),
        (&["dance"], "dance"),
        (&["run", "--port", "70000"], "70000"),
        (&["run", "--port", "90-80"], "90-80"),
        (&["run", "--dst", "999.1.1.1"], "999.1.1.1"),
        (&["run", "--src", "10.0.0.0/40"], "10.0.0.0/40"),
        (&["run", "--proto", "tcpp"], "tcpp"),
        (&["run", "--interval", "0"], "0.1 to 3600"),
        (&["run", "--interval", "NaN"], "0.1 to 3600"),
        (&["run", "--top", "many"], "many"),
        (&["run", "--top", "0"], "1..=500"),
        (&["demo", "--top", "-1"], "1..=500"),
        (&["run", "--max-sources", "0"], "from 1 on"),
        (&["run", "--map-memory", "0"], "--map-memory"),
        (&["run", "--max-events", "-1"], "-1"),
        (&["run", "--control-socket", "tcp://192.0.2.1:5"], "loopback"),
        (&["run", "--control-socket", ""], "path"),
        (&["demo", "--seed", "x"], "--seed"),
        (&["demo", "--iface", "eth0"], "--iface"),
        (&["ctl", "dance"], "dance"),
        (&["ctl", "top"], "<COUNT>"),
        (&["ctl", "top", "x"], "'x'"),
    ] {
        let ended = run_with("nettop", arguments);
        ended.expect_one_line(part);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
    run_with("nettopctl", &["dance"]).expect_one_line("dance");
}

#[test]
fn a_newline_in_an_argument_does_not_break_the_line() {
    for arguments in [["run", "--dst", "a\nb"], ["run", "--proto", "a\rb\x1b[31m"], ["run", "--nonsense\nx", "y"]] {
        let ended = run_with("nettop", &arguments);
        ended.expect_one_line("nettop: ");
        assert!(!ended.stderr.trim_end().contains(char::is_control), "{:?}", ended.stderr);
    }
}

#[test]
fn a_socket_path_that_cannot_be_is_named() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("file");
    std::fs::write(&file, "precious").expect("a file");
    let long = directory.path().join("x".repeat(200));
    for (path, part) in [
        (file.as_path(), "not a socket"),
        (directory.path(), "not a socket"),
        ("/nonexistent/nettop.sock".as_ref(), "/nonexistent/nettop.sock"),
        (long.as_path(), "xxx"),
    ] {
        let path = path.display().to_string();
        let ended = run_with("nettop", &["demo", "--quiet", "--control-socket", &path]);
        ended.expect_one_line(part);
        ended.expect_one_line("--control-socket");
        ended.expect_one_line(&path);
    }
    assert_eq!(std::fs::read_to_string(&file).expect("still there"), "precious");
}

#[test]
fn a_log_that_cannot_be_opened_is_named() {
    let directory = TempDir::new().expect("a directory");
    let socket = directory.path().join("s").display().to_string();
    let ended =
        run_with("nettop", &["run", "--quiet", "--control-socket", &socket, "--log", "/nonexistent/nettop.log"]);
    ended.expect_one_line("/nonexistent/nettop.log");
    assert!(!directory.path().join("s").exists(), "its socket is removed");
}

#[test]
fn an_unknown_interface_is_answered_with_those_that_exist() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(2);
    let directory = TempDir::new().expect("a directory");
    for name in ["nosuch", "in2", "a-name-that-is-longer-than-the-kernel-allows", "in0 ", "in0\n", "ïn0"] {
        let mut command = net.receiver.command(program::path("nettop"));
        command.args(["run", "--quiet", "--iface", name, "--map-memory", "1", "--control-socket"]);
        let ended = run(command.arg(directory.path().join("s")));
        for known in ["in0", "in1", "lo"] {
            ended.expect_one_line(known);
        }
        ended.expect_one_line("no such interface");
    }
    assert_eq!(net.receiver.xdp_program("in0"), None);
}

#[test]
fn without_any_usable_interface_that_is_said() {
    if !skip::privileged() {
        return;
    }
    let namespace = Namespace::new();
    let directory = TempDir::new().expect("a directory");
    let mut command = namespace.command(program::path("nettop"));
    command.args(["run", "--quiet", "--map-memory", "1", "--control-socket"]).arg(directory.path().join("s"));
    let ended = run(&mut command);
    ended.expect_one_line("no interface is up");
    ended.expect_one_line("--iface");
}

#[test]
fn without_privilege_the_remedy_is_named() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let (program, directory) = (PublicCopy::of("nettop"), public_directory());
    let mut command = net.receiver.command(program.path());
    command.args(["run", "--quiet", "--iface", "in0", "--map-memory", "1", "--control-socket"]);
    let ended = run(as_nobody(command.arg(directory.path().join("s"))));
    ended.expect_one_line("CAP_BPF");
    ended.expect_one_line("CAP_NET_ADMIN");
    ended.expect_one_line("CAP_PERFMON");
    let remedy = format!("sudo setcap cap_bpf,cap_net_admin,cap_perfmon=ep {}", program.path().display());
    ended.expect_one_line(&remedy);
    assert!(!directory.path().join("s").exists(), "its socket is removed");
}

#[test]
fn the_remedy_that_is_named_is_one() {
    if !skip::privileged() {
        return;
    }
    let program = PublicCopy::of("nettop");
    let Ok(status) = Command::new("setcap").arg("cap_bpf,cap_net_admin,cap_perfmon=ep").arg(program.path()).status()
    else {
        return skip::report("there is no `setcap`; on Debian: apt-get install libcap2-bin");
    };
    if !status.success() {
        return skip::report("the file system of temporary files holds no capabilities");
    }
    let net = Net::new(1);
    let directory = public_directory();
    let mut command = net.receiver.command(program.path());
    command.args(["run", "--iface", "in0", "--map-memory", "1", "--interval", "0.1"]);
    as_nobody(&mut command);
    let monitor = nettop_tests::monitor::Monitor::start(command, &directory.path().join("s"));
    nettop_tests::send::Sender::new(&net.sender, "out0").send(&nettop_tests::frames::arp(), 3);
    monitor.wait_until_seen(3);
    assert_eq!(monitor.stop().status.code(), Some(0));
}

#[test]
fn a_socket_is_private_whatever_the_umask() {
    let monitor = nettop_tests::monitor::Monitor::demo("");
    let mode = std::fs::metadata(monitor.socket()).expect("its socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn help_and_version_are_on_standard_output() {
    for arguments in [&["--help"][..], &["run", "--help"], &["demo", "--help"], &["ctl", "--help"], &["--version"]] {
        let ended = run_with("nettop", arguments);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert_eq!(ended.stderr, "");
        assert!(ended.stdout.contains("nettop"), "{ended:?}");
    }
}
