//! The filter as people write it, and how it becomes the kernel's.
//!
//! Addresses are `192.0.2.1,10.0.0.0/8,!10.1.0.0/16`, ports `80,443,8000-8100,!8080`, protocols `tcp,icmp,!udp,47`.
//! A part matches when it holds no accepted item or one of them matches, and no rejected (`!`) one does.

use std::ops::RangeInclusive;

use nettop_common::{
    Filter, Prefix, Protocol,
    config::{BitSet, MAX_PREFIXES, PrefixList},
};
use nettop_geo::prefix;

use crate::{order, snapshot::FilterView};

/// Each part as text; empty is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterText {
    /// Destination addresses.
    pub dst: String,
    /// Source addresses.
    pub src: String,
    /// Destination ports.
    pub port: String,
    /// Protocols.
    pub proto: String,
}

/// A filter that has been read.
#[derive(Clone, Debug)]
pub struct ParsedFilter {
    /// As text, normalised.
    pub text: FilterText,
    /// For the kernel; `None`: everything passes.
    pub filter: Option<Box<Filter>>,
    /// Accepted destination ports, where they were named.
    ports: Vec<u16>,
}

impl FilterText {
    /// Reads it.
    ///
    /// # Errors
    /// Names the part, the item, and what is wrong with it.
    pub fn parse(&self) -> Result<ParsedFilter, String> {
        let mut filter = Box::new(Filter::pass_all());
        let text = Self {
            dst: any_address(&self.dst),
            src: any_address(&self.src),
            port: if self.port.trim() == "0" { String::new() } else { any(&self.port) },
            proto: any(&self.proto),
        };
        filter.destinations = prefixes(&text.dst).map_err(|error| format!("destination: {error}"))?;
        filter.sources = prefixes(&text.src).map_err(|error| format!("source: {error}"))?;
        let ports = number_set(&text.port, &mut filter.ports, port_range).map_err(|error| format!("port: {error}"))?;
        number_set(&text.proto, &mut filter.protocols, protocol_numbers)
            .map_err(|error| format!("protocol: {error}"))?;
        let filter = (text != Self::default()).then_some(filter);
        Ok(ParsedFilter { text, filter, ports: ports.into_iter().map(|port| port as u16).collect() })
    }
}

impl ParsedFilter {
    /// As the classic shows it.
    pub fn view(&self, interfaces: &[String]) -> FilterView {
        let mut protocols: Vec<_> = items(&self.text.proto).map(str::to_uppercase).collect();
        protocols.sort();
        protocols.dedup();
        FilterView {
            dst: if self.text.dst.is_empty() { "0.0.0.0".into() } else { self.text.dst.clone() },
            ports: self.ports.clone(),
            port: self.text.port.clone(),
            iface: interfaces.join(","),
            src: self.text.src.clone(),
            protocols,
        }
    }
}

fn any(text: &str) -> String {
    let text = text.trim();
    if text.eq_ignore_ascii_case("any") { String::new() } else { text.to_string() }
}

