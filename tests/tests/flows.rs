//! Flows that the host forwards and translates: both directions to the unit, what has ended, and what nettop cannot know. A router between
//! a client and a server, in namespaces of their own; nettop runs in the router's.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket},
    process::{Command, Stdio},
};

use nettop_collect::flows::{FlowRow, row_of_line};
use nettop_tests::{
    monitor::Monitor,
    net::Namespace,
    program::{self, PublicCopy, as_nobody, public_directory},
    skip,
    terminal::Terminal,
};
use serde_json::{Value, json};

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
/// Bytes of the headers of IPv4, and of these with UDP's.
const IP: u64 = 20;
const UDP: u64 = IP + 8;

/// Whatever the client sends leaves with the router's address; its port 8080 is the server's 80.
const TRANSLATES: &str = "table ip nat {
    chain out { type nat hook postrouting priority 100; oifname \"r1\" masquerade; }
    chain in { type nat hook prerouting priority -100; tcp dport 8080 dnat to 192.0.2.9:80; }
}
";

struct Lab {
    client: Namespace,
    router: Namespace,
    server: Namespace,
}

impl Lab {
    /// With these rules of nftables; `None`: this machine has no nft, which was said.
    fn new(rules: &str) -> Option<Self> {
        if !skip::privileged() {
            return None;
        }
        let lab = Self { client: Namespace::new(), router: Namespace::new(), server: Namespace::new() };
        for (near, far, there, ends) in
            [("r0", "a0", &lab.client, [INSIDE, CLIENT]), ("r1", "b0", &lab.server, [OUTSIDE, SERVER])]
        {
            lab.router.ip(&format!("link add {near} type veth peer name {far}"));
            lab.router.move_to(far, there);
            for (namespace, name, address) in [(&lab.router, near, ends[0]), (there, far, ends[1])] {
                namespace.ip(&format!("address add {address}/24 dev {name}"));
                namespace.ip(&format!("link set dev {name} up"));
            }
            there.ip(&format!("route add default via {}", ends[0]));
        }
        lab.set("net/ipv4/ip_forward", "1");
        if lab.table().is_none() {
            skip::report("this kernel has no /proc/net/nf_conntrack (CONFIG_NF_CONNTRACK_PROCFS)");
            return None;
        }
        if rules.is_empty() {
            return Some(lab);
        }
        let nft = lab.router.command("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn();
        let Ok(mut nft) = nft else {
            skip::report("there is no `nft`; on Debian: apt-get install nftables");
            return None;
        };
        nft.stdin.take().expect("a pipe").write_all(rules.as_bytes()).expect("writing rules");
        if !nft.wait().expect("nft ends").success() {
            skip::report("the kernel takes no rules that translate");
            return None;
        }
        Some(lab)
    }

    /// A setting of the router's namespace, which is this test's own.
    fn set(&self, name: &str, value: &str) {
        self.router
            .run(|| fs::write(format!("/proc/sys/{name}"), value))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// What the kernel has, read by the test itself.
    fn table(&self) -> Option<Vec<FlowRow>> {
        let text = self.router.run(|| fs::read_to_string("/proc/thread-self/net/nf_conntrack")).ok()?;
        Some(text.lines().filter_map(|line| row_of_line(line, 0)).collect())
    }

    fn monitor(&self, arguments: &str) -> Monitor {
        let monitor = Monitor::live(&self.router, &format!("--iface r0 {arguments}"));
        if !arguments.contains("without") {
            wait_until(&monitor, "a first reading", |flows| flows["at_ns"].is_u64());
        }
        monitor
    }

    /// Sends so many datagrams of 100 bytes from a new port of the client to a port of the server; each is answered with 10 bytes, where
    /// that is wanted. The client's port.
    fn datagrams(&self, port: u16, count: usize, answered: bool) -> u16 {
        let server = self.server.run(|| UdpSocket::bind((SERVER, port)).expect("a socket"));
        let client = self.client.run(|| UdpSocket::bind((CLIENT, 0)).expect("a socket"));
        let mut buffer = [0; 200];
        for _ in 0..count {
            client.send_to(&[7; 100], (SERVER, port)).expect("sending");
            let (_, from) = server.recv_from(&mut buffer).expect("receiving");
            if answered {
                server.send_to(&[8; 10], from).expect("answering");
                client.recv_from(&mut buffer).expect("an answer");
            }
        }
        client.local_addr().expect("an address").port()
    }
}

fn groups(monitor: &Monitor) -> Value {
    let request = json!({"cmd": "snapshot", "schema": 2, "limit": 100, "groups": ["flows", "monitor"]});
    monitor.command(&request)["snapshot"].take()
}

/// The first flows of which `condition` holds.
#[track_caller]
fn wait_until(monitor: &Monitor, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let flows = || {
        let flows = groups(monitor)["flows"].take();
        let holds = flows.is_null() || flows["accounting"]["holds"] == true;
        assert!(holds, "{}", flows["accounting"]);
        flows
    };
    program::first(what, flows, condition)
}

#[track_caller]
fn expect_badge(monitor: &Monitor, badge: &str) {
    let mut last = Value::Null;
    let found = program::wait_for(|| {
        last = groups(monitor)["monitor"]["degraded"].take();
        last.as_array()?.iter().any(|row| row["badge"] == badge).then_some(())
    });
    assert!(found.is_some(), "no badge {badge}: {last}");
}

/// The flow from this port of the client, in one of both lists.
fn from_port<'a>(flows: &'a Value, list: &str, port: u16) -> Option<&'a Value> {
    flows[list].as_array()?.iter().find(|row| row["source_port"] == port)
}

