//! Which interfaces are watched, and what is said of them: those that the default routes lead to, wherever they move; names
//! that are no plain text; interfaces on which no packet is seen; and how soon any of it is known.

use std::{fs, path::Path};

use nettop_tests::{
    frames::{Spec, Transport},
    monitor::Monitor,
    net::{Namespace, Net},
    program,
    send::Sender,
    skip,
    traffic::Traffic,
};
use serde_json::{Value, json};
use tempfile::TempDir;

fn udp() -> Spec {
    Spec::v4(Transport::Udp(40_000, 53))
}

/// The names of the watched interfaces.
fn watched(snapshot: &Value) -> Vec<&str> {
    let rows = snapshot["interfaces"].as_array().expect("a list");
    rows.iter().filter_map(|row| row["name"].as_str()).collect()
}

fn badges(snapshot: &Value) -> String {
    let rows = snapshot["degraded"].as_array().expect("a list");
    rows.iter().filter_map(|row| row["badge"].as_str()).collect::<Vec<_>>().join(", ")
}

/// Writes to a file below `/proc/sys` of a namespace.
fn sysctl(namespace: &Namespace, name: &str, value: &str) {
    namespace.run(|| fs::write(Path::new("/proc/sys").join(name), value)).expect("writing a sysctl");
}

/// Four interfaces with addresses of both families, and commands of `ip` besides.
fn host(commands: &[&str]) -> Net {
    let net = Net::new(4);
    for pair in 0..4 {
        sysctl(&net.receiver, &format!("net/ipv6/conf/in{pair}/disable_ipv6"), "0");
        net.receiver.ip(&format!("addr add 10.{pair}.0.1/24 dev in{pair}"));
        net.receiver.ip(&format!("addr add 2001:db8:{pair}::1/64 dev in{pair} nodad"));
    }
    commands.iter().for_each(|command| drop(net.receiver.ip(command)));
    net
}

#[test]
fn every_interface_by_which_the_kernel_would_send_is_watched() {
    if !skip::privileged() {
        return;
    }
    for (name, commands, expected, badge) in [
        ("one", &["route add default via 10.1.0.2"][..], &["in1"][..], ""),
        (
            "the lower metric",
            &["route add default via 10.1.0.2 metric 200", "route add default via 10.2.0.2 metric 100"],
            &["in2"],
            "",
        ),
        (
            "several next hops",
            &["route add default nexthop via 10.1.0.2 dev in1 nexthop via 10.2.0.2 dev in2 weight 5"],
            &["in1", "in2"],
            "",
        ),
        (
            "several next hops of IPv6",
            &["-6 route add default nexthop via 2001:db8:2::2 dev in2 nexthop via 2001:db8:3::2 dev in3"],
            &["in2", "in3"],
            "",
        ),
        (
            "each family another one",
            &["route add default via 10.1.0.2", "-6 route add default via 2001:db8:2::2"],
            &["in1", "in2"],
            "",
        ),
        (
            "a group of next hops",
            &[
                "nexthop add id 1 via 10.1.0.2 dev in1",
                "nexthop add id 2 via 10.3.0.2 dev in3",
                "nexthop add id 10 group 1/2,7",
                "route add default nhid 10",
            ],
            &["in1", "in3"],
            "",
        ),
        (
            "a next hop of IPv6 for IPv4",
            &["-6 nexthop add id 1 via 2001:db8:1::2 dev in1", "route add default nhid 1"],
            &["in1"],
            "",
        ),
        ("onlink", &["route add default via 192.0.2.77 dev in3 onlink"], &["in3"], ""),
        ("a device alone", &["route add default dev in2"], &["in2"], ""),
        (
            "another table",
            &[
                "route add default via 10.1.0.2",
                "route add default via 10.2.0.2 table 77",
                "rule add priority 100 table 77",
            ],
            &["in2"],
            "",
        ),
        (
            "a table for one of its own addresses",
            &[
                "route add default via 10.1.0.2",
                "route add default via 10.3.0.2 table 33",
                "rule add from 10.3.0.0/24 table 33",
            ],
            &["in1", "in3"],
            "",
        ),
        (
            "a route for each half, as tunnels make them",
            &[
                "route add default via 10.1.0.2",
                "route add 0.0.0.0/1 via 10.2.0.2",
                "route add 128.0.0.0/1 via 10.2.0.2",
            ],
            &["in2"],
            "",
        ),
        ("blackhole", &["route add blackhole default"], &["in0"], "default route"),
        ("unreachable", &["route add unreachable default"], &["in0"], "default route"),
        ("prohibit", &["route add prohibit default"], &["in0"], "default route"),
        ("a rule against it", &["route add default via 10.1.0.2", "rule add blackhole"], &["in0"], "default route"),
        (
            "a next hop that is a blackhole",
            &["link set dev lo up", "nexthop add id 1 blackhole", "route add default nhid 1"],
            &["in0"],
            "default route",
        ),
        ("loopback", &["link set dev lo up", "route add default dev lo"], &["in0"], "default route"),
        ("none", &[], &["in0"], "default route"),
        // Only the kernel's own table of next hops says where it leads.
        (
            "a group whose members the route does not repeat",
            &[
                "nexthop add id 1 via 10.1.0.2 dev in1",
                "nexthop add id 2 via 10.2.0.2 dev in2",
                "nexthop add id 10 group 1/2",
                "COMPATIBLE 0",
                "route add default nhid 10",
            ],
            &["in1", "in2"],
            "",
        ),
    ] {
        let net = host(&[]);
        for command in commands {
            match command.strip_prefix("COMPATIBLE ") {
                Some(value) => sysctl(&net.receiver, "net/ipv4/nexthop_compat_mode", value),
                None => drop(net.receiver.ip(command)),
            }
        }
        let snapshot = Monitor::live(&net.receiver, "--map-memory 1 --no-geo").snapshot();
        assert_eq!(watched(&snapshot), expected, "{name}: {}", snapshot["degraded"]);
        assert_eq!(badges(&snapshot), badge, "{name}: {}", snapshot["degraded"]);
        let rows = snapshot["interfaces"].as_array().expect("a list");
        assert!(rows.iter().all(|row| row["mode"] == "native"), "{name}: {rows:?}");
    }
}

