//! The journal, from outside: journald runs in no test, so journalctl reads files that systemd-journal-remote writes, or is a script; and logs that are
//! closed to whom the monitor becomes, which a process beside it opens.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use nettop_tests::{
    monitor::Monitor,
    net::Net,
    program, skip,
    visits::{follows, of, wait_for},
};
use serde_json::Value;

const REMOTE: &str = "/lib/systemd/systemd-journal-remote";
const NOBODY: u32 = 65_534;

fn failures(visits: &Value, ip: &str) -> u64 {
    of(visits, ip)["failures"].as_u64().unwrap_or_default()
}

fn failed(ip: &str) -> String {
    format!("Failed password for root from {ip} port 22 ssh2")
}

/// The badge that says what logs cannot be followed.
fn trouble(monitor: &Monitor, part: &str) {
    monitor.wait_until(part, |snapshot| {
        let rows = snapshot["degraded"].as_array().cloned().unwrap_or_default();
        rows.iter().any(|row| row["badge"] == "logs" && row["reason"].as_str().is_some_and(|why| why.contains(part)))
    });
}

/// `nettop run` with file systems of its own: `mounts` is done before, by a shell.
fn start(net: &Net, folder: &Path, mounts: &str, arguments: &[&str]) -> Monitor {
    let mut command = net.receiver.command("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c"]);
    command.arg(format!("set -e; {mounts}; exec \"$@\"")).arg("sh").arg(program::path("nettop"));
    command.args(["run", "--iface", "in0", "--interval", "0.1", "--map-memory", "8", "--no-access-log"]);
    command.args(arguments);
    Monitor::start(command, &folder.join("socket"))
}

/// A journal that is written to. Ended when dropped.
struct Journal {
    remote: Child,
    input: Option<ChildStdin>,
    machine: String,
    boot: String,
}

impl Journal {
    fn new(folder: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).expect("a number").trim().replace('-', "");
        let (machine, boot) = (read("/etc/machine-id"), read("/proc/sys/kernel/random/boot_id"));
        fs::create_dir_all(folder.join(&machine)).expect("a folder");
        let file = folder.join(&machine).join("system.journal");
        let mut remote = Command::new(REMOTE);
        remote.arg("-o").arg(&file).arg("-").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut remote = remote.spawn().expect("starting systemd-journal-remote");
        let input = remote.stdin.take();
        Self { remote, input, machine, boot }
    }

    fn write(&mut self, uid: u32, command: &str, message: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_micros();
        let Self { input, machine, boot, .. } = self;
        let entry = format!(
            "__REALTIME_TIMESTAMP={now}\n__MONOTONIC_TIMESTAMP={now}\n_BOOT_ID={boot}\n_MACHINE_ID={machine}\n_UID={uid}\n_COMM={command}\n_PID=77\n\
             SYSLOG_IDENTIFIER=sshd\nMESSAGE={message}\n\n"
        );
        input.as_mut().expect("a pipe").write_all(entry.as_bytes()).expect("writing an entry");
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.input.take());
        // It ends by itself, at the end of its input.
        let _ = self.remote.wait();
    }
}

/// The processes called so whose parent's parent is the monitor.
fn grandchildren(monitor: &Monitor, name: &str) -> Vec<u32> {
    let parent = |pid: u32| -> Option<u32> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:\t")?.parse().ok())
    };
    let all = fs::read_dir("/proc").expect("processes").flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_meant = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
            && parent(*pid).and_then(parent) == Some(monitor.pid())
    };
    all.filter(is_meant).collect()
}