/// Whether a row has these values.
#[track_caller]
fn expect(row: &Value, values: &Value) {
    for (key, value) in values.as_object().expect("values") {
        assert_eq!(&row[key], value, "{key} of {row}");
    }
}

#[test]
fn both_directions_are_shown_and_counted_to_the_unit() {
    let Some(lab) = Lab::new(TRANSLATES) else { return };
    lab.set("net/netfilter/nf_conntrack_acct", "1");
    let monitor = lab.monitor("");
    let listener = lab.server.run(|| TcpListener::bind((SERVER, 80)).expect("a listening socket"));
    let mut client = lab.client.run(|| TcpStream::connect((INSIDE, 8080)).expect("connecting"));
    let (mut server, from) = listener.accept().expect("accepting");
    assert_eq!(from.ip(), OUTSIDE);
    client.write_all(&[7; 30_000]).expect("sending");
    server.read_exact(&mut [0; 30_000]).expect("receiving");
    let port = client.local_addr().expect("an address").port();
    let asking = lab.datagrams(53, 40, true);
    let mut echo = lab.client.command("ping");
    let has_ping = echo.args(["-c", "3", "-i", "0.2", "192.0.2.9"]).stdout(Stdio::null()).status().is_ok();

    let flows = wait_until(&monitor, "every flow, counted", |flows| {
        let bytes = |port| from_port(flows, "live", port).and_then(|row| row["tx_bytes"].as_u64());
        bytes(port) > Some(30_000) && bytes(asking) == Some(40 * (100 + UDP))
    });
    let tcp = from_port(&flows, "live", port).expect("a flow");
    expect(
        tcp,
        &json!({
            "protocol": "TCP", "state": "ESTABLISHED", "nat": "both", "assured": true, "replied": true,
            "source": CLIENT, "destination": INSIDE, "destination_port": 8080,
            "reply_source": SERVER, "reply_source_port": 80,
            "reply_destination": OUTSIDE, "reply_destination_port": from.port(),
        }),
    );
    expect(
        from_port(&flows, "live", asking).expect("a flow"),
        &json!({
            "protocol": "UDP", "nat": "source", "state": null, "destination": SERVER, "destination_port": 53,
            "tx_packets": 40, "rx_packets": 40, "tx_bytes": 40 * (100 + UDP), "rx_bytes": 40 * (10 + UDP),
            "reply_source": SERVER, "reply_destination": OUTSIDE,
        }),
    );
    if has_ping {
        let icmp = flows["live"].as_array().expect("rows").iter().find(|row| row["protocol"] == "ICMP");
        let icmp = icmp.expect("an exchange of ICMP");
        expect(
            icmp,
            &json!({"icmp_type": 8, "icmp_code": 0, "nat": "source", "source_port": null, "tx_packets": 3, "rx_packets": 3}),
        );
        assert_eq!((&icmp["tx_bytes"], icmp["icmp_id"].is_u64()), (&(3 * (IP + 8 + 56)).into(), true), "{icmp}");
    }
    // The same as the kernel's own table, once nothing moves any more.
    let kernel = lab.table().expect("a table");
    let own = kernel.iter().find(|row| row.key.original.ports == [port, 8080]).expect("the flow in the kernel's table");
    let counted = |row: &Value| {
        [["tx_packets", "tx_bytes"], ["rx_packets", "rx_bytes"]].map(|keys| keys.map(|key| row[key].as_u64()))
    };
    wait_until(&monitor, "what the kernel's table has", |flows| {
        let moved = own.moved.expect("counters").map(|(packets, bytes)| [Some(packets), Some(bytes)]);
        from_port(flows, "live", port).is_some_and(|row| counted(row) == moved)
    });
    assert_eq!(flows["live"].as_array().map(Vec::len), Some(kernel.len()), "{flows}");
    assert_eq!(
        (&flows["count"], &flows["acct"], &flows["own"]),
        (&kernel.len().into(), &true.into(), &0.into()),
        "{flows}"
    );
    let held = &groups(&monitor)["monitor"]["degraded"];
    assert_eq!(held, &json!([]));
    drop(client.shutdown(Shutdown::Both));
}

