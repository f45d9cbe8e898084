//! Readers of the control channel that do not read, by the dozen: whoever reads is answered as if they were not there.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use nettop_tests::{
    flood::Flood,
    monitor::{Monitor, ask_within},
    net::Net,
    program::{self, wait_for},
    skip,
};
use serde_json::{Value, json};

use crate::{packets, udp};

/// How much longer than four times as long as without them it may take, on a busy machine. Waiting for each of them would take
/// longer.
const SOON: Duration = Duration::from_secs(8);

/// A monitor with so many sources that no buffer of the kernel's takes an answer of the usual size, let alone a whole one.
fn monitor_of_many(net: &Net) -> Monitor {
    let monitor = Monitor::live(&net.receiver, "--iface in0 --interval 0.5");
    let flood = Flood { frame: udp().frame(), sources: 10_000, base: [16, 0, 0, 0].into(), count: 60_000 };
    flood.run(&net.sender, "out0").expect("the flood is sent");
    let received = net.receiver.received("in0");
    monitor.wait_until("all of it", |snapshot| packets(snapshot, "seen") == received);
    monitor
}

fn ask(monitor: &Monitor, request: &Value) -> (Value, Duration) {
    let started = Instant::now();
    let answer = ask_within(monitor.socket(), request, Duration::from_secs(100));
    (answer.unwrap_or_else(|error| panic!("{request}: {error}")), started.elapsed())
}

/// Asks, and does not read the answer.
fn idle(monitor: &Monitor, request: &str) -> UnixStream {
    let mut stream = UnixStream::connect(monitor.socket()).expect("connecting");
    stream.set_read_timeout(Some(Duration::from_secs(1))).expect("a deadline");
    stream.write_all(request.as_bytes()).expect("sending");
    stream
}

#[test]
fn who_reads_nothing_or_drips_holds_up_nobody() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = monitor_of_many(&net);
    let asked = [json!({"cmd": "snapshot", "limit": 0}), json!({"cmd": "status"}), json!({"cmd": "maps"})];
    let alone = asked.each_ref().map(|request| ask(&monitor, request).1);
    let whole = "{\"cmd\":\"snapshot\",\"limit\":0}\n";
    let rows = (1001..).map(|limit| format!("{{\"cmd\":\"status\",\"limit\":{limit}}}\n"));
    for (name, requests, drips) in [
        ("everything", vec![whole.to_string(); 30], false),
        ("everything, a byte at a time", vec![whole.to_string(); 12], true),
        ("each another number of rows", rows.take(12).collect(), false),
        ("the usual", vec!["{}\n".to_string(); 100], false),
        ("the maps", vec!["{\"cmd\":\"maps\",\"limit\":0}\n".to_string(); 12], false),
    ] {
        let mut readers: Vec<_> = requests.iter().map(|request| idle(&monitor, request)).collect();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while drips && !done.load(Ordering::SeqCst) {
                    readers.iter_mut().for_each(|reader| drop(reader.read(&mut [0; 100])));
                    thread::sleep(Duration::from_millis(50));
                }
            });
            thread::sleep(Duration::from_millis(300));
            for (request, alone) in asked.iter().zip(alone) {
                let (answer, took) = ask(&monitor, request);
                assert_eq!(answer["ok"], true, "{request} beside {name}");
                let most = alone * 4 + SOON;
                assert!(
                    took < most,
                    "{request} took {took:?} beside {} that want {name}, {alone:?} alone",
                    requests.len()
                );
            }
            done.store(true, Ordering::SeqCst);
        });
    }
    // From another process, too, and whole.
    let _readers: Vec<_> = (0..12).map(|_| idle(&monitor, whole)).collect();
    let mut export = Command::new(program::path("nettopctl"));
    let ended = program::run(export.arg("--control-socket").arg(monitor.socket()).args(["export", "--format", "csv"]));
    assert!(ended.status.success() && ended.stdout.lines().count() > 9000, "{}", ended.stderr);
    assert_eq!(monitor.snapshot()["accounting"]["holds"], true);
}

#[test]
fn readers_that_go_give_back_their_threads() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = monitor_of_many(&net);
    let threads = || fs::read_dir(format!("/proc/{}/task", monitor.pid())).expect("its threads").count();
    let before = threads();
    let readers: Vec<_> = (0..300).map(|_| idle(&monitor, "{}\n")).collect();
    assert_eq!(ask(&monitor, &json!({"cmd": "top", "top": 5})).0["ok"], true);
    drop(readers);
    // The runtime keeps one or two for what blocks.
    let given_back = wait_for(|| (threads() <= before + 4).then_some(()));
    assert!(given_back.is_some(), "{before} threads before, {} after", threads());
}
