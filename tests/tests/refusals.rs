//! A start that cannot succeed says why, and what to do; one that can succeed in less does so.

use std::{
    io,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use nettop_tests::{
    group::Group,
    monitor::Monitor,
    net::{Namespace, Net},
    program::{self, NOBODY, run},
    skip,
};
use tempfile::TempDir;

fn monitor_command(namespace: &Namespace, folder: &TempDir, options: &[&str]) -> Command {
    let mut command = namespace.command(program::path("nettop"));
    command.args(["run", "--quiet", "--no-geo", "--iface", "in0", "--control-socket"]).arg(folder.path().join("s"));
    command.args(options);
    command
}

/// Sets a limit of the process that the command becomes.
fn limit(command: &mut Command, resource: libc::__rlimit_resource_t, most: u64) -> &mut Command {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: between fork and exec, one system call with plain integers; nothing is allocated.
    unsafe {
        command.pre_exec(move || match libc::setrlimit(resource, &raw const limit) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        })
    }
}

#[test]
fn root_of_a_user_namespace_is_told_that_it_is_one() {
    if !skip::privileged() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let inside = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net"]).arg(program::path("nettop")).args(arguments);
        command.env("XDG_RUNTIME_DIR", folder.path()).env_remove("SUDO_UID").env_remove("SUDO_GID");
        command
    };
    if !Command::new("unshare")
        .args(["--user", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|ended| ended.success())
    {
        return skip::report("the kernel makes no user namespaces");
    }
    let ended = run(&mut inside(&["run", "--quiet", "--iface", "lo"]));
    for part in ["user namespace", "rootless", "sudo"] {
        ended.expect_one_line(part);
    }
    // No library repeats itself.
    assert!(ended.stderr.matches("SOURCES").count() <= 1, "{ended:?}");
    let doctor = run(&mut inside(&["doctor"]));
    let line = doctor.stdout.lines().find(|line| line.contains("capabilities: ")).expect("a line of that");
    assert!(line.starts_with("--") && line.contains("user namespace"), "{line}");
    assert!(!doctor.stdout.contains("run with sudo\n"), "root is not told to become root: {doctor:?}");
}

#[test]
fn too_few_descriptors_are_named() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    // From what the loader of programs needs on, until there are enough.
    for (refused, descriptors) in (4..160).step_by(3).enumerate() {
        let mut command = monitor_command(&net.receiver, &folder, &["--map-memory", "1", "--interval", "0.1"]);
        command.arg("--no-config");
        limit(&mut command, libc::RLIMIT_NOFILE, descriptors).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.stdin(Stdio::null()).spawn().expect("starting it");
        // One that has started has threads, though perhaps no descriptor for a client.
        let threads = PathBuf::from(format!("/proc/{}/task", child.id()));
        let ended = program::wait_for(|| {
            if threads.read_dir().is_ok_and(|threads| threads.count() > 4) {
                // SAFETY: plain integers; the child has not been waited for.
                unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
            }
            child.try_wait().expect("asking about a child")
        });
        let output = child.wait_with_output().expect("its output");
        let errors = String::from_utf8_lossy(&output.stderr);
        if ended.expect("it ends").code().is_none_or(|code| code == 0) {
            assert!(refused > 5, "only {refused} were refused");
            return;
        }
        assert!(errors.contains("RLIMIT_NOFILE") && errors.lines().count() == 1, "{descriptors}: {errors}");
    }
    panic!("it never starts");
}

#[test]
fn too_few_queues_of_a_veth_are_named_with_the_remedy() {
    if !skip::privileged() {
        return;
    }
    let namespace = Namespace::new();
    for (at, (peer, own, native)) in
        [((4, 4), (1, 1), false), ((4, 1), (1, 2), false), ((1, 1), (4, 4), true)].into_iter().enumerate()
    {
        let queues = |(send, receive): (u32, u32)| format!("numtxqueues {send} numrxqueues {receive}");
        namespace.ip(&format!("link add peer{at} {} type veth peer name own{at} {}", queues(peer), queues(own)));
        namespace.ip(&format!("link set peer{at} up"));
        namespace.ip(&format!("link set own{at} up"));
        let monitor = Monitor::live(&namespace, &format!("--iface own{at}"));
        let row = monitor.snapshot()["interfaces"][0].take();
        let note = row["note"].as_str().expect("text");
        assert_eq!(row["mode"], if native { "native" } else { "generic" }, "{row}");
        if !native {
            let remedy = format!("ethtool -L own{at} rx");
            assert!(note.contains("receive queues") && note.contains(&remedy), "{note}");
        }
        assert_eq!(monitor.stop().status.code(), Some(0));
    }
}

