//! Hostile clients of the control channel: whatever they do, another client is answered soon.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use nettop_tests::{
    monitor::{Monitor, ask_within},
    program::{PublicCopy, as_nobody, public_directory, run, wait_for},
    skip,
};
use serde_json::{Value, json};

/// How long a well-behaved client may wait, whatever the others do.
const SOON: Duration = Duration::from_secs(2);

/// Expects every kind of request to be answered soon.
#[track_caller]
fn expect_answers(monitor: &Monitor, while_what: &str) {
    expect_answers_within(SOON, monitor, while_what);
}

#[track_caller]
fn expect_answers_within(deadline: Duration, monitor: &Monitor, while_what: &str) {
    for request in [json!({"cmd": "top", "top": 5}), json!({"cmd": "status"}), json!({"cmd": "snapshot", "limit": 0})] {
        let started = Instant::now();
        let answer = ask_within(monitor.socket(), &request, deadline * 3);
        let waited = started.elapsed();
        let answer = answer.unwrap_or_else(|error| panic!("{request} {while_what}: {error} after {waited:?}"));
        assert_eq!(answer["ok"], true, "{request} {while_what}");
        assert!(waited < deadline, "{request} was answered after {waited:?} {while_what}");
    }
}

fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).expect("connecting");
    stream.set_read_timeout(Some(Duration::from_secs(40))).expect("a deadline");
    stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a deadline");
    stream
}

/// The answer on a stream, up to its end.
fn answer(mut stream: UnixStream) -> Value {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    serde_json::from_slice(&answer).unwrap_or(Value::Null)
}

#[test]
fn silent_and_halting_clients_hold_nobody_up() {
    let monitor = Monitor::demo("");
    let silent: Vec<_> = (0..20).map(|_| connect(monitor.socket())).collect();
    let mut halting = connect(monitor.socket());
    halting.write_all(b"{\"cmd\":").expect("half a request");
    expect_answers(&monitor, "while others are silent");
    // They are told, and let go.
    let answer = answer(halting);
    assert_eq!(answer["ok"], false, "{answer}");
    drop(silent);
}

#[test]
fn a_client_that_drips_is_cut_off() {
    let monitor = Monitor::demo("");
    let mut dripping = connect(monitor.socket());
    let started = Instant::now();
    let cut_off = wait_for(|| {
        expect_answers(&monitor, "while another drips");
        dripping.write_all(b" ").is_err().then_some(())
    });
    assert!(cut_off.is_some(), "a byte now and then kept a client alive for {:?}", started.elapsed());
}

#[test]
fn endless_requests_are_refused_and_hold_nobody_up() {
    let monitor = Monitor::demo("");
    let mut stream = connect(monitor.socket());
    let megabyte = vec![b'x'; 1 << 20];
    // It may be cut off at any point.
    let sent = (0..64).take_while(|_| stream.write_all(&megabyte).is_ok()).count();
    assert!(sent < 64, "64 MiB without a newline were taken");
    expect_answers(&monitor, "after another sent without end");
}

#[test]
fn a_client_that_does_not_read_holds_nobody_up() {
    let monitor = Monitor::demo("");
    let slow: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = connect(monitor.socket());
            stream.write_all(b"{\"cmd\":\"status\"}\n").expect("a request");
            stream
        })
        .collect();
    expect_answers(&monitor, "while others do not read");
    // Nobody is cut off who reads in the end.
    for stream in slow {
        assert_eq!(answer(stream)["ok"], true);
    }
}

#[test]
fn two_hundred_clients_at_once_are_all_answered() {
    let monitor = Monitor::demo("");
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..200)
            .map(|number| {
                let socket = monitor.socket();
                scope.spawn(move || ask_within(socket, &json!({"cmd": "top", "top": number}), Duration::from_secs(20)))
            })
            .collect();
        // In a debug build an answer takes twenty times as long to make.
        let deadline = if cfg!(debug_assertions) { SOON * 5 } else { SOON };
        expect_answers_within(deadline, &monitor, "while 200 others ask");
        for client in clients {
            let answer = client.join().expect("no panic").expect("an answer");
            assert_eq!(answer["ok"], true, "{answer}");
        }
    });
}

#[test]
fn two_hundred_silent_clients_hold_nobody_up() {
    let monitor = Monitor::demo("");
    // As many as the kernel lets wait; the others would block in connect.
    let silent: Vec<_> = (0..200)
        .map_while(|_| {
            let started = Instant::now();
            let stream = connect_at_once(monitor.socket()).ok();
            assert!(started.elapsed() < SOON, "connecting took {:?}", started.elapsed());
            stream
        })
        .collect();
    expect_answers(&monitor, &format!("while {} others are silent", silent.len()));
}

