//! The filter once more, as the documentation says it: item by item, without sets and masks, and without any of its code.

use std::net::IpAddr;

use ipnet::IpNet;
use nettop_common::{Address, Packet};
use nettop_model::filter::FilterText;

/// Names of protocols that are counted apart.
const NAMES: [(&str, u8); 5] = [("tcp", 6), ("udp", 17), ("icmp", 1), ("icmpv6", 58), ("sctp", 132)];

/// Whether a packet passes a filter that can be read. Of the names of protocols it knows those counted apart, GRE and ICMPv6's.
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

/// An address is of one family, and so is a prefix; what is written in IPv4-mapped form is of IPv4.
fn holds_address(item: &str, address: Address) -> bool {
    let address = address.to_ip().to_canonical();
    match (item.parse::<IpAddr>(), item.parse::<IpNet>()) {
        (Ok(one), _) => one.to_canonical() == address,
        (_, Ok(IpNet::V6(net))) if net.prefix_len() >= 96 && net.addr().to_ipv4_mapped().is_some() => match address {
            IpAddr::V4(v4) => net.contains(&v4.to_ipv6_mapped()),
            IpAddr::V6(_) => false,
        },
        (_, Ok(net)) => net.contains(&address),
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
    // Those that are not asked about have other names.
    item.eq_ignore_ascii_case("gre") && protocol == 47
        || ["icmp6", "ipv6-icmp"].iter().any(|name| name.eq_ignore_ascii_case(item)) && protocol == 58
}
