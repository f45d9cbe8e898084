//! Messages of ARP and of neighbour discovery: each is counted, for the MAC that it is from, or that it is sent to, and the gateway is marked.

use nettop_tests::{
    frames::{self, RECEIVER_MAC, SENDER_MAC, Spec, Transport},
    monitor::Monitor,
    net::Net,
    program,
    send::Sender,
    skip,
};
use serde_json::{Value, json};

/// The same frame to another MAC.
fn to(receiver: [u8; 6], mut frame: Vec<u8>) -> Vec<u8> {
    frame[..6].copy_from_slice(&receiver);
    frame
}

/// A message of ARP from a MAC, with that number of operation.
fn arp(from: [u8; 6], operation: u8, tags: &[(u16, u16)]) -> Vec<u8> {
    let mut frame = frames::arp();
    frame[6..12].copy_from_slice(&from);
    frame[21] = operation;
    frames::tag(&mut frame, tags);
    frame
}

/// A message of ICMPv6 from the MAC of `out0`, behind these extension headers.
fn icmp(kind: u8, extensions: &[u8], length: usize) -> Vec<u8> {
    let mut message = vec![0; length];
    message[0] = kind;
    let first = extensions.first().copied().unwrap_or(58);
    frames::ipv6(first, &frames::extensions(extensions, 0, 58, &message))
}

/// Two neighbours at one MAC, and the default route by one of them.
fn net() -> Net {
    let net = Net::new(1);
    net.receiver
        .run(|| std::fs::write("/proc/sys/net/ipv6/conf/in0/disable_ipv6", "0"))
        .expect("IPv6 on the interface");
    net.receiver.ip("address add 192.0.2.100/24 dev in0");
    for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
        let last = if address == "192.0.2.2" { 9 } else { SENDER_MAC[4] };
        net.receiver.ip(&format!("neigh add {address} lladdr 02:00:00:00:{last:02x}:00 nud permanent dev in0"));
    }
    net.receiver.ip("route add default via 192.0.2.1 dev in0");
    net
}

fn neighbours(monitor: &Monitor) -> Value {
    let request = json!({"cmd": "snapshot", "schema": 2, "groups": ["neighbours"]});
    monitor.command(&request)["snapshot"]["neighbours"].take()
}

/// What is known when `condition` holds.
#[track_caller]
fn wait_until(monitor: &Monitor, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    program::first(what, || neighbours(monitor), condition)
}

/// Requests, answers, and whether it is the gateway.
fn of(neighbours: &Value, address: &str) -> Value {
    let row = neighbours["rows"].as_array().and_then(|rows| rows.iter().find(|row| row["ip"] == address));
    row.map_or(Value::Null, |row| json!([row["requests"], row["answers"], row["gateway"]]))
}

#[test]
fn messages_are_counted_by_mac_and_the_gateway_is_marked() {
    if !skip::privileged() {
        return;
    }
    let net = net();
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let sender = Sender::new(&net.sender, "out0");
    for (frame, count) in [
        (arp(SENDER_MAC, 1, &[]), 40),
        (arp(SENDER_MAC, 1, &[(0x8100, 5)]), 2),
        (arp(SENDER_MAC, 2, &[(0x88a8, 5), (0x8100, 6)]), 3),
        (arp([2, 0, 0, 0, 9, 0], 2, &[]), 5),
        // Reverse ARP is neither.
        (arp(SENDER_MAC, 3, &[]), 7),
        (icmp(135, &[], 24), 11),
        (icmp(136, &[], 32), 13),
        (icmp(135, &[0, 60], 24), 17),
        // An echo, one that is cut short, and other packets.
        (icmp(128, &[], 24), 19),
        (icmp(135, &[], 20), 23),
        (Spec::v4(Transport::Tcp(40_000, 443, 2)).frame(), 29),
    ] {
        sender.send(&frame, count);
    }
    monitor.wait_until_seen(40 + 2 + 3 + 5 + 7 + 11 + 13 + 17 + 19 + 23 + 29);
    let seen = json!({"arp_requests": 42, "arp_answers": 8, "nd_requests": 28, "nd_answers": 13});
    let list = wait_until(&monitor, "all of them", |list| list["messages"]["seen"] == seen);
    assert_eq!((&list["messages"]["macs"], &list["messages"]["holds"]), (&seen, &json!(true)), "{list}");
    for (address, expected) in [
        ("192.0.2.1", json!([42, 3, true])),
        ("192.0.2.2", json!([0, 5, false])),
        ("2001:db8::1", json!([28, 13, false])),
    ] {
        assert_eq!(of(&list, address), expected, "{address}: {list}");
    }
    // Whoever makes up MACs pushes no neighbour out.
    for number in 0..20_000_u16 {
        let [high, low] = number.to_be_bytes();
        sender.send(&arp([2, 0xaa, 0, 0, high, low], 1, &[]), 1);
    }
    let list = wait_until(&monitor, "the flood", |list| list["messages"]["seen"]["arp_requests"] == 20_042);
    assert_eq!((of(&list, "192.0.2.1"), &list["messages"]["holds"]), (json!([42, 3, true]), &json!(true)), "{list}");
    assert!(list["messages"]["evicted"]["arp_requests"].as_u64() > Some(8_000), "{}", list["messages"]);
    let accounting = &monitor.snapshot()["accounting"];
    assert_eq!(
        (&accounting["holds"], &accounting["not_ip"]["packets"]),
        (&json!(true), &json!(20_057)),
        "{accounting}"
    );
    monitor.command(&json!({"cmd": "reset"}));
    let list = wait_until(&monitor, "zeros", |list| list["messages"]["seen"]["arp_requests"] == 0);
    assert_eq!(of(&list, "192.0.2.1"), json!([0, 0, true]), "{list}");
}

