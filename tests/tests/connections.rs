//! The host's own connections: payload to the unit, who began them, who has them, and what nettop cannot know after its start.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{self, Command},
    thread,
};

use nettop_tests::{
    frames::{DESTINATION_V4, Spec, Transport},
    monitor::Monitor,
    net::{Namespace, Net},
    peers::exchange,
    program,
    send::Sender,
    skip,
    terminal::Terminal,
};
use rustix::net::{bind, listen};
use serde_json::{Value, json};

/// Bytes that go each way.
const EACH_WAY: usize = 20_000_000;

/// A namespace whose loopback is up, with an interface to watch.
fn net() -> Net {
    let net = Net::new(1);
    net.receiver.ip("link set dev lo up");
    net
}

/// What is of the monitor's own namespace: other tests have theirs beside this one.
fn groups(monitor: &Monitor) -> Value {
    let request = json!({"cmd": "snapshot", "schema": 2, "groups": ["connections", "processes", "monitor"]});
    let mut snapshot = monitor.command(&request)["snapshot"].take();
    for list in ["live", "listening", "ended"] {
        let rows = snapshot["connections"].get_mut(list).and_then(Value::as_array_mut);
        rows.into_iter().for_each(|rows| rows.retain(|row| row["namespace"].is_null()));
    }
    snapshot
}

/// The first snapshot of these groups of which `condition` holds.
#[track_caller]
fn wait_until(monitor: &Monitor, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    program::first(what, || groups(monitor), condition)
}

/// The connection between these two ports, as it is at the first of them.
fn connection(snapshot: &Value, local: u16, remote: u16) -> Option<&Value> {
    let mut rows = snapshot["connections"]["live"].as_array()?.iter();
    rows.find(|row| row["local_port"] == local && row["remote_port"] == remote)
}

fn listening(snapshot: &Value, port: u16) -> Option<&Value> {
    snapshot["connections"]["listening"].as_array()?.iter().find(|row| row["local_port"] == port)
}

/// Both ends of a connection over the loopback of a namespace, the client's first.
fn connected(namespace: &Namespace, listener: &TcpListener) -> (TcpStream, TcpStream) {
    namespace.run(|| {
        let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connecting");
        let (server, _) = listener.accept().expect("accepting");
        (client, server)
    })
}

fn port(stream: &TcpStream) -> u16 {
    stream.local_addr().expect("an address").port()
}

/// Sends so many bytes from one end to the other.
fn send(from: &TcpStream, to: &TcpStream, bytes: usize) {
    thread::scope(|scope| {
        scope.spawn(move || {
            let (mut from, chunk) = (from, vec![7; 1 << 16]);
            for at in (0..bytes).step_by(chunk.len()) {
                from.write_all(&chunk[..chunk.len().min(bytes - at)]).expect("sending");
            }
        });
        let read = std::io::copy(&mut to.take(bytes as u64), &mut std::io::sink()).expect("receiving");
        assert_eq!(read, bytes as u64);
    });
}