#[test]
fn what_a_flow_had_moved_is_known_at_its_end() {
    let Some(lab) = Lab::new(TRANSLATES) else { return };
    lab.set("net/netfilter/nf_conntrack_acct", "1");
    lab.set("net/netfilter/nf_conntrack_timestamp", "1");
    for name in ["nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"] {
        lab.set(&format!("net/netfilter/{name}"), "1");
    }
    let monitor = lab.monitor("");
    let port = lab.datagrams(5353, 7, false);
    let ended = |flows: &Value| {
        // The kernel looks for what is over when it has time; whoever reads its table helps.
        let _ = lab.table();
        from_port(flows, "ended", port).cloned()
    };
    let flows = wait_until(&monitor, "its end", |flows| ended(flows).is_some());
    let row = ended(&flows).expect("a row");
    expect(
        &row,
        &json!({"tx_packets": 7, "tx_bytes": 7 * (100 + UDP), "rx_packets": 0, "rx_bytes": 0, "whole": true, "nat": "source"}),
    );
    let times = ["opened_ns", "ended_ns"].map(|key| row[key].as_u64().expect("a time"));
    assert!(times[1] > times[0] && times[1] - times[0] < 60_000_000_000, "{row}");
    expect(&flows["accounting"], &json!({"began": 1, "ended": 1, "found": 0, "vanished": 0, "live": 0, "overruns": 0}));
}

#[test]
fn without_counters_or_without_rules_that_is_told() {
    let Some(lab) = Lab::new("") else { return };
    lab.set("net/netfilter/nf_conntrack_acct", "0");
    let monitor = lab.monitor("");
    lab.datagrams(53, 3, true);
    // Nothing asks for connection tracking here.
    expect_badge(&monitor, "no flows tracked");
    assert_eq!(groups(&monitor)["flows"]["live"], json!([]));
    drop(monitor);
    let Some(lab) =
        Lab::new("table ip f {\n chain f { type filter hook forward priority 0; ct state invalid drop; }\n}\n")
    else {
        return;
    };
    lab.set("net/netfilter/nf_conntrack_acct", "0");
    let monitor = lab.monitor("");
    let port = lab.datagrams(53, 3, true);
    expect_badge(&monitor, "no flow bytes");
    let flows = wait_until(&monitor, "the flow", |flows| {
        from_port(flows, "live", port).is_some_and(|row| row["timeout_s"].is_u64())
    });
    // Forwarded as it is.
    expect(
        from_port(&flows, "live", port).expect("a flow"),
        &json!({
            "nat": "none", "tx_bytes": null, "rx_bytes": null, "tx_packets": null, "replied": true,
            "source": CLIENT, "destination": SERVER, "reply_source": SERVER, "reply_destination": CLIENT,
        }),
    );
}

#[test]
fn flows_of_the_host_itself_are_only_counted() {
    let Some(lab) =
        Lab::new("table ip f {\n chain i { type filter hook input priority 0; ct state invalid drop; }\n}\n")
    else {
        return;
    };
    let monitor = lab.monitor("");
    let listener = lab.router.run(|| TcpListener::bind((INSIDE, 0)).expect("a listening socket"));
    let to = listener.local_addr().expect("an address");
    let _client = lab.client.run(|| TcpStream::connect(to).expect("connecting"));
    let flows = wait_until(&monitor, "its own flow", |flows| flows["own"] == 1);
    assert_eq!((&flows["live"], &flows["count"], &flows["passed"]), (&json!([]), &1.into(), &0.into()), "{flows}");
}

