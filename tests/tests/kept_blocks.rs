//! Blocks of an earlier run that firewalls had made: taken over, made again, or told of, whatever this run was started with.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use nettop_tests::{
    blocking::{blocks, ready, settled, wait_until},
    monitor::Monitor,
    net::{Namespace, Net},
    program, skip,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A state folder with these blocks, each for so many seconds from now on.
fn kept(folder: &TempDir, rows: &[(&str, &str, u64)]) -> PathBuf {
    let state = folder.path().join("state");
    fs::create_dir(&state).expect("a folder");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).expect("its owner's");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64;
    let line = |(net, with, seconds): &(&str, &str, u64)| {
        let until_ns = now + seconds * 1_000_000_000;
        json!({"block": {"net": net, "with": with, "why": "a test", "by": "user 7", "since_ns": now, "until_ns": until_ns}})
    };
    let lines: Vec<_> = rows.iter().map(|row| line(row).to_string()).collect();
    fs::write(state.join("blocks.jsonl"), lines.join("\n") + "\n").expect("what is kept");
    state
}

fn nets(rows: &Value) -> Vec<&str> {
    let mut all: Vec<_> = rows.as_array().expect("rows").iter().filter_map(|row| row["net"].as_str()).collect();
    all.sort_unstable();
    all
}

/// What a command in the namespace prints.
fn printed(namespace: &Namespace, line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = namespace.command(words.next().expect("a program")).args(words).output().expect("starting it");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn badge<'a>(snapshot: &'a Value, name: &str) -> Option<&'a Value> {
    snapshot["degraded"].as_array().expect("a list").iter().find(|row| row["badge"] == name)
}

#[test]
fn those_of_a_firewall_that_is_not_run_are_told_until_their_time_is_over() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    let rows = [
        ("203.0.113.5", "ufw", 600),
        ("203.0.113.6", "nft", 600),
        ("203.0.113.7", "ufw", 6),
        ("203.0.113.8", "xdp", 600),
    ];
    let state = kept(&folder, &rows);
    let monitor = ready(&net, &format!("--block-restore --state {}", state.display()));
    wait_until("the block of the XDP program", || nets(&blocks(&monitor)["rows"]) == ["203.0.113.8"]);
    let snapshot = monitor.snapshot();
    let ufw = badge(&snapshot, "blocks of ufw").expect("a badge");
    assert!(ufw["remedy"].as_str().is_some_and(|remedy| remedy.contains("--block-with ufw")), "{ufw}");
    let nft = badge(&snapshot, "blocks of nft").expect("another badge");
    assert!(nft["what"].as_str().is_some_and(|what| what.contains("may still be in nft")), "{nft}");
    let all = blocks(&monitor);
    assert!(all["unmanaged"].as_array().expect("rows").iter().all(|row| row["unmanaged"] == true), "{all}");
    let answer = monitor.request(&json!({"cmd": "unblock", "net": "203.0.113.5"}));
    let error = answer["error"].as_str().unwrap_or_default();
    assert!(error.contains("--block-with ufw") && error.contains("ufw delete deny from 203.0.113.5"), "{answer}");
    wait_until("the end of one of them", || nets(&blocks(&monitor)["unmanaged"]) == ["203.0.113.5", "203.0.113.6"]);
    drop(monitor.stop());
    // The next start knows them, too.
    let text = fs::read_to_string(state.join("blocks.jsonl")).expect("what is kept");
    assert!(text.contains("203.0.113.5") && text.contains("203.0.113.6") && !text.contains("203.0.113.7"), "{text}");
    // Rules of ufw have gone with the monitor that made them: without being asked to, nobody makes them again.
    let monitor = ready(&net, &format!("--state {}", state.display()));
    wait_until("what nft may still block", || nets(&blocks(&monitor)["unmanaged"]) == ["203.0.113.6"]);
    assert!(badge(&monitor.snapshot(), "blocks of ufw").is_none());
    assert_eq!(blocks(&monitor)["rows"], json!([]));
}

#[test]
fn those_of_a_firewall_that_tells_nothing_are_made_again() {
    if !skip::privileged() {
        return;
    }
    if !Path::new("/usr/sbin/iptables").exists() {
        return skip::report("there is no iptables; on Debian: apt-get install iptables");
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    let state = kept(&folder, &[("203.0.113.5", "iptables", 600), ("203.0.113.8", "xdp", 600)]);
    let options = format!("--iface in0 --block-with iptables --block-restore --state {}", state.display());
    let monitor = Monitor::live(&net.receiver, &options);
    settled(&monitor);
    wait_until("both blocks", || nets(&blocks(&monitor)["rows"]) == ["203.0.113.5", "203.0.113.8"]);
    let rules = || printed(&net.receiver, "iptables -w -S INPUT");
    assert!(rules().contains("203.0.113.5/32"), "{}", rules());
    assert_eq!(blocks(&monitor)["unmanaged"], json!([]));
    drop(monitor.stop());
    wait_until("nothing left", || !rules().contains("203.0.113.5"));
}

#[test]
fn what_nftables_blocks_is_taken_over_as_soon_as_it_can_be_told() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), program::public_directory());
    let made = printed(
        &net.receiver,
        "nft add table inet nettop; add set inet nettop v4 { type ipv4_addr; flags timeout; counter; }; \
         add element inet nettop v4 { 203.0.113.5 timeout 600s }",
    );
    assert_eq!(made, "");
    // In front of the real one, for this process alone.
    let at = |name: &str| folder.path().join(name);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its owner's");
    fs::copy("/usr/sbin/nft", at("nft-itself")).expect("copying nft");
    let script = format!(
        "#!/bin/sh\n[ -e {} ] || {{ echo 'nft: cannot be asked now' >&2; exit 1; }}\nexec {} \"$@\"\n",
        at("works").display(),
        at("nft-itself").display()
    );
    fs::write(at("nft"), script).expect("a script");
    for name in ["nft", "nft-itself"] {
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o755)).expect("making it a program");
    }
    let mut command = net.receiver.command("unshare");
    let script = format!("mount --bind {} /usr/sbin/nft && exec \"$@\"", at("nft").display());
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(program::path("nettop"));
    command.args(["run", "--iface", "in0", "--interval", "0.1", "--map-memory", "8", "--no-access-log"]);
    command.args(["--block-with", "nft"]);
    let monitor = Monitor::start(command, &at("s"));
    let snapshot = monitor.wait_until("a badge", |snapshot| badge(snapshot, "nft unread").is_some());
    let row = badge(&snapshot, "nft unread").expect("just seen");
    assert!(row["reason"].as_str().is_some_and(|reason| reason.contains("cannot be asked now")), "{row}");
    assert_eq!(blocks(&monitor)["rows"], json!([]));
    fs::write(at("works"), "").expect("a file");
    wait_until("what is there", || nets(&blocks(&monitor)["rows"]) == ["203.0.113.5"]);
    assert!(badge(&monitor.snapshot(), "nft unread").is_none());
    assert_eq!(monitor.command(&json!({"cmd": "unblock", "net": "203.0.113.5"}))["ok"], true);
    assert!(!printed(&net.receiver, "nft list table inet nettop").contains("203.0.113.5"));
}
