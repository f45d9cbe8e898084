//! Millions of packets per second: nothing is lost and every account balances, at every moment.

use std::{
    net::Ipv4Addr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use nettop_tests::{
    flood::Flood,
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    program::wait_for,
    skip,
};
use serde_json::Value;

/// Frames sent at a time; a flood is as many times that as it takes until enough has arrived and the monitor has ticked in it.
const FRAMES: u32 = 1_000_000;
/// Frames that have to arrive: some millions overtake any table; how many of those that are sent do is the machine's affair.
const ARRIVING: u64 = 2_000_000;
/// How often the monitor has to tick before the flood is over: one that stands still in a flood is none.
const TICKS: u64 = 3;
/// How long a flood lasts at most, for that: on a slow machine, unoptimised, a tick may take seconds.
const LONGEST: Duration = Duration::from_secs(60);
/// Seconds between ticks.
const INTERVAL: f64 = 0.5;

/// One flood at a time: each needs both CPUs of a small machine.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // One that failed is no reason for the next to.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn packets(accounting: &Value, part: &str) -> u64 {
    accounting[part]["packets"].as_u64().expect("a count")
}

/// Expects every packet of a snapshot to be accounted for.
#[track_caller]
fn expect_balance(snapshot: &Value) {
    let accounting = &snapshot["accounting"];
    assert_eq!(accounting["holds"], true, "{accounting}");
    for unit in ["packets", "bytes"] {
        let part = |name: &str| accounting[name][unit].as_u64().expect("a count");
        assert_eq!(part("counted") + part("filtered") + part("not_ip"), part("seen"), "{accounting}");
        assert_eq!(part("sources") + part("evicted") + part("untracked"), part("counted"), "{accounting}");
        let rows = snapshot["ips"].as_array().expect("a list").iter();
        let listed: u64 = rows.filter_map(|row| row[unit].as_u64()).sum();
        let rest = snapshot["rest"][unit].as_u64().expect("a count");
        assert_eq!(listed + rest, part("sources"), "the sources of the ledger, {unit}");
    }
    let protocols: u64 = snapshot["protocols"].as_object().expect("a map").values().filter_map(Value::as_u64).sum();
    assert_eq!(protocols, packets(accounting, "counted"), "by protocol: {accounting}");
}

/// How many of `sources` are drawn at least once in `draws`.
fn distinct(sources: u32, draws: u64) -> f64 {
    let sources = f64::from(sources);
    sources * -(-(draws as f64) / sources).exp_m1()
}

fn flood_from(sources: u32, options: &str) {
    let turn = alone();
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, &format!("--iface in0 --interval {INTERVAL} --map-memory 64 {options}"));
    let frame = Spec::v4(Transport::Udp(40_000, 53)).payload(18).frame();
    let length = frame.len() as u64;
    assert_eq!(length, 60);
    let flood = Flood { frame, sources, base: Ipv4Addr::new(16, 0, 0, 0), count: FRAMES };
    let before = net.receiver.received("in0");

    let ticks = |snapshot: &Value| snapshot["tick"]["count"].as_u64().expect("a count");
    let ticks_before = ticks(&monitor.wait_until("a tick", |snapshot| ticks(snapshot) > 0));
    let received = || net.receiver.received("in0") - before;
    let newest = AtomicU64::new(ticks_before);
    let ticked = || newest.load(Ordering::SeqCst) - ticks_before;
    let (took, times) = thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let (mut took, mut times) = (Duration::ZERO, 0_u32);
            while took < LONGEST && (received() < ARRIVING || ticked() < TICKS) {
                took += flood.run(&net.sender, "out0").expect("the flood is sent");
                times += 1;
            }
            // What was asked for meanwhile was published in the flood.
            (took, times, ticked())
        });
        while !flood.is_finished() {
            let snapshot = monitor.snapshot();
            expect_balance(&snapshot);
            newest.store(ticks(&snapshot), Ordering::SeqCst);
            thread::sleep(Duration::from_millis(200));
        }
        let (took, times, ticked) = flood.join().expect("no panic");
        assert!(ticked >= TICKS, "{ticked} ticks in a flood that took {took:?}");
        (took, times)
    });

    let snapshot = wait_for(|| {
        let snapshot = monitor.snapshot();
        expect_balance(&snapshot);
        (packets(&snapshot["accounting"], "seen") == received()).then_some(snapshot)
    });
    let received = received();
    let snapshot = snapshot.unwrap_or_else(|| panic!("{received} received: {}", monitor.snapshot()["accounting"]));
    let accounting = &snapshot["accounting"];
    let sent = u64::from(FRAMES) * u64::from(times);
    assert!((ARRIVING..=sent).contains(&received), "{received} of {sent} received: that is no flood");
    assert_eq!(packets(accounting, "counted"), received, "every frame received is counted: {accounting}");
    assert_eq!(accounting["counted"]["bytes"], received * length);
    assert_eq!(snapshot["protocols"]["UDP"], received);
    assert_eq!(snapshot["src_ports"]["40000"], received);
    assert_eq!(snapshot["dst_ports"]["53"], received);
    assert_eq!(snapshot["dst_ips"]["198.51.100.2"], received);
    assert_eq!(snapshot["packet_sizes"]["<128B"], received);

    let unique = snapshot["unique_ips"].as_f64().expect("a count");
    let expected = distinct(sources, received);
    if snapshot["unique_estimated"] == true {
        assert!((unique / expected - 1.0).abs() < 0.05, "{unique} distinct sources, expected about {expected}");
    } else {
        assert!((unique - expected).abs() <= 1.0 + expected / 1000.0, "{unique} distinct sources, expected {expected}");
    }

    let tick = &snapshot["tick"];
    let (count, late) = (tick["count"].as_u64().expect("a count"), tick["late"].as_u64().expect("a count"));
    println!(
        "{sources} sources: {received} of {sent} frames arrived, {:.2} Mpps; untracked {}, evicted {}, late ticks {late} of \
         {count}, the newest took {} ms",
        received as f64 / took.as_secs_f64() / 1e6,
        packets(accounting, "untracked"),
        packets(accounting, "evicted"),
        tick["took_ms"],
    );
    drop(turn);
}