#[test]
fn the_default_route_is_followed_where_it_moves() {
    if !skip::privileged() {
        return;
    }
    let net = host(&["route add default via 10.0.0.2"]);
    let monitor = Monitor::live(&net.receiver, "");
    let senders: Vec<_> = (0..4).map(|pair| Sender::new(&net.sender, &format!("out{pair}"))).collect();
    let mut traffic = Traffic::default();
    for (commands, expected) in [
        (&[][..], &["in0"][..]),
        (&["route replace default via 10.1.0.2"], &["in1"]),
        (&["-6 route add default via 2001:db8:2::2"], &["in1", "in2"]),
        // A failover: the interface goes down, its routes with it, and another takes their place.
        (&["link set dev in1 down", "route add default via 10.3.0.2"], &["in2", "in3"]),
        // While no route tells, what was watched still is.
        (&["route del default", "-6 route del default"], &["in2", "in3"]),
        (&["rule add priority 9 table 77", "route add default via 10.0.0.2 table 77"], &["in0"]),
    ] {
        commands.iter().for_each(|command| drop(net.receiver.ip(command)));
        let moved = program::wait_for(|| (watched(&monitor.snapshot()) == expected).then_some(()));
        assert!(moved.is_some(), "{commands:?}: {}", monitor.snapshot());
        for (pair, sender) in senders.iter().enumerate() {
            let is_watched = expected.contains(&&*format!("in{pair}"));
            assert_eq!(net.receiver.xdp_program(&format!("in{pair}")).is_some(), is_watched, "{commands:?}: in{pair}");
            if is_watched {
                traffic.send(sender, &udp(), 5);
            }
        }
        monitor.wait_until_seen(traffic.seen());
    }
    let status = monitor.command(&json!({"cmd": "status"}));
    assert_eq!(status["runtime"]["message"], "the default route has moved from in2, in3 to in0");
    assert_eq!(badges(&monitor.snapshot()), "", "{}", monitor.snapshot()["degraded"]);
    // Whoever names one stays there.
    monitor.command(&json!({"cmd": "set", "iface": "in2"}));
    net.receiver.ip("route replace default via 10.3.0.2 table 77");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(watched(&monitor.snapshot()), ["in2"]);
    monitor.command(&json!({"cmd": "set", "iface": ""}));
    assert_eq!(watched(&monitor.snapshot()), ["in3"]);
}

