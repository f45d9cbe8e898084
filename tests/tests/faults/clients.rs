//! Clients of the control channel by the thousand, ones that read a byte a second, and ones that close half of the
//! connection.

use std::{
    io::{self, Read as _, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use nettop_tests::{
    flood::Flood,
    monitor::{Monitor, ask_within},
    net::Net,
    skip,
};
use serde_json::{Value, json};

use crate::{packets, udp};

/// How long a client may wait that behaves, in an unoptimised build on a busy machine.
const SOON: Duration = Duration::from_secs(5);

fn connect(monitor: &Monitor, request: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(monitor.socket()).expect("connecting");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
    stream.write_all(request).expect("sending");
    stream
}

fn answer(mut stream: UnixStream) -> Value {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).expect("the answer");
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&text)))
}

#[test]
fn a_thousand_clients_at_once_are_all_answered() {
    const CLIENTS: usize = 1000;
    let monitor = Monitor::demo("");
    let together = Barrier::new(CLIENTS);
    let ask = |number: usize| -> io::Result<Value> {
        together.wait();
        ask_within(monitor.socket(), &json!({"cmd": "top", "top": number % 500 + 1}), Duration::from_secs(60))
    };
    let started = Instant::now();
    let failed: Vec<_> = thread::scope(|scope| {
        let small = || thread::Builder::new().stack_size(128 << 10);
        let clients: Vec<_> =
            (0..CLIENTS).map(|number| small().spawn_scoped(scope, move || ask(number)).expect("a thread")).collect();
        let answers = clients.into_iter().map(|client| client.join().expect("no panic"));
        answers.filter(|answer| !answer.as_ref().is_ok_and(|answer| answer["ok"] == true)).collect()
    });
    println!("{CLIENTS} clients were answered in {:.1?}", started.elapsed());
    assert!(failed.is_empty(), "{} of {CLIENTS} were not: {:?}", failed.len(), failed.first());
    assert_eq!(monitor.snapshot()["accounting"]["holds"], true);
}

#[test]
fn clients_that_fill_every_place_and_do_nothing_make_room() {
    let monitor = Monitor::demo("");
    let requests: [&[u8]; 3] = [b"", b"{\"cmd\":", b"{\"cmd\":\"snapshot\",\"limit\":0}\n"];
    // More than there are places; none of them reads.
    let idle: Vec<_> = requests.iter().cycle().take(600).map(|request| connect(&monitor, request)).collect();
    let started = Instant::now();
    let status = ask_within(monitor.socket(), &json!({"cmd": "status"}), SOON * 2).expect("an answer");
    assert_eq!(status["ok"], true);
    assert!(started.elapsed() < SOON, "it took {:?}", started.elapsed());
    drop(idle);
}

#[test]
fn clients_that_read_a_byte_a_second_hold_nobody_up() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    // So many sources that no buffer of the kernel's takes the whole answer.
    let flood = Flood { frame: udp().frame(), sources: 20_000, base: [16, 0, 0, 0].into(), count: 100_000 };
    flood.run(&net.sender, "out0").expect("the flood is sent");
    let received = net.receiver.received("in0");
    monitor.wait_until("all of it", |snapshot| packets(snapshot, "seen") == received);
    let whole = b"{\"cmd\":\"snapshot\",\"limit\":0}\n";
    let slow: Vec<_> = [&whole[..], b"{}\n"].iter().cycle().take(6).map(|request| connect(&monitor, request)).collect();
    thread::scope(|scope| {
        let readers: Vec<_> = slow
            .iter()
            .map(|mut stream| {
                scope.spawn(move || {
                    let mut read = 0;
                    for _ in 0..4 {
                        read += stream.read(&mut [0]).unwrap_or(0);
                        thread::sleep(Duration::from_secs(1));
                    }
                    read
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(500));
        for request in
            [json!({"cmd": "top", "top": 5}), json!({"cmd": "status"}), json!({"cmd": "snapshot", "limit": 5})]
        {
            let started = Instant::now();
            let answer = ask_within(monitor.socket(), &request, SOON * 2).expect("an answer");
            assert_eq!(answer["ok"], true, "{request}");
            assert!(started.elapsed() < SOON, "{request} took {:?}", started.elapsed());
        }
        for reader in readers {
            reader.join().expect("no panic");
        }
    });
    // Those that want everything wait for each other, but not for ever: the slow ones are let go.
    let everything = ask_within(monitor.socket(), &json!({"cmd": "snapshot", "limit": 0}), Duration::from_secs(60));
    let rows = everything.expect("an answer")["snapshot"]["ips"].as_array().map(Vec::len);
    assert!(rows > Some(10_000), "{rows:?} rows");
    assert_eq!(monitor.snapshot()["accounting"]["holds"], true);
}

#[test]
fn clients_that_close_half_of_the_connection_are_answered_or_let_go() {
    let monitor = Monitor::demo("");
    // Nothing more to say: answered, with or without a newline.
    for request in [&b"{\"cmd\":\"top\",\"top\":7}\n"[..], b"{\"cmd\":\"top\",\"top\":7}"] {
        let stream = connect(&monitor, request);
        stream.shutdown(Shutdown::Write).expect("closing one half");
        assert_eq!(answer(stream), json!({"ok": true, "top": 7}));
    }
    // Nothing at all to say: told so at once.
    let stream = connect(&monitor, b"");
    stream.shutdown(Shutdown::Write).expect("closing one half");
    let started = Instant::now();
    assert_eq!(answer(stream)["ok"], false);
    assert!(started.elapsed() < SOON, "it took {:?}", started.elapsed());
    // Nobody there to read: by the hundred, and gone.
    for _ in 0..200 {
        let stream = connect(&monitor, b"");
        stream.shutdown(Shutdown::Read).expect("closing the other half");
        let _ = (&stream).write_all(b"{\"cmd\":\"status\"}\n");
    }
    assert_eq!(answer(connect(&monitor, b"{}\n"))["ok"], true);
    let sockets = || {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", monitor.pid())).expect("its descriptors");
        descriptors.filter(|entry| entry.is_ok()).count()
    };
    let closed = nettop_tests::program::wait_for(|| (sockets() < 50).then_some(()));
    assert!(closed.is_some(), "{} descriptors are still open", sockets());
}
