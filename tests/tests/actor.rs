//! Firewalls and hooks, which a process beside the monitor runs: what it does, what it refuses, and that it leaves nothing behind.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use nettop_tests::{
    blocking::{blocks, settled, wait_until},
    monitor::Monitor,
    net::{Namespace, Net},
    program, skip,
};
use serde_json::{Value, json};

fn live(namespace: &Namespace, options: &str) -> Monitor {
    let monitor = Monitor::live(namespace, &format!("--iface in0 {options}"));
    settled(&monitor);
    monitor
}

/// What a command in the namespace prints.
fn printed(namespace: &Namespace, line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = namespace.command(words.next().expect("a program")).args(words).output().expect("starting it");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The processes that a monitor has started.
fn actors(monitor: &Monitor) -> Vec<u32> {
    let children = fs::read_dir("/proc").expect("processes").flatten().filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let status = fs::read_to_string(entry.path().join("status")).ok()?;
        let is_child = status.lines().any(|line| line == format!("PPid:\t{}", monitor.pid()));
        is_child.then_some(pid)
    });
    children.collect()
}

fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

#[test]
fn nftables_blocks_in_a_table_of_its_own_and_the_user_s_stays_as_it_is() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules");
    fs::write(&rules, "table inet mine {\n set s { type ipv4_addr; elements = { 192.0.2.1 }; }\n chain c {\n type filter hook input priority 0;\n ip saddr @s drop;\n }\n}\n")
        .expect("writing rules");
    let loaded = net.receiver.command("nft").arg("-f").arg(&rules).status().expect("starting nft");
    assert!(loaded.success());
    let mine = || printed(&net.receiver, "nft list table inet mine");
    let before = mine();
    let ours = || printed(&net.receiver, "nft list table inet nettop");
    let monitor = live(&net.receiver, "--block-with nft");
    assert!(ours().contains("No such file"), "nothing is made before somebody asks");
    let ask = |text: &str, seconds: u64| {
        monitor.request(&json!({"cmd": "block", "net": text, "seconds": seconds, "confirm": text}))
    };
    for (text, seconds, set) in [
        ("203.0.113.5", 600, "v4"),
        ("2001:db8::5", 600, "v6"),
        // Neighbours keep a time each.
        ("10.0.0.0/25", 60, "nets4"),
        ("10.0.0.128/25", 600, "nets4"),
        ("2001:db8:1::/48", 600, "nets6"),
    ] {
        let answer = ask(text, seconds);
        assert_eq!((&answer["ok"], &answer["block"]["with"]), (&true.into(), &"nft".into()), "{answer}");
        let listed = printed(&net.receiver, &format!("nft list set inet nettop {set}"));
        assert!(listed.contains(text), "{listed}");
        assert_eq!(mine(), before);
    }
    let listed = printed(&net.receiver, "nft list set inet nettop nets4");
    assert!(listed.contains("timeout 1m ") && listed.contains("timeout 10m "), "{listed}");
    // Again: it is renewed, for the time that is asked now.
    assert_eq!(ask("203.0.113.5", 1200)["ok"], true);
    assert!(ours().contains("203.0.113.5 counter packets 0 bytes 0 timeout 20m"), "{}", ours());
    let answer =
        monitor.request(&json!({"cmd": "block", "net": "203.0.113.5", "with": "xdp", "confirm": "203.0.113.5"}));
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("is blocked by nft already")), "{answer}");
    // An overlap is an error of nft's, which is told, and nothing changes.
    let answer = ask("10.0.0.0/24", 600);
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("is not blocked: nft: ")), "{answer}");
    assert_eq!(blocks(&monitor)["rows"].as_array().map(Vec::len), Some(5));
    let answer =
        monitor.request(&json!({"cmd": "block", "net": "203.0.113.9", "with": "ufw", "confirm": "203.0.113.9"}));
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("--block-with ufw")), "{answer}");
    // Guards go for all ways.
    let answer = monitor.request(&json!({"cmd": "block", "net": "127.0.0.1"}));
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("(loopback)")), "{answer}");
    assert_eq!(monitor.command(&json!({"cmd": "unblock", "net": "2001:db8::5"}))["unblocked"]["with"], "nft");
    assert!(!ours().contains("2001:db8::5"));

    // It outlives the monitor, and the next one knows it.
    let pids = actors(&monitor);
    assert_eq!(pids.len(), 1);
    monitor.signal(libc::SIGKILL);
    let began = Instant::now();
    wait_until("the end of the actor", || !pids.iter().any(|pid| is_alive(*pid)));
    assert!(began.elapsed() < Duration::from_secs(2));
    drop(monitor);
    let monitor = live(&net.receiver, "--block-with nft");
    wait_until("what an earlier run has blocked", || blocks(&monitor)["rows"].as_array().map(Vec::len) == Some(4));
    assert_eq!(monitor.command(&json!({"cmd": "unblock", "net": "203.0.113.5"}))["ok"], true);
    assert_eq!(mine(), before);
}

