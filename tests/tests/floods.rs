//! Floods and scans are named, on real packets; ordinary traffic is not. A rule's own tables of cases are in its file.

use std::{
    net::Ipv4Addr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nettop_tests::{
    flood::Flood,
    frames::{self, Spec, Transport},
    monitor::Monitor,
    net::Net,
    program::{deadline, wait_for},
    send::Sender,
    skip,
};
use serde_json::{Value, json};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PSH_ACK: u8 = 0x18;
const FIN_ACK: u8 = 0x11;
const TARGET: [u8; 4] = [198, 51, 100, 2];
/// So often a flood is sent at most until it is named: some seconds on a fast machine.
const MOST_FLOODS: u32 = 12;

/// The kinds of the rules that have a threshold, but for that of single busy sources.
const NAMES: [&str; 9] = [
    "spoofed-flood",
    "syn-flood",
    "udp-flood",
    "icmp-flood",
    "amplification",
    "fragments-flood",
    "volumetric",
    "port-scan",
    "host-scan",
];

/// One at a time: each needs both CPUs of a small machine.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // One that failed is no reason for the next to.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn named<'a>(snapshot: &'a Value, kind: &str) -> Option<&'a Value> {
    snapshot["alerts"].as_array().expect("a list").iter().find(|alert| alert["kind"] == kind)
}

fn has_target(snapshot: &Value, kind: &str) -> bool {
    named(snapshot, kind).is_some_and(|alert| !alert["target"].is_null())
}

/// What there were alerts of.
fn kinds(snapshot: &Value) -> Vec<&str> {
    NAMES.into_iter().filter(|kind| named(snapshot, kind).is_some()).collect()
}

/// A monitor, and what it watches.
struct Watch {
    net: Net,
    monitor: Monitor,
    _turn: MutexGuard<'static, ()>,
}

impl Watch {
    fn new() -> Self {
        Self::with("")
    }

    /// With further options, separated by spaces.
    fn with(options: &str) -> Self {
        let turn = alone();
        let net = Net::new(1);
        let monitor = Monitor::live(&net.receiver, &format!("--iface in0 --interval 0.2 --map-memory 32 {options}"));
        Self { net, monitor, _turn: turn }
    }

    /// Waits until not everybody is new any more.
    fn settle(&self) {
        let sender = Sender::new(&self.net.sender, "out0");
        let client = Spec::between([203, 0, 113, 1].into(), TARGET.into(), Transport::Tcp(1, 443, ACK)).frame();
        let settled = wait_for(|| {
            sender.send(&client, 1);
            self.monitor.snapshot()["elapsed"].as_f64().filter(|elapsed| *elapsed >= 12.5)
        });
        assert!(settled.is_some(), "the monitor's time goes on");
    }

    /// Floods with this frame from random sources, `count` frames at a time, until there is an alert of this kind that knows a
    /// target; returns the snapshot. One raised at the end of a second may have to wait for the next one's samples.
    fn flood(&self, kind: &str, frame: Vec<u8>, sources: u32, count: u32) -> Value {
        let flood = Flood { frame, sources, base: Ipv4Addr::new(16, 0, 0, 0), count };
        let enough = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..MOST_FLOODS {
                    if !enough.load(Ordering::Relaxed) {
                        flood.run(&self.net.sender, "out0").expect("the flood is sent");
                    }
                }
            });
            let snapshot = self.monitor.wait_until(kind, |snapshot| has_target(snapshot, kind));
            enough.store(true, Ordering::Relaxed);
            snapshot
        })
    }

    /// Expects the alert to pause soon, before it is over; returns it.
    #[track_caller]
    fn end_of(&self, kind: &str) -> Value {
        let snapshot = self.monitor.wait_until(&format!("the end of {kind}"), |snapshot| {
            named(snapshot, kind).is_some_and(|alert| alert["bursts"]["paused"] == true)
        });
        named(&snapshot, kind).expect("just seen").clone()
    }
}

#[track_caller]
fn expect_target(alert: &Value, port: Option<u16>) {
    assert_eq!(alert["target"], json!({"ip": "198.51.100.2", "port": port, "prefix": null}), "{alert}");
    // How bad it is depends on what this host makes of it.
    assert_ne!(alert["severity"], "info");
}

#[test]
fn a_spoofed_syn_flood_is_named_with_its_target_and_ends() {
    if !skip::privileged() {
        return;
    }
    let watch = Watch::new();
    watch.settle();
    let frame = Spec::v4(Transport::Tcp(40_000, 443, SYN)).frame();
    let snapshot = watch.flood("syn-flood", frame, 16_000_000, 3_000_000);
    let alert = named(&snapshot, "syn-flood").expect("just seen");
    expect_target(alert, Some(443));
    let message = alert["message"].as_str().expect("a message");
    println!("{message}");
    assert!(message.contains("forged most likely"), "{message}");
    let over = watch.end_of("syn-flood");
    expect_target(&over, Some(443));
    assert!(over["peak"].as_f64() > Some(20_000.0), "{over}");
    let last = watch.monitor.snapshot();
    assert_eq!(kinds(&last), ["syn-flood"], "one attack is one alert");
    // What came before is told; but that thousands are new is said once.
    let shouts = |alert: &&Value| alert["kind"] == "new-ip" && alert["count"].as_u64() > Some(1000);
    assert_eq!(last["alerts"].as_array().expect("a list").iter().filter(shouts).count(), 0, "{}", last["alerts"]);
}

