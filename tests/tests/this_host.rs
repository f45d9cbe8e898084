//! Alerts about this host itself, from outside: what it sends, what its listening sockets suffer, what it sends again.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use nettop_tests::{
    enough::Enough,
    frames::{Spec, Transport},
    monitor::Monitor,
    peers::{HOST, REMOTE, named, peers},
    send::Sender,
    skip,
};
use serde_json::{Value, json};

const SYN: u8 = 0x02;

#[track_caller]
fn wait_for(monitor: &Monitor, kind: &str) -> Value {
    let snapshot = monitor.wait_until(kind, |snapshot| named(snapshot, kind).is_some());
    named(&snapshot, kind).expect("just seen").clone()
}

fn message(alert: &Value) -> &str {
    let message = alert["message"].as_str().expect("a message");
    println!("{message}\n  {}", alert["evidence"]);
    message
}

/// This process, as an alert names it.
fn this_process() -> String {
    format!("(pid {})", process::id())
}

#[test]
fn what_is_served_is_none_and_what_nobody_answers_is_an_egress_flood() {
    if !skip::privileged() {
        return;
    }
    const PAYLOAD: usize = 60_000_000;
    let net = peers();
    let monitor = Monitor::live(&net.receiver, "--iface in0 --egress-flood 1000");
    let listener = net.receiver.run(|| TcpListener::bind((HOST, 80)).expect("listening"));
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut client, _) = listener.accept().expect("a client");
            client.write_all(&vec![1; PAYLOAD]).expect("sending");
        });
        net.sender.run(|| {
            let mut stream = TcpStream::connect((HOST, 80)).expect("connecting");
            let mut received = Vec::new();
            stream.read_to_end(&mut received).expect("receiving");
            assert_eq!(received.len(), PAYLOAD);
        });
    });
    let served = monitor.wait_until("all of it, and a second that is over", |snapshot| {
        let sent = snapshot["egress"]["classes"]["data"]["bytes"].as_u64();
        sent >= Some(PAYLOAD as u64) && snapshot["egress"]["pps"].as_f64() < Some(100.0)
    });
    assert!(named(&served, "egress-flood").is_none(), "{}", served["alerts"]);

    let enough = AtomicBool::new(false);
    let alert = thread::scope(|scope| {
        let _end = Enough(&enough);
        scope.spawn(|| {
            net.receiver.run(|| {
                let socket = UdpSocket::bind((HOST, 0)).expect("a socket");
                while !enough.load(Ordering::Relaxed) {
                    // Nobody listens there: but for some ICMP, which is limited, nothing comes back.
                    (0..200).for_each(|_| drop(socket.send_to(&[1; 400], (REMOTE, 9))));
                    thread::sleep(Duration::from_millis(20));
                }
            });
        });
        wait_for(&monitor, "egress-flood")
    });
    let text = message(&alert);
    assert!(text.starts_with("egress flood: this host sends ") && text.contains(" of UDP"), "{text}");
    assert!(text.contains("to 10.0.0.2"), "{text}");
    assert_eq!(alert["target"], json!({"ip": "10.0.0.2", "port": null, "prefix": null}));
    monitor.wait_until("its end", |snapshot| {
        named(snapshot, "egress-flood").is_some_and(|alert| !alert["until_ns"].is_null())
    });
}

#[test]
fn half_open_connections_are_told_with_their_listener_and_its_process() {
    if !skip::privileged() {
        return;
    }
    let net = peers();
    // They are answered, and nobody is there.
    net.receiver.ip("route add default via 10.0.0.2 dev in0");
    let listener = net.receiver.run(|| TcpListener::bind((HOST, 443)).expect("listening"));
    net.receiver.run(|| rustix::net::listen(&listener, 128)).expect("a backlog");
    let sender = Sender::new(&net.sender, "out0");
    for source in 0..2_000u16 {
        let [high, low] = source.to_be_bytes();
        let syn = Spec::between([203, 0, 100 + high, low].into(), HOST.into(), Transport::Tcp(40_000, 443, SYN));
        sender.send(&syn.frame(), 1);
    }
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let alert = wait_for(&monitor, "half-open");
    let text = message(&alert);
    assert!(text.contains("half-open connections at 10.0.0.1:443 of "), "{text}");
    assert!(text.contains(&this_process()), "{text}");
    assert_eq!(alert["target"], json!({"ip": "10.0.0.1", "port": 443, "prefix": null}));
    assert!(alert["value"].as_f64() >= Some(96.0), "three quarters of 128: {alert}");
    // The socket is gone, and what was asked of it.
    drop(listener);
    monitor.wait_until("its end", |snapshot| {
        named(snapshot, "half-open").is_some_and(|alert| !alert["until_ns"].is_null())
    });
}

