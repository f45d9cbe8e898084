//! The units as they are packaged, under a systemd of their own: user, capabilities, system calls, folders and sockets are the
//! ones that a system gives.

use std::{fs, io::Write as _};

use nettop_tests::{
    frames::{Spec, Transport},
    net::Net,
    program::{first, wait_for},
    send::Sender,
    systemd::{Files, Machine},
    web::Dashboard,
};
use serde_json::{Value, json};

/// Options that make it quick, on the interface of the tests.
const OPTIONS: &str = "NETTOP_OPTS=\"--iface in0 --interval 0.1 --map-memory 8 --block-with xdp\"\n";
const ATTACKER: &str = "198.51.100.7";

fn frame() -> Vec<u8> {
    let source = ATTACKER.parse().expect("an address");
    Spec { source, ..Spec::v4(Transport::Udp(40_000, 53)) }.frame()
}

fn snapshot(machine: &Machine) -> Value {
    machine.json("nettopctl snapshot")["snapshot"].take()
}

/// Sends frames, and waits until that many more are seen.
fn send(machine: &Machine, net: &Net, count: usize) -> Value {
    let seen = |snapshot: &Value| snapshot["accounting"]["seen"]["packets"].as_u64().expect("a count");
    let before = seen(&snapshot(machine));
    Sender::new(&net.sender, "out0").send(&frame(), count);
    let after = first("seen", || snapshot(machine), |now| seen(now) >= before + count as u64);
    assert_eq!((seen(&after), &after["accounting"]["holds"]), (before + count as u64, &json!(true)));
    after
}

/// Its process is the unit's own user, has no capability left, and is in its sandbox.
fn expect_powerless(machine: &Machine) {
    let process = machine.property("nettop.service", "MainPID");
    let status = machine.ok(&format!("cat /proc/{process}/status"));
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
        line.split_whitespace().map(String::from).collect::<Vec<_>>()
    };
    assert_ne!(field("Uid:")[0], "0", "{status}");
    for set in ["CapPrm:", "CapEff:", "CapInh:", "CapAmb:"] {
        assert_eq!(field(set), ["0000000000000000"], "{set} {}", machine.journal());
    }
    assert_eq!((&field("NoNewPrivs:")[0][..], &field("Seccomp:")[0][..]), ("1", "2"));
}

#[test]
fn the_service_counts_blocks_and_remembers() {
    let net = Net::new(1);
    let Some(machine) = Machine::boot(&Files::of_the_package().with("etc/default/nettop", OPTIONS), &net.receiver)
    else {
        return;
    };
    machine.start("nettop.service");
    expect_powerless(&machine);
    let counted = send(&machine, &net, 100);
    assert_eq!(counted["accounting"]["counted"]["packets"], 100, "{counted:#}");
    // Everything that this kernel has works under the unit, too.
    let said: Vec<_> = counted["degraded"].as_array().expect("a list").iter().map(|row| &row["badge"]).collect();
    assert!(said.is_empty(), "{:#}", counted["degraded"]);

    machine.ok(&format!("nettopctl block {ATTACKER} --ttl 5m --reason test"));
    let blocked = send(&machine, &net, 100);
    assert_eq!(blocked["accounting"]["blocked"]["packets"], 100, "{blocked:#}");

    // The next start finds the block in the unit's folder of state, and the user of that start may read it.
    machine.ok("systemctl restart nettop.service");
    wait_for(|| machine.run("nettopctl status").status.success().then_some(())).expect("an answer");
    let kept = || machine.json("nettopctl blocks")["blocks"].clone();
    first("restored", kept, |blocks| blocks["rows"][0]["net"] == ATTACKER);
    let blocked = send(&machine, &net, 100);
    assert_eq!(blocked["accounting"]["blocked"]["packets"], 100, "{blocked:#}");

    machine.ok("systemctl stop nettop.service");
    assert_eq!(machine.property("nettop.service", "Result"), "success", "{}", machine.journal());
    assert_eq!(machine.property("nettop.service", "NRestarts"), "0", "{}", machine.journal());
    assert_eq!(net.receiver.xdp_program("in0"), None);
}

