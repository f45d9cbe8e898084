//! The live monitor on veth pairs: every packet and byte it reports is one that was sent; interfaces come, go and change;
//! monitors meet each other; and nothing stays behind in the kernel.

use std::{
    fs,
    os::unix::fs::FileTypeExt as _,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use nettop_tests::{
    frames::{self, Spec, Transport},
    monitor::{Monitor, troubles},
    net::Net,
    program::{self, wait_for},
    send::Sender,
    skip,
    traffic::Traffic,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An IPv4 packet from one of many sources.
fn from(last: u8, transport: Transport) -> Spec {
    Spec::between([203, 0, 113, last].into(), [198, 51, 100, 2].into(), transport)
}

fn udp(port: u16) -> Spec {
    Spec::v4(Transport::Udp(40_000, port))
}

/// The row of an interface in a snapshot.
fn row<'a>(snapshot: &'a Value, wanted: &str) -> &'a Value {
    let rows = snapshot["interfaces"].as_array().expect("a list");
    rows.iter().find(|row| row["name"] == wanted).unwrap_or(&Value::Null)
}

#[test]
fn every_count_equals_what_was_sent() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let sender = Sender::new(&net.sender, "out0");
    let mut traffic = Traffic::default();
    traffic.assert_is(&monitor.wait_until_seen(0));

    // Two rounds, so that the second is counted on top of the first.
    for round in 1..=2u8 {
        for (last, flags) in [(1, 0x02), (1, 0x12), (1, 0x18), (2, 0x11), (2, 0x00), (2, 0xff), (3, 0x29)] {
            traffic.send(&sender, &from(last, Transport::Tcp(1000, 443, flags)), 3 * usize::from(round));
        }
        for (last, port, payload) in [(4, 53, 10), (4, 123, 90), (5, 53, 500), (6, 0, 1472), (6, 65_535, 1000)] {
            traffic.send(&sender, &from(last, Transport::Udp(port, port)).payload(payload), 7);
        }
        for last in 10..60 {
            traffic.send(&sender, &from(last, Transport::Icmp).payload(usize::from(last)), usize::from(last));
        }
        for transport in [Transport::Tcp(1, 22, 0x10), Transport::Udp(2, 443), Transport::Icmpv6, Transport::Sctp(5, 6)]
        {
            traffic.send(&sender, &Spec::v6(transport).payload(64), 11);
        }
        traffic.send(&sender, &from(7, Transport::Other(47)).payload(100), 2);
        let other_mac = Spec { source_mac: [6, 1, 2, 3, 4, 0xfe], ..from(8, Transport::Udp(9, 9)) };
        traffic.send(&sender, &other_mac, 5);
        traffic.send(&sender, &other_mac.clone().tags(&[(0x8100, 100)]), 4);
        traffic.send(&sender, &other_mac.clone().tags(&[(0x88a8, 1), (0x8100, 2)]), 3);

        traffic.send_not_ip(&sender, &frames::arp(), 6);
        traffic.send_not_ip(&sender, &frames::ethernet(0x88cc, &[0; 30]), 2);
        traffic.send_not_ip(&sender, &frames::ethernet(0x88cc, &[]), 1);
        traffic.send_malformed(&sender, &frames::ipv4(17, &[0; 40], |packet| packet[0] = 0x41), 4);
        traffic.send_malformed(&sender, &frames::ethernet(0x86dd, &[0x60; 39]), 3);
        let mapped = |host: &str| format!("::ffff:{host}").parse().expect("an address");
        let udp = Transport::Udp(5353, 53);
        traffic.send_martian(&sender, &Spec { source: mapped("198.51.100.1"), ..Spec::v6(udp) }, 5);
        traffic.send_martian(&sender, &Spec { destination: mapped("192.0.2.1"), ..Spec::v6(udp) }, 2);
        traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
    }
    assert_eq!(net.receiver.received("in0"), traffic.seen(), "nothing else was on the wire");

    let snapshot = monitor.snapshot();
    assert_eq!(row(&snapshot, "in0")["mode"], "native");
    assert_eq!(row(&snapshot, "in0")["state"], "up");
    assert_eq!(troubles(&snapshot), [&Value::Null; 0]);
    assert_eq!(snapshot["last_events"].as_array().map(Vec::len), Some(50));
    let shares: f64 = snapshot["ips"].as_array().expect("a list").iter().filter_map(|row| row["share"].as_f64()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "shares add up to one: {shares}");

    // A smaller snapshot says how much it leaves out.
    let answer = monitor.command(&json!({"cmd": "snapshot", "limit": 3}));
    let (listed, rest) = (&answer["snapshot"]["ips"], &answer["snapshot"]["rest"]);
    let listed: u64 = listed.as_array().expect("a list").iter().filter_map(|row| row["packets"].as_u64()).sum();
    assert_eq!(listed + rest["packets"].as_u64().expect("a count"), snapshot["total_packets"]);
}