#[test]
fn a_default_route_that_nowhere_leads_is_said_and_followed_when_it_comes() {
    if !skip::privileged() {
        return;
    }
    let net = host(&[]);
    let monitor = Monitor::live(&net.receiver, "");
    let snapshot = monitor.wait_until("doubt", |snapshot| badges(snapshot) == "default route");
    let told = snapshot["degraded"].to_string();
    for part in ["IPv4: there is no route", "IPv6: there is no route", "in0", "beside in1, in2, in3", "--iface"] {
        assert!(told.contains(part), "{told}");
    }
    net.receiver.ip("-6 route add default via 2001:db8:3::2");
    let snapshot = monitor.wait_until("in3", |snapshot| watched(snapshot) == ["in3"]);
    assert_eq!(snapshot["degraded"], json!([]));
}

#[test]
fn of_several_next_hops_one_that_is_taken_is_said_and_the_others_are_watched() {
    if !skip::privileged() {
        return;
    }
    let net = host(&["route add default nexthop via 10.1.0.2 dev in1 nexthop via 10.2.0.2 dev in2"]);
    let first = Monitor::live(&net.receiver, "--iface in1");
    let second = Monitor::live(&net.receiver, "");
    let snapshot = second.wait_until("told", |snapshot| badges(snapshot) == "in1 not watched");
    assert_eq!(watched(&snapshot), ["in1", "in2"]);
    first.stop();
    second.wait_until("attached", |snapshot| badges(snapshot).is_empty() && snapshot["interfaces"][0]["state"] == "up");
}

#[test]
fn text_in_any_encoding_hides_no_interface() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(3);
    let ip = |arguments: &[&[u8]]| {
        use std::os::unix::ffi::OsStrExt as _;
        let arguments = arguments.iter().map(|argument| std::ffi::OsStr::from_bytes(argument));
        let output = net.receiver.command("ip").args(arguments).output().expect("starting ip");
        assert!(output.status.success(), "{output:?}");
    };
    ip(&[b"link", b"set", b"dev", b"in0", b"alias", b"si\xe8ge"]);
    ip(&[b"link", b"property", b"add", b"dev", b"in1", b"altname", b"d\xe9p\xf4t"]);
    ip(&[b"link", b"set", b"dev", b"in2", b"name", b"caf\xe9"]);
    let monitor = Monitor::live(&net.receiver, r"--iface in0,in1,caf\xe9");
    let snapshot = monitor.wait_until_seen(0);
    assert_eq!(watched(&snapshot), [r"caf\xe9", "in0", "in1"]);
    assert_eq!(snapshot["degraded"], json!([]));
    // Neither do they once it runs.
    ip(&[b"link", b"set", b"dev", b"in0", b"alias", b"\xff\xfe"]);
    ip(&[b"link", b"set", b"dev", b"in0", b"down"]);
    ip(&[b"link", b"set", b"dev", b"caf\xe9", b"down"]);
    let snapshot = monitor.wait_until("both down", |snapshot| badges(snapshot) == r"caf\xe9 down, in0 down");
    assert_eq!(snapshot["interfaces"][2]["state"], "up");
    let monitor_names = monitor.command(&json!({"cmd": "set", "iface": r"d\xe9p\xf4t,caf\xe9"}));
    assert_eq!(monitor_names["filter"]["iface"], r"caf\xe9,d\xe9p\xf4t");
    assert_eq!(watched(&monitor.snapshot()), [r"caf\xe9", "in1"]);
    // As bytes, as a shell completes them.
    monitor.stop();
    let directory = TempDir::new().expect("a directory");
    let mut command = net.receiver.command(program::path("nettop"));
    let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"caf\xe9");
    command.args(["run", "--map-memory", "1", "--interval", "0.1", "--iface"]).arg(name);
    let monitor = Monitor::start(command, &directory.path().join("s"));
    assert_eq!(watched(&monitor.snapshot()), [r"caf\xe9"]);
}

