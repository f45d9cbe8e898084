//! Who scans, and who does not.

use nettop_common::{Address, Event};

use super::{MOST, Manner, SHORT_NS, Scans, window::Window};
use crate::detect::{
    locate::Net,
    testing::{Flow, *},
};

/// What is said, and how much of it with what is counted: that is an estimate.
fn scans(play: &Play) -> Vec<(String, f64)> {
    let parts = |message: String| {
        let (what, count) = message.split_once(": about ").expect("a scan");
        let count = count.trim_end_matches(" so far…").replace(',', "");
        (what.to_string(), count.parse().expect("a number"))
    };
    play.told().into_iter().map(parts).collect()
}

/// Compares what is said of seconds of traffic, each of which may differ, and of about how many ports or hosts.
fn expect(name: &str, seconds: impl Iterator<Item = Vec<Flow>>, expected: Option<(&str, f64)>) {
    let mut play = play(&[], 0, &[]);
    play.sampling = 1;
    seconds.for_each(|flows| play.second(&flows));
    let said = scans(&play);
    let (what, count) = expected.unzip();
    assert_eq!(said.iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>(), Vec::from_iter(what), "{name}");
    for (_, said) in said {
        let expected = count.unwrap_or_default();
        assert!((expected * 0.65..=expected * 1.4).contains(&said), "{name}: about {said}");
    }
}

#[test]
fn what_fails_is_a_scan() {
    let net = [198, 51, 100, 0];
    for (name, flows, what, count) in [
        ("SYNs to ports", vec![tcp(1, SYN, 100).ports(100)], "10.0.0.0 scans ports of 192.0.2.1", 100.0),
        ("no flags", vec![tcp(1, 0, 100).ports(100)], "10.0.0.0 scans ports of 192.0.2.1", 100.0),
        ("Xmas", vec![tcp(1, FIN | PSH | 0x20, 100).ports(100)], "10.0.0.0 scans ports of 192.0.2.1", 100.0),
        ("UDP", vec![udp(40_000, 1, 100).ports(100)], "10.0.0.0 scans ports of 192.0.2.1", 100.0),
        ("IPv6", vec![tcp(1, SYN, 100).ports(100).v6()], "2001:db8::a00:0 scans ports of 2001:db8::c000:201", 100.0),
        ("twice each", vec![tcp(1, SYN, 200).ports(100)], "10.0.0.0 scans ports of 192.0.2.1", 100.0),
        (
            "every third of them answers with a reset",
            vec![tcp(1, SYN, 120).ports(120), tcp(1, SYN, 40).ports(120).back(40).flags(RST | ACK)],
            "10.0.0.0 scans ports of 192.0.2.1",
            120.0,
        ),
        ("hosts", vec![tcp(22, SYN, 100).to(net).targets(100)], "10.0.0.0 scans 198.51.100.0/25 for port 22", 100.0),
        ("pings", vec![icmp(100).to(net).targets(100)], "10.0.0.0 pings the hosts of 198.51.100.0/25", 100.0),
        (
            "together",
            vec![tcp(1, SYN, 300).sources(20).ports(300)],
            "20 sources scan ports of 192.0.2.1 together",
            300.0,
        ),
        (
            "ports, some open",
            vec![tcp(1, SYN, 100).ports(100), tcp(1, ACK, 10).ports(10)],
            "10.0.0.0 scans ports of 192.0.2.1",
            90.0,
        ),
    ] {
        expect(name, std::iter::once(flows), Some((what, count)));
    }
}

#[test]
fn what_is_slow_is_found_within_half_an_hour() {
    let one = |port: u16| vec![tcp(port, SYN, 1)];
    let slow = "10.0.0.0 scans 192.0.2.1 slowly";
    expect("a port in two seconds", (0..130).map(|n| if n % 2 == 0 { one(n) } else { vec![] }), Some((slow, 65.0)));
    expect("half as many", (0..130).map(|n| if n % 4 == 0 { one(n) } else { vec![] }), None);
    let hosts = |n: u8| vec![icmp(u64::from(n % 2)).to([192, 0, 2, n])];
    expect("pings", (0..130).map(hosts), Some(("10.0.0.0 scans 192.0.2.0/24 slowly", 65.0)));
}

