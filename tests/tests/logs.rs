//! Logs, from outside: files that are rotated while the monitor is in its sandbox, hostile lines, what a proxy says, and real servers.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, chown},
    path::Path,
    process::Command,
};

use nettop_tests::{
    monitor::Monitor,
    net::Net,
    nginx, program, skip,
    sshd::Sshd,
    visits::{follows, of, wait_for},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Group adm of Debian, and a user that is not root.
const ADM: u32 = 4;
const WWW_DATA: u32 = 33;
const NOW: &str = "[06/Feb/2009:12:14:14 +0100]";

fn requests(visits: &Value, ip: &str) -> u64 {
    of(visits, ip)["requests"].as_u64().unwrap_or_default()
}

fn reasons(row: &Value) -> Vec<String> {
    let reasons = row["reasons"].as_array().cloned().unwrap_or_default();
    let mut kinds: Vec<_> =
        reasons.iter().map(|reason| reason["kind"].as_str().unwrap_or_default().to_string()).collect();
    kinds.sort_unstable();
    kinds
}

fn get(ip: &str, path: &str) -> String {
    format!("{ip} - - {NOW} \"GET {path} HTTP/1.1\" 200 10 \"-\" \"curl\"\n")
}

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).expect("opening a log");
    file.write_all(text.as_bytes()).expect("writing to a log");
}

/// A log as Debian's nginx has it: for group adm, and closed to others, also to a root without capabilities.
fn closed(path: &Path) {
    append(path, "");
    chown(path, Some(WWW_DATA), Some(ADM)).expect("giving it to www-data");
    fs::set_permissions(path, fs::Permissions::from_mode(0o640)).expect("closing it");
}

/// A folder of logs that others may enter.
fn folder() -> TempDir {
    program::public_directory()
}

#[test]
fn a_log_is_followed_through_rotation_in_the_sandbox() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), folder());
    let path = folder.path().join("access.log");
    closed(&path);
    append(&path, &get("203.0.113.1", "/before"));
    let log =
        format!("--iface in0 --no-access-log --access-log-backfill 0 --access-log {}/*.log", folder.path().display());
    let monitor = Monitor::live(&net.receiver, &log);
    wait_for(&monitor, "followed", |visits| follows(visits, 1));
    append(&path, &get("203.0.113.7", "/").repeat(400));
    wait_for(&monitor, "400", |visits| requests(visits, "203.0.113.7") == 400);

    // As logrotate does it by default.
    fs::rename(&path, folder.path().join("access.log.1")).expect("renaming the log");
    append(&folder.path().join("access.log.1"), &get("203.0.113.7", "/").repeat(37));
    closed(&path);
    append(&path, &get("203.0.113.7", "/").repeat(563));
    let all = wait_for(&monitor, "1,000", |visits| requests(visits, "203.0.113.7") == 1000);
    assert_eq!(of(&all, "203.0.113.1"), Value::Null, "what was there before the start");

    // With copytruncate; then it is longer than before.
    fs::copy(&path, folder.path().join("access.log.2")).expect("copying the log");
    let longer = get("203.0.113.8", "/a/longer/path").repeat(700);
    fs::write(&path, &longer).expect("cutting the log");
    wait_for(&monitor, "700 more", |visits| requests(visits, "203.0.113.8") == 700);

    // A further site, and half a line.
    append(&folder.path().join("site.log"), &get("203.0.113.9", "/")[..30]);
    append(&folder.path().join("site.log"), &get("203.0.113.9", "/")[30..]);
    let all = wait_for(&monitor, "a further file", |visits| requests(visits, "203.0.113.9") == 1);
    assert_eq!((&all["accounting"]["lines"], &all["accounting"]["lost_bytes"]), (&json!(1701), &json!(0)), "{all:#}");
    let ended = monitor.stop();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn logrotate_loses_nothing() {
    if !skip::privileged() {
        return;
    }
    if Command::new("logrotate").arg("--version").output().is_err() {
        return skip::report("there is no `logrotate`; on Debian: apt-get install logrotate");
    }
    let (net, folder) = (Net::new(1), folder());
    // logrotate refuses folders that anybody can write to.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("closing the folder");
    let path = folder.path().join("access.log");
    append(&path, "");
    let log = format!("--iface in0 --no-access-log --access-log {}", path.display());
    let monitor = Monitor::live(&net.receiver, &log);
    wait_for(&monitor, "followed", |visits| follows(visits, 1));
    let mut written = 0;
    for (round, how) in ["create", "copytruncate", "create\ncompress", "copytruncate\ncompress"].into_iter().enumerate()
    {
        append(&path, &get("203.0.113.7", &format!("/{round}")).repeat(100 + 10 * round));
        written += 100 + 10 * round as u64;
        // What copytruncate cuts off before anybody has read it is lost, whoever reads.
        wait_for(&monitor, "read", |visits| requests(visits, "203.0.113.7") == written);
        let conf = folder.path().join("logrotate.conf");
        fs::write(&conf, format!("{} {{\nrotate 9\n{how}\n}}\n", path.display())).expect("writing a configuration");
        let state = folder.path().join("state");
        let ended = program::run(Command::new("logrotate").arg("-f").arg("-s").arg(&state).arg(&conf));
        assert!(ended.status.success(), "{ended:?}");
    }
    append(&path, &get("203.0.113.7", "/last"));
    let all = wait_for(&monitor, "the last", |visits| requests(visits, "203.0.113.7") == written + 1);
    assert_eq!(all["accounting"]["lines"], json!(written + 1));
}