#[test]
fn payload_is_counted_to_the_unit_and_belongs_to_its_process() {
    if !skip::privileged() {
        return;
    }
    let net = net();
    let (listener, full, udp) = net.receiver.run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listening socket");
        let full = TcpListener::bind("127.0.0.1:0").expect("a listening socket");
        listen(&full, 5).expect("a shorter backlog");
        (listener, full, UdpSocket::bind("127.0.0.1:0").expect("a socket"))
    });
    let (client, server) = connected(&net.receiver, &listener);
    let waiting = net.receiver.run(|| {
        let address = full.local_addr().expect("an address");
        [(); 2].map(|()| TcpStream::connect(address).expect("connecting"))
    });

    let monitor = Monitor::live(&net.receiver, "");
    let (from, to) = (port(&client), port(&server));
    wait_until(&monitor, "the first census", |snapshot| connection(snapshot, from, to).is_some());
    send(&client, &server, EACH_WAY);
    send(&server, &client, EACH_WAY);
    let snapshot = wait_until(&monitor, "every byte", |snapshot| {
        let all = |from, to| {
            let row = connection(snapshot, from, to);
            row.is_some_and(|row| row["tx_bytes"] == EACH_WAY && row["rx_bytes"] == EACH_WAY)
        };
        all(from, to) && all(to, from)
    });
    for (local, remote, direction) in [(from, to, "out"), (to, from, "in")] {
        let row = connection(&snapshot, local, remote).expect("a row");
        assert_eq!((&row["direction"], &row["state"]), (&direction.into(), &"ESTABLISHED".into()), "{row}");
        assert_eq!((&row["pid"], &row["uid"]), (&process::id().into(), &0.into()), "{row}");
        assert_eq!(
            (&row["protocol"], &row["local"], &row["opened_ns"]),
            (&"TCP".into(), &"127.0.0.1".into(), &Value::Null)
        );
        assert!(row["rtt_us"].as_u64() > Some(0) && row["tx_packets"].as_u64() > Some(0), "{row}");
    }
    let row = listening(&snapshot, full.local_addr().expect("an address").port()).expect("the full one");
    assert_eq!((&row["state"], &row["rx_queue"], &row["tx_queue"]), (&"LISTEN".into(), &2.into(), &5.into()), "{row}");
    let row = listening(&snapshot, udp.local_addr().expect("an address").port()).expect("the one of UDP");
    assert_eq!(
        (&row["protocol"], &row["state"], &row["pid"]),
        (&"UDP".into(), &"UNCONN".into(), &process::id().into())
    );
    let rows = snapshot["processes"]["rows"].as_array().expect("rows");
    let own = rows.iter().find(|row| row["pid"] == process::id()).expect("this process");
    // Those that wait to be accepted have no file, and are of nobody yet. Tests beside this one are in the same process.
    let counts = ["connections", "listening"].map(|key| own[key].as_u64().expect("a number"));
    assert!(counts[0] >= 4 && counts[1] >= 3, "{own}");
    let moved = ["tx_bytes", "rx_bytes"].map(|key| own[key].as_u64().expect("a number"));
    assert!(moved.iter().all(|bytes| *bytes >= 2 * EACH_WAY as u64), "{own}");
    assert!(own["process"].as_str().is_some_and(|name| name.starts_with("connections")), "{own}");
    drop(waiting);
}

#[test]
fn what_came_after_the_start_is_counted_and_its_owner_is_known_by_its_calls() {
    if !skip::privileged() {
        return;
    }
    let net = net();
    let listener = net.receiver.run(|| TcpListener::bind("127.0.0.1:0").expect("a listening socket"));
    let monitor = Monitor::live(&net.receiver, "");
    wait_until(&monitor, "the first census", |snapshot| snapshot["connections"]["census"]["sockets"] == 1);
    let (client, server) = connected(&net.receiver, &listener);
    send(&client, &server, 1_000);
    client.shutdown(Shutdown::Write).expect("closing one way");
    let (from, to) = (port(&client), port(&server));
    let snapshot = wait_until(&monitor, "the connection, half closed", |snapshot| {
        // The census may come a moment before the calls that tell whose it is.
        connection(snapshot, to, from).is_some_and(|row| row["state"] == "CLOSE-WAIT" && !row["pid"].is_null())
    });
    // The FIN, which the kernel counts as a byte, is none.
    let row = connection(&snapshot, to, from).expect("a row");
    assert_eq!(
        (&row["rx_bytes"], &row["tx_bytes"], &row["pid"]),
        (&1_000.into(), &0.into(), &process::id().into()),
        "{row}"
    );
    assert!(row["opened_ns"].as_u64().is_some(), "{row}");
    let other = connection(&snapshot, from, to).expect("the other end");
    assert_eq!((&other["tx_bytes"], &other["state"]), (&1_000.into(), &"FIN-WAIT-2".into()), "{other}");
    assert_eq!(other["pid"], process::id(), "{other}");
    assert_eq!(snapshot["connections"]["without_owner"], 0, "{snapshot}");
}

/// A process that is ended when this is dropped.
struct Started(process::Child);

