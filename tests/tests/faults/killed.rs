//! Killed at any moment, from the first instruction to the middle of a reading: nothing stays behind, and the next one starts
//! at once.

use std::{
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use nettop_tests::{
    held::Held,
    monitor::Monitor,
    net::Net,
    program::{self, wait_for},
    send::Sender,
    skip,
    traffic::Traffic,
};
use tempfile::TempDir;

use crate::udp;

/// How often it is killed.
const ROUNDS: usize = 50;

#[test]
fn killed_at_any_moment_it_leaves_nothing_behind() {
    if !skip::privileged("killed_at_any_moment_it_leaves_nothing_behind") {
        return;
    }
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = Rng::with_seed(seed);
    let net = Net::new(1);
    let directory = TempDir::new().expect("a directory");
    let socket = directory.path().join("nettop.sock");
    let command = |program: &mut Command| {
        program.args(["run", "--iface", "in0", "--map-memory", "8", "--interval", "0.1"]);
    };
    let start = || {
        let mut program = net.receiver.command(program::path("nettop"));
        command(&mut program);
        Monitor::start(program, &socket)
    };
    let started = Instant::now();
    drop(start());
    // As long before it is ready as after.
    let longest = started.elapsed() * 2;
    let over = AtomicBool::new(false);
    let (mut attached, mut most) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let sender = Sender::new(&net.sender, "out0");
            while !over.load(Ordering::Relaxed) {
                sender.send(&udp().frame(), 20);
                thread::sleep(Duration::from_millis(1));
            }
        });
        for round in 0..ROUNDS {
            let mut program = net.receiver.command(program::path("nettop"));
            command(&mut program);
            program.args(["--quiet", "--control-socket"]).arg(&socket).stdin(Stdio::null()).stdout(Stdio::null());
            let mut child = program.stderr(Stdio::piped()).spawn().expect("starting nettop");
            thread::sleep(longest.mul_f64(random.f64()));
            // Stopped in every other round, so that it takes nothing more between the look and the end.
            if round % 2 == 0 {
                // SAFETY: plain integers; the child has not been waited for, so its id is still its own.
                unsafe { libc::kill(child.id() as i32, libc::SIGSTOP) };
            }
            let held = Held::by(child.id()).expect("looking at its descriptors");
            let ended = child.try_wait().expect("asking about a child");
            if ended.is_some() {
                over.store(true, Ordering::Relaxed);
                let ended = child.wait_with_output().expect("its output");
                panic!("round {round}: it has ended by itself: {}", String::from_utf8_lossy(&ended.stderr));
            }
            attached += usize::from(net.receiver.xdp_program("in0").is_some());
            child.kill().expect("killing it");
            child.wait().expect("waiting for its end");
            most = most.max(held.count());
            let gone = wait_for(|| (held.left() == Held::default()).then_some(())).is_some();
            let detached = net.receiver.xdp_program("in0").is_none();
            if !gone || !detached {
                over.store(true, Ordering::Relaxed);
                panic!("round {round}: of {held:?} there is still {:?}; detached: {detached}", held.left());
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    println!("{ROUNDS} times killed, {attached} times while it was attached; it held {most} objects at most");
    assert!(attached > 0 && attached < ROUNDS, "before and after it had attached, not {attached} of {ROUNDS} times");

    let monitor = start();
    assert!(Held::by(monitor.pid()).expect("its descriptors").count() >= most, "what was looked for is what it holds");
    let mut traffic = Traffic::default();
    traffic.send(&Sender::new(&net.sender, "out0"), &udp(), 5);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
}
