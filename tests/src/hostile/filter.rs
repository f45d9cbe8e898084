//! Filters as people write them, against a second reading of the same text that knows nothing of the first.

use std::net::IpAddr;

use ipnet::IpNet;
use nettop::filter::FilterText;
use nettop_common::{Address, Packet};

/// Names of protocols that [`passes`] knows.
const NAMES: [(&str, u8); 5] = [("tcp", 6), ("udp", 17), ("icmp", 1), ("icmpv6", 58), ("sctp", 132)];

/// Reads `data`, four lines, as a filter: destination, source, ports, protocols.
pub fn filter(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n').map(str::to_owned);
    let mut line = || lines.next().unwrap_or_default();
    let filter = FilterText { dst: line(), src: line(), port: line(), proto: line() };
    let Ok(parsed) = filter.parse() else { return };

    let view = parsed.view(&["eth0".into()]);
    assert!(view.ports.is_sorted());
    let again = parsed.text.parse().expect("the text of a filter is one");
    assert_eq!((&again.text, &again.filter), (&parsed.text, &parsed.filter), "read twice");

    let addresses = words(&filter).filter_map(|word| word.split('/').next()?.parse().ok());
    let ports = words(&filter).flat_map(|word| word.split('-')).filter_map(|word| word.trim().parse().ok());
    let addresses: Vec<IpAddr> = addresses.take(8).chain(["192.0.2.1", "2001:db8::1"].map(parse)).collect();
    let ports: Vec<u16> = ports.take(8).chain([0, 443, 65_535]).collect();
    for (at, source) in addresses.iter().enumerate() {
        let destination = addresses[(at + 1) % addresses.len()];
        for (port, protocol) in ports.iter().zip([6, 17, 47, 1, 58, 132, 0, 255].iter().cycle()) {
            let packet = Packet {
                source: (*source).into(),
                destination: destination.into(),
                destination_port: *port,
                protocol: *protocol,
                ..Packet::default()
            };
            let passed = parsed.filter.as_ref().is_none_or(|filter| filter.matches(&packet));
            assert_eq!(passed, passes(&filter, &packet), "{filter:?} {packet:?}");
        }
    }
}

fn parse(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn words(filter: &FilterText) -> impl Iterator<Item = &str> {
    let FilterText { dst, src, port, proto } = filter;
    [dst, src, port, proto].into_iter().flat_map(|part| part.split(',')).map(|item| item.trim().trim_start_matches('!'))
}

/// Whether a packet passes a filter that is known to be one, as the documentation says it: item by item, no set, no mask.
pub fn passes(filter: &FilterText, packet: &Packet) -> bool {
    let FilterText { dst, src, port, proto } = filter;
    let is_any = |text: &str, others: &[&str]| text.eq_ignore_ascii_case("any") || others.contains(&text);
    let [any_dst, any_src] = [dst, src].map(|text| is_any(text.trim(), &["0.0.0.0", "::"]));
    (any_dst || part(dst, |item| holds_address(item, packet.destination)))
        && (any_src || part(src, |item| holds_address(item, packet.source)))
        && (is_any(port.trim(), &["0"]) || part(port, |item| holds_port(item, packet.destination_port)))
        && (is_any(proto.trim(), &[]) || part(proto, |item| holds_protocol(item, packet.protocol)))
}

/// No accepted item or one that matches, and no rejected one that does.
fn part(text: &str, matches: impl Fn(&str) -> bool) -> bool {
    let (mut has_accepted, mut accepted, mut rejected) = (false, false, false);
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        match item.strip_prefix('!') {
            Some(item) => rejected |= matches(item.trim()),
            None => {
                has_accepted = true;
                accepted |= matches(item);
            }
        }
    }
    (!has_accepted || accepted) && !rejected
}

/// IPv4-mapped IPv6 is IPv4 on both sides.
fn holds_address(item: &str, address: Address) -> bool {
    let address = address.to_ip();
    match (item.parse::<IpAddr>(), item.parse::<IpNet>()) {
        (Ok(one), _) => one.to_canonical() == address.to_canonical(),
        (_, Ok(net @ IpNet::V4(_))) => net.contains(&address.to_canonical()),
        (_, Ok(IpNet::V6(net))) => {
            let address = match address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            };
            net.contains(&address)
        }
        _ => panic!("{item:?} was taken for an address"),
    }
}

fn holds_port(item: &str, port: u16) -> bool {
    let number = |text: &str| text.trim().parse::<u16>().unwrap_or_else(|_| panic!("{text:?} was taken for a port"));
    match item.split_once('-') {
        Some((first, last)) => (number(first)..=number(last)).contains(&port),
        None => number(item) == port,
    }
}

fn holds_protocol(item: &str, protocol: u8) -> bool {
    if let Ok(number) = item.parse::<u8>() {
        return number == protocol;
    }
    if let Some((_, number)) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(item)) {
        return *number == protocol;
    }
    if item.eq_ignore_ascii_case("other") {
        return !NAMES.iter().any(|(_, number)| *number == protocol);
    }
    // What else has a name is not among the numbers asked about.
    item.eq_ignore_ascii_case("gre") && protocol == 47
        || ["icmp6", "ipv6-icmp"].iter().any(|name| name.eq_ignore_ascii_case(item)) && protocol == 58
}
