//! Time that passes otherwise than it should: the monitor is suspended, ticks ten times a second under a flood, or the
//! machine's clock jumps.

use std::{
    env,
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use nettop_tests::{flood::Flood, monitor::Monitor, net::Net, send::Sender, skip, traffic::Traffic};
use serde_json::{Value, json};

use crate::{degraded, late, packets, ticks, udp};

/// Set where a test may set the machine's clock, because the machine is its own: `cargo xtask vm`.
const OWN_MACHINE: &str = "NETTOP_OWN_MACHINE";

/// Packets per second, until `wanted` have been sent.
fn send_steadily(traffic: &mut Traffic, sender: &Sender, per_second: u64, wanted: u64) {
    let (started, before) = (Instant::now(), traffic.seen());
    while traffic.seen() - before < wanted {
        let due = (started.elapsed().as_secs_f64() * per_second as f64) as u64;
        let behind = due.min(wanted).saturating_sub(traffic.seen() - before);
        traffic.send(sender, &udp(), behind as usize);
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn suspended_for_a_while_it_loses_nothing_and_says_that_it_was_late() {
    if !skip::privileged() {
        return;
    }
    const RATE: u64 = 500;
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0 --interval 0.2");
    let sender = Sender::new(&net.sender, "out0");
    let mut traffic = Traffic::default();
    let before = monitor.wait_until("ticks", |snapshot| ticks(snapshot) >= 2);

    let stopped = Instant::now();
    monitor.signal(libc::SIGSTOP);
    send_steadily(&mut traffic, &sender, RATE, RATE * 5 / 2);
    monitor.signal(libc::SIGCONT);
    let resumed = Instant::now();
    let after = monitor.wait_until_seen(traffic.seen());
    // On a slow machine it takes a while to go on, and all of it is spread over that, too.
    let slowest = traffic.seen() as f64 / stopped.elapsed().as_secs_f64();
    let due = resumed.elapsed().as_secs_f64() / 0.2;
    traffic.assert_is(&after);
    assert!(late(&after) > late(&before), "a late tick is said: {}", after["tick"]);
    let came = ticks(&after) - ticks(&before);
    assert!((came as f64) < due + 4.0, "{came} ticks, {due:.1} were due: those missed are not made up for");
    // As if it had looked all the time: what came in two and a half seconds was not that of one.
    let rate = |snapshot: &Value, key: &str| snapshot[key].as_f64().expect("a rate");
    let close = |snapshot: &Value| {
        let peak = snapshot["ips"][0]["peak_pps"].as_f64().expect("a rate");
        (slowest * 0.8..RATE as f64 * 1.2).contains(&peak) && rate(snapshot, "current_pps") <= peak * 1.001
    };
    // Whoever asks late finds the second after it, in which nothing came.
    let is_over = |snapshot: &Value| rate(snapshot, "current_pps") > 0.0 || resumed.elapsed() > Duration::from_secs(3);
    let snapshot = monitor.wait_until("a whole second", is_over);
    assert!(close(&snapshot), "{} of {RATE} per second", snapshot["ips"][0]["peak_pps"]);
}

#[test]
fn a_stall_is_told_and_moves_nothing_in_time() {
    if !skip::privileged() {
        return;
    }
    // Seconds, and packets per second.
    const STALL: f64 = 5.0;
    const RATE: u64 = 1_500;
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0 --interval 0.2 --high-pps 1000");
    let sender = Sender::new(&net.sender, "out0");
    let mut traffic = Traffic::default();
    let seconds = |snapshot: &Value| snapshot["history"]["seconds"].as_array().expect("a list").len();
    let before = monitor.wait_until("a second", |snapshot| seconds(snapshot) >= 1);
    assert!(!degraded(&before).contains("stalled"), "{}", degraded(&before));

    let stopped = Instant::now();
    monitor.signal(libc::SIGSTOP);
    send_steadily(&mut traffic, &sender, RATE, RATE * STALL as u64);
    monitor.signal(libc::SIGCONT);
    let after = monitor.wait_until("all of it", |snapshot| {
        packets(snapshot, "seen") == traffic.seen() && degraded(snapshot).contains("stalled")
    });
    let took = stopped.elapsed().as_secs_f64();
    traffic.assert_is(&after);
    // As many seconds more as have passed, each with a part of what came.
    let (came, of_stall) = (seconds(&after) - seconds(&before), |pace: &&Value| pace["pps"].as_f64() > Some(500.0));
    assert!((STALL - 1.0..took + 2.0).contains(&(came as f64)), "{came} seconds more in {took:.1} s");
    let paces = after["history"]["seconds"].as_array().expect("a list");
    assert!(paces.iter().filter(of_stall).count() as f64 >= STALL - 1.0, "{paces:?}");
    let alerts = after["alerts"].as_array().expect("a list");
    let busy = alerts.iter().find(|alert| alert["kind"] == "high-pps").expect("an alert");
    let message = busy["message"].as_str().expect("text");
    assert!(message.contains("rates are averages over that"), "{message}");
    assert!(busy["averaged_over"].as_f64() >= Some(STALL - 1.0), "{busy}");
}

#[test]
fn with_ten_ticks_a_second_a_flood_is_counted_and_late_ticks_are_said() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0 --interval 0.1");
    let before = monitor.wait_until("a tick", |snapshot| ticks(snapshot) > 0);
    let flood = Flood { frame: udp().frame(), sources: 20_000, base: Ipv4Addr::new(16, 0, 0, 0), count: 2_000_000 };
    let took = flood.run(&net.sender, "out0").expect("the flood is sent");
    let received = net.receiver.received("in0");
    let after = monitor.wait_until("all of it", |snapshot| packets(snapshot, "seen") == received);
    let accounting = &after["accounting"];
    assert_eq!(accounting["holds"], true, "{accounting}");
    assert_eq!(packets(&after, "sources") + packets(&after, "evicted") + packets(&after, "untracked"), received);
    let (came, late) = (ticks(&after) - ticks(&before), late(&after) - late(&before));
    let due = took.as_secs_f64() / 0.1;
    println!("{received} frames in {took:.1?}: {came} ticks came, {due:.0} were due, {late} came late");
    assert!(came as f64 >= due / 10.0, "it stood still");
    assert!(came as f64 >= due * 0.8 || late > 0, "ticks missing and none said to be late: {}", after["tick"]);
}

#[test]
fn a_ring_of_samples_that_is_full_is_said_and_costs_no_count() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0 --event-rate 100");
    monitor.wait_until("a tick", |snapshot| ticks(snapshot) > 0);
    monitor.signal(libc::SIGSTOP);
    // With native XDP at the receiver, and more than any ring for so few samples has room for.
    let flood = Flood { frame: udp().frame(), sources: 1, base: Ipv4Addr::new(192, 0, 2, 1), count: 400_000 };
    flood.run(&net.sender, "out0").expect("the flood is sent");
    monitor.signal(libc::SIGCONT);
    let received = net.receiver.received("in0");
    let snapshot = monitor.wait_until("all of it", |snapshot| packets(snapshot, "seen") == received);
    assert_eq!(snapshot["accounting"]["holds"], true);
    assert_eq!(snapshot["ips"][0]["packets"], received);
    let sampling = &snapshot["sampling"];
    assert!(sampling["lost"].as_u64() > Some(0), "{sampling}");
    assert_eq!(snapshot["ips"][0]["detail_estimated"], true, "what was lost is not made up");
    for part in ["detail per source is estimated", "samples lost"] {
        assert!(degraded(&snapshot).contains(part), "{}", degraded(&snapshot));
    }
}

#[test]
fn a_clock_that_jumps_changes_no_rate_and_no_count() {
    if !skip::privileged() {
        return;
    }
    if env::var_os(OWN_MACHINE).is_none() {
        return skip::report("it sets the machine's clock; `cargo xtask vm` runs it in a machine of its own");
    }
    const RATE: u64 = 100;
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0 --interval 0.2");
    let sender = Sender::new(&net.sender, "out0");
    let mut traffic = Traffic::default();
    let seconds = |snapshot: &Value, key: &str| snapshot[key].as_u64().expect("a time") / 1_000_000_000;
    let unix = |snapshot: &Value| seconds(snapshot, "now_ns");
    let mut before = monitor.wait_until("a tick", |snapshot| ticks(snapshot) > 0);
    // To the next day, to years ago, to before the start, and back.
    for jump in [86_400, -500_000_000, 499_913_600] {
        shift_clock(jump);
        send_steadily(&mut traffic, &sender, RATE, RATE * 2);
        let after = monitor.wait_until_seen(traffic.seen());
        traffic.assert_is(&after);
        let passed = after["elapsed"].as_f64().expect("seconds") - before["elapsed"].as_f64().expect("seconds");
        let moved = unix(&after) as i64 - unix(&before) as i64 - jump;
        assert!(passed > 0.0 && passed < 60.0, "{passed} s have passed");
        assert!((moved as f64 - passed).abs() < 2.0, "its clock shows the machine's: {moved} s, {passed} s passed");
        let row = &after["ips"][0];
        let peak = row["peak_pps"].as_f64().expect("a rate");
        assert!(peak > 0.0 && peak < RATE as f64 * 2.0, "{row}");
        assert!(seconds(row, "last_ns").abs_diff(unix(&after)) < 10, "{row}");
        assert_eq!(after["accounting"]["holds"], json!(true));
        before = after;
    }
    assert_eq!(monitor.stop().status.code(), Some(0));
}

fn shift_clock(seconds: i64) {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result, and then a valid time.
    let failed = unsafe {
        libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) != 0 || {
            time.tv_sec += seconds;
            libc::clock_settime(libc::CLOCK_REALTIME, &raw const time) != 0
        }
    };
    assert!(!failed, "setting the clock: {}", std::io::Error::last_os_error());
}