#[test]
fn little_memory_means_small_tables_or_a_refusal_and_never_a_kill() {
    if !skip::privileged() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let (mut started, mut refused) = (0, 0);
    for mebibytes in [16, 32, 48, 64, 512] {
        let group = match Group::with_memory(mebibytes) {
            Ok(group) => group,
            Err(why) => return skip::report(&why),
        };
        let net = Net::new(1);
        let mut command = monitor_command(&net.receiver, &folder, &["--interval", "0.1"]);
        command.arg("--no-config").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = group.hold(&mut command).spawn().expect("starting it");
        let socket = folder.path().join("s");
        let mut answer = None;
        let ended = program::wait_for(|| {
            if answer.is_none() && socket.exists() {
                answer = nettop_tests::monitor::ask(&socket, &serde_json::json!({"cmd": "snapshot"})).ok();
                let _ = nettop_tests::monitor::ask(&socket, &serde_json::json!({"cmd": "stop"}));
            }
            child.try_wait().expect("asking about a child")
        });
        let output = child.wait_with_output().expect("its output");
        let errors = String::from_utf8_lossy(&output.stderr);
        match ended.expect("it ends").code() {
            Some(0) => {
                started += 1;
                let degraded = answer.expect("a snapshot")["snapshot"]["degraded"].take().to_string();
                assert_eq!(degraded.contains("tables are smaller"), mebibytes < 100, "{mebibytes}: {degraded}");
            }
            Some(_) => {
                refused += 1;
                assert!(errors.contains("nettop-test-") && errors.contains("--map-memory"), "{mebibytes}: {errors}");
            }
            None => panic!("killed with {mebibytes} MiB: {errors}"),
        }
        let mut doctor = net.receiver.command(program::path("nettop"));
        let doctor = run(group.hold(doctor.arg("doctor").env("XDG_RUNTIME_DIR", folder.path())));
        let line = doctor.stdout.lines().find(|line| line.contains("memory: ")).expect("a line of that");
        assert!(line.contains(&format!("{mebibytes} MiB by ")) && !line.contains("sudo"), "{line}");
    }
    assert!(started >= 2 && refused >= 1, "{started} started, {refused} refused");
}

#[test]
fn who_called_sudo_but_cannot_be_become_is_no_reason_to_stay_root() {
    if !skip::privileged() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let nobody = NOBODY.to_string();
    let demo = |uid: Option<&str>, gid: Option<&str>, user: Option<&str>| {
        let mut command = Command::new(program::path("nettop"));
        command.args(["demo", "--interval", "0.1"]);
        for (name, value) in [("SUDO_UID", uid), ("SUDO_GID", gid), ("SUDO_USER", user)] {
            command.env_remove(name).envs(value.map(|value| (name, value)));
        }
        command
    };
    for (uid, gid, user, part) in [
        (Some("10x"), Some(nobody.as_str()), None, "SUDO_UID"),
        (Some("4294967295"), Some(nobody.as_str()), None, "SUDO_UID"),
        (None, Some(nobody.as_str()), Some("nobody"), "SUDO_UID is missing"),
        (Some(nobody.as_str()), None, Some("nobody"), "SUDO_GID is missing"),
        (Some(nobody.as_str()), Some("-1"), Some("nobody"), "SUDO_GID"),
        (Some("3999999999"), Some("3999999999"), None, "no user"),
        (Some(nobody.as_str()), Some(nobody.as_str()), Some("no such user"), "no such user"),
        (Some(nobody.as_str()), Some(nobody.as_str()), Some("root"), "has the number 0"),
    ] {
        let mut command = demo(uid, gid, user);
        let ended = run(command.arg("--quiet").arg("--control-socket").arg(folder.path().join("s")));
        for part in [part, "--no-sandbox"] {
            ended.expect_one_line(part);
        }
        assert!(!folder.path().join("s").exists(), "nothing was opened");
        let mut command = demo(uid, gid, user);
        command.arg("--no-sandbox");
        let monitor = Monitor::start(command, &folder.path().join("s"));
        assert_eq!(monitor.stop().status.code(), Some(0), "{part}");
    }
}

#[test]
fn where_the_kernel_refuses_another_user_nobody_stays_root() {
    if !skip::privileged() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    // Neither capability for it is left.
    for capability in ["-setuid", "-setgid"] {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", capability]).arg(program::path("nettop"));
        command.args(["demo", "--quiet", "--control-socket"]).arg(folder.path().join("s"));
        command.env("SUDO_UID", NOBODY.to_string()).env("SUDO_GID", NOBODY.to_string()).env("SUDO_USER", "nobody");
        let ended = run(&mut command);
        ended.expect_one_line("becoming user 65534");
        ended.expect_one_line("--no-sandbox");
    }
}
