//! Guards on a real host: each refuses by name for what it finds there, and ends a block of what it finds later.

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nettop_tests::{
    blocking::{ask_block, blocks, ready, settled, wait_until},
    frames::{Spec, Transport},
    monitor::Monitor,
    net::{Namespace, Net},
    peers::{HOST, REMOTE, peers},
    program::{self, Ended, Killed, run, wait_for},
    send::Sender,
    skip,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Expects a guard to refuse, and to yield to who types the address once more.
#[track_caller]
fn expect_refused(monitor: &Monitor, net: &str, guard: &str) {
    let mut answer = Value::Null;
    wait_until("the guard", || {
        answer = ask_block(monitor, net, 600);
        monitor.request(&json!({"cmd": "unblock", "net": net}));
        answer["ok"] == false
    });
    let error = answer["error"].as_str().unwrap_or_default();
    assert!(error.contains(&format!("({guard})")), "{net}: {answer}");
    assert_eq!(blocks(monitor)["rows"], json!([]), "{net}");
    let confirmed = monitor.request(&json!({"cmd": "block", "net": net, "confirm": net}));
    assert_eq!(confirmed["ok"], true, "{net}: {confirmed}");
    monitor.command(&json!({"cmd": "unblock", "net": net}));
}

/// The real sshd, at this port of the host; `None`: there is none on this machine.
fn sshd(net: &Net, folder: &Path, port: u16) -> Option<Killed> {
    let (program, key) = ("/usr/sbin/sshd", folder.join("key"));
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).stdout(Stdio::null());
    if !Path::new(program).exists() || !keygen.status().is_ok_and(|status| status.success()) {
        return None;
    }
    let mut command = net.receiver.command("unshare");
    // Its folder of privilege separation is made where nobody else sees it.
    let script = "mount -t tmpfs none /run && mkdir -m 0755 /run/sshd && exec \"$@\"";
    command.args(["--mount", "sh", "-c", script, "sh", program, "-D", "-e", "-f", "/dev/null"]);
    command.args(["-p", &port.to_string(), "-o", "PidFile=none", "-h"]).arg(&key);
    let child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starting sshd");
    let listens = || net.sender.run(|| TcpStream::connect((HOST, port))).ok();
    wait_for(listens).expect("sshd listens");
    Some(Killed(child))
}

#[test]
fn who_is_connected_to_sshd_is_not_blocked_whatever_its_port() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (peers(), TempDir::new().expect("a folder"));
    let Some(_sshd) = sshd(&net, folder.path(), 2_222) else {
        return skip::report("there is no sshd; on Debian: apt-get install openssh-server");
    };
    let monitor = ready(&net, "");
    let address = REMOTE.to_string();
    assert_eq!(ask_block(&monitor, &address, 600)["ok"], true, "nobody is connected yet");
    monitor.command(&json!({"cmd": "unblock", "net": address}));
    let connection = net.sender.run(|| TcpStream::connect((HOST, 2_222))).expect("a connection");
    expect_refused(&monitor, &address, "ssh");
    expect_refused(&monitor, "10.0.0.2/31", "ssh");
    drop(connection);
}

#[test]
fn who_logs_in_while_blocked_is_blocked_no_more() {
    if !skip::privileged() {
        return;
    }
    let net = peers();
    let listener = net.receiver.run(|| TcpListener::bind((HOST, 22)).expect("a listening socket"));
    let monitor = ready(&net, "");
    let connection = net.sender.run(|| TcpStream::connect((HOST, 22))).expect("a connection");
    let _server = listener.accept().expect("the other end");
    // Before the next look, which is every ten seconds while nothing is blocked, it may go through.
    let answer = ask_block(&monitor, &REMOTE.to_string(), 600);
    assert!(answer["ok"] == true || answer["error"].as_str().is_some_and(|error| error.contains("(ssh)")), "{answer}");
    wait_until("the end of that block", || blocks(&monitor)["rows"] == json!([]));
    expect_refused(&monitor, &REMOTE.to_string(), "ssh");
    drop(connection);
}

#[test]
fn name_servers_are_not_blocked() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (peers(), TempDir::new().expect("a folder"));
    let resolvers = folder.path().join("resolv.conf");
    fs::write(&resolvers, "nameserver 203.0.113.53\nnameserver 2001:db8::53\n").expect("a file");
    // Over the machine's own file, for this process alone.
    let mut command = net.receiver.command("unshare");
    let script = format!("mount --bind {} /etc/resolv.conf && exec \"$@\"", resolvers.display());
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(program::path("nettop"));
    command.args(["run", "--iface", "in0", "--interval", "0.1", "--map-memory", "8", "--block-with", "xdp"]);
    let monitor = Monitor::start(command, &folder.path().join("s"));
    settled(&monitor);
    for net in ["203.0.113.53", "203.0.113.0/24", "2001:db8::53"] {
        expect_refused(&monitor, net, "resolver");
    }
}

#[test]
fn networks_of_many_are_not_blocked() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (peers(), TempDir::new().expect("a folder"));
    let places = folder.path().join("places.csv");
    let text = "cidr,country_code,country,city,asn,org\n198.51.100.0/24,US,,,13335,Cloudflare\n203.0.113.0/24,US,,,64500,Others\n";
    fs::write(&places, text).expect("a table of places");
    let monitor = ready(&net, &format!("--location-db {}", places.display()));
    expect_refused(&monitor, "198.51.100.9", "cdn");
    expect_refused(&monitor, "198.51.100.128/25", "cdn");
    assert_eq!(ask_block(&monitor, "203.0.113.9", 600)["ok"], true);
}

/// A monitor that is controlled over TCP at every address of the host, and its token.
struct OverTcp {
    _monitor: Killed,
    token: PathBuf,
}

