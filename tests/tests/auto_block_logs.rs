//! Blocks that rules about lines of logs make: of whom a log names and whose packets come, and of nobody else.

use std::{
    fs::OpenOptions,
    io::Write as _,
    net::{Ipv4Addr, TcpStream},
    path::Path,
};

use nettop_tests::{
    audit,
    blocking::{blocks, settled, wait_until},
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    peers::{HOST, REMOTE, peers},
    program::{self, public_directory},
    send::Sender,
    skip,
    sshd::Sshd,
    visits::visits,
};
use serde_json::{Value, json};

const NOW: &str = "[06/Feb/2009:12:14:14 +0100]";

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("opening a log");
    file.write_all(text.as_bytes()).expect("writing to a log");
}

/// What the audit has about an address: result, guard and error.
fn audited(path: &Path, net: &str) -> Vec<[String; 3]> {
    let lines = audit::lines(path);
    let about =
        lines.iter().filter(|line| line["net"] == net && line["by"].as_str().is_some_and(|by| by.starts_with("rule ")));
    let word = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_string();
    about.map(|line| ["result", "guard", "error"].map(|field| word(line, field))).collect()
}

/// Sends some packets from an address.
fn is_seen(net: &Net, source: Ipv4Addr) {
    let spec = Spec::between(source.into(), HOST.into(), Transport::Udp(40_000, 53));
    Sender::new(&net.sender, "out0").send(&spec.frame(), 3);
}

fn watched(net: &Net, socket: &Path, arguments: &[&str]) -> Monitor {
    let mut command = net.receiver.command(program::path("nettop"));
    command
        .args(["run", "--iface", "in0", "--interval", "0.1", "--map-memory", "8", "--no-access-log"])
        .args(arguments);
    let monitor = Monitor::start(command, socket);
    settled(&monitor);
    wait_until("the log is followed", || visits(&monitor)["files"].get(0).is_some());
    monitor
}

fn failed(ip: &str) -> String {
    format!("Feb  6 11:14:14 host sshd[7]: Failed password for root from {ip} port 40000 ssh2\n")
}

#[test]
fn who_tries_passwords_at_sshd_is_blocked_and_whom_a_forged_line_names_is_not() {
    if !skip::privileged() {
        return;
    }
    for enforced in [false, true] {
        let (net, folder) = (peers(), public_directory());
        let Some(server) = Sshd::start(&net, folder.path(), HOST) else {
            return skip::report("there is no `sshd` or no `ssh`; on Debian: apt-get install openssh-server");
        };
        let (log, audit) = (server.log().display().to_string(), folder.path().join("audit"));
        let audit_path = audit.display().to_string();
        let mut arguments = vec!["--auth-log", &log, "--audit", &audit_path, "--auto-block", "ssh-brute-force"];
        arguments.extend(enforced.then_some("--auto-block-enforce"));
        let monitor = watched(&net, &folder.path().join("s"), &arguments);
        // Nobody at these addresses sends anything; and nobody knows whom the third kind of line is about.
        let ambiguous = "Feb  6 11:14:14 host sshd[7]: Failed password for invalid user x from 198.51.100.7 port 1 ssh2: y from 203.0.113.9 port 40000 ssh2\n";
        append(server.log(), &(failed("203.0.113.66").repeat(8) + &ambiguous.repeat(8)));
        // One that stays, as of somebody who tries many at once.
        let _connection = net.sender.run(|| TcpStream::connect((HOST, 22))).expect("a connection");
        let result = if enforced { "done" } else { "would" };
        let is_decided = || audited(&audit, "10.0.0.2").iter().any(|line| line[0] == result);
        for user in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            if !is_decided() {
                server.refuses(&net.sender, user);
            }
        }
        wait_until("what is decided", is_decided);
        let lines = audited(&audit, "10.0.0.2");
        assert_eq!(lines.len(), 1, "{lines:?}");

        let forged = audited(&audit, "203.0.113.66");
        assert_eq!(forged.len(), 1, "it is said once: {forged:?}");
        assert_eq!((&*forged[0][0], &*forged[0][1]), ("refused", "seen"), "{forged:?}");
        assert!(forged[0][2].contains("seen = "), "{forged:?}");
        for nobody in ["198.51.100.7", "203.0.113.9"] {
            assert_eq!(audited(&audit, nobody), Vec::<[String; 3]>::new(), "{nobody}");
        }
        let all = blocks(&monitor);
        let (made, would) = (&all["rows"], &all["automatic"]["would"]);
        let (list, other) = if enforced { (made, would) } else { (would, made) };
        assert_eq!((list.as_array().map(Vec::len), other), (Some(1), &json!([])), "{all}");
        let row = &list[0];
        assert_eq!((&row["net"], &row["by"]), (&"10.0.0.2".into(), &"rule ssh-brute-force".into()), "{row}");
        let why = row["why"].as_str().unwrap_or_default();
        assert!(why.contains("failed logins") && why.contains("seen = yes"), "{why}");
        let before = all["dropped"].as_u64().expect("a number");
        is_seen(&net, REMOTE);
        match enforced {
            true => {
                wait_until("what is dropped", || blocks(&monitor)["dropped"].as_u64() >= Some(before + 3));
                // Its last connection is still there; it is no reason to let it in again.
                let count = monitor.snapshot()["tick"]["count"].as_u64();
                let later = |snapshot: &Value| snapshot["tick"]["count"].as_u64() > count.map(|count| count + 30);
                monitor.wait_until("further ticks", later);
                assert_eq!(blocks(&monitor)["rows"].as_array().map(Vec::len), Some(1));
                // Unless it has got in.
                let accepted = failed("10.0.0.2").replace("Failed", "Accepted");
                append(server.log(), &accepted);
                wait_until("the end of that block", || blocks(&monitor)["rows"] == json!([]));
            }
            false => assert_eq!(blocks(&monitor)["dropped"], 0),
        }
        assert_eq!(blocks(&monitor)["holds"], true);
    }
}