/// Connects, or says at once that the queue is full.
fn connect_at_once(socket: &Path) -> io::Result<UnixStream> {
    use std::os::{
        fd::{FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    };
    // SAFETY: plain integers and bytes, for which zero is valid.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as u16;
    let path = socket.as_os_str().as_bytes();
    assert!(path.len() < address.sun_path.len(), "the path fits");
    for (slot, byte) in address.sun_path.iter_mut().zip(path) {
        *slot = *byte as libc::c_char;
    }
    // SAFETY: plain integers.
    let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) };
    assert!(fd >= 0, "making a socket: {}", io::Error::last_os_error());
    // SAFETY: the result is a new file descriptor, which nobody else owns.
    let stream = UnixStream::from(unsafe { OwnedFd::from_raw_fd(fd) });
    // SAFETY: the address is as long as the length says.
    let result = unsafe { libc::connect(fd, (&raw const address).cast(), size_of_val(&address) as u32) };
    if result == 0 { Ok(stream) } else { Err(io::Error::last_os_error()) }
}

#[test]
fn nonsense_is_answered_with_what_is_wrong() {
    let monitor = Monitor::demo("");
    for (request, part) in [
        (&b"\n"[..], "JSON"),
        (b"\0\xff\xfe\n", "JSON"),
        (b"null\n", "object"),
        (b"[]\n", "object"),
        (b"{\"cmd\":\"dance\"}\n", "dance"),
        (b"{\"cmd\":\"set\",\"dst\":{\"a\":1}}\n", "dst"),
        (b"{\"cmd\":\"top\",\"top\":1e400}\n", ""),
        (b"{\"cmd\":\"snapshot\",\"limit\":\"all\"}\n", "limit"),
        (b"GET / HTTP/1.1\r\n\r\n", "JSON"),
    ] {
        let mut stream = connect(monitor.socket());
        stream.write_all(request).expect("a request");
        let answer = answer(stream);
        assert_eq!(answer["ok"], false, "{request:?}: {answer}");
        let error = answer["error"].as_str().expect("a reason");
        assert!(error.contains(part), "{request:?}: {error}");
    }
    // Nested so deeply that a careless reader runs out of stack.
    let mut stream = connect(monitor.socket());
    let _ = stream.write_all(&[&b"[".repeat(60_000)[..], b"\n"].concat());
    assert_eq!(answer(stream)["ok"], false);
    // A request that ends without a newline is still one.
    let mut stream = connect(monitor.socket());
    stream.write_all(b"{\"cmd\":\"top\",\"top\":4}").expect("a request");
    stream.shutdown(std::net::Shutdown::Write).expect("the end of it");
    assert_eq!(answer(stream), json!({"ok": true, "top": 4}));
    expect_answers(&monitor, "after nonsense");
}

#[test]
fn requests_all_at_once_lose_no_snapshot() {
    let monitor = Monitor::demo("");
    std::thread::scope(|scope| {
        for kind in ["pause", "resume", "reset", "status", "snapshot"] {
            let socket = monitor.socket();
            scope.spawn(move || {
                for _ in 0..30 {
                    let answer = ask_within(socket, &json!({"cmd": kind}), Duration::from_secs(20)).expect("an answer");
                    assert_eq!(answer["ok"], true, "{answer}");
                    let holds = answer.pointer("/snapshot/accounting/holds");
                    let expected = ["status", "snapshot"].contains(&kind).then_some(json!(true));
                    assert_eq!(holds, expected.as_ref(), "{answer}");
                }
            });
        }
    });
    assert_eq!(monitor.snapshot()["accounting"]["holds"], true);
}

#[test]
fn another_user_is_refused_even_if_the_socket_is_open_to_all() {
    if !skip::privileged() {
        return;
    }
    let directory = public_directory();
    let socket = directory.path().join("s");
    let mut command = Command::new(nettop_tests::program::path("nettop"));
    command.arg("demo");
    let monitor = Monitor::start(command, &socket);
    let ctl = PublicCopy::of("nettopctl");
    let stop = || run(as_nobody(Command::new(ctl.path()).arg("--control-socket").arg(&socket).arg("stop")));

    let refused = stop();
    assert_eq!(refused.status.code(), Some(1), "the mode of the socket keeps others out: {refused:?}");
    assert!(refused.stderr.contains("ermission"), "{refused:?}");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).expect("opening it to all");
    let refused = stop();
    assert_eq!(refused.status.code(), Some(1), "and so does the monitor: {refused:?}");
    assert!(refused.stdout.contains("user 65534"), "{refused:?}");
    expect_answers(&monitor, "for root");
}