impl Drop for Started {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn a_silent_socket_of_another_user_that_is_opened_after_the_start_has_its_owner() {
    if !skip::privileged() {
        return;
    }
    const USER: u32 = 12_345;
    let net = net();
    let monitor = Monitor::live(&net.receiver, "");
    wait_until(&monitor, "the first census", |snapshot| snapshot["connections"]["census"]["sockets"] == 0);
    for address in ["127.0.0.1:7110", "127.0.0.1:7111"] {
        let mut command = net.receiver.command(env!("CARGO_BIN_EXE_mover"));
        // SAFETY: between fork and exec, one system call that allocates nothing; behind the one that enters the namespace.
        unsafe {
            command.pre_exec(|| match libc::setuid(USER) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            })
        };
        let silent = Started(command.args(["drain", address, "1"]).spawn().expect("starting a process"));
        let port = address.split_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
        let snapshot = wait_until(&monitor, "an owner", |snapshot| {
            listening(snapshot, port).is_some_and(|row| row["pid"] == silent.0.id())
        });
        let row = listening(&snapshot, port).expect("a row");
        assert_eq!((&row["process"], &row["uid"]), (&"mover".into(), &USER.into()), "{row}");
        let rows = snapshot["processes"]["rows"].as_array().expect("rows");
        let process = rows.iter().find(|row| row["pid"] == silent.0.id()).expect("the process");
        assert_eq!((&process["uid"], &process["listening"]), (&USER.into(), &1.into()), "{process}");
        assert_eq!(snapshot["connections"]["without_owner"], 0, "{snapshot}");
        assert!(!snapshot["monitor"]["degraded"].to_string().contains("owners unknown"), "{snapshot}");
    }
}

#[test]
fn datagrams_are_counted_for_each_socket_of_udp() {
    if !skip::privileged() {
        return;
    }
    let net = net();
    let monitor = Monitor::live(&net.receiver, "");
    wait_until(&monitor, "the first census", |snapshot| snapshot["connections"].is_object());
    let [server, client] = exchange(&net.receiver, 50);
    let port = |socket: &UdpSocket| socket.local_addr().expect("an address").port();
    let (from, to) = (port(&client), port(&server));
    let moved = |row: &Value| ["tx_bytes", "rx_bytes", "tx_packets", "rx_packets"].map(|key| row[key].as_u64());
    let snapshot = wait_until(&monitor, "every datagram", |snapshot| {
        connection(snapshot, from, to).is_some_and(|row| row["rx_bytes"] == 500)
    });
    let row = connection(&snapshot, from, to).expect("a row");
    assert_eq!(moved(row), [5_000, 500, 50, 50].map(Some), "{row}");
    assert_eq!((&row["state"], &row["pid"]), (&"ACTIVE".into(), &process::id().into()), "{row}");
    let cookie = &row["cookie"];
    let row = listening(&snapshot, to).expect("the one that is not connected");
    assert_eq!(moved(row), [500, 5_000, 50, 50].map(Some), "{row}");
    // Who looks at the process, or at the connection, sees it second by second.
    for asked in [json!({"cmd": "history", "process": process::id()}), json!({"cmd": "history", "connection": cookie})]
    {
        monitor.command(&asked);
        let sends = program::wait_for(|| {
            client.send(&[7; 100]).expect("sending");
            let history = &monitor.command(&asked)["history"];
            let sent = history["sent_seconds"].as_array()?.iter().filter_map(|pace| pace["bps"].as_f64());
            (sent.sum::<f64>() >= 100.0).then_some(())
        });
        assert!(sends.is_some(), "{asked}");
    }
}

