//! Packets to a destination by class of traffic: exact where a word is full, where there is no slot, and on the way to a snapshot.

use std::{collections::BTreeMap, net::Ipv4Addr, os::fd::AsFd as _};

use nettop_collect::{kernel::capacity::Capacity, reading::Reading};
use nettop_common::{
    Address, ClassTally, LinkLayer, PacketsBytes,
    counters::{Part, Table},
};
use nettop_tests::{
    bpf,
    frames::{Spec, Transport},
    kernel::Kernel,
    monitor::Monitor,
    net::Net,
    send::Sender,
    skip,
};
use serde_json::{Value, json};

/// A SYN, an ACK with data, UDP, and one of a flood of nonsense.
const TRANSPORTS: [(&str, Transport); 4] = [
    ("syn", Transport::Tcp(40_000, 443, 0x02)),
    ("data", Transport::Tcp(40_000, 443, 0x18)),
    ("udp", Transport::Udp(40_000, 53)),
    ("flags", Transport::Tcp(40_000, 443, 0x29)),
];

fn frame(destination: Ipv4Addr, transport: Transport) -> Vec<u8> {
    Spec { destination: destination.into(), ..Spec::v4(transport) }.payload(10).frame()
}

/// What was counted, by address and class.
fn sums(reading: &Reading) -> BTreeMap<(Address, &'static str), PacketsBytes> {
    let mut sums = BTreeMap::<_, PacketsBytes>::new();
    for (address, ClassTally { class, tally }) in &reading.destinations {
        sums.entry((*address, class.json_name())).or_default().add(*tally);
    }
    sums
}

#[test]
fn more_packets_than_a_word_holds_are_exact_though_the_log_is_full() {
    if !skip::privileged() {
        return;
    }
    const RUNS: u32 = 5_000_000;
    let mut kernel = Kernel::load_sized(Part::EVERY, Capacity { log_bits: 3, ..Capacity::MOST });
    kernel.set_sampling(0);
    let program = kernel.program(LinkLayer::Ethernet);
    let destination = Ipv4Addr::new(198, 51, 100, 2);
    let mut truth = BTreeMap::new();
    for (name, transport) in &TRANSPORTS[..2] {
        let frame = frame(destination, *transport);
        bpf::run(program.as_fd(), &frame, RUNS).expect("running the program");
        let tally = PacketsBytes { packets: RUNS.into(), bytes: u64::from(RUNS) * frame.len() as u64 };
        truth.insert((Address::from(std::net::IpAddr::from(destination)), *name), tally);
    }
    let reading = kernel.read();
    assert_eq!(sums(&reading), truth);
    assert_eq!(reading.totals.untracked(Table::Destinations), PacketsBytes::default());
}

#[test]
fn who_has_no_slot_is_logged_by_class() {
    if !skip::privileged() {
        return;
    }
    const DESTINATIONS: u32 = 200;
    for (name, log_bits, is_tracked) in [("a log with room", 14, true), ("a log without", 3, false)] {
        let mut kernel = Kernel::load_sized(Part::EVERY, Capacity { bits: [9, 1, 9], log_bits, ..Capacity::MOST });
        let (mut truth, mut packets) = (BTreeMap::<_, PacketsBytes>::new(), 0);
        for number in 0..3 * DESTINATIONS {
            let destination = Ipv4Addr::from_bits(0xc633_6400 + number % DESTINATIONS);
            for (class, transport) in TRANSPORTS {
                let frame = frame(destination, transport);
                kernel.count(&frame, LinkLayer::Ethernet);
                let address = Address::from(std::net::IpAddr::from(destination));
                truth.entry((address, class)).or_default().count(frame.len() as u64);
                packets += 1;
            }
        }
        let reading = kernel.read();
        let untracked = reading.totals.untracked(Table::Destinations).packets;
        let counted: u64 = reading.destinations.iter().map(|(_, of_class)| of_class.tally.packets).sum();
        assert_eq!(counted + untracked, packets, "{name}");
        assert_eq!(untracked == 0, is_tracked, "{name}: {untracked} untracked");
        if is_tracked {
            assert_eq!(sums(&reading), truth, "{name}");
        }
    }
}