fn any_address(text: &str) -> String {
    match text.trim() {
        "0.0.0.0" | "::" => String::new(),
        text => any(text),
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// The item without its `!`, and whether it had one.
fn negation(item: &str) -> (&str, bool) {
    match item.strip_prefix('!') {
        Some(rest) => (rest.trim(), true),
        None => (item, false),
    }
}

fn prefixes(text: &str) -> Result<PrefixList, String> {
    let mut prefixes = PrefixList::default();
    for item in items(text) {
        let (address, negated) = negation(item);
        let Some(net) = prefix::parse(address) else {
            return Err(format!("{item:?} is not an IP address or prefix"));
        };
        let embedded = if net.addr().is_ipv4() { 96 } else { 0 };
        let prefix = Prefix::new(net.addr().into(), embedded + net.prefix_len());
        if !prefixes.push(prefix, negated) {
            return Err(format!(
                "more than {MAX_PREFIXES} addresses or prefixes of one family; the kernel program holds no more"
            ));
        }
    }
    Ok(prefixes)
}

/// Reads accepted and rejected numbers into `set`; returns the accepted ones, in order, where any were named.
fn number_set<const WORDS: usize>(
    text: &str,
    set: &mut BitSet<WORDS>,
    numbers: fn(&str) -> Result<Vec<Range>, String>,
) -> Result<Vec<usize>, String> {
    let (mut accepted, mut rejected) = (Vec::new(), Vec::new());
    for item in items(text) {
        let (name, negated) = negation(item);
        if negated { &mut rejected } else { &mut accepted }.extend(numbers(name)?);
    }
    let named = !accepted.is_empty();
    *set = if named { BitSet::EMPTY } else { BitSet::ALL };
    fill(set, accepted, true);
    fill(set, rejected, false);
    Ok((0..WORDS * 64).filter(|number| named && set.contains(*number)).collect())
}

/// Numbers in a row.
type Range = RangeInclusive<usize>;

/// Adds or removes ranges, each number once: a request may name all ports thousands of times.
fn fill<const WORDS: usize>(set: &mut BitSet<WORDS>, mut ranges: Vec<Range>, present: bool) {
    order::sort_by_key(&mut ranges, |range| *range.start());
    let mut next = 0;
    for range in ranges {
        (next.max(*range.start())..=*range.end()).for_each(|number| set.set(number, present));
        next = next.max(range.end() + 1);
    }
}

/// A port or a range of ports.
fn port_range(text: &str) -> Result<Vec<Range>, String> {
    let port = |text: &str| {
        text.trim().parse::<u16>().map(usize::from).map_err(|_| format!("{:?} is not a port (0 to 65535)", text.trim()))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        return Err(format!("the range {text:?} ends before it begins"));
    }
    Ok(vec![first..=last])
}

/// Names of protocols beyond those counted apart (IANA "Assigned Internet Protocol Numbers").
const NAMES: &[(&str, u8)] = &[
    ("igmp", 2),
    ("ipip", 4),
    ("egp", 8),
    ("dccp", 33),
    ("ipv6", 41),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("icmp6", 58),
    ("eigrp", 88),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("l2tp", 115),
    ("udplite", 136),
];

/// A protocol by name or number; `other` is all that are not counted apart.
fn protocol_numbers(text: &str) -> Result<Vec<Range>, String> {
    let one = |number: u8| usize::from(number)..=usize::from(number);
    if let Ok(number) = text.parse::<u8>() {
        return Ok(vec![one(number)]);
    }
    let counted = |protocol: &&Protocol| protocol.label().eq_ignore_ascii_case(text);
    if let Some(wanted) = Protocol::ALL.iter().find(counted) {
        return Ok((0..=u8::MAX).filter(|number| Protocol::from_number(*number) == *wanted).map(one).collect());
    }
    if let Some((_, number)) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Ok(vec![one(*number)]);
    }
    Err(format!("{text:?} is not a protocol name or number (such as tcp, udp, icmp, icmpv6, sctp, gre, 47, other)"))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use nettop_common::{Address, Packet};

    use super::*;

    fn text(dst: &str, src: &str, port: &str, proto: &str) -> FilterText {
        FilterText { dst: dst.into(), src: src.into(), port: port.into(), proto: proto.into() }
    }

    fn passes(filter: &FilterText, dst: &str, src: &str, port: u16, protocol: u8) -> bool {
        let address = |text: &str| Address::from(text.parse::<IpAddr>().unwrap());
        let packet = Packet {
            source: address(src),
            destination: address(dst),
            destination_port: port,
            protocol,
            ..Packet::default()
        };
        filter.parse().unwrap().filter.is_none_or(|filter| filter.matches(&packet))
    }

    #[test]
    fn any_is_no_filter() {
        for any in ["", "any", "ANY", " ", "0.0.0.0", "::"] {
            assert!(text(any, any, "", "").parse().unwrap().filter.is_none(), "{any:?}");
        }
        assert!(text("", "", "0", "any").parse().unwrap().filter.is_none());
    }

    #[test]
    fn each_part_decides() {
        for (filter, dst, src, port, protocol, expected) in [
            (text("10.0.0.1", "", "", ""), "10.0.0.1", "192.0.2.1", 80, 6, true),
            (text("10.0.0.1", "", "", ""), "10.0.0.2", "192.0.2.1", 80, 6, false),
            (text("", "10.0.0.0/8", "", ""), "192.0.2.1", "10.9.8.7", 80, 6, true),
            (text("", "10.0.0.0/8", "", ""), "192.0.2.1", "2001:db8::1", 80, 6, false),
            (text("", "2001:db8::/32,10.0.0.1", "", ""), "192.0.2.1", "2001:db8::1", 80, 6, true),
            (text("", "!10.0.0.0/8", "", ""), "192.0.2.1", "10.0.0.1", 80, 6, false),
            (text("", "!10.0.0.0/8", "", ""), "192.0.2.1", "11.0.0.1", 80, 6, true),
            (text("", "0.0.0.0/0", "", ""), "192.0.2.1", "2001:db8::1", 80, 6, false),
            (text("", "0.0.0.0/0", "", ""), "192.0.2.1", "10.0.0.1", 80, 6, true),
            (text("", "!0.0.0.0/0", "", ""), "192.0.2.1", "2001:db8::1", 80, 6, true),
            (text("", "::/0", "", ""), "192.0.2.1", "2001:db8::1", 80, 6, true),
            (text("", "::/0", "", ""), "192.0.2.1", "10.0.0.1", 80, 6, false),
            (text("::/0", "", "", ""), "192.0.2.1", "10.0.0.1", 80, 6, false),
            (text("", "!::/0", "", ""), "192.0.2.1", "10.0.0.1", 80, 6, true),
            (text("", "!::/0", "", ""), "192.0.2.1", "2001:db8::1", 80, 6, false),
            (text("", "::/64", "", ""), "192.0.2.1", "10.0.0.1", 80, 6, false),
            (text("", "::/0,10.0.0.0/8", "", ""), "192.0.2.1", "10.0.0.1", 80, 6, true),
            (text("", "::/0,!::/0", "", ""), "192.0.2.1", "10.0.0.1", 80, 6, false),
            // What is written in mapped form means the IPv4 addresses.
            (text("", "::ffff:10.0.0.0/104", "", ""), "192.0.2.1", "10.9.8.7", 80, 6, true),
            (text("", "::ffff:10.0.0.0/104", "", ""), "192.0.2.1", "11.9.8.7", 80, 6, false),
            (text("", "::ffff:10.0.0.1", "", ""), "192.0.2.1", "10.0.0.1", 80, 6, true),
            (text("", "::ffff:0:0/96", "", ""), "192.0.2.1", "2001:db8::1", 80, 6, false),
            (text("", "", "80,8000-8100", ""), "192.0.2.1", "10.0.0.1", 8050, 6, true),
            (text("", "", "80,8000-8100", ""), "192.0.2.1", "10.0.0.1", 81, 6, false),
            (text("", "", "8000-8100,!8050", ""), "192.0.2.1", "10.0.0.1", 8050, 6, false),
            (text("", "", "!53", ""), "192.0.2.1", "10.0.0.1", 54, 17, true),
            (text("", "", "", "tcp,UDP"), "192.0.2.1", "10.0.0.1", 54, 17, true),
            (text("", "", "", "tcp"), "192.0.2.1", "10.0.0.1", 54, 17, false),
            (text("", "", "", "gre"), "192.0.2.1", "10.0.0.1", 0, 47, true),
            (text("", "", "", "other"), "192.0.2.1", "10.0.0.1", 0, 47, true),
            (text("", "", "", "!other"), "192.0.2.1", "10.0.0.1", 0, 47, false),
            (text("", "", "", "58"), "192.0.2.1", "10.0.0.1", 0, 58, true),
        ] {
            assert_eq!(passes(&filter, dst, src, port, protocol), expected, "{filter:?} {dst} {src} {port} {protocol}");
        }
    }

    #[test]
    fn errors_name_the_part_and_the_item() {
        for (filter, part) in [
            (text("10.0.0.300", "", "", ""), "destination: \"10.0.0.300\""),
            (text("", "10.0.0.0/33", "", ""), "source: \"10.0.0.0/33\""),
            (text("", "", "70000", ""), "port: \"70000\""),
            (text("", "", "80-", ""), "port: \"\" is not a port"),
            (text("", "", "90-80", ""), "ends before it begins"),
            (text("", "", "", "tcpp"), "protocol: \"tcpp\""),
            (text("", "", "", "256"), "protocol: \"256\""),
            (text("", &"10.0.0.1,".repeat(17), "", ""), "more than 16"),
        ] {
            let error = filter.parse().unwrap_err();
            assert!(error.contains(part), "{filter:?}: {error}");
        }
    }

    #[test]
    fn a_request_full_of_ranges_is_read_at_once() {
        let parsed = text("", "", &"0-65535,!1-65535,".repeat(4000), "").parse().unwrap();
        assert_eq!(parsed.ports, [0]);
    }

    #[test]
    fn the_view_is_the_classics() {
        let view = text("", "10.0.0.1", "443,80,!80", "udp,tcp").parse().unwrap().view(&["eth0".into(), "eth1".into()]);
        assert_eq!(view.dst, "0.0.0.0");
        assert_eq!(view.ports, [443]);
        assert_eq!(view.protocols, ["TCP", "UDP"]);
        assert_eq!(view.iface, "eth0,eth1");
    }
}
