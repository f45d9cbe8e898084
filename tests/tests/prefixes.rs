//! A botnet of a few networks shows as those networks.

use std::net::Ipv4Addr;

use nettop_tests::{
    flood::Flood,
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    program::run,
    send::Sender,
    skip,
};
use serde_json::Value;

/// The networks of the botnet, and how often each host of theirs sends.
const BOTNET: [([u8; 3], usize); 3] = [([203, 0, 113], 40), ([198, 18, 7], 30), ([192, 0, 2], 20)];
const VICTIM: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a count, not {value}"))
}

/// Everything that came from prefixes of a length, in packets or bytes: listed, left out, and from those forgotten.
fn sum(snapshot: &Value, length: &str, unit: &str) -> u64 {
    let rows = snapshot["prefixes"][length].as_array().expect("a list");
    let rest = &snapshot["rest"]["prefixes"][length];
    rows.iter().map(|row| number(&row[unit])).sum::<u64>() + number(&rest[unit]) + number(&rest["evicted"][unit])
}

#[track_caller]
fn expect_balance(snapshot: &Value) {
    for unit in ["packets", "bytes"] {
        let [long4, short4, long6, short6] = ["24", "16", "48", "32"].map(|length| sum(snapshot, length, unit));
        assert_eq!((long4, long6), (short4, short6), "{unit}: both lengths hold everything");
        let accounting = &snapshot["accounting"];
        let untracked = number(&accounting["untracked"][unit]);
        assert_eq!(long4 + long6 + untracked, number(&accounting["counted"][unit]), "{unit}: {accounting}");
    }
}

#[test]
fn a_botnet_of_three_networks_leads_the_list_before_and_after_a_flood() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0 --map-memory 64");
    let sender = Sender::new(&net.sender, "out0");
    let udp = Transport::Udp(40_000, 53);
    let mut seen = 0;
    let mut length = 0;
    let send_bots = || {
        for (network @ [a, b, c], times) in BOTNET {
            for host in 1..=254 {
                let frame = Spec::between([a, b, c, host].into(), VICTIM.into(), udp).frame();
                assert!(frame.len() >= 42, "{network:?}");
                sender.send(&frame, times);
            }
        }
        BOTNET.iter().map(|(_, times)| 254 * *times as u64).sum::<u64>()
    };
    // Other traffic: many networks, and one of IPv6 whose sources are spread over many /48.
    for at in 0..200_u16 {
        let [high, low] = at.to_be_bytes();
        let v4 = Spec::between([100, low, high, 1].into(), VICTIM.into(), udp);
        let v6 = [0x2001, 0xdb8, at, 0, 0, 0, 0, 1];
        let v6 = Spec::between(v6.into(), [0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 2].into(), udp);
        sender.send(&v4.frame(), 3);
        sender.send(&v6.frame(), 2);
        length = v4.frame().len() as u64;
        seen += 5;
    }
    seen += send_bots();
    let expect_lead = |snapshot: &Value, rounds: u64| {
        expect_balance(snapshot);
        let rows = snapshot["prefixes"]["24"].as_array().expect("a list");
        for (row, ([a, b, c], times)) in rows.iter().zip(BOTNET) {
            let packets = 254 * times as u64 * rounds;
            assert_eq!(row["prefix"], format!("{a}.{b}.{c}.0/24"));
            assert_eq!((number(&row["packets"]), number(&row["bytes"])), (packets, packets * length), "{row}");
            assert!(rounds > 1 || row["ips"] == 254, "{row}");
        }
    };
    let snapshot = monitor.wait_until_seen(seen);
    expect_lead(&snapshot, 1);
    assert_eq!(snapshot["prefixes"]["48"][0]["ips"], 1);
    let spread = &snapshot["prefixes"]["32"][0];
    assert_eq!(
        (&spread["prefix"], number(&spread["ips"]), number(&spread["packets"])),
        (&"2001:db8::/32".into(), 200, 400),
        "{spread}"
    );

    let mut export = net.receiver.command(nettop_tests::program::path("nettopctl"));
    export.args(["export", "--format", "prefixes", "--control-socket"]).arg(monitor.socket());
    let table = run(&mut export);
    assert!(table.status.success(), "{table:?}");
    assert!(table.stdout.starts_with("prefix,ips,packets,bytes,pps,pps_60s\n"), "{table:?}");
    assert!(table.stdout.lines().any(|line| line.starts_with("203.0.113.0/24,")), "{table:?}");

    // Far more /24 than are remembered: all of IPv4 but for the lowest eighth.
    let frame = Spec::v4(udp).frame();
    let flood = Flood { frame, sources: 0xe000_0000, base: Ipv4Addr::new(32, 0, 0, 0), count: 1_000_000 };
    flood.run(&net.sender, "out0").expect("the flood is sent");
    seen = net.receiver.received("in0");
    let snapshot = monitor.wait_until_seen(seen);
    expect_balance(&snapshot);
    let rest = &snapshot["rest"]["prefixes"];
    assert!(number(&rest["24"]["evicted"]["packets"]) > 0 && number(&rest["24"]["rows"]) > 0, "{rest}");
    assert_eq!(rest["16"]["evicted"]["packets"], 0, "there is room for every /16");
    let before: Vec<_> = snapshot["prefixes"]["24"].as_array().expect("a list").iter().take(3).cloned().collect();
    seen += send_bots();
    let snapshot = monitor.wait_until_seen(seen);
    expect_balance(&snapshot);
    for (row, (before, (_, times))) in
        snapshot["prefixes"]["24"].as_array().expect("a list").iter().zip(before.iter().zip(BOTNET))
    {
        assert_eq!(row["prefix"], before["prefix"]);
        assert_eq!(number(&row["packets"]), number(&before["packets"]) + 254 * times as u64, "{row}");
    }

    let ended = monitor.stop();
    assert!(ended.stdout.contains("top prefixes") && ended.stdout.contains("203.0.113.0/24"), "{ended:?}");
}
