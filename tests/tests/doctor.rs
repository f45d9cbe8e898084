//! `nettop doctor` is right: where it says that the monitor starts, it starts, and where it says that it does not, it does
//! not.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use nettop_tests::{
    monitor::Monitor,
    net::{Namespace, Net},
    program::{self, Ended, PublicCopy, as_nobody, public_directory, run},
    skip,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// `nettop doctor`, for a monitor whose default socket is in `folder`.
fn doctor(namespace: &Namespace, folder: &Path, options: &[&str]) -> Command {
    command(namespace, &program::path("nettop"), folder, options)
}

fn command(namespace: &Namespace, program: &Path, folder: &Path, options: &[&str]) -> Command {
    let mut command = namespace.command(program);
    command.arg("doctor").args(options).env("XDG_RUNTIME_DIR", folder);
    command
}

/// The line of a check.
#[track_caller]
fn line<'a>(ended: &'a Ended, name: &str) -> &'a str {
    let found =
        ended.stdout.lines().find(|line| line.get(4..).is_some_and(|rest| rest.starts_with(&format!("{name}: "))));
    found.unwrap_or_else(|| panic!("no line of {name}: {ended:?}"))
}

#[track_caller]
fn expect(ended: &Ended, name: &str, sign: &str, part: &str) {
    let line = line(ended, name);
    assert!(line.starts_with(sign) && line.contains(part), "{sign} {part}: {line}");
}

#[test]
fn a_healthy_machine_is_called_so_and_the_monitor_starts() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    let ended = run(&mut doctor(&net.receiver, folder.path(), &[]));
    for (name, part) in [
        ("version", "Linux"),
        ("capabilities", "user 0"),
        ("load", "accepts"),
        ("interface", "in0 is up"),
        ("other XDP", "none"),
        ("socket", "is free"),
        ("XDP blocks", "room for "),
        ("firewalls", "could be run here: "),
        ("actor", "none is started"),
        ("kept blocks", "none"),
    ] {
        expect(&ended, name, "OK", part);
    }
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(net.receiver.xdp_program("in0"), None, "nothing is attached");
    assert_eq!(folder.path().read_dir().expect("a folder").count(), 0, "nothing is left");

    let mut run = net.receiver.command(program::path("nettop"));
    run.args(["run", "--interval", "0.1"]);
    let monitor = Monitor::start(run, &folder.path().join("nettop.sock"));
    // Before Linux 6.3 it cannot know; then it says so.
    let native = monitor.snapshot()["interfaces"][0]["mode"] == "native";
    let told = line(&ended, "driver");
    assert!(told.starts_with("??") || told.starts_with("OK") == native, "native: {native}, {told}");
    let ended = program::run(&mut doctor(&net.receiver, folder.path(), &[]));
    expect(&ended, "other XDP", "--", "in0 has another XDP program");
    expect(&ended, "socket", "--", "a monitor runs already");
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(monitor.stop().status.code(), Some(0));
}

#[test]
fn without_an_interface_that_is_said() {
    if !skip::privileged() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let ended = run(&mut doctor(&Namespace::new(), folder.path(), &[]));
    expect(&ended, "interface", "--", "--iface");
    expect(&ended, "other XDP", "??", "no interface");
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn without_privilege_the_remedy_is_the_one_command() {
    if !skip::privileged() {
        return;
    }
    let (net, nettop, folder) = (Net::new(1), PublicCopy::of("nettop"), public_directory());
    let ended = run(as_nobody(&mut command(&net.receiver, &nettop.path(), folder.path(), &[])));
    let remedy = format!("; sudo setcap cap_bpf,cap_net_admin,cap_perfmon=ep {}", nettop.path().display());
    for capability in ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"] {
        expect(&ended, "capabilities", "--", capability);
    }
    assert!(line(&ended, "capabilities").ends_with(&remedy), "{ended:?}");
    expect(&ended, "load", "--", "CAP_BPF");
    // What is fine is not blamed.
    for name in ["version", "interface", "socket", "other XDP"] {
        expect(&ended, name, "OK", "");
    }
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stdout.trim_end().ends_with("capabilities, load; `nettop demo` needs none of this"), "{ended:?}");
}