#[test]
fn what_does_not_end_by_itself_ends_with_the_monitor() {
    if !skip::privileged() {
        return;
    }
    if !Path::new("/usr/sbin/iptables").exists() {
        return skip::report("there is no iptables; on Debian: apt-get install iptables");
    }
    let net = Net::new(1);
    let rules = || printed(&net.receiver, "iptables -w -S INPUT");
    let before = rules();
    let ask = |monitor: &Monitor, text: &str, seconds: u64| {
        monitor.request(&json!({"cmd": "block", "net": text, "seconds": seconds, "confirm": text}))
    };
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        let monitor = live(&net.receiver, "--block-with iptables");
        assert_eq!(ask(&monitor, "203.0.113.5", 600)["ok"], true);
        assert_eq!(ask(&monitor, "203.0.113.5", 600)["ok"], true, "again: it is there once");
        assert_eq!(rules().matches("203.0.113.5/32").count(), 1, "{}", rules());
        assert_eq!(ask(&monitor, "203.0.113.6", 10)["ok"], true);
        wait_until("the end of its time", || !rules().contains("203.0.113.6"));
        wait_until("one block", || blocks(&monitor)["rows"].as_array().map(Vec::len) == Some(1));
        monitor.signal(signal);
        wait_until("nothing left", || rules() == before);
    }
}

/// A script, and a configuration file whose hook `h` runs it.
fn hook(folder: &Path, script: &str, argv: &str, more: &str) -> PathBuf {
    let path = folder.join("hook.sh");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("writing a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("changing its mode");
    let config = folder.join("config.toml");
    let text = format!("[[hooks]]\nkey = \"h\"\nlabel = \"a hook\"\nargv = [{path:?}{argv}]\n{more}\n");
    fs::write(&config, text).expect("writing a configuration");
    config
}

#[test]
fn hooks_get_what_they_are_run_on_as_whole_arguments_and_have_no_privilege() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let folder = tempfile::tempdir().expect("a folder");
    let script = "for it; do echo \"<$it>\"; done; grep -E 'Cap(Inh|Prm|Eff|Amb)|NoNewPrivs' /proc/self/status; ls -l /proc/self/fd; \
                  cat; env | grep -c -E 'SUDO|HOME'";
    let config = hook(folder.path(), script, ", \"{ip}\", \"{port}\", \"{mac}\", \"{text}\", \"-x\"", "");
    let monitor = live(&net.receiver, &format!("--config {}", config.display()));
    let snapshot = monitor.request(&json!({"cmd": "snapshot", "schema": 2, "groups": ["monitor"]}));
    assert!(!snapshot.to_string().contains("hook.sh"), "arguments may hold secrets: {snapshot}");
    let run = |more: Value| {
        let mut request = json!({"cmd": "hook", "key": "h"});
        for (key, value) in more.as_object().expect("an object") {
            request[key] = value.clone();
        }
        monitor.request(&request)
    };
    let hostile = "$(id); `id`\u{1b}[2J\n\u{202e}{ip} ' \" \\";
    let answer = run(json!({"ip": "::ffff:203.0.113.5", "port": 443, "mac": "02:00:00:00:00:0a", "text": hostile}));
    let output = answer["output"].as_str().expect("what it printed");
    assert!(
        output.starts_with(&format!("<::ffff:203.0.113.5>\n<443>\n<02:00:00:00:00:0a>\n<{hostile}>\n<-x>\n")),
        "{output}"
    );
    for name in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert!(output.contains(&format!("{name}:\t0000000000000000")), "{output}");
    }
    assert!(output.contains("NoNewPrivs:\t1"), "{output}");
    // Standard input is empty; none of our maps and sockets is open, and nothing of our environment is there.
    assert!(
        !output.contains("bpf")
            && !output.contains("socket:")
            && output.ends_with(
                "
0
"
            ),
        "{output}"
    );
    for (wrong, part) in [
        (json!({"ip": "203.0.113.5", "port": 443, "mac": "02:00:00:00:00:0a"}), "wants {text}"),
        (json!({"ip": "203.0.113.5; id", "port": 443, "mac": "02:00:00:00:00:0a", "text": "x"}), "IP address"),
        (json!({"ip": "203.0.113.5", "port": 443, "mac": "02:00:00:00:00:0a; id", "text": "x"}), "is not known here"),
        (
            json!({"ip": "203.0.113.5", "port": 443, "mac": "02:00:00:00:00:0a", "text": "--output=/etc/x"}),
            "begins with -",
        ),
        (json!({"key": "z"}), "no hook z"),
    ] {
        let answer = run(wrong.clone());
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(answer["ok"] == false && error.contains(part), "{wrong}: {answer}");
    }
    // Who may only look runs nothing.
    let ended = monitor.stop();
    assert!(ended.status.success());
}

