//! What this host sends: by remote address, as many packets as are on the wire, and what is left out.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd as _,
    thread,
};

use nettop_tests::{bpf, monitor::Monitor, net::Net, program, skip};
use serde_json::{Value, json};

const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const REMOTES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 3)];

/// A host, `in0`, and one with two addresses, `out0`, which know each other's MACs: no ARP spoils a sum.
fn net() -> Net {
    let net = Net::new(1);
    net.receiver.ip(&format!("addr add {HOST}/24 dev in0"));
    for remote in REMOTES {
        net.sender.ip(&format!("addr add {remote}/24 dev out0"));
        net.receiver.ip(&format!("neigh add {remote} lladdr 02:00:00:00:01:00 dev in0"));
    }
    net.sender.ip(&format!("neigh add {HOST} lladdr 02:00:00:00:02:00 dev out0"));
    net
}

fn egress(monitor: &Monitor) -> Value {
    let answer = monitor.command(&json!({"cmd": "snapshot", "schema": 2, "groups": ["egress"]}));
    answer["snapshot"]["egress"].clone()
}

/// Waits until so many packets were sent, at least, and returns what is known then.
fn wait_until_sent(monitor: &Monitor, packets: u64) -> Value {
    monitor.wait_until("what is sent", |snapshot| {
        snapshot["egress"]["packets"].as_u64().is_some_and(|sent| sent >= packets)
    });
    egress(monitor)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn datagrams_are_counted_by_remote_address() {
    if !skip::privileged_with(&skip::TCX) {
        return;
    }
    for maps in ["slots", "hash"] {
        let net = net();
        let monitor = Monitor::live(&net.receiver, &format!("--iface in0 --maps {maps}"));
        net.receiver.run(|| {
            let socket = UdpSocket::bind((HOST, 0)).expect("a socket");
            for (remote, datagrams) in REMOTES.iter().zip([5000, 7]) {
                // Sent and not received: a port that is closed is answered, to us.
                (0..datagrams).for_each(|_| drop(socket.send_to(&[1; 100], SocketAddr::from((*remote, 9)))));
            }
        });
        let egress = wait_until_sent(&monitor, 5007);
        let remotes: Vec<_> = egress["remotes"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|row| {
                let sent = &row["sent"];
                (row["ip"].as_str().expect("an address"), number(&sent["packets"]), number(&sent["bytes"]))
            })
            .collect();
        // Ethernet, IPv4 and UDP have 42 bytes of headers.
        assert_eq!(remotes, [("10.0.0.2", 5000, 5000 * 142), ("10.0.0.3", 7, 7 * 142)], "{maps}: {egress}");
        assert_eq!(egress["classes"], json!({"udp": {"packets": 5007, "bytes": 5007 * 142}}), "{maps}");
        let seen = &egress["accounting"]["seen"];
        let transmitted = &net.receiver.interface("in0")["stats64"]["tx"];
        assert_eq!(
            (number(&seen["packets"]), number(&seen["bytes"])),
            (number(&transmitted["packets"]), number(&transmitted["bytes"]))
        );
        assert_eq!(egress["accounting"]["holds"], true);
        // Whoever sends, too, is one row with both.
        let _receiver = net.receiver.run(|| UdpSocket::bind((HOST, 9)).expect("a socket"));
        let socket = net.sender.run(|| UdpSocket::bind((REMOTES[1], 0)).expect("a socket"));
        socket.send_to(&[1; 100], (HOST, 9)).expect("sending");
        let both = |snapshot: &Value| {
            let row = snapshot["ips"].as_array()?.iter().find(|row| row["ip"] == "10.0.0.3")?.clone();
            Some((row["packets"].as_u64()?, row["sent"]["packets"].as_u64()?, row["sent"]["bytes"].as_u64()?))
        };
        let snapshot = monitor.wait_until("an answer", |snapshot| both(snapshot).is_some());
        assert_eq!(both(&snapshot), Some((1, 7, 7 * 142)), "{maps}");
    }
}

#[test]
fn beside_the_programs_of_others_everything_is_counted() {
    if !skip::privileged_with(&skip::TCX) {
        return;
    }
    // `TC_ACT_OK` and `TC_ACT_UNSPEC` (linux/pkt_cls.h): the first ends the programs, the second asks the next one.
    for (verdict, before) in [(0, true), (0, false), (-1, true), (-1, false)] {
        let net = net();
        let index = net.receiver.interface_index("in0");
        let theirs = bpf::load_classifier(&[bpf::mov(0, verdict), bpf::exit()]).expect("a program");
        let attach = || net.receiver.run(|| bpf::attach_egress(theirs.as_fd(), index)).expect("attaching");
        let early = before.then(attach);
        let monitor = Monitor::live(&net.receiver, "--iface in0");
        let late = (!before).then(attach);
        net.receiver.run(|| {
            let socket = UdpSocket::bind((HOST, 0)).expect("a socket");
            (0..100).for_each(|_| drop(socket.send_to(&[1; 100], SocketAddr::from((REMOTES[0], 9)))));
        });
        let egress = wait_until_sent(&monitor, 100);
        assert_eq!(number(&egress["packets"]), 100, "verdict {verdict}, attached first: {before}: {egress}");
        // And the verdict of the others is what becomes of it: it has passed.
        assert_eq!(net.sender.received("out0"), 100);
        drop((early, late));
    }
}

#[test]
fn what_an_interface_cuts_up_is_counted_as_it_is_on_the_wire() {
    if !skip::privileged_with(&skip::TCX) {
        return;
    }
    const PAYLOAD: usize = 20_000_000;
    let net = net();
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    // Which receives each packet by itself.
    let peer = Monitor::live(&net.sender, "--iface out0");
    let listener = net.receiver.run(|| TcpListener::bind((HOST, 80)).expect("listening"));
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        client.write_all(&vec![1; PAYLOAD]).expect("sending");
    });
    net.sender.run(|| {
        let mut stream = TcpStream::connect((HOST, 80)).expect("connecting");
        let mut received = Vec::new();
        stream.read_to_end(&mut received).expect("receiving");
        assert_eq!(received.len(), PAYLOAD);
    });
    server.join().expect("no panic");
    let egress = monitor.wait_until("all of it", |snapshot| {
        // Ethernet, IPv4 and TCP with its timestamps have 66 bytes of headers.
        let data = &snapshot["egress"]["classes"]["data"];
        let payload = || Some(data["bytes"].as_u64()? - 66 * data["packets"].as_u64()?);
        payload() >= Some(PAYLOAD as u64)
    });
    let data = &egress["egress"]["classes"]["data"];
    // What is sent again, where the receiver is slow, is on the wire again.
    let payload = number(&data["bytes"]) - 66 * number(&data["packets"]);
    assert!((PAYLOAD as u64..PAYLOAD as u64 / 10 * 11).contains(&payload), "{data}");
    assert!(number(&data["packets"]) >= PAYLOAD as u64 / 1448, "{data}");
    assert_eq!(egress["egress"]["accounting"]["holds"], true);
    let both =
        || [monitor.snapshot()["egress"]["accounting"]["seen"].take(), peer.snapshot()["accounting"]["seen"].take()];
    let mut newest = both();
    let same = program::wait_for(|| {
        newest = both();
        (newest[0] == newest[1]).then_some(())
    });
    assert!(same.is_some(), "what was sent, and what the other end has received: {newest:?}");
}