#[test]
fn the_filter_chooses_what_is_counted_from_then_on() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0 --port 53");
    let sender = Sender::new(&net.sender, "out0");
    let mut traffic = Traffic::default();
    traffic.send(&sender, &udp(53), 5);
    traffic.send_filtered(&sender, &udp(54), 6);
    traffic.send_not_ip(&sender, &frames::arp(), 1);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));

    let mut set = |part: &str, value: &str, sent: &Spec, rejected: &Spec| {
        let answer = monitor.command(&json!({"cmd": "set", part: value}));
        traffic.send(&sender, sent, 3);
        traffic.send_filtered(&sender, rejected, 4);
        traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
        answer["filter"].clone()
    };
    let filter = set("port", "80,8000-8002", &udp(8001), &udp(53));
    assert_eq!(filter["ports"], json!([80, 8000, 8001, 8002]));
    monitor.command(&json!({"cmd": "set", "port": ""}));
    let filter = set("src", "203.0.113.0/28", &from(15, Transport::Icmp), &from(16, Transport::Icmp));
    assert_eq!(filter["src"], "203.0.113.0/28");
    set("src", "!203.0.113.9", &from(8, Transport::Icmp), &from(9, Transport::Icmp));
    monitor.command(&json!({"cmd": "set", "src": ""}));
    let filter = set("proto", "tcp,icmpv6", &Spec::v6(Transport::Icmpv6), &udp(1));
    assert_eq!(filter["protocols"], json!(["ICMPV6", "TCP"]));
    monitor.command(&json!({"cmd": "set", "proto": ""}));
    let filter = set("dst", "2001:db8::2", &Spec::v6(Transport::Udp(1, 2)), &udp(2));
    assert_eq!(filter["dst"], "2001:db8::2");

    // A bad value leaves everything as it was.
    for (part, bad) in [("dst", "999.1.1.1"), ("src", "10.0.0.0/40"), ("port", "70000"), ("proto", "tcpp")] {
        let answer = monitor.request(&json!({"cmd": "set", part: bad}));
        assert_eq!(answer["ok"], false, "{answer}");
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(bad)), "{answer}");
    }
    traffic.send(&sender, &Spec::v6(Transport::Udp(1, 2)), 3);
    traffic.send_filtered(&sender, &udp(2), 4);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
}