#[test]
fn whose_a_request_is_and_what_hostile_lines_come_to() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), folder());
    let [proxied, auth] = ["proxied.log", "auth.log"].map(|name| folder.path().join(name));
    fs::write(&proxied, "").expect("a log");
    fs::write(&auth, "").expect("a log");
    let mut command = net.receiver.command(program::path("nettop"));
    let format =
        r#"$remote_addr [$time_local] "$http_x_forwarded_for" "$request" $status $body_bytes_sent "$http_user_agent""#;
    command.args(["run", "--iface", "in0", "--interval", "0.1", "--map-memory", "8", "--no-access-log"]);
    command.args(["--trusted-proxy", "10.0.0.0/8", "--auth-log"]).arg(&auth);
    command.arg("--access-log").arg(format!("{}={format}", proxied.display()));
    let monitor = Monitor::start(command, &folder.path().join("socket"));
    wait_for(&monitor, "followed", |visits| follows(visits, 2));
    let line = |peer: &str, forwarded: &str, agent: &str| {
        format!("{peer} {NOW} \"{forwarded}\" \"GET /\\x1b[2J HTTP/1.1\" 404 1 \"{agent}\"\n")
    };
    append(&proxied, &line("10.0.0.9", "6.6.6.6, 203.0.113.7, 10.0.0.8", "\\x1b]0;owned\\x07"));
    append(&proxied, &line("198.51.100.1", "6.6.6.6", "\u{202e}x"));
    append(&proxied, &line("::ffff:198.51.100.2", "", "x"));
    append(
        &auth,
        "Feb  6 11:14:14 host sshd[7]: Failed password for invalid user x from 198.51.100.7 port 1 ssh2: y from 203.0.113.9 port 40000 ssh2\n",
    );
    append(&auth, "Feb  6 11:14:14 host sshd[7]: Failed password for \u{1b}[2J from 203.0.113.10 port 40000 ssh2\n");
    let all = wait_for(&monitor, "read", |visits| visits["accounting"]["lines"] == 5);
    let accounting = &all["accounting"];
    assert_eq!((&accounting["attributed"], &accounting["ambiguous"]), (&json!(4), &json!(1)), "{all:#}");
    let mut found: Vec<_> =
        all["rows"].as_array().expect("rows").iter().map(|row| row["ip"].as_str().expect("an address")).collect();
    found.sort_unstable();
    assert_eq!(found, ["198.51.100.1", "198.51.100.2", "203.0.113.10", "203.0.113.7"]);
    assert_eq!(of(&all, "203.0.113.7")["peers"], json!(["10.0.0.9"]));
    // None of them sent a packet, but who knows: it has just begun.
    assert_eq!(of(&all, "203.0.113.7")["seen"], "unknown");
    let shown = program::run_with(
        "nettopctl",
        &["--control-socket", &monitor.socket().display().to_string(), "snapshot", "--groups", "visits,log"],
    );
    assert!(shown.status.success() && !shown.stdout.bytes().any(|byte| byte == 0x1b || byte == 7), "{shown:?}");
}

#[test]
fn what_cannot_be_read_is_named_with_the_remedy() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), folder());
    let bad = program::run(net.receiver.command(program::path("nettop")).args([
        "run",
        "--iface",
        "in0",
        "--access-log",
        "/x/*=combimed",
    ]));
    bad.expect_one_line("--access-log /x/*=combimed: \"combimed\" is no format: there are auto, combined");
    let missing = folder.path().join("missing.log");
    let monitor =
        Monitor::live(&net.receiver, &format!("--iface in0 --no-access-log --access-log {}", missing.display()));
    let snapshot = monitor.wait_until("a badge", |snapshot| {
        snapshot["degraded"].as_array().is_some_and(|rows| rows.iter().any(|row| row["badge"] == "logs"))
    });
    assert!(
        snapshot["degraded"].to_string().contains("missing.log: there is no such file yet"),
        "{}",
        snapshot["degraded"]
    );
    append(&missing, &get("203.0.113.7", "/"));
    wait_for(&monitor, "the file that came later", |visits| requests(visits, "203.0.113.7") == 1);
}

