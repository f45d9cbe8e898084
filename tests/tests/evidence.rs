//! What alerts rest on, from outside: what this host sends back, and which of its sockets gets the packets. Attacks are named, and
//! ordinary traffic of as many packets is none. Thresholds are a tenth of the usual ones, so that a busy machine sends enough.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use nettop_tests::{
    enough::Enough,
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    peers::{HOST, REMOTE, named, peers},
    send::Sender,
    skip,
};
use serde_json::{Value, json};

/// Streams of calls: so many peers, each of which sends every 20 ms.
const PEERS: u8 = 200;
const PACKET: Duration = Duration::from_millis(20);
const OPTIONS: &str =
    "--iface in0 --udp-flood 1000 --amplification 500 --tcp-data-flood 1000 --ack-flood 1000 --high-pps 1000";

/// A host, `in0`, and the rest of the world behind `out0`.
fn net() -> Net {
    let net = peers();
    net.receiver.ip("link set dev lo up");
    net.receiver.ip(&format!("route add default via {REMOTE} dev in0"));
    net
}

fn alerts(snapshot: &Value) -> &[Value] {
    snapshot["alerts"].as_array().expect("a list")
}

/// Kinds of alarms.
fn loud(snapshot: &Value) -> Vec<&Value> {
    alerts(snapshot).iter().filter(|alert| alert["severity"] != "info").collect()
}

fn evidence(alert: &Value) -> String {
    let lines = alert["evidence"].as_array().expect("a list").iter();
    let text = lines.map(|line| line.as_str().expect("a text")).collect::<Vec<_>>().join("; ");
    println!("{}\n  {text}", alert["message"]);
    text
}

/// A socket of the host, which has room for what comes while nobody looks.
fn socket(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((HOST, port)).expect("a socket");
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 8 << 20).expect("room");
    socket.set_read_timeout(Some(PACKET)).expect("a timeout");
    socket
}

/// Sends each datagram back until there is enough.
fn echo(socket: &UdpSocket, enough: &AtomicBool) {
    let mut buffer = [0; 2048];
    while !enough.load(Ordering::Relaxed) {
        if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            socket.send_to(&buffer[..length], peer).expect("answering");
        }
    }
}

/// Datagrams of so many peers in 203.0.`net`.0/24 to a port, one of each every 20 ms, until there is enough.
fn stream(net: &Net, third: u8, (from, to): (u16, u16), payload: usize, enough: &AtomicBool) {
    let sender = Sender::new(&net.sender, "out0");
    let peer = |last| Ipv4Addr::new(203, 0, third, last);
    let frame = |last| {
        let spec = Spec::between(peer(last).into(), HOST.into(), Transport::Udp(from, to));
        spec.payload(payload).frame()
    };
    let frames: Vec<_> = (1..=PEERS).map(frame).collect();
    let mut next = Instant::now();
    while !enough.load(Ordering::Relaxed) {
        frames.iter().for_each(|frame| sender.send(frame, 1));
        next += PACKET;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

#[test]
fn a_flood_to_a_port_where_nobody_listens_says_so_and_one_to_a_socket_says_whose() {
    if !skip::privileged() {
        return;
    }
    let net = net();
    let (open, silent) = net.receiver.run(|| (socket(53), socket(27_015)));
    for (port, expected) in [
        (
            9_u16,
            [
                "no socket of this host takes ",
                "answers go to 0 % of the sources",
                "no socket of this host is at port 9",
            ],
        ),
        (27_015, ["", "answers go to 0 % of the sources", "it goes to a socket of "]),
    ] {
        let monitor = Monitor::live(&net.receiver, OPTIONS);
        let enough = AtomicBool::new(false);
        let snapshot = thread::scope(|scope| {
            let _end = Enough(&enough);
            scope.spawn(|| stream(&net, 113, (40_000, port), 100, &enough));
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    // It reads, and answers nobody.
                    _ = silent.recv_from(&mut [0; 2048]);
                }
            });
            monitor.wait_until("a flood that says what it rests on", |snapshot| {
                let flood = named(snapshot, "udp-flood").map(Value::to_string).unwrap_or_default();
                expected.iter().all(|words| flood.contains(words))
            })
        });
        let flood = named(&snapshot, "udp-flood").expect("just seen");
        let text = evidence(flood);
        assert_eq!(flood["target"], json!({"ip": "10.0.0.1", "port": port, "prefix": null}));
        assert_eq!(text.contains(&format!("(pid {})", process::id())), port == 27_015, "{text}");
        assert_eq!(loud(&snapshot).len(), 1, "{}", snapshot["alerts"]);
    }
    drop(open);
}