#[test]
fn pause_rejects_and_reset_starts_anew() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let sender = Sender::new(&net.sender, "out0");
    let mut traffic = Traffic::default();
    traffic.send(&sender, &udp(1), 10);
    monitor.wait_until_seen(traffic.seen());

    assert_eq!(monitor.command(&json!({"cmd": "pause"}))["paused"], true);
    assert_eq!(monitor.command(&json!({"cmd": "status"}))["runtime"]["paused"], true);
    traffic.send_filtered(&sender, &udp(1), 20);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
    assert_eq!(monitor.command(&json!({"cmd": "resume"}))["paused"], false);
    traffic.send(&sender, &udp(1), 5);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));

    assert_eq!(monitor.command(&json!({"cmd": "reset"}))["reset"], true);
    let mut traffic = Traffic::default();
    traffic.assert_is(&monitor.snapshot());
    traffic.send(&sender, &udp(1), 3);
    traffic.send(&sender, &from(99, Transport::Tcp(1, 2, 0x02)), 4);
    traffic.send_not_ip(&sender, &frames::arp(), 1);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));

    // What was sent before a reset is forgotten even when no reading has seen it yet, be the last one ever so new.
    for _ in 0..10 {
        sender.send(&udp(7).frame(), 50);
        monitor.command(&json!({"cmd": "reset"}));
    }
    let mut traffic = Traffic::default();
    traffic.send(&sender, &udp(8), 2);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
}

#[test]
fn after_a_reset_amid_traffic_ports_and_totals_agree() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let (sender, ends) = (Sender::new(&net.sender, "out0"), AtomicBool::new(false));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let frames: Vec<_> = (1..200).map(|port| from(9, Transport::Tcp(40_000, port, 0x02)).frame()).collect();
            for frame in frames.iter().cycle().take_while(|_| !ends.load(Ordering::Relaxed)) {
                sender.send(frame, 20);
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(300));
            monitor.command(&json!({"cmd": "reset"}));
        }
        std::thread::sleep(Duration::from_millis(300));
        ends.store(true, Ordering::Relaxed);
    });
    let mut before = 0;
    let quiet = |snapshot: &Value| {
        let packets = snapshot["total_packets"].as_u64().expect("a count");
        std::thread::sleep(Duration::from_millis(1200));
        std::mem::replace(&mut before, packets) == packets && packets > 0
    };
    let snapshot = monitor.wait_until("the last packet is counted", quiet);
    let packets = snapshot["total_packets"].as_u64().expect("a count");
    for table in ["dst_ports", "src_ports", "tcp_flags"] {
        let listed = snapshot[table].as_object().expect("a map").values();
        let sum: u64 = listed.map(|packets| packets.as_u64().expect("a count")).sum();
        assert_eq!(sum, packets, "{table}: {}", snapshot[table]);
    }
}

#[test]
fn a_busy_source_that_comes_late_has_detail_and_who_has_none_is_marked() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let sender = Sender::new(&net.sender, "out0");
    let spec =
        |ip: [u8; 4], port| Spec::between(ip.into(), [198, 51, 100, 2].into(), Transport::Tcp(40_000, port, 0x02));
    // More sources than there is room for, slowly enough that each packet is sampled.
    for number in 0..5_000_u16 {
        let [high, low] = number.to_be_bytes();
        sender.send(&spec([10, 1, high, low], 443).frame(), 1);
        if number % 100 == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    monitor.wait_until_seen(5_000);
    let attackers = [[203, 0, 113, 7], [203, 0, 113, 8], [203, 0, 113, 9]];
    for _ in 0..20 {
        attackers.iter().for_each(|ip| sender.send(&spec(*ip, 22).frame(), 10));
        std::thread::sleep(Duration::from_millis(100));
    }
    monitor.wait_until_seen(5_600);
    let answer = monitor.command(&json!({"cmd": "snapshot", "limit": 0}));
    let rows = answer["snapshot"]["ips"].as_array().expect("a list");
    for ip in ["203.0.113.7", "203.0.113.8", "203.0.113.9"] {
        let row = rows.iter().find(|row| row["ip"] == ip).expect("a row");
        let seen = row["dst_ports"]["22"].as_u64().expect("a count");
        assert!((50..=200).contains(&seen), "{row}");
        assert_eq!(row["detail_estimated"], seen < 200, "the beginning is missing: {row}");
    }
    let (with, without): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row["detail_estimated"].is_boolean());
    assert_eq!((with.len(), without.len()), (3_072, 5_003 - 3_072));
    let lists = ["src_ports", "dst_ports", "protocols", "macs", "tcp_flags"];
    let is_marked = |row: &&Value| row["detail_estimated"].is_null() && lists.iter().all(|list| row[list].is_null());
    assert!(without.iter().all(is_marked), "no empty list that looks exact");
}