#[test]
fn each_flood_is_called_by_its_name() {
    if !skip::privileged() {
        return;
    }
    let watch = Watch::new();
    let fragment = frames::ipv4(17, &[0x5a; 1000], |header| header[6..8].copy_from_slice(&[0x20, 0xb9]));
    for (kind, frame, port) in [
        ("udp-flood", Spec::v4(Transport::Udp(40_000, 27_015)).payload(18).frame(), Some(27_015)),
        ("icmp-flood", Spec::v4(Transport::Icmp).frame(), None),
        ("amplification", Spec::v4(Transport::Udp(11_211, 40_000)).payload(1000).frame(), Some(40_000)),
        ("fragments-flood", fragment, None),
        ("syn-flood", Spec::v4(Transport::Tcp(40_000, 25, SYN)).frame(), Some(25)),
    ] {
        watch.monitor.command(&json!({"cmd": "reset"}));
        let before = watch.monitor.snapshot();
        assert_eq!(kinds(&before), [""; 0], "a reset ends it all");
        let snapshot = watch.flood(kind, frame, 3, 1_500_000);
        let alert = named(&snapshot, kind).expect("just seen");
        println!("{}", alert["message"]);
        expect_target(alert, port);
        let sources = alert["sources"].as_array().expect("a list");
        assert_eq!(sources.len(), 3, "{alert}");
        assert!(sources.iter().all(|source| source["pps"].as_f64() > Some(1000.0)), "{alert}");
        let over = watch.end_of(kind);
        let time = |key: &str| over[key].as_u64().expect("a time");
        assert!(time("last_ns") >= time("since_ns"), "{over}");
        let also = |found: &&str| *found != kind;
        assert_eq!(kinds(&watch.monitor.snapshot()).iter().filter(|found| also(found)).count(), 0, "{kind}");
    }
}

#[test]
fn a_port_scan_is_told_with_who_and_whom() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let sender = Sender::new(&net.sender, "out0");
    (1..=30).for_each(|port| sender.send(&Spec::v4(Transport::Tcp(9, port, SYN)).frame(), 3));
    monitor.wait_until_seen(90);
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(kinds(&monitor.snapshot()), [""; 0], "thirty ports are no scan");
    (31..=400).for_each(|port| sender.send(&Spec::v4(Transport::Tcp(9, port, SYN)).frame(), 1));
    let snapshot = monitor.wait_until("a scan", |snapshot| named(snapshot, "port-scan").is_some());
    let alert = named(&snapshot, "port-scan").expect("just seen");
    assert_eq!((&alert["source"], &alert["severity"]), (&json!("192.0.2.1"), &json!("warn")));
    assert_eq!(alert["target"], json!({"ip": "198.51.100.2", "port": null, "prefix": null}));
    assert_eq!(kinds(&snapshot), ["port-scan"]);
}

#[test]
fn a_busy_web_and_dns_server_raises_nothing() {
    if !skip::privileged() {
        return;
    }
    let watch = Watch::with(&format!("--syn-flood {THRESHOLD}"));
    // In the first seconds everybody is new, and the rules are lenient.
    watch.settle();
    let (monitor, sender) = (&watch.monitor, Sender::new(&watch.net.sender, "out0"));
    let frame = |client: u32, transport, payload| {
        let source = Ipv4Addr::from_bits(0x0a00_0000 + client);
        Spec::between(source.into(), TARGET.into(), transport).payload(payload).frame()
    };
    // A visit, a query, a download's share, the answer to a query of ours, and to a ping.
    let visit = |client: u32| {
        let port = 20_000 + client as u16;
        for flags in [SYN, ACK, PSH_ACK, FIN_ACK] {
            sender.send(&frame(client, Transport::Tcp(port, 443, flags), 0), 1);
        }
        sender.send(&frame(client, Transport::Udp(port, 53), 40), 2);
        sender.send(&frame(1, Transport::Udp(443, 50_000), 1200), 1);
        sender.send(&frame(2, Transport::Udp(53, port), 200), 1);
        if client.is_multiple_of(20) {
            sender.send(&frame(client, Transport::Icmp, 56), 1);
        }
    };
    // As long as it takes until there is enough to be asked about: seconds with more SYNs than the rules let pass.
    let busy = |visit: &dyn Fn(u32), least: Duration| {
        let (started, mut client) = (Instant::now(), 0);
        let mut syn = syns(monitor);
        let mut seconds = 0;
        while started.elapsed() < least || (seconds < BUSY_SECONDS && started.elapsed() < deadline()) {
            let second = Instant::now();
            while second.elapsed() < Duration::from_secs(1) {
                client = (client + 1) % 3000;
                visit(client);
            }
            let now = syns(monitor);
            seconds += usize::from(now - syn > 2 * THRESHOLD);
            syn = now;
        }
        seconds
    };
    let seconds = busy(&visit, Duration::from_secs(6));
    let snapshot = monitor.snapshot();
    println!("{} packets, {}", snapshot["total_packets"], snapshot["tcp_flags"]);
    assert!(
        seconds >= BUSY_SECONDS,
        "only {seconds} seconds were busy enough to be asked about: {}",
        snapshot["tcp_flags"]
    );
    assert_eq!(kinds(&snapshot), [""; 0], "{}", snapshot["alerts"]);
    // The same clients, no more of them, and not faster: were their connections not completed, it would be told.
    let knock = |client: u32| sender.send(&frame(client, Transport::Tcp(20_000 + client as u16, 443, SYN), 0), 4);
    assert!(busy(&knock, Duration::ZERO) >= BUSY_SECONDS, "not as busy");
    monitor.wait_until("a SYN flood", |snapshot| named(snapshot, "syn-flood").is_some());
}

/// SYNs per second from which on the rule asks, and how many seconds there have to be with twice as many.
const THRESHOLD: u64 = 300;
const BUSY_SECONDS: usize = 3;

fn syns(monitor: &Monitor) -> u64 {
    monitor.snapshot()["tcp_flags"]["S"].as_u64().unwrap_or(0)
}