#[test]
fn what_is_configured_of_blocks_is_tried() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    let state = folder.path().join("state");
    fs::create_dir(&state).expect("a folder");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).expect("its owner's");
    let block = |net: &str, with: &str| {
        json!({"block": {"net": net, "with": with, "since_ns": 1, "until_ns": 4_000_000_000_000_000_000_u64}})
            .to_string()
    };
    let over = json!({"block": {"net": "203.0.113.9", "with": "nft", "since_ns": 1, "until_ns": 2}}).to_string();
    let lines = [block("203.0.113.5", "xdp"), block("203.0.113.6", "nft"), over].join("\n");
    fs::write(state.join("blocks.jsonl"), lines + "\n").expect("what is kept");
    let state = state.display().to_string();
    let told = |variables: &[(&str, &str)]| {
        let mut command = doctor(&net.receiver, folder.path(), &[]);
        // The tests' own variable keeps files away, not these.
        command.envs(variables.iter().copied());
        run(&mut command)
    };
    let kept = ("NETTOP_STATE", &*state);
    for (variables, name, sign, part) in [
        (&[("NETTOP_WITHOUT", "blocks")][..], "XDP blocks", "OK", "--without blocks"),
        (&[("NETTOP_BLOCK_WITH", "none")], "XDP blocks", "OK", "forbids all of it"),
        (&[("NETTOP_BLOCK_WITH", "xdp")], "XDP blocks", "OK", "blocks by xdp"),
        (&[("NETTOP_BLOCK_WITH", "nft")], "actor", "OK", "starts, and runs nft"),
        (
            &[kept],
            "kept blocks",
            "--",
            "1 of 2 are of a firewall that would not be run, such as 203.0.113.6 of nft; start nettop with --block-with nft",
        ),
        (
            &[kept, ("NETTOP_BLOCK_WITH", "nft")],
            "kept blocks",
            "--",
            "2 are not over, and would not be made again; start nettop with --block-restore",
        ),
        (
            &[kept, ("NETTOP_BLOCK_WITH", "nft"), ("NETTOP_BLOCK_RESTORE", "true")],
            "kept blocks",
            "OK",
            "2 will be made again",
        ),
    ] {
        expect(&told(variables), name, sign, part);
    }
    if !Path::new("/usr/sbin/ufw").exists() {
        let ended = told(&[("NETTOP_BLOCK_WITH", "ufw")]);
        expect(&ended, "actor", "--", "there is no ufw in ");
        expect(&ended, "firewalls", "--", "choose another with --block-with");
        assert_eq!(ended.status.code(), Some(0), "the monitor starts all the same");
    }
}

#[test]
fn json_says_the_same() {
    let (nettop, folder) = (PublicCopy::of("nettop"), public_directory());
    let mut command = Command::new(nettop.path());
    command.args(["doctor", "--json"]).env("XDG_RUNTIME_DIR", folder.path());
    let ended = run(as_nobody(&mut command));
    let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&answer["ok"], ended.status.code()), (&Value::Bool(false), Some(1)));
    let checks = answer["checks"].as_array().expect("a list");
    assert!(checks.len() > 15);
    for check in checks {
        for key in ["group", "name", "about", "found"] {
            assert!(check[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {check}");
        }
        let state = check["state"].as_str().expect("text");
        assert!(["ok", "missing", "unknown"].contains(&state), "{check}");
        assert_eq!(check["remedy"].is_string(), state == "missing", "{check}");
    }
    let prevents = |check: &&Value| check["needed"] == true && check["state"] == "missing";
    let names: Vec<_> = checks.iter().filter(prevents).filter_map(|check| check["name"].as_str()).collect();
    assert!(names.contains(&"capabilities") && names.contains(&"load"), "{names:?}");
}
