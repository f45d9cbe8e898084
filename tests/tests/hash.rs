//! Sources, destinations and MAC pairs in per-CPU hash maps: the same rows, and what a full map means.

use std::{net::Ipv4Addr, time::Duration};

use nettop_tests::{
    flood::Flood,
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    send::Sender,
    skip,
};
use serde_json::{Value, json};

/// Sources in a flood that none of the small maps has room for.
const FORGED: u32 = 16_000_000;

fn packets(snapshot: &Value, part: &str) -> u64 {
    snapshot["accounting"][part]["packets"].as_u64().expect("a count")
}

/// Expects every packet of a snapshot to be accounted for.
#[track_caller]
fn expect_balance(snapshot: &Value) {
    let accounting = &snapshot["accounting"];
    assert_eq!(accounting["holds"], true, "{accounting}");
    let [counted, sources, evicted, untracked] =
        ["counted", "sources", "evicted", "untracked"].map(|part| packets(snapshot, part));
    assert_eq!(counted, sources + evicted + untracked, "{accounting}");
}

fn badges(snapshot: &Value) -> Vec<&str> {
    let rows = snapshot["degraded"].as_array().expect("a list").iter();
    rows.filter_map(|row| row["badge"].as_str()).collect()
}

fn flood(count: u32) -> Flood {
    let frame = Spec::v4(Transport::Udp(40_000, 53)).payload(18).frame();
    Flood { frame, sources: FORGED, base: Ipv4Addr::new(16, 0, 0, 0), count }
}

/// What a snapshot says of keys.
fn rows(snapshot: &Value) -> Vec<(String, u64, u64)> {
    let sources = snapshot["ips"].as_array().expect("a list").iter();
    let mut rows: Vec<_> = sources
        .map(|row| {
            let number = |name: &str| row[name].as_u64().expect("a number");
            (row["ip"].as_str().expect("an address").to_string(), number("packets"), number("bytes"))
        })
        .collect();
    for list in ["dst_ips", "macs"] {
        let keys = snapshot[list].as_object().map(|keys| keys.iter().map(|(key, packets)| (key.clone(), packets)));
        rows.extend(keys.into_iter().flatten().map(|(key, packets)| (key, packets.as_u64().unwrap_or_default(), 0)));
    }
    rows.sort();
    rows
}

#[test]
fn the_rows_are_those_of_slots() {
    if !skip::privileged() {
        return;
    }
    let mut found = Vec::new();
    for options in ["--maps slots", "--maps hash"] {
        let net = Net::new(1);
        let monitor = Monitor::live(&net.receiver, &format!("--iface in0 {options}"));
        let sender = Sender::new(&net.sender, "out0");
        let mut sent = 0;
        // Several readings, so that keys come again.
        for round in 1..=4u8 {
            for host in 0..40u8 {
                let mut spec = Spec::between(
                    [203, 0, 113, host].into(),
                    [198, 51, 100, host % 5].into(),
                    Transport::Tcp(5, 22, 0x02),
                );
                spec.source_mac = [2, 0, 0, 0, 0, host % 3];
                sender.send(&spec.payload(usize::from(round)).frame(), round.into());
                sent += u64::from(round);
            }
            let snapshot = monitor.wait_until_seen(sent);
            expect_balance(&snapshot);
            assert_eq!(packets(&snapshot, "untracked"), 0);
        }
        let answer = monitor.command(&json!({"cmd": "snapshot", "limit": 0}));
        found.push((rows(&answer["snapshot"]), answer["snapshot"]["unique_ips"].clone()));
    }
    assert!(found[0].0.len() >= 40 + 5, "{found:?}");
    assert_eq!(found[0], found[1]);
}