#[test]
fn what_leads_to_something_is_none() {
    let net = [198, 51, 100, 0];
    let ports = tcp(50_000, SYN, 200).ports(200);
    for (name, flows) in [
        ("few ports", vec![tcp(1, SYN, 38).ports(38)]),
        ("few hosts", vec![tcp(22, SYN, 38).to(net).targets(38)]),
        ("one port again and again", vec![tcp(443, SYN, 900)]),
        ("connections with data, as of FTP", vec![ports, tcp(50_000, PSH | ACK, 400).ports(200).data()]),
        ("connections that are answered", vec![ports, ports.back(200).flags(SYN | ACK)]),
        ("to many hosts", vec![tcp(443, SYN, 100).to(net).targets(100), tcp(443, ACK, 300).to(net).targets(100)]),
        ("a resolver's answers", vec![udp(53, 2000, 900).ports(900)]),
        ("QUIC to here", vec![udp(443, 50_000, 900).ports(900)]),
        ("calls", vec![udp(20_000, 30_000, 1000).ports(100)]),
        ("datagrams that are answered", vec![udp(40_000, 1, 100).ports(100), udp(40_000, 1, 100).ports(100).back(100)]),
        ("monitoring", vec![icmp(400).to(net).targets(100)]),
        ("pings that are answered", vec![icmp(100).to(net).targets(100), icmp(100).to(net).targets(100).back(100)]),
        ("traceroute", vec![udp(40_000, 33_434, 90).ports(90)]),
        ("a few ports of each of a few", vec![tcp(1, SYN, 36).sources(9).ports(36)]),
        ("many clients", vec![tcp(443, SYN, 900).sources(300)]),
        ("who pings back", vec![icmp(100).to(net).targets(100), flow(17, (9, 9), 100).to(net).targets(100).back(60)]),
    ] {
        expect(name, std::iter::once(flows), None);
    }
}

#[test]
fn it_goes_on_as_what_it_was_and_is_over_when_nothing_is_tried_any_more() {
    let mut play = play(&[], 0, &[]);
    play.sampling = 1;
    (0..3).for_each(|n| play.second(&[tcp(1 + n * 60, SYN, 60).ports(60)]));
    assert_eq!(play.changes.len(), 1 + 1, "a new source, and a scan: {:?}", play.changes);
    let peak = play.alerts("port-scan")[0].peak;
    assert!((120.0..250.0).contains(&peak), "{peak}");
    play.seconds(70, &[tcp(443, ACK, 5).from([172, 16, 0, 1])]);
    let scan = &play.alerts("port-scan")[0];
    assert!(scan.until_ns.is_some(), "{scan:?}");
    let kinds: Vec<_> = play.changes.iter().map(|alert| &*alert.kind).collect();
    assert_eq!(kinds, ["port-scan", "new-ip", "port-scan"]);
}

#[test]
fn many_scanners_are_told_by_the_first_few() {
    let flows: Vec<_> = (0..8).map(|n| tcp(1, SYN, 80).ports(80).from([10, 0, n, 0]).to([192, 0, 2, n])).collect();
    let said = play(&[], 1, &flows).told();
    assert_eq!((said.len(), said[0].as_str()), (6, "and 3 more sources that scan…"));
}

#[test]
fn memory_is_bounded_and_who_tries_much_stays() {
    let mut window = Window::new(SHORT_NS, MOST);
    (0..40).for_each(|port| window.add(&syn(7, port, 1, 1)));
    (0..100_000).for_each(|source| window.add(&syn(1000 + source, 443, 2, 1)));
    assert!(window.all().count() <= MOST, "{}", window.all().count());
    let tried = |window: &Window| window.all().map(|(_, tried)| tried.ports()).fold(0.0, f64::max);
    assert!(tried(&window) >= 30.0, "{}", tried(&window));
    // What it tried counts for two generations.
    window.add(&syn(7, 99, SHORT_NS + 1, 1));
    assert!(tried(&window) >= 30.0, "{}", tried(&window));
    window.add(&syn(7, 99, 2 * SHORT_NS + 1, 1));
    assert!(tried(&window) < 5.0, "{}", tried(&window));
    window.forget(|net: Net| net.is_host());
    assert_eq!(window.all().count(), 0);
}

#[test]
fn hosts_at_one_port_are_never_told_as_ports() {
    for _ in 0..100 {
        let mut scans = Scans::default();
        for host in 1..60 {
            let event = syn(7, 23, host, 1);
            scans.add(&Event { destination: Address::from_v4_word((0xc633_6400 + host as u32).to_be()), ..event });
            let manners: Vec<_> = scans.find(40.0, 0).iter().map(|scan| scan.manner).collect();
            assert!(manners.iter().all(|manner| *manner == Manner::Hosts), "{host}: {manners:?}");
        }
    }
}

#[test]
fn ports_in_a_row_are_counted_as_well_as_any() {
    let errors = (0..200).map(|_| {
        let mut window = Window::new(SHORT_NS, MOST);
        (0..100).for_each(|port| window.add(&syn(7, port, 1, 1)));
        window.all().map(|(_, tried)| (tried.ports() - 100.0).abs()).sum::<f64>()
    });
    // Of linear counting in 256 bits, the standard error is 4.7 %.
    let average = errors.sum::<f64>() / 200.0;
    assert!(average < 6.0, "{average}");
}