#[test]
fn a_flood_of_syns_adds_no_row() {
    if !skip::privileged() {
        return;
    }
    const PORT: u16 = 443;
    let net = net();
    net.receiver.ip(&format!("address add {DESTINATION_V4}/24 dev in0"));
    net.receiver.ip("route add default dev in0");
    let listener = net.receiver.run(|| TcpListener::bind((DESTINATION_V4, PORT)).expect("a listening socket"));
    let monitor = Monitor::live(&net.receiver, "");
    let sender = Sender::new(&net.sender, "out0");
    for source in 0..2_000u16 {
        let [high, low] = source.to_be_bytes();
        let syn =
            Spec::between([203, 0, 100 + high, low].into(), DESTINATION_V4.into(), Transport::Tcp(40_000, PORT, 2));
        sender.send(&syn.frame(), 1);
    }
    monitor.wait_until_seen(2_000);
    let state = |snapshot: &Value, name: &str| snapshot["connections"]["states"][name].as_u64();
    let snapshot = wait_until(&monitor, "half-open connections", |snapshot| state(snapshot, "SYN-RECEIVED") > Some(0));
    assert_eq!(snapshot["connections"]["live"], json!([]), "{snapshot}");
    assert_eq!((state(&snapshot, "LISTEN"), &snapshot["connections"]["left_out"]), (Some(1), &0.into()));
    drop(listener);
}