#[test]
fn a_flood_from_one_source_is_counted_whole() {
    if skip::privileged() {
        flood_from(1, "");
    }
}

#[test]
fn a_flood_from_a_thousand_sources_is_counted_whole() {
    if skip::privileged() {
        flood_from(1_000, "");
    }
}

#[test]
fn a_flood_from_fifty_thousand_sources_is_counted_whole() {
    if skip::privileged() {
        flood_from(50_000, "");
    }
}

#[test]
fn a_flood_from_sixteen_million_sources_is_counted_whole() {
    if skip::privileged() {
        flood_from(16_000_000, "");
    }
}

#[test]
fn floods_are_counted_whole_in_hash_maps_that_hold_them_and_in_those_that_do_not() {
    if skip::privileged() {
        flood_from(50_000, "--maps hash");
        flood_from(16_000_000, "--maps hash");
    }
}

#[test]
fn a_flood_cannot_keep_a_new_source_out_for_long() {
    if !skip::privileged() {
        return;
    }
    let turn = alone();
    let net = Net::new(1);
    // So small that one tick of the flood fills it many times over.
    let monitor = Monitor::live(&net.receiver, "--iface in0 --interval 0.2 --map-memory 1 --max-sources 2000");
    let frame = Spec::v4(Transport::Udp(40_000, 53)).frame();
    let flood = Flood { frame, sources: 16_000_000, base: Ipv4Addr::new(16, 0, 0, 0), count: 3 * FRAMES };
    let newcomer = Spec::between([203, 0, 113, 77].into(), [198, 51, 100, 2].into(), Transport::Tcp(5, 22, 0x02));
    let sender = nettop_tests::send::Sender::new(&net.sender, "out0");
    thread::scope(|scope| {
        let flood = scope.spawn(|| flood.run(&net.sender, "out0"));
        monitor.wait_until("a full map", |snapshot| packets(&snapshot["accounting"], "untracked") > 0);
        // It sends on after the flood too, so that a slow machine does not fail.
        let seen = wait_for(|| {
            sender.send(&newcomer.frame(), 20);
            let snapshot = monitor.snapshot();
            expect_balance(&snapshot);
            let rows = monitor.command(&serde_json::json!({"cmd": "snapshot", "limit": 0}));
            let rows = rows["snapshot"]["ips"].as_array().expect("a list").clone();
            rows.iter().any(|row| row["ip"] == "203.0.113.77").then_some(())
        });
        assert!(seen.is_some(), "the new source is never shown");
        flood.join().expect("no panic").expect("the flood is sent");
    });
    let snapshot = monitor.wait_until("whole", |snapshot| {
        expect_balance(snapshot);
        packets(&snapshot["accounting"], "seen") == net.receiver.received("in0")
    });
    assert!(packets(&snapshot["accounting"], "evicted") > 0, "the ledger is bounded: {}", snapshot["accounting"]);
    assert_eq!(snapshot["unique_estimated"], true);
    drop(turn);
}
