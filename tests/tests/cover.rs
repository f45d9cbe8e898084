//! The fewest prefixes that carry most of a flood, and whose connections a block of them would end.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use nettop_tests::{
    blocking::{ready, wait_until},
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    peers::{HOST, peers},
    program::public_directory,
    send::Sender,
    skip,
};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use serde_json::{Value, json};

fn cover(monitor: &Monitor) -> Value {
    monitor.command(&json!({"cmd": "cover"}))["cover"].clone()
}

/// Sends from these addresses, round and round, while `look` looks.
fn flooded(net: &Net, source: impl Fn(u32) -> Ipv4Addr + Sync, look: impl FnOnce()) {
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let sender = Sender::new(&net.sender, "out0");
            let mut at = 0;
            while !ends.load(Ordering::Relaxed) {
                for _ in 0..256 {
                    let spec = Spec::between(source(at).into(), HOST.into(), Transport::Udp(9, 9));
                    sender.send(&spec.frame(), 1);
                    at += 1;
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        // However it ends, the flood does.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _end = End(&ends);
        look();
    });
}

#[test]
fn a_flood_from_one_network_is_covered_and_whose_connections_that_has_is_told() {
    if !skip::privileged() {
        return;
    }
    let net = peers();
    let client = Ipv4Addr::new(10, 0, 7, 9);
    net.sender.ip(&format!("addr add {client}/32 dev out0"));
    net.receiver.ip("route add 10.0.7.0/24 dev in0");
    net.receiver.ip(&format!("neigh add {client} lladdr 02:00:00:00:01:00 dev in0"));
    let listener = net.receiver.run(|| TcpListener::bind((HOST, 0)).expect("a listening socket"));
    let port = listener.local_addr().expect("its address").port();
    let monitor = ready(&net, "");
    let mut connection: TcpStream = net.sender.run(|| {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&socket, &SocketAddrV4::new(client, 0)).expect("an address of its own");
        connect(&socket, &SocketAddrV4::new(HOST, port)).expect("a connection");
        socket.into()
    });
    let _server = listener.accept().expect("the other end");
    connection.write_all(&[7; 5_000]).expect("writing");
    flooded(
        &net,
        |at| Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 7, 0).to_bits() + at % 256),
        || {
            let mut found = Value::Null;
            wait_until("a cover", || {
                found = cover(&monitor);
                found["prefixes"][0]["net"] == "10.0.7.0/24" && found["prefixes"][0]["connections"] == 1
            });
            assert_eq!(found["prefixes"].as_array().map(Vec::len), Some(1), "{found}");
            let row = &found["prefixes"][0];
            assert!(row["bytes"].as_u64() >= Some(5_000), "{row}");
            assert_eq!(row["refused"], Value::Null, "it is confirmed by being listed: {row}");
            assert!(found["share"].as_f64() > Some(0.9) && found["pps"].as_f64() > Some(500.0), "{found}");
        },
    );
}

#[test]
fn a_flood_from_everywhere_has_no_cover() {
    if !skip::privileged() {
        return;
    }
    let net = peers();
    let monitor = ready(&net, "");
    flooded(
        &net,
        |at| Ipv4Addr::from_bits(0x0100_0000 + at.wrapping_mul(2_654_435_761) % 0xdf00_0000),
        || {
            let mut found = Value::Null;
            wait_until("a flood", || {
                found = cover(&monitor);
                found["pps"].as_f64() > Some(500.0)
            });
            assert_eq!((&found["found"], &found["prefixes"]), (&false.into(), &json!([])), "{found}");
            println!("{found}");
        },
    );
}

#[test]
fn whose_ordinary_requests_a_block_would_end_is_told_before() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (peers(), public_directory());
    let log = folder.path().join("access.log");
    let line = |ip: &str, path: &str| {
        format!("{ip} - - [06/Feb/2009:12:14:14 +0100] \"GET {path} HTTP/1.1\" 200 10 \"-\" \"curl\"\n")
    };
    fs::write(&log, "").expect("a log");
    let options = format!("--no-access-log --access-log {}", log.display());
    let monitor = ready(&net, &options);
    let plan = |net: &str| monitor.command(&json!({"cmd": "block", "net": net, "with": "print"}))["plan"].clone();
    wait_until("the log is followed", || plan("10.0.7.0/24")["visitors"] == 0);
    let date = Command::new("date").args(["-u", "+%d/%b/%Y:%H:%M:%S +0000"]).env("LC_ALL", "C").output().expect("date");
    let stamp = String::from_utf8(date.stdout).expect("a time");
    let lines = [line("10.0.7.1", "/"), line("10.0.7.2", "/shop"), line("10.0.8.1", "/"), line("10.0.7.3", "/.env")];
    let text = lines.concat().replace("06/Feb/2009:12:14:14 +0100", stamp.trim());
    fs::write(&log, text).expect("writing to a log");
    // Not who asks for what only attackers want.
    wait_until("two visitors", || plan("10.0.7.0/24")["visitors"] == 2);
    for (net, expected) in [("10.0.7.1", 1), ("10.0.7.3", 0), ("10.0.0.0/16", 3), ("10.0.9.0/24", 0)] {
        assert_eq!(plan(net)["visitors"], expected, "{net}");
    }
    flooded(
        &net,
        |at| Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 7, 0).to_bits() + at % 256),
        || {
            let mut found = Value::Null;
            wait_until("a cover", || {
                found = cover(&monitor);
                found["prefixes"][0]["net"] == "10.0.7.0/24"
            });
            assert_eq!(found["prefixes"][0]["visitors"], 2, "{found}");
        },
    );
    // Where no logs are followed, nobody knows.
    drop(monitor.stop());
    let monitor = ready(&net, "");
    let plan = monitor.command(&json!({"cmd": "block", "net": "10.0.7.1", "with": "print"}))["plan"].clone();
    assert_eq!(plan["visitors"], Value::Null, "{plan}");
}