impl OverTcp {
    fn start(net: &Net, folder: &Path) -> Self {
        net.receiver.ip("link set dev lo up");
        let token = folder.join("token");
        fs::write(&token, "correct horse battery staple\n").expect("a token");
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).expect("keeping it");
        let mut command = net.receiver.command(program::path("nettop"));
        command.args(["run", "--quiet", "--iface", "in0", "--interval", "0.1", "--map-memory", "8", "--no-access-log"]);
        command.args(["--block-with", "xdp", "--control-socket", "tcp://0.0.0.0:4711", "--control-tcp-anywhere"]);
        command.arg("--control-token").arg(&token).stdin(Stdio::null()).stdout(Stdio::null());
        let started = Self { _monitor: Killed(program::spawn(&mut command)), token };
        wait_until("an answer", || started.ctl(&net.receiver, "127.0.0.1", "status").status.success());
        started
    }

    /// `nettopctl` with these arguments, from a namespace.
    fn ctl(&self, from: &Namespace, host: &str, arguments: &str) -> Ended {
        let mut command = from.command(program::path("nettopctl"));
        command.args(["--control-socket", &format!("tcp://{host}:4711"), "--control-token"]).arg(&self.token);
        run(command.args(arguments.split(' ')))
    }
}

#[test]
fn who_looks_at_the_monitor_is_not_blocked() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (peers(), TempDir::new().expect("a folder"));
    let monitor = OverTcp::start(&net, folder.path());
    let ctl = |arguments: &str| monitor.ctl(&net.receiver, "127.0.0.1", arguments);
    let mut looking = net.sender.run(|| TcpStream::connect((HOST, 4_711))).expect("a connection");
    let subscribe = json!({"cmd": "subscribe", "token": "correct horse battery staple"});
    looking.write_all(format!("{subscribe}\n").as_bytes()).expect("a request");
    wait_until("the guard", || {
        let ended = ctl(&format!("block {REMOTE}"));
        ctl(&format!("unblock {REMOTE}"));
        ended.stdout.contains("(control)")
    });
    assert!(ctl("block 10.0.0.2/31").stdout.contains("(control)"));
    assert!(ctl(&format!("block {REMOTE} --confirm {REMOTE}")).status.success());
}

#[test]
fn who_asks_over_tcp_and_is_gone_again_does_not_block_itself() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (peers(), TempDir::new().expect("a folder"));
    let monitor = OverTcp::start(&net, folder.path());
    let host = HOST.to_string();
    wait_until("what must not be blocked is known", || {
        monitor.ctl(&net.sender, &host, "block 203.0.113.9").stdout.contains("\"block\"")
    });
    // Each of them connects, asks and is gone.
    for arguments in ["block 10.0.0.2", "block 10.0.0.2/31", "block ::ffff:10.0.0.2 --with xdp"] {
        let ended = monitor.ctl(&net.sender, &host, arguments);
        assert!(!ended.status.success() && ended.stdout.contains("(control)"), "{arguments}: {ended:?}");
    }
    let printed = monitor.ctl(&net.sender, &host, "block 10.0.0.2 --with print");
    assert!(printed.stdout.contains("where you ask this monitor from"), "{printed:?}");
    // Somebody else may ask for that.
    wait_until("its connections are over", || {
        monitor.ctl(&net.receiver, "127.0.0.1", "block 10.0.0.2").status.success()
    });
}

#[test]
fn a_gateway_that_moves_is_blocked_no_more() {
    if !skip::privileged() {
        return;
    }
    let net = peers();
    net.receiver.ip("route add default via 10.0.0.254");
    let monitor = ready(&net, "");
    assert_eq!(ask_block(&monitor, "10.0.0.253", 600)["ok"], true);
    net.receiver.ip("route replace default via 10.0.0.253");
    wait_until("the end of that block", || blocks(&monitor)["rows"] == json!([]));
    let message = monitor.command(&json!({"cmd": "status"}))["runtime"]["message"].clone();
    assert!(message.as_str().is_some_and(|text| text.contains("(gateway)")), "{message}");
    assert_eq!(ask_block(&monitor, "10.0.0.254", 600)["ok"], true, "that is none any more");
}

#[test]
fn what_goes_on_dropping_is_renewed_and_what_does_not_ends() {
    if !skip::privileged() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let audit = folder.path().join("audit");
    let net = Net::new(1);
    let monitor = ready(&net, &format!("--block-extend --audit {}", audit.display()));
    let sender = Sender::new(&net.sender, "out0");
    let from = |last| Spec::between([203, 0, 113, last].into(), [198, 51, 100, 2].into(), Transport::Udp(9, 9)).frame();
    for net in ["203.0.113.5", "203.0.113.6", "203.0.113.64/26"] {
        assert_eq!(ask_block(&monitor, net, 10)["ok"], true, "{net}");
    }
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(13) {
        [5, 65].iter().for_each(|last| sender.send(&from(*last), 2));
        thread::sleep(Duration::from_millis(100));
    }
    let all = blocks(&monitor);
    let rows: Vec<_> = all["rows"].as_array().expect("rows").iter().map(|row| &row["net"]).collect();
    assert_eq!(rows, ["203.0.113.5"], "neither the silent one, nor a prefix that nobody confirmed: {all}");
    let text = fs::read_to_string(&audit).expect("the audit");
    let extended = text.lines().filter(|line| line.contains("\"extend\"")).collect::<Vec<_>>();
    assert!(!extended.is_empty() && extended.iter().all(|line| line.contains("203.0.113.5")), "{extended:?}");
    wait_until("its end", || began.elapsed() > Duration::from_secs(22));
    wait_until("its end", || blocks(&monitor)["rows"] == json!([]));
}