#[test]
fn who_comes_through_a_trusted_proxy_is_not_blocked_though_its_packets_come_too() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (peers(), public_directory());
    let (log, audit) = (folder.path().join("proxied.log"), folder.path().join("audit"));
    append(&log, "");
    let format =
        r#"$remote_addr [$time_local] "$http_x_forwarded_for" "$request" $status $body_bytes_sent "$http_user_agent""#;
    let (audit_path, followed) = (audit.display().to_string(), format!("{}={format}", log.display()));
    let arguments = [
        "--access-log",
        &followed,
        "--audit",
        &audit_path,
        "--trusted-proxy",
        "10.0.0.8/29",
        "--auto-block",
        "exploit-path",
    ];
    let monitor = watched(&net, &folder.path().join("s"), &[&arguments[..], &["--auto-block-enforce"]].concat());
    let (behind, direct) = (Ipv4Addr::new(10, 0, 7, 7), Ipv4Addr::new(10, 0, 7, 8));
    is_seen(&net, behind);
    is_seen(&net, direct);
    let line =
        |peer: &str, forwarded: &str| format!("{peer} {NOW} \"{forwarded}\" \"GET /.env HTTP/1.1\" 404 1 \"x\"\n");
    append(&log, &(line("10.0.0.9", "10.0.7.7") + &line("10.0.7.8", "10.0.7.9")));
    wait_until("what is decided", || {
        !audited(&audit, "10.0.7.7").is_empty() && !audited(&audit, "10.0.7.8").is_empty()
    });
    let refused = audited(&audit, "10.0.7.7");
    assert_eq!((&*refused[0][0], &*refused[0][1]), ("refused", "trusted-proxy"), "{refused:?}");
    assert!(refused[0][2].contains("10.0.0.9"), "{refused:?}");
    assert_eq!(audited(&audit, "10.0.7.8")[0][0], "done");
    // What somebody who is no proxy says of others counts for nothing.
    assert_eq!(audited(&audit, "10.0.7.9"), Vec::<[String; 3]>::new());
    let all = blocks(&monitor);
    let rows: Vec<_> = all["rows"].as_array().expect("rows").iter().map(|row| &row["net"]).collect();
    assert_eq!(rows, ["10.0.7.8"], "{all}");
}

#[test]
fn many_at_once_are_blocked_though_their_alert_names_none_of_them() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (peers(), public_directory());
    let (log, audit) = (folder.path().join("auth.log"), folder.path().join("audit"));
    append(&log, "");
    let (log_path, audit_path) = (log.display().to_string(), audit.display().to_string());
    let arguments =
        ["--auth-log", &log_path, "--audit", &audit_path, "--auto-block", "ssh-brute-force", "--auto-block-enforce"];
    let monitor = watched(&net, &folder.path().join("s"), &arguments);
    let all: Vec<_> = (1..=6).map(|last| Ipv4Addr::new(10, 0, 7, last)).collect();
    all.iter().for_each(|source| is_seen(&net, *source));
    append(&log, &all.iter().map(|ip| failed(&ip.to_string()).repeat(8)).collect::<String>());
    wait_until("six blocks", || blocks(&monitor)["rows"].as_array().map(Vec::len) == Some(6));
    let snapshot = monitor.snapshot();
    let alerts = snapshot["alerts"].as_array().expect("a list");
    let shared = alerts.iter().any(|alert| alert["kind"] == "ssh-brute-force" && alert["source"].is_null());
    assert!(shared, "{}", snapshot["alerts"]);
    // Whoever is let go by hand is not blocked again for the same lines.
    monitor.command(&json!({"cmd": "unblock", "net": "10.0.7.1"}));
    let count = monitor.snapshot()["tick"]["count"].as_u64();
    monitor.wait_until("further ticks", |snapshot| snapshot["tick"]["count"].as_u64() > count.map(|count| count + 15));
    assert_eq!(blocks(&monitor)["rows"].as_array().map(Vec::len), Some(5));
}