/// Requests and answers that were sent to it.
fn sent_to(neighbours: &Value, address: &str) -> Value {
    let row = neighbours["rows"].as_array().and_then(|rows| rows.iter().find(|row| row["ip"] == address));
    row.map_or(Value::Null, |row| json!([row["requests_sent"], row["answers_sent"]]))
}

#[test]
fn messages_that_are_sent_are_counted_by_the_mac_that_they_are_to() {
    if !skip::privileged_with(&skip::TCX) {
        return;
    }
    const OTHER: [u8; 6] = [2, 0, 0, 0, 9, 0];
    const ALL: [u8; 6] = [0xff; 6];
    for arguments in ["--iface in0", "--iface in0 --maps hash"] {
        let net = net();
        let monitor = Monitor::live(&net.receiver, arguments);
        let before = wait_until(&monitor, "a list", |list| list["rows"].is_array());
        assert_eq!(before["messages_sent"]["seen"]["arp_requests"], 0, "{before}");
        let sender = Sender::new(&net.receiver, "in0");
        let from_here = |number: u8, tags: &[(u16, u16)]| arp(RECEIVER_MAC, number, tags);
        for (frame, count) in [
            (to(SENDER_MAC, from_here(1, &[])), 40),
            (to(SENDER_MAC, from_here(1, &[(0x8100, 5)])), 2),
            (to(SENDER_MAC, from_here(2, &[(0x88a8, 5), (0x8100, 6)])), 3),
            (to(OTHER, from_here(2, &[])), 5),
            (to(SENDER_MAC, from_here(3, &[])), 7),
            // To all, and to many.
            (to(ALL, from_here(1, &[])), 4),
            (to([0x33, 0x33, 0xff, 0, 0, 1], icmp(135, &[], 24)), 6),
            (to(SENDER_MAC, icmp(135, &[], 24)), 11),
            (to(SENDER_MAC, icmp(136, &[], 32)), 13),
            (to(SENDER_MAC, icmp(135, &[0, 60], 24)), 17),
            (to(SENDER_MAC, icmp(128, &[], 24)), 19),
            (to(SENDER_MAC, icmp(135, &[], 20)), 23),
            (to(SENDER_MAC, Spec::v4(Transport::Tcp(40_000, 443, 2)).frame()), 29),
        ] {
            sender.send(&frame, count);
        }
        let kinds = |arp: [u64; 2], nd: [u64; 2]| json!({"arp_requests": arp[0], "arp_answers": arp[1], "nd_requests": nd[0], "nd_answers": nd[1]});
        let seen = kinds([46, 8], [34, 13]);
        let list = wait_until(&monitor, "all of them", |list| list["messages_sent"]["seen"] == seen);
        let sent = &list["messages_sent"];
        let told = [&sent["macs"], &sent["groups"], &sent["untracked"], &sent["holds"]];
        let expected = [kinds([42, 8], [28, 13]), kinds([4, 0], [6, 0]), kinds([0, 0], [0, 0]), json!(true)];
        assert_eq!(told, expected.each_ref(), "{arguments}: {list}");
        for (address, expected) in
            [("192.0.2.1", json!([42, 3])), ("192.0.2.2", json!([0, 5])), ("2001:db8::1", json!([28, 13]))]
        {
            assert_eq!(sent_to(&list, address), expected, "{arguments}, {address}: {list}");
        }
        // Nothing of it came, and what was not IP is so in the sums of what is sent.
        assert_eq!(list["messages"]["seen"], kinds([0, 0], [0, 0]), "{arguments}: {list}");
        let egress =
            &monitor.command(&json!({"cmd": "snapshot", "schema": 2, "groups": ["egress"]}))["snapshot"]["egress"];
        let accounting = &egress["accounting"];
        assert_eq!(
            (&accounting["holds"], &accounting["not_ip"]["packets"]),
            (&json!(true), &json!(40 + 2 + 3 + 5 + 7 + 4)),
            "{arguments}: {accounting}"
        );
        // Whom many ask in the name of others sends to as many, for whom there is no room: they are counted.
        for number in 0..20_000_u16 {
            let [high, low] = number.to_be_bytes();
            sender.send(&to([2, 0xaa, 0, 0, high, low], from_here(2, &[])), 1);
        }
        let list = wait_until(&monitor, "the flood", |list| list["messages_sent"]["seen"]["arp_answers"] == 20_008);
        let sent = &list["messages_sent"];
        assert_eq!(
            (sent_to(&list, "192.0.2.1"), &sent["holds"]),
            (json!([42, 3]), &json!(true)),
            "{arguments}: {sent}"
        );
        assert!(sent["untracked"]["arp_answers"].as_u64() > Some(10_000), "{arguments}: {sent}");
        monitor.command(&json!({"cmd": "reset"}));
        let list = wait_until(&monitor, "zeros", |list| list["messages_sent"]["seen"]["arp_answers"] == 0);
        assert_eq!(sent_to(&list, "192.0.2.1"), json!([0, 0]), "{arguments}: {list}");
    }
}