#[test]
fn the_journal_is_followed_and_only_root_s_sshd_is_believed() {
    if !skip::privileged() {
        return;
    }
    if !Path::new(REMOTE).exists() || Command::new("journalctl").arg("--version").output().is_err() {
        return skip::report(
            "there is no `journalctl` or no `systemd-journal-remote`; on Debian: apt-get install systemd-journal-remote",
        );
    }
    let (net, folder) = (Net::new(1), program::public_directory());
    let files = folder.path().join("journal");
    let auth = folder.path().join("auth.log");
    fs::write(&auth, "").expect("a log");
    let mut journal = Journal::new(&files);
    journal.write(0, "sshd", &failed("203.0.113.1"));
    let mounts = format!(
        "mkdir -p /var/log/journal; mount --bind {} /var/log/journal; touch /var/log/auth.log; mount --bind {} /var/log/auth.log",
        files.display(),
        auth.display()
    );
    // The usual files are followed, too: what the journal has told is not counted again.
    let mut command = net.receiver.command("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c"]);
    command.arg(format!("set -e; {mounts}; exec \"$@\"")).arg("sh").arg(program::path("nettop"));
    command.args(["run", "--iface", "in0", "--interval", "0.1", "--map-memory", "8", "--journal"]);
    let monitor = Monitor::start(command, &folder.path().join("socket"));
    program::wait_for(|| (grandchildren(&monitor, "journalctl").len() == 1).then_some(())).expect("it is followed");
    journal.write(0, "sshd-session", &failed("203.0.113.7"));
    journal.write(1000, "sshd", &failed("203.0.113.8"));
    journal.write(0, "logger", &failed("203.0.113.8"));
    journal.write(0, "sshd", &format!("Failed password for \u{1b}[2J from {} port 22 ssh2", "203.0.113.9"));
    let mut log = fs::OpenOptions::new().append(true).open(&auth).expect("opening a log");
    writeln!(log, "Feb  6 11:14:14 host sshd[77]: {}", failed("203.0.113.7")).expect("writing to a log");
    let all = wait_for(&monitor, "read", |visits| {
        failures(visits, "203.0.113.9") == 1 && visits["accounting"]["no_address"] == 1
    });
    let of = |ip| failures(&all, ip);
    assert_eq!([of("203.0.113.1"), of("203.0.113.7"), of("203.0.113.8")], [0, 1, 0], "{all:#}");
    assert!(all["files"].to_string().contains(r#""format":"journal""#), "{}", all["files"]);

    // It is killed: the next one goes on after the last entry that was told, whatever came in between.
    let before = grandchildren(&monitor, "journalctl");
    before.iter().for_each(|pid| {
        // SAFETY: plain integers; the process is a child of the actor, which this test has started.
        unsafe { libc::kill(*pid as i32, libc::SIGKILL) };
    });
    journal.write(0, "sshd", &failed("203.0.113.10"));
    trouble(&monitor, "it is started again");
    wait_for(&monitor, "what came in between", |visits| failures(visits, "203.0.113.10") == 1);
    journal.write(0, "sshd", &failed("203.0.113.10"));
    let all = wait_for(&monitor, "what came later", |visits| failures(visits, "203.0.113.10") == 2);
    assert_eq!(failures(&all, "203.0.113.7"), 1, "told once");
    let again = grandchildren(&monitor, "journalctl");
    assert!(again.len() == 1 && again != before);
    assert!(!monitor.snapshot()["degraded"].to_string().contains("journal"), "{}", monitor.snapshot()["degraded"]);
    monitor.signal(libc::SIGKILL);
    let is_alive = |pid: &u32| PathBuf::from(format!("/proc/{pid}")).exists();
    program::wait_for(|| (!again.iter().any(is_alive)).then_some(())).expect("nothing is left behind");
}

#[test]
fn a_journal_that_cannot_be_had_is_named_with_the_remedy() {
    if !skip::privileged() {
        return;
    }
    if !Path::new("/usr/bin/journalctl").exists() {
        return skip::report("there is no `/usr/bin/journalctl`, in whose place a script is mounted");
    }
    for (script, part) in [
        ("exit 0", "member of group systemd-journal"),
        ("echo 'it is broken' >&2; exit 3", "it is broken"),
        ("echo '{\"__CURSOR\":\"a\\nb\"}'; echo '!forged'; exit 1", "exit status: 1"),
    ] {
        let (net, folder) = (Net::new(1), program::public_directory());
        let path = folder.path().join("journalctl");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        let mounts = format!("mount --bind {} /usr/bin/journalctl", path.display());
        let monitor = start(&net, folder.path(), &mounts, &["--journal"]);
        trouble(&monitor, part);
        assert!(!monitor.snapshot()["degraded"].to_string().contains("journal: forged"));
    }
}

#[test]
fn what_is_closed_to_the_monitor_is_opened_for_it_after_a_rotation() {
    if !skip::privileged() {
        return;
    }
    // Red Hat's: files of root's alone in a folder that others may enter, or in one that is root's alone.
    for folder_mode in [0o755, 0o700] {
        let (net, folder) = (Net::new(1), program::public_directory());
        let logs = folder.path().join("logs");
        fs::create_dir(&logs).expect("a folder");
        fs::set_permissions(&logs, fs::Permissions::from_mode(folder_mode)).expect("its mode");
        let closed = |name: &str| {
            let path = logs.join(name);
            fs::write(&path, "").expect("a log");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("closing it");
            path
        };
        let line = |ip: &str| format!("Feb  6 11:14:14 host sshd[7]: {}\n", failed(ip));
        let append = |path: &Path, text: &str| {
            let mut file = fs::OpenOptions::new().append(true).open(path).expect("opening a log");
            file.write_all(text.as_bytes()).expect("writing to a log");
        };
        let secret = folder.path().join("secret");
        fs::write(&secret, line("203.0.113.66")).expect("a secret");
        let path = closed("secure");
        let sites = format!("{}/*.log", logs.display());
        let home = folder.path().join("of-nobody");
        fs::create_dir(&home).expect("a folder");
        chown(&home, Some(NOBODY), Some(NOBODY)).expect("giving it to nobody");
        let mut command = net.receiver.command(program::path("nettop"));
        command.args(["run", "--iface", "in0", "--interval", "0.1", "--map-memory", "8", "--no-access-log"]);
        command.arg("--auth-log").arg(&path).arg("--auth-log").arg(&sites);
        command.env("SUDO_UID", NOBODY.to_string()).env("SUDO_GID", NOBODY.to_string()).env("SUDO_USER", "nobody");
        let monitor = Monitor::start(command, &home.join("socket"));
        append(&path, &line("203.0.113.1"));
        wait_for(&monitor, "followed", |visits| failures(visits, "203.0.113.1") == 1);
        fs::rename(&path, logs.join("secure.1")).expect("renaming the log");
        append(&logs.join("secure.1"), &line("203.0.113.2"));
        append(&closed("secure"), &line("203.0.113.3"));
        append(&closed("new.log"), &line("203.0.113.4"));
        std::os::unix::fs::symlink(&secret, logs.join("link.log")).expect("a link");
        let all = wait_for(&monitor, "opened", |visits| {
            ["203.0.113.2", "203.0.113.3", "203.0.113.4"].iter().all(|ip| failures(visits, ip) == 1)
        });
        assert_eq!(failures(&all, "203.0.113.66"), 0, "a link was followed");
        assert!(!monitor.snapshot()["degraded"].to_string().contains("secure"), "{}", monitor.snapshot()["degraded"]);
    }
}

#[test]
fn without_one_who_opens_it_is_said() {
    if !skip::privileged() {
        return;
    }
    // The user who called sudo may not read it, and nobody asked for it by a name: what is usual is no reason to keep rights.
    let (net, folder) = (Net::new(1), program::public_directory());
    let log = folder.path().join("secure");
    fs::write(&log, "").expect("a log");
    fs::set_permissions(&log, fs::Permissions::from_mode(0o600)).expect("closing it");
    let logs = folder.path().join("var");
    fs::create_dir(&logs).expect("a folder");
    fs::rename(&log, logs.join("secure")).expect("moving it");
    let home = folder.path().join("of-nobody");
    fs::create_dir(&home).expect("a folder");
    chown(&home, Some(NOBODY), Some(NOBODY)).expect("giving it to nobody");
    let mut command = net.receiver.command("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c"]);
    command.arg(format!("set -e; mount --bind {} /var/log; exec \"$@\"", logs.display()));
    command.arg("sh").arg(program::path("nettop"));
    command.args(["run", "--iface", "in0", "--interval", "0.1", "--map-memory", "8"]);
    command.env("SUDO_UID", NOBODY.to_string()).env("SUDO_GID", NOBODY.to_string()).env("SUDO_USER", "nobody");
    let monitor = Monitor::start(command, &home.join("socket"));
    wait_for(&monitor, "followed", |visits| follows(visits, 1));
    fs::rename(logs.join("secure"), logs.join("secure.1")).expect("renaming the log");
    fs::write(logs.join("secure"), "").expect("a log");
    fs::set_permissions(logs.join("secure"), fs::Permissions::from_mode(0o600)).expect("closing it");
    trouble(&monitor, "name it with --access-log or --auth-log");
}