#[test]
fn a_pause_and_a_reset_are_of_what_is_sent_too_and_it_can_be_left_out() {
    if !skip::privileged_with(&skip::TCX) {
        return;
    }
    let net = net();
    let send = |datagrams: u64| {
        net.receiver.run(|| {
            let socket = UdpSocket::bind((HOST, 0)).expect("a socket");
            (0..datagrams).for_each(|_| drop(socket.send_to(&[1; 100], SocketAddr::from((REMOTES[0], 9)))));
        });
    };
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    send(10);
    wait_until_sent(&monitor, 10);
    monitor.command(&json!({"cmd": "pause"}));
    send(100);
    monitor.command(&json!({"cmd": "resume"}));
    send(1);
    assert_eq!(wait_until_sent(&monitor, 11)["packets"], 11);
    monitor.command(&json!({"cmd": "reset"}));
    send(3);
    assert_eq!(wait_until_sent(&monitor, 3)["packets"], 3);
    monitor.stop();

    let monitor = Monitor::live(&net.receiver, "--iface in0 --without egress");
    send(5);
    assert_eq!(egress(&monitor), Value::Null);
    let degraded = monitor.snapshot()["degraded"].to_string();
    assert!(degraded.contains("--without") && !degraded.contains("tcx"), "{degraded}");
}