#[test]
fn interfaces_are_changed_while_it_runs() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(2);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let senders = [Sender::new(&net.sender, "out0"), Sender::new(&net.sender, "out1")];
    let mut traffic = Traffic::default();
    let send = |traffic: &mut Traffic, watched: [bool; 2]| {
        for (sender, watched) in senders.iter().zip(watched) {
            match watched {
                true => traffic.send(sender, &udp(1), 5),
                false => sender.send(&udp(2).frame(), 9),
            }
        }
        traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
    };
    let set = |names: &str| {
        let answer = monitor.command(&json!({"cmd": "set", "iface": names}));
        let mut shown: Vec<_> = answer["filter"]["iface"].as_str().expect("text").split(',').collect();
        shown.sort_unstable();
        assert_eq!(shown.join(","), names);
    };
    send(&mut traffic, [true, false]);
    set("in1");
    assert_eq!(net.receiver.xdp_program("in0"), None, "detached where it is no longer wanted");
    send(&mut traffic, [false, true]);
    set("in0,in1");
    send(&mut traffic, [true, true]);
    set("in0");
    send(&mut traffic, [true, false]);

    let answer = monitor.request(&json!({"cmd": "set", "iface": "in0,nosuch"}));
    let error = answer["error"].as_str().expect("an error");
    assert!(error.contains("nosuch") && error.contains("in0") && error.contains("in1"), "{error}");
    assert!(!error.contains('\n'));
    send(&mut traffic, [true, false]);
}

#[test]
fn two_interfaces_are_counted_together_from_the_start() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(2);
    let monitor = Monitor::live(&net.receiver, "--iface in0,in1");
    let mut traffic = Traffic::default();
    for (pair, count) in [(0, 12), (1, 34)] {
        let sender = Sender::new(&net.sender, &format!("out{pair}"));
        traffic.send(&sender, &udp(1), count);
        traffic.send(&sender, &from(pair, Transport::Udp(1, 1)), count);
    }
    let snapshot = monitor.wait_until_seen(traffic.seen());
    traffic.assert_is(&snapshot);
    for name in ["in0", "in1"] {
        assert_eq!(row(&snapshot, name)["mode"], "native");
    }
}

#[test]
fn an_interface_that_goes_down_is_shown_and_counted_when_it_comes_up() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let sender = Sender::new(&net.sender, "out0");
    let mut traffic = Traffic::default();
    traffic.send(&sender, &udp(1), 5);
    monitor.wait_until_seen(traffic.seen());
    net.receiver.ip("link set dev in0 down");
    let snapshot = monitor.wait_until("down", |snapshot| row(snapshot, "in0")["state"] == "down");
    assert!(snapshot["degraded"].to_string().contains("in0 is down"), "{}", snapshot["degraded"]);
    net.receiver.ip("link set dev in0 up");
    monitor.wait_until("up", |snapshot| row(snapshot, "in0")["state"] == "up");
    traffic.send(&sender, &udp(1), 7);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
}