#[test]
fn the_dashboard_is_a_service_of_its_own() {
    let net = Net::new(1);
    net.receiver.ip("link set dev lo up");
    let token = "a-token-that-is-long-enough-for-this";
    let files = Files::of_the_package().with("etc/default/nettop", OPTIONS).with("etc/nettop/web-token", token);
    let Some(machine) = Machine::boot(&files, &net.receiver) else {
        return;
    };
    machine.start("nettop.service nettop-web.socket");
    let dashboard = Dashboard { address: "127.0.0.1:9595".parse().expect("an address"), token: token.into() };
    let answer = net.receiver.run(|| dashboard.get("/api/v1/status"));
    assert_eq!(answer.status, 200, "{answer:?} {}", machine.journal());
    assert_eq!(answer.json()["ok"], true, "{answer:?}");
    let counted = send(&machine, &net, 10);
    let metrics = net.receiver.run(|| dashboard.get("/metrics"));
    let line = format!("nettop_packets_total{{outcome=\"counted\"}} {}", counted["accounting"]["counted"]["packets"]);
    assert!(String::from_utf8_lossy(&metrics.body).contains(&line), "{line} in {metrics:?}");
    // Counting goes on without it, and it comes again when it is asked.
    machine.ok("systemctl kill --signal=KILL nettop-web.service");
    send(&machine, &net, 10);
    let back = wait_for(|| {
        let answer = net.receiver.run(|| dashboard.try_get("/api/v1/status"));
        answer.is_some_and(|answer| answer.status == 200).then_some(())
    });
    assert!(back.is_some(), "{}", machine.journal());
}

#[test]
fn the_service_reads_the_logs_of_the_group_adm() {
    let net = Net::new(1);
    let Some(machine) = Machine::boot(&Files::of_the_package().with("etc/default/nettop", OPTIONS), &net.receiver)
    else {
        return;
    };
    let make = |path: &str| {
        machine.ok(&format!("install --owner=root --group=adm --mode=0640 /dev/null {path}"));
        fs::OpenOptions::new().append(true).open(machine.path(path)).expect("the log")
    };
    machine.ok("install -d --owner=root --group=adm --mode=0755 /var/log/nginx");
    let path = "/var/log/nginx/access.log";
    let line = format!("{ATTACKER} - - [01/Dec/2026:09:00:00 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"curl/7\"\n");
    let mut log = make(path);
    machine.start("nettop.service");
    let requests = || machine.json("nettopctl snapshot --groups visits")["snapshot"]["visits"].clone();
    let of = |count: u64| move |visits: &Value| visits["rows"][0]["requests"] == count;
    log.write_all(line.repeat(3).as_bytes()).expect("a line");
    first("read", requests, of(3));
    // As logrotate does it.
    machine.ok(&format!("mv {path} {path}.1"));
    let mut log = make(path);
    log.write_all(line.repeat(4).as_bytes()).expect("a line");
    first("read after it was rotated", requests, of(7));
}

#[test]
fn the_service_reads_the_journal_of_sshd() {
    let net = Net::new(1);
    let options = OPTIONS.replace("--iface", "--journal --iface");
    let files = Files::of_the_package().with("etc/default/nettop", &options);
    let Some(machine) = Machine::boot(&files, &net.receiver) else {
        return;
    };
    machine.start("nettop.service");
    // A container has a number of its boot of its own, which its units do not see: that is told.
    let badges = || snapshot(&machine)["degraded"].clone();
    first("told", badges, |rows| rows.to_string().contains("of another boot"));
    // From now on it is as on a host.
    for _ in 0..2 {
        machine.run("umount /proc/sys/kernel/random/boot_id");
    }
    machine.ok("systemctl restart systemd-journald.service");
    machine.ok("systemctl stop nettop.service");
    machine.start("nettop.service");
    let files = || machine.json("nettopctl snapshot --groups visits")["snapshot"]["visits"]["files"].clone();
    first("followed", files, |files| files.to_string().contains("journal"));
    assert_eq!(badges(), json!([]));

    // The kernel tells the journal the name of the program that wrote a line, and its user. Whoever only says to be sshd is not.
    machine.ok("cp /usr/bin/logger /run/sshd");
    let fail = |program: &str| {
        let line = format!("Failed password for root from {ATTACKER} port 40000 ssh2");
        let written = machine.command(program).args(["--tag", "sshd", &line]).status().expect("a line");
        assert!(written.success());
    };
    ["/run/sshd", "/run/sshd", "/usr/bin/logger", "/run/sshd"].into_iter().for_each(fail);
    let visits = || machine.json("nettopctl snapshot --groups visits")["snapshot"]["visits"]["rows"][0].clone();
    let row = first("read", visits, |row| row["failures"].as_u64() >= Some(3));
    assert_eq!((&row["ip"], &row["failures"]), (&json!(ATTACKER), &json!(3)), "{row}");
}
