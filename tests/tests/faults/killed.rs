//! Killed at any moment, from the first instruction to the middle of a reading: nothing stays behind, and the next one starts
//! at once.

use std::{
    io,
    mem::MaybeUninit,
    process::Stdio,
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

/// How often it is killed at most, and for how long: a slow machine has to do with fewer.
const ROUNDS: usize = 50;
const PATIENCE: Duration = Duration::from_secs(60);

/// Stops a child, and waits until it has stopped, or ended.
fn stop(child: u32) {
    let mut state = MaybeUninit::uninit();
    let wanted = libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT;
    // SAFETY: plain integers, and a place for the result; the child has not been waited for, so its id is still its own.
    let failed = unsafe {
        libc::kill(child as i32, libc::SIGSTOP) != 0
            || libc::waitid(libc::P_PID, child, state.as_mut_ptr(), wanted) != 0
    };
    assert!(!failed, "stopping nettop: {}", io::Error::last_os_error());
}

#[test]
fn killed_at_any_moment_it_leaves_nothing_behind() {
    if !skip::privileged() {
        return;
    }
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = Rng::with_seed(seed);
    let net = Net::new(1);
    let directory = TempDir::new().expect("a directory");
    let socket = directory.path().join("nettop.sock");
    let command = || {
        let mut command = net.receiver.command(program::path("nettop"));
        command.args(["run", "--iface", "in0", "--map-memory", "8", "--interval", "0.1"]);
        command
    };
    let started = Instant::now();
    drop(Monitor::start(command(), &socket));
    // As long before it is ready as after.
    let longest = started.elapsed() * 2;
    let over = AtomicBool::new(false);
    let (mut rounds, mut attached, mut most) = (0, 0, 0);
    let started = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            let sender = Sender::new(&net.sender, "out0");
            while !over.load(Ordering::Relaxed) {
                sender.send(&udp().frame(), 20);
                thread::sleep(Duration::from_millis(1));
            }
        });
        for round in 0..ROUNDS {
            if started.elapsed() > PATIENCE {
                break;
            }
            rounds += 1;
            let mut command = command();
            command.args(["--quiet", "--control-socket"]).arg(&socket).stdin(Stdio::null()).stdout(Stdio::null());
            let mut child = command.stderr(Stdio::piped()).spawn().expect("starting nettop");
            thread::sleep(longest.mul_f64(random.f64()));
            // Stopped in every other round, so that it takes nothing more between the look and the end.
            if round % 2 == 0 {
                stop(child.id());
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
    println!("{rounds} times killed, {attached} times while it was attached; it held {most} objects at most");
    assert!(attached > 0 && attached < rounds, "before and after it had attached, not {attached} of {rounds} times");

    let monitor = Monitor::start(command(), &socket);
    assert!(Held::by(monitor.pid()).expect("its descriptors").count() >= most, "what was looked for is what it holds");
    let mut traffic = Traffic::default();
    traffic.send(&Sender::new(&net.sender, "out0"), &udp(), 5);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
}