#[test]
fn after_lost_events_the_table_makes_up_for_them() {
    const FLOWS: u16 = 40_000;
    let Some(lab) = Lab::new(TRANSLATES) else { return };
    let monitor = lab.monitor("");
    monitor.signal(libc::SIGSTOP);
    let socket = lab.client.run(|| UdpSocket::bind((CLIENT, 0)).expect("a socket"));
    for port in 1..=FLOWS {
        // The answers, that nobody listens there, are errors of the socket.
        let _ = socket.send_to(&[7], (SERVER, port));
    }
    monitor.signal(libc::SIGCONT);
    expect_badge(&monitor, "flow events lost");
    let kernel = lab.table().expect("a table").len() as u64;
    assert!(kernel > u64::from(FLOWS) / 2, "{kernel}");
    let flows = wait_until(&monitor, "all that live", |flows| {
        flows["estimated"] == false && flows["accounting"]["live"].as_u64() >= Some(kernel - 10)
    });
    assert!(flows["accounting"]["overruns"].as_u64() > Some(0), "{}", flows["accounting"]);
}

#[test]
fn with_capabilities_of_the_file_flows_are_listed_and_counted_at_their_end() {
    let Some(lab) = Lab::new(TRANSLATES) else { return };
    lab.set("net/netfilter/nf_conntrack_acct", "1");
    let (nettop, folder) = (PublicCopy::of("nettop"), public_directory());
    let status = Command::new("setcap").arg("cap_bpf,cap_net_admin,cap_perfmon=ep").arg(nettop.path()).status();
    if !status.is_ok_and(|status| status.success()) {
        return skip::report(
            "there is no `setcap` (apt-get install libcap2-bin), or the file system holds no capabilities",
        );
    }
    let before = lab.datagrams(53, 2, false);
    let mut command = lab.router.command(nettop.path());
    command.args(["run", "--iface", "r0", "--interval", "0.1", "--map-memory", "8"]);
    as_nobody(&mut command);
    let monitor = Monitor::start(command, &folder.path().join("s"));
    let since = lab.datagrams(54, 3, false);
    let flows = wait_until(&monitor, "both", |flows| {
        [before, since].iter().all(|port| from_port(flows, "live", *port).is_some())
    });
    for port in [before, since] {
        expect(
            from_port(&flows, "live", port).expect("a flow"),
            &json!({"nat": "source", "tx_bytes": null, "timeout_s": null}),
        );
    }
    expect_badge(&monitor, "flow bytes at the end");
    let deleted = lab.router.command("conntrack").args(["-D", "-p", "udp"]).output();
    if !deleted.is_ok_and(|deleted| deleted.status.success()) {
        return skip::report("there is no `conntrack`, which ends flows; on Debian: apt-get install conntrack");
    }
    let flows = wait_until(&monitor, "its end", |flows| from_port(flows, "ended", since).is_some());
    expect(
        from_port(&flows, "ended", since).expect("a flow"),
        &json!({"tx_packets": 3, "tx_bytes": 3 * (100 + UDP), "whole": true}),
    );
}

#[test]
fn flows_are_recorded_replayed_printed_and_left_out() {
    let Some(lab) = Lab::new(TRANSLATES) else { return };
    lab.set("net/netfilter/nf_conntrack_acct", "1");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("recording");
    let monitor = lab.monitor(&format!("--record {}", file.display()));
    let port = lab.datagrams(53, 5, true);
    let bytes = 5 * (100 + UDP);
    let has_all = |flows: &Value| from_port(flows, "live", port).is_some_and(|row| row["tx_bytes"] == bytes);
    wait_until(&monitor, "every byte", has_all);
    let print = |socket: &std::path::Path, arguments: &[&str]| {
        let mut command = Command::new(program::path("nettopctl"));
        command.arg("--control-socket").arg(socket).arg("flows").args(arguments).output().expect("starting nettopctl")
    };
    let filter = format!("nat:source sport:{port} dst:192.0.2.0/24 tx>=600");
    for (filter, expected) in [(filter.as_str(), 1), ("nat:none", 0), ("proto:tcp", 0)] {
        let csv = print(monitor.socket(), &["--filter", filter, "--format", "csv"]);
        assert_eq!(String::from_utf8_lossy(&csv.stdout).lines().skip(1).count(), expected, "{filter}");
    }
    monitor.stop();
    let mut command = Command::new(program::path("nettop"));
    command.args(["replay", "--speed", "0"]).arg(&file).current_dir(folder.path());
    // Without a screen it would end with the recording.
    let terminal = Terminal::of(&mut command, 80, 24).expect("a terminal");
    let replay = Monitor::spawn(command, &folder.path().join("replay.sock"));
    wait_until(&replay, "the same", has_all);
    drop((replay, terminal));

    let monitor = lab.monitor("--without flows");
    expect_badge(&monitor, "no flows");
    assert!(groups(&monitor)["flows"].is_null());
    let refused = print(monitor.socket(), &[]);
    assert!(
        !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("--without flows"),
        "{refused:?}"
    );
}