#[test]
fn an_interface_is_known_by_all_its_names_and_watched_once() {
    if !skip::privileged() {
        return;
    }
    const LONG: &str = "enp0s20f0u1u2c2i2uplink";
    let net = Net::new(4);
    for command in [
        "link property add dev in0 altname short",
        &format!("link property add dev in0 altname {LONG}"),
        "link set dev in1 name a,b",
        "link set dev in2 name a",
        r"link set dev in3 name x\y",
    ] {
        net.receiver.ip(command);
    }
    for (iface, expected, listed) in [
        ("short", &["in0"][..], "short"),
        (LONG, &["in0"], LONG),
        ("in0,short", &["in0"], "in0"),
        (&format!("short,{LONG},in0"), &["in0"], "short"),
        ("in0,in0", &["in0"], "in0"),
        ("in0 --iface short --iface a", &["a", "in0"], "a,in0"),
        ("a,b", &["a,b"], r"a\,b"),
        (r"a\,b,a", &["a", "a,b"], r"a,a\,b"),
        (r"x\y,a", &["a", r"x\y"], r"a,x\y"),
    ] {
        let monitor = Monitor::live(&net.receiver, &format!("--map-memory 1 --iface {iface}"));
        let snapshot = monitor.snapshot();
        assert_eq!(watched(&snapshot), expected, "{iface}");
        assert_eq!(snapshot["degraded"], json!([]), "{iface}");
        let shown = monitor.command(&json!({"cmd": "set", "dst": ""}))["filter"]["iface"].take();
        assert_eq!(shown, listed, "{iface}");
        // It can be sent back.
        monitor.command(&json!({"cmd": "set", "iface": shown}));
        assert_eq!(watched(&monitor.snapshot()), expected, "{iface}");
    }
}

#[test]
fn interfaces_are_looked_at_each_second_however_long_the_interval_is() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0 --interval 3600");
    let state = |wanted: &str| monitor.wait_until(wanted, |snapshot| snapshot["interfaces"][0]["state"] == wanted);
    state("up");
    net.receiver.ip("link set dev in0 down");
    assert_eq!(badges(&state("down")), "in0 down");
    net.remove_pair(0);
    assert_eq!(badges(&state("gone")), "in0 gone");
    net.add_pair(0);
    state("up");
    assert!(net.receiver.xdp_program("in0").is_some(), "attached again");
    assert!(monitor.snapshot()["tick"]["count"].as_u64().is_some_and(|ticks| ticks <= 1));
}

#[test]
fn an_interface_that_receives_and_sees_nothing_is_told_and_what_to_watch_instead() {
    if !skip::privileged() {
        return;
    }
    for (name, commands, below) in [
        (
            "ifb0",
            &[
                "ip link add ifb0 type ifb",
                "ip link set dev ifb0 up",
                "tc qdisc add dev in0 clsact",
                "tc filter add dev in0 ingress protocol all u32 match u32 0 0 action mirred egress redirect dev ifb0",
            ][..],
            "redirected to ifb0",
        ),
        (
            "vr0",
            &["ip link add vr0 type vrf table 10", "ip link set dev vr0 up", "ip link set dev in0 master vr0"],
            "--iface in0",
        ),
    ] {
        let net = Net::new(1);
        net.receiver.ip("addr add 10.0.0.1/24 dev in0");
        let refused = commands.iter().find_map(|command| {
            let mut words = command.split_whitespace();
            let output = net.receiver.command(words.next()?).args(words).output();
            match output {
                Ok(output) if output.status.success() => None,
                Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_string()),
                Err(error) => Some(error.to_string()),
            }
        });
        if let Some(reason) = refused {
            skip::report(&format!("no {name}: {reason}"));
            continue;
        }
        let spec = Spec::between([203, 0, 113, 1].into(), [10, 0, 0, 1].into(), Transport::Udp(40_000, 9));
        let frame = Spec { destination_mac: [2, 0, 0, 0, 2, 0], ..spec }.frame();
        let sender = Sender::new(&net.sender, "out0");
        let monitor = Monitor::live(&net.receiver, &format!("--iface {name}"));
        sender.send(&frame, 50);
        let blind = format!("{name} not seen");
        let snapshot = monitor.wait_until("told", |snapshot| badges(snapshot) == blind);
        let told = &snapshot["degraded"][0];
        assert!(
            told["reason"].as_str().is_some_and(|reason| reason.contains("packets, of which the program saw none"))
        );
        monitor.wait_until("the remedy", |snapshot| snapshot["degraded"].to_string().contains(below));
        // What is below it sees all of it.
        monitor.command(&json!({"cmd": "set", "iface": "in0"}));
        assert_eq!(badges(&monitor.snapshot()), "");
        sender.send(&frame, 20);
        monitor.wait_until_seen(20);
        std::thread::sleep(std::time::Duration::from_millis(2500));
        assert_eq!(badges(&monitor.snapshot()), "", "{name}");
        // Not paused either.
        monitor.command(&json!({"cmd": "pause"}));
        sender.send(&frame, 20);
        std::thread::sleep(std::time::Duration::from_millis(2500));
        assert_eq!(badges(&monitor.snapshot()), "", "{name}");
    }
}