#[test]
fn one_socket_for_both_families_has_connections_of_both() {
    if !skip::privileged() {
        return;
    }
    let net = net();
    net.receiver.run(|| std::fs::write("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "0")).expect("IPv6 on the loopback");
    net.receiver.ip("-6 address replace ::1/128 dev lo");
    let listener = net.receiver.run(|| TcpListener::bind("[::]:0").expect("a listening socket"));
    let port_of_both = listener.local_addr().expect("an address").port();
    let ends = net.receiver.run(|| {
        ["127.0.0.1", "::1"].map(|address| {
            let client = TcpStream::connect((address, port_of_both)).expect("connecting");
            (client, listener.accept().expect("accepting").0)
        })
    });
    ends.iter().for_each(|(client, server)| send(client, server, 5_000));
    let monitor = Monitor::live(&net.receiver, "");
    let servers = ends.each_ref().map(|(client, server)| (port(server), port(client)));
    let snapshot = wait_until(&monitor, "both", |snapshot| {
        servers.iter().all(|(local, remote)| connection(snapshot, *local, *remote).is_some())
    });
    for ((local, remote), address) in servers.into_iter().zip(["127.0.0.1", "::1"]) {
        let row = connection(&snapshot, local, remote).expect("a row");
        assert_eq!((&row["local"], &row["remote"]), (&address.into(), &address.into()), "{row}");
        assert_eq!((&row["direction"], &row["rx_bytes"]), (&"in".into(), &5_000.into()), "{row}");
    }
}

/// A socket that is not of TCP or UDP, and how it is listed.
struct Other {
    socket: OwnedFd,
    /// Protocol, local address, local port, what it takes, and the interface that it is bound to.
    row: Value,
    /// Kind and local end as ss(8) has them; empty: it does not list it.
    ss: [&'static str; 2],
}

impl Other {
    fn new([family, kind, protocol]: [i32; 3], row: Value, ss: [&'static str; 2]) -> Self {
        // SAFETY: it is only numbers that are given.
        let socket = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) };
        assert!(socket >= 0, "a socket for {row}: {}", std::io::Error::last_os_error());
        // SAFETY: nobody else has it.
        Self { socket: unsafe { OwnedFd::from_raw_fd(socket) }, row, ss }
    }
}

/// One of each kind that this kernel has, within this thread's namespace.
fn others() -> Vec<Other> {
    let (v4, v6, packet) = (libc::AF_INET, libc::AF_INET6, libc::AF_PACKET);
    let (raw, datagram, stream) = (libc::SOCK_RAW, libc::SOCK_DGRAM, libc::SOCK_STREAM);
    let frames = |ether_type: u16| i32::from(ether_type.to_be());
    std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647").expect("that everybody may ping");
    let mut others = vec![
        Other::new([v4, raw, 89], json!(["RAW", "0.0.0.0", 89, "OSPF", null]), ["raw", "0.0.0.0:89"]),
        Other::new([v6, raw, 58], json!(["RAW", "::", 58, "ICMPv6", null]), ["raw", "*:58"]),
        Other::new([packet, raw, frames(3)], json!(["P_RAW", null, 3, "all", null]), ["p_raw", "*:*"]),
        Other::new([packet, datagram, 0], json!(["P_DGR", null, 0x0806, "ARP", "lo"]), ["p_dgr", "[2054]:lo"]),
    ];
    take_from_loopback(&others[3].socket, 0x0806);
    let protocols = std::fs::read_to_string("/proc/net/protocols").expect("the protocols");
    for (registered, kind, number, name, port) in [
        ("PING", datagram, libc::IPPROTO_ICMP, "ICMP", 4321),
        ("UDP-Lite", datagram, libc::IPPROTO_UDPLITE, "UDPL", 5432),
        ("SCTP", stream, libc::IPPROTO_SCTP, "SCTP", 6543),
    ] {
        if protocols.lines().any(|line| line.starts_with(&format!("{registered} "))) {
            let other = Other::new([v4, kind, number], json!([name, "127.0.0.1", port, null, null]), [""; 2]);
            bind(&other.socket, &SocketAddrV4::new([127, 0, 0, 1].into(), port)).expect("binding");
            if kind == stream {
                listen(&other.socket, 5).expect("listening");
            }
            others.push(other);
        }
    }
    others
}

/// Has a packet socket take frames of the loopback alone.
fn take_from_loopback(socket: &OwnedFd, ether_type: u16) {
    // SAFETY: zeros are an address.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    (address.sll_family, address.sll_protocol, address.sll_ifindex) = (libc::AF_PACKET as u16, ether_type.to_be(), 1);
    let length = size_of_val(&address) as u32;
    // SAFETY: it is an address of this length.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    assert_eq!(bound, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn raw_and_packet_sockets_and_those_of_ping_are_listed_with_their_process() {
    if !skip::privileged() {
        return;
    }
    let net = net();
    let others = net.receiver.run(others);
    let monitor = Monitor::live(&net.receiver, "");
    let find = |snapshot: &Value, other: &Other| {
        let mut rows = snapshot["connections"]["listening"].as_array()?.iter();
        rows.find(|row| {
            json!([row["protocol"], row["local"], row["local_port"], row["takes"], row["interface"]]) == other.row
        })
        .cloned()
    };
    // The kernel gives packet sockets a cookie when they are listed, so their owners are found in the look after that.
    let is_owned = |snapshot: &Value, other: &Other| find(snapshot, other).is_some_and(|row| !row["pid"].is_null());
    let snapshot = wait_until(&monitor, "all of them", |snapshot| others.iter().all(|other| is_owned(snapshot, other)));
    for other in &others {
        let row = find(&snapshot, other).expect("a row");
        let state = if row["protocol"] == "SCTP" { "LISTEN" } else { "UNCONN" };
        assert_eq!((&row["state"], &row["pid"]), (&state.into(), &process::id().into()), "{row}");
        // Linux 7.2 tells cookies of raw sockets; where it does not, they are known by their file, with a large number.
        let is_known = row["protocol"] == "UDPL" || row["protocol"] == "RAW" && row["cookie"].as_u64() < Some(1 << 48);
        let is_counted = is_known && skip::kernel_has(&skip::CALLS);
        let of_calls = if is_counted { json!(0) } else { Value::Null };
        assert_eq!(
            (&row["remote"], &row["direction"], &row["tx_bytes"]),
            (&Value::Null, &Value::Null, &of_calls),
            "{row}"
        );
    }
    assert_eq!(snapshot["connections"]["listening"].as_array().map(Vec::len), Some(others.len()), "{snapshot}");
    let degraded = snapshot["monitor"]["degraded"].as_array().expect("rows");
    assert!(degraded.iter().all(|row| row["badge"] != "kinds not listed"), "{snapshot}");
    match net.receiver.command("ss").args(["-anHO", "--raw", "--packet"]).output() {
        Ok(listed) if listed.status.success() => {
            let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
            let words = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let mut listed: Vec<_> = words.map(|words| [words[0], words[4]]).collect();
            let mut expected: Vec<_> = others.iter().map(|other| other.ss).filter(|ss| !ss[0].is_empty()).collect();
            listed.sort_unstable();
            expected.sort_unstable();
            assert_eq!(listed, expected);
        }
        _ => skip::report("ss(8) is not there to compare with"),
    }
    let mut command = Command::new(program::path("nettopctl"));
    command.arg("--control-socket").arg(monitor.socket()).args(["connections", "--filter", "proto:p_raw"]);
    let asked = command.output().expect("starting nettopctl");
    let list: Value = serde_json::from_slice(&asked.stdout).expect("JSON");
    assert_eq!(list["listening"].as_array().map(Vec::len), Some(1), "{list}");
    let mut command = net.receiver.command(program::path("nettop"));
    let asked = command.args(["sockets", "--numeric", "--filter", "proto:p_raw or proto:raw"]).output();
    let table = String::from_utf8(asked.expect("starting nettop").stdout).expect("text");
    for part in ["0.0.0.0:OSPF", "[::]:ICMPv6", "all%*", &process::id().to_string()] {
        assert!(table.contains(part), "{part}: {table}");
    }
    drop(others);
    wait_until(&monitor, "that they are gone", |snapshot| snapshot["connections"]["listening"] == json!([]));
}

#[test]
fn what_is_opened_later_without_a_cookie_has_its_owner() {
    if !skip::privileged() {
        return;
    }
    let net = net();
    let monitor = Monitor::live(&net.receiver, "");
    wait_until(&monitor, "the first census", |snapshot| snapshot["connections"]["census"]["sockets"] == 0);
    let others = net.receiver.run(others);
    let snapshot = wait_until(&monitor, "all of them, with their owner", |snapshot| {
        let rows = snapshot["connections"]["listening"].as_array();
        rows.is_some_and(|rows| rows.len() == others.len() && rows.iter().all(|row| row["pid"] == process::id()))
    });
    assert_eq!(snapshot["connections"]["without_owner"], 0, "{snapshot}");
}

#[test]
fn connections_are_recorded_and_replayed() {
    if !skip::privileged() {
        return;
    }
    let net = net();
    let listener = net.receiver.run(|| TcpListener::bind("127.0.0.1:0").expect("a listening socket"));
    let (client, server) = connected(&net.receiver, &listener);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("recording");
    let monitor = Monitor::live(&net.receiver, &format!("--record {}", file.display()));
    let (from, to) = (port(&client), port(&server));
    wait_until(&monitor, "the first census", |snapshot| connection(snapshot, from, to).is_some());
    send(&client, &server, 7_777);
    let snapshot = wait_until(&monitor, "every byte", |snapshot| {
        connection(snapshot, from, to).is_some_and(|row| row["tx_bytes"] == 7_777)
    });
    monitor.stop();
    let mut command = Command::new(program::path("nettop"));
    command.args(["replay", "--speed", "0"]).arg(&file).current_dir(folder.path());
    // Without a screen it would end with the recording.
    let terminal = Terminal::of(&mut command, 80, 24).expect("a terminal");
    let replay = Monitor::spawn(command, &folder.path().join("replay.sock"));
    let replayed = wait_until(&replay, "the same", |replayed| {
        connection(replayed, from, to).is_some_and(|row| row["tx_bytes"] == 7_777)
    });
    let pid = |snapshot| connection(snapshot, from, to).map(|row| row["pid"].clone());
    assert_eq!((pid(&replayed), pid(&snapshot)), (Some(process::id().into()), Some(process::id().into())));
    drop(terminal);
}

#[test]
fn connections_can_be_left_out() {
    if !skip::privileged() {
        return;
    }
    let net = net();
    let monitor = Monitor::live(&net.receiver, "--without connections,macs");
    monitor.wait_until("the host's counters", |snapshot| snapshot["host"].is_object());
    let snapshot = groups(&monitor);
    assert!(snapshot["connections"].is_null() && snapshot["processes"].is_null(), "{snapshot}");
    let degraded = snapshot["monitor"]["degraded"].as_array().expect("rows");
    for (badge, what) in [("no connections", "connections are not listed"), ("no macs", "macs are not counted")] {
        assert!(degraded.iter().any(|row| row["badge"] == badge && row["what"] == what), "{snapshot}");
    }
    let asked = Command::new(program::path("nettopctl"))
        .arg("--control-socket")
        .arg(monitor.socket())
        .arg("connections")
        .output();
    let asked = asked.expect("starting nettopctl");
    let error = String::from_utf8_lossy(&asked.stderr);
    assert!(!asked.status.success() && error.contains("--without connections"), "{error}");
}

#[test]
fn nettopctl_prints_the_rows_that_are_wanted() {
    if !skip::privileged() {
        return;
    }
    let net = net();
    let listener = net.receiver.run(|| TcpListener::bind("127.0.0.1:0").expect("a listening socket"));
    let ends = connected(&net.receiver, &listener);
    let monitor = Monitor::live(&net.receiver, "");
    let (from, to) = (port(&ends.0), port(&ends.1));
    wait_until(&monitor, "the first census", |snapshot| connection(snapshot, from, to).is_some());
    let print = |arguments: &[&str]| {
        let mut command = Command::new(program::path("nettopctl"));
        let output = command.arg("--control-socket").arg(monitor.socket()).args(arguments).output();
        let output = output.expect("starting nettopctl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let read = |arguments: &[&str]| -> Value { serde_json::from_str(&print(arguments)).expect("JSON") };
    let rows = |list: &Value| list.as_array().map(Vec::len);
    let filter = format!("lport:{from} dir:out");
    let list = read(&["connections", "--filter", &filter]);
    assert_eq!((rows(&list["live"]), rows(&list["listening"])), (Some(1), Some(0)), "{list}");
    assert_eq!((&list["live"][0]["remote_port"], &list["left_out"]), (&to.into(), &0.into()), "{list}");
    let ports = list["sums"]["port"].as_array().expect("sums");
    let name = to.to_string();
    let sum = ports.iter().find(|row| row["name"] == name).expect("the port that was asked");
    assert_eq!(sum["connections"], 2, "both ends: {sum}");
    let list = read(&["connections", "--limit", "1", "--filter", "ns:own"]);
    assert_eq!((rows(&list["live"]), &list["left_out"]), (Some(1), &1.into()), "{list}");
    let list = read(&["processes", "--filter", &format!("pid:{}", process::id())]);
    assert_eq!(rows(&list["rows"]), Some(1), "{list}");
    assert!(list["rows"][0]["connections"].as_u64() >= Some(2), "{list}");
    let list = read(&["process", &process::id().to_string()]);
    let arguments: Vec<String> = std::env::args().collect();
    assert_eq!(list["command"], json!(arguments), "after the sandbox, too");
    let csv = print(&["connections", "--filter", &filter, "--format", "csv"]);
    let mut lines = csv.lines();
    let heads: Vec<_> = lines.next().expect("a header").split(',').collect();
    let fields: Vec<_> = lines.next().expect("a row").split(',').collect();
    assert_eq!(fields[heads.iter().position(|head| *head == "remote_port").expect("a column")], to.to_string());
    assert_eq!(lines.next(), None);
}

#[test]
fn sockets_are_listed_without_a_monitor() {
    if !skip::privileged() {
        return;
    }
    let net = net();
    let listener = net.receiver.run(|| TcpListener::bind("127.0.0.1:0").expect("a listening socket"));
    let (client, server) = connected(&net.receiver, &listener);
    send(&client, &server, 12_345);
    let list = |arguments: &[&str]| {
        let mut command = net.receiver.command(program::path("nettop"));
        let output = command.arg("sockets").args(arguments).output().expect("starting nettop");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8(output.stdout).expect("text"), String::from_utf8(output.stderr).expect("text"))
    };
    let filter = format!("lport:{}", port(&client));
    let (table, missing) = list(&["--numeric", "--filter", &filter]);
    let [heads, row] = table.lines().collect::<Vec<_>>()[..] else { panic!("no table of one row: {table}") };
    assert!(heads.starts_with("Proto  Dir") && row.starts_with("TCP    out"), "{table}");
    for part in [format!("127.0.0.1:{}", port(&server)), process::id().to_string(), "12.1 KiB".into()] {
        assert!(row.contains(&part), "{part}: {row}");
    }
    assert_eq!(missing, "");
    let (text, _) = list(&["--json", "--filter", &filter]);
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&json["connections"]["live"][0]["tx_bytes"], &json["schema"]), (&12_345.into(), &2.into()), "{json}");
}