#[test]
fn an_interface_that_is_deleted_is_attached_again_when_it_comes_back() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let mut traffic = Traffic::default();
    for _ in 0..2 {
        traffic.send(&Sender::new(&net.sender, "out0"), &udp(1), 5);
        traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
        net.remove_pair(0);
        let snapshot = monitor.wait_until("gone", |snapshot| row(snapshot, "in0")["state"] == "gone");
        assert_eq!(row(&snapshot, "in0")["mode"], Value::Null);
        assert!(snapshot["degraded"].to_string().contains("in0 is gone"), "{}", snapshot["degraded"]);
        assert_eq!(snapshot["total_packets"], traffic.seen(), "what was counted stays");
        net.add_pair(0);
        let snapshot = monitor.wait_until("back", |snapshot| row(snapshot, "in0")["state"] == "up");
        assert_eq!(row(&snapshot, "in0")["mode"], "native");
        assert!(net.receiver.xdp_program("in0").is_some());
    }
    traffic.send(&Sender::new(&net.sender, "out0"), &udp(1), 5);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
}

#[test]
fn a_renamed_interface_is_counted_under_its_new_name() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let sender = Sender::new(&net.sender, "out0");
    let mut traffic = Traffic::default();
    traffic.send(&sender, &udp(1), 5);
    monitor.wait_until_seen(traffic.seen());
    net.receiver.ip("link set dev in0 down");
    net.receiver.ip("link set dev in0 name uplink");
    net.receiver.ip("link set dev uplink up");
    let snapshot = monitor.wait_until("renamed", |snapshot| row(snapshot, "uplink")["state"] == "up");
    assert!(row(&snapshot, "uplink")["note"].as_str().is_some_and(|note| note.contains("in0")), "{snapshot}");
    traffic.send(&sender, &udp(1), 7);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
    // It can be asked for by its new name without a gap.
    monitor.command(&json!({"cmd": "set", "iface": "uplink"}));
    traffic.send(&sender, &udp(1), 2);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
}

#[test]
fn jumbo_frames_are_counted_natively_and_whole() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    net.set_mtu(0, 9000);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let sender = Sender::new(&net.sender, "out0");
    let mut traffic = Traffic::default();
    for payload in [1472, 3400, 3600, 4096, 8000, 8972] {
        traffic.send(&sender, &udp(1).payload(payload), 5);
    }
    let snapshot = monitor.wait_until_seen(traffic.seen());
    traffic.assert_is(&snapshot);
    assert_eq!(row(&snapshot, "in0")["mode"], "native");
    assert_eq!(row(&snapshot, "in0")["mtu"], 9000);

    // The MTU may change under it.
    net.set_mtu(0, 1500);
    monitor.wait_until("an MTU of 1500", |snapshot| row(snapshot, "in0")["mtu"] == 1500);
    traffic.send(&sender, &udp(1).payload(1472), 5);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
}

#[test]
fn loopback_is_counted_generically_and_that_is_said() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(0);
    net.receiver.ip("link set dev lo up");
    let monitor = Monitor::live(&net.receiver, "--iface lo");
    let sender = Sender::new(&net.receiver, "lo");
    let mut traffic = Traffic::default();
    traffic.send(&sender, &udp(1).payload(100), 8);
    traffic.send(&sender, &Spec::v6(Transport::Tcp(1, 2, 0x02)), 8);
    let snapshot = monitor.wait_until_seen(traffic.seen());
    traffic.assert_is(&snapshot);
    assert_eq!(row(&snapshot, "lo")["mode"], "generic");
    assert!(snapshot["degraded"].to_string().contains("generic XDP on lo"), "{}", snapshot["degraded"]);
}

#[test]
fn a_tunnel_without_ethernet_is_counted() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(0);
    net.receiver.ip("tuntap add dev tun0 mode tun");
    net.receiver.ip("link set dev tun0 up");
    let tunnel = Tunnel::open(&net, "tun0");
    let monitor = Monitor::live(&net.receiver, "--iface tun0");
    for _ in 0..6 {
        tunnel.receive(&Spec::v4(Transport::Udp(5, 53)).payload(20).raw_ip());
        tunnel.receive(&Spec::v6(Transport::Tcp(5, 443, 0x02)).raw_ip());
    }
    let snapshot = monitor.wait_until_seen(12);
    assert_eq!(snapshot["protocols"], json!({"TCP": 6, "UDP": 6}));
    assert_eq!(snapshot["dst_ports"], json!({"53": 6, "443": 6}));
    assert_eq!(snapshot["total_bytes"], 6 * (20 + 8 + 20) + 6 * (40 + 20));
    assert_eq!(snapshot["accounting"]["holds"], true);
}

