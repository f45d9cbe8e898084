//! The programs at the kernel's tracepoints with tables that have next to no room, beside the same ones with much: nothing is lost but whose it was.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    process::Command,
    thread,
    time::Duration,
};

use nettop_collect::kernel::{calls::Counted, capacity::Capacity};
use nettop_common::sockets::Moved;
use nettop_tests::{net::Namespace, skip, tracepoints::Tracepoints};

/// Room for sixteen sockets, or processes, and for eight connections that end, of each CPU.
const SMALL: Capacity = Capacity { socket_bits: 1, ended_bits: 3, ..Capacity::MOST };
const SOCKETS: u64 = 1_000;
const PROCESSES: usize = 60;
const CONNECTIONS: u64 = 500;
/// Of each connection, there and back.
const BYTES: [u64; 2] = [137, 1_000];
/// Whatever else this machine does is counted by both, but not begun and ended at the same instant.
const TRIES: usize = 10;

/// What the slots have, and what has none.
fn sums(counted: &Counted) -> [(u64, u64); 2] {
    let mut sum = Moved::default();
    counted.sockets.iter().for_each(|(_, counters)| sum.add(counters.moved));
    let Counted { untracked, .. } = counted;
    [(sum.tx_bytes, sum.rx_bytes), (untracked.tx_bytes, untracked.rx_bytes)]
}

/// What all connections had moved that have ended.
fn ended(counted: &Counted) -> (u64, u64, u64) {
    let rows = counted.ended.iter();
    let (tx, rx) = rows.fold(counted.ended_untracked, |(tx, rx), row| (tx + row.tx_bytes, rx + row.rx_bytes));
    (counted.ended_count, tx, rx)
}

/// A thousand sockets of UDP that send once, more processes than there is room for that do, and five hundred connections.
fn work(namespace: &Namespace) {
    namespace.run(|| {
        let sink = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let to = sink.local_addr().expect("an address");
        for _ in 0..SOCKETS {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.send_to(&[7; 100], to).expect("sending");
            sink.recv(&mut [0; 200]).expect("receiving");
        }
        for _ in 0..PROCESSES {
            let mut command = Command::new(env!("CARGO_BIN_EXE_mover"));
            let mut child = command.args(["datagrams", &to.to_string(), "1", "100"]).spawn().expect("a process");
            let (_, from) = sink.recv_from(&mut [0; 200]).expect("receiving");
            sink.send_to(&[1], from).expect("answering");
            assert!(child.wait().expect("its end").success());
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listening socket");
        let address = listener.local_addr().expect("an address");
        let [out, back] = BYTES.map(|bytes| vec![7; bytes as usize]);
        for _ in 0..CONNECTIONS {
            let mut client = TcpStream::connect(address).expect("connecting");
            let (mut server, _) = listener.accept().expect("accepting");
            client.write_all(&out).expect("sending");
            server.read_exact(&mut vec![0; out.len()]).expect("receiving");
            server.write_all(&back).expect("sending");
            client.read_exact(&mut vec![0; back.len()]).expect("receiving");
        }
    });
}

#[test]
fn what_has_no_room_is_in_the_sums() {
    if !skip::privileged_with(&skip::CALLS) {
        return;
    }
    let namespace = Namespace::new();
    namespace.ip("link set dev lo up");
    let (mut small, mut large) = (Tracepoints::load(SMALL), Tracepoints::load(Capacity::MOST));
    let _attached = (small.attach(), large.attach());
    let mut newest = String::new();
    for _ in 0..TRIES {
        drop((small.read(), large.read()));
        work(&namespace);
        // Sockets are destroyed a moment after they are closed.
        thread::sleep(Duration::from_millis(200));
        let (few, all) = (small.read(), large.read());
        for (name, counted) in [("small", &few), ("large", &all)] {
            let [slots, untracked] = sums(counted);
            let Counted { total, nested, .. } = counted;
            let (tx, rx) = (slots.0 + untracked.0, slots.1 + untracked.1);
            assert_eq!((tx, rx), (total.tx_bytes, total.rx_bytes), "{name}: every byte that calls moved, {nested:?}");
        }
        let [_, untracked] = sums(&few);
        assert!(untracked.0 > 0 && few.sockets.len() < 100, "{untracked:?}, {} slots", few.sockets.len());
        assert!(
            few.ended.len() < 100 && few.ended_count >= 2 * CONNECTIONS,
            "{} of {}",
            few.ended.len(),
            few.ended_count
        );
        let moved = BYTES.iter().sum::<u64>() * CONNECTIONS;
        let (_, tx, rx) = ended(&few);
        assert!(tx >= moved && rx >= moved, "{tx} and {rx} of {moved}");
        let of = |counted: &Counted| (ended(counted), counted.total.tx_bytes, counted.total.rx_bytes);
        if of(&few) == of(&all) {
            return;
        }
        newest = format!("{:?} and {:?}", of(&few), of(&all));
    }
    panic!("both have counted the same, and differ: {newest}");
}
