//! A thousand connections that live for a moment: each is told whole, with its process, and the kernel's own messages about what ends have the same
//! sums. Alone in this program, for the programs at the tracepoints see the sockets of all tests.

use std::{
    fs,
    io::Read as _,
    mem::size_of_val,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    process::{Child, Stdio},
};

use nettop_tests::{
    monitor::Monitor,
    net::{Namespace, Net},
    program, skip,
};
use serde_json::{Value, json};

const CONNECTIONS: u64 = 1_000;
const PORT: u16 = 7001;
/// Bytes to the server and back.
const OUT: u64 = 137;
const BACK: u64 = 1_000;

/// What sockets of TCP had moved when they ended, as the kernel tells whoever asks to be told (`SKNLGRP_INET_TCP_DESTROY`, linux/sock_diag.h).
struct Witness(OwnedFd);

impl Witness {
    fn new(namespace: &Namespace) -> Self {
        namespace.run(|| {
            // SAFETY: plain integers.
            let fd = unsafe {
                libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_NONBLOCK, libc::NETLINK_SOCK_DIAG)
            };
            assert!(fd >= 0, "{}", std::io::Error::last_os_error());
            // SAFETY: nobody else has it.
            let socket = unsafe { OwnedFd::from_raw_fd(fd) };
            // SAFETY: zeros are an address.
            let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
            (address.nl_family, address.nl_groups) = (libc::AF_NETLINK as u16, 0xf);
            let room: libc::c_int = 8 << 20;
            // SAFETY: a number and an address, of the sizes that are told.
            let done = unsafe {
                let size = size_of_val(&room) as libc::socklen_t;
                libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, (&raw const room).cast(), size)
                    | libc::bind(fd, (&raw const address).cast(), size_of_val(&address) as libc::socklen_t)
            };
            assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
            Self(socket)
        })
    }

    /// Of the ends whose own port this is, or whose other end's: how many, and the bytes sent and received.
    fn told(&self) -> [[u64; 3]; 2] {
        const HEADER: usize = 16 + 72;
        /// `INET_DIAG_INFO`, and where its members are (`struct tcp_info`).
        const INFO: u16 = 2;
        const RECEIVED: usize = 128;
        const SENT: usize = 200;
        const AGAIN: usize = 208;
        let (mut sums, mut buffer) = ([[0; 3]; 2], vec![0_u8; 1 << 16]);
        loop {
            // SAFETY: a buffer of this length.
            let length = unsafe { libc::recv(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            let Ok(length) = usize::try_from(length) else { break };
            let message = &buffer[..length];
            let port = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
            let ports = [port(20), port(22)];
            let Some(side) = ports.iter().position(|port| *port == PORT) else { continue };
            if ports.contains(&0) {
                // That one listened.
                continue;
            }
            let mut rest = &message[HEADER..];
            while let [a, b, c, d, ..] = *rest {
                let (size, kind) = (usize::from(u16::from_ne_bytes([a, b])), u16::from_ne_bytes([c, d]));
                if kind == INFO {
                    let number = |at: usize| u64::from_ne_bytes(rest[4 + at..12 + at].try_into().expect("eight bytes"));
                    let [count, sent, received] = &mut sums[side];
                    *count += 1;
                    *sent += number(SENT) - number(AGAIN);
                    *received += number(RECEIVED);
                }
                rest = rest.get(size.next_multiple_of(4).max(4)..).unwrap_or_default();
            }
        }
        sums
    }
}

/// A process that moves bytes; see there.
fn mover(namespace: &Namespace, what: &str, [one, other]: [u64; 2]) -> Child {
    let mut command = namespace.command(env!("CARGO_BIN_EXE_mover"));
    let numbers = [CONNECTIONS, one, other].map(|number| number.to_string());
    command.arg(what).arg(format!("127.0.0.1:{PORT}")).args(numbers).stdout(Stdio::piped());
    command.spawn().expect("starting a process")
}

#[test]
fn short_connections_are_counted_whole_on_both_sides() {
    if !skip::privileged_with(&skip::CALLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("connections.jsonl");
    let net = Net::new(1);
    net.receiver.ip("link set dev lo up");
    let monitor =
        Monitor::live(&net.receiver, &format!("--iface in0 --map-memory 64 --connections {}", file.display()));
    // What the first look finds may be older than the monitor.
    program::first("a look", || monitor.groups(&["connections"]), |snapshot| !snapshot["connections"].is_null());
    let witness = Witness::new(&net.receiver);
    let mut server = mover(&net.receiver, "serve", [OUT, BACK]);
    let ready = server.stdout.as_mut().map(|output| output.read(&mut [0; 16]).expect("a line"));
    assert!(ready > Some(0), "it has ended");
    let mut client = mover(&net.receiver, "connect", [OUT, BACK]);
    let pids = [&mut server, &mut client].map(|child| {
        assert!(child.wait().expect("its end").success());
        child.id()
    });

    let (sent, received) = (OUT * CONNECTIONS, BACK * CONNECTIONS);
    let groups = || monitor.groups(&["connections", "processes"]);
    let snapshot = program::first("every byte", groups, |snapshot| {
        let rows = snapshot["processes"]["rows"].as_array().into_iter().flatten();
        let moved = |pid: u32| {
            let row = rows.clone().find(|row| row["pid"] == pid)?;
            Some([row["tx_bytes"].as_u64()?, row["rx_bytes"].as_u64()?])
        };
        pids.map(moved) == [Some([received, sent]), Some([sent, received])]
    });
    assert_eq!(snapshot["processes"]["accounting"]["holds"], true, "{}", snapshot["processes"]["accounting"]);
    let ended = snapshot["connections"]["ended"].as_array().expect("a list");
    for (pid, port, [tx, rx]) in [(pids[0], "local_port", [BACK, OUT]), (pids[1], "remote_port", [OUT, BACK])] {
        let rows: Vec<_> = ended.iter().filter(|row| row[port] == PORT).collect();
        assert_eq!(rows.len() as u64, CONNECTIONS, "{port}");
        for row in &rows {
            assert_eq!([&row["tx_bytes"], &row["rx_bytes"]].map(Value::as_u64), [Some(tx), Some(rx)], "{port}: {row}");
            // They began after the start.
            assert!(row["opened_ns"].as_u64().is_some(), "{port}: {row}");
            let owner = json!([row["pid"], row["process"]]);
            assert!(owner == json!([pid, "mover"]) || owner == json!([null, null]), "{port}: {row}");
        }
        // Two sockets may have the same place in two buckets: of a table that is half full, about one in a thousand.
        let without = rows.iter().filter(|row| row["pid"].is_null()).count() as u64;
        assert!(without <= CONNECTIONS / 100, "{port}: {without} without an owner");
    }
    // The kernel counts the end of what is received as a byte, where the whole socket saw it.
    let [of_server, of_client] = witness.told();
    for (name, [count, tx, rx], expected) in
        [("server", of_server, [received, sent]), ("client", of_client, [sent, received])]
    {
        assert_eq!([count, tx], [CONNECTIONS, expected[0]], "{name}");
        assert!((expected[1]..=expected[1] + CONNECTIONS).contains(&rx), "{name}: {rx} of {}", expected[1]);
    }

    monitor.stop();
    let text = fs::read_to_string(&file).expect("the file of --connections");
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(rows.iter().all(|row| row["country"] == "LO"), "{:?}", rows.first());
    let moved = |key: &str, port: &str| -> u64 {
        rows.iter().filter(|row| row[port] == PORT).filter_map(|row| row[key].as_u64()).sum()
    };
    assert_eq!((moved("tx_bytes", "remote_port"), moved("rx_bytes", "remote_port")), (sent, received));
    assert_eq!((moved("tx_bytes", "local_port"), moved("rx_bytes", "local_port")), (received, sent));
}