/// The user's end of a tun interface: what is written here arrives there.
struct Tunnel {
    file: fs::File,
}

impl Tunnel {
    fn open(net: &Net, name: &str) -> Self {
        use std::os::fd::AsRawFd as _;
        /// `TUNSETIFF`, `IFF_TUN | IFF_NO_PI` (linux/if_tun.h).
        const SET_INTERFACE: libc::c_ulong = 0x4004_54ca;
        const FLAGS: u16 = 0x0001 | 0x1000;
        let mut request = [0u8; 40];
        request[..name.len()].copy_from_slice(name.as_bytes());
        request[16..18].copy_from_slice(&FLAGS.to_ne_bytes());
        let file = net.receiver.run(|| {
            let file = fs::File::options().read(true).write(true).open("/dev/net/tun").expect("opening /dev/net/tun");
            // SAFETY: the request is a `struct ifreq`, 40 bytes, which outlives the call.
            let result = unsafe { libc::ioctl(file.as_raw_fd(), SET_INTERFACE, request.as_mut_ptr()) };
            assert_eq!(result, 0, "attaching to {name}: {}", std::io::Error::last_os_error());
            file
        });
        Self { file }
    }

    fn receive(&self, packet: &[u8]) {
        use std::io::Write as _;
        (&self.file).write_all(packet).expect("writing to the tunnel");
    }
}

#[test]
fn a_second_monitor_is_told_who_is_first() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(2);
    let first = Monitor::live(&net.receiver, "--iface in0");
    let second = |interface: &str, socket: &Path| {
        let mut command = net.receiver.command(program::path("nettop"));
        command.args(["run", "--quiet", "--iface", interface, "--map-memory", "1", "--control-socket"]).arg(socket);
        program::run(&mut command)
    };
    let refused = second("in1", first.socket());
    refused.expect_one_line(&format!("process {}", first.pid()));
    refused.expect_one_line("--control-socket");
    refused.expect_one_line(&first.socket().display().to_string());
    assert!(first.socket().exists(), "the socket of the first stays");

    let directory = TempDir::new().expect("a directory");
    let socket = directory.path().join("second.sock");
    let refused = second("in0", &socket);
    let id = net.receiver.xdp_program("in0").expect("the first is attached");
    refused.expect_one_line(&format!("id {id}"));
    refused.expect_one_line("in0");
    assert!(!socket.exists(), "the refused one removes its socket");

    // The first counts on.
    let mut traffic = Traffic::default();
    traffic.send(&Sender::new(&net.sender, "out0"), &udp(1), 5);
    traffic.assert_is(&first.wait_until_seen(traffic.seen()));

    // Both may run, each on its own.
    let mut command = net.receiver.command(program::path("nettop"));
    command.args(["run", "--iface", "in1", "--map-memory", "1", "--interval", "0.1"]);
    let second = Monitor::start(command, &socket);
    traffic.send(&Sender::new(&net.sender, "out0"), &udp(1), 5);
    traffic.assert_is(&first.wait_until_seen(traffic.seen()));
    second.wait_until_seen(0);
}

/// Whether the kernel still has a program.
fn is_loaded(program: u32) -> bool {
    aya::programs::loaded_programs().filter_map(Result::ok).any(|loaded| loaded.id() == program)
}

/// Whether the kernel still has a link to a program.
fn is_linked(program: u32) -> bool {
    aya::programs::loaded_links().filter_map(Result::ok).any(|link| link.program_id() == program)
}