#[test]
fn a_snapshot_has_what_was_sent_of_each_class() {
    if !skip::privileged() {
        return;
    }
    for maps in ["slots", "hash"] {
        let net = Net::new(1);
        let monitor = Monitor::live(&net.receiver, &format!("--iface in0 --maps {maps}"));
        let sender = Sender::new(&net.sender, "out0");
        let (mut expected, mut sent) = (json!({}), 0);
        for (n, (class, transport)) in (1_u64..).zip(TRANSPORTS) {
            let frame = frame([198, 51, 100, 2].into(), transport);
            // In two parts, so that readings are added up.
            for packets in [30 * n, 7] {
                sender.send(&frame, packets as usize);
                sent += packets;
                monitor.wait_until_seen(sent);
            }
            let packets = 30 * n + 7;
            expected[class] = json!({"packets": packets, "bytes": packets * frame.len() as u64});
        }
        let row = || -> Option<Value> {
            let answer = monitor.command(&json!({"cmd": "snapshot", "schema": 2, "groups": ["destinations"]}));
            let rows = answer["snapshot"]["destinations"]["rows"].as_array()?.clone();
            rows.into_iter().find(|row| row["ip"] == "198.51.100.2")
        };
        let row = row().expect("the destination");
        assert_eq!(row["classes"], expected, "{maps}: {row}");
        assert_eq!(row["packets"], sent, "{maps}: {row}");
    }
}

#[test]
fn what_comes_by_each_interface_is_told_by_class() {
    if !skip::privileged() {
        return;
    }
    for maps in ["slots", "hash"] {
        let net = Net::new(3);
        let monitor = Monitor::live(&net.receiver, &format!("--iface in0,in1 --maps {maps}"));
        let (mut expected, mut sent) = (BTreeMap::<(String, &str), PacketsBytes>::new(), 0);
        let mut send = |monitor: &Monitor, pair: usize, name: &str, packets: u64| {
            let (class, transport) = TRANSPORTS[(packets % 4) as usize];
            let frame = frame([198, 51, 100, 2].into(), transport);
            Sender::new(&net.sender, &format!("out{pair}")).send(&frame, packets as usize);
            sent += packets;
            monitor.wait_until_seen(sent);
            let sum = expected.entry((name.to_string(), class)).or_default();
            sum.add(PacketsBytes { packets, bytes: packets * frame.len() as u64 });
        };
        for packets in 10..18 {
            let pair = (packets % 2) as usize;
            send(&monitor, pair, &format!("in{pair}"), packets);
        }
        // Another index by the same name, another name of the same index, and another interface besides.
        net.remove_pair(0);
        net.add_pair(0);
        monitor.wait_until("it is attached again", |snapshot| {
            snapshot["interfaces"][0]["note"].as_str().is_some_and(|note| note.contains("attached again"))
        });
        send(&monitor, 0, "in0", 21);
        net.receiver.ip("link set dev in1 down");
        net.receiver.ip("link set dev in1 name wan up");
        monitor.wait_until("its new name", |snapshot| snapshot["interfaces"][1]["name"] == "wan");
        send(&monitor, 1, "wan", 22);
        monitor.command(&json!({"cmd": "set", "iface": "in2"}));
        send(&monitor, 2, "in2", 23);

        let answer = monitor.command(&json!({"cmd": "snapshot", "schema": 2, "groups": ["traffic"]}));
        let traffic = &answer["snapshot"]["traffic"];
        let mut found = BTreeMap::new();
        for row in traffic["interfaces"].as_array().expect("a list") {
            let name = row["name"].as_str().expect("a name");
            for (class, amount) in row["classes"].as_object().expect("an object") {
                let number = |key: &str| amount[key].as_u64().expect("a number");
                let tally = PacketsBytes { packets: number("packets"), bytes: number("bytes") };
                found.insert((name.to_string(), class.clone()), tally);
            }
        }
        let expected: BTreeMap<_, _> =
            expected.into_iter().map(|((name, class), tally)| ((name, class.to_string()), tally)).collect();
        assert_eq!(found, expected, "{maps}: {traffic}");
        assert_eq!(traffic["accounting"]["holds"], true, "{maps}");
    }
}