#[test]
fn what_the_kernel_asks_and_answers_is_counted_too() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    net.receiver.ip("address add 192.0.2.100/24 dev in0");
    net.sender.ip("address add 192.0.2.7/24 dev out0");
    net.receiver.ip("link set dev in0 arp on");
    net.sender.ip("link set dev out0 arp on");
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    wait_until(&monitor, "a list", |list| list.is_object());
    let ask = |namespace: &nettop_tests::net::Namespace, address: &str| {
        namespace.run(|| {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket.send_to(b"x", (address, 9)).expect("sending");
        });
    };
    // The host asks for the other, which answers; and the other asks for somebody whom the host may know.
    ask(&net.receiver, "192.0.2.7");
    let list = wait_until(&monitor, "an answer", |list| of(list, "192.0.2.7")[1].as_u64() >= Some(1));
    assert_eq!(of(&list, "192.0.2.7")[2], json!(false), "{list}");
    let counts_sent = skip::kernel_has(&skip::TCX);
    assert!(!counts_sent || list["messages_sent"]["groups"]["arp_requests"].as_u64() >= Some(1), "{list}");
    ask(&net.sender, "192.0.2.55");
    wait_until(&monitor, "a question", |list| of(list, "192.0.2.7")[0].as_u64() >= Some(1));
    net.sender.ip("neigh flush all");
    ask(&net.sender, "192.0.2.100");
    wait_until(&monitor, "an answer of this host", |list| {
        !counts_sent || sent_to(list, "192.0.2.7")[1].as_u64() >= Some(1)
    });
}

#[test]
fn messages_are_not_counted_by_mac_where_there_is_no_log_and_not_at_all_without_macs() {
    if !skip::privileged() {
        return;
    }
    for (arguments, expected) in [
        ("--iface in0 --maps hash", json!([{"arp_requests": 6}, {"arp_requests": 6}, true])),
        ("--iface in0 --without macs", json!([null, null, null])),
        ("--iface in0 --without egress", json!([{"arp_requests": 6}, {"arp_requests": 0}, true])),
    ] {
        let net = net();
        let monitor = Monitor::live(&net.receiver, arguments);
        let sender = Sender::new(&net.sender, "out0");
        sender.send(&arp(SENDER_MAC, 1, &[]), 6);
        sender.send(&arp(RECEIVER_MAC, 3, &[]), 1);
        monitor.wait_until_seen(7);
        let told = |list: &Value| {
            let messages = &list["messages"];
            let requests = |part: &str| match &messages[part] {
                Value::Null => Value::Null,
                counts => json!({"arp_requests": counts["arp_requests"]}),
            };
            json!([requests("seen"), requests("untracked"), messages["holds"]])
        };
        let list = wait_until(&monitor, arguments, |list| list["rows"].is_array() && told(list) == expected);
        assert_eq!(of(&list, "192.0.2.1")[0].is_null(), expected[0].is_null(), "{arguments}: {list}");
        let counts_sent = !arguments.contains("--without");
        assert_eq!(list["messages_sent"].is_object(), counts_sent, "{arguments}: {list}");
        assert_eq!(sent_to(&list, "192.0.2.1")[0].is_null(), !counts_sent, "{arguments}: {list}");
    }
}
