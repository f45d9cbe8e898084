//! What the kernel drops, by its reason, to the unit. The program sees the drops of all network namespaces: another process of this
//! machine may add to them meanwhile, so a round counts in which it did not, and in none is anything missing. Where it goes on doing so, that is said.

use std::{net::UdpSocket, process::Command};

use nettop_tests::{
    frames::{DESTINATION_V4, Spec, Transport},
    monitor::Monitor,
    net::Net,
    program,
    send::Sender,
    skip,
};
use serde_json::{Value, json};

/// Packets in a round.
const EACH: u64 = 2_000;
/// Rounds until in one of them nobody else's were dropped for the same reason.
const ROUNDS: usize = 10;

fn drops(monitor: &Monitor) -> Value {
    monitor.command(&json!({"cmd": "snapshot", "schema": 2, "groups": ["drops"]}))["snapshot"]["drops"].take()
}

fn dropped_for(drops: &Value, reason: &str) -> u64 {
    let rows = drops["reasons"].as_array().expect("reasons");
    rows.iter().find(|row| row["reason"] == reason).map_or(0, |row| row["packets"].as_u64().expect("a number"))
}

/// The drops of a reading that began after now.
fn next_reading(monitor: &Monitor) -> Value {
    let at = |drops: &Value| drops["at_ns"].as_u64();
    // The one that is under way, and the next.
    let mut newest = drops(monitor);
    for _ in 0..2 {
        let before = at(&newest);
        newest = program::wait_for(|| Some(drops(monitor)).filter(|drops| at(drops) > before)).expect("a reading");
    }
    newest
}

/// Whether `send` has exactly so many packets dropped for a reason.
fn assert_dropped(monitor: &Monitor, reason: &str, expected: u64, send: impl Fn()) {
    let rounds: Vec<u64> = (0..ROUNDS)
        .scan(dropped_for(&next_reading(monitor), reason), |before, _| {
            send();
            let drops = next_reading(monitor);
            assert_eq!(drops["holds"], true, "{drops}");
            let now = dropped_for(&drops, reason);
            Some(now - std::mem::replace(before, now))
        })
        .inspect(|rose| assert!(*rose >= expected, "{reason}: {rose} of {expected}"))
        .take_while(|rose| *rose != expected)
        .collect();
    if rounds.len() == ROUNDS {
        // Only others can be why, so they still are.
        let before = dropped_for(&next_reading(monitor), reason);
        let others = dropped_for(&next_reading(monitor), reason) - before;
        assert!(others > 0, "{reason}: {rounds:?}, and never {expected}");
        return skip::report(&format!(
            "{reason} to the unit: {others} packets of others are dropped each second or so"
        ));
    }
    println!("{reason}: rounds in which others dropped, too: {rounds:?}; then {expected} exactly");
}

#[test]
fn what_the_kernel_drops_is_counted_by_its_reason_to_the_unit() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    net.receiver.ip("link set dev lo up");
    net.receiver.ip(&format!("address add {DESTINATION_V4}/24 dev in0"));
    net.receiver.ip("route add default dev in0");
    let monitor = Monitor::live(&net.receiver, "--drops");
    let snapshot = monitor.wait_until("drops", |_| drops(&monitor).is_object());
    assert!(!snapshot["degraded"].to_string().contains("no drops"), "{}", snapshot["degraded"]);

    let sender = Sender::new(&net.sender, "out0");
    let to = |port| Spec::between([203, 0, 113, 7].into(), DESTINATION_V4.into(), Transport::Udp(40_000, port)).frame();
    assert_dropped(&monitor, "NO_SOCKET", EACH, || sender.send(&to(9), EACH as usize));

    let open = net.receiver.run(|| UdpSocket::bind((DESTINATION_V4, 7_100)).expect("a socket"));
    let mut nft: Command = net.receiver.command("nft");
    let rules = "add table inet drops; add chain inet drops input { type filter hook input priority 0; }; \
                 add rule inet drops input udp dport 7100 drop";
    match nft.arg(rules).status() {
        Ok(status) if status.success() => {
            assert_dropped(&monitor, "NETFILTER_DROP", EACH, || sender.send(&to(7_100), EACH as usize));
        }
        refused => skip::report(&format!("nft makes no rule ({refused:?}); on Debian: apt-get install nftables")),
    }
    drop(open);

    monitor.command(&json!({"cmd": "reset"}));
    assert!(dropped_for(&drops(&monitor), "NO_SOCKET") < EACH, "they are counted anew");
    assert!(monitor.stop().status.success());
}

#[test]
fn they_are_counted_where_that_is_asked_for() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "");
    monitor.wait_until("the host's counters", |snapshot| snapshot["host"].is_object());
    assert_eq!(drops(&monitor), Value::Null);
}