/// A net with addresses at both ends.
fn addressed() -> Net {
    let net = Net::new(1);
    for (namespace, interface, address) in [(&net.sender, "out0", "192.0.2.7"), (&net.receiver, "in0", "192.0.2.1")] {
        namespace.ip("link set dev lo up");
        namespace.ip(&format!("link set dev {interface} arp on"));
        namespace.ip(&format!("address add {address}/24 dev {interface}"));
    }
    net
}

#[test]
fn a_scanner_against_nginx_is_seen_by_its_packets_and_its_requests() {
    if !skip::privileged() || !nginx::is_there() {
        return;
    }
    let (net, folder) = (addressed(), folder());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let locations = "location /there { return 200 'here'; } location / { return 404; }";
    let _server = nginx::start(&net.receiver, folder.path(), locations);
    let monitor =
        Monitor::live(&net.receiver, &format!("--iface in0 --no-access-log --access-log {}", at("access.log")));
    wait_for(&monitor, "followed", |visits| follows(visits, 1));
    let curl = |path: &str| {
        let mut command = net.sender.command("curl");
        command.args(["-s", "-o", "/dev/null", "--path-as-is", "-A", "curl/8", &format!("http://192.0.2.1{path}")]);
        assert!(program::run(&mut command).status.success(), "{path}");
    };
    curl("/there");
    let quiet = wait_for(&monitor, "one request", |visits| requests(visits, "192.0.2.7") == 1);
    assert_eq!(reasons(&of(&quiet, "192.0.2.7")), Vec::<String>::new());
    for path in ["/wp-login.php", "/phpmyadmin/", "/actuator/env", "/..%252f..%252f..%252fetc/passwd", "/.env"] {
        curl(path);
    }
    // Rules look at them at the end of the second.
    let is_judged = |row: &Value| row["requests"] == 6 && reasons(row).len() > 1;
    let found = wait_for(&monitor, "six requests, and what they mean", |visits| is_judged(&of(visits, "192.0.2.7")));
    let row = of(&found, "192.0.2.7");
    assert_eq!(reasons(&row), ["exploit-path", "probe-path"]);
    assert_eq!((&row["seen"], &row["statuses"]), (&json!("yes"), &json!([0, 0, 1, 0, 5, 0])), "{row:#}");
    // The kernel has counted what the log claims: at least a SYN, an ACK, a request and a FIN for each.
    assert!(row["packets"].as_u64().is_some_and(|packets| packets >= 24), "{row:#}");
    let alerts = monitor.wait_until("alerts", |snapshot| {
        let kinds: Vec<_> = snapshot["alerts"].as_array().into_iter().flatten().map(|alert| &alert["kind"]).collect();
        kinds.contains(&&json!("exploit-path")) && kinds.contains(&&json!("probe-path"))
    });
    assert!(alerts["alerts"].to_string().contains("exploit by 192.0.2.7"), "{}", alerts["alerts"]);
}

#[test]
fn a_brute_force_against_sshd_is_seen() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (addressed(), folder());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("closing the folder");
    let Some(server) = Sshd::start(&net, folder.path(), [192, 0, 2, 1].into()) else {
        return skip::report("there is no `sshd` or no `ssh`; on Debian: apt-get install openssh-server");
    };
    let monitor =
        Monitor::live(&net.receiver, &format!("--iface in0 --no-access-log --auth-log {}", server.log().display()));
    wait_for(&monitor, "followed", |visits| follows(visits, 1));
    for user in ["a", "b", "c", "d", "e", "f", "x from 198.51.100.7 port 1 ssh2"] {
        server.refuses(&net.sender, user);
    }
    let found = wait_for(&monitor, "seven failures", |visits| of(visits, "192.0.2.7")["failures"].as_u64() >= Some(7));
    let row = of(&found, "192.0.2.7");
    let kinds = reasons(&row);
    assert!(kinds.contains(&"ssh-brute-force".into()) && kinds.contains(&"ssh-users".into()), "{row:#}");
    assert_eq!((&row["seen"], of(&found, "198.51.100.7")), (&json!("yes"), Value::Null), "{found:#}");
}