#[test]
fn streams_that_are_answered_are_no_flood_and_what_comes_beside_them_is_told_apart() {
    if !skip::privileged() {
        return;
    }
    let net = net();
    let call = net.receiver.run(|| socket(5004));
    let monitor = Monitor::live(&net.receiver, OPTIONS);
    let enough = AtomicBool::new(false);
    let snapshot = thread::scope(|scope| {
        let _end = Enough(&enough);
        scope.spawn(|| echo(&call, &enough));
        scope.spawn(|| stream(&net, 113, (5004, 5004), 172, &enough));
        monitor.wait_until("heavy traffic", |snapshot| named(snapshot, "heavy-traffic").is_some());
        // Not everybody is new any more.
        let calls = monitor.wait_until("ten seconds of it", |snapshot| snapshot["elapsed"].as_f64() > Some(14.0));
        let note = named(&calls, "heavy-traffic").expect("heavy traffic");
        assert!(loud(&calls).is_empty(), "calls are no alarm: {}", calls["alerts"]);
        println!("{}", note["message"]);
        assert!(note["message"].as_str().expect("a message").ends_with("this host answers it"), "{note}");
        // Of other addresses, as many, to a port where nobody listens.
        scope.spawn(|| stream(&net, 114, (40_000, 9), 172, &enough));
        // The counters of the host come a second later.
        monitor.wait_until("the flood, with what it rests on", |snapshot| {
            let text = named(snapshot, "udp-flood").map(Value::to_string).unwrap_or_default();
            text.contains("no socket of this host takes ") && text.contains("of conversations of this host")
        })
    });
    let flood = named(&snapshot, "udp-flood").expect("just seen");
    evidence(flood);
    assert_eq!(flood["target"]["ip"], "10.0.0.1");
    let sources = flood["sources"].as_array().expect("a list");
    let is_caller = |source: &&Value| source["ip"].as_str().is_some_and(|ip| ip.starts_with("203.0.113."));
    assert_eq!(sources.iter().filter(is_caller).count(), 0, "callers take no part in it: {flood}");
}

#[test]
fn a_backup_look_ups_and_visitors_are_no_alarm_and_answers_nobody_asked_for_are() {
    if !skip::privileged() {
        return;
    }
    let net = net();
    let server = net.receiver.run(|| TcpListener::bind((HOST, 80)).expect("listening"));
    let backup = net.receiver.run(|| TcpListener::bind((HOST, 873)).expect("listening"));
    let name_server = net.sender.run(|| UdpSocket::bind((REMOTE, 53)).expect("a socket"));
    name_server.set_read_timeout(Some(PACKET)).expect("a timeout");
    let resolver = net.receiver.run(|| socket(0));
    let enough = AtomicBool::new(false);
    let going = || !enough.load(Ordering::Relaxed);
    // It has begun before nettop does.
    let mut client = net.sender.run(|| TcpStream::connect((HOST, 873)).expect("connecting"));
    let (mut taker, _) = backup.accept().expect("a client");
    let monitor = Monitor::live(&net.receiver, OPTIONS);
    let snapshot = thread::scope(|scope| {
        let _end = Enough(&enough);
        scope.spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while taker.read(&mut buffer).is_ok_and(|read| read > 0) {}
        });
        scope.spawn(|| {
            while going() {
                client.write_all(&[7; 1 << 15]).expect("sending");
                thread::sleep(Duration::from_millis(5));
            }
            client.shutdown(std::net::Shutdown::Both).expect("ending");
        });
        scope.spawn(|| {
            let mut buffer = [0; 2048];
            while going() {
                if let Ok((_, peer)) = name_server.recv_from(&mut buffer) {
                    name_server.send_to(&[7; 1200], peer).expect("answering");
                }
            }
        });
        scope.spawn(|| {
            let to = SocketAddr::from((REMOTE, 53));
            while going() {
                (0..20).for_each(|_| _ = resolver.send_to(&[7; 50], to).expect("asking"));
                (0..20).for_each(|_| _ = resolver.recv_from(&mut [0; 2048]));
            }
        });
        scope.spawn(|| {
            while going() {
                let (mut visitor, _) = server.accept().expect("a visitor");
                let _ = visitor.read(&mut [0; 2048]);
                let _ = visitor.write_all(&[7; 20_000]);
            }
        });
        scope.spawn(|| {
            net.sender.run(|| {
                while going() {
                    let mut visitor = TcpStream::connect((HOST, 80)).expect("connecting");
                    visitor.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("asking");
                    let _ = visitor.read_to_end(&mut Vec::new());
                    thread::sleep(Duration::from_millis(10));
                }
                // Whoever waits for one more gets it.
                drop(TcpStream::connect((HOST, 80)));
            });
        });
        monitor.wait_until("some seconds of it", |snapshot| snapshot["elapsed"].as_f64() > Some(15.0))
    });
    for class in ["data", "udp"] {
        let sent = snapshot["egress"]["classes"][class]["packets"].as_u64();
        assert!(sent > Some(1000), "{class}: {}", snapshot["egress"]);
    }
    let said: Vec<_> = alerts(&snapshot).iter().map(|alert| alert["message"].to_string()).collect();
    println!("{said:#?}");
    assert!(loud(&snapshot).is_empty(), "{}", snapshot["alerts"]);

    let enough = AtomicBool::new(false);
    let snapshot = thread::scope(|scope| {
        let _end = Enough(&enough);
        scope.spawn(|| stream(&net, 113, (53, 40_000), 1400, &enough));
        monitor.wait_until("an amplification", |snapshot| named(snapshot, "amplification").is_some())
    });
    let text = evidence(named(&snapshot, "amplification").expect("just seen"));
    assert!(text.contains("long answers of DNS"), "{text}");
}