#[test]
fn maps_list_the_hash_maps_and_not_the_slots() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0 --maps hash --without macs");
    let sender = Sender::new(&net.sender, "out0");
    let spec = Spec::between([203, 0, 113, 9].into(), [198, 51, 100, 2].into(), Transport::Udp(40_000, 53));
    sender.send(&spec.frame(), 700);
    monitor.wait_until_seen(700);
    let answer = monitor.command(&json!({"cmd": "maps"}));
    let maps = answer["maps"].as_array().expect("a list of maps");
    let map = |name: &str| maps.iter().find(|map| map["name"] == name);
    for (name, key) in [("SOURCE_HASH", "203.0.113.9"), ("DEST_HASH", "198.51.100.2")] {
        let map = map(name).unwrap_or_else(|| panic!("no map {name} in {answer}"));
        assert_eq!(map["kind"], "per-CPU hash");
        assert_eq!(map["fill"]["used"], 1, "{map}");
        assert_eq!((&map["rows"][0]["key"], &map["rows"][0]["sum"][0]), (&json!(key), &json!(700)), "{map}");
        assert!(map["fill"]["of"].as_u64() == map["capacity"].as_u64() && map["memory"].as_u64() > Some(10_000));
    }
    assert_eq!(map("MAC_HASH").map(|map| &map["rows"]), Some(&json!([])), "they are not counted");
    for unused in ["SOURCES", "DESTINATIONS", "MACS", "LOG"] {
        assert_eq!(map(unused), None);
    }
}

#[test]
fn a_full_map_is_told_and_a_reset_empties_it() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0 --maps hash --map-memory 1");
    flood(100_000).run(&net.sender, "out0").expect("the flood is sent");
    let received = net.receiver.received("in0");
    let full = monitor.wait_until("a full map", |snapshot| badges(snapshot).contains(&"MAP FULL"));
    expect_balance(&full);
    let whole = monitor.wait_until_seen(received);
    expect_balance(&whole);
    assert!(packets(&whole, "untracked") > received / 2, "{}", whole["accounting"]);
    assert_eq!(whole["unique_estimated"], true);

    // Whoever comes now finds no room.
    let newcomer = Spec::between([203, 0, 113, 77].into(), [198, 51, 100, 9].into(), Transport::Tcp(5, 22, 0x02));
    let sender = Sender::new(&net.sender, "out0");
    sender.send(&newcomer.frame(), 20);
    let after = monitor.wait_until_seen(received + 20);
    assert_eq!(packets(&after, "untracked"), packets(&whole, "untracked") + 20);

    monitor.command(&json!({"cmd": "reset"}));
    sender.send(&newcomer.frame(), 30);
    let fresh = monitor.wait_until("the newcomer", |snapshot| packets(snapshot, "counted") == 30);
    expect_balance(&fresh);
    assert_eq!((packets(&fresh, "untracked"), packets(&fresh, "sources")), (0, 30));
    assert_eq!((&fresh["ips"][0]["ip"], &fresh["ips"][0]["packets"]), (&json!("203.0.113.77"), &json!(30)));
    monitor.wait_until("no badge", |snapshot| !badges(snapshot).contains(&"MAP FULL"));
}

#[test]
fn resets_in_a_flood_lose_nothing() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0 --maps hash --interval 0.2");
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| flood(2_000_000).run(&net.sender, "out0"));
        let mut resets = 0;
        while !flood.is_finished() {
            expect_balance(&monitor.snapshot());
            monitor.command(&json!({"cmd": "reset"}));
            expect_balance(&monitor.snapshot());
            resets += 1;
            std::thread::sleep(Duration::from_millis(50));
        }
        flood.join().expect("no panic").expect("the flood is sent");
        assert!(resets > 1, "{resets} resets in the flood");
    });
    monitor.command(&json!({"cmd": "reset"}));
    // Nothing that came before is left in a map.
    let spec = Spec::between([203, 0, 113, 9].into(), [198, 51, 100, 2].into(), Transport::Udp(40_000, 53));
    Sender::new(&net.sender, "out0").send(&spec.frame(), 5);
    let last = monitor.wait_until("five packets", |snapshot| packets(snapshot, "counted") >= 5);
    expect_balance(&last);
    assert_eq!(
        rows(&last),
        [("198.51.100.2".into(), 5, 0), ("203.0.113.9".into(), 5, last["ips"][0]["bytes"].as_u64().expect("a number"))]
    );
}