#[test]
fn being_killed_leaves_nothing_in_the_kernel() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let directory = TempDir::new().expect("a directory");
    let socket = directory.path().join("nettop.sock");
    let start = || {
        let mut command = net.receiver.command(program::path("nettop"));
        command.args(["run", "--iface", "in0", "--map-memory", "8", "--interval", "0.1"]);
        Monitor::start(command, &socket)
    };
    let monitor = start();
    let id = net.receiver.xdp_program("in0").expect("it is attached");
    assert!(is_loaded(id) && is_linked(id));
    monitor.signal(libc::SIGKILL);
    assert!(!monitor.end().status.success());
    let gone = wait_for(|| (!is_loaded(id) && !is_linked(id)).then_some(()));
    assert!(gone.is_some(), "program {id} is still in the kernel");
    assert_eq!(net.receiver.xdp_program("in0"), None);

    // Its dead socket is no obstacle.
    assert!(fs::symlink_metadata(&socket).expect("left behind").file_type().is_socket());
    let monitor = start();
    let mut traffic = Traffic::default();
    traffic.send(&Sender::new(&net.sender, "out0"), &udp(1), 5);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
}

#[test]
fn a_signal_ends_it_orderly_with_a_summary() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let sender = Sender::new(&net.sender, "out0");
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // So long an interval that only the last reading can see anything.
        let monitor = Monitor::live(&net.receiver, "--iface in0 --interval 3600");
        let id = net.receiver.xdp_program("in0").expect("it is attached");
        monitor.wait_until("its early tick", |snapshot| snapshot["tick"]["count"] == 1);
        sender.send(&udp(1).frame(), 17);
        let socket = monitor.socket().to_path_buf();
        monitor.signal(signal);
        let ended = monitor.end();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert_eq!(ended.stderr, "");
        assert!(ended.stdout.contains("Session summary"), "{ended:?}");
        assert!(ended.stdout.contains("17 seen = 17 counted + 0 filtered + 0 not IP\n"), "{ended:?}");
        assert!(ended.stdout.contains("192.0.2.1"), "{ended:?}");
        assert!(!socket.exists(), "its socket is removed");
        assert!(wait_for(|| (!is_loaded(id)).then_some(())).is_some(), "program {id} is still in the kernel");
    }
}

#[test]
fn stop_by_request_ends_it_orderly() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let socket = monitor.socket().to_path_buf();
    let ended = monitor.stop();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("Session summary"), "{ended:?}");
    assert!(!socket.exists());
}

#[test]
fn it_gives_up_every_privilege_once_attached() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let tasks = fs::read_dir(format!("/proc/{}/task", monitor.pid())).expect("its threads");
    // One may end meanwhile; the first does not.
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.expect("a thread").path().join("status")).ok());
    let statuses: Vec<_> = statuses.collect();
    assert!(!statuses.is_empty());
    for status in statuses {
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            let line = status.lines().find(|line| line.starts_with(set)).expect("every set is there");
            assert!(line.ends_with("\t0000000000000000"), "{line}");
        }
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    }
}

#[test]
fn an_idle_monitor_costs_little() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    monitor.wait_until("ten ticks", |snapshot| snapshot["tick"]["count"].as_u64().is_some_and(|count| count >= 10));
    let before = processor_time(monitor.pid());
    monitor.wait_until("thirty ticks", |snapshot| snapshot["tick"]["count"].as_u64().is_some_and(|count| count >= 30));
    let spent = processor_time(monitor.pid()) - before;
    // Two seconds at ten ticks per second, in a debug build, with a request every 20 ms.
    assert!(spent < Duration::from_millis(1500), "{spent:?} of processor time for nothing");
    println!("idle at 10 ticks per second: {spent:?} of processor time in 2 s (this build)");
}

/// Processor time that a process has used.
fn processor_time(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("its statistics");
    let (_, fields) = text.rsplit_once(')').expect("a name in parentheses");
    // User and system time, the 14th and 15th field, in hundredths of a second.
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