#[test]
fn a_hook_that_does_not_end_is_killed_with_all_that_it_started() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let folder = tempfile::tempdir().expect("a folder");
    let script = "sleep 71.5 & (sleep 71.5 &) ; head -c 1000000 /dev/zero | tr '\\0' x; sleep 71.5";
    let config = hook(folder.path(), script, "", "timeout = 1");
    let monitor = live(&net.receiver, &format!("--config {}", config.display()));
    let answer = monitor.request(&json!({"cmd": "hook", "key": "h"}));
    assert!(
        answer["error"].as_str().is_some_and(|error| error.starts_with("it was killed after 1.")),
        "{}",
        answer["error"]
    );
    assert_eq!(answer["output"].as_str().map(str::len), Some(65_536));
    assert_eq!(answer["cut"], 1_000_000 - 65_536);
    let running = || {
        let lines = fs::read_dir("/proc").expect("processes").flatten();
        let lines = lines.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
        lines.filter(|line| line.contains("71.5")).count()
    };
    wait_until("nothing of it left", || running() == 0);
    let ctl = |arguments: &[&str]| {
        let mut command = Command::new(program::path("nettopctl"));
        let output =
            command.arg("--control-socket").arg(monitor.socket()).args(arguments).output().expect("starting it");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (success, text) = ctl(&["hook", "h"]);
    assert!(!success && text.contains("it was killed after"), "{text}");
    let (success, text) = ctl(&["hooks"]);
    assert!(success && text.contains("\"a hook\""), "{text}");

    // The actor dies: that is told, and counting goes on.
    for pid in actors(&monitor) {
        // SAFETY: plain integers.
        unsafe { libc::kill(pid as i32, libc::SIGKILL) };
    }
    let answer = monitor.request(&json!({"cmd": "hook", "key": "h"}));
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("is lost")), "{answer}");
    monitor.wait_until("the badge", |snapshot| snapshot["degraded"].to_string().contains("ACTOR LOST"));
}

#[test]
fn an_alert_runs_a_hook_once_in_its_time() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let script = format!("echo \"$1 $2 $3\" >> {}", log.display());
    let config = hook(folder.path(), &script, ", \"{rule}\", \"{ip}\", \"{text}\"", "on = \"always\"\nevery = 3600");
    let text = fs::read_to_string(&config).expect("the configuration");
    fs::write(&config, format!("{text}\n[[rules]]\nname = \"always\"\nwhen = \"pps>5\"\nfor = 1\n"))
        .expect("writing it");
    let monitor = live(&net.receiver, &format!("--config {}", config.display()));
    let sender = nettop_tests::send::Sender::new(&net.sender, "out0");
    use nettop_tests::frames::{Spec, Transport};
    let until = Instant::now() + Duration::from_secs(6);
    while Instant::now() < until {
        for last in [5, 6] {
            let source = [203, 0, 113, last].into();
            let spec = Spec::between(source, [198, 51, 100, 2].into(), Transport::Udp(9, 9));
            sender.send(&spec.frame(), 20);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let snapshot = monitor.snapshot();
    let ran = fs::read_to_string(&log).unwrap_or_default();
    assert_eq!(ran.lines().count(), 1, "{ran}: {}", snapshot["alerts"]);
    assert!(ran.starts_with("always 203.0.113."), "{ran}");
}