#[test]
fn connections_that_move_nothing_are_a_connection_flood_and_those_that_do_are_none() {
    if !skip::privileged() {
        return;
    }
    let net = peers();
    let (idle, busy) =
        net.receiver.run(|| [80, 8080].map(|port| TcpListener::bind((HOST, port)).expect("listening")).into());
    let connect = |listener: &TcpListener| {
        let client =
            net.sender.run(|| TcpStream::connect(listener.local_addr().expect("an address")).expect("connecting"));
        (client, listener.accept().expect("accepting").0)
    };
    let slow: Vec<_> = (0..60).map(|_| connect(&idle)).collect();
    slow.iter().for_each(|(client, _)| {
        let mut client = client;
        client.write_all(b"GET / HTTP/1.1\r\n").expect("a part of a request");
    });
    let served: Vec<_> = (0..60).map(|_| connect(&busy)).collect();
    for (client, server) in &served {
        let (mut client, mut server) = (client, server);
        server.write_all(&[7; 4000]).expect("an answer");
        client.read_exact(&mut [0; 4000]).expect("an answer");
    }
    let monitor = Monitor::live(&net.receiver, "--iface in0 --connection-flood 50");
    let alert = wait_for(&monitor, "connection-flood");
    let text = message(&alert);
    assert!(text.starts_with("connection flood: 60 idle connections at 10.0.0.1:80 of "), "{text}");
    assert!(text.contains(&this_process()) && text.contains("all from 10.0.0.2 (60)"), "{text}");
    assert_eq!(alert["target"], json!({"ip": "10.0.0.1", "port": 80, "prefix": null}));
    let kinds = monitor.snapshot();
    let floods = kinds["alerts"].as_array().expect("a list").iter().filter(|alert| alert["kind"] == "connection-flood");
    assert_eq!(floods.count(), 1, "{}", kinds["alerts"]);
    drop(slow);
    monitor.wait_until("its end", |snapshot| {
        named(snapshot, "connection-flood").is_some_and(|alert| !alert["until_ns"].is_null())
    });
}

#[test]
fn segments_that_get_no_acknowledgment_are_a_retransmission_storm() {
    if !skip::privileged() {
        return;
    }
    let net = peers();
    let listener = net.sender.run(|| TcpListener::bind((REMOTE, 80)).expect("listening"));
    let connections: Vec<_> = (0..100)
        .map(|_| {
            let client = net.receiver.run(|| TcpStream::connect((REMOTE, 80)).expect("connecting"));
            (client, listener.accept().expect("accepting").0)
        })
        .collect();
    let monitor = Monitor::live(&net.receiver, "--iface in0 --retransmission-storm 50");
    monitor.wait_until("the first counters and the connections", |snapshot| {
        snapshot["host"]["seconds"].as_f64() > Some(0.0)
    });
    assert!(named(&monitor.snapshot(), "retransmission-storm").is_none());
    // The other host drops all that comes.
    net.sender.ip(&format!("addr del {REMOTE}/24 dev out0"));
    connections.iter().for_each(|(client, _)| {
        let mut client = client;
        client.write_all(&[7; 100]).expect("sending");
    });
    let alert = wait_for(&monitor, "retransmission-storm");
    let text = message(&alert);
    assert!(text.starts_with("retransmission storm: ") && text.contains(" segments/s are sent again"), "{text}");
    assert_eq!(alert["severity"], "warn");
}
